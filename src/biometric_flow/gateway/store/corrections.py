"""Queries of corrections on their way into the ledgers of places."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, exists, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.gateway.store import subjects
from biometric_flow.gateway.store.hours_tables import correction, regularisation
from biometric_flow.gateway.store.words import CORRECTION, REGULARISATION, Said, opened, sealed


async def last_position(connection: AsyncConnection) -> int:
    """The highest position, 0 without one; the register's lock keeps it so."""
    return int((await connection.execute(select(func.coalesce(func.max(correction.c.position), 0)))).scalar_one())


async def add(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Store what places have to record; nothing of it is ever changed but where it goes and where it stands."""
    homes = {(row["place_id"], row["pin"]) for row in rows if row["place_id"] is not None}
    known = await subjects.ensure(connection, homes)
    stored = [{**row, "subject": known.get((row["place_id"], row["pin"]))} for row in rows]
    if stored:
        rows_as_kept = await sealed(connection, CORRECTION, [_without_pin(row) for row in stored])
        await connection.execute(insert(correction), rows_as_kept)


async def of(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, list[Said]]:
    """What is recorded, or waits to be, of these regularisations: the correction, then its withdrawal."""
    query = select(correction).where(correction.c.regularisation_id.in_(ids)).order_by(correction.c.position)
    found: dict[UUID, list[Said]] = {}
    for row in await opened(connection, CORRECTION, await subjects.told(connection, query)):
        found.setdefault(row.regularisation_id, []).append(row)
    return found


async def waiting(connection: AsyncConnection, place_id: str, after: int, limit: int) -> list[Said]:
    """What a place has not recorded yet, by position; of who is erased it has nothing to record any more."""
    query = select(correction).where(
        correction.c.place_id == place_id, correction.c.sequence.is_(None), correction.c.position > after
    )
    rows = await subjects.told(connection, query.order_by(correction.c.position).limit(limit))
    return [row for row in await opened(connection, CORRECTION, rows) if not row.is_erased]


async def homeless(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """What no place records yet, since the person held no PIN."""
    query = select(correction).where(correction.c.place_id.is_(None)).order_by(correction.c.position)
    return (await connection.execute(query)).all()


async def assign(connection: AsyncConnection, position: int, place_id: str, pin: str) -> None:
    """Say which place records it, and for which PIN."""
    mine = correction.c.position == position
    known = await subjects.ensure(connection, [(place_id, pin)])
    home = {"place_id": place_id, "subject": known[place_id, pin]}
    await connection.execute(update(correction).where(mine).values(home))


async def unordered(connection: AsyncConnection) -> list[Said]:
    """Approved regularisations of which no ledger was told: they are older than this table."""
    told = exists().where(
        correction.c.tenant_id == regularisation.c.tenant_id,
        correction.c.regularisation_id == regularisation.c.regularisation_id,
    )
    query = select(regularisation).where(regularisation.c.status == "approved", ~told)
    return await opened(connection, REGULARISATION, await connection.execute(query.order_by(regularisation.c.number)))


async def stands(connection: AsyncConnection, position: int, sequence: int, refused: str | None = None) -> None:
    """It is an entry of its place's ledger, or one there says why it never will be."""
    mine = (correction.c.position == position, correction.c.sequence.is_(None))
    await connection.execute(update(correction).where(*mine).values(sequence=sequence, refused=refused))


def _without_pin(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "pin"}
