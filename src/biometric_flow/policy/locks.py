"""Closed periods: what they showed when they were closed stands, the rest becomes adjustments (contract 14)."""

from collections.abc import Iterable
from dataclasses import dataclass

from biometric_flow.policy.inputs import LockedPeriod
from biometric_flow.policy.workdays import Workday


@dataclass(frozen=True, slots=True)
class Adjustment:
    """What a locked day would have been worth more (or less), to be paid in the next open period."""

    day: int
    delta: dict[str, int]


def locked_day(periods: Iterable[LockedPeriod], day: int) -> int | None:
    """When the day was locked, in seconds; None when it is open."""
    return next((period.locked for period in periods if period.first <= day <= period.last), None)


def adjustments(locked: Workday, now: Workday) -> Iterable[Adjustment]:
    """The difference of a locked day, nothing when there is none."""
    tiers = dict.fromkeys([*now.pay, *locked.pay])
    delta = {"worked": now.worked - locked.worked}
    delta |= {tier: now.pay.get(tier, 0) - locked.pay.get(tier, 0) for tier in tiers}
    delta = {name: minutes for name, minutes in delta.items() if minutes}
    return (Adjustment(now.day, delta),) if delta else ()
