"""What the gateway says about people, plans, workdays, leave, regularisations and pay periods."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from biometric_flow.api.corrections import RecordedCorrection
from biometric_flow.api.moments import Day, Instant
from biometric_flow.api.place import Serial, Slug
from biometric_flow.model.ids import PIN_MAX

Text = Annotated[str, StringConstraints(max_length=400, pattern="^[^\\x00]*$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=120, pattern="^[^\\x00]*$", strip_whitespace=True)]
Number = Annotated[str, StringConstraints(min_length=1, max_length=40, pattern="^[^\\x00]*$", strip_whitespace=True)]
PinText = Annotated[
    str, StringConstraints(min_length=1, max_length=PIN_MAX, pattern="^[^\\x00]*$", strip_whitespace=True)
]
LeaveKind = Literal["full", "first_half", "second_half", "hours"]
Decision = Literal["approved", "rejected", "withdrawn"]
RequestStatus = Literal["requested", "approved", "rejected", "withdrawn"]


class Strict(BaseModel):
    """What is written: a field that nobody knows is refused."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class Dated(Strict):
    """Days from `from` to `to`, both included; without `to` until further notice."""

    first: Day = Field(alias="from", ge=date(1980, 1, 1), le=date(2199, 12, 31))
    last: Day | None = Field(None, alias="to", le=date(2199, 12, 31))

    @model_validator(mode="after")
    def _in_order(self) -> "Dated":
        if self.last is not None and self.last < self.first:
            raise ValueError(f"to: expected a date from {self.first} on, came {self.last}")
        return self

    @property
    def until(self) -> date:
        """The last day, a far one when there is none."""
        return self.last or date.max


class PinHolding(Dated):
    """A PIN that is this person's at one place, at some or all of its terminals, in these days."""

    place: Slug
    pin: PinText
    terminals: list[Serial] = Field([], max_length=200, description="Serial numbers; empty for all of the place.")


class PlanAssignment(Dated):
    """From when to when somebody works by which schedule, calendar and policy pack; the one that begins last holds."""

    schedule: Slug | None = None
    calendar: Slug | None = None
    policy: Slug | None = None


class RosterRow(Strict):
    """Days on which a person works other shifts than the schedule says; none of them means off."""

    first: Day = Field(alias="from", ge=date(1980, 1, 1), le=date(2199, 12, 31))
    last: Day = Field(alias="to", ge=date(1980, 1, 1), le=date(2199, 12, 31))
    shifts: list[Slug] = Field(max_length=10)
    weekdays: list[Annotated[int, Field(ge=1, le=7)]] | None = Field(None, max_length=7)


class PersonBody(Strict):
    """A person who works here, in any script."""

    model_config = ConfigDict(
        extra="forbid",
        populate_by_name=True,
        json_schema_extra={
            "examples": [
                {
                    "number": "E-0042",
                    "name": "أمينة حسن",
                    "place": "cairo",
                    "employed_from": "2026-01-01",
                    "pins": [{"place": "cairo", "pin": "42", "from": "2026-01-01"}],
                    "assignments": [{"from": "2026-01-01", "schedule": "office", "policy": "eg"}],
                }
            ]
        },
    )

    number: Number = Field(description="The employee number, unique within the tenant.")
    name: Name
    department: Slug | None = None
    place: Slug | None = Field(None, description="The home place; gives the zone when none is named.")
    zone: str | None = Field(None, max_length=60, description="IANA name of the zone in which their days are counted.")
    employed_from: Day = Field(ge=date(1980, 1, 1), le=date(2199, 12, 31))
    employed_to: Day | None = Field(None, le=date(2199, 12, 31))
    pins: list[PinHolding] = Field([], max_length=100)
    assignments: list[PlanAssignment] = Field([], max_length=500)
    roster: list[RosterRow] = Field([], max_length=2000)


class PersonRecord(PersonBody):
    """A person with their id and the version that `If-Match` names."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)

    id: UUID
    version: int


class PersonRecordPage(BaseModel):
    """People by employee number."""

    items: list[PersonRecord]
    next_cursor: str | None = None


class DepartmentBody(Strict):
    """A department, below another or at the top."""

    name: Name
    parent: Slug | None = None


class DepartmentView(DepartmentBody):
    """A department with its id and version."""

    model_config = ConfigDict(extra="ignore")

    id: Slug
    version: int


class PlanDocument(BaseModel):
    """A shift, schedule, calendar or payroll mapping with the version that `If-Match` names."""

    id: str
    version: int
    body: dict[str, Any]


class PlanDocumentPage(BaseModel):
    """Documents by id."""

    items: list[PlanDocument]
    next_cursor: str | None = None


class Drift(BaseModel):
    """A terminal's clock that was measured to be off on a day, in the words of a correction of it."""

    place: str
    device: str
    date: Day
    first: datetime = Field(alias="from", description="The first punch that it was measured with.")
    last: datetime = Field(alias="to", description="Just behind the last one.")
    offset_s: int = Field(description="Median, in seconds; positive: the clock was ahead.")
    punches: int


class DriftPage(BaseModel):
    """By terminal and day, a thousand at most."""

    items: list[Drift]


class PackView(BaseModel):
    """One version of a policy pack."""

    id: str
    version: int
    name: str
    valid_from: Day
    valid_to: Day | None
    saved_by: str
    saved_at: datetime
    warnings: list[str] = []
    rules: list[str] = Field([], description="What the pack says, a sentence per rule.")
    body: dict[str, Any] | None = Field(None, description="The pack itself; left out of lists.")


class PackPage(BaseModel):
    """Packs by id and version."""

    items: list[PackView]
    next_cursor: str | None = None


class WorkdayView(BaseModel):
    """What one person's punches amount to on one business day; durations are minutes."""

    person: UUID
    number: str
    name: str
    date: Day
    status: str
    worked: int
    pay: dict[str, int]
    scheduled: int
    leave: int
    short: int
    late: int
    early_out: int
    break_: int = Field(alias="break")
    night: int
    meal_penalty: int
    exceptions: list[str]
    ot_approved: int
    ot_pending: int
    holiday_credit: int
    pack: str
    is_locked: bool


class WorkdayPage(BaseModel):
    """Workdays by date and person."""

    items: list[WorkdayView]
    next_cursor: str | None = None


class WorkdayExplained(BaseModel):
    """Why a workday is what it is."""

    workday: WorkdayView
    headline: str
    because: list[str] = Field(description="A sentence per rule that did something, in the order it did.")
    adjustments: list[dict[str, Any]] = Field(description="What a locked day would be worth more or less by now.")


class Progress(BaseModel):
    """How far the workdays are behind the punches."""

    people_due: int
    oldest_mark: datetime | None
    feed_position: int
    feed_end: int
    workdays: int


class RecomputeOrder(Strict):
    """Compute workdays again; what did not change stays as it is."""

    first: Day = Field(alias="from")
    last: Day = Field(alias="to")
    people: list[UUID] | None = Field(None, max_length=10_000, description="All when left out.")


class Ordered(BaseModel):
    """How many people's workdays will be computed."""

    people: int


class LeaveBody(Strict):
    """Leave of one person on some days."""

    person: UUID
    first: Day = Field(alias="from", ge=date(1980, 1, 1), le=date(2199, 12, 31))
    last: Day = Field(alias="to", ge=date(1980, 1, 1), le=date(2199, 12, 31))
    kind: LeaveKind = "full"
    minutes: int = Field(0, ge=0, le=1440, description="Of each day, for the kind `hours`.")
    reason: Text = ""


class LeaveView(LeaveBody):
    """A leave and where its decision stands."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)

    id: UUID
    status: RequestStatus
    requested_by: str
    requested_at: datetime
    decided_by: str | None
    decided_at: datetime | None


class LeavePage(BaseModel):
    """Leaves by first day."""

    items: list[LeaveView]
    next_cursor: str | None = None


class LeaveOrders(Strict):
    """Leaves to be asked for, all or none."""

    items: list[LeaveBody] = Field(min_length=1, max_length=500)


class Decisions(Strict):
    """One decision about many requests, all or none. A request is decided by somebody else than who made it."""

    ids: list[UUID] = Field(min_length=1, max_length=500)
    decision: Decision
    reason: Text = ""
    preview: bool = Field(False, description="Of regularisations: only say what would change; nothing is decided.")


class RegularisationBody(Strict):
    """A correction with exact times: adds, voids or replaces a punch, or approves minutes of overtime."""

    person: UUID
    operation: Literal["add", "void", "replace", "overtime"]
    punch: str | None = Field(
        None, pattern="^([0-9a-f]{64}|[0-9a-f-]{36})$", description="Id of a punch, or of an `add` before."
    )
    at: Instant | None = Field(None, description="The instant; for `add`, and for `replace` when it moves.")
    state: int | None = Field(None, ge=0, le=255)
    day: Day | None = Field(None, alias="date", description="The day, for `overtime`.")
    minutes: int | None = Field(None, ge=1, le=1440, description="Approved minutes, for `overtime`.")
    reason: Annotated[str, StringConstraints(min_length=3, max_length=400, pattern="^[^\\x00]*$")]


class RegularisationView(BaseModel):
    """A regularisation and where its decision stands."""

    id: UUID
    person: UUID
    date: Day
    operation: str
    punch: str | None
    at: datetime | None
    state: int | None
    minutes: int | None
    reason: str
    status: RequestStatus
    requested_by: str
    requested_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    decision_reason: str
    recorded: list[RecordedCorrection] = Field(
        [], description="Entries in the ledger of a place: the correction, and its withdrawal if there was one."
    )


class RegularisationPage(BaseModel):
    """Regularisations, newest first."""

    items: list[RegularisationView]
    next_cursor: str | None = None


class RegularisationOrders(Strict):
    """Regularisations to be asked for, all or none."""

    items: list[RegularisationBody] = Field(min_length=1, max_length=500)
    preview: bool = Field(False, description="Only say what would change if all were approved; nothing is stored.")


class Change(BaseModel):
    """What would change of one workday: only the fields that differ, before and after."""

    person: UUID
    number: str
    name: str
    date: Day
    fields: dict[str, tuple[Any, Any]]


class Preview(BaseModel):
    """What would change, for whom; the sums count all, the list is cut at a thousand."""

    people: int
    days: int
    worked: int = Field(description="Worked minutes, after minus before.")
    pay: dict[str, int] = Field(description="Minutes by tier, after minus before; only what differs.")
    changes: list[Change]
    items: list[RegularisationView] = []


class PackTrial(Strict):
    """A pack that is not saved, and the days to try it on."""

    pack: dict[str, Any]
    first: Day = Field(alias="from")
    last: Day = Field(alias="to")
    people: list[UUID] | None = Field(None, max_length=10_000, description="Those who have this pack, when left out.")


class Irregularity(BaseModel):
    """One thing about one workday that a person should see: every guess leaves one."""

    person: UUID
    number: str
    name: str
    date: Day
    code: str
    status: str
    is_locked: bool
    requests: int = Field(description="Regularisations of that day that wait for a decision.")


class IrregularityPage(BaseModel):
    """Irregularities by date, newest first."""

    items: list[Irregularity]
    counts: dict[str, int] = Field(description="By code, over all pages.")
    next_cursor: str | None = None


class PeriodBody(Strict):
    """A pay period."""

    first: Day = Field(alias="from", ge=date(1980, 1, 1), le=date(2199, 12, 31))
    last: Day = Field(alias="to", ge=date(1980, 1, 1), le=date(2199, 12, 31))
    approvers: int = Field(1, ge=1, le=2, description="How many accounts have to lock it.")


class PeriodEvent(BaseModel):
    """Something that was done to a period."""

    at: datetime
    account: str
    action: str
    reason: str


class PeriodView(PeriodBody):
    """A pay period and how far it has come."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)

    id: str
    status: Literal["open", "closed", "locked"]
    approved_by: list[str]
    locked_at: datetime | None
    version: int
    events: list[PeriodEvent] = []


class PeriodPage(BaseModel):
    """Periods, newest first."""

    items: list[PeriodView]
    next_cursor: str | None = None


class Obstacle(BaseModel):
    """One reason why a period is not complete."""

    kind: Literal["terminal", "place", "workdays", "irregularity", "request", "not_over"]
    subject: str
    text: str


class Completeness(BaseModel):
    """Whether everything of a period is here."""

    is_complete: bool
    obstacles: list[Obstacle]


class PeriodAction(Strict):
    """Why something is done to a period; `force` closes one that is not complete, and is written down."""

    reason: Text = ""
    force: bool = False


class CellProblem(BaseModel):
    """One cell of an imported sheet that cannot be taken."""

    row: int = Field(description="As the spreadsheet counts; the head is row 1.")
    column: str
    cell: str = Field(description="Its address, such as C7.")
    expected: str
    came: str


class ImportResult(BaseModel):
    """What an import did, or would do. With problems nothing is done."""

    is_dry_run: bool
    rows: int
    created: int
    changed: int
    unchanged: int
    problems: list[CellProblem]
