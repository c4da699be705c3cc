"""A policy that changes inside a range."""

from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from biometric_flow.policy.engine import evaluate
from biometric_flow.policy.explain import explain
from biometric_flow.policy.fields import EPOCH, Fields
from biometric_flow.policy.inputs import GivenPunch, Inputs, PolicyChange
from biometric_flow.policy.reading import read_policy
from biometric_flow.policy.rules import Policy
from biometric_flow.policy.zones import HomeZone
from tests.unit.policy.worlds import FIRST, people, policies

MONDAY = FIRST.toordinal() - EPOCH
UTC_ZONE = HomeZone(ZoneInfo("Etc/UTC"))
TRIES = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""On a busy machine it takes a second to make ten people; that says nothing of the policy."""


def policy(**document: Any) -> Policy:
    return read_policy(Fields({"tiers": {"ot1": 1.5, "ot2": 2.0}, **document}, "policy", []))


def weekly(after: int, tier: str, **more: Any) -> Policy:
    return policy(overtime={"weekly": [{"after": after, "tier": tier}], **more})


def worked_week(first: Policy, *changes: PolicyChange, hours: int = 9) -> list[dict[str, int]]:
    """Pay of Monday to Saturday, from 08:00 on each day."""
    minutes = [(MONDAY + number) * 1440 + at for number in range(6) for at in (480, 480 + hours * 60)]
    punches = tuple(GivenPunch(str(minute), minute * 60) for minute in minutes)
    return [day.pay for day in evaluate(Inputs(UTC_ZONE, MONDAY, MONDAY + 5, first, punches, changes=changes)).days]


def test_each_day_goes_by_the_version_in_force_on_it() -> None:
    rounded = policy(rounding={"out": {"mode": "down", "interval": 60}})
    punches = (
        GivenPunch("a", (MONDAY * 1440 + 480) * 60),
        GivenPunch("b", (MONDAY * 1440 + 1000) * 60),
        GivenPunch("c", ((MONDAY + 1) * 1440 + 480) * 60),
        GivenPunch("d", ((MONDAY + 1) * 1440 + 1000) * 60),
    )
    change = PolicyChange(MONDAY + 1, rounded, "house v2")
    result = evaluate(Inputs(UTC_ZONE, MONDAY, MONDAY + 1, policy(), punches, pack="house v1", changes=(change,)))
    assert [day.worked for day in result.days] == [520, 480]
    assert [day.pack for day in result.days] == ["house v1", "house v2"]
    assert all(line.endswith("house v2]") for line in explain(result.days[1], UTC_ZONE))


def test_hours_of_the_week_before_a_change_count_towards_the_weekly_limit_after_it() -> None:
    change = PolicyChange(MONDAY + 3, weekly(2000, "ot2"), "v2")
    assert worked_week(weekly(2400, "ot1"), change) == [
        {"regular": 540},
        {"regular": 540},
        {"regular": 540},
        {"regular": 380, "ot2": 160},
        {"ot2": 540},
        {"ot2": 540},
    ]


def test_minutes_that_the_old_version_paid_as_daily_overtime_do_not_count_again_after_the_change() -> None:
    old = weekly(2400, "ot1", daily=[{"after": 480, "tier": "ot1"}])
    paid = worked_week(old, PolicyChange(MONDAY + 3, weekly(2400, "ot2"), "v2"))
    assert paid[:3] == [{"regular": 480, "ot1": 60}] * 3
    assert paid[3:] == [{"regular": 540}, {"regular": 420, "ot2": 120}, {"ot2": 540}]


def test_a_new_beginning_of_the_week_counts_from_its_own_first_day() -> None:
    thursday = weekly(1200, "ot2", week_start=4)
    paid = worked_week(weekly(2400, "ot1"), PolicyChange(MONDAY + 3, thursday, "v2"))
    assert paid[3:] == [{"regular": 540}, {"regular": 540}, {"regular": 120, "ot2": 420}]


def test_a_double_read_is_judged_by_the_version_of_its_day() -> None:
    lax, strict = policy(duplicate={"window_min": 0}), policy(duplicate={"window_min": 5})
    at = [(MONDAY + day) * 1440 + minute for day in (0, 1) for minute in (480, 482, 600)]
    punches = tuple(GivenPunch(str(minute), minute * 60) for minute in at)
    result = evaluate(
        Inputs(UTC_ZONE, MONDAY, MONDAY + 1, lax, punches, changes=(PolicyChange(MONDAY + 1, strict, "v2"),))
    )
    assert [day.irregularities for day in result.days] == [("MISSING_OUT", "UNSCHEDULED"), ("UNSCHEDULED",)]


@TRIES
@given(people(), st.integers(0, 14))
def test_a_change_to_the_same_rules_changes_nothing(person: Inputs, number: int) -> None:
    if person.policy.duplicates.window_min:
        person = replace(
            person, policy=replace(person.policy, duplicates=policy(duplicate={"window_min": 0}).duplicates)
        )
    change = PolicyChange(MONDAY + number, person.policy, person.pack)
    assert evaluate(replace(person, changes=(change,))).days == evaluate(person).days


@TRIES
@given(people(), policies(), st.integers(0, 14))
def test_a_change_loses_no_minute_and_leaves_the_days_long_before_it(
    person: Inputs, document: dict[str, Any], number: int
) -> None:
    change = PolicyChange(MONDAY + number, read_policy(Fields(document, "policy", [])), "v2")
    was, now = evaluate(person), evaluate(replace(person, changes=(change,)))
    for before, day in zip(was.days, now.days, strict=True):
        assert day.worked == sum(day.pay.values())
        if day.day < MONDAY + number - 3:
            assert before == day
    gross, rounding = sum(day.gross for day in now.days), sum(day.rounding for day in now.days)
    assert now.worked == gross + rounding - sum(day.unpaid_break for day in now.days)


@TRIES
@given(people(), policies(), st.integers(0, 14), st.integers(-2, 16), st.integers(0, 9))
def test_any_part_of_a_range_with_a_change_is_the_same_as_in_the_whole(
    person: Inputs, document: dict[str, Any], number: int, since: int, length: int
) -> None:
    change = PolicyChange(MONDAY + number, read_policy(Fields(document, "policy", [])), "v2")
    whole = replace(person, changes=(change,))
    first, last = MONDAY + since, min(MONDAY + since + length, whole.last)
    part = evaluate(replace(whole, first=first, last=last))
    assert list(part.days) == [day for day in evaluate(whole).days if first <= day.day <= last]


def test_a_week_that_begins_on_another_day_from_now_on_counts_its_days_before_the_change_too() -> None:
    weekly = {"tiers": {"ot": 1.5}, "overtime": {"weekly": [{"after": 600, "tier": "ot"}]}}
    from_wednesday = policy(tiers={"ot": 1.5}, overtime={"weekly": [{"after": 600, "tier": "ot"}], "week_start": 3})
    days = [0, 2, 3]
    punches = tuple(GivenPunch(f"{day}-{at}", ((MONDAY + day) * 1440 + at) * 60) for day in days for at in (540, 1020))
    change = PolicyChange(MONDAY + 3, from_wednesday, "v2")
    given = Inputs(UTC_ZONE, MONDAY, MONDAY + 6, policy(**weekly), punches, changes=(change,))
    assert [evaluate(given).days[day].pay for day in days] == [
        {"regular": 480}, {"regular": 120, "ot": 360}, {"regular": 120, "ot": 360},
    ]  # fmt: skip
