"""The register of people: the only queries that read or write names, employee numbers and PINs of employees."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, bindparam, delete, insert, or_, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import Text

from biometric_flow.api.hours import PersonBody, PersonRecord
from biometric_flow.gateway.store.hours_tables import department, employee, pin_holding
from biometric_flow.model.ids import TenantId

_LOCK: Final = text("SELECT pg_advisory_xact_lock(hashtextextended('register ' || :tenant, 0))")
_HOLDERS: Final = text(
    """
    SELECT place_id, pin, person_id, terminals, valid_from, valid_to FROM pin_holding
    WHERE (place_id, pin) IN (SELECT * FROM unnest(:places, :pins)) ORDER BY place_id, pin, valid_from
    """
).bindparams(bindparam("places", type_=ARRAY(Text)), bindparam("pins", type_=ARRAY(Text)))
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
    found = await connection.execute(select(employee).where(employee.c.number.in_(list(numbers))))
    return {one.number: one for one in await _records(connection, found.all())}


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
    if search:
        query = query.where(
            or_(employee.c.name.icontains(search, autoescape=True), employee.c.number.contains(search, autoescape=True))
        )
    if department_id is not None:
        query = query.where(employee.c.department_id.in_(await below(connection, department_id)))
    if place_id is not None:
        query = query.where(employee.c.place_id == place_id)
    if employed_on is not None:
        left = or_(employee.c.employed_to.is_(None), employee.c.employed_to >= employed_on)
        query = query.where(employee.c.employed_from <= employed_on, left)
    if after is not None:
        query = query.where(tuple_(employee.c.number, employee.c.person_id) > tuple_(*after))
    rows = (await connection.execute(query.order_by(employee.c.number, employee.c.person_id).limit(limit))).all()
    return await _records(connection, rows)


async def below(connection: AsyncConnection, department_id: str) -> list[str]:
    """A department and all that are below it."""
    return list((await connection.execute(_BELOW, {"department": department_id})).scalars())


async def names(connection: AsyncConnection, ids: Iterable[UUID]) -> dict[UUID, tuple[str, str]]:
    """Employee number and name by id."""
    query = select(employee.c.person_id, employee.c.number, employee.c.name).where(employee.c.person_id.in_(list(ids)))
    return {row.person_id: (row.number, row.name) for row in await connection.execute(query)}


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


async def holders(connection: AsyncConnection, pins: Iterable[tuple[str, str]]) -> Sequence[Row[Any]]:
    """Who holds these PINs (place, PIN), each time with terminals and days."""
    wanted = sorted(set(pins))
    given = {"places": [place for place, _ in wanted], "pins": [pin for _, pin in wanted]}
    return (await connection.execute(_HOLDERS, given)).all()


async def save(connection: AsyncConnection, tenant: TenantId, person_id: UUID, body: PersonBody, version: int) -> None:
    """Store a person as version `version`; version 1 is a new one. The register must be locked, the body checked."""
    plan = body.model_dump(mode="json", by_alias=True, include={"assignments", "roster"})
    values = {
        "number": body.number,
        "name": body.name,
        "department_id": body.department,
        "place_id": body.place,
        "zone": body.zone,
        "employed_from": body.employed_from,
        "employed_to": body.employed_to,
        "plan": plan,
        "version": version,
    }
    if version == 1:
        await connection.execute(insert(employee).values(tenant_id=tenant, person_id=person_id, **values))
    else:
        await connection.execute(update(employee).where(employee.c.person_id == person_id).values(**values))
        await connection.execute(delete(pin_holding).where(pin_holding.c.person_id == person_id))
    rows = [
        {
            "tenant_id": tenant,
            "person_id": person_id,
            "number": number,
            "place_id": one.place,
            "pin": one.pin,
            "terminals": one.terminals,
            "valid_from": one.first,
            "valid_to": one.last,
        }
        for number, one in enumerate(body.pins)
    ]
    if rows:
        await connection.execute(insert(pin_holding), rows)


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
    for row in await connection.execute(query) if rows else ():
        one = {"place": row.place_id, "pin": row.pin, "terminals": row.terminals}
        held.setdefault(row.person_id, []).append({**one, "from": row.valid_from, "to": row.valid_to})
    return [
        PersonRecord.model_validate(
            {
                "id": row.person_id,
                "version": row.version,
                "number": row.number,
                "name": row.name,
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
    ]
