"""What a gateway says of archived punches."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from biometric_flow.api.moments import Day


class ArchiveFile(BaseModel):
    """One Parquet file of archived punches."""

    id: str
    place: str
    month: Day = Field(description="First day of the month of its instants, UTC.")
    rows: int
    size: int
    sha256: str
    name: str = Field(description="Below the folder, or in the bucket.")
    version: str = Field(description="In the bucket; empty in a folder.")
    created_at: datetime
    locked_until: datetime | None = Field(description="Nobody can take it away before, where the store locks.")


class ArchiveWanted(BaseModel):
    """Which punches are cold, and how many files to make of them now."""

    model_config = ConfigDict(extra="forbid")

    months: int = Field(ge=1, le=1200, description="Whole months that stay hot, beside the one under way.")
    files: int = Field(5, ge=1, le=20)


class Archived(BaseModel):
    """What was moved, and whether there is more."""

    files: list[ArchiveFile]
    is_more: bool


class ArchiveVerified(BaseModel):
    """That every row of a file stands in the ledger as it lies in the file."""

    file: str
    rows: int
    erased: int = Field(description="Rows whose person was erased; their leaves stand.")
    entries: int = Field(description="Of the ledger whose tree they were found in.")
    checkpoint: int = Field(description="Size that was signed and agrees with that tree; 0 for none yet.")


class Restored(BaseModel):
    """Punches that are hot again."""

    file: str
    rows: int
