"""What a place says of the uploads in its archive, and of work codes."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from biometric_flow.api.push import PlainText


class ArchivedUploadView(BaseModel):
    """One upload of a terminal that pushes, without its body."""

    number: int
    terminal: str = Field(description="Serial number.")
    table: str
    query: str = Field(description="What stood beside it in the address: stamp, count, page.")
    size: int = Field(description="Bytes that came.")
    stored: int = Field(description="Bytes it takes in the archive.")
    is_whole: bool = Field(description="False: templates, pictures, passwords or identity cards were left out.")
    received_at: datetime
    last_at: datetime
    times: int = Field(description="How often exactly this came.")
    accepted: int
    duplicate: int
    quarantined: int
    people: int
    events: int
    entries: list[tuple[int, int]] = Field(description="Ranges of ledger sequences of its new punches, ends included.")


class ReplayResult(BaseModel):
    """What became of an archived upload that was taken in again: nothing new, unless it had been lost."""

    received: int
    accepted: int
    quarantined: int
    duplicate: int
    punches: list[str] = Field(description="The ids of the punches in it, at most 10,000.")


class WorkCodeName(BaseModel):
    """How a place calls a work code."""

    model_config = ConfigDict(extra="forbid")

    name: PlainText = Field(min_length=1)


class WorkCodeView(BaseModel):
    """What a number beside a punch stands for, as one terminal or the place says."""

    terminal: str = Field(description="Serial number; empty where the place named it.")
    code: str
    name: str
    seen_at: datetime
