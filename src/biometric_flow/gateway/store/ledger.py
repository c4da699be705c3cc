"""Queries of the replicated ledgers: heads, entries. What an entry says lies sealed, the leaf is open."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import cbor2
from sqlalchemy import bindparam, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import BigInteger

from biometric_flow.gateway.store import directory, sealing, subjects
from biometric_flow.gateway.store.tables import ledger_entry, place
from biometric_flow.identity.envelope import Binding
from biometric_flow.identity.errors import IdentityError
from biometric_flow.identity.keyring import Owner, subject_at
from biometric_flow.ledger.chain import Head, SealedEntry
from biometric_flow.ledger.errors import ChainBroken
from biometric_flow.model.ids import PlaceId, TenantId
from biometric_flow.runtime.key_store import KeyStore

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
    held = [
        SealedEntry(row.sequence, bytes(row.leaf), bytes(row.hash), bytes(row.record), bytes(row.opening))
        for row in await connection.execute(query)
    ]
    return await sealing.opened_entries(connection, held, [binding(place_id, one.sequence) for one in held])


def binding(place_id: str, sequence: int) -> Binding:
    """Where the contents of an entry belong."""
    return sealing.of_entry("ledger_entry", place_id, sequence)


def opened_record(keys: KeyStore, place_id: str, sequence: int, envelope: bytes) -> bytes:
    """What an entry says. Raises ChainBroken when it does not open."""
    try:
        return sealing.opened_contents(keys, binding(place_id, sequence), envelope)[0]
    except IdentityError as error:
        raise ChainBroken(sequence, f"what it says does not open: {error}") from None


async def owners(
    connection: AsyncConnection, place_id: PlaceId, entries: Sequence[SealedEntry], ensured: frozenset[object]
) -> dict[int, Owner]:
    """Whose key each entry is sealed under that is about somebody, by sequence.

    Somebody new is made a subject by entries of the kinds `ensured`; others name only who is known here.
    """
    said = {entry.sequence: entry.subject for entry in entries if entry.subject is not None}
    fresh = [(place_id, pin) for entry in entries if (pin := entry.subject) and cbor2.loads(entry.leaf)[5] in ensured]
    if fresh:
        await subjects.ensure(connection, fresh)
    known = await directory.look(connection) if said else directory.Directory()
    found = {sequence: known.id_of(place_id, pin) for sequence, pin in said.items()}
    return {sequence: subject_at(place_id, one.hex()) for sequence, one in found.items() if one is not None}


async def append(
    connection: AsyncConnection,
    tenant: TenantId,
    place_id: PlaceId,
    new: Sequence[SealedEntry],
    now: datetime,
    owners: Mapping[int, Owner],
) -> None:
    """Store entries that continue the head, and move it; `owners` are those of entries that are about somebody."""
    await sealing.prepare(connection, owners.values())
    keys = sealing.keys_of(connection)
    records = [
        sealing.sealed_contents(
            keys,
            sealing.owner_at(owners, entry.sequence),
            binding(place_id, entry.sequence),
            entry.record,
            entry.opening,
        )
        for entry in new
    ]
    columns = {
        "sequences": [entry.sequence for entry in new],
        "leaves": [entry.leaf for entry in new],
        "hashes": [entry.hash for entry in new],
        "records": records,
        "openings": [b"" for _ in new],
    }
    await connection.execute(_INSERT, {"tenant": tenant, "place": place_id, **columns})
    await connection.execute(
        update(place)
        .where(place.c.place_id == place_id)
        .values(position=new[-1].sequence, head_hash=new[-1].hash, last_heard=now)
    )
