"""Realtime events: what a terminal tells while something happens (zk-protocol 7)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from struct import Struct, error
from typing import Final

from biometric_flow.zk.wire.commands import EventMask
from biometric_flow.zk.wire.timecode import TerminalTime

EVENT_BYTES_MAX: Final = 1024
"""Bytes of an event that are kept."""

_TEXT_PIN: Final = 24
_WITH_TEXT_PIN: Final = 32
_ENROLLED: Final = Struct("<HH9sB")
_PERSONAL_ALARM: Final = Struct("<IHHI")
_NOBODY: Final = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class AttendanceEvent:
    """Somebody punches now."""

    uid: int
    """0 where the event names the user id."""
    user_id: str
    """Empty where the event has only the uid."""
    verify: int
    state: int
    time: TerminalTime
    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class OtherEvent:
    """Any other event, and one that could not be read; never an error. The classes below say more where they can."""

    code: int
    """One bit of EventMask, or whatever came."""
    raw: bytes


@dataclass(frozen=True, slots=True)
class FingerPlaced(OtherEvent):
    """A finger lies on the sensor."""


@dataclass(frozen=True, slots=True)
class UserEnrolled(OtherEvent):
    """A user was enrolled at the terminal."""

    uid: int


@dataclass(frozen=True, slots=True)
class EnrolmentEnded(OtherEvent):
    """Enrolling a finger ended."""

    result: int
    """0 ok, 4 poor, 5 a duplicate, 6 cancelled, or another number."""
    user_id: str = ""
    finger: int = 0
    size: int = 0
    """Bytes of the template."""

    @property
    def is_ok(self) -> bool:
        """Whether the finger is enrolled."""
        return self.result == 0


@dataclass(frozen=True, slots=True)
class ButtonPressed(OtherEvent):
    """A key was pressed."""

    key: int


@dataclass(frozen=True, slots=True)
class DoorUnlocked(OtherEvent):
    """The lock was opened."""


@dataclass(frozen=True, slots=True)
class Verified(OtherEvent):
    """Somebody tried to verify."""

    uid: int | None
    """None: the terminal does not know them."""


@dataclass(frozen=True, slots=True)
class FingerScored(OtherEvent):
    """How good the image of a finger was: 0 or 100."""

    score: int


class AlarmKind(StrEnum):
    """What an alarm is about."""

    MISOPERATION = "misoperation"
    TAMPER = "tamper"
    EXIT_BUTTON = "exit button"
    DOOR_CLOSING = "door closing"
    DURESS = "duress"
    ANTI_PASSBACK = "anti-passback"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class AlarmRaised(OtherEvent):
    """Something is wrong at the terminal or its door."""

    kind: AlarmKind
    uid: int = 0
    """Who is concerned; 0 where nobody is."""


Event = AttendanceEvent | OtherEvent

_PLAIN_ALARMS: Final = {
    0x3A: AlarmKind.MISOPERATION,
    0x37: AlarmKind.TAMPER,
    0x35: AlarmKind.EXIT_BUTTON,
    0x36: AlarmKind.DOOR_CLOSING,
    0x54: AlarmKind.DOOR_CLOSING,
}
"""0x54 as captured, 0x36 (54 decimal) as the vendor's manual has it."""
_PERSONAL_ALARMS: Final = {0x20: AlarmKind.DURESS, 0x22: AlarmKind.ANTI_PASSBACK}


def decode_event(code: int, data: bytes, encoding: str = "utf-8") -> Event:
    """The meaning of an event packet's session field and data. Takes any bytes."""
    data = data[:EVENT_BYTES_MAX]
    try:
        if code == EventMask.ATTLOG:
            return _decode_attendance(data, encoding)
        read = _READERS.get(code)
        return read(code, data, encoding) if read else OtherEvent(code, data)
    except (ValueError, IndexError, error):
        return OtherEvent(code, data)


def encode_attendance(event: AttendanceEvent, size: int) -> bytes:
    """The data of an attendance event in the form of `size` bytes. Raises ValueError when it does not fit."""
    six = event.time.to_six_bytes()
    if size in (10, 14):
        return _number(event.uid, 2) + bytes((event.verify, event.state)) + six + bytes(size - 10)
    if size == 12:
        return _number(int(event.user_id), 4) + bytes((event.verify, event.state)) + six
    pin = event.user_id.encode()
    if size < _WITH_TEXT_PIN or len(pin) > _TEXT_PIN:
        raise ValueError(f"expected a size of 10, 12, 14, or 32 and more with a user id of 24 bytes, got {size}")
    return pin.ljust(_TEXT_PIN, b"\0") + bytes((event.verify, event.state)) + six + bytes(size - _WITH_TEXT_PIN)


def encode_enrolment_end(result: int, user_id: str = "", finger: int = 0, size: int = 0) -> bytes:
    """The data of an ENROLL_FINGER event. A user id has room for 9 bytes. Raises ValueError."""
    if result:
        return _number(result, 2)
    return _ENROLLED.pack(0, size, user_id.encode()[:9], finger)


def encode_alarm(kind: AlarmKind, uid: int = 0) -> bytes:
    """The data of an ALARM event. Raises ValueError for `unknown`."""
    for number, personal in _PERSONAL_ALARMS.items():
        if personal == kind:
            return _PERSONAL_ALARM.pack(_NOBODY, number, uid, 0)
    plain = {known: number for number, known in _PLAIN_ALARMS.items()}
    if kind not in plain:
        raise ValueError(f"expected an alarm that has a number, got {kind}")
    return bytes((plain[kind],)) + bytes(7 if kind == AlarmKind.DOOR_CLOSING else 3)


def encode_enrol_request(
    user_id: str, finger: int, flag: int = 1, *, old: bool = False, encoding: str = "utf-8"
) -> bytes:
    """The data of START_ENROL; `old` is the form of black-and-white terminals and UDP. Raises ValueError."""
    if not 0 <= finger <= 9 or not 0 <= flag <= 0xFF:
        raise ValueError(f"expected a finger from 0 to 9 and a flag up to 255, got {finger} and {flag}")
    if old:
        if not (user_id.isascii() and user_id.isdigit()):
            raise ValueError(f"expected a numeric user id for this terminal, got {user_id[:40]!r}")
        return _number(int(user_id), 4) + bytes((finger,))
    pin = user_id.encode(encoding)
    if not pin or len(pin) > _TEXT_PIN or 0 in pin:
        raise ValueError(f"expected a user id of 1 to {_TEXT_PIN} bytes, got {user_id[:40]!r}")
    return pin.ljust(_TEXT_PIN, b"\0") + bytes((finger, flag))


def decode_enrol_request(data: bytes, encoding: str = "utf-8") -> tuple[str, int]:
    """User id and finger. Raises ValueError."""
    if len(data) == 5:
        return str(int.from_bytes(data[:4], "little")), data[4]
    if len(data) < _TEXT_PIN + 1:
        raise ValueError(f"expected 5 or 26 bytes of an enrolment, got {len(data)}")
    return _pin(data[:_TEXT_PIN], encoding), data[_TEXT_PIN]


def _decode_attendance(data: bytes, encoding: str) -> AttendanceEvent:
    if len(data) >= _WITH_TEXT_PIN:
        pin = _pin(data[:_TEXT_PIN], encoding)
        return AttendanceEvent(0, pin, data[24], data[25], TerminalTime.from_six_bytes(data[26:32]), data)
    if len(data) in (10, 14):
        uid = int.from_bytes(data[:2], "little")
        return AttendanceEvent(uid, "", data[2], data[3], TerminalTime.from_six_bytes(data[4:10]), data)
    if len(data) == 12:
        number = int.from_bytes(data[:4], "little")
        return AttendanceEvent(0, str(number), data[4], data[5], TerminalTime.from_six_bytes(data[6:12]), data)
    raise ValueError(f"expected an attendance event of 10, 12, 14, or 32 bytes and more, got {len(data)}")


def _decode_enrolment(code: int, data: bytes, encoding: str) -> OtherEvent:
    result = int.from_bytes(data[:2], "little")
    if len(data) < 2:
        raise ValueError("expected a result")
    if result or len(data) < _ENROLLED.size:
        return EnrolmentEnded(code, data, result)
    _, size, pin, finger = _ENROLLED.unpack_from(data)
    return EnrolmentEnded(code, data, result, _pin(pin, encoding), finger, size)


def _decode_alarm(code: int, data: bytes, _encoding: str) -> OtherEvent:
    if len(data) == _PERSONAL_ALARM.size:
        _, number, uid, _ = _PERSONAL_ALARM.unpack(data)
        kind = _PERSONAL_ALARMS.get(number, AlarmKind.UNKNOWN)
        return AlarmRaised(code, data, kind, uid if kind != AlarmKind.UNKNOWN else 0)
    return AlarmRaised(code, data, _PLAIN_ALARMS.get(data[0], AlarmKind.UNKNOWN))


def _decode_verified(code: int, data: bytes, _encoding: str) -> OtherEvent:
    uid = int.from_bytes(data[:4], "little", signed=True)
    if len(data) < 4:
        raise ValueError("expected a uid of 4 bytes")
    return Verified(code, data, None if uid < 0 else uid)


def _pin(raw: bytes, encoding: str) -> str:
    pin = raw.split(b"\0", 1)[0].decode(encoding, "replace")
    if not pin.isprintable() or "\ufffd" in pin:
        raise ValueError(f"expected a printable user id in {encoding}, got the bytes {raw.hex()}")
    return pin


def _number(value: int, size: int) -> bytes:
    if not 0 <= value < 1 << 8 * size:
        raise ValueError(f"expected a number of {size} bytes, got {value}")
    return value.to_bytes(size, "little")


_READERS: Final[dict[int, Callable[[int, bytes, str], OtherEvent]]] = {
    EventMask.FINGER: lambda code, data, _: FingerPlaced(code, data),
    EventMask.ENROLL_USER: lambda code, data, _: UserEnrolled(code, data, Struct("<H").unpack_from(data)[0]),
    EventMask.ENROLL_FINGER: _decode_enrolment,
    EventMask.BUTTON: lambda code, data, _: ButtonPressed(code, data, int.from_bytes(data[:4], "little")),
    EventMask.UNLOCK: lambda code, data, _: DoorUnlocked(code, data),
    EventMask.VERIFY: _decode_verified,
    EventMask.FINGER_FEATURE: lambda code, data, _: FingerScored(code, data, data[0]),
    EventMask.ALARM: _decode_alarm,
}
