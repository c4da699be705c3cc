"""Checks people against everything that is stored, saves what changed, and marks the workdays that it touches."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.api.hours import PersonBody, PersonRecord, PinHolding
from biometric_flow.gateway.people.reach import Days, reached
from biometric_flow.gateway.store import places, register, workdays
from biometric_flow.gateway.workdays.loader import Loader
from biometric_flow.model.ids import TenantId
from biometric_flow.policy.planning import Catalogue
from biometric_flow.policy.zones import home_zone


@dataclass(frozen=True, slots=True)
class Wrong:
    """One field of one of the given people."""

    index: int
    field: str
    expected: str
    came: str


@dataclass(frozen=True, slots=True)
class Given:
    """A person to be saved: over the record that is stored, or as a new one."""

    body: PersonBody
    before: PersonRecord | None = None


@dataclass(slots=True)
class Saved:
    """What saving did, in the order given."""

    records: list[PersonRecord] = field(default_factory=list)
    created: int = 0
    changed: int = 0
    unchanged: int = 0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What people refer to."""

    zones: Mapping[str, str]
    """Of places, by id."""
    departments: frozenset[str]
    known: Catalogue


async def surroundings(connection: AsyncConnection, tenant: TenantId, loader: Loader) -> Surroundings:
    """Everything that exists now."""
    return Surroundings(
        zones={row.place_id: row.zone for row in await places.listed(connection)},
        departments=frozenset(row.department_id for row in await register.departments(connection)),
        known=await loader.catalogue(connection, tenant),
    )


async def check(connection: AsyncConnection, given: Sequence[Given], around: Surroundings) -> list[Wrong]:
    """Everything that is wrong with these people; the register must be locked."""
    wrong: list[Wrong] = []
    numbers = await register.by_numbers(connection, {one.body.number for one in given})
    first_of: dict[str, int] = {}
    for index, one in enumerate(given):
        wrong += [Wrong(index, *told) for told in _references(one.body, around)]
        mine = one.before.id if one.before else None
        known = numbers.get(one.body.number)
        if (known is not None and known.id != mine) or one.body.number in first_of:
            wrong.append(Wrong(index, "number", "an employee number that nobody else has", one.body.number))
        first_of.setdefault(one.body.number, index)
    wrong += await _pins(connection, given)
    return sorted(wrong, key=lambda told: told.index)


async def save(
    connection: AsyncConnection, tenant: TenantId, given: Sequence[Given], around: Surroundings, now: datetime
) -> Saved:
    """Store people that passed `check`; those who are the same already are left alone."""
    saved, due = Saved(), dict[UUID, Days]()
    stored: list[tuple[UUID, PersonBody, int]] = []
    for one in given:
        body = _complete(one.body, around)
        if one.before is not None and _fields(body) == _fields(one.before):
            saved.unchanged += 1
            saved.records.append(one.before)
            continue
        person_id = one.before.id if one.before else uuid4()
        version = one.before.version + 1 if one.before else 1
        stored.append((person_id, body, version))
        record = PersonRecord.model_validate({**body.model_dump(), "id": person_id, "version": version})
        saved.records.append(record)
        saved.created += one.before is None
        saved.changed += one.before is not None
        days = reached(one.before, body, now.date() + timedelta(days=1))
        if days is not None:
            due[person_id] = days
    await register.save(connection, tenant, stored)
    await workdays.mark(connection, tenant, due, now)
    return saved


def _fields(body: PersonBody) -> dict[str, object]:
    return {name: getattr(body, name) for name in PersonBody.model_fields}


def _complete(body: PersonBody, around: Surroundings) -> PersonBody:
    if body.zone is not None:
        return body
    return body.model_copy(update={"zone": around.zones[body.place or ""]})


def _references(body: PersonBody, around: Surroundings) -> Iterable[tuple[str, str, str]]:
    if body.department is not None and body.department not in around.departments:
        yield "department", "a department that exists", body.department
    if body.place is not None and body.place not in around.zones:
        yield "place", "one of the places " + ", ".join(sorted(around.zones)), body.place
    elif body.place is None and body.zone is None:
        yield "zone", "a zone, or a home place that has one", "nothing"
    if body.zone is not None and not _is_zone(body.zone):
        yield "zone", "a zone of the IANA database such as Africa/Cairo", body.zone
    if body.employed_to is not None and body.employed_to < body.employed_from:
        yield "employed_to", f"a date from {body.employed_from} on", str(body.employed_to)
    for number, held in enumerate(body.pins):
        if held.place not in around.zones:
            yield f"pins.{number}.place", "one of the places " + ", ".join(sorted(around.zones)), held.place
    known = around.known
    packs = {pack.id for pack in known.packs}
    for number, one in enumerate(body.assignments):
        for name, value, there in (
            ("schedule", one.schedule, known.schedules),
            ("calendar", one.calendar, known.calendars),
            ("policy", one.policy, packs),
        ):
            if value is not None and value not in there:
                yield f"assignments.{number}.{name}", f"a {name} that exists", value
    for number, row in enumerate(body.roster):
        if row.last < row.first:
            yield f"roster.{number}.to", f"a date from {row.first} on", str(row.last)
        for name in row.shifts:
            if name not in known.shifts:
                yield f"roster.{number}.shifts", "shifts that exist", name


async def _pins(connection: AsyncConnection, given: Sequence[Given]) -> list[Wrong]:
    """A PIN belongs to one person at a time, at each terminal."""
    wanted = [(held.place, held.pin) for one in given for held in one.body.pins]
    replaced = {one.before.id for one in given if one.before}
    taken: dict[tuple[str, str], list[tuple[int, PinHolding]]] = {}
    for row in await register.holders(connection, wanted) if wanted else ():
        if row.person_id not in replaced:
            held = PinHolding.model_validate(
                {"place": row.place_id, "pin": row.pin, "terminals": row.terminals}
                | {"from": row.valid_from, "to": row.valid_to}
            )
            taken.setdefault((held.place, held.pin), []).append((-1, held))
    wrong = []
    for index, one in enumerate(given):
        for number, held in enumerate(one.body.pins):
            others = taken.setdefault((held.place, held.pin), [])
            if any(_meet(held, other) for _, other in others):
                wrong.append(Wrong(index, f"pins.{number}.pin", "a PIN that nobody holds in these days", held.pin))
            others.append((index, held))
    return wrong


def _meet(one: PinHolding, other: PinHolding) -> bool:
    if one.first > other.until or other.first > one.until:
        return False
    return not one.terminals or not other.terminals or bool(set(one.terminals) & set(other.terminals))


def _is_zone(name: str) -> bool:
    try:
        home_zone(name)
    except (KeyError, ValueError, OSError):
        return False
    return True
