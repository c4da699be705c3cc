"""What the gateway says over HTTP, to people's programs and to places."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from biometric_flow.api.moments import Day, Instant
from biometric_flow.api.place import LedgerEntry, PunchView, TerminalView


class PasswordGrant(BaseModel):
    """Sign in with e-mail and password."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"grant_type": "password", "email": "amina@example.com", "password": "a long sentence"}]
        },
    )

    grant_type: Literal["password"] = "password"
    email: Annotated[str, StringConstraints(min_length=3, max_length=254)]
    password: SecretStr = Field(min_length=1, max_length=128)


class RefreshGrant(BaseModel):
    """Trade a refresh token, once, for the next pair."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"grant_type": "refresh_token", "refresh_token": "bfr_" + "x" * 43}]},
    )

    grant_type: Literal["refresh_token"]
    refresh_token: SecretStr = Field(min_length=20, max_length=200)


class CodeGrant(BaseModel):
    """The second step of signing in: a code of the second factor, or a recovery code, with the ticket of the first."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"grant_type": "code", "ticket": "x" * 43, "code": "123456"}]},
    )

    grant_type: Literal["code"]
    ticket: SecretStr = Field(min_length=20, max_length=2000)
    code: SecretStr = Field(min_length=6, max_length=40)


TokenRequest = Annotated[PasswordGrant | RefreshGrant | CodeGrant, Field(discriminator="grant_type")]


class Token(BaseModel):
    """An access token for a few minutes, and the refresh token that gets the next one."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the name of a scheme, not a secret
    expires_in: int = Field(description="Seconds.")
    refresh_token: str


class Me(BaseModel):
    """Who is signed in, and what they may open."""

    account: str
    email: str
    name: str
    tenant: str
    tenant_name: str
    role: str = Field(description="The first of the roles that count now, empty without one.")
    roles: list[str] = []
    needs_factor: bool = Field(False, description="A second factor has to be set up before anything else.")
    pages: list[str] = Field(
        description="Dashboard pages that this account may open.", examples=[["overview", "live", "devices"]]
    )
    permissions: list[str] = Field(
        [], description="What this account may do somewhere, for buttons; each request is decided anew."
    )


class PlaceView(BaseModel):
    """One place, and how fresh what we know of it is."""

    id: str
    name: str
    zone: str
    position: int = Field(description="Ledger entries of this place that the gateway holds.")
    head: int | None = Field(None, description="Entries the place said it holds, at its last report.")
    last_report: datetime | None = None
    is_reporting: bool = Field(description="False once nothing has been heard for longer than the gateway's limit.")
    not_reporting_since: datetime | None = None
    terminals_online: int
    terminals_total: int
    people: int
    punches: int


class TerminalStatus(TerminalView):
    """One terminal, with its place, as the place last reported it."""

    place: str
    as_of: datetime = Field(description="When the place said so.")
    is_stale: bool = Field(description="The place has not reported since; the state above may be wrong.")


class GatewayPerson(BaseModel):
    """A PIN at one place, as the terminals there know it."""

    place: str
    pin: str
    name: str
    terminals: list[str]
    last_punch: datetime | None = None


class PersonPage(BaseModel):
    """PINs, by place."""

    items: list[GatewayPerson]
    next_cursor: str | None = None


PUNCH_EXAMPLE: Final[dict[str, Any]] = {
    "id": "5f0c6cd1c5f2b0e4a1d9d7b4c3e2f1a05f0c6cd1c5f2b0e4a1d9d7b4c3e2f1a0",
    "place": "cairo",
    "zone": "Africa/Cairo",
    "terminal": "CJ9X201234567",
    "terminal_name": "Main gate",
    "pin": "42",
    "name": "Amina Hassan",
    "local_time": "2026-11-22T10:00:00",
    "instant": "2026-11-22T08:00:00Z",
    "state": 0,
    "verify": 1,
    "work_code": 0,
    "drift_ms": 1500,
    "received_at": "2026-11-22T08:00:01Z",
    "channel": "live",
    "position": 4711,
}


class GatewayPunch(PunchView):
    """One punch with its place, the person's name as the terminals know it, and the place's zone."""

    model_config = ConfigDict(json_schema_extra={"examples": [PUNCH_EXAMPLE]})

    place: str
    zone: str
    name: str = ""
    terminal_name: str = ""
    position: int = Field(description="Order of arrival at the gateway within the tenant; ids of stream events.")


class GatewayPunchPage(BaseModel):
    """Punches, and where the next page begins."""

    items: list[GatewayPunch]
    next_cursor: str | None = None


class PunchCount(BaseModel):
    """How many punches match, and per place."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"count": 9, "places": {"cairo": 7, "leeds": 2}}]})

    count: int
    places: dict[str, int]


class PlaceFreshness(BaseModel):
    """A place beside an answer: is it in the totals, and how old is what we know?"""

    id: str
    name: str
    is_reporting: bool
    as_of: datetime | None


class Arrivals(BaseModel):
    """First punches of the day per 15 minutes of local time."""

    time: str = Field(description="Start of the quarter hour, HH:MM in each place's own zone.", examples=["08:15"])
    today: int
    median: float | None = Field(description="Median of the last four same weekdays; null without history.")


class PlaceToday(BaseModel):
    """One line of the locations table."""

    id: str
    name: str
    zone: str
    local_date: Day
    present: int = Field(description="People with an odd number of punches today.")
    seen_today: int
    people: int
    punches_today: int
    terminals_online: int
    terminals_total: int
    is_reporting: bool
    as_of: datetime | None
    trend: list[int] = Field(description="People seen on each of the last 7 days, oldest first, today last.")


class Kpis(BaseModel):
    """The tiles. Totals leave out places that are named in `missing`; they never count them as zero."""

    as_of: datetime
    present: int
    seen_today: int
    people: int
    punches_today: int
    usual_seen: float | None = Field(description="Median people seen by now on the last four same weekdays.")
    seen_trend: list[int] = Field(description="People seen on each of the last 14 days, today last.")
    terminals_online: int
    terminals_total: int
    missing: list[PlaceFreshness] = Field(description="Places that have not reported; the totals exclude them.")


class Attention(BaseModel):
    """One line of what needs a person, most urgent first."""

    kind: Literal[
        "checkpoint_refused",
        "witness_refused",
        "witness_silent",
        "place_silent",
        "terminal_offline",
        "terminal_blocked",
        "terminal_alarm",
        "terminal_finding",
        "clock_drift",
        "quarantine",
        "no_comm_key",
        "backup",
    ]
    text: str
    place: str
    terminal: str | None = None
    since: datetime | None = None


class Overview(BaseModel):
    """Everything the overview page shows."""

    kpis: Kpis
    attention: list[Attention]
    arrivals: list[Arrivals]
    places: list[PlaceToday]


class EntriesUpload(BaseModel):
    """Ledger entries of one place, in order, without a gap."""

    model_config = ConfigDict(extra="forbid")

    after: int = Field(ge=0, description="The position that the first entry follows.")
    entries: list[LedgerEntry] = Field(max_length=1000)
    log: int = Field(1, ge=1, le=10_000, description="Which of the place's logs they are of.")


class Acknowledged(BaseModel):
    """How far the gateway holds a place's ledger, durably."""

    position: int = Field(examples=[23648])


class CheckpointUpload(BaseModel):
    """A place's signed checkpoint (C2SP tlog-checkpoint), and the key that it says is its own."""

    model_config = ConfigDict(extra="forbid")

    note: str = Field(max_length=16 * 1024)
    key: str = Field(max_length=400, description="C2SP vkey; believed when none is configured or known yet.")


class CosignedCheckpoint(BaseModel):
    """The same checkpoint with the gateway's cosignature (C2SP tlog-cosignature)."""

    note: str
    key: str = Field("", description="What verifies the cosignature, as a C2SP vkey.")


class NewLogOrder(BaseModel):
    """The log of a place is to end, and another one to follow it."""

    model_config = ConfigDict(extra="forbid")

    key: str = Field(max_length=400, description="The key of the next log, as a C2SP vkey.")
    reason: str = Field(min_length=3, max_length=200, description="Stands in the ledger for ever; never name anybody.")


class DecidedLog(BaseModel):
    """The gateway's signed word that a place may begin another log."""

    note: str


class PlaceLog(BaseModel):
    """One log of a place, as the gateway holds it."""

    number: int
    origin: str
    entries: int
    goes_on: bool
    decision: str = Field("", description="The signed note that ended the log before; empty for the first.")
    begun_at: datetime | None = None


class OutsideWitnessView(BaseModel):
    """Somebody outside who cosigns the gateway's own log of checkpoints."""

    name: str
    key: str = Field(description="What verifies its cosignatures, as a C2SP vkey.")
    url: str
    size: int = Field(description="How far it has cosigned the log.")
    reached_at: datetime | None = Field(description="When it last held all there was.")
    failure: str = Field(description="Why the last attempt came to nothing; empty when it did not.")
    is_contradiction: bool = Field(description="Whether it says that this log shows two histories.")


class RefusedCheckpoint(BaseModel):
    """A checkpoint that the gateway did not cosign: evidence."""

    note: str
    reason: str
    received_at: datetime


class PlaceReport(BaseModel):
    """A place says how it is; sent at every change and at least every few seconds."""

    model_config = ConfigDict(extra="forbid")

    sent_at: Instant
    head: int = Field(ge=0, lt=2**62)
    log: int = Field(1, ge=1, le=10_000, description="Which of the place's logs the head is of.")
    version: str = Field(max_length=40)
    terminals: list[TerminalView] = Field(max_length=1000)
    backup: str = Field("", max_length=1000, description="What is wrong with its backups; empty when all is well.")


class PlaceCondition(BaseModel):
    """What the gateway knows of one place now."""

    place: str
    is_reporting: bool
    last_heard: datetime | None = Field(description="Since when it says nothing, if it is silent; never heard: null.")
    held: int = Field(description="Entries of its ledger that are held here.")
    head: int | None = Field(description="Entries that it has, as it said last.")
    links: int = Field(description="Links that it holds to this instance.")
    breakers: dict[str, str] = Field(description="By class of operation: closed, half_open or open.")


class FullHealth(BaseModel):
    """The gateway with all that hangs on it."""

    status: Literal["ok", "degraded"]
    places: list[PlaceCondition]
    missing: list[str] = Field(description="Places that are silent; `last_heard` says since when.")
    backups: list[str] = Field([], description="What is wrong with backups and drills; empty when all is well.")
    archive: list[str] = Field([], description="Why punches that should be archived are not; empty when all is well.")


class GatewayHealth(BaseModel):
    """Is the gateway well?"""

    status: Literal["ok", "degraded"]
    version: str
    database: Literal["ok", "unavailable"]
