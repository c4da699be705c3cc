"""Sheets of plans: shifts, rotations and holidays become the documents that `PUT` would store."""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from biometric_flow.gateway.people.calendars import NAME_MAX, Holidays, merged
from biometric_flow.gateway.people.errors import PlanInvalid
from biometric_flow.gateway.people.import_job import Job, SheetKind, listed
from biometric_flow.gateway.people.plans import Kind, check_document, touched
from biometric_flow.gateway.people.sheets import SheetRow
from biometric_flow.gateway.store import plans, workdays

_NUMBERS: Final = ("unpaid_break_min", "pre_min", "post_min", "required_min")


async def _shifts(job: Job) -> None:
    bodies = {job.slug(row, "id"): (row, _shift(job, row)) for row in job.sheet.rows}
    await _take(job, "shift", bodies)


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


async def _rotations(job: Job) -> None:
    """One row is one schedule; its `pattern` has an entry a day, `off` or a shift, or several with + between them."""
    bodies: dict[str, tuple[SheetRow, dict[str, Any]]] = {}
    for row in job.sheet.rows:
        pattern: list[Any] = [_entry(one) for one in row.cells["pattern"].split()]
        body: dict[str, Any] = {
            "mode": "assigned",
            "rotation": {"anchor": row.cells["anchor"], "pattern": pattern},
        }
        if row.cells.get("name"):
            body["name"] = row.cells["name"]
        rest = listed(row.cells.get("rest_weekdays", ""))
        if rest and not all(one in tuple("1234567") for one in rest):
            job.wrong(row.number, "rest_weekdays", "weekdays from 1 (Monday) to 7, such as 6;7", ";".join(rest))
        elif rest:
            body["rest_weekdays"] = [int(one) for one in rest]
        bodies[job.slug(row, "id")] = row, body
    await _take(job, "schedule", bodies)


def _entry(text: str) -> str | list[str] | None:
    names = [one for one in text.split("+") if one]
    if text.lower() == "off" or not names:
        return None
    return names[0] if len(names) == 1 else names


async def _holidays(job: Job) -> None:
    """One row is one holiday; a date that the calendar has already gets the new name."""
    new: dict[str, Holidays] = {}
    first: dict[str, SheetRow] = {}
    for row in job.sheet.rows:
        calendar = job.slug(row, "calendar")
        first.setdefault(calendar, row)
        try:
            day = date.fromisoformat(row.cells["date"])
        except ValueError:
            job.wrong(row.number, "date", "a date such as 2026-07-23", row.cells["date"])
            continue
        name = row.cells["name"]
        if not name or len(name) > NAME_MAX:
            job.wrong(row.number, "name", f"a name of 1 to {NAME_MAX} characters", name)
        new.setdefault(calendar, {})[day] = name
    bodies = {}
    for calendar, found in new.items():
        stored = await plans.document(job.connection, "calendar", calendar)
        bodies[calendar] = first[calendar], merged(stored.body if stored else None, found)
    await _take(job, "calendar", bodies)


async def _take(job: Job, kind: Kind, bodies: Mapping[str, tuple[SheetRow, dict[str, Any]]]) -> None:
    """Check all documents, then store those that are not as they were."""
    known = await job.loader.catalogue(job.connection, job.tenant)
    for name, (row, body) in bodies.items():
        try:
            check_document(kind, name, body, known)
        except PlanInvalid as error:
            _refuse(job, row, error)
    if job.problems:
        return
    for name, (_, body) in bodies.items():
        stored = await plans.document(job.connection, kind, name)
        is_same = stored is not None and stored.body == body
        job.count(is_new=stored is None, is_same=is_same)
        if not is_same and not job.is_dry_run:
            await plans.put(job.connection, job.tenant, kind, name, body, stored.version + 1 if stored else 1)
            due = {one.person: (one.first, one.last) for one in await touched(job.connection, kind, name, job.now)}
            await workdays.mark(job.connection, job.tenant, due, job.now)


def _refuse(job: Job, row: SheetRow, error: PlanInvalid) -> None:
    """What a document would be refused for, at the cell that it came from."""
    for told in error.fields or ():
        parts = told.field.replace("[", ".").split(".")
        column = next((part for part in reversed(parts) if part in row.cells), parts[-1])
        job.wrong(row.number, column, told.expected, row.cells.get(column, ""))


PLAN_SHEETS: Final[dict[str, SheetKind]] = {
    "shifts": SheetKind(("id", "start", "end"), ("name", *_NUMBERS, "core_start", "core_end"), _shifts),
    "rotations": SheetKind(("id", "anchor", "pattern"), ("name", "rest_weekdays"), _rotations),
    "holidays": SheetKind(("calendar", "date", "name"), (), _holidays),
}
