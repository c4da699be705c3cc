"""Whether a terminal's list may be cleared: only when every row is kept for good elsewhere (security-design I4)."""

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Final

from biometric_flow.ledger.errors import LedgerError
from biometric_flow.ledger.events import PunchRecorded, decode
from biometric_flow.ledger.logs import log_at
from biometric_flow.ledger.note import PublicKey
from biometric_flow.ledger.sqlite import SqliteLedgerStore, logs_of
from biometric_flow.ledger.tree import SqliteTree
from biometric_flow.model.ids import PlaceId
from biometric_flow.model.punch import Punch
from biometric_flow.place.audit import Keys, audit, log_origin_of
from biometric_flow.place.errors import JobFailed
from biometric_flow.place.normalise import Quarantined
from biometric_flow.place.schema import open_reader
from biometric_flow.place.subjects import Subjects
from biometric_flow.place.workplace import Workplace
from biometric_flow.runtime.errors import FolderUnusable
from biometric_flow.runtime.key_store import KeyStore

_STEP: Final = 500


async def check_clearable(at: Workplace, rows: Sequence[Punch | Quarantined], rejected: int) -> None:
    """Raise JobFailed unless every row is a punch that reads back from a ledger which the gateway has cosigned."""
    aside = rejected + sum(isinstance(row, Quarantined) for row in rows)
    if aside:
        raise JobFailed(f"{aside} of its rows are in quarantine and in no ledger; they would be lost")
    if at.settings.gateway_url is None:
        raise JobFailed("this place has no gateway, so that nobody else has seen the punches")
    configured = at.settings.gateway_key
    witness = PublicKey.parse(configured) if configured else await at.writer.call(at.store.witnesses.believed)
    if witness is None:
        raise JobFailed(
            "the gateway has not cosigned anything yet, so that its key is not known; try again when it has"
        )
    erased = at.store.subjects.tombstones
    punches = [row for row in rows if isinstance(row, Punch) and not erased.covers(row.pin, row.instant)]
    await asyncio.to_thread(read_back, at.file, at.place.id, Keys(at.ledger_key, witness), at.keys, punches)


def read_back(file: Path, place: PlaceId, keys: Keys, store: KeyStore, punches: Sequence[Punch]) -> None:
    """Audit the whole ledger, find each punch in it, and see that a cosigned checkpoint covers them. Raises JobFailed.

    The audit checks the chain, the tree, and every signature, the gateway's with the pinned key. It runs over
    connections of its own, so that nothing which is remembered can answer for what is on the disk.
    """
    try:
        audit(file, place, keys, store)
    except (LedgerError, FolderUnusable) as error:
        raise JobFailed(f"the ledger does not verify: {error}") from error
    with closing(open_reader(file)) as connection:
        subjects = Subjects(connection, store)
        starts = range(0, len(punches), _STEP)
        last = max((_found(connection, subjects, punches[start : start + _STEP]) for start in starts), default=0)
        if last:
            _check_cosigned(connection, keys, last)


def _found(connection: sqlite3.Connection, subjects: Subjects, punches: Sequence[Punch]) -> int:
    """The last position of these punches. Raises JobFailed when one is missing or is another."""
    logs = logs_of(connection)
    wanted = {subjects.known(punch.pin, punch.id): punch for punch in punches if subjects.id_of(punch.pin)}
    marks = ",".join("?" * len(wanted))
    query = f"SELECT known, sequence FROM punch WHERE known IN ({marks})"  # noqa: S608 - marks only
    found: dict[bytes, int] = dict(connection.execute(query, list(wanted)))
    for known, sequence in found.items():
        log = log_at(logs, sequence)
        (entry,) = SqliteLedgerStore(connection, subjects, log).read(sequence - log.begins - 1, 1)
        event = decode(entry.record)
        if not isinstance(event, PunchRecorded) or event.punch.id != wanted[known].id:
            raise JobFailed("an entry of the ledger does not hold the punch it is kept for")
    missing = len({punch.id for punch in punches}) - len(found)
    if missing:
        raise JobFailed(f"{missing} of its punches are not in the ledger")
    return max(found.values())


def _check_cosigned(connection: sqlite3.Connection, keys: Keys, last: int) -> None:
    log = log_at(logs_of(connection), last)
    signed = SqliteTree(connection, log).covering(last - log.begins)
    if signed is None or not signed.is_cosigned or keys.gateway is None:
        raise JobFailed(
            "the gateway has not cosigned a checkpoint that covers all of its punches; try again when it has"
        )
    try:
        signed.note.verified_by(replace(keys.place, name=log_origin_of(keys.place, log.number)))
        signed.note.verified_by(keys.gateway)
    except LedgerError as error:
        raise JobFailed(f"the checkpoint over its punches is not believed: {error}") from error
