"""Queries of the logs of places: which one goes on, and what ended those before."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.ledger.logs import FIRST, Log
from biometric_flow.model.ids import PlaceId, TenantId


async def of_place(connection: AsyncConnection, place: PlaceId) -> list[Log]:
    """All logs of a place, oldest first."""
    return [FIRST, *(Log(row.number, row.begins) for row in await begun(connection, place))]


async def current(connection: AsyncConnection, place: PlaceId) -> Log:
    """The log that goes on."""
    return (await of_place(connection, place))[-1]


async def begun(connection: AsyncConnection, place: PlaceId) -> Sequence[Row[Any]]:
    """The logs after the first: number, begins, note, vkey, begun_at; oldest first."""
    query = text("SELECT number, begins, note, vkey, begun_at FROM place_log WHERE place_id = :place ORDER BY number")
    return (await connection.execute(query, {"place": place})).all()


async def key_of(connection: AsyncConnection, place: PlaceId, number: int) -> str:
    """The key that a later log began with."""
    query = text("SELECT vkey FROM place_log WHERE place_id = :place AND number = :number")
    vkey: str = (await connection.execute(query, {"place": place, "number": number})).scalar_one()
    return vkey


async def begin(
    connection: AsyncConnection, tenant: TenantId, place: PlaceId, log: Log, note: str, vkey: str, now: datetime
) -> None:
    """Keep that a log follows the one that went on until now."""
    query = text("INSERT INTO place_log VALUES (:tenant, :place, :number, :begins, :note, :vkey, :now)")
    values = {"number": log.number, "begins": log.begins, "note": note, "vkey": vkey, "now": now}
    await connection.execute(query, {"tenant": tenant, "place": place, **values})
