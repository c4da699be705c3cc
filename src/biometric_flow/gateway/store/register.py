"""The register of people: the only queries that read or write names, employee numbers and PINs of employees."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, bindparam, delete, insert, or_, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.api.hours import PersonBody, PersonRecord
from biometric_flow.gateway.store import directory, identities, subjects
from biometric_flow.gateway.store.hours_tables import department, employee, pin_holding
from biometric_flow.gateway.store.subjects import Told
from biometric_flow.model.ids import TenantId

_LOCK: Final = text("SELECT pg_advisory_xact_lock(hashtextextended('register ' || :tenant, 0))")
_HOLDERS: Final = text(
    """
    SELECT place_id, subject, person_id, terminals, valid_from, valid_to FROM pin_holding
    WHERE subject = ANY (:subjects) ORDER BY place_id, subject, valid_from
    """
).bindparams(bindparam("subjects", type_=ARRAY(BYTEA)))
_BELOW: Final = text(
    """
    WITH RECURSIVE below AS (
        SELECT department_id FROM department WHERE department_id = :department
        UNION SELECT d.department_id FROM department d JOIN below b ON d.parent_id = b.department_id
    ) SELECT department_id FROM below
    """
)


async def lock(connection: AsyncConnection, tenant: TenantId) -> None:
    """Until the commit nobody else changes the register: who holds which PIN is checked against all others."""
    await connection.execute(_LOCK, {"tenant": tenant})


async def get(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, PersonRecord]:
    """People by id; those who do not exist are left out."""
    found = await connection.execute(select(employee).where(employee.c.person_id.in_(ids)))
    return {one.id: one for one in await _records(connection, found.all())}


async def by_numbers(connection: AsyncConnection, numbers: Iterable[str]) -> dict[str, PersonRecord]:
    """People by employee number; those who do not exist are left out."""
    known = await directory.look(connection)
    ids = [one for one in map(known.with_number, numbers) if one is not None]
    return {one.number: one for one in (await get(connection, ids)).values()}


async def page(
    connection: AsyncConnection,
    search: str | None,
    department_id: str | None,
    place_id: str | None,
    employed_on: date | None,
    after: tuple[str, UUID] | None,
    limit: int,
) -> list[PersonRecord]:
    """People by employee number; a department stands for all below it, `search` for a part of name or number."""
    query = select(employee)
    if department_id is not None:
        query = query.where(employee.c.department_id.in_(await below(connection, department_id)))
    if place_id is not None:
        query = query.where(employee.c.place_id == place_id)
    if employed_on is not None:
        left = or_(employee.c.employed_to.is_(None), employee.c.employed_to >= employed_on)
        query = query.where(employee.c.employed_from <= employed_on, left)
    known = await directory.look(connection)

    async def among(some: Sequence[UUID]) -> dict[UUID, Row[Any]]:
        rows = await connection.execute(query.where(employee.c.person_id.in_(some)))
        return {row.person_id: row for row in rows}

    return await _records(connection, await directory.first(known.numbered(search, after), among, limit))


async def below(connection: AsyncConnection, department_id: str) -> list[str]:
    """A department and all that are below it."""
    return list((await connection.execute(_BELOW, {"department": department_id})).scalars())


async def names(connection: AsyncConnection, ids: Iterable[UUID]) -> dict[UUID, tuple[str, str]]:
    """Employee number and name by id."""
    query = select(employee.c.person_id).where(employee.c.person_id.in_(list(ids)))
    found = (await connection.execute(query)).scalars().all()
    known = await directory.look(connection)
    return {one: (said.number, said.name) for one in found if (said := known.number_of(one)) is not None}


async def employed(
    connection: AsyncConnection, ids: Sequence[UUID] | None, first: date, last: date
) -> dict[UUID, tuple[date, date]]:
    """People who worked here on some of these days, and on which; only those of `ids` when given."""
    query = select(employee.c.person_id, employee.c.employed_from, employee.c.employed_to).where(
        employee.c.employed_from <= last, or_(employee.c.employed_to.is_(None), employee.c.employed_to >= first)
    )
    if ids is not None:
        query = query.where(employee.c.person_id.in_(ids))
    return {
        row.person_id: (max(first, row.employed_from), min(last, row.employed_to or last))
        for row in await connection.execute(query)
    }


async def holders(connection: AsyncConnection, pins: Iterable[tuple[str, str]]) -> list[Told]:
    """Who holds these PINs (place, PIN), each time with terminals and days."""
    known = await directory.look(connection)
    wanted = [one for place, pin in set(pins) if (one := known.id_of(place, pin)) is not None]
    return await subjects.told(connection, _HOLDERS, {"subjects": wanted})


async def save(connection: AsyncConnection, tenant: TenantId, people: Sequence[tuple[UUID, PersonBody, int]]) -> None:
    """Store people, each as a version; version 1 is a new one. The register must be locked, the bodies checked."""
    held = [(one.place, one.pin) for _, body, _ in people for one in body.pins]
    known = await subjects.ensure(connection, held)
    changed = await directory.change(connection) if people else 0
    said = [(identities.of_person(one), {"number": body.number, "name": body.name}) for one, body, _ in people]
    sealed = await identities.sealed(connection, said)
    rows = []
    for (person_id, body, version), named in zip(people, sealed, strict=True):
        values = _values(body) | named | {"version": version, "changed": changed}
        if version == 1:
            await connection.execute(insert(employee).values(tenant_id=tenant, person_id=person_id, **values))
        else:
            await connection.execute(update(employee).where(employee.c.person_id == person_id).values(**values))
            await connection.execute(delete(pin_holding).where(pin_holding.c.person_id == person_id))
        rows += [
            {
                "tenant_id": tenant,
                "person_id": person_id,
                "number": number,
                "place_id": one.place,
                "subject": known[one.place, one.pin],
                "terminals": one.terminals,
                "valid_from": one.first,
                "valid_to": one.last,
            }
            for number, one in enumerate(body.pins)
        ]
    if rows:
        await connection.execute(insert(pin_holding), rows)


def _values(body: PersonBody) -> dict[str, Any]:
    return {
        "department_id": body.department,
        "place_id": body.place,
        "zone": body.zone,
        "employed_from": body.employed_from,
        "employed_to": body.employed_to,
        "plan": body.model_dump(mode="json", by_alias=True, include={"assignments", "roster"}),
    }


async def departments(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """All departments of the tenant, by id."""
    return (await connection.execute(select(department).order_by(department.c.department_id))).all()


async def _records(connection: AsyncConnection, rows: Sequence[Row[Any]]) -> list[PersonRecord]:
    query = (
        select(pin_holding)
        .where(pin_holding.c.person_id.in_([row.person_id for row in rows]))
        .order_by(pin_holding.c.person_id, pin_holding.c.number)
    )
    held: dict[UUID, list[dict[str, Any]]] = {}
    for row in await subjects.told(connection, query) if rows else ():
        one = {"place": row.place_id, "pin": row.pin, "terminals": row.terminals}
        held.setdefault(row.person_id, []).append({**one, "from": row.valid_from, "to": row.valid_to})
    known = await directory.look(connection) if rows else directory.Directory()
    return [
        PersonRecord.model_validate(
            {
                "id": row.person_id,
                "version": row.version,
                "number": said.number,
                "name": said.name,
                "department": row.department_id,
                "place": row.place_id,
                "zone": row.zone,
                "employed_from": row.employed_from,
                "employed_to": row.employed_to,
                "pins": held.get(row.person_id, []),
                **row.plan,
            }
        )
        for row in rows
        if (said := known.number_of(row.person_id)) is not None
    ]
