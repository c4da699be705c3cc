"""Begins a place's next log: the one before stays as it is, and what no gateway vouched for is recorded again (L5)."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from biometric_flow.ledger.chain import SealedEntry
from biometric_flow.ledger.decisions import CorrectionMade, CorrectionRefused, KeyChanged, LogStarted, PersonErased
from biometric_flow.ledger.events import Event, PunchRecorded, decode
from biometric_flow.ledger.logs import Decision
from biometric_flow.ledger.merkle import Frontier
from biometric_flow.ledger.note import Note, PublicKey
from biometric_flow.ledger.sqlite import SqliteLedgerStore
from biometric_flow.ledger.tree import SqliteTree
from biometric_flow.place.store import PlaceStore
from biometric_flow.place.witnesses import vouched_for

_STEP: Final = 500


@dataclass(frozen=True, slots=True)
class Begun:
    """A log that was begun."""

    number: int
    carried: int
    """Entries of the log before that were recorded again."""


def begin_log(connection: sqlite3.Connection, store: PlaceStore, own: PublicKey, note: Note, now: datetime) -> Begun:
    """End the log of a place that is down, and begin the next one, in one transaction.

    `note` is the decision, signed by all sides; `own` verifies the log that ends. What lies behind the last checkpoint
    that the gateway cosigned is in no other copy for sure: it is recorded again, with the same ids, and who receives
    some of it twice knows it. Terminals are read again from their first row. Raises NoteRefused when the cosigned
    part of this file is not what was cosigned, and StorageUnavailable.
    """
    old, size = store.log, store.ledger.head().sequence
    witness = store.witnesses.believed()
    vouched = 0 if witness is None else vouched_for(SqliteTree(connection), own, witness)
    vouched = min(vouched, Decision.parse(note.text).old.size)
    subjects = store.subjects
    with store.transaction():
        begins = old.begins + size
        root = _root(connection, old.begins)
        connection.execute("INSERT INTO ledger_log VALUES (?, ?, ?)", (old.number + 1, begins, old.begins + vouched))
        connection.execute("DELETE FROM outbox")
        entries = SqliteLedgerStore(connection, subjects, old)  # only now, so that it ends where the old log does
        following = PlaceStore(store.place, connection, subjects)
        started = LogStarted(str(note), size, root, vouched, now)
        following.ledger.append([started], now.date().isoformat())
        carried = 0
        while ahead := entries.read(vouched + carried, _STEP) if vouched + carried < size else ():
            carried += len(ahead)
            _carry(connection, following, [one for one in ahead if not one.is_erased], old.begins, now)
        connection.execute(
            "UPDATE cursor SET read_at = NULL, mark_layout = '', mark_rows = 0, mark_tail = x'', rows = 0"
        )
        connection.execute("DELETE FROM halt")
    return Begun(old.number + 1, carried)


def _carry(
    connection: sqlite3.Connection, following: PlaceStore, ahead: list[SealedEntry], begins: int, now: datetime
) -> None:
    told = list(_told(ahead))
    sealed = following.ledger.append([event for _, event in told], now.date().isoformat())
    moved = [
        (following.log.begins + new.sequence, begins + old.sequence)
        for new, (old, event) in zip(sealed, told, strict=True)
        if isinstance(event, PunchRecorded | CorrectionMade | CorrectionRefused)
    ]
    for table in ("punch", "correction"):
        connection.executemany(f"UPDATE {table} SET sequence = ? WHERE sequence = ?", moved)  # noqa: S608 - our own names


def _told(ahead: list[SealedEntry]) -> Iterator[tuple[SealedEntry, Event]]:
    """What entries say, as a later log may say it again."""
    for entry in ahead:
        event = decode(entry.record)
        match event:
            case KeyChanged() | LogStarted():
                continue  # of the log that ended; the decision names the key of this one
            case PersonErased():
                event = replace(event, entries=0)  # what it closed is counted where it was first told
            case CorrectionMade():
                event = replace(event, entry=min(event.entry, 1))  # of the log before, which the first entry names
            case _:
                pass
        yield entry, event


def _root(connection: sqlite3.Connection, begins: int) -> bytes:
    tree = Frontier()
    for (leaf,) in connection.execute("SELECT hash FROM ledger_entry WHERE sequence > ? ORDER BY sequence", (begins,)):
        tree.append(leaf)
    return tree.root()
