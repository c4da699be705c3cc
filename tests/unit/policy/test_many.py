"""The columns against the readable engine, which is their judge."""

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from biometric_flow.policy.engine import evaluate
from biometric_flow.policy.inputs import Inputs
from biometric_flow.policy.many import evaluate_many
from tests.unit.policy.crowds import crowd
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
