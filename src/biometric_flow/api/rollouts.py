"""Files that a place knows by an id, and orders that reach its terminals one after the other."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from biometric_flow.api.jobs import JobOrder, JobState
from biometric_flow.api.place import Slug

PIECE_MAX = 1024 * 1024
"""Bytes of a blob in one request."""
BLOB_MAX = 64 * 1024 * 1024

Sha256 = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]


class BlobCreate(BaseModel):
    """A file to be registered; its bytes follow in pieces."""

    model_config = ConfigDict(extra="forbid")

    title: str = Field(min_length=1, max_length=80, description="For people; no path.")
    size: int = Field(ge=1, le=BLOB_MAX)
    sha256: Sha256


class BlobView(BaseModel):
    """A registered file."""

    id: str = Field(description="How orders name it; says nothing about it.")
    title: str
    size: int
    sha256: str
    held: int = Field(description="Bytes that arrived; a blob can be used once it is whole and its digest fits.")
    is_whole: bool
    registered_at: datetime


class RolloutCreate(BaseModel):
    """An order for several terminals: the first alone, the others after it was confirmed, one after the other."""

    model_config = ConfigDict(extra="forbid")

    order: JobOrder
    terminals: list[Slug] = Field(min_length=1, max_length=500)


RolloutState = Literal["running", "done", "stopped"]


class RolloutStep(BaseModel):
    """One terminal's part."""

    terminal: str
    state: Literal["waiting"] | JobState
    job: int | None = Field(None, description="The number of its job.")
    detail: str = ""


class RolloutView(BaseModel):
    """A roll-out and how far it is."""

    number: int
    order: JobOrder
    state: RolloutState
    detail: str = Field("", description="Why it stopped.")
    steps: list[RolloutStep]
    created_at: datetime
    changed_at: datetime
