"""Stored plans into what decides a person's workdays: every field arrives, and nothing beyond its days."""

from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from biometric_flow.policy.errors import PolicyInvalid
from biometric_flow.policy.fields import EPOCH
from biometric_flow.policy.inputs import Assignment, ClockCorrection, Correction, GivenPunch, Leave, Shift
from biometric_flow.policy.plan_documents import make_plan, parse
from biometric_flow.policy.planning import FAR, Catalogue, Plan, units, workdays

MONDAY = date(2026, 11, 2)
DAY = MONDAY.toordinal() - EPOCH
NAME = UUID(int=7)
HOLIDAYS = {"holidays": [{"date": "2026-11-04", "name": "A feast"}]}
CLOCK = {"device": "A", "from": "2026-11-02T00:00:00Z", "to": "2026-11-03T00:00:00Z", "offset_s": 600, "reason": "x"}
DOCUMENTS = [
    SimpleNamespace(kind="shift", document_id="day", body={"start": "09:00", "end": "17:00"}),
    SimpleNamespace(kind="schedule", document_id="week", body={"mode": "assigned", "weekly": {"1": ["day"]}}),
    SimpleNamespace(kind="calendar", document_id="eg", body=HOLIDAYS),
    SimpleNamespace(kind="clock", document_id="one", body=CLOCK),
]


def person(**more: Any) -> Any:
    said: dict[str, Any] = {"zone": "Africa/Cairo", "employed_from": MONDAY, "employed_to": None}
    said |= {"assignments": [], "roster": []}
    return SimpleNamespace(**said | more)


def dated(first: date, last: date | None, **more: Any) -> Any:
    return SimpleNamespace(first=first, last=last, **more)


def plan(who: Any = None, leaves: list[Any] | None = None, decided: list[Any] | None = None, span: int = 30) -> Plan:
    return make_plan(who or person(), parse(DOCUMENTS, []), leaves or [], decided or [], DAY - span, DAY + span)


def correction(number: int, operation: str, **more: Any) -> Any:
    said = {"target": None, "instant": None, "state": None, "minutes": None, "day": MONDAY}
    return SimpleNamespace(number=number, regularisation_id=NAME, operation=operation, **said | more)


def test_documents_are_known_by_kind_and_id() -> None:
    known = parse(DOCUMENTS, [])
    assert known.shifts == {"day": Shift("day", 540, 1020)}
    assert known.schedules["week"].weekly == {1: ("day",)}
    assert known.calendars == {"eg": {DAY + 2: "A feast"}}
    midnight = int(datetime(2026, 11, 2, tzinfo=UTC).timestamp())
    assert known.clocks == (ClockCorrection("A", midnight, midnight + 86400, 600),)
    assert plan().clocks == known.clocks
    assert plan().shifts == known.shifts


def test_a_plan_begins_and_ends_with_the_employment() -> None:
    assert [(one.first, one.last) for one in plan(span=3).rules] == [(DAY, DAY + 3)]
    until = date(2026, 11, 3)
    assert [(one.first, one.last) for one in plan(person(employed_to=until)).rules] == [(DAY, DAY + 1)]
    assert [(one.first, one.last) for one in plan(person(employed_to=MONDAY)).rules] == [(DAY, DAY)]
    assert plan(person(employed_from=date(2027, 1, 1))).rules == ()


def test_assignments_name_schedule_calendar_and_days_and_one_without_an_end_goes_on() -> None:
    first = dated(MONDAY, date(2026, 11, 3), schedule="week", calendar=None, policy=None)
    second = dated(date(2026, 11, 4), None, schedule=None, calendar="eg", policy=None)
    rules = plan(person(assignments=[first, second]), span=9).rules
    assert [(one.first - DAY, one.last - DAY, one.calendar, one.schedule.mode) for one in rules] == [
        (0, 1, None, "assigned"),
        (2, 9, "eg", "none"),
    ]
    assert plan(person(assignments=[first, second])).holidays == {DAY + 2: "A feast"}
    assert FAR > DAY + 30_000


def test_own_days_stand_on_top_of_the_schedule() -> None:
    row = dated(MONDAY, date(2026, 11, 3), shifts=["day"], weekdays=[1, 2])
    bare = dated(date(2026, 11, 5), date(2026, 11, 5), shifts=[], weekdays=None)
    (rules,) = plan(person(roster=[row, bare])).rules
    assert rules.schedule.assignments == (
        Assignment(DAY, DAY + 1, ("day",), frozenset({1, 2})),
        Assignment(DAY + 3, DAY + 3, (), None),
    )


def test_leave_is_one_day_after_another_within_the_span() -> None:
    family = SimpleNamespace(first_day=MONDAY, last_day=date(2026, 11, 4), kind="full", minutes=0)
    assert plan(leaves=[family]).leaves == tuple(Leave(DAY + number, "full", 0) for number in range(3))
    assert plan(leaves=[family], span=1).leaves == (Leave(DAY, "full", 0), Leave(DAY + 1, "full", 0))
    hours = SimpleNamespace(first_day=MONDAY, last_day=MONDAY, kind="hours", minutes=90)
    assert plan(leaves=[hours]).leaves == (Leave(DAY, "hours", 90),)


def test_corrections_are_for_punches_and_approved_minutes_of_a_day_add_up() -> None:
    moment = datetime(2026, 11, 2, 15, 10, 30, tzinfo=UTC)
    decided = [
        correction(1, "add", instant=moment, state=0),
        correction(2, "overtime", minutes=30),
        correction(3, "void", target="ab"),
        correction(4, "overtime", minutes=15),
        correction(5, "overtime", minutes=7, day=date(2026, 11, 3)),
    ]
    found = plan(decided=decided)
    assert found.corrections == (
        Correction(1, str(NAME), "add", None, int(moment.timestamp()), 0),
        Correction(3, str(NAME), "void", "ab"),
    )
    assert found.approved_minutes == {DAY: 45, DAY + 1: 7}
    assert all(one.is_approved for one in found.corrections)


def test_a_person_without_a_zone_is_in_utc() -> None:
    assert plan(person(zone=None)).zone.day(DAY * 1440) == DAY
    assert plan(person(zone="Africa/Cairo")).zone.minute(DAY, 0) == DAY * 1440 - 120


def test_a_fast_clock_is_corrected_on_its_own_terminal_and_time_only() -> None:
    nine = (DAY * 1440 + 9 * 60 - 120) * 60
    punches = [GivenPunch("in", nine, terminal="A"), GivenPunch("out", nine + 3600, terminal="B")]
    found = plan()
    (unit,) = units(found, DAY, DAY)
    first = next(iter(workdays(found, unit, punches, nine + 10 * 86400)))
    assert first.worked == 70
    assert first.trace[0].rule == "2.2 drift"
    assert (first.trace[0].before, first.trace[0].after) == (nine // 60, nine // 60 - 10)
    late = [GivenPunch("in", nine + 86400 * 2, terminal="A"), GivenPunch("out", nine + 86400 * 2 + 3600, terminal="A")]
    days = {one.day: one for one in workdays(found, unit, late, nine + 10 * 86400)}
    assert days[DAY + 2].worked == 60


def test_a_document_that_is_wrong_names_its_field() -> None:
    wrong = SimpleNamespace(kind="clock", document_id="one", body={**CLOCK, "offset_s": "fast"})
    with pytest.raises(PolicyInvalid, match="offset_s"):
        parse([wrong], [])
    assert Catalogue().clocks == ()
