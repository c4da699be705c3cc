"""Openings of the sealed role, as the gateway says and takes them."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Words = Annotated[str, StringConstraints(min_length=10, max_length=1000, pattern="^[^\\x00]*$", strip_whitespace=True)]


class BreakGlassAsk(BaseModel):
    """Ask that the sealed role is opened for oneself."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"reason": "Fire alarm, doors of hall 2 do not open"}]}
    )

    reason: Words = Field(description="Why; never name anybody.")
    minutes: int = Field(60, ge=1, le=60)


class BreakGlassReview(BaseModel):
    """What somebody found who looked at what was done."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"text": "Two doors were opened, nothing else"}]}
    )

    text: Words


class BreakGlassView(BaseModel):
    """One use of the sealed role."""

    id: UUID = Field(description="Stands as `watched` in the scope of every audit entry of what was done under it.")
    account: UUID
    status: Literal["asked", "lapsed", "open", "over", "reviewed"]
    reason: str
    minutes: int
    asked_at: datetime
    opened_by: str = Field(description="Account that opened it; empty until then.")
    ends_at: datetime | None
    review_due: datetime | None
    reviewed_by: str
    reviewed_at: datetime | None
    review: str
