"""Queries of what one account asks for and another decides: leave and regularisations."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, exists, func, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.gateway.store.hours_tables import correction, leave_request, regularisation
from biometric_flow.gateway.store.words import LEAVE, REGULARISATION, Said, apart_from, opened, sealed


async def approved_leaves(connection: AsyncConnection, person_id: UUID, first: date, last: date) -> Sequence[Row[Any]]:
    """A person's approved leaves that touch these days, by first day, without their reasons."""
    query = select(*apart_from(LEAVE, leave_request)).where(
        leave_request.c.person_id == person_id,
        leave_request.c.status == "approved",
        leave_request.c.first_day <= last,
        leave_request.c.last_day >= first,
    )
    return (await connection.execute(query.order_by(leave_request.c.first_day, leave_request.c.leave_id))).all()


async def leaves(
    connection: AsyncConnection,
    person_id: UUID | None,
    first: date | None,
    last: date | None,
    status: str | None,
    after: tuple[date, UUID] | None,
    limit: int,
) -> list[Said]:
    """Leaves by first day."""
    query = select(leave_request)
    if person_id is not None:
        query = query.where(leave_request.c.person_id == person_id)
    if first is not None:
        query = query.where(leave_request.c.last_day >= first)
    if last is not None:
        query = query.where(leave_request.c.first_day <= last)
    if status is not None:
        query = query.where(leave_request.c.status == status)
    key = tuple_(leave_request.c.first_day, leave_request.c.leave_id)
    if after is not None:
        query = query.where(key > tuple_(*after))
    ordered = query.order_by(leave_request.c.first_day, leave_request.c.leave_id)
    return await opened(connection, LEAVE, await connection.execute(ordered.limit(limit)))


async def leaves_by_id(connection: AsyncConnection, ids: Sequence[UUID]) -> list[Said]:
    """Leaves by id, locked until the commit."""
    query = select(leave_request).where(leave_request.c.leave_id.in_(ids)).order_by(leave_request.c.leave_id)
    return await opened(connection, LEAVE, await connection.execute(query.with_for_update()))


async def add_leaves(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Store leaves that were asked for."""
    if rows:
        await connection.execute(insert(leave_request), await sealed(connection, LEAVE, rows))


async def decide_leaves(
    connection: AsyncConnection, ids: Sequence[UUID], status: str, account: str, now: datetime
) -> None:
    """Write down a decision."""
    said = {"status": status, "decided_by": account, "decided_at": now}
    await connection.execute(update(leave_request).where(leave_request.c.leave_id.in_(ids)).values(**said))


async def approved(connection: AsyncConnection, person_id: UUID) -> Sequence[Row[Any]]:
    """A person's approved regularisations in the order in which they were asked for, without their reasons."""
    query = select(*apart_from(REGULARISATION, regularisation)).where(
        regularisation.c.person_id == person_id, regularisation.c.status == "approved"
    )
    return (await connection.execute(query.order_by(regularisation.c.number))).all()


async def regularisations(
    connection: AsyncConnection,
    person_id: UUID | None,
    first: date | None,
    last: date | None,
    status: str | None,
    before: int | None,
    limit: int,
    *,
    is_refused: bool | None = None,
) -> list[Said]:
    """Regularisations, newest first; `is_refused`: those that their place refused to record, or all but those."""
    query = select(regularisation)
    if person_id is not None:
        query = query.where(regularisation.c.person_id == person_id)
    if first is not None:
        query = query.where(regularisation.c.day >= first)
    if last is not None:
        query = query.where(regularisation.c.day <= last)
    if status is not None:
        query = query.where(regularisation.c.status == status)
    if before is not None:
        query = query.where(regularisation.c.number < before)
    if is_refused is not None:
        refused = exists().where(
            correction.c.tenant_id == regularisation.c.tenant_id,
            correction.c.regularisation_id == regularisation.c.regularisation_id,
            correction.c.refused.is_not(None),
        )
        query = query.where(refused if is_refused else ~refused)
    ordered = query.order_by(regularisation.c.number.desc()).limit(limit)
    return await opened(connection, REGULARISATION, await connection.execute(ordered))


async def regularisations_by_id(connection: AsyncConnection, ids: Sequence[UUID]) -> list[Said]:
    """Regularisations by id in the order in which they were asked for, locked until the commit."""
    query = select(regularisation).where(regularisation.c.regularisation_id.in_(ids))
    ordered = query.order_by(regularisation.c.number).with_for_update()
    return await opened(connection, REGULARISATION, await connection.execute(ordered))


async def last_number(connection: AsyncConnection) -> int:
    """The highest number of a regularisation, 0 without one; the register's lock keeps it so."""
    query = select(func.coalesce(func.max(regularisation.c.number), 0))
    return int((await connection.execute(query)).scalar_one())


async def add_regularisations(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Store regularisations that were asked for."""
    await connection.execute(insert(regularisation), await sealed(connection, REGULARISATION, rows))


async def decide_regularisations(
    connection: AsyncConnection, rows: Sequence[Said], status: str, account: str, reason: str, now: datetime
) -> None:
    """Write down a decision about these."""
    said = {"status": status, "decided_by": account, "decided_at": now, "decision_reason": reason}
    mine = [{"regularisation_id": row.regularisation_id, "person_id": row.person_id, **said} for row in rows]
    values = [{**row, "this": row["regularisation_id"]} for row in await sealed(connection, REGULARISATION, mine)]
    change = update(regularisation).where(regularisation.c.regularisation_id == bindparam("this"))
    await connection.execute(change.values({name: bindparam(name) for name in said}), values)
