"""When a terminal's clock has to be set right, and what its readings tell: pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from biometric_flow.api.place import ClockRule

NIGHT_HOUR: Final = 3
"""The hour of the place in which the rule `nightly` acts: nobody comes or goes, and no zone changes its offset."""

NIGHTLY_ABOVE: Final = timedelta(seconds=2)
"""Terminals know whole seconds; a smaller drift cannot be told from none."""

CONFIRMED_WITHIN: Final = timedelta(seconds=3)
"""What is left of a drift after a correction that worked."""

_JUMP: Final = timedelta(seconds=10)
_CREEP: Final = 0.0003
"""A bad quartz loses or wins this share of the time: 26 seconds a day."""


@dataclass(frozen=True, slots=True)
class ClockReading:
    """What a terminal's clock showed at a moment."""

    at: datetime
    shown: datetime
    """Its wall-clock time, without a zone."""
    drift: timedelta


def is_due(rule: ClockRule, above: timedelta, reading: ClockReading, local: datetime) -> bool:
    """Whether the clock is to be set right now; `local` is the place's true wall-clock time."""
    if rule == "above":
        return abs(reading.drift) > above
    return rule == "nightly" and local.hour == NIGHT_HOUR and abs(reading.drift) > NIGHTLY_ABOVE


def was_reset(reading: ClockReading) -> bool:
    """A clock that shows 2000 lost its battery, or was never set."""
    return reading.shown.year <= 2000


def jump_between(earlier: ClockReading, later: ClockReading) -> timedelta | None:
    """How far the clock was turned between two readings, None when it only crept as clocks do."""
    turned = later.drift - earlier.drift
    tolerated = _JUMP + _CREEP * abs(later.at - earlier.at)
    return turned if abs(turned) > tolerated else None
