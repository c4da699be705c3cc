"""What a terminal that dials can be told, as typed values; how they are written stands in `command_lines`.

Which of them a protocol has a public form for is known there. `SHELL` and `GetFile` are left out on purpose: they are
root on the terminal (zk-push-protocol 7).
"""

from dataclasses import dataclass
from datetime import date
from typing import Final

from biometric_flow.zk.push.people import PushedUser, TemplateLine
from biometric_flow.zk.wire.access import AccessGroup, AccessZone, UnlockCombination
from biometric_flow.zk.wire.messages import ShortMessage
from biometric_flow.zk.wire.timecode import TerminalTime

ALL_DOORS: Final = 15


@dataclass(frozen=True, slots=True)
class Check:
    """Read the options again and upload what is new since the stamps."""


@dataclass(frozen=True, slots=True)
class SendNew:
    """Upload what is new now."""


@dataclass(frozen=True, slots=True)
class AskInfo:
    """Tell what you are."""


@dataclass(frozen=True, slots=True)
class Reboot:
    """Start anew; always the last of a batch."""


@dataclass(frozen=True, slots=True)
class ReloadOptions:
    """Use the options as they are stored."""


@dataclass(frozen=True, slots=True)
class QueryAttlog:
    """Send the punches of a span of local time again; both ends included."""

    start: TerminalTime
    end: TerminalTime


@dataclass(frozen=True, slots=True)
class CountAttlog:
    """Say how many punches a span of local time holds; both ends included."""

    start: TerminalTime
    end: TerminalTime


@dataclass(frozen=True, slots=True)
class QueryPhotos:
    """Send the pictures taken at verifying in a span of local time; both ends included."""

    start: TerminalTime
    end: TerminalTime


@dataclass(frozen=True, slots=True)
class QueryUsers:
    """Send everybody, or the one with this PIN."""

    pin: str = ""


@dataclass(frozen=True, slots=True)
class QueryTable:
    """Send a whole table, such as `userauthorize` or `transaction`."""

    table: str


@dataclass(frozen=True, slots=True)
class CountTable:
    """Say how many rows a table holds."""

    table: str


@dataclass(frozen=True, slots=True)
class AccountTransactions:
    """Send again the events up to this index."""

    max_index: int


@dataclass(frozen=True, slots=True)
class SetUser:
    """Know this person from now on."""

    user: PushedUser


@dataclass(frozen=True, slots=True)
class DeleteUser:
    """Forget this person with everything that belongs to them."""

    pin: str


@dataclass(frozen=True, slots=True)
class SetTemplate:
    """Keep this template or picture of a person."""

    template: TemplateLine


@dataclass(frozen=True, slots=True)
class DeleteTemplates:
    """Forget templates of a person: `tag` as in TemplateLine, `type` as in BIODATA, `number` for one of them."""

    tag: str
    pin: str
    type: int | None = None
    number: int | None = None


@dataclass(frozen=True, slots=True)
class QueryTemplates:
    """Send templates of a person; BIODATA is asked for by type, and then of everybody where the PIN is empty."""

    tag: str
    pin: str = ""
    type: int | None = None
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Authorize:
    """Let this person through these doors at these times; `doors` is a bit for each door, lowest first."""

    pin: str
    zone: int
    doors: int = ALL_DOORS


@dataclass(frozen=True, slots=True)
class Deauthorize:
    """Let this person through no door any more."""

    pin: str


@dataclass(frozen=True, slots=True)
class SetZone:
    """Know these opening times."""

    zone: AccessZone


@dataclass(frozen=True, slots=True)
class DeleteZone:
    """Forget opening times."""

    index: int


@dataclass(frozen=True, slots=True)
class SetGroup:
    """Know this access group."""

    group: AccessGroup


@dataclass(frozen=True, slots=True)
class SetCombination:
    """Know this unlock combination."""

    combination: UnlockCombination


@dataclass(frozen=True, slots=True)
class SetHoliday:
    """Days of every year on which other opening times count."""

    number: int
    name: str
    start: tuple[int, int]
    """Month and day."""
    end: tuple[int, int]
    zone: int


@dataclass(frozen=True, slots=True)
class SetHolidayDate:
    """One day, of one year or of every year, that is a holiday of type 1, 2 or 3."""

    day: date
    type: int
    is_yearly: bool


@dataclass(frozen=True, slots=True)
class ClearHolidays:
    """Forget all holidays."""


@dataclass(frozen=True, slots=True)
class SetMessage:
    """Show this message."""

    message: ShortMessage


@dataclass(frozen=True, slots=True)
class GiveMessage:
    """Show a personal message to this person."""

    pin: str
    message: int


@dataclass(frozen=True, slots=True)
class DeleteMessage:
    """Forget a message."""

    message: int


@dataclass(frozen=True, slots=True)
class SetWorkCode:
    """Know a work code."""

    number: int
    code: str
    name: str


@dataclass(frozen=True, slots=True)
class DeleteWorkCode:
    """Forget a work code."""

    code: str


@dataclass(frozen=True, slots=True)
class Unlock:
    """Open a door. `seconds` 0: for as long as the terminal is set to, and Attendance PUSH knows nothing else."""

    door: int = 1
    seconds: int = 0


@dataclass(frozen=True, slots=True)
class CancelAlarm:
    """Stop the alarm."""


@dataclass(frozen=True, slots=True)
class ClearLog:
    """Forget all punches. Only under security-design I4."""


@dataclass(frozen=True, slots=True)
class ClearPhotos:
    """Forget the pictures taken at verifying."""


@dataclass(frozen=True, slots=True)
class ClearBiodata:
    """Forget all templates."""


@dataclass(frozen=True, slots=True)
class ClearUsers:
    """Forget everybody, punches apart."""


@dataclass(frozen=True, slots=True)
class ClearData:
    """Forget everything, punches too. Only under security-design I4."""


@dataclass(frozen=True, slots=True)
class EnrolFinger:
    """Ask this person for a finger, now and at the terminal."""

    pin: str
    finger: int
    retries: int = 3
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class EnrolBiodata:
    """Ask this person for a face, palm, ... now and at the terminal; `type` as in BIODATA."""

    type: int
    pin: str
    card: int = 0
    retries: int = 3
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class EnrolCard:
    """Ask this person for a card, now and at the terminal."""

    pin: str
    retries: int = 3


@dataclass(frozen=True, slots=True)
class SetOption:
    """Change one option."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class GetOptions:
    """Tell these options; Attendance PUSH takes one at a time."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PutFile:
    """Fetch a registered blob and store it there. The blob goes by its opaque id (security-design D5)."""

    blob: str
    path: str


@dataclass(frozen=True, slots=True)
class Upgrade:
    """Fetch a registered blob and run it as firmware from the next start on; it goes by its opaque id."""

    checksum: str
    """MD5 in hexadecimal, as terminals compute it."""
    blob: str
    size: int


Command = (
    Check | SendNew | AskInfo | Reboot | ReloadOptions | QueryAttlog | CountAttlog | QueryPhotos | QueryUsers
    | QueryTable | CountTable | AccountTransactions | SetUser | DeleteUser | SetTemplate | DeleteTemplates
    | QueryTemplates | Authorize | Deauthorize | SetZone | DeleteZone | SetGroup | SetCombination | SetHoliday
    | SetHolidayDate | ClearHolidays | SetMessage | GiveMessage | DeleteMessage | SetWorkCode | DeleteWorkCode
    | Unlock | CancelAlarm | ClearLog | ClearPhotos | ClearBiodata | ClearUsers | ClearData | EnrolFinger
    | EnrolBiodata | EnrolCard | SetOption | GetOptions | PutFile | Upgrade
)  # fmt: skip

_ONCE: Final = (
    Reboot, Unlock, ClearLog, ClearPhotos, ClearBiodata, ClearUsers, ClearData, EnrolFinger, EnrolBiodata, EnrolCard,
    Upgrade,
)  # fmt: skip


def is_last(command: Command) -> bool:
    """Whether nothing may follow it in a batch."""
    return isinstance(command, Reboot)


def is_repeatable(command: Command) -> bool:
    """Whether doing it twice does no more than doing it once; everything else is handed over once at most."""
    return not isinstance(command, _ONCE)


def is_enrolment(command: Command) -> bool:
    """Whether a code above 0 means that it was not done."""
    return isinstance(command, EnrolFinger | EnrolBiodata | EnrolCard)
