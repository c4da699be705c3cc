"""What a place can be told to do with a terminal, and what became of it."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

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
    seconds: int = Field(5, ge=1, le=60)


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


JobOrder = Annotated[
    SyncTime
    | Restart
    | Unlock
    | PullAgain
    | PushUsers
    | ClearLog
    | SetCommKey
    | DeleteTemplates
    | GiveTemplates
    | TakeTemplates
    | InstallFile
    | InstallFirmware,
    Field(discriminator="kind"),
]


class JobView(BaseModel):
    """One job. `confirmed` is said only after the terminal confirmed it."""

    number: int
    terminal: str = Field(description="The terminal's key.")
    order: JobOrder
    state: JobState
    detail: str = Field("", description="What came of it, or why it failed, in words.")
    created_at: datetime
    expires_at: datetime = Field(description="A job that was not begun by then is timed out.")
    changed_at: datetime
