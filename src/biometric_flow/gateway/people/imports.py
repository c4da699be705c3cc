"""Imports of sheets: every problem by row and cell, all rows or none, and a second time nothing changes."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final
from uuid import uuid4

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.api.hours import CellProblem, DepartmentBody, ImportResult, LeaveBody, PersonBody, PersonRecord
from biometric_flow.gateway.people.errors import ImportUnreadable, PlanInvalid
from biometric_flow.gateway.people.plans import check_document, touched
from biometric_flow.gateway.people.saving import Given, Surroundings, check, save, surroundings
from biometric_flow.gateway.people.sheets import Sheet, SheetRow
from biometric_flow.gateway.store import departments, plans, register, requests, workdays
from biometric_flow.gateway.workdays.loader import Loader
from biometric_flow.model.ids import SLUG, TenantId

SHOWN_MAX: Final = 1000
"""Problems that are listed; the rest is counted."""


@dataclass(slots=True)
class Job:
    """One import on its way."""

    connection: AsyncConnection
    tenant: TenantId
    account: str
    loader: Loader
    now: datetime
    sheet: Sheet
    is_dry_run: bool
    created: int = 0
    changed: int = 0
    unchanged: int = 0
    problems: list[CellProblem] = field(default_factory=list)

    def wrong(self, row: int, column: str, expected: str, came: str) -> None:
        """Note what is wrong with a cell."""
        where = self.sheet.address(row, column)
        self.problems.append(CellProblem(row=row, column=column, cell=where, expected=expected, came=came[:80]))

    def refuse(self, row: SheetRow, error: ValidationError, columns: dict[str, str]) -> None:
        """Note what a model says of a row; `columns` names the column of a field."""
        for told in error.errors():
            path = [str(part) for part in told["loc"]]
            name = next((columns[part] for part in reversed(path) if part in columns), path[-1] if path else "")
            self.wrong(row.number, name, told["msg"].removeprefix("Value error, "), row.cells.get(name, ""))

    def result(self) -> ImportResult:
        """What was done, or would be; of each cell the first problem."""
        columns = self.sheet.columns
        told: dict[tuple[int, int], CellProblem] = {}
        for one in self.problems:
            place = columns.index(one.column) if one.column in columns else len(columns)
            told.setdefault((one.row, place), one)
        return ImportResult(
            is_dry_run=self.is_dry_run,
            rows=len(self.sheet.rows),
            created=self.created,
            changed=self.changed,
            unchanged=self.unchanged,
            problems=[told[key] for key in sorted(told)][:SHOWN_MAX],
        )


@dataclass(frozen=True, slots=True)
class SheetKind:
    """What a sheet holds: its columns, which of them must be there, and what takes it."""

    required: tuple[str, ...]
    optional: tuple[str, ...]
    take: Callable[[Job], Awaitable[None]]


async def run_import(kind: SheetKind, job: Job) -> ImportResult:
    """Take a sheet, or with a dry run only say what would happen. Raises ImportUnreadable for another kind of sheet."""
    known, there = (*kind.required, *kind.optional), job.sheet.columns
    missing, unknown = set(kind.required) - set(there), set(there) - set(known)
    if missing or unknown:
        told = [f"{name} is missing" for name in sorted(missing)] + [f"nobody knows {name}" for name in sorted(unknown)]
        raise ImportUnreadable(f"expected the columns {', '.join(known)}: {'; '.join(told)[:300]}")
    await register.lock(job.connection, job.tenant)
    await plans.lock(job.connection, job.tenant)
    await kind.take(job)
    return job.result()


async def _people(job: Job) -> None:
    around = await surroundings(job.connection, job.tenant, job.loader)
    before = await _known(job)
    bodies: dict[str, dict[str, Any]] = {}
    row_of: dict[str, SheetRow] = {}
    for row in job.sheet.rows:
        number = row.cells["number"]
        body = bodies.setdefault(number, _body(before[number]) if number in before else {"number": number})
        row_of.setdefault(number, row)
        names = ("name", "department", "place", "zone", "employed_from", "employed_to")
        body |= {name: row.cells[name] for name in names if row.cells.get(name)}
        if row.cells.get("pin"):
            _hold(body, row)
    first = "pin_from" if "pin_from" in job.sheet.columns else "employed_from"
    await _save(job, bodies, row_of, before, around, {"pins": "pin", "from": first, "to": "pin_to"})


def _hold(body: dict[str, Any], row: SheetRow) -> None:
    """A PIN of a row becomes theirs, unless it is already."""
    terminals = [name for name in row.cells.get("terminals", "").replace(",", ";").split(";") if name.strip()]
    held = {"place": row.cells.get("pin_place") or body.get("place", ""), "pin": row.cells["pin"]}
    held |= {"terminals": [name.strip() for name in terminals]}
    for one in body.setdefault("pins", []):
        if {name: one.get(name, []) for name in held} == held:
            for name, column in (("from", "pin_from"), ("to", "pin_to")):
                one[name] = row.cells.get(column) or one.get(name)
            return
    first, last = row.cells.get("pin_from") or body.get("employed_from"), row.cells.get("pin_to") or None
    body["pins"] = [*body["pins"], {**held, "from": first, "to": last}]


async def _assignments(job: Job) -> None:
    around = await surroundings(job.connection, job.tenant, job.loader)
    before = await _known(job)
    bodies: dict[str, dict[str, Any]] = {}
    row_of: dict[str, SheetRow] = {}
    for row in job.sheet.rows:
        number = row.cells["number"]
        if number not in before:
            job.wrong(row.number, "number", "the employee number of somebody", number)
            continue
        body = bodies.setdefault(number, _body(before[number]))
        row_of.setdefault(number, row)
        said = {name: row.cells.get(name) or None for name in ("from", "to", "schedule", "calendar", "policy")}
        kept = [one for one in body["assignments"] if one["from"] != said["from"]]
        body["assignments"] = sorted([*kept, said], key=lambda one: str(one["from"]))
    columns = {name: name for name in ("from", "to", "schedule", "calendar", "policy")}
    await _save(job, bodies, row_of, before, around, columns)


async def _save(
    job: Job,
    bodies: dict[str, dict[str, Any]],
    row_of: dict[str, SheetRow],
    before: dict[str, PersonRecord],
    around: Surroundings,
    columns: dict[str, str],
) -> None:
    given: list[Given] = []
    rows: list[SheetRow] = []
    for number, body in bodies.items():
        rows.append(row_of[number])
        try:
            given.append(Given(PersonBody.model_validate(body), before.get(number)))
        except ValidationError as error:
            job.refuse(row_of[number], error, columns | {name: name for name in job.sheet.columns})
            given.append(Given(_mended(number, body, error), before.get(number)))
    for wrong in await check(job.connection, given, around):
        part = wrong.field.rpartition(".")[2]
        job.wrong(rows[wrong.index].number, columns.get(part, part), wrong.expected, wrong.came)
    if job.problems:
        return
    if job.is_dry_run:
        # The same work in a transaction that is rolled back: what a dry run promises is what happens.
        async with job.connection.begin_nested() as inner:
            saved = await save(job.connection, job.tenant, given, around, job.now)
            await inner.rollback()
    else:
        saved = await save(job.connection, job.tenant, given, around, job.now)
    job.created, job.changed, job.unchanged = saved.created, saved.changed, saved.unchanged


def _mended(number: str, body: dict[str, Any], error: ValidationError) -> PersonBody:
    """The same person without the fields that were refused, so that the others are checked as well."""
    wrong = {str(told["loc"][0]) for told in error.errors() if told["loc"]}
    stand_in = {"number": number[:40] or "-", "name": "-", "employed_from": "2000-01-01"}
    mended = {name: value for name, value in body.items() if name not in wrong and name != "employed_to"}
    return PersonBody.model_validate(stand_in | mended)


async def _departments(job: Job) -> None:
    known = {row.department_id: row for row in await register.departments(job.connection)}
    bodies: dict[str, DepartmentBody] = {}
    for row in job.sheet.rows:
        name = row.cells["id"]
        if not SLUG.fullmatch(name):
            job.wrong(row.number, "id", "1 to 40 of a-z, 0-9 and inner hyphens", name)
        try:
            body = DepartmentBody.model_validate({"name": row.cells["name"], "parent": row.cells.get("parent") or None})
        except ValidationError as error:
            job.refuse(row, error, {"name": "name", "parent": "parent"})
            continue
        if body.parent is not None and body.parent not in known and body.parent not in bodies:
            job.wrong(row.number, "parent", "a department that exists or stands further up", body.parent)
        bodies[name] = body
    for name, body in bodies.items() if not job.problems else ():
        stored = known.get(name)
        is_same = stored is not None and (stored.name, stored.parent_id) == (body.name, body.parent)
        job.unchanged += is_same
        job.created += stored is None
        job.changed += stored is not None and not is_same
        if not is_same and not job.is_dry_run:
            version = stored.version + 1 if stored else 1
            await departments.put(job.connection, job.tenant, name, body, version)


_NUMBERS: Final = ("unpaid_break_min", "pre_min", "post_min", "required_min")


async def _shifts(job: Job) -> None:
    known = await job.loader.catalogue(job.connection, job.tenant)
    bodies: dict[str, dict[str, Any]] = {}
    for row in job.sheet.rows:
        name = row.cells["id"]
        if not SLUG.fullmatch(name):
            job.wrong(row.number, "id", "1 to 40 of a-z, 0-9 and inner hyphens", name)
        body = _shift(job, row)
        try:
            check_document("shift", name, body, known)
        except PlanInvalid as error:
            told = error.fields[0]
            column = told.field.rpartition(".")[2]
            job.wrong(row.number, column, told.expected, row.cells.get(column, ""))
        bodies[name] = body
    if job.problems:
        return
    for name, body in bodies.items():
        stored = await plans.document(job.connection, "shift", name)
        is_same = stored is not None and stored.body == body
        job.unchanged += is_same
        job.created += stored is None
        job.changed += stored is not None and not is_same
        if not is_same and not job.is_dry_run:
            await _store_shift(job, name, body, stored.version + 1 if stored else 1)


async def _store_shift(job: Job, name: str, body: dict[str, Any], version: int) -> None:
    await plans.put(job.connection, job.tenant, "shift", name, body, version)
    due = {one.person: (one.first, one.last) for one in await touched(job.connection, "shift", name, job.now)}
    await workdays.mark(job.connection, job.tenant, due, job.now)


def _shift(job: Job, row: SheetRow) -> dict[str, Any]:
    body: dict[str, Any] = {name: row.cells[name] for name in ("name", "start", "end") if row.cells.get(name)}
    numbers: dict[str, int] = {}
    for name in _NUMBERS:
        text = row.cells.get(name, "")
        if text and not (text.isascii() and text.isdigit() and len(text) < 6):
            job.wrong(row.number, name, "a whole number of minutes", text)
        elif text:
            numbers[name] = int(text)
    required = numbers.pop("required_min", None)
    if required is not None:
        flex = {name: row.cells[name] for name in ("core_start", "core_end") if row.cells.get(name)}
        body["flex"] = {**flex, "required_min": required}
    return body | numbers


async def _leave(job: Job) -> None:
    """Leave that was approved where it comes from; who imports it stands for that."""
    before = await _known(job)
    new: list[LeaveBody] = []
    for row in job.sheet.rows:
        number = row.cells["number"]
        if number not in before:
            job.wrong(row.number, "number", "the employee number of somebody", number)
            continue
        said = {name: row.cells[name] for name in ("kind", "minutes", "reason") if row.cells.get(name)}
        said |= {"from": row.cells["from"], "to": row.cells.get("to") or row.cells["from"]}
        try:
            leave = LeaveBody.model_validate({"person": before[number].id, **said})
        except ValidationError as error:
            job.refuse(row, error, {name: name for name in ("from", "to", "kind", "minutes", "reason")})
            continue
        if leave.last < leave.first:
            job.wrong(row.number, "to", f"a date from {leave.first} on", str(leave.last))
            continue
        stored = await requests.approved_leaves(job.connection, leave.person, leave.first, leave.last)
        if any((one.first_day, one.last_day, one.kind, one.minutes) == _key(leave) for one in stored):
            job.unchanged += 1
        elif leave.kind != "hours" and any(one.kind == leave.kind for one in stored):
            job.wrong(row.number, "from", "days without another leave of this kind", str(leave.first))
        else:
            new.append(leave)
    if not job.problems:
        job.created = len(new)
        if not job.is_dry_run:
            await _add_leaves(job, new)


async def _add_leaves(job: Job, new: Iterable[LeaveBody]) -> None:
    due: dict[Any, tuple[date, date]] = {}
    rows = []
    for leave in new:
        first, last = due.get(leave.person, (leave.first, leave.last))
        due[leave.person] = (min(first, leave.first), max(last, leave.last))
        rows.append(
            {
                "tenant_id": job.tenant,
                "leave_id": uuid4(),
                "person_id": leave.person,
                "first_day": leave.first,
                "last_day": leave.last,
                "kind": leave.kind,
                "minutes": leave.minutes,
                "status": "approved",
                "reason": leave.reason,
                "requested_by": "import",
                "requested_at": job.now,
                "decided_by": job.account,
                "decided_at": job.now,
            }
        )
    await requests.add_leaves(job.connection, rows)
    await workdays.mark(job.connection, job.tenant, due, job.now)


def _key(leave: LeaveBody) -> tuple[date, date, str, int]:
    return leave.first, leave.last, leave.kind, leave.minutes


async def _known(job: Job) -> dict[str, PersonRecord]:
    return await register.by_numbers(job.connection, {row.cells["number"] for row in job.sheet.rows})


def _body(record: PersonRecord) -> dict[str, Any]:
    return record.model_dump(mode="json", by_alias=True, include=set(PersonBody.model_fields))


SHEETS: Final[dict[str, SheetKind]] = {
    "people": SheetKind(
        ("number", "name", "employed_from"),
        ("department", "place", "zone", "employed_to", "pin", "pin_place", "terminals", "pin_from", "pin_to"),
        _people,
    ),
    "assignments": SheetKind(("number", "from"), ("to", "schedule", "calendar", "policy"), _assignments),
    "departments": SheetKind(("id", "name"), ("parent",), _departments),
    "shifts": SheetKind(("id", "start", "end"), ("name", *_NUMBERS, "core_start", "core_end"), _shifts),
    "leave": SheetKind(("number", "from"), ("to", "kind", "minutes", "reason"), _leave),
}
