"""A person decides about a row that was put aside: both the decision and the punch it becomes are entries (L4)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from zoneinfo import ZoneInfo

from biometric_flow.model.errors import BiometricFlowError
from biometric_flow.model.ids import Pin, TenantId, TerminalSerial
from biometric_flow.model.punch import Channel, Punch, clock_text, punch_id
from biometric_flow.place.normalise import FUTURE_LIMIT, instant_of

SCHEMA: Final = """
ALTER TABLE quarantine ADD COLUMN decision TEXT NOT NULL DEFAULT '';     -- 'accepted', 'rejected', empty while open
"""


class RowUnknown(BiometricFlowError):
    """No row with this id was put aside here."""

    code = "quarantine.unknown"


class RowDecided(BiometricFlowError):
    """Somebody decided about this row before, or the punch that it would become is there already."""

    code = "quarantine.decided"


class TouchInvalid(BiometricFlowError):
    """What the row is said to be cannot be a punch."""

    code = "quarantine.not_a_punch"


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided. `punch` is what an accepted row becomes."""

    row: bytes
    decision: Literal["accepted", "rejected"]
    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Touch:
    """What an accepted row says, as the person read it from its bytes."""

    pin: Pin
    local_time: datetime
    """Naive, the terminal's own wall clock."""
    state: int
    verify: int
    work_code: int


def punch_of(touch: Touch, tenant: TenantId, terminal: TerminalSerial, zone: ZoneInfo, now: datetime) -> Punch:
    """The punch that an accepted row becomes. Raises TouchInvalid for a time that no punch may have."""
    instant = instant_of(touch.local_time, zone, None)
    if touch.local_time.year <= 2000 or instant > now + FUTURE_LIMIT:
        raise TouchInvalid(
            f"expected a time after 2000 and not more than a day ahead, got {clock_text(touch.local_time)}; give the "
            "time at which the person was there"
        )
    return Punch(
        id=punch_id(tenant, terminal, touch.pin, clock_text(touch.local_time), touch.state),
        terminal=terminal,
        pin=touch.pin,
        local_time=touch.local_time,
        instant=instant,
        state=touch.state,
        verify=touch.verify,
        work_code=touch.work_code,
        drift=None,
        received_at=now,
        channel=Channel.DECISION,
    )
