"""Plans as data: checked before they are stored, and whose workdays a change of one touches."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.api.problems import FieldProblem
from biometric_flow.gateway.people.errors import PlanInvalid
from biometric_flow.gateway.store import holdings, plans
from biometric_flow.gateway.workdays.records import to_date
from biometric_flow.policy.cases import read_clock_correction, read_schedule, read_shift
from biometric_flow.policy.errors import PolicyInvalid
from biometric_flow.policy.fields import Fields
from biometric_flow.policy.packs import PolicyPack, read_pack
from biometric_flow.policy.planning import Catalogue

Kind = Literal["shift", "schedule", "calendar", "clock", "payroll"]
HOLIDAYS_MAX: Final = 5000
BODY_MAX: Final = 512 * 1024
_CODES_MAX: Final = 200
CLOCK_MAX: Final = 12 * 3600
"""Seconds that a terminal's clock may have been off."""


@dataclass(frozen=True, slots=True)
class Touched:
    """A person and the days on which a plan is theirs."""

    person: UUID
    first: date
    last: date


def check_document(kind: Kind, name: str, body: Mapping[str, Any], known: Catalogue) -> None:
    """Whether a document can be used as it is. Raises PlanInvalid, for a field that nobody knows too."""
    _bounded(body)
    unknown: list[str] = []
    try:
        fields = Fields(body, "", unknown)
        fields.text("name", "")
        match kind:
            case "shift":
                read_shift(name, fields)
            case "schedule":
                read_schedule(fields, known.shifts)
            case "calendar":
                if not fields.has("holidays"):
                    raise PolicyInvalid("holidays", "a list of dates with names", is_missing=True)
                for holiday in fields.children("holidays", HOLIDAYS_MAX):
                    holiday.date("date")
                    holiday.text("name")
                    holiday.rest()
            case "clock":
                _check_clock(fields)
            case "payroll":
                _check_payroll(fields)
        fields.rest()
    except PolicyInvalid as problem:
        raise _invalid(problem) from None
    if unknown:
        raise _invalid(PolicyInvalid(unknown[0], "a field of the contract", unknown[0].rpartition(".")[2]))


def check_pack(body: Mapping[str, Any]) -> PolicyPack:
    """The pack in a document. Raises PlanInvalid."""
    _bounded(body)
    try:
        return read_pack(dict(body))
    except PolicyInvalid as problem:
        raise _invalid(problem) from None


def uses(kind: Kind, name: str, documents: Iterable[Row[Any]]) -> list[str]:
    """Schedules that name a shift."""
    return [row.document_id for row in documents if kind == "shift" and row.kind == "schedule" and _has(row.body, name)]


async def touched(connection: AsyncConnection, kind: str, name: str, now: datetime) -> list[Touched]:
    """Whose workdays change with a document or a pack, and on which days until tomorrow."""
    if kind in ("payroll", "clock"):
        return []
    schedules = uses("shift", name, await plans.documents(connection)) if kind == "shift" else []
    found: dict[UUID, Touched] = {}
    for needle in (name, *schedules):
        for row in await plans.planned_people(connection, needle):
            spans = [
                (one["from"], one["to"])
                for one in row.plan["assignments"]
                if one.get("schedule") in schedules or (kind != "shift" and one.get(kind) == name)
            ]
            if kind == "shift":
                spans += [(one["from"], one["to"]) for one in row.plan["roster"] if name in one["shifts"]]
            if spans:
                found[row.person_id] = _touched(row, spans, now)
    return list(found.values())


async def touched_by_clock(connection: AsyncConnection, bodies: Iterable[Mapping[str, Any]]) -> list[Touched]:
    """Who punched at these terminals while their clocks are said to have been off."""
    found: dict[UUID, Touched] = {}
    for body in bodies:
        row = read_clock_correction(Fields(body, "", []))
        since, until = (datetime.fromtimestamp(second, UTC) for second in (row.since, row.until))
        for person, first, last in await holdings.people_at(connection, row.terminal, since, until):
            before = found.get(person, Touched(person, first, last))
            found[person] = Touched(person, min(first, before.first), max(last, before.last))
    return list(found.values())


def _touched(row: Row[Any], spans: list[tuple[str, str | None]], now: datetime) -> Touched:
    tomorrow = now.date() + timedelta(days=1)
    first = max(row.employed_from, min(date.fromisoformat(first) for first, _ in spans))
    lasts = [tomorrow if last is None else min(tomorrow, date.fromisoformat(last)) for _, last in spans]
    return Touched(row.person_id, first, max(first, *lasts))


def in_force(touched_by_pack: Iterable[Touched], pack: PolicyPack) -> list[Touched]:
    """Only the days on which a version of a pack may be in force."""
    opens, closes = to_date(pack.valid_from), date.max if pack.valid_to is None else to_date(pack.valid_to)
    cut = [Touched(one.person, max(one.first, opens), min(one.last, closes)) for one in touched_by_pack]
    return [one for one in cut if one.first <= one.last]


def _check_clock(fields: Fields) -> None:
    """What a unit sees around itself is more than a clock may be off."""
    found = read_clock_correction(fields)
    if not found.since < found.until:
        raise PolicyInvalid("to", "a moment after `from`", "")
    if not 0 < abs(found.offset) <= CLOCK_MAX:
        raise PolicyInvalid("offset_s", f"seconds that the clock was ahead, up to {CLOCK_MAX} or less than none", "")
    if len(fields.text("reason").strip()) < 3:
        raise PolicyInvalid("reason", "why, in words", is_missing=True)


def _check_payroll(fields: Fields) -> None:
    codes, settings = fields.child("codes"), fields.child("settings")
    if codes is None or not 0 < len(codes.names()) <= _CODES_MAX:
        raise PolicyInvalid("codes", f"earning codes by tier, 1 to {_CODES_MAX}", is_missing=True)
    for tier in codes.names():
        if not codes.text(tier).strip():
            raise PolicyInvalid(codes.at(tier), "an earning code", "")
    for name in settings.names() if settings else ():
        settings.text(name) if settings else ""


def _bounded(body: Mapping[str, Any]) -> None:
    if len(json.dumps(body)) > BODY_MAX:
        raise PlanInvalid(f"expected a document of at most {BODY_MAX} bytes, it is longer")


def _has(value: object, name: str) -> bool:
    if isinstance(value, Mapping):
        return any(_has(inner, name) for inner in value.values())
    if isinstance(value, list):
        return any(_has(inner, name) for inner in value)
    return value == name


def _invalid(problem: PolicyInvalid) -> PlanInvalid:
    return PlanInvalid(str(problem), [FieldProblem(field=problem.path, expected=problem.expected)])
