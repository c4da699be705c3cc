"""The columns against the readable engine, which is their judge."""

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from biometric_flow.policy.engine import evaluate
from biometric_flow.policy.fields import Fields
from biometric_flow.policy.inputs import GivenPunch, Inputs, Leave, Schedule
from biometric_flow.policy.many import evaluate_many
from biometric_flow.policy.reading import read_policy
from biometric_flow.policy.zones import DAY, home_zone
from tests.unit.policy.crowds import MONDAY, SHIFTS, crowd
from tests.unit.policy.payroll_clerk import VECTORS, cases_of


def judged(people: Sequence[Inputs]) -> int:
    """How many of the people the columns evaluated; every row of all is what the readable engine gives."""
    table = evaluate_many(people)
    rows = iter(range(len(table.day)))
    for number, given in enumerate(people):
        for day in evaluate(given).days:
            index = next(rows)
            assert int(table.person[index]) == number
            assert table.row(index) == day.row(), (number, given)
            assert (table.minutes["gross"][index], table.minutes["rounding"][index]) == (day.gross, day.rounding)
    assert next(rows, None) is None
    return len(people) - int(table.is_readable.sum())


@pytest.mark.parametrize("seed", range(40))
def test_a_crowd_comes_out_the_same_both_ways(seed: int) -> None:
    judged(crowd(random.Random(seed), 25))


@pytest.mark.parametrize("seed", range(40))
def test_a_crowd_that_meets_every_limit_to_the_minute_comes_out_the_same_both_ways(seed: int) -> None:
    judged(crowd(random.Random(seed), 25, grain=30))


def test_most_people_are_evaluated_in_columns() -> None:
    people = [given for seed in range(40) for given in crowd(random.Random(seed), 25)]
    assert judged(people) > 200


def test_every_case_comes_out_the_same_both_ways() -> None:
    cases = [case.given for path in sorted(VECTORS.glob("*.json")) for case in cases_of(path.name)]
    in_columns = 0
    for given in cases:
        if not given.periods:
            in_columns += judged([given] * 8) > 0
    assert in_columns > 60


def worked(minutes: int, overtime: dict[str, object], day: int = MONDAY) -> Inputs:
    """Somebody who came at eight for so long, on one day."""
    rules = read_policy(Fields({"tiers": {"ot1": 1.5}, "overtime": overtime}, "policy", []))
    came = day * DAY + 8 * 60
    punches = tuple(GivenPunch(str(at), 60 * at) for at in (came, came + minutes))
    rest = Schedule("assigned", dict.fromkeys((1, 2, 3, 4, 5), ("D",)), rest_weekdays=frozenset({6, 7}))
    return Inputs(home_zone("UTC"), day, day, rules, punches, SHIFTS, rest)


def test_a_punch_more_than_a_year_from_the_range_is_judged_by_the_readable_engine() -> None:
    near = worked(480, {})
    assert judged([near] * 8) == 8
    for days in (-450, 450):
        far = GivenPunch("far", 60 * (MONDAY + days) * DAY)
        assert (
            judged([replace(near, punches=tuple(sorted((*near.punches, far), key=lambda one: one.second or 0)))] * 8)
            == 0
        )


@pytest.mark.parametrize("minutes", [479, 480, 481, 482, 483, 600])
def test_the_first_minutes_of_overtime_come_out_the_same_both_ways(minutes: int) -> None:
    daily = [{"after": 480, "tier": "ot1"}]
    people = [worked(minutes, {"daily": daily, "min_daily_ot_min": least}) for least in (0, 1, 2, 3)]
    people.append(
        worked(minutes, {"daily": daily, "day_tiers": {"rest": [{"after": 0, "tier": "regular"}]}}, MONDAY + 5)
    )
    assert [sum(evaluate(one).days[0].pay.values()) for one in people] == [minutes] * 5
    assert evaluate(people[4]).days[0].pay == {"regular": minutes}, (
        "what a rest day says goes before the day's overtime"
    )
    for one in people:
        judged([one] * 8)


def test_people_of_different_ranges_policies_and_zones_are_told_apart() -> None:
    first, second = crowd(random.Random(1), 12), crowd(random.Random(2), 12)
    mixed = [one for pair in zip(first, second, strict=True) for one in pair]
    mixed[3] = replace(mixed[3], last=mixed[3].last + 30)
    judged([*mixed, replace(first[0], punches=())])


def conserved(people: Sequence[Inputs]) -> None:
    """No minute comes or goes unseen, and a day alone is what it is in the whole."""
    for given in people:
        days = evaluate(given).days
        gross, rounding = sum(day.gross for day in days), sum(day.rounding for day in days)
        if given.policy.day_attribution != "split":  # which sends minutes over the border of the range
            assert sum(day.worked for day in days) == gross + rounding - sum(day.unpaid_break for day in days)
        assert all(day.worked == sum(day.pay.values()) for day in days)
        middle = days[len(days) // 2]
        assert evaluate(replace(given, first=middle.day, last=middle.day)).days == (middle,)


@pytest.mark.parametrize("seed", range(10))
def test_no_minute_of_a_crowd_comes_or_goes_unseen(seed: int) -> None:
    conserved(crowd(random.Random(seed), 12))


def test_nobody_is_nothing() -> None:
    assert len(evaluate_many([]).day) == 0


@pytest.mark.drill
def test_100_000_people_come_out_the_same_both_ways() -> None:
    seen = in_columns = 0
    seed = 1000
    while seen < 100_000:
        people = crowd(random.Random(seed), 200, days=7)
        in_columns += judged(people)
        seen, seed = seen + len(people), seed + 1
    assert in_columns > 20_000


def office(document: dict[str, object], *punches: int, with_plan: bool = True, **more: object) -> Inputs:
    """Somebody in Cairo on a Monday and the six days after, with punches at these minutes since Monday."""
    zone = home_zone("Africa/Cairo")
    monday = zone.minute(MONDAY, 0)
    plan = Schedule("assigned", dict.fromkeys(range(1, 6), ("D",)), rest_weekdays=frozenset({6, 7}))
    person = Inputs(
        zone=zone,
        first=MONDAY,
        last=MONDAY + 6,
        policy=read_policy(Fields(document, "policy", [])),
        punches=tuple(GivenPunch(str(at), (monday + at) * 60) for at in punches),
        shifts=SHIFTS,
        schedule=plan if with_plan else Schedule(),
    )
    return replace(person, **more)  # type: ignore[arg-type]


ORDINARY = (540, 1020, 1980, 2460)
"""Nine to five on Monday and Tuesday."""


def test_ordinary_people_are_judged_in_columns_whatever_the_policy_asks() -> None:
    documents: list[dict[str, object]] = [
        {},
        {"night": {"from": "16:00", "to": "06:00"}},
        {"compliance": {"daily_rest_min": 660, "max_span_min": 480, "max_consecutive_min": 300}},
        {"breaks": {"paid_gap": {"max_min": 20}, "auto_deduct": [{"after_min": 360, "deduct_min": 30}]}},
        {"missing": {"out": "shift_end", "in": "shift_start"}},
        {"breaks": {"auto_deduct": [{"after_min": 60, "deduct_min": 30}, {"after_min": 60, "deduct_min": 45}]}},
        {
            "breaks": {"auto_deduct": [{"after_min": 0, "deduct_min": 30}]},
            "night": {"from": "09:00", "to": "09:31"},
        },
        {"tiers": {"ot": 1.5}, "overtime": {"daily": [{"after": 420, "tier": "ot"}], "daily_cap_min": 30}},
    ]
    for document in documents:
        assert judged([office(document, *ORDINARY)] * 8) == 8, document


def test_policies_that_differ_are_told_apart_though_all_else_is_the_same() -> None:
    deduct: dict[str, object] = {"breaks": {"auto_deduct": [{"after_min": 360, "deduct_min": 30}]}}
    one, other = office({}, *ORDINARY), office(deduct, *ORDINARY)
    judged([one, other] * 8)
    again = [office({}, *ORDINARY) for _ in range(8)]
    assert judged([*again, other]) >= 8, "an equal policy is one policy"


def test_open_doors_and_long_gaps_are_left_to_the_readable_engine() -> None:
    odd: list[tuple[dict[str, object], tuple[int, ...], bool]] = [
        ({"day_start": "06:00"}, (390, 1410), False),
        ({"day_start": "06:00"}, (390, 1350, 1351, 1352), False),
        ({}, (300, 540, 1350, 1380), True),
        ({}, (540, 1350), True),
        ({}, (540, 1500), True),
        ({}, (540, 600, 1265, 1300), True),
        ({}, (100, 200, 441, 500), False),
        ({}, (1380, 1435, 1445, 1500), False),
    ]
    for document, punches, with_plan in odd:
        judged([office(document, *punches, with_plan=with_plan)] * 8)
        for shift in (1, 60):
            judged([office(document, *(at + shift for at in punches), with_plan=with_plan)] * 8)


def test_punches_far_outside_of_the_range_change_nothing_and_are_no_error() -> None:
    far = (-40 * DAY, -40 * DAY + 400, *ORDINARY, 50 * DAY, 50 * DAY + 60)
    judged([office({}, *far)] * 8)
    judged([office({}, *far, first=MONDAY + 1, last=MONDAY + 1)] * 8)
    for opens in (-3 * DAY, -1 * DAY, 7 * DAY, 9 * DAY):
        judged([office({}, opens + 540, opens + 1000)] * 8)


def test_nobody_has_no_rows() -> None:
    table = evaluate_many([])
    assert (len(table.day), len(table.is_readable)) == (0, 0)


def test_a_lone_punch_is_filled_by_the_rule_for_the_end_that_misses() -> None:
    for document in (
        {"missing": {"out": "cap", "cap_min": 60}},
        {"missing": {"out": "shift_end"}},
        {"missing": {"in": "shift_start"}},
        {"missing": {"out": "cap", "cap_min": 60, "in": "shift_start"}},
    ):
        for lone in (540, 541, 779, 780, 781, 1019, 1020, 1021, 1100):
            judged([office(document, lone)] * 8)
            judged([office(document, 500, 560, lone + 60)] * 8)


@pytest.mark.parametrize("seed", range(12))
def test_who_else_is_asked_for_does_not_change_who_is_judged_in_columns(seed: int) -> None:
    people = crowd(random.Random(seed), 12, grain=30)
    alone = [bool(evaluate_many([given] * 8).is_readable[0]) for given in people]
    assert evaluate_many(people).is_readable.tolist() == alone


def test_days_of_the_plan_far_from_the_range_change_nothing_and_are_no_error() -> None:
    for since in range(MONDAY - 16, MONDAY + 24, 8):
        days = range(since, since + 8)
        for more in (
            [{"holidays": {day: "x"}} for day in days],
            [{"leaves": (Leave(day, "full"), Leave(day, "hours", 30))} for day in days],
            [{"approved_minutes": {day: 30}} for day in days],
        ):
            document: dict[str, object] = {"tiers": {"ot": 1.5}}
            document["overtime"] = {"daily": [{"after": 420, "tier": "ot"}], "approval_required": True}
            assert judged([office(document, *ORDINARY, **one) for one in more]) == 8, more


def test_somebody_who_forgot_to_leave_the_evening_before_begins_anew() -> None:
    assert judged([office({}, 1300, 1440 + 780, 1440 + 1020)] * 8) == 8, "halfway is not nearer the end"
    judged([office({}, 1300, 1440 + 781, 1440 + 1020)] * 8)


def test_a_piece_that_begins_before_the_one_before_it_by_snapping_is_left_to_the_readable_engine() -> None:
    document: dict[str, object] = {"snap": {"in_before": 20}, "rounding": {"out": {"mode": "up", "interval": 60}}}
    odd = (*ORDINARY[:2], 1440 + 520, 1440 + 525, 1440 + 530, 1440 + 1020)
    judged([office(document, *odd)] * 8)
