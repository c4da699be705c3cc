"""Plans as they are stored and as they travel in a file, into what decides the workdays of a person. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Protocol

from biometric_flow.policy.cases import read_clock_correction, read_schedule, read_shift
from biometric_flow.policy.fields import EPOCH, Fields, day_number
from biometric_flow.policy.inputs import Assignment, Correction, Leave, Schedule, Shift
from biometric_flow.policy.packs import read_pack
from biometric_flow.policy.planning import FAR, Assigned, Catalogue, Plan, holidays_of, rules_of
from biometric_flow.policy.zones import home_zone


class Document(Protocol):
    """A shift, schedule, calendar or correction of a clock."""

    @property
    def kind(self) -> str:
        """`shift`, `schedule`, `calendar` or `clock`."""

    @property
    def document_id(self) -> str:
        """Its id."""

    @property
    def body(self) -> Mapping[str, Any]:
        """In the words of contract 4 and 15."""


class Person(Protocol):
    """Somebody with a plan; assignments and roster rows have dates `first` and `last`."""

    zone: str | None
    employed_from: date
    employed_to: date | None

    @property
    def assignments(self) -> Sequence[Any]:
        """With `schedule`, `calendar` and `policy`."""

    @property
    def roster(self) -> Sequence[Any]:
        """With `shifts` and `weekdays`."""


def parse(documents: Iterable[Document], packs: Iterable[Any]) -> Catalogue:
    """Stored documents as the engine knows them; they were checked before they were stored."""
    rows = list(documents)
    shifts: dict[str, Shift] = {
        row.document_id: read_shift(row.document_id, _fields(row.body)) for row in rows if row.kind == "shift"
    }
    schedules: dict[str, Schedule] = {
        row.document_id: read_schedule(_fields(row.body), shifts) for row in rows if row.kind == "schedule"
    }
    calendars = {
        row.document_id: {day_number(one["date"], "date"): str(one["name"]) for one in row.body["holidays"]}
        for row in rows
        if row.kind == "calendar"
    }
    clocks = tuple(read_clock_correction(_fields(row.body)) for row in rows if row.kind == "clock")
    return Catalogue(shifts, schedules, calendars, tuple(read_pack(body) for body in packs), clocks)


def make_plan(
    person: Person,
    known: Catalogue,
    leaves: Iterable[Any],
    decided: Iterable[Any],
    low: int,
    high: int,
) -> Plan:
    """A person's plan around some days."""
    assigned = [
        Assigned(_to_day(one.first), _to_day(one.last) if one.last else FAR, one.schedule, one.calendar, one.policy)
        for one in person.assignments
    ]
    roster = [
        Assignment(
            _to_day(row.first), _to_day(row.last), tuple(row.shifts), frozenset(row.weekdays) if row.weekdays else None
        )
        for row in person.roster
    ]
    rows = list(decided)
    begins = max(low, _to_day(person.employed_from))
    ends = min(high, _to_day(person.employed_to) if person.employed_to else FAR)
    overtime: dict[int, int] = {}
    for row in rows:
        if row.operation == "overtime":
            overtime[_to_day(row.day)] = overtime.get(_to_day(row.day), 0) + row.minutes
    rules = rules_of(begins, ends, assigned, roster, known) if begins <= ends else ()
    return Plan(
        zone=home_zone(person.zone or "UTC"),
        rules=rules,
        holidays=holidays_of(rules, known),
        shifts=known.shifts,
        leaves=tuple(
            Leave(day, row.kind, row.minutes)
            for row in leaves
            for day in range(max(low, _to_day(row.first_day)), min(high, _to_day(row.last_day)) + 1)
        ),
        corrections=tuple(_correction(row) for row in rows if row.operation != "overtime"),
        approved_minutes=overtime,
        clocks=known.clocks,
    )


def _correction(row: Any) -> Correction:
    return Correction(
        sequence=row.number,
        id=str(row.regularisation_id),
        op=row.operation,
        punch=row.target,
        second=None if row.instant is None else int(row.instant.timestamp()),
        code=row.state,
    )


def _to_day(day: date) -> int:
    return day.toordinal() - EPOCH


def _fields(body: object) -> Fields:
    return Fields(body, "", [])
