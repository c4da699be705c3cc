"""Plans by date, and workdays one overtime period at a time: the same as in one piece."""

import random
from dataclasses import replace
from datetime import date

from biometric_flow.policy.engine import evaluate
from biometric_flow.policy.fields import EPOCH, Fields
from biometric_flow.policy.inputs import Assignment, GivenPunch, Inputs, Schedule, Shift
from biometric_flow.policy.packs import PolicyPack, read_pack
from biometric_flow.policy.planning import (
    MARGIN,
    PLAIN,
    Assigned,
    Catalogue,
    Plan,
    holidays_of,
    rules_of,
    units,
    workdays,
)
from biometric_flow.policy.reading import read_policy
from biometric_flow.policy.workdays import Workday
from biometric_flow.policy.zones import home_zone

CAIRO = home_zone("Africa/Cairo")
FIRST = date(2026, 1, 5).toordinal() - EPOCH
"""A Monday."""
DAYS = 126
DAY, LATE = Shift("day", 540, 1020), Shift("late", 1320, 360)
KNOWN = Catalogue(
    shifts={"day": DAY, "late": LATE},
    schedules={
        "days": Schedule(mode="assigned", weekly=dict.fromkeys(range(1, 6), ("day",))),
        "nights": Schedule(mode="assigned", weekly=dict.fromkeys(range(1, 6), ("late",))),
    },
    calendars={"eg": {FIRST + 2: "A feast"}, "other": {FIRST + 3: "Another"}},
)
ALWAYS = Assigned(FIRST, FIRST + DAYS, "days", "eg", "house")
WEEKLY = {
    "tiers": {"ot": 1.5},
    "overtime": {"weekly": [{"after": 2400, "tier": "ot"}]},
    "breaks": {"paid_gap": {"max_min": 15}},
}
NOW = CAIRO.minute(FIRST + DAYS + 30, 0) * 60


def pack(version: int = 1, first: int = FIRST, **policy: object) -> PolicyPack:
    document = {
        "schema": 1,
        "id": "house",
        "name": "House",
        "version": version,
        "valid_from": date.fromordinal(first + EPOCH).isoformat(),
        "policy": policy or WEEKLY,
    }
    return read_pack(document)


def a_plan(assigned: list[Assigned], known: Catalogue, roster: list[Assignment] | None = None) -> Plan:
    rules = rules_of(FIRST, FIRST + DAYS - 1, assigned, roster or [], known)
    return Plan(CAIRO, rules, known.shifts, holidays_of(rules, known))


def a_life(seed: int) -> list[GivenPunch]:
    """Punches of somebody untidy: missing ones, doubles, breaks, a night now and then."""
    chance = random.Random(seed)
    punches = []
    for day in range(FIRST, FIRST + DAYS):
        if chance.random() < 0.25:
            continue
        starts = 1320 if chance.random() < 0.1 else 540
        times = [starts + chance.randint(-70, 70), starts + 480 + chance.randint(-90, 200)]
        times += [starts + 200, starts + 230] if chance.random() < 0.4 else []
        for time in sorted(times):
            if chance.random() < 0.06:
                continue
            for _ in range(1 + (chance.random() < 0.05)):
                second = CAIRO.minute(day, 0) * 60 + time * 60 + chance.randint(0, 40)
                punches.append(GivenPunch(f"{day}-{len(punches)}", second))
    return punches


def in_units(plan: Plan, punches: list[GivenPunch], first: int = FIRST, last: int = FIRST + DAYS - 1) -> list[Workday]:
    return [day for unit in units(plan, first, last) for day in workdays(plan, unit, punches, NOW)]


def test_period_by_period_is_the_same_as_the_whole_range_at_once() -> None:
    known = replace(KNOWN, packs=[pack()])
    plan = a_plan([ALWAYS], known)
    for seed in range(12):
        punches = a_life(seed)
        whole = evaluate(
            Inputs(
                zone=CAIRO,
                first=FIRST,
                last=FIRST + DAYS - 1,
                policy=read_policy(Fields(WEEKLY, "", [])),
                punches=tuple(punches),
                shifts=known.shifts,
                schedule=known.schedules["days"],
                holidays=plan.holidays,
                as_of=NOW,
                pack="house v1",
            )
        )
        assert in_units(plan, punches) == list(whole.days), seed


def test_a_unit_is_the_same_whatever_is_computed_around_it() -> None:
    plan = a_plan([ALWAYS], replace(KNOWN, packs=[pack(), pack(2, FIRST + 45, grace_in_min=10)]))
    punches = a_life(99)
    whole = {day.day: day for day in in_units(plan, punches)}
    for day in range(FIRST, FIRST + DAYS):
        near = [one for one in punches if abs((one.second or 0) - CAIRO.minute(day, 0) * 60) < 40 * 86400]
        for alone in in_units(plan, near, day, day):
            assert alone == whole[alone.day]
    assert len(whole) == DAYS


def test_a_day_goes_by_the_assignment_that_began_last_and_the_pack_in_force() -> None:
    known = replace(KNOWN, packs=[pack(), pack(2, FIRST + 14, grace_in_min=10)])
    nights = Assigned(FIRST + 7, FIRST + 20, "nights", "other", "house")
    rules = rules_of(FIRST, FIRST + 27, [nights, replace(ALWAYS, last=FIRST + 24)], [], known)
    told = [(one.first - FIRST, one.last - FIRST, one.label, one.schedule.weekly.get(1)) for one in rules]
    assert told == [
        (0, 6, "house v1", ("day",)),
        (7, 13, "house v1", ("late",)),
        (14, 20, "house v2", ("late",)),
        (21, 24, "house v2", ("day",)),
        (25, 27, PLAIN, None),
    ]
    # The calendar changes with the assignment: the other one's holiday is not this person's yet.
    assert holidays_of(rules, known) == {FIRST + 2: "A feast"}


def test_a_persons_own_days_come_on_top_of_the_schedule() -> None:
    friday_off = Assignment(FIRST + 4, FIRST + 4, ())
    plan = a_plan([ALWAYS], replace(KNOWN, packs=[pack()]), [friday_off])
    days = in_units(plan, [], FIRST, FIRST)
    assert [day.status for day in days] == ["absent", "absent", "holiday", "absent", "rest", "rest", "rest"]


def test_days_that_have_not_come_have_no_workday() -> None:
    plan = a_plan([ALWAYS], KNOWN)
    unit = next(units(plan, FIRST, FIRST))
    noon = CAIRO.minute(FIRST + 1, 720) * 60
    assert [day.day - FIRST for day in workdays(plan, unit, [], noon)] == [0, 1]
    assert list(workdays(plan, unit, [], CAIRO.minute(FIRST - 2, 0) * 60)) == []


def test_two_schedules_meet_in_a_week_and_no_punch_counts_twice() -> None:
    known = replace(KNOWN, packs=[pack()])
    nights = Assigned(FIRST + 9, FIRST + DAYS, "nights", "eg", "house")
    plan = a_plan([ALWAYS, nights], known)
    times = [(8, 540), (8, 1020), (9, 1320), (10, 365), (10, 1325), (11, 350)]
    punches = [GivenPunch(str(index), CAIRO.minute(FIRST + day, time) * 60) for index, (day, time) in enumerate(times)]
    days = {day.day - FIRST: day for day in in_units(plan, punches)}
    assert [days[number].worked for number in (8, 9, 10, 11)] == [480, 485, 465, 0]
    assert MARGIN >= 3
