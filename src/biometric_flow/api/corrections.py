"""Approved corrections on their way to the ledger of a place: the gateway offers them, the place records them."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from biometric_flow.api.moments import Instant


class CorrectionOrder(BaseModel):
    """One approved correction, or the withdrawal of one, that a place is to record."""

    position: int = Field(ge=1, description="Where it stands among all of the tenant; they are recorded in this order.")
    correction: UUID
    number: int = Field(ge=0, description="Corrections of a person are applied in this order.")
    operation: Literal["add", "void", "replace", "overtime", "withdraw"]
    pin: str = Field(min_length=1, max_length=24, description="Whose hours they are, at this place.")
    target: str = Field(
        pattern="^([0-9a-f]{64}|[0-9a-f]{32}|)$",
        description="Id of the punch or correction that is corrected, or none.",
    )
    changes: list[tuple[str, str, str]] = Field(max_length=10, description="Field, as it was, as it is from now on.")
    by: str = Field(max_length=200)
    reason: str = Field(max_length=400)
    approved_by: str = Field(max_length=200)
    at: Instant


class CorrectionOrders(BaseModel):
    """What waits for a place, by position."""

    items: list[CorrectionOrder] = Field(max_length=500)


class RecordedCorrection(BaseModel):
    """Where an approved correction stands in a ledger."""

    operation: str
    place: str | None = Field(description="Whose ledger; none while the person holds no PIN anywhere.")
    entry: int | None = Field(description="Its sequence there; none while the place has not recorded it.")
    refused: Literal["erased", "target_unknown"] | None = Field(
        None,
        description="Why its place can never record it, as that entry says: the person was erased there, or the"
        " place knows nothing of what is corrected.",
    )
    at: datetime = Field(description="When it was decided.")
