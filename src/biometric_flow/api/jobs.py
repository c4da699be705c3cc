"""What a place can be told to do with a terminal, and what became of it."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from biometric_flow.api.moments import Day, WallClock
from biometric_flow.api.push import CommandPin, PlainText

JobState = Literal["queued", "sent", "confirmed", "failed", "timed_out"]


class _Order(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SyncTime(_Order):
    """Set the terminal's clock to true time and read it back."""

    kind: Literal["sync_time"]


class Restart(_Order):
    """Restart the terminal."""

    kind: Literal["restart"]


class Unlock(_Order):
    """Open the door that the terminal guards. Told within half a minute or not at all."""

    kind: Literal["unlock"]
    seconds: int = Field(5, ge=1, le=60, description="Attendance PUSH opens for as long as the terminal is set to.")
    door: int = Field(1, ge=1, le=64, description="Security PUSH knows more than one.")


class PullAgain(_Order):
    """Read people and the whole list of punches, whatever the counters say."""

    kind: Literal["pull_again"]


class PushUsers(_Order):
    """Make the terminal hold who should be on it, and read it back."""

    kind: Literal["push_users"]
    delete_foreign: bool = Field(False, description="Remove people too whom this place never put there.")


class ClearLog(_Order):
    """Clear the list of punches, once every one is in the ledger and at the gateway, and only where it is allowed."""

    kind: Literal["clear_log"]


class SetCommKey(_Order):
    """Give the terminal a random comm key, sign in with it, and use it from then on. Nobody is told the key."""

    kind: Literal["set_comm_key"]


class DeleteTemplates(_Order):
    """Destroy every template of one person on the terminal, and see that they are gone; the person stays."""

    kind: Literal["delete_templates"]
    pin: str = Field(min_length=1, max_length=24)


class GiveTemplates(_Order):
    """Read a person's templates and send them on; ordered by a copy, which see."""

    kind: Literal["give_templates"]
    pin: str = Field(min_length=1, max_length=24)
    transfer: str = Field(min_length=32, max_length=32, pattern="^[0-9a-f]*$")


class TakeTemplates(_Order):
    """Write a person's templates that are on their way, and read them back; ordered by a copy, which see."""

    kind: Literal["take_templates"]
    pin: str = Field(min_length=1, max_length=24)
    transfer: str = Field(min_length=32, max_length=32, pattern="^[0-9a-f]*$")


BlobId = Annotated[str, StringConstraints(pattern="^[A-Za-z0-9_-]{16,64}$")]


class InstallFile(_Order):
    """Fetch a registered blob and keep it under this name. Not possible for terminals that are pulled."""

    kind: Literal["install_file"]
    blob: BlobId
    name: Annotated[str, StringConstraints(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class InstallFirmware(_Order):
    """Fetch a registered blob and run it as firmware. Not possible for terminals that are pulled."""

    kind: Literal["install_firmware"]
    blob: BlobId


OptionName = Annotated[str, StringConstraints(pattern=r"^[~A-Za-z][A-Za-z0-9_]{0,39}$")]
LocalTime = Annotated[WallClock, Field(description="The terminal's own wall-clock time, without a zone.")]
ClockText = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
MonthDay = Annotated[str, StringConstraints(pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$")]
Zone = Annotated[int, Field(ge=1, le=50)]
OptionalZone = Annotated[int, Field(ge=0, le=50)]


class OpeningHours(_Order):
    """When one day is open, both minutes included."""

    start: ClockText
    end: ClockText


class SetTimes(_Order):
    """Know these opening times; Sunday to Saturday, null for a closed day."""

    kind: Literal["set_times"]
    number: Zone
    days: list[OpeningHours | None] = Field(min_length=7, max_length=7)


class SetAccessGroup(_Order):
    """Know this access group."""

    kind: Literal["set_access_group"]
    number: int = Field(ge=1, le=99)
    times: list[OptionalZone] = Field(min_length=3, max_length=3, description="0 for none.")
    has_holidays: bool = False


class SetCombination(_Order):
    """Groups of which one person each has to verify before the door opens."""

    kind: Literal["set_combination"]
    number: int = Field(ge=1, le=10)
    groups: list[Annotated[int, Field(ge=1, le=99)]] = Field(max_length=5)


class SetHoliday(_Order):
    """Days of every year on which other opening times count (Attendance PUSH)."""

    kind: Literal["set_holiday"]
    number: int = Field(ge=1, le=65_535)
    name: PlainText = ""
    start: MonthDay
    end: MonthDay
    times: Zone


class SetHolidayDate(_Order):
    """One day that is a holiday of type 1, 2 or 3 (Security PUSH)."""

    kind: Literal["set_holiday_date"]
    day: Day
    type: Literal[1, 2, 3] = 1
    is_yearly: bool = False


class ShowMessage(_Order):
    """Show a message to everybody, or to some people when they verify."""

    kind: Literal["show_message"]
    number: int = Field(ge=1, le=65_535)
    text: PlainText
    start: LocalTime
    minutes: int = Field(60, ge=0, le=65_535, description="0 for ever.")
    pins: list[CommandPin] = Field([], max_length=100, description="For these only.")


class DeleteMessage(_Order):
    """Forget a message."""

    kind: Literal["delete_message"]
    number: int = Field(ge=1, le=65_535)


class SetOption(_Order):
    """Change one option of the terminal."""

    kind: Literal["set_option"]
    name: OptionName
    value: PlainText


class ReadOptions(_Order):
    """Tell these options; they stand in the detail."""

    kind: Literal["read_options"]
    names: list[OptionName] = Field(min_length=1, max_length=20)


class EnrolFinger(_Order):
    """Ask a person for a finger, now and at the terminal."""

    kind: Literal["enrol_finger"]
    pin: CommandPin
    finger: int = Field(ge=0, le=9)
    overwrite: bool = False


class EnrolBiometric(_Order):
    """Ask a person for a face or palm, now and at the terminal; `type` as in BIODATA."""

    kind: Literal["enrol_biometric"]
    pin: CommandPin
    type: int = Field(9, ge=0, le=10)
    overwrite: bool = False


class EnrolCard(_Order):
    """Ask a person for a card, now and at the terminal."""

    kind: Literal["enrol_card"]
    pin: CommandPin


class CancelAlarm(_Order):
    """Stop the alarm."""

    kind: Literal["cancel_alarm"]


class ClearPhotos(_Order):
    """Forget the pictures taken at verifying; only where clearing is allowed."""

    kind: Literal["clear_photos"]


class ClearAll(_Order):
    """Forget people and punches; under the same rule as clear_log."""

    kind: Literal["clear_all"]


class Check(_Order):
    """Read the options of the handshake again and upload what is new."""

    kind: Literal["check"]


class SendNew(_Order):
    """Upload what is new now."""

    kind: Literal["send_new"]


class Info(_Order):
    """Tell what you are."""

    kind: Literal["info"]


class QueryPunches(_Order):
    """Upload the punches of a span of time again; those already kept are recognised."""

    kind: Literal["query_punches"]
    start: LocalTime
    end: LocalTime


class CountPunches(_Order):
    """Say how many punches it holds, of a span of time where it can."""

    kind: Literal["count_punches"]
    start: LocalTime | None = None
    end: LocalTime | None = None


JobOrder = Annotated[
    SyncTime | Restart | Unlock | PullAgain | PushUsers | ClearLog | SetCommKey | SetTimes | SetAccessGroup
    | SetCombination | SetHoliday | SetHolidayDate | ShowMessage | DeleteMessage | SetOption | ReadOptions
    | EnrolFinger | EnrolBiometric | EnrolCard | CancelAlarm | ClearPhotos | ClearAll | Check | SendNew | Info
    | QueryPunches | CountPunches | DeleteTemplates | GiveTemplates | TakeTemplates | InstallFile | InstallFirmware,
    Field(discriminator="kind"),
]  # fmt: skip

JobChannel = Literal["pull", "push"]


class JobView(BaseModel):
    """One job. `confirmed` is said only after the terminal confirmed it."""

    number: int
    terminal: str = Field(description="The terminal's key.")
    order: JobOrder
    state: JobState
    channel: JobChannel = Field("pull", description="Over the connection to the terminal, or when it polls.")
    detail: str = Field("", description="What came of it, or why it failed, in words.")
    created_at: datetime
    expires_at: datetime = Field(description="A job that was not begun by then is timed out.")
    changed_at: datetime
