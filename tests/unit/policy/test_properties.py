"""What must hold for anybody's punches under any policy."""

import random
from dataclasses import replace
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from biometric_flow.policy.engine import evaluate
from biometric_flow.policy.fields import EPOCH, Fields, date_text
from biometric_flow.policy.inputs import Correction, GivenPunch, Inputs, LockedPeriod
from biometric_flow.policy.overtime import period_of
from biometric_flow.policy.reading import read_policy
from biometric_flow.policy.zones import HomeZone
from tests.unit.policy import slow
from tests.unit.policy.worlds import FIRST, ZONES, people, plain, policies, weeks

TRIES = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""On a busy machine it takes a second to make ten people; that says nothing of the policy."""


@TRIES
@given(st.data())
def test_the_engine_and_the_minute_by_minute_calculator_agree(data: st.DataObject) -> None:
    agree(data, data.draw(st.sampled_from(ZONES)), 1)


@TRIES
@given(st.data())
def test_they_agree_where_every_limit_is_met_to_the_minute(data: st.DataObject) -> None:
    agree(data, data.draw(st.sampled_from(ZONES)), 30)


def agree(data: st.DataObject, name: str, grain: int) -> None:
    document, days = data.draw(policies(grain)), data.draw(weeks(ZoneInfo(name), grain))
    moments = [moment for pairs in days.values() for pair in pairs for moment in pair]
    first = FIRST.toordinal() - EPOCH
    result = evaluate(
        Inputs(
            zone=HomeZone(ZoneInfo(name)),
            first=first,
            last=first + 7,
            policy=read_policy(Fields(document, "policy", [])),
            punches=tuple(GivenPunch(f"{i}", int(moment.timestamp())) for i, moment in enumerate(moments)),
        )
    )
    rows = {date_text(day.day): day.row() for day in result.days}
    for date, expected in slow.weeks(days, document, ZoneInfo(name)).items():
        assert {field: rows[date][field] for field in expected} == expected, date


@TRIES
@given(people())
def test_minutes_are_conserved(person: Inputs) -> None:
    result = evaluate(person)
    for day in result.days:
        assert day.worked == sum(day.pay.values())
        assert all(minutes > 0 for minutes in day.pay.values())
        assert 0 <= day.night <= day.worked
    gross, rounding = sum(day.gross for day in result.days), sum(day.rounding for day in result.days)
    assert result.worked == gross + rounding - sum(day.unpaid_break for day in result.days)


@TRIES
@given(people(), st.randoms(use_true_random=False))
def test_the_order_of_arrival_changes_nothing(person: Inputs, shuffler: random.Random) -> None:
    punches = list(person.punches)
    shuffler.shuffle(punches)
    assert evaluate(replace(person, punches=tuple(punches))) == evaluate(person)


@TRIES
@given(people(), st.integers(0, 14 * 86400), st.sampled_from([0, 1, 255]))
def test_adding_a_punch_and_voiding_it_changes_nothing(person: Inputs, after: int, code: int) -> None:
    second = (FIRST.toordinal() - EPOCH) * 86400 + after
    both = (Correction(1, "c1", "add", second=second, code=code), Correction(2, "c2", "void", "c1"))
    corrected = evaluate(replace(person, corrections=both))
    assert [day.row() for day in corrected.days] == [day.row() for day in evaluate(person).days]


@TRIES
@given(people(), st.integers(0, 13), st.lists(st.tuples(st.integers(5, 40), st.integers(0, 86399)), max_size=6))
def test_a_day_depends_only_on_its_surroundings_and_its_overtime_period(
    person: Inputs, number: int, far: list[tuple[int, int]]
) -> None:
    day = FIRST.toordinal() - EPOCH + number
    first = period_of(person.policy.overtime, day)
    before = [(first - days) * 86400 + second for days, second in far[::2]]
    after = [(first + 7 + days) * 86400 + second for days, second in far[1::2]]
    strangers = tuple(GivenPunch(f"far{index}", at, code=0) for index, at in enumerate(before + after))
    rows = {one.day: one.row() for one in evaluate(person).days}
    others = {one.day: one.row() for one in evaluate(replace(person, punches=person.punches + strangers)).days}
    assert others[day] == rows[day]


@TRIES
@given(people(), st.integers(-2, 16))
def test_a_single_day_is_the_same_as_in_the_whole(person: Inputs, number: int) -> None:
    day = FIRST.toordinal() - EPOCH + number
    alone = evaluate(replace(person, first=day, last=day))
    assert [alone.days[0]] == [one for one in evaluate(person).days if one.day == day]


@TRIES
@given(people(), st.sampled_from(ZONES))
def test_a_zone_never_creates_or_destroys_elapsed_time(person: Inputs, name: str) -> None:
    minutes = sorted((one.second or 0) // 60 for one in person.punches)[:2]
    if len(minutes) < 2 or minutes[1] - minutes[0] > person.policy.max_session_min:
        return
    punches = tuple(GivenPunch(str(at), at * 60) for at in minutes)
    assert evaluate(replace(plain(person, name), punches=punches)).worked == minutes[1] - minutes[0]


@TRIES
@given(people(), st.integers(0, 16), st.lists(st.integers(0, 16 * 86400), max_size=3))
def test_what_a_lock_shows_and_what_it_owes_are_together_what_is_known_now(
    person: Inputs, number: int, late: list[int]
) -> None:
    first = FIRST.toordinal() - EPOCH
    lock = LockedPeriod(first, first + number, (first + number) * 86400)
    known = tuple(replace(punch, received=punch.second) for punch in person.punches)
    after = tuple(GivenPunch(f"late{at}", first * 86400 + at, code=0, received=lock.locked + 1) for at in late)
    locked = evaluate(replace(person, punches=known + after, periods=(lock,)))
    owed = {one.day: one.delta for one in locked.adjustments}
    for shown, now in zip(locked.days, evaluate(replace(person, punches=known + after)).days, strict=True):
        delta = owed.get(shown.day, {})
        assert shown.worked + delta.get("worked", 0) == now.worked
        for tier in {*shown.pay, *now.pay, *delta} - {"worked"}:
            assert shown.pay.get(tier, 0) + delta.get(tier, 0) == now.pay.get(tier, 0)
        if not lock.first <= shown.day <= lock.last:
            assert shown.row() == now.row(), "an open day shows what is known now"


@TRIES
@given(people(), st.integers(0, 50))
def test_a_record_that_is_sent_again_changes_nothing(person: Inputs, number: int) -> None:
    if person.punches:
        again = replace(person.punches[number % len(person.punches)], id="again")
        sent = evaluate(replace(person, punches=(*person.punches, again)))
        assert [day.row() for day in sent.days] == [day.row() for day in evaluate(person).days]


@TRIES
@given(people(), st.integers(0, 50))
def test_a_punch_that_is_voided_and_added_again_changes_nothing(person: Inputs, number: int) -> None:
    if person.punches:
        punch = person.punches[number % len(person.punches)]
        both = (
            Correction(1, "c1", "void", punch.id),
            Correction(2, "c2", "add", second=punch.second, code=punch.code),
        )
        corrected = evaluate(replace(person, corrections=both))
        assert [day.row() for day in corrected.days] == [day.row() for day in evaluate(person).days]


@TRIES
@given(people(), st.integers(1, 200))
def test_the_same_punches_some_weeks_later_give_the_same_days_where_the_clock_never_changes(
    person: Inputs, later: int
) -> None:
    days = later * 7 * 5  # whole weeks, and whole turns of the rotation
    moved = replace(
        person,
        zone=HomeZone(ZoneInfo("Asia/Kolkata")),
        first=person.first + days,
        last=person.last + days,
        holidays={day + days: name for day, name in person.holidays.items()},
        punches=tuple(replace(punch, second=(punch.second or 0) + days * 86400) for punch in person.punches),
    )
    stayed = evaluate(replace(person, zone=HomeZone(ZoneInfo("Asia/Kolkata"))))
    rows = [{**day.row(), "date": None} for day in evaluate(moved).days]
    assert rows == [{**day.row(), "date": None} for day in stayed.days]


@TRIES
@given(people())
def test_the_runs_of_a_day_are_its_worked_minutes(person: Inputs) -> None:
    for day in evaluate(person).days:
        assert sum(run.end - run.start for run in day.runs) == day.worked
        assert all(run.start < run.end for run in day.runs)
