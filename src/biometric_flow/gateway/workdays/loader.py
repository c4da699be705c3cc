"""One person's plan and punches out of the store, as the engine takes them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.api.hours import PersonRecord
from biometric_flow.gateway.store import plans, register, requests, workdays
from biometric_flow.gateway.workdays.records import to_date, to_day
from biometric_flow.model.ids import TenantId
from biometric_flow.policy.cases import read_schedule, read_shift
from biometric_flow.policy.fields import Fields, day_number
from biometric_flow.policy.inputs import Assignment, Correction, GivenPunch, Leave, Schedule, Shift
from biometric_flow.policy.packs import PolicyPack, read_pack
from biometric_flow.policy.planning import FAR, MARGIN, Assigned, Catalogue, Plan, holidays_of, rules_of, seen, units
from biometric_flow.policy.zones import home_zone

_REACH: Final = 400
"""Days around those that are asked for; no overtime period is longer than 366 days."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """Everything that decides a person's workdays of some days."""

    plan: Plan
    punches: tuple[GivenPunch, ...]


class Loader:
    """Reads plans with a memory: a document that did not change is parsed once."""

    def __init__(self) -> None:
        self._parsed: dict[TenantId, tuple[object, Catalogue]] = {}

    async def catalogue(self, connection: AsyncConnection, tenant: TenantId) -> Catalogue:
        """All shifts, schedules, calendars and packs of the tenant."""
        documents, packs = await plans.documents(connection), await plans.packs(connection)
        mark = (
            tuple((row.kind, row.document_id, row.version) for row in documents),
            tuple((row.pack_id, row.version) for row in packs),
        )
        known = self._parsed.get(tenant)
        if known is None or known[0] != mark:
            known = mark, parse(documents, [row.body for row in packs])
            self._parsed[tenant] = known
        return known[1]

    async def load(
        self,
        connection: AsyncConnection,
        tenant: TenantId,
        person_id: UUID,
        first: date,
        last: date,
        extra_packs: Sequence[PolicyPack] = (),
        extra_corrections: Sequence[Row[Any]] = (),
    ) -> Loaded | None:
        """What decides the workdays of these days; None for a person who is not there.

        Extra packs and corrections count as if they were saved and approved, for previews.
        """
        found = (await register.get(connection, [person_id])).get(person_id)
        if found is None:
            return None
        known = await self.catalogue(connection, tenant)
        if extra_packs:
            known = replace(known, packs=(*known.packs, *extra_packs))
        decided = [*await requests.approved(connection, person_id), *extra_corrections]
        low, high = to_day(first) - _REACH, to_day(last) + _REACH
        leaves = await requests.approved_leaves(connection, person_id, to_date(low), to_date(high))
        plan = make_plan(found, known, leaves, decided, low, high)
        spans = [seen(plan, unit) for unit in units(plan, to_day(first) - MARGIN, to_day(last) + MARGIN)]
        if not spans:
            return Loaded(plan, ())
        opens, closes = (datetime.fromtimestamp(second, UTC) for second in (spans[0][0], spans[-1][1]))
        rows = await workdays.punches(connection, person_id, opens, closes)
        return Loaded(plan, tuple(map(_punch, rows)))


def parse(documents: Iterable[Row[Any]], packs: Iterable[Any]) -> Catalogue:
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
    return Catalogue(shifts, schedules, calendars, tuple(read_pack(body) for body in packs))


def make_plan(
    person: PersonRecord,
    known: Catalogue,
    leaves: Iterable[Row[Any]],
    decided: Iterable[Row[Any]],
    low: int,
    high: int,
) -> Plan:
    """A person's plan around some days."""
    assigned = [
        Assigned(to_day(one.first), to_day(one.last) if one.last else FAR, one.schedule, one.calendar, one.policy)
        for one in person.assignments
    ]
    roster = [
        Assignment(
            to_day(row.first), to_day(row.last), tuple(row.shifts), frozenset(row.weekdays) if row.weekdays else None
        )
        for row in person.roster
    ]
    rows = list(decided)
    begins = max(low, to_day(person.employed_from))
    ends = min(high, to_day(person.employed_to) if person.employed_to else FAR)
    overtime: dict[int, int] = {}
    for row in rows:
        if row.operation == "overtime":
            overtime[to_day(row.day)] = overtime.get(to_day(row.day), 0) + row.minutes
    rules = rules_of(begins, ends, assigned, roster, known) if begins <= ends else ()
    return Plan(
        zone=home_zone(person.zone or "UTC"),
        rules=rules,
        holidays=holidays_of(rules, known),
        shifts=known.shifts,
        leaves=tuple(
            Leave(day, row.kind, row.minutes)
            for row in leaves
            for day in range(max(low, to_day(row.first_day)), min(high, to_day(row.last_day)) + 1)
        ),
        corrections=tuple(_correction(row) for row in rows if row.operation != "overtime"),
        approved_minutes=overtime,
    )


def _correction(row: Row[Any]) -> Correction:
    return Correction(
        sequence=row.number,
        id=str(row.regularisation_id),
        op=row.operation,
        punch=row.target,
        second=None if row.instant is None else int(row.instant.timestamp()),
        code=row.state,
    )


def _punch(row: Row[Any]) -> GivenPunch:
    return GivenPunch(
        id=bytes(row.punch_id).hex(),
        second=int(row.instant.timestamp()),
        code=row.state if 0 <= row.state <= 255 else 255,
        terminal=row.terminal,
    )


def _fields(body: object) -> Fields:
    return Fields(body, "", [])
