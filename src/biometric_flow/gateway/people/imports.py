"""Imports of sheets: every problem by row and cell, all rows or none, and a second time nothing changes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final
from uuid import uuid4

from pydantic import ValidationError

from biometric_flow.api.hours import DepartmentBody, ImportResult, LeaveBody, PersonBody, PersonRecord
from biometric_flow.gateway.people.errors import ImportUnreadable
from biometric_flow.gateway.people.import_job import Job, SheetKind, listed
from biometric_flow.gateway.people.plan_sheets import PLAN_SHEETS
from biometric_flow.gateway.people.saving import Given, Surroundings, check, save, surroundings
from biometric_flow.gateway.people.sheets import SheetRow
from biometric_flow.gateway.store import departments, plans, register, requests, workdays


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


@dataclass(slots=True)
class _People:
    """What a sheet says of people, and which row said it."""

    before: dict[str, PersonRecord]
    bodies: dict[str, dict[str, Any]] = field(default_factory=dict)
    first: dict[str, SheetRow] = field(default_factory=dict)
    """The first row of each number."""
    said: dict[int, SheetRow] = field(default_factory=dict)
    """The row of each PIN, assignment and own day that came or changed, by its identity."""

    def body(self, row: SheetRow) -> dict[str, Any]:
        """The person of a row, as far as the rows before it have said."""
        number = row.cells["number"]
        self.first.setdefault(number, row)
        fresh = _body(self.before[number]) if number in self.before else {"number": number}
        return self.bodies.setdefault(number, fresh)

    def row(self, number: str, path: Iterable[str]) -> SheetRow:
        """Which row a field of a person came from."""
        parts = list(path)
        if len(parts) > 1 and parts[1].isdecimal():
            entry = self.bodies[number][parts[0]][int(parts[1])]
            return self.said.get(id(entry), self.first[number])
        return self.first[number]


async def _people(job: Job) -> None:
    around = await surroundings(job.connection, job.tenant, job.loader)
    people = _People(await _known(job))
    for row in job.sheet.rows:
        body = people.body(row)
        names = ("name", "department", "place", "zone", "employed_from", "employed_to")
        body |= {name: row.cells[name] for name in names if row.cells.get(name)}
        if row.cells.get("pin"):
            people.said[id(_hold(body, row))] = row
    first = "pin_from" if "pin_from" in job.sheet.columns else "employed_from"
    await _save(job, people, around, {"pins": "pin", "from": first, "to": "pin_to"})


def _hold(body: dict[str, Any], row: SheetRow) -> dict[str, Any]:
    """A PIN of a row becomes theirs, unless it is already; the holding."""
    held: dict[str, Any] = {"place": row.cells.get("pin_place") or body.get("place", ""), "pin": row.cells["pin"]}
    held |= {"terminals": listed(row.cells.get("terminals", ""))}
    for one in body.setdefault("pins", []):
        if {name: one.get(name, []) for name in held} == held:
            for name, column in (("from", "pin_from"), ("to", "pin_to")):
                one[name] = row.cells.get(column) or one.get(name)
            mine: dict[str, Any] = one
            return mine
    first, last = row.cells.get("pin_from") or body.get("employed_from"), row.cells.get("pin_to") or None
    new = {**held, "from": first, "to": last}
    body["pins"].append(new)
    return new


async def _assignments(job: Job) -> None:
    around = await surroundings(job.connection, job.tenant, job.loader)
    people = _People(await _known(job))
    for row in _of_known_people(job, people):
        said = {name: row.cells.get(name) or None for name in ("from", "to", "schedule", "calendar", "policy")}
        body = people.body(row)
        kept = [one for one in body["assignments"] if one["from"] != said["from"]]
        body["assignments"] = sorted([*kept, said], key=lambda one: str(one["from"]))
        people.said[id(said)] = row
    await _save(job, people, around, {name: name for name in ("from", "to", "schedule", "calendar", "policy")})


async def _rosters(job: Job) -> None:
    """One row is a person's own shifts on some days, off without any; the same days again replace it."""
    around = await surroundings(job.connection, job.tenant, job.loader)
    people = _People(await _known(job))
    for row in _of_known_people(job, people):
        weekdays = listed(row.cells.get("weekdays", ""))
        if not all(one in tuple("1234567") for one in weekdays):
            job.wrong(row.number, "weekdays", "weekdays from 1 (Monday) to 7, such as 1;2", ";".join(weekdays))
            continue
        days: dict[str, Any] = {"from": row.cells["from"], "to": row.cells.get("to") or row.cells["from"]}
        said = {**days, "weekdays": [int(one) for one in weekdays] or None, "shifts": listed(row.cells["shifts"])}
        if said["to"] < said["from"]:
            job.wrong(row.number, "to", f"a date from {said['from']} on", str(said["to"]))
        own = people.body(row)["roster"]
        key = ("from", "to", "weekdays")
        same = [index for index, one in enumerate(own) if [one[name] for name in key] == [said[name] for name in key]]
        at = same[0] if same else len(own)
        own[at : at + 1] = [said]
        people.said[id(said)] = row
    await _save(job, people, around, {name: name for name in ("from", "to", "shifts", "weekdays")})


def _of_known_people(job: Job, people: _People) -> Iterable[SheetRow]:
    """The rows of people who are there; the others are noted."""
    for row in job.sheet.rows:
        if row.cells["number"] in people.before:
            yield row
        else:
            job.wrong(row.number, "number", "the employee number of somebody", row.cells["number"])


async def _save(job: Job, people: _People, around: Surroundings, columns: Mapping[str, str]) -> None:
    given: list[Given] = []
    numbers = list(people.bodies)
    for number, body in people.bodies.items():
        before = people.before.get(number)
        try:
            given.append(Given(PersonBody.model_validate(body), before))
        except ValidationError as error:
            for told in error.errors():
                path = [str(part) for part in told["loc"]]
                job.refuse(people.row(number, path), told, {**columns, **{name: name for name in job.sheet.columns}})
            given.append(Given(_mended(number, body, error), before))
    for wrong in await check(job.connection, given, around):
        path = wrong.field.split(".")
        column = next((columns.get(part, part) for part in reversed(path) if not part.isdecimal()), "")
        job.wrong(people.row(numbers[wrong.index], path).number, column, wrong.expected, wrong.came)
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
        name = job.slug(row, "id")
        try:
            body = DepartmentBody.model_validate({"name": row.cells["name"], "parent": row.cells.get("parent") or None})
        except ValidationError as error:
            for told in error.errors():
                job.refuse(row, told, {"name": "name", "parent": "parent"})
            continue
        if body.parent is not None and body.parent not in known and body.parent not in bodies:
            job.wrong(row.number, "parent", "a department that exists or stands further up", body.parent)
        bodies[name] = body
    for name, body in bodies.items() if not job.problems else ():
        stored = known.get(name)
        is_same = stored is not None and (stored.name, stored.parent_id) == (body.name, body.parent)
        job.count(is_new=stored is None, is_same=is_same)
        if not is_same and not job.is_dry_run:
            version = stored.version + 1 if stored else 1
            await departments.put(job.connection, job.tenant, name, body, version)


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
            for told in error.errors():
                job.refuse(row, told, {name: name for name in ("from", "to", "kind", "minutes", "reason")})
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
    "rosters": SheetKind(("number", "from", "shifts"), ("to", "weekdays"), _rosters),
    "departments": SheetKind(("id", "name"), ("parent",), _departments),
    **PLAN_SHEETS,
    "leave": SheetKind(("number", "from"), ("to", "kind", "minutes", "reason"), _leave),
}
