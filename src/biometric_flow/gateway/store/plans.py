"""Queries of plans: documents (shifts, schedules, calendars, payroll mappings) and policy packs."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, Text, cast, delete, func, insert, or_, select, text, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.gateway.store.hours_tables import employee, plan_document, policy_pack
from biometric_flow.model.ids import TenantId


async def lock(connection: AsyncConnection, tenant: TenantId) -> None:
    """Until the commit nobody else changes plans: what a document names must not vanish meanwhile."""
    query = text("SELECT pg_advisory_xact_lock(hashtextextended('plans ' || :tenant, 0))")
    await connection.execute(query, {"tenant": tenant})


async def documents(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """All shifts, schedules and calendars of the tenant: kind, document_id, version, body."""
    query = select(plan_document).where(plan_document.c.kind != "payroll")
    return (await connection.execute(query.order_by(plan_document.c.kind, plan_document.c.document_id))).all()


async def page(
    connection: AsyncConnection, kind: str, after: str, limit: int, begins: str | None = None
) -> Sequence[Row[Any]]:
    """Documents of a kind by id, or those only whose id begins so."""
    query = select(plan_document).where(plan_document.c.kind == kind, plan_document.c.document_id > after)
    if begins is not None:
        query = query.where(func.starts_with(plan_document.c.document_id, begins))
    return (await connection.execute(query.order_by(plan_document.c.document_id).limit(limit))).all()


async def document(connection: AsyncConnection, kind: str, name: str) -> Row[Any] | None:
    """One document."""
    query = select(plan_document).where(plan_document.c.kind == kind, plan_document.c.document_id == name)
    return (await connection.execute(query)).one_or_none()


async def put(
    connection: AsyncConnection, tenant: TenantId, kind: str, name: str, body: Mapping[str, Any], version: int
) -> None:
    """Store a document as version `version`; version 1 is a new one."""
    if version == 1:
        row = {"tenant_id": tenant, "kind": kind, "document_id": name, "body": dict(body), "version": 1}
        await connection.execute(insert(plan_document).values(**row))
    else:
        mine = (plan_document.c.kind == kind, plan_document.c.document_id == name)
        await connection.execute(update(plan_document).where(*mine).values(body=dict(body), version=version))


async def remove(connection: AsyncConnection, kind: str, name: str) -> None:
    """Remove a document."""
    mine = (plan_document.c.kind == kind, plan_document.c.document_id == name)
    await connection.execute(delete(plan_document).where(*mine))


async def packs(connection: AsyncConnection) -> Sequence[Any]:
    """All versions of all packs: pack_id, version, body."""
    query = select(policy_pack.c.pack_id, policy_pack.c.version, policy_pack.c.body)
    return (await connection.execute(query.order_by(policy_pack.c.pack_id, policy_pack.c.version))).all()


async def pack_page(
    connection: AsyncConnection, after: tuple[str, int], limit: int, name: str | None = None, on: date | None = None
) -> Sequence[Row[Any]]:
    """Packs by id and version, with their bodies; versions of one only, or those only that are valid on a day."""
    key = tuple_(policy_pack.c.pack_id, policy_pack.c.version)
    query = select(policy_pack).where(key > tuple_(*after)).order_by(policy_pack.c.pack_id, policy_pack.c.version)
    if name is not None:
        query = query.where(policy_pack.c.pack_id == name)
    if on is not None:
        begins, ends = (policy_pack.c.body[field].astext for field in ("valid_from", "valid_to"))
        query = query.where(begins <= on.isoformat(), or_(ends.is_(None), ends >= on.isoformat()))
    return (await connection.execute(query.limit(limit))).all()


async def pack(connection: AsyncConnection, name: str, version: int | None = None) -> Row[Any] | None:
    """One version of a pack, the newest when none is named."""
    query = select(policy_pack).where(policy_pack.c.pack_id == name)
    if version is not None:
        query = query.where(policy_pack.c.version == version)
    return (await connection.execute(query.order_by(policy_pack.c.version.desc()).limit(1))).one_or_none()


async def add_pack(
    connection: AsyncConnection,
    tenant: TenantId,
    name: str,
    version: int,
    body: Mapping[str, Any],
    by: str,
    at: datetime,
) -> None:
    """Store a new version of a pack; versions never change."""
    row = {"tenant_id": tenant, "pack_id": name, "version": version, "body": dict(body)}
    await connection.execute(insert(policy_pack).values(**row, saved_by=by, saved_at=at))


async def planned_people(connection: AsyncConnection, needle: str) -> Sequence[Any]:
    """People whose plan may name something, by its id as JSON text: person_id, plan, employed_from, employed_to."""
    columns = (employee.c.person_id, employee.c.plan, employee.c.employed_from, employee.c.employed_to)
    query = select(*columns).where(cast(employee.c.plan, Text).contains(f'"{needle}"', autoescape=True))
    return (await connection.execute(query.order_by(employee.c.person_id))).all()
