"""The numbers of the protocol: commands, replies, events, data kinds (zk-protocol 2, 5.2, 7)."""

from enum import IntEnum, IntFlag


class Command(IntEnum):
    """What a client asks for. The few that only a simulator has to know are here as well."""

    READ_DATA = 7
    WRITE_USER = 8
    READ_USERS = 9
    """With `uid, finger` as data: one template."""
    READ_OPTION = 11
    WRITE_OPTION = 12
    READ_ATTLOG = 13
    CLEAR_DATA = 14
    CLEAR_ATTLOG = 15
    DELETE_USER = 18
    DELETE_TEMPLATE = 19
    CLEAR_ADMINS = 20
    READ_USER_GROUP = 21
    WRITE_USER_GROUP = 22
    READ_USER_ZONES = 23
    WRITE_USER_ZONES = 24
    READ_GROUP = 25
    WRITE_GROUP = 26
    READ_ZONE = 27
    WRITE_ZONE = 28
    READ_COMBINATION = 29
    WRITE_COMBINATION = 30
    UNLOCK = 31
    CLEAR_ACCESS = 32
    CLEAR_OPLOG = 33
    READ_OPLOG = 34
    READ_CAPACITY = 50
    ENABLE_CLOCK = 57
    START_VERIFY = 60
    START_ENROL = 61
    CANCEL_CAPTURE = 62
    READ_STATE = 64
    WRITE_LCD = 66
    CLEAR_LCD = 67
    READ_PIN_WIDTH = 69
    WRITE_SMS = 70
    READ_SMS = 71
    DELETE_SMS = 72
    WRITE_USER_SMS = 73
    DELETE_USER_SMS = 74
    READ_DOOR = 75
    WRITE_CARD = 76
    EMPTY_CARD = 78
    WRITE_VERIFY_MODE = 79
    READ_VERIFY_MODE = 80
    COMMIT_TEMPLATE = 87
    READ_TEMPLATE = 88
    SAVE_PEOPLE = 110
    CHECKSUM_BUFFER = 119
    DELETE_FINGER = 134
    READ_TIME = 201
    WRITE_TIME = 202
    REGISTER_EVENTS = 500
    CONNECT = 1000
    EXIT = 1001
    ENABLE = 1002
    DISABLE = 1003
    RESTART = 1004
    POWER_OFF = 1005
    SLEEP = 1006
    RESUME = 1007
    TEST_TEMPLATE = 1011
    CAPTURE_IMAGE = 1012
    REFRESH_DATA = 1013
    REFRESH_OPTIONS = 1014
    PLAY_VOICE = 1017
    READ_VERSION = 1100
    CHANGE_SPEED = 1101
    AUTH = 1102
    PREPARE_DATA = 1500
    DATA = 1501
    FREE_DATA = 1502
    PREPARE_BUFFER = 1503
    READ_BUFFER = 1504


class Reply(IntEnum):
    """What a terminal answers."""

    PREPARE_DATA = 1500
    DATA = 1501
    OK = 2000
    ERROR = 2001
    UNAUTHORISED = 2005
    ALLOCATION_FAILED = 4989
    """Also the answer of some firmware to a buffered read of an empty log."""
    PULL_REFUSED = 6001
    ERROR_DATA = 0xFFFB
    ERROR_INIT = 0xFFFC
    ERROR_COMMAND = 0xFFFD
    UNKNOWN = 0xFFFF


_NAMES = {
    1500: "prepare data",
    1501: "data",
    2000: "ok",
    2001: "error",
    2002: "data",
    2003: "retry",
    2004: "repeat",
    2005: "comm key required or wrong",
    4987: "memory overflow",
    4988: "insufficient memory",
    4989: "allocation failed",
    4990: "database full",
    4991: "find failed",
    4992: "delete failed",
    4993: "read failed",
    4994: "update failed",
    4995: "add failed",
    4996: "parameter check failed",
    4997: "data length wrong",
    4998: "parameter write failed",
    4999: "parameter read failed",
    6001: "pull refused by firmware",
    0xFFFB: "data error",
    0xFFFC: "initialisation error",
    0xFFFD: "command error",
    0xFFFF: "unknown command",
}


def reply_name(code: int) -> str:
    """A reply code with the words people search for, such as `2001 (error)`."""
    return f"{code} ({_NAMES.get(code, 'meaning not public')})"


class EventMask(IntFlag):
    """Which realtime events a connection registers for; an event carries one of these bits."""

    NONE = 0
    ATTLOG = 1
    FINGER = 2
    ENROLL_USER = 4
    ENROLL_FINGER = 8
    BUTTON = 16
    UNLOCK = 32
    VERIFY = 128
    FINGER_FEATURE = 256
    ALARM = 512
    ALL = 0xFFFF


class DataKind(IntEnum):
    """The `fct` of a read."""

    NONE = 0
    ATTLOG = 1
    FINGERPRINTS = 2
    OPLOG = 4
    USERS = 5
    SMS = 6
    USER_SMS = 7
    WORK_CODES = 8


class DeviceState(IntEnum):
    """What the terminal is doing; it travels in the session field of the reply."""

    IDLE = 0
    ENROLLING = 1
    IDENTIFYING = 2
    MENU = 3
    BUSY = 4
    WRITING_CARD = 5
