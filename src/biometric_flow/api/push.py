"""What a place says over HTTP about terminals that push: strangers, commands, events, files carried over."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from biometric_flow.api.place import Serial

CommandState = Literal["queued", "sent", "confirmed", "failed", "timed_out"]
PlainText = Annotated[str, StringConstraints(max_length=72, pattern="^[^\\x00-\\x1f\\x7f\\x85\\u2028\\u2029]*$")]
"""Text that cannot end the field or the line it will stand in."""
CommandPin = Annotated[str, StringConstraints(pattern="^[A-Za-z0-9_-]{1,24}$")]
LocalTime = Annotated[datetime, Field(description="The terminal's own wall-clock time, without a zone.")]


class _Command(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CheckCommand(_Command):
    """Read the options again and upload what is new."""

    kind: Literal["check"] = "check"


class SendNewCommand(_Command):
    """Upload what is new now."""

    kind: Literal["send_new"] = "send_new"


class InfoCommand(_Command):
    """Tell what you are."""

    kind: Literal["info"] = "info"


class RebootCommand(_Command):
    """Start anew, after everything else that waits."""

    kind: Literal["reboot"] = "reboot"


class QueryPunchesCommand(_Command):
    """Upload the punches of a span of time again; those already kept are recognised."""

    kind: Literal["query_punches"] = "query_punches"
    start: LocalTime
    end: LocalTime


class CountPunchesCommand(_Command):
    """Say how many punches a span of time holds."""

    kind: Literal["count_punches"] = "count_punches"
    start: LocalTime
    end: LocalTime


class QueryPeopleCommand(_Command):
    """Upload all people."""

    kind: Literal["query_people"] = "query_people"


class SetPersonCommand(_Command):
    """Know this person from now on."""

    kind: Literal["set_person"] = "set_person"
    pin: CommandPin
    name: PlainText = ""
    privilege: Literal[0, 2, 6, 10, 14] = 0
    card: int = Field(0, ge=0, lt=2**63)
    group: int = Field(1, ge=0, le=99)


class DeletePersonCommand(_Command):
    """Forget this person."""

    kind: Literal["delete_person"] = "delete_person"
    pin: CommandPin


class SetZoneCommand(_Command):
    """Take this distance from UTC; given by the place itself when its clocks change."""

    kind: Literal["set_zone"] = "set_zone"
    minutes: int = Field(ge=-960, le=960)


TerminalCommand = Annotated[
    CheckCommand
    | SendNewCommand
    | InfoCommand
    | RebootCommand
    | QueryPunchesCommand
    | CountPunchesCommand
    | QueryPeopleCommand
    | SetPersonCommand
    | DeletePersonCommand
    | SetZoneCommand,
    Field(discriminator="kind"),
]


class CommandView(BaseModel):
    """A command and what became of it. `confirmed` is said only after the terminal did."""

    id: int
    command: TerminalCommand
    state: CommandState
    attempts: int = Field(description="How often it was handed to the terminal.")
    code: int | None = Field(None, description="What the terminal returned; 0 or more is success.")
    detail: str = ""
    created_at: datetime
    sent_at: datetime | None = None
    changed_at: datetime


class StrangerView(BaseModel):
    """A terminal that dialled and was not let in."""

    serial: str
    address: str
    reason: Literal["unknown", "wrong_secret", "wrong_network", "disabled"]
    device_type: str
    version: str
    first_seen: datetime
    last_seen: datetime
    requests: int


class PushAccessChange(BaseModel):
    """Who may push as this terminal. What is left out stays."""

    model_config = ConfigDict(extra="forbid")

    serial: Serial | None = Field(None, description="Needed where the terminal has not told it yet.")
    secret: SecretStr | None = Field(None, description="22 to 128 letters, digits, - and _; null forbids pushing.")
    networks: list[str] | None = Field(None, max_length=20, description="Such as 192.0.2.0/24; empty for any.")
    version: str | None = Field(
        None, pattern=r"^(\d{1,2}(\.\d{1,3}){1,2})?$", description="The newest push version to announce to it."
    )


class EventView(BaseModel):
    """Something that happened at a terminal and is no punch."""

    kind: Literal["refused", "alarm", "door", "operation", "fault"]
    code: int
    pin: str
    local_time: str
    detail: str
    first_seen: datetime


class ImportResult(BaseModel):
    """What became of the lines of a file: received = accepted + quarantined + duplicate."""

    received: int
    accepted: int
    quarantined: int
    duplicate: int
