"""A punch: one verified touch of one person at one terminal, and the identity computed from it."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Final

import cbor2

from biometric_flow.model.ids import Pin, PunchId, TenantId, TerminalSerial


class PunchState(IntEnum):
    """The key pressed. Terminals send other numbers too (255 = none); those stay plain ints."""

    CHECK_IN = 0
    CHECK_OUT = 1
    BREAK_OUT = 2
    BREAK_IN = 3
    OVERTIME_IN = 4
    OVERTIME_OUT = 5


class Channel(StrEnum):
    """How a punch reached us."""

    LIVE = "live"
    PULL = "pull"
    PUSH = "push"
    IMPORT = "import"
    """From a file that somebody carried over on a USB stick."""
    DECISION = "decision"
    """A row that was put aside, accepted by a person."""


class QuarantineReason(StrEnum):
    """Why a row was kept aside instead of becoming a punch."""

    IMPOSSIBLE_TIME = "impossible_time"
    CLOCK_NOT_SET = "clock_not_set"
    IN_THE_FUTURE = "in_the_future"
    UNREADABLE_PIN = "unreadable_pin"
    UNKNOWN_UID = "unknown_uid"
    UNREADABLE_ROW = "unreadable_row"


@dataclass(frozen=True, slots=True)
class Punch:
    """One verified touch. Never changed, whatever is learnt later: a new ledger entry says it instead."""

    id: PunchId
    terminal: TerminalSerial
    pin: Pin
    local_time: datetime
    """Naive wall-clock time exactly as the terminal wrote it."""
    instant: datetime
    """Aware UTC: `local_time` in the site's zone. Drift is recorded beside it, not applied (security-design I6)."""
    state: int
    verify: int
    """Raw number; its meaning depends on firmware and channel."""
    work_code: int
    drift: timedelta | None
    """Terminal clock minus true time as last measured; None when never measured."""
    received_at: datetime
    channel: Channel


IDENTITY_VERSION: Final = "punch/1"


def punch_id(tenant: TenantId, terminal: TerminalSerial, pin: Pin, local_time: str, state: int) -> PunchId:
    """SHA-256 over the canonical CBOR of what makes a touch that touch (security-design I1).

    `local_time` is the terminal's own time as `YYYY-MM-DDTHH:MM:SS`, so that times no calendar knows have an identity
    too. Verify mode and work code are left out: channels number them differently for the same touch.
    """
    canonical = cbor2.dumps([IDENTITY_VERSION, tenant, terminal, pin, local_time, state], canonical=True)
    return PunchId(hashlib.sha256(canonical).digest())


def clock_text(local_time: datetime) -> str:
    """A naive terminal time as `YYYY-MM-DDTHH:MM:SS`, the form that `punch_id` takes."""
    return local_time.isoformat(timespec="seconds")
