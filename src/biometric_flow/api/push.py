"""What a place says over HTTP about terminals that push: strangers, commands, events, files carried over."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from biometric_flow.api.place import Serial

PlainText = Annotated[str, StringConstraints(max_length=72, pattern="^[^\\x00-\\x1f\\x7f\\x85\\u2028\\u2029]*$")]
"""Text that cannot end the field or the line it will stand in."""
CommandPin = Annotated[str, StringConstraints(pattern="^[A-Za-z0-9_-]{1,24}$")]


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
