"""Random crowds: many people of one policy, most of their days ordinary, some as odd as days can be."""

import random
from typing import Any
from zoneinfo import ZoneInfo

from biometric_flow.policy.fields import EPOCH, Fields
from biometric_flow.policy.inputs import Correction, GivenPunch, Inputs, Leave, Schedule, Shift
from biometric_flow.policy.reading import read_policy
from biometric_flow.policy.rules import Policy
from biometric_flow.policy.schedules import assigned_shifts
from biometric_flow.policy.zones import HomeZone
from tests.unit.policy.worlds import FIRST, ZONES, on_grid

MONDAY = FIRST.toordinal() - EPOCH
SHIFTS = {
    "D": Shift("D", 540, 1020, 30),
    "N": Shift("N", 1320, 360),
    "F": Shift("F", 360, 1320, 0, None, None, 240, 600, 900, 480),
    "A": Shift("A", 480, 720, 0, 60, 60),
    "B": Shift("B", 960, 1200, 0, 60, 60),
}
SCHEDULES = (
    Schedule("assigned", dict.fromkeys((1, 2, 3, 4, 5), ("D",)), rest_weekdays=frozenset({6, 7})),
    Schedule("assigned", dict.fromkeys((7, 1, 2, 3, 4), ("N",)), rest_weekdays=frozenset({5, 6})),
    Schedule("assigned", dict.fromkeys((1, 2, 3, 4, 5, 6, 7), ("A", "B"))),
    Schedule("assigned", rotation_anchor=MONDAY, rotation=(("D",), ("D",), ("N",), (), ("F",), ())),
    Schedule("assigned", dict.fromkeys((1, 2, 3, 4), ("F",))),
    Schedule(rest_weekdays=frozenset({7})),
    Schedule("auto", auto=("D", "N")),
)


def policy(chance: random.Random, grain: int = 1) -> Policy:
    """Any policy; most are of the kind that the columns know."""

    def maybe(value: Any, often: float = 0.5) -> Any:
        return value if chance.random() < often else None

    def grid() -> Any:
        mode = chance.choice(["nearest", "up", "down"])
        return maybe({"mode": mode, "interval": chance.choice([5, 6, 15, 30]), "grace": chance.choice([0, 3])}, 0.4)

    def steps(*after: Any) -> list[dict[str, Any]]:
        return [{"after": one, "tier": tier} for one, tier in zip(after, ("ot1", "ot2"), strict=False)]

    deduct = {"mode": chance.choice(["always", "top_up", "unless_punched"]), "inclusive": chance.random() < 0.3}
    deduct["not_below_threshold"] = chance.random() < 0.3
    seventh = {"tiers": steps(0, 480), "exempt_all_days_le": chance.choice([None, 420])}
    days = {
        "holiday": maybe(steps(0), 0.4),
        "rest": maybe(steps(0, 300), 0.4),
        "weekday": maybe({"6": steps(120)}, 0.2),
    }
    document = {
        "tiers": {"ot1": 1.5, "ot2": 2.0, "low": 1.0},
        "duplicate": {"window_min": chance.choice([0, 1, 3]), "scope": chance.choice(["any", "code"])},
        "pairing": {"mode": chance.choice(["alternating"] * 6 + ["first_last"] * 3 + ["state"])},
        "missing": {
            "out": chance.choice(["exception", "shift_end", "cap"]),
            "cap_min": 300,
            "in": maybe("shift_start"),
        },
        "rounding": {
            "in": grid(),
            "out": grid(),
            "scope": chance.choice(["all", "outer"]),
            "total": maybe(grid(), 0.1),
        },
        "snap": maybe({"in_before": 20, "in_after": 10, "out_before": 10, "out_after": 20}, 0.3),
        "clamp_early_in": chance.random() < 0.2,
        "clamp_late_out": chance.random() < 0.2,
        "breaks": {
            "paid_gap": maybe(
                {"max_min": chance.choice([0, 15, 60]), "mode": chance.choice(["credit", "all_or_nothing"])}
            ),
            "auto_deduct": [
                {**deduct, "after_min": after, "deduct_min": chance.choice([30, 90])} for after in (240, 400)
            ]
            if chance.random() < 0.6
            else [],
        },
        "grace_in_min": chance.choice([0, 5]),
        "grace_out_min": chance.choice([0, 10]),
        "late_counting": chance.choice(["full", "excess"]),
        "thresholds": {"absent_below_min": chance.choice([0, 60]), "half_day_below_min": chance.choice([0, 300])},
        "day_attribution": chance.choice(["shift_start"] * 3 + ["split", "shift_end", "majority"]),
        "day_start": chance.choice(["00:00"] * 3 + ["04:00"]),
        "max_session_min": chance.choice([960, 720]),
        "new_shift_gap_min": chance.choice([240, 60]),
        "overtime": {
            "daily": chance.choice([[], steps(480), steps(420, 540), steps("scheduled"), steps("scheduled", 600)]),
            "weekly": chance.choice(
                [[], steps(1500), [{"after": 1200, "tier": "ot2"}], [{"after": 900, "tier": "low"}]]
            ),
            "day_tiers": days,
            "seventh_day": maybe(seventh, 0.4),
            "min_daily_ot_min": chance.choice([0, 30]),
            "premium_counts_weekly": chance.random() < 0.3,
            "daily_cap_min": maybe(90, 0.2),
            "approval_required": chance.random() < 0.3,
            "week_start": chance.choice([1, 7]),
            "period": maybe({"anchor": "2024-03-20", "days": 14}, 0.15),
        },
        "night": maybe({"from": "22:00", "to": "06:00", "min_minutes": chance.choice([0, 121])}),
        "compliance": {
            "daily_rest_min": maybe(660),
            "max_span_min": maybe(600),
            "max_consecutive_min": maybe(300),
            "break_min_len": 15,
        },
        "holiday": {"credit": chance.choice(["none", "scheduled"])},
    }
    return read_policy(Fields(on_grid(_given(document), grain), "policy", []))


def _given(value: Any) -> Any:
    """The document without what is not there."""
    if isinstance(value, dict):
        return {name: _given(inner) for name, inner in value.items() if inner is not None and inner != []}
    return [_given(inner) for inner in value] if isinstance(value, list) else value


def crowd(chance: random.Random, size: int, days: int = 9, grain: int = 1) -> list[Inputs]:
    """People of one policy, zone and range; all minutes are multiples of `grain`."""
    rules, zone = policy(chance, grain), HomeZone(ZoneInfo(chance.choice(ZONES)))
    last = MONDAY + days - 1
    as_of = chance.choice([None, None, (last * 1440 + chance.randrange(-2880, 1440)) // grain * grain * 60])
    return [_person(chance, rules, zone, last, as_of, grain) for _ in range(size)]


def _person(chance: random.Random, rules: Policy, zone: HomeZone, last: int, as_of: int | None, grain: int) -> Inputs:
    plan = chance.choice(SCHEDULES)
    oddity = chance.choice([0, 0, 0.03, 0.2])
    punches: list[int] = []
    for day in range(MONDAY - 4, last + 3):
        if chance.random() < 0.85:
            punches.extend(_day(chance, zone, plan, day, oddity, grain))
    given = tuple(
        GivenPunch(f"p{number}", second, code=chance.choice([0, 1, 255])) for number, second in enumerate(punches)
    )
    holidays = {MONDAY + 2: "a holiday"} if chance.random() < 0.2 else {}
    leaves = [Leave(MONDAY + chance.randrange(9), chance.choice(["full", "full", "hours"]), 60) for _ in range(2)]
    if chance.random() < oddity:
        leaves.append(Leave(MONDAY + 3, chance.choice(["first_half", "second_half"])))
    void = (Correction(1, "c", "void", "p3"),) if chance.random() < oddity else ()
    return Inputs(
        zone,
        MONDAY,
        last,
        rules,
        given,
        SHIFTS,
        plan,
        holidays,
        tuple(leaves) if chance.random() < 0.2 else (),
        corrections=void,
        approved_minutes={MONDAY + 1: 45, MONDAY + 4: 600} if chance.random() < 0.3 else {},
        as_of=as_of,
    )


def _day(chance: random.Random, zone: HomeZone, plan: Schedule, day: int, oddity: float, grain: int) -> list[int]:
    """A day's punches in seconds: in, meal, back, out around some shift; now and then none of it as it should be."""
    names = assigned_shifts(plan, day)
    start, length = chance.choice([(540, 480), (540, 480), (700, 200), (1320, 480)] if oddity else [(540, 480)])
    if names and chance.random() >= oddity:
        shift = SHIFTS[chance.choice(names)]
        start, length = max(shift.start, 500) if shift.is_flexible else shift.start, (shift.end - shift.start) % 1440
        length = min(length, 600)
    marks = [start + chance.randint(-30, 20), start + length + chance.randint(-20, 120 if length > 300 else 20)]
    if chance.random() < 0.6:
        marks += [start + length // 2, start + length // 2 + chance.randint(0, 70)]
    if chance.random() < oddity:
        marks = chance.choice([marks[:1], marks[1:], [*marks, marks[0] + 1], [chance.randrange(1440)], marks[::-1] * 2])
    opens = zone.minute(day, 0)
    return [
        (opens + mark // grain * grain) * 60 + (chance.randrange(60) if grain == 1 else 0) for mark in sorted(marks)
    ]
