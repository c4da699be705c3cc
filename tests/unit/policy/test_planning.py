"""Plans by date, and workdays one overtime period at a time: the same as in one piece."""

import random
from dataclasses import replace
from datetime import date

from biometric_flow.policy.engine import evaluate
from biometric_flow.policy.fields import EPOCH, Fields
from biometric_flow.policy.inputs import Assignment, Correction, GivenPunch, Inputs, Schedule, Shift
from biometric_flow.policy.packs import PolicyPack, read_pack
from biometric_flow.policy.planning import (
    PLAIN,
    Assigned,
    Catalogue,
    Plan,
    Rules,
    holidays_of,
    inputs_of,
    rules_of,
    seen,
    units,
    workdays,
)
from biometric_flow.policy.reading import read_policy
from biometric_flow.policy.rules import ClaimWindow
from biometric_flow.policy.schedules import instance
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


WEEK = FIRST + 28
"""A Monday in the middle."""


def given_of(plan: Plan, day: int = WEEK, punches: list[GivenPunch] | None = None) -> Inputs:
    given = inputs_of(plan, next(units(plan, day, day)), punches or [], NOW)
    assert given is not None
    return given


def test_a_unit_is_given_the_punches_of_its_own_days_and_of_four_days_around_them() -> None:
    plan = a_plan([ALWAYS], KNOWN)
    opens, closes = seen(plan, next(units(plan, WEEK, WEEK)))
    assert opens == CAIRO.minute(WEEK - 4, 0) * 60
    assert closes == CAIRO.minute(WEEK + 7 + 4, 0) * 60
    marks = (opens - 1, opens, WEEK * 86400, closes - 1, closes)
    punches = [GivenPunch(str(mark), mark) for mark in marks]
    assert [one.second for one in given_of(plan, punches=punches).punches] == list(marks[1:4])


def test_a_unit_is_given_every_correction_that_may_name_one_of_its_punches() -> None:
    plan = a_plan([ALWAYS], KNOWN)
    opens, closes = seen(plan, next(units(plan, WEEK, WEEK)))
    corrections = (
        Correction(1, "far", "add", second=opens - 1),
        Correction(2, "first", "add", second=opens),
        Correction(3, "last", "add", second=closes - 1),
        Correction(4, "after", "add", second=closes),
        Correction(5, "void", "void", "x"),
        Correction(6, "moved away", "replace", "x", second=closes + 86400),
    )
    given = given_of(replace(plan, corrections=corrections))
    assert [one.id for one in given.corrections] == ["first", "last", "void", "moved away"]


def test_a_unit_begins_to_count_on_its_first_day() -> None:
    plan = a_plan([ALWAYS], KNOWN)
    unit = next(units(plan, WEEK, WEEK))
    first_minute = CAIRO.minute(WEEK, 0) * 60
    assert inputs_of(plan, unit, [], first_minute - 1) is None
    given = inputs_of(plan, unit, [], first_minute)
    assert given is not None
    assert (given.first, given.last) == (WEEK, WEEK)
    assert given_of(plan).last == WEEK + 6


def ruled(first: int, last: int, label: str, schedule: Schedule) -> Rules:
    return Rules(first, last, label, read_policy(Fields({}, "", [])), schedule)


def test_a_unit_knows_the_rules_of_four_days_around_it_and_no_others() -> None:
    days = KNOWN.schedules["days"]
    spans = {
        "gone": (WEEK - 20, WEEK - 5),
        "just before": (WEEK - 4, WEEK - 4),
        "before": (WEEK - 3, WEEK - 1),
        "this": (WEEK, WEEK + 6),
        "after": (WEEK + 7, WEEK + 9),
        "just after": (WEEK + 10, WEEK + 10),
        "far": (WEEK + 11, WEEK + 30),
    }
    plan = Plan(CAIRO, tuple(ruled(*span, label, days) for label, span in spans.items()), KNOWN.shifts)
    given = given_of(plan)
    assert given.pack == "just before"
    assert [(one.since, one.pack) for one in given.changes] == [
        (WEEK - 3, "before"), (WEEK, "this"), (WEEK + 7, "after"), (WEEK + 10, "just after"),
    ]  # fmt: skip


def test_where_plans_of_fixed_days_meet_each_holds_on_its_own_days() -> None:
    days, nights = KNOWN.schedules["days"], KNOWN.schedules["nights"]
    plan = Plan(
        CAIRO,
        (
            ruled(WEEK - 40, WEEK - 1, "nights", nights),
            ruled(WEEK, WEEK + 6, "days", days),
            ruled(WEEK + 7, WEEK + 7, "again", days),
            ruled(WEEK + 8, WEEK + 50, "more nights", nights),
        ),
        KNOWN.shifts,
    )
    rows = given_of(plan).schedule.assignments
    assert [row.first - WEEK for row in rows] == [*range(-8, 0), *range(8, 15)], "eight days around, a day a row"
    assert all(row.first == row.last for row in rows)
    assert [row.shifts for row in rows[:4]] == [(), ("late",), ("late",), ("late",)], "from a Sunday on"


def test_a_plan_that_fixes_no_days_leaves_the_plan_beside_it_as_it_is() -> None:
    days, free = KNOWN.schedules["days"], Schedule(mode="auto", auto=("day",))
    plan = Plan(CAIRO, (ruled(WEEK - 40, WEEK - 1, "free", free), ruled(WEEK, WEEK + 6, "days", days)), KNOWN.shifts)
    assert given_of(plan).schedule == days
    other = Plan(CAIRO, (ruled(WEEK - 40, WEEK - 1, "days", days), ruled(WEEK, WEEK + 6, "free", free)), KNOWN.shifts)
    assert given_of(other).schedule == free


def test_own_days_count_eight_days_around_the_rules_they_lie_in() -> None:
    def row(day: int) -> Assignment:
        return Assignment(day, day, ("late",))

    roster = [row(WEEK - 9), row(WEEK - 8), row(WEEK + 3), row(WEEK + 14), row(WEEK + 15)]
    (rules,) = rules_of(WEEK, WEEK + 6, [replace(ALWAYS, first=FIRST - 50)], roster, KNOWN)
    assert rules.schedule.assignments == tuple(roster[1:4])
    assert rules_of(WEEK, WEEK + 6, [ALWAYS], [roster[0], roster[4]], KNOWN)[0].schedule == KNOWN.schedules["days"]


def test_rules_begin_and_end_with_assignments_and_packs_each_to_the_day() -> None:
    other = replace(pack(), id="other")
    short = replace(pack(3, FIRST + 10), valid_to=FIRST + 12)
    known = replace(KNOWN, packs=[replace(pack(), valid_to=FIRST + 9), short, other])
    one_day = Assigned(FIRST + 20, FIRST + 20, "nights", "other", "other")
    past_the_end = Assigned(FIRST + 25, FIRST + 27)
    rules = rules_of(FIRST, FIRST + 27, [ALWAYS, one_day, past_the_end], [], known)
    assert [(one.first - FIRST, one.last - FIRST, one.label) for one in rules] == [
        (0, 9, "house v1"),
        (10, 12, "house v3"),
        (13, 19, PLAIN),
        (20, 20, "other v1"),
        (21, 24, PLAIN),
        (25, 27, PLAIN),
    ]
    assert rules[-1].calendar is None


def test_a_holiday_counts_from_the_first_to_the_last_day_of_its_calendar_being_the_persons() -> None:
    known = replace(KNOWN, calendars={"eg": {FIRST + day: str(day) for day in (1, 2, 5, 6)}})
    rules = rules_of(FIRST, FIRST + 9, [Assigned(FIRST + 2, FIRST + 5, "days", "eg")], [], known)
    assert sorted(holidays_of(rules, known)) == [FIRST + 2, FIRST + 5]


def test_periods_of_one_day_are_units_of_one_day() -> None:
    daily = pack(overtime={"period": {"anchor": "2026-01-05", "days": 1}})
    plan = a_plan([ALWAYS], replace(KNOWN, packs=[daily]))
    assert [(one.first, one.last) for one in units(plan, WEEK, WEEK + 2)] == [(WEEK + n, WEEK + n) for n in range(3)]


def test_what_ends_a_day_after_the_days_that_are_asked_for_makes_no_rules_of_its_own() -> None:
    for beyond in (0, 1, 2):
        known = replace(KNOWN, packs=[replace(pack(), valid_to=FIRST + 6 + beyond)])
        rules = rules_of(FIRST, FIRST + 6, [replace(ALWAYS, last=FIRST + 6 + beyond)], [], known)
        assert [(one.first - FIRST, one.last - FIRST, one.label) for one in rules] == [(0, 6, "house v1")]


def test_a_core_time_that_ends_when_it_begins_is_a_whole_day() -> None:
    whole = Shift("F", 540, 540, core_start=600, core_end=600, required_min=480)
    found = instance(whole, FIRST, home_zone("UTC"), ClaimWindow())
    assert (found.end - found.start, found.core_start - found.start, found.core_end - found.core_start) == (
        1440,
        60,
        1440,
    )
    night = Shift("N", 1320, 360, core_start=60, core_end=300, required_min=480)
    found = instance(night, FIRST, home_zone("UTC"), ClaimWindow())
    assert (found.core_start - found.start, found.core_end - found.core_start) == (180, 240)
