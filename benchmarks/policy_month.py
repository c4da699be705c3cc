"""A month of many people from punches to workdays, and one person's day again after one more punch."""

from dataclasses import replace
from datetime import date
from typing import Final
from zoneinfo import ZoneInfo

from benchmarks.harness import Anchor, Result, measure
from biometric_flow.policy.engine import evaluate
from biometric_flow.policy.fields import EPOCH, Fields
from biometric_flow.policy.inputs import GivenPunch, Inputs, Schedule, Shift
from biometric_flow.policy.reading import read_policy
from biometric_flow.policy.zones import HomeZone

PEOPLE: Final = 200
ASKED: Final = 10_000
DAYS: Final = 31
FIRST: Final = date(2024, 3, 1).toordinal() - EPOCH
ZONE: Final = HomeZone(ZoneInfo("Africa/Cairo"))
POLICY: Final = {
    "tiers": {"ot1": 1.5},
    "breaks": {"paid_gap": {"max_min": 20}, "auto_deduct": [{"after_min": 360, "deduct_min": 30, "mode": "top_up"}]},
    "rounding": {"in": {"mode": "nearest", "interval": 5}, "out": {"mode": "nearest", "interval": 5}},
    "grace_in_min": 5,
    "overtime": {"daily": [{"after": 480, "tier": "ot1"}], "weekly": [{"after": 2400, "tier": "ot1"}]},
    "night": {"from": "22:00", "to": "06:00"},
}
STAMPS: Final = (8 * 60 + 53, 12 * 60 + 1, 12 * 60 + 44, 17 * 60 + 20)


def main() -> list[Result]:
    months = [_month(number) for number in range(PEOPLE)]
    punches = sum(len(month.punches) for month in months)
    settings = {"people": PEOPLE, "of the asked": ASKED, "factor": ASKED / PEOPLE, "days": DAYS, "punches": punches}
    month = measure(
        "policy-month",
        lambda: [evaluate(month) for month in months],
        units=punches,
        of="punches",
        anchor=Anchor("differences of a sorted list", lambda: [_lower_bound(month) for month in months]),
        settings=settings,
    )
    last = FIRST + DAYS - 1
    today = replace(months[0], first=last, last=last, punches=_week(months[0], last))
    day = measure(
        "policy-one-day",
        lambda: [evaluate(today) for _ in range(100)],
        units=100,
        of="updates",
        settings={"punches": len(today.punches), "includes": "the week before, for weekly overtime"},
    )
    return [month, day]


def _month(person: int) -> Inputs:
    punches = tuple(
        GivenPunch(f"{day}-{stamp}", (ZONE.minute(FIRST + day, stamp + (person * 7 + day * 3) % 11)) * 60)
        for day in range(DAYS)
        for stamp in STAMPS
    )
    return Inputs(
        zone=ZONE,
        first=FIRST,
        last=FIRST + DAYS - 1,
        policy=read_policy(Fields(POLICY, "policy", [])),
        punches=punches,
        shifts={"D": Shift("D", 9 * 60, 17 * 60)},
        schedule=Schedule("assigned", dict.fromkeys((7, 1, 2, 3, 4), ("D",)), rest_weekdays=frozenset({5, 6})),
    )


def _week(month: Inputs, day: int) -> tuple[GivenPunch, ...]:
    since = ZONE.minute(day - 7, 0) * 60
    return tuple(punch for punch in month.punches if punch.second is not None and punch.second >= since)


def _lower_bound(month: Inputs) -> int:
    """What no evaluation can be faster than in this language: sort, pair, subtract."""
    seconds = sorted(punch.second or 0 for punch in month.punches)
    return sum(out - came for came, out in zip(seconds[::2], seconds[1::2], strict=True)) // 60
