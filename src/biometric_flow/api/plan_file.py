"""The plan of a place as one file: who works there and how, for a place that computes days without a gateway."""

from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from biometric_flow.api.hours import PersonRecord
from biometric_flow.api.moments import Day

PLAN_SCHEMA: Final = 1
FILE_MAX: Final = 256 * 1024 * 1024


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", from_attributes=True)


class PlanPart(_Part):
    """A shift, schedule, calendar or correction of a clock."""

    kind: Literal["shift", "schedule", "calendar", "clock"]
    document_id: str
    body: dict[str, Any]


class PlanLeave(_Part):
    """An approved leave."""

    person_id: UUID
    first_day: Day
    last_day: Day
    kind: str
    minutes: int


class PlanCorrection(_Part):
    """An approved regularisation."""

    person_id: UUID
    number: int
    regularisation_id: UUID
    day: Day
    operation: str
    target: str | None
    instant: datetime | None
    state: int | None
    minutes: int | None


class PlanFile(_Part):
    """Everything that decides the workdays of a place's people, but their punches."""

    schema_: int = Field(PLAN_SCHEMA, alias="schema", ge=PLAN_SCHEMA, le=PLAN_SCHEMA)
    place: str
    made_at: datetime
    people: list[PersonRecord]
    documents: list[PlanPart]
    packs: list[dict[str, Any]]
    leaves: list[PlanLeave]
    corrections: list[PlanCorrection]
