"""Which workdays a change can reach."""

from dataclasses import replace
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from biometric_flow.policy.engine import evaluate
from biometric_flow.policy.fields import EPOCH, Fields
from biometric_flow.policy.inputs import GivenPunch, Inputs, Schedule, Shift
from biometric_flow.policy.reach import dates_that_can_change
from biometric_flow.policy.reading import read_policy
from biometric_flow.policy.zones import HomeZone
from tests.unit.policy.worlds import FIRST, people

MONDAY = FIRST.toordinal() - EPOCH
WEEKLY = {"tiers": {"ot1": 1.5}, "overtime": {"weekly": [{"after": 2400, "tier": "ot1"}]}}


def office(document: dict[str, object]) -> Inputs:
    """Three weeks of nine to five in Cairo, Sunday to Thursday."""
    zone = HomeZone(ZoneInfo("Africa/Cairo"))
    working = (7, 1, 2, 3, 4)
    days = [MONDAY + number for number in range(21) if (MONDAY + number + 3) % 7 + 1 in working]
    punches = tuple(
        GivenPunch(f"{day}-{at}", zone.minute(day, at) * 60) for day in days for at in (533, 720, 760, 1041)
    )
    return Inputs(
        zone=zone,
        first=MONDAY,
        last=MONDAY + 20,
        policy=read_policy(Fields(document, "policy", [])),
        punches=punches,
        shifts={"D": Shift("D", 540, 1020)},
        schedule=Schedule("assigned", dict.fromkeys(working, ("D",))),
    )


def test_a_punch_of_wednesday_noon_reaches_wednesday_alone_when_weeks_do_not_count() -> None:
    person = office({})
    noon = person.zone.minute(MONDAY + 9, 725) * 60
    assert dates_that_can_change(person, noon, noon) == (MONDAY + 9, MONDAY + 9)


def test_a_punch_of_wednesday_noon_reaches_the_rest_of_its_week_when_weeks_count() -> None:
    person = office(WEEKLY)
    noon = person.zone.minute(MONDAY + 9, 725) * 60
    assert dates_that_can_change(person, noon, noon) == (MONDAY + 9, MONDAY + 13)


def test_the_rest_after_a_late_evening_is_looked_at_again() -> None:
    person = office({"compliance": {"daily_rest_min": 660}})
    late = person.zone.minute(MONDAY + 8, 1439) * 60
    first, last = dates_that_can_change(replace(person, punches=(*person.punches, GivenPunch("x", late))), late, late)
    assert first <= MONDAY + 8
    assert last >= MONDAY + 9


@settings(max_examples=150, deadline=None)
@given(people(), st.lists(st.tuples(st.integers(0, 14 * 86400), st.sampled_from([0, 1, 4, 255])), max_size=3))
def test_beyond_its_reach_a_change_changes_nothing(person: Inputs, more: list[tuple[int, int]]) -> None:
    """Punches come (`more`) and one goes; whatever lies between may have been otherwise."""
    base = MONDAY * 86400
    come = tuple(GivenPunch(f"new{number}", base + at, code=code) for number, (at, code) in enumerate(more))
    if not come:
        return
    after = replace(person, punches=person.punches + come)
    seconds = [punch.second or 0 for punch in come]
    first, last = dates_that_can_change(after, min(seconds), max(seconds))
    was, now = evaluate(person), evaluate(after)
    for before, day in zip(was.days, now.days, strict=True):
        if not first <= day.day <= last:
            assert before.row() == day.row()
    gone = dates_that_can_change(person, min(seconds), max(seconds))
    for before, day in zip(was.days, now.days, strict=True):
        if not gone[0] <= day.day <= gone[1]:
            assert before.row() == day.row()
