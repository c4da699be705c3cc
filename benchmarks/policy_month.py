"""A month of many people from punches to workdays, in columns and one by one; one person's day after one more punch."""

import subprocess
import sys
from dataclasses import replace
from datetime import date
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from benchmarks.harness import Anchor, Result, measure
from biometric_flow.policy.engine import evaluate
from biometric_flow.policy.fields import EPOCH, Fields
from biometric_flow.policy.inputs import GivenPunch, Inputs, Schedule, Shift
from biometric_flow.policy.many import evaluate_many
from biometric_flow.policy.reading import read_policy
from biometric_flow.policy.schedules import is_rest_day
from biometric_flow.policy.zones import HomeZone

PEOPLE: Final = 10_000
READ: Final = 200
"""People of the readable evaluation, which takes thirty times as long."""
SIZES: Final = (1_000, 10_000, 100_000)
DAYS: Final = 31
FIRST: Final = date(2024, 3, 1).toordinal() - EPOCH
ZONE: Final = HomeZone(ZoneInfo("Africa/Cairo"))
POLICY: Final = read_policy(
    Fields(
        {
            "tiers": {"ot1": 1.5},
            "breaks": {
                "paid_gap": {"max_min": 20},
                "auto_deduct": [{"after_min": 360, "deduct_min": 30, "mode": "top_up"}],
            },
            "rounding": {"in": {"mode": "nearest", "interval": 5}, "out": {"mode": "nearest", "interval": 5}},
            "grace_in_min": 5,
            "overtime": {"daily": [{"after": 480, "tier": "ot1"}], "weekly": [{"after": 2400, "tier": "ot1"}]},
            "night": {"from": "22:00", "to": "06:00"},
        },
        "policy",
        [],
    )
)
SHIFTS: Final = {"D": Shift("D", 9 * 60, 17 * 60)}
PLAN: Final = Schedule("assigned", dict.fromkeys((7, 1, 2, 3, 4), ("D",)), rest_weekdays=frozenset({5, 6}))
STAMPS: Final = (8 * 60 + 53, 12 * 60 + 1, 12 * 60 + 44, 17 * 60 + 20)


def main() -> list[Result]:
    months = [_month(number) for number in range(PEOPLE)]
    few = months[:READ]
    punches, some = sum(len(month.punches) for month in months), sum(len(month.punches) for month in few)
    seconds = np.array([punch.second for month in months for punch in month.punches], np.int64)
    settings = {"people": PEOPLE, "days": DAYS, "punches": punches}
    bound = Anchor("one numpy pass: sort, pair, subtract", lambda: _lower_bound(seconds))
    readable = Anchor("the readable engine", lambda: [evaluate(month) for month in few], units=some)
    odd = [_odd(month, number) for number, month in enumerate(months[:1000])]
    return [
        _many("policy-month", months, settings, readable),
        _many("policy-month-bound", months, settings, bound),
        _many("policy-month-odd", odd, {"people": 1000, "a missing or double punch": "1 day in 20"}, None),
        measure("policy-month-readable", readable.work, units=some, of="punches", settings={"people": READ}),
        *(_grown(size) for size in SIZES),
        _one_day(months[0]),
    ]


def _many(name: str, people: list[Inputs], settings: dict[str, object], anchor: Anchor | None) -> Result:
    punches = sum(len(month.punches) for month in people)
    return measure(name, lambda: evaluate_many(people), units=punches, of="punches", anchor=anchor, settings=settings)


def _grown(size: int) -> Result:
    """So many people, a thousand at a time as a caller with little memory would; and the memory of a new process."""

    def work() -> None:
        people = iter(range(size))
        while batch := list(islice(people, 1_000)):
            evaluate_many([_month(number) for number in batch])

    asked = f"from benchmarks.policy_month import grown; grown({size})"
    peak = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, timeout=600, check=True).stdout
    settings = {"people": size, "peak memory MiB": int(peak), "includes": "making the inputs"}
    return measure(f"policy-month-{size}", work, units=size * 124, of="punches", runs=1, settings=settings)


def grown(size: int) -> None:
    """The peak memory of a process that evaluates so many people, in MiB."""
    for at in range(0, size, 1_000):
        evaluate_many([_month(number) for number in range(at, at + 1_000)])
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    print(int(status["VmHWM"].split()[0]) // 1024)  # getrusage would tell what the parent used


def _one_day(month: Inputs) -> Result:
    last = FIRST + DAYS - 1
    today = replace(month, first=last, last=last, punches=_week(month, last))
    return measure(
        "policy-one-day",
        lambda: [evaluate(today) for _ in range(100)],
        units=100,
        of="updates",
        settings={"punches": len(today.punches), "includes": "the week before, for weekly overtime"},
    )


def _month(person: int) -> Inputs:
    punches = tuple(
        GivenPunch(f"{day}-{stamp}", _midnight(day) + (stamp + (person * 7 + day * 3) % 11) * 60)
        for day in range(DAYS)
        for stamp in STAMPS
    )
    return Inputs(ZONE, FIRST, FIRST + DAYS - 1, POLICY, punches, SHIFTS, PLAN)


@cache
def _midnight(day: int) -> int:
    return ZONE.minute(FIRST + day, 0) * 60


def _odd(month: Inputs, person: int) -> Inputs:
    """The month without its days of rest; on one day in twenty a punch is missing, or one is read twice instead."""
    punches = list(month.punches)
    for day in range(person % 20, DAYS, 20):
        if day % 2:
            punches[day * 4 + person % 4] = replace(
                punches[day * 4], id="again", second=(punches[day * 4].second or 0) + 2
            )
        else:
            punches[day * 4 + person % 4] = replace(punches[day * 4 + person % 4], second=None, wall_second=0)
    rest = {day for day in range(DAYS) if is_rest_day(PLAN, FIRST + day)}
    came = tuple(punch for at, punch in enumerate(punches) if punch.second is not None and at // 4 not in rest)
    return replace(month, punches=came)


def _week(month: Inputs, day: int) -> tuple[GivenPunch, ...]:
    since = ZONE.minute(day - 7, 0) * 60
    return tuple(punch for punch in month.punches if punch.second is not None and punch.second >= since)


def _lower_bound(seconds: np.typing.NDArray[np.int64]) -> int:
    """What no evaluation in columns can be faster than."""
    ordered = np.sort(seconds)
    return int((ordered[1::2] - ordered[::2]).sum()) // 60
