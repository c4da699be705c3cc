"""Queries of the replicated ledgers: heads, entries."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import BigInteger

from biometric_flow.gateway.store.tables import ledger_entry, place
from biometric_flow.ledger.chain import Head, SealedEntry
from biometric_flow.model.ids import PlaceId, TenantId

_INSERT = text(
    """
    INSERT INTO ledger_entry (tenant_id, place_id, sequence, leaf, hash, record, opening)
    SELECT :tenant, :place, * FROM unnest(:sequences, :leaves, :hashes, :records, :openings)
    """
).bindparams(
    bindparam("sequences", type_=ARRAY(BigInteger)),
    *(bindparam(name, type_=ARRAY(BYTEA)) for name in ("leaves", "hashes", "records", "openings")),
)


async def head(connection: AsyncConnection, place_id: PlaceId, *, lock: bool = False) -> Head | None:
    """Where the replica of a place ends; None for a place that is not known. With `lock`, until the commit."""
    query = select(place.c.position, place.c.head_hash).where(place.c.place_id == place_id)
    if lock:
        query = query.with_for_update(key_share=True)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else Head(row.position, bytes(row.head_hash))


async def entries(connection: AsyncConnection, place_id: PlaceId, after: int, limit: int) -> list[SealedEntry]:
    """Held entries after a position, in order."""
    query = (
        select(ledger_entry)
        .where(ledger_entry.c.place_id == place_id, ledger_entry.c.sequence > after)
        .order_by(ledger_entry.c.sequence)
        .limit(limit)
    )
    return [
        SealedEntry(row.sequence, bytes(row.leaf), bytes(row.hash), bytes(row.record), bytes(row.opening))
        for row in await connection.execute(query)
    ]


async def append(
    connection: AsyncConnection, tenant: TenantId, place_id: PlaceId, new: Sequence[SealedEntry], now: datetime
) -> None:
    """Store entries that continue the head, and move it."""
    columns = {
        "sequences": [entry.sequence for entry in new],
        "leaves": [entry.leaf for entry in new],
        "hashes": [entry.hash for entry in new],
        "records": [entry.record for entry in new],
        "openings": [entry.opening for entry in new],
    }
    await connection.execute(_INSERT, {"tenant": tenant, "place": place_id, **columns})
    await connection.execute(
        update(place)
        .where(place.c.place_id == place_id)
        .values(position=new[-1].sequence, head_hash=new[-1].hash, last_heard=now)
    )
