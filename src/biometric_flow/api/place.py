"""What a place says about itself over HTTP."""

from typing import Annotated, Literal

from pydantic import (
    Base64Bytes,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
)

from biometric_flow.api.moments import Instant, WallClock
from biometric_flow.model.ids import SERIAL, SLUG
from biometric_flow.model.punch import Channel, QuarantineReason
from biometric_flow.model.terminal import TerminalState

Slug = Annotated[str, StringConstraints(pattern=f"^{SLUG.pattern}$")]
TerminalProtocol = Literal["pull", "push"]
"""Who dials: the place the terminal, or the terminal the place."""
ClockRule = Literal["off", "above", "nightly"]
"""When a terminal's clock is set right: never, when it is off by more than a limit, or at three in the night."""
AttlogLayout = Literal["", "49", "40", "16", "8", "8-ma300"]
"""The layout of a terminal's attendance rows; empty: found by count and plausibility."""
UnlockUnit = Literal["seconds", "tenths"]
Serial = Annotated[str, StringConstraints(pattern=f"^{SERIAL.pattern}$")]


class Counters(BaseModel):
    """Rows of one terminal, ever: received = accepted + quarantined + duplicate (security-design I6)."""

    received: int = 0
    accepted: int = 0
    quarantined: int = 0
    duplicate: int = 0


class Capacity(BaseModel):
    """Used and possible, as the terminal says; a limit of 0 means that it did not say."""

    users: int = 0
    users_limit: int = 0
    fingers: int = 0
    fingers_limit: int = 0
    faces: int = 0
    faces_limit: int = 0
    punches: int = 0
    punches_limit: int = 0


Severity = Literal["info", "warning", "alarm"]


class Finding(BaseModel):
    """Something about a terminal that needs a person."""

    code: str = Field(description="Stable; programs decide by it.", examples=["no_comm_key"])
    severity: Severity
    text: str = Field(description="What is wrong and what to do, in words.")
    since: Instant | None = Field(default=None, description="When it happened; null for a state that lasts.")


class TerminalIdentity(BaseModel):
    """What a terminal says it is, besides its key and its address."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)

    serial: Serial
    firmware: str = Field("", max_length=4096)
    platform: str = Field("", max_length=4096)
    mac: str = Field("", max_length=4096)


class TerminalView(BaseModel):
    """One terminal as its place sees it."""

    key: Slug = Field(description="The place's own name for it, unique at the place.", examples=["cairo-gate-1"])
    name: str = Field(examples=["Main gate"])
    host: str
    port: int
    is_enabled: bool
    state: TerminalState
    state_since: Instant
    reason: str = Field("", description="Why it is not online, in words.")
    serial: str = Field("", description="What it says it is; empty before first contact.")
    model: str = ""
    firmware: str = ""
    platform: str = ""
    last_contact: Instant | None = None
    last_punch: Instant | None = None
    drift_ms: int | None = Field(None, description="Terminal clock minus true time, at the last measurement.")
    has_comm_key: bool = False
    protocol: TerminalProtocol = "pull"
    may_push: bool = Field(False, description="Whether it has a secret to push with.")
    clock: ClockRule = "off"
    clock_above_seconds: int = 30
    attlog_layout: AttlogLayout = ""
    unlock_unit: UnlockUnit = "tenths"
    unconfirmed: TerminalIdentity | None = Field(
        None, description="What it says now, when that is not what was enrolled; nothing is read until confirmed."
    )
    counters: Counters = Counters()
    capacity: Capacity = Capacity()
    findings: list[Finding] = []


class TerminalCreate(BaseModel):
    """A terminal to be added. One that pushes needs its serial number and a secret, one that is pulled its host."""

    model_config = ConfigDict(extra="forbid")

    key: Slug
    name: str = Field(min_length=1, max_length=80)
    protocol: TerminalProtocol = "pull"
    serial: Serial | None = None
    push_secret: SecretStr | None = Field(None, description="22 to 128 letters, digits, - and _.")
    push_networks: list[str] = Field([], max_length=20, description="Networks it may dial from; empty for any.")
    host: str = Field("", max_length=253)
    port: int = Field(4370, ge=1, le=65535)
    comm_key: SecretStr | None = Field(None, description="1-6 digits as set on the terminal; leave out for none.")
    encoding: str = Field("utf-8", description="How the terminal writes names.", max_length=32)
    is_enabled: bool = True
    clock: ClockRule = "off"
    clock_above_seconds: int = Field(30, ge=2, le=86_400, description="The drift that the rule `above` tolerates.")
    attlog_layout: AttlogLayout = Field("", description="Pins the layout of its rows; empty to find it.")
    unlock_unit: UnlockUnit = Field("tenths", description="What it counts in when it is told to unlock.")


class TerminalChange(BaseModel):
    """What to change of a terminal; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(None, min_length=1, max_length=80)
    host: str | None = Field(None, min_length=1, max_length=253)
    port: int | None = Field(None, ge=1, le=65535)
    comm_key: SecretStr | None = None
    encoding: str | None = Field(None, max_length=32)
    is_enabled: bool | None = None
    clock: ClockRule | None = None
    clock_above_seconds: int | None = Field(None, ge=2, le=86_400)
    attlog_layout: AttlogLayout | None = None
    unlock_unit: UnlockUnit | None = None
    serial: Serial | None = Field(None, description="Confirms that the machine at this address was exchanged.")


class PersonView(BaseModel):
    """A person as the terminals of one place know them."""

    pin: str
    name: str
    terminals: list[str] = Field(description="Serial numbers of the terminals that know this person.")
    last_punch: Instant | None = None


class PunchView(BaseModel):
    """One punch."""

    id: str = Field(description="64 hexadecimal digits, computed from the punch's contents.")
    terminal: str = Field(description="Serial number.")
    pin: str
    local_time: WallClock = Field(description="Wall-clock time as the terminal wrote it, without a zone.")
    instant: Instant = Field(description="The same in UTC, by the place's zone.")
    state: int
    verify: int
    work_code: int
    drift_ms: int | None
    received_at: Instant
    channel: Channel


class PunchPage(BaseModel):
    """Punches, oldest first, and where the next page begins."""

    items: list[PunchView]
    next_cursor: str | None = Field(None, description="Pass as `cursor`; null on the last page.")


class TouchRead(BaseModel):
    """What a row in quarantine says, as a person read it from its bytes."""

    model_config = ConfigDict(extra="forbid")

    pin: str = Field(min_length=1, max_length=24)
    local_time: WallClock = Field(description="The terminal's own wall-clock time, without a zone.")
    state: int = Field(0, ge=0, le=255)
    verify: int = Field(0, ge=0, le=255)
    work_code: int = Field(0, ge=0, lt=2**32)


class RowDecision(BaseModel):
    """What a person decides about a row in quarantine; `touch` makes it a punch, without it the row is rejected."""

    model_config = ConfigDict(extra="forbid")

    by: str = Field(min_length=1, max_length=80)
    reason: str = Field(min_length=1, max_length=400)
    touch: TouchRead | None = None


class QuarantinedRow(BaseModel):
    """A row that could not become a punch, with its bytes."""

    id: str
    decision: str = Field(description="`accepted` or `rejected`, empty while nobody decided.")
    terminal: str
    reason: QuarantineReason
    detail: str
    raw: str = Field(description="The row as hexadecimal digits, at most 1 KiB of it.")
    first_seen: Instant


class LedgerEntry(BaseModel):
    """One line of a place's ledger, as it travels. The receiver trusts nothing but the bytes."""

    model_config = ConfigDict(extra="forbid")

    sequence: int = Field(ge=1)
    leaf: Base64Bytes = Field(max_length=1024)
    record: Base64Bytes = Field(max_length=4096)
    opening: Base64Bytes = Field(max_length=64)


class LedgerPage(BaseModel):
    """Ledger entries after a position."""

    head: int = Field(description="The last sequence that the place holds.")
    entries: list[LedgerEntry]


class PlaceHealth(BaseModel):
    """Is this place well?"""

    status: Literal["ok", "degraded"]
    place: str
    version: str
    started_at: Instant
    head: int = Field(description="Last ledger sequence.")
    acknowledged: int = Field(description="Last sequence that the gateway confirmed.")
    backlog: int
    gateway: Literal["connected", "unreachable", "refused", "not_configured"]
    gateway_since: Instant
    gateway_reason: str = Field(
        "", description="Why the gateway refuses this place, or what it has forgotten of it; empty when all is well."
    )
    backup: str = Field(
        "", description="What is wrong with backups and rehearsals of a restore; empty when all is well."
    )
    storage: Literal["ok", "failing"]
    read_only: str = Field("", description="Why nothing is taken into the ledger, and what to do; empty when all is.")
    examined_at: Instant | None = Field(None, description="When the whole ledger was checked last.")
    altered: str = Field("", description="The first thing that this check found altered; empty when everything fits.")
    terminals_online: int
    terminals_total: int
