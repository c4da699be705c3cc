"""Touches that two places told: one row for both, which the second place gets when the first one's person is erased.

An erasure is about PINs at places, and a place that nobody was erased at still says what it said (ADR 162).
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import bindparam, delete, select, text
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import BigInteger

from biometric_flow.gateway.store import directory, ledger, punches, sealing
from biometric_flow.gateway.store.privacy_tables import erasure_order
from biometric_flow.gateway.store.tables import punch, told_again
from biometric_flow.identity.keyring import subject_at
from biometric_flow.ledger.events import PunchRecorded, decode
from biometric_flow.model.ids import PlaceId
from biometric_flow.model.punch import Punch
from biometric_flow.runtime.key_store import KeyStore

_ENTRIES: Final = (
    "SELECT e.place_id, e.sequence, e.record"
    " FROM told_again t JOIN ledger_entry e USING (tenant_id, place_id, sequence)"
    " WHERE t.place_id <> :place AND e.record <> ''"
)
_ARCHIVED: Final = text(
    "SELECT e.place_id, e.sequence, e.record FROM archived_punch a"
    " JOIN ledger_entry e USING (tenant_id, place_id, sequence)"
    " WHERE a.place_id = :place AND a.sequence = ANY (:sequences) AND e.record <> ''"
).bindparams(bindparam("sequences", type_=ARRAY(BigInteger)))
_ALL: Final = text(f"{_ENTRIES} ORDER BY e.place_id, e.sequence")
_UNDER: Final = text(
    f"{_ENTRIES} AND substring(e.record FROM 3 FOR 16) = ANY (:keys) ORDER BY e.place_id, e.sequence"
).bindparams(bindparam("keys", type_=ARRAY(BYTEA)))


class Touch(NamedTuple):
    """What is told of a touch apart from whose it was."""

    terminal: str
    local_time: datetime
    state: int


async def of_subject(connection: AsyncConnection, place: str, subject: bytes) -> set[Touch]:
    """The hot punches that somebody has at a place."""
    query = select(punch.c.terminal, punch.c.local_time, punch.c.state)
    mine = (punch.c.place_id == place, punch.c.subject == subject)
    return {Touch(*row) for row in await connection.execute(query.where(*mine))}


async def of_archived(connection: AsyncConnection, place: str, sequences: Sequence[int]) -> set[Touch]:
    """Archived punches by the entries of their place, as far as these open."""
    mine = {"place": place, "sequences": list(sequences)}
    rows = (await connection.execute(_ARCHIVED, mine)).all()
    told = await asyncio.to_thread(_told, sealing.keys_of(connection), rows)
    return {_touch(one) for entries in told.values() for _, one in entries}


async def pass_on(connection: AsyncConnection, place: str, pin: str, gone: set[Touch]) -> None:
    """Give punches that are gone from a place to the other places that told them with the same PIN.

    `places.lock_all` comes before the rows are gone: who tells such a touch meanwhile waits, and then finds no row. Not
    told is who is to be erased there as well. Without the PIN, of somebody whose key is destroyed, all that was told
    again is read.
    """
    if not gone:
        return
    known, keys = await directory.look(connection), sealing.keys_of(connection)
    if pin:
        others = [(said.place, one) for one in known.with_pin(pin) if (said := known.subject(one)) is not None]
        owners = [subject_at(where, one.hex()) for where, one in others if where != place]
        used = await asyncio.to_thread(lambda: [one.id for owner in owners for one in keys.versions(owner)])
        rows = (await connection.execute(_UNDER, {"place": place, "keys": used})).all() if used else []
    else:
        rows = (await connection.execute(_ALL, {"place": place})).all()
    leaving = set((await connection.execute(select(erasure_order.c.subject))).scalars())
    for where, told in (await asyncio.to_thread(_told, keys, rows)).items():
        theirs = [
            (sequence, one)
            for sequence, one in told
            if _touch(one) in gone and (who := known.id_of(where, one.pin)) is not None and who not in leaving
        ]
        if theirs:
            await _give(connection, PlaceId(where), theirs, known)


async def forget(connection: AsyncConnection, place: str, sequences: Sequence[int]) -> None:
    """The contents of these entries are gone."""
    mine = (told_again.c.place_id == place, told_again.c.sequence.in_(sequences))
    await connection.execute(delete(told_again).where(*mine))


async def _give(
    connection: AsyncConnection, place: PlaceId, theirs: Sequence[tuple[int, Punch]], known: directory.Directory
) -> None:
    subjects: dict[tuple[str, str], bytes] = {(place, one.pin): known.id_of(place, one.pin) or b"" for _, one in theirs}
    new, sequences = [one for _, one in theirs], [sequence for sequence, _ in theirs]
    await punches.insert(connection, connection.info["tenant"], place, new, sequences, subjects)


def _touch(one: Punch) -> Touch:
    return Touch(one.terminal, one.local_time, one.state)


def _told(keys: KeyStore, rows: Sequence[Any]) -> dict[str, list[tuple[int, Punch]]]:
    found = defaultdict(list)
    for row in rows:
        envelope = bytes(row.record)
        if sealing.is_sealed(envelope) and keys.is_destroyed(envelope):
            continue
        event = decode(ledger.opened_record(keys, row.place_id, row.sequence, envelope))
        if isinstance(event, PunchRecorded):
            found[row.place_id].append((row.sequence, event.punch))
    return found
