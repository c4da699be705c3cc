"""Checks a place's whole ledger offline: chain, tree, checkpoints, keys, and the rows that follow from entries (L8)."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from biometric_flow.identity.errors import IdentityError
from biometric_flow.ledger.chain import EMPTY, Head, check, link
from biometric_flow.ledger.decisions import KeyChanged, PersonErased
from biometric_flow.ledger.errors import LedgerAltered, LedgerError
from biometric_flow.ledger.events import Event, PunchRecorded, decode
from biometric_flow.ledger.merkle import TILE_HEIGHT, Frontier, Tile, tile_path
from biometric_flow.ledger.note import Checkpoint, Note, PublicKey
from biometric_flow.ledger.rotation import next_key
from biometric_flow.ledger.sqlite import COLUMNS, SqliteLedgerStore
from biometric_flow.model.ids import PlaceId
from biometric_flow.place.aside import Aside
from biometric_flow.place.keys import PlaceKeys
from biometric_flow.place.schema import open_reader
from biometric_flow.place.store import punch_row
from biometric_flow.place.subjects import Subjects

STEP: Final = 2048


@dataclass(frozen=True, slots=True)
class Audited:
    """A ledger in which everything fits."""

    entries: int
    punches: int
    checkpoints: int
    cosigned: int
    root: bytes
    signed: int
    """Entries that the last checkpoint covers."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Whose signatures are expected; a gateway's may be unknown."""

    place: PublicKey
    gateway: PublicKey | None = None
    earlier: tuple[Note, ...] = ()
    """Checkpoints of this ledger that were fetched before."""


def audit(file: Path, place: PlaceId, keys: Keys, store: PlaceKeys) -> Audited:
    """Read all of a place's file and check it. Raises LedgerAltered, naming the first entry or row that does not fit.

    The file may be in use: it is read as it was at one moment. `store` opens the records; of people who were erased
    only the leaves can be checked, and that erasures account for all of them.
    """
    connection = open_reader(file)
    try:
        connection.execute("BEGIN")
        _file_is_whole(connection)
        found = _Audit(connection, place, keys, store).run()
        _still_there(connection, keys.earlier)
        return found
    except (sqlite3.DatabaseError, UnicodeDecodeError, IdentityError) as error:
        raise LedgerAltered(f"{file.name} cannot be read: {error}") from error
    finally:
        connection.close()


def _still_there(connection: sqlite3.Connection, earlier: Sequence[Note]) -> None:
    """A place never throws a checkpoint away, nor the signature of who vouched for it."""
    for note in earlier:
        size = Checkpoint.parse(note.text).size
        query = "SELECT note FROM checkpoint WHERE substr(note, 1, ?) = ?"
        row = connection.execute(query, (len(note.text), note.text)).fetchone()
        if row is None:
            raise LedgerAltered(f"the checkpoint over {size} entries was signed when it was fetched, and is not here")
        if not set(note.signatures) <= set(Note.parse(row[0]).signatures):
            raise LedgerAltered(
                f"the checkpoint over {size} entries was cosigned when it was fetched, and is not in this file"
            )


def _file_is_whole(connection: sqlite3.Connection) -> None:
    (answer,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if answer != "ok":
        raise LedgerAltered(f"the database file: {answer}")


def _succession(
    connection: sqlite3.Connection, entries: SqliteLedgerStore, trusted: PublicKey
) -> list[tuple[int, PublicKey]]:
    """Each key of the ledger with the entry that made it the key; the trusted one must be among them.

    Every change is signed by the key before and the key after, so that trust in one of them reaches all the others.
    """
    query = f"SELECT {COLUMNS} FROM ledger_entry WHERE instr(leaf, ?) ORDER BY sequence"  # noqa: S608 - our own names
    keys: list[tuple[int, PublicKey]] = []
    for row in connection.execute(query, (KeyChanged.kind.encode(),)):
        sequence = row[0]
        try:
            event = decode(entries.opened(row).record)
            if not isinstance(event, KeyChanged):
                continue
            before = keys[-1][1] if keys else PublicKey.parse(event.note.split("\n")[1])
            keys = keys or [(0, before)]
            keys.append((sequence, next_key(event.note, before)))
        except (LedgerError, IndexError) as error:
            raise LedgerAltered(f"entry {sequence}: it changes the key and does not fit: {error}") from error
    if keys and trusted not in [key for _, key in keys]:
        raise LedgerAltered(f"entry {keys[1][0]}: the keys of this ledger are others than {trusted}")
    return keys or [(0, trusted)]


class _Audit:
    def __init__(self, connection: sqlite3.Connection, place: PlaceId, keys: Keys, store: PlaceKeys) -> None:
        self._connection, self._place, self._keys = connection, place, keys
        self._subjects = Subjects(connection, store)
        self._entries = SqliteLedgerStore(connection, self._subjects)
        self._tree = Frontier()
        self._aside = Aside(connection, self._subjects)
        self._punches = 0
        self._nodes = {(level, at): node for level, at, node in connection.execute("SELECT * FROM ledger_node")}
        self._checkpoints = {row[0]: row[1:] for row in connection.execute("SELECT * FROM checkpoint")}
        self._erased = self._accounted = 0
        self._signed = max(self._checkpoints, default=0)
        self._succession = _succession(connection, self._entries, keys.place)
        self._cosigned = 0

    def run(self) -> Audited:
        head = EMPTY
        while entries := self._entries.rows(head.sequence, STEP):
            rows = self._rows(head.sequence, entries[-1][0])
            for stored in entries:
                head = self._entry(head, stored, rows.pop(stored[0], None))
            if rows:
                raise LedgerAltered(f"punch row {min(rows)}: there is no such entry")
        self._nothing_left(head.sequence)
        count = len(self._checkpoints)
        return Audited(head.sequence, self._punches, count, self._cosigned, self._tree.root(), self._signed)

    def _rows(self, after: int, until: int) -> dict[int, tuple[Any, ...]]:
        query = "SELECT * FROM punch WHERE sequence > ? AND sequence <= ?"
        return {row[0]: row for row in self._connection.execute(query, (after, until))}

    def _entry(self, head: Head, stored: tuple[int, bytes, bytes, bytes], row: tuple[Any, ...] | None) -> Head:
        where = f"entry {head.sequence + 1}"
        if stored[0] != head.sequence + 1:
            raise LedgerAltered(f"{where}: it is missing, or its sequence was changed")
        try:
            entry = self._entries.opened(stored)
            if entry.is_erased:
                expected, _commitment = link(self._place, head, entry.leaf)
                event = None
            else:
                expected = check(self._place, head, entry.leaf, entry.record, entry.opening)
                event = decode(entry.record)
        except LedgerError as error:
            raise LedgerAltered(str(error)) from error
        if entry.hash != expected.hash:
            raise LedgerAltered(f"{where}: the stored hash differs from the leaf's own")
        if event is not None and event.subject is not None and self._subjects.id_of(event.subject) is None:
            raise LedgerAltered(f"{where}: the person it is about is not in table subject")
        self._erased += event is None
        self._accounted += event.entries if isinstance(event, PersonErased) else 0
        self._derived(where, event, entry.sequence, row)
        self._aside.check(where, event)
        self._grown(entry.hash)
        return expected

    def _derived(self, where: str, event: Event | None, sequence: int, row: tuple[Any, ...] | None) -> None:
        expected = None
        if isinstance(event, PunchRecorded):
            expected = punch_row(sequence, event.punch, self._subjects)
        if row != expected:
            raise LedgerAltered(f"{where}: the row of table punch is not what the entry says")
        self._punches += row is not None

    def _grown(self, leaf: bytes) -> None:
        for height, root in self._tree.append(leaf):
            level, rest = divmod(height, TILE_HEIGHT)
            if rest == 0 and self._tree.size <= self._signed:
                at = (self._tree.size >> height) - 1
                if self._nodes.pop((level, at), None) != root:
                    path = tile_path(Tile(level - 1, at))
                    raise LedgerAltered(f"tile {path}: its root in ledger_node is not that of entry {self._tree.size}")
        if self._tree.size in self._checkpoints:
            self._checkpoint(self._tree.size, *self._checkpoints[self._tree.size])

    def _checkpoint(self, size: int, text: str, _signed_at: str, is_cosigned: int) -> None:
        where = f"checkpoint over {size} entries"
        try:
            note = Note.parse(text)
            note.verified_by(self._key_at(size))
            if is_cosigned and self._keys.gateway:
                note.verified_by(self._keys.gateway)
        except LedgerError as error:
            raise LedgerAltered(f"{where}: {error}") from error
        if note.text != Checkpoint(self._keys.place.name, size, self._tree.root()).text():
            raise LedgerAltered(f"{where}: it was signed over another history than the one in this file")
        if (len(note.signatures) > 1) != is_cosigned:
            raise LedgerAltered(f"{where}: it is marked as cosigned and is not, or the other way round")
        self._cosigned += is_cosigned

    def _key_at(self, size: int) -> PublicKey:
        """Who signs a checkpoint over so many entries."""
        return [key for sequence, key in self._succession if sequence <= size][-1]

    def _nothing_left(self, entries: int) -> None:
        self._aside.finish()
        if self._signed > entries:
            raise LedgerAltered(f"entry {entries + 1}: it is missing, {self._signed} entries were signed")
        if self._erased != self._accounted:
            raise LedgerAltered(
                f"{self._erased} entries cannot be opened, and erasures account for {self._accounted}: a record or a"
                " key was taken away without an erasure"
            )
        if self._nodes:
            raise LedgerAltered(f"ledger_node {min(self._nodes)}: there is no such tile")
        query = "SELECT min(sequence) FROM punch WHERE sequence > ?"
        (extra,) = self._connection.execute(query, (entries,)).fetchone()
        if extra is not None:
            raise LedgerAltered(f"punch row {extra}: there is no such entry")
        first, last, count = self._connection.execute(
            "SELECT min(sequence), max(sequence), count(*) FROM outbox"
        ).fetchone()
        if count and (last != entries or last - first + 1 != count):
            raise LedgerAltered(f"outbox: expected all entries from {first} to {entries}, got {count} up to {last}")
