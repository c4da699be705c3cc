"""Names of punches as the gateway stores and shows them, keyed by whose they are, so that nobody guesses them (E1).

A place's own identity of a punch is a hash of what anybody can count through: terminal, PIN, time, state. Whoever holds
an old copy of the tables would find the PIN of somebody erased since. Here it is a digest under a key of the subject,
which goes with the person and outlasts every rotation before that (ADR 146).
"""

import asyncio
import hmac
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import Text

from biometric_flow.gateway.store import directory, ledger
from biometric_flow.gateway.store.archive_tables import archived_punch
from biometric_flow.gateway.store.sealing import keys_of
from biometric_flow.gateway.store.tables import ledger_entry, punch, terminal_place
from biometric_flow.identity.keyring import STORED_PUNCH, subject_at
from biometric_flow.ledger.events import PunchRecorded, decode
from biometric_flow.model.ids import PlaceId, PunchId
from biometric_flow.model.punch import Punch
from biometric_flow.runtime.key_store import KeyStore

DIGITS = 64
"""Length of an identity as the API writes it; the id of a regularisation is shorter."""

_MET = text(
    "INSERT INTO terminal_place SELECT :tenant, serial, :place FROM unnest(:serials) AS given (serial) ORDER BY serial"
    " ON CONFLICT DO NOTHING"
).bindparams(bindparam("serials", type_=ARRAY(Text)))


_HELD = text(
    "SELECT punch_id FROM punch WHERE punch_id = ANY (:ids)"
    " UNION SELECT punch_id FROM archived_punch WHERE punch_id = ANY (:ids)"
).bindparams(bindparam("ids", type_=ARRAY(BYTEA)))
"""One value for all: a terminal of many places makes more of them than a query may have."""


class Named(NamedTuple):
    """A punch of a subject at a place, by the identity that the place gave it."""

    place: str
    subject: bytes
    identity: PunchId


async def stored(connection: AsyncConnection, punches: Sequence[Named]) -> list[bytes]:
    """How each of them is named here, 32 bytes. Raises StorageUnavailable."""
    return await asyncio.to_thread(keyed, keys_of(connection), punches) if punches else []


def keyed(keys: KeyStore, punches: Sequence[Named]) -> list[bytes]:
    """The same, given the keys. Raises StorageUnavailable."""
    owners = {(one.place, one.subject): subject_at(one.place, one.subject.hex()) for one in punches}
    keys.prepare(owners.values())
    secrets = {whose: keys.derived(owner, STORED_PUNCH) for whose, owner in owners.items()}
    return [hmac.digest(secrets[one.place, one.subject], one.identity, "sha256") for one in punches]


async def meet(connection: AsyncConnection, place: PlaceId, serials: Iterable[str]) -> None:
    """Keep that these terminals have punched at a place."""
    given = {"tenant": connection.info["tenant"], "place": place, "serials": sorted(set(serials))}
    await connection.execute(_MET, given)


async def told_elsewhere(connection: AsyncConnection, place: PlaceId, punches: Sequence[Punch]) -> set[PunchId]:
    """Which of these touches another place told before this one, of a terminal that was moved or is read at both.

    Nobody else may be storing punches meanwhile: hold the tenant's row.
    """
    serials = {one.terminal for one in punches}
    query = select(terminal_place.c.terminal, terminal_place.c.place_id).where(
        terminal_place.c.terminal.in_(serials), terminal_place.c.place_id != place
    )
    others: dict[str, list[str]] = {}
    for row in (await connection.execute(query)).all() if serials else ():
        others.setdefault(row.terminal, []).append(row.place_id)
    if not others:
        return set()
    known = await directory.look(connection)
    touches = [
        Named(other, subject, one.id)
        for one in punches
        for other in others.get(one.terminal, ())
        if (subject := known.id_of(other, one.pin)) is not None
    ]
    ids = await stored(connection, touches)
    there = await held(connection, ids)
    return {one.identity for one, as_stored in zip(touches, ids, strict=True) if as_stored in there}


async def held(connection: AsyncConnection, ids: Sequence[bytes]) -> set[bytes]:
    """Which of these the tenant has, hot or archived."""
    rows = (await connection.execute(_HELD, {"ids": list(ids)})).scalars() if ids else ()
    return {bytes(one) for one in rows}


async def identity_of(connection: AsyncConnection, as_stored: bytes) -> PunchId | None:
    """The identity that its place gave a punch, out of its entry; None for one that is not there any more."""
    for table in (punch, archived_punch):
        mine = (table.c.place_id == ledger_entry.c.place_id) & (table.c.sequence == ledger_entry.c.sequence)
        query = select(ledger_entry.c.place_id, ledger_entry.c.sequence, ledger_entry.c.record).join(table, mine)
        row = (await connection.execute(query.where(table.c.punch_id == as_stored))).one_or_none()
        if row is not None and row.record:
            keys = keys_of(connection)
            event = decode(ledger.opened_record(keys, row.place_id, row.sequence, bytes(row.record)))
            return event.punch.id if isinstance(event, PunchRecorded) else None
    return None
