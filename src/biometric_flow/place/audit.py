"""Checks a place's whole ledger offline: chain, tree, checkpoints, keys, and the rows that follow from entries (L8)."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from biometric_flow.identity.errors import IdentityError
from biometric_flow.ledger.chain import EMPTY, Head
from biometric_flow.ledger.decisions import KeyChanged, LogStarted, PersonErased
from biometric_flow.ledger.errors import EventUnreadable, LedgerAltered, LedgerError
from biometric_flow.ledger.events import Event, decode
from biometric_flow.ledger.logs import FIRST, Decision, Log
from biometric_flow.ledger.merkle import TILE_HEIGHT, Frontier, Tile, tile_path
from biometric_flow.ledger.note import Checkpoint, Note, PublicKey
from biometric_flow.ledger.rotation import next_key
from biometric_flow.ledger.sqlite import COLUMNS, SqliteLedgerStore, end_of, logs_of
from biometric_flow.model.ids import PlaceId
from biometric_flow.place.aside import Aside
from biometric_flow.place.judge import TABLES, Judge, Row
from biometric_flow.place.schema import open_reader
from biometric_flow.place.side_by_side import Judges, Work, judges_of
from biometric_flow.place.subjects import Subjects
from biometric_flow.place.whole import index_that_differs
from biometric_flow.place.write_ahead import check_log
from biometric_flow.runtime.key_check import check_keys
from biometric_flow.runtime.key_store import KeyStore

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


def audit(file: Path, place: PlaceId, keys: Keys, store: KeyStore, jobs: int = 1) -> Audited:
    """Read all of a place's file and check it. Raises LedgerAltered, naming the first entry, row or key that is wrong.

    The file may be in use: it is read as it was at one moment. `store` opens the records; of people who were erased
    only the leaves can be checked, and that erasures account for all of them. `jobs` above 1 judges entries in so many
    processes beside this one, for a caller without threads whose root keys are in a file. Raises FolderUnusable while
    the keys cannot be checked.
    """
    check_log(file)
    check_keys(store)
    connection = open_reader(file)
    try:
        connection.execute("BEGIN")
        index = index_that_differs(connection)
        found = _Audit(connection, place, keys, store).run(jobs)
        if index:
            raise LedgerAltered(f"the database file: index {index} differs from its table, in which every row is right")
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


def _succession(
    connection: sqlite3.Connection, entries: SqliteLedgerStore, begun_with: PublicKey | None
) -> list[tuple[int, PublicKey]]:
    """Each key of a log with the entry that made it the key; nothing when its first key is not known.

    Every change is signed by the key before and the key after, so that trust in one of them reaches all the others.
    """
    log = entries.log
    query = (
        f"SELECT {COLUMNS} FROM ledger_entry WHERE instr(leaf, ?) AND sequence > ? AND sequence <= ?"  # noqa: S608
        " ORDER BY sequence"
    )
    span = log.begins, end_of(logs_of(connection), log)
    keys = [(0, begun_with)] if begun_with else []
    for row in connection.execute(query, (KeyChanged.kind.encode(), *span)):
        try:
            entry = entries.opened(row)
            event = decode(entry.record)
            if not isinstance(event, KeyChanged):
                continue
            before = keys[-1][1] if keys else PublicKey.parse(event.note.split("\n")[1])
            keys = keys or [(0, before)]
            keys.append((entry.sequence, next_key(event.note, before)))
        except (LedgerError, IndexError) as error:
            raise LedgerAltered(f"entry {row[0]}: it changes the key and does not fit: {error}") from error
    return keys


def _successions(
    connection: sqlite3.Connection, vault: Subjects, trusted: PublicKey
) -> dict[int, list[tuple[int, PublicKey]]]:
    """The keys of each log, by its number; the first entry of the next one is signed by both of theirs."""
    logs = logs_of(connection)
    stores = {log.number: SqliteLedgerStore(connection, vault, log) for log in logs}
    started = {log.number: _started(stores[log.number]) for log in logs[1:]}
    found: dict[int, list[tuple[int, PublicKey]]] = {}
    for log in logs:
        number = log.number
        note, first = started.get(number, (None, None))
        keys = _succession(connection, stores[number], first)
        if not keys:
            follows = started.get(number + 1)
            first = replace(follows[1], name=log_origin_of(follows[1], number)) if follows else trusted
            keys = [(0, first)]
        found[number] = keys
        if note is not None and first is not None:
            try:
                note.verified_by(found[number - 1][-1][1])
                note.verified_by(first)
            except LedgerError as error:
                raise LedgerAltered(
                    f"log {number}: its first entry does not continue the log before: {error}"
                ) from error
    known = {key for keys in found.values() for _, key in keys}
    if trusted not in known:
        raise LedgerAltered(f"the keys of this ledger are others than {trusted}")
    return found


def _started(entries: SqliteLedgerStore) -> tuple[Note, PublicKey]:
    """What the first entry of a later log says: the signed decision, and the key of the log."""
    where = f"log {entries.log.number}"
    try:
        (entry,) = entries.read(0, 1)
        event = decode(entry.record)
        if not isinstance(event, LogStarted):
            raise LedgerAltered(f"{where}: expected that its first entry says why it was begun, it is a {event.kind}")
        note = Note.parse(event.note)
        return note, Decision.parse(note.text).key
    except ValueError:
        raise LedgerAltered(f"{where}: its first entry is missing") from None
    except (LedgerError, EventUnreadable) as error:
        raise LedgerAltered(f"{where}: its first entry does not say why it was begun: {error}") from error


def log_origin_of(key: PublicKey, number: int) -> str:
    """The origin of another log of the same place."""
    base = key.name.partition("#")[0]
    return base if number == 1 else f"{base}#{number}"


def newest_log(file: Path) -> Log:
    """The log of a file that goes on; the first for a file that cannot be read, of which `audit` says so."""
    with closing(open_reader(file)) as connection:
        try:
            return logs_of(connection)[-1]
        except sqlite3.Error:
            return FIRST


def _legible(text: bytes) -> str:
    """Another text for other bytes, whatever they are."""
    return text.decode("utf-8", "surrogateescape")


class _Audit:
    """All logs of a file, one after the other; what is checked is always the log under way."""

    def __init__(self, connection: sqlite3.Connection, place: PlaceId, keys: Keys, store: KeyStore) -> None:
        self._connection, self._of, self._keys = connection, place, keys
        self._subjects = Subjects(connection, store)
        self._successions = _successions(connection, self._subjects, keys.place)
        self._carried = dict(connection.execute("SELECT number - 1, carried FROM ledger_log"))
        self._erased = self._accounted = self._punches = self._cosigned = self._count = self._total = 0
        self._before: tuple[int, bytes] | None = None
        self._aside = Aside(connection, self._subjects)

    def run(self, jobs: int) -> Audited:
        logs = logs_of(self._connection)
        with judges_of({log.number: self._judge(log) for log in logs}, jobs) as judges:
            for log in logs:
                self._begin(log)
                head = self._read(judges)
                if log != logs[-1] and end_of(logs, log) != log.begins + head.sequence:
                    raise LedgerAltered(f"entry {head.sequence + 1} of log {log.number}: it is missing")
                self._log_ends(head.sequence)
                self._before = head.sequence, self._tree.root()
        self._nothing_left(self._log.begins + head.sequence)
        return Audited(self._total, self._punches, self._count, self._cosigned, self._tree.root(), self._signed)

    def _judge(self, log: Log) -> Judge:
        entries = SqliteLedgerStore(self._connection, self._subjects, log)
        return Judge(self._of, log, self._carried.get(log.number), entries, self._subjects)

    def _begin(self, log: Log) -> None:
        """Turn to a log."""
        self._log, self._judging = log, self._judge(log)
        self._tree = Frontier()
        nodes = self._connection.execute("SELECT level, position, hash FROM ledger_node WHERE log = ?", (log.number,))
        self._nodes = {(level, at): node for level, at, node in nodes}
        query = "SELECT size - ?1, note, signed_at, is_cosigned FROM checkpoint WHERE size > ?1 AND size <= ?2"
        span = (log.begins, end_of(logs_of(self._connection), log))
        self._checkpoints = {row[0]: row[1:] for row in self._connection.execute(query, span)}
        self._signed = max(self._checkpoints, default=0)
        self._succession = self._successions[log.number]

    def _read(self, judges: Judges) -> Head:
        head = EMPTY
        for (_, before, stored, _), piece in judges.judged(self._work()):
            for at, leaf in enumerate(piece.hashes):
                if at in piece.far:
                    self._far(before.sequence + at + 1, piece.far[at])
                self._grown(leaf)
                head = Head(before.sequence + at + 1, leaf)
            if piece.altered:
                raise LedgerAltered(piece.altered)
            self._erased += piece.erased
            self._punches += piece.punches
            assert head.sequence == before.sequence + len(stored)
        return head

    def _work(self) -> Iterator[Work]:
        """All entries of the log in pieces. Each follows the last hash of the piece before, which is judged there."""
        entries = SqliteLedgerStore(self._connection, self._subjects, self._log)
        head, begins = EMPTY, self._log.begins
        while stored := list(entries.rows(head.sequence, STEP)):
            span = begins + head.sequence, stored[-1][0]
            yield self._log.number, head, stored, {table: self._rows(table, *span) for table in TABLES}
            head = Head(stored[-1][0] - begins, stored[-1][2])

    def _rows(self, table: str, after: int, until: int) -> dict[int, Row]:
        query = f"SELECT * FROM {table} WHERE sequence > ? AND sequence <= ?"  # noqa: S608 - our own names
        try:
            rows = self._connection.execute(query, (after, until)).fetchall()
        except sqlite3.OperationalError:  # maybe a text that is none: it differs from the entry's, which names it
            self._connection.text_factory = _legible
            rows = self._connection.execute(query, (after, until)).fetchall()
            self._connection.text_factory = str
        return {row[0]: row for row in rows}

    def _far(self, sequence: int, event: Event) -> None:
        """What an entry says about others, and about rows that do not follow from it alone."""
        where = self._judging.where(sequence)
        self._accounted += event.entries if isinstance(event, PersonErased) else 0
        if isinstance(event, LogStarted):
            self._continues(where, event)
        if self._judging.tells(self._log.begins + sequence):
            self._aside.check(where, event)

    def _continues(self, where: str, event: LogStarted) -> None:
        """The first entry of a later log tells the truth about the log before it, as this file holds it."""
        number, begins = self._log.number, self._log.begins
        size, root = self._before or (0, b"")
        said = (event.own_size, event.own_root, begins - size + event.carried)
        if number == 1 or said != (size, root, self._carried[number - 1]):
            raise LedgerAltered(f"{where}: it says otherwise than this file of the log that it follows")

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
        if note.text != Checkpoint(self._key_at(size).name, size, self._tree.root()).text():
            raise LedgerAltered(f"{where}: it was signed over another history than the one in this file")
        if (len(note.signatures) > 1) != is_cosigned:
            raise LedgerAltered(f"{where}: it is marked as cosigned and is not, or the other way round")
        self._cosigned += is_cosigned

    def _key_at(self, size: int) -> PublicKey:
        """Who signs a checkpoint over so many entries."""
        return [key for sequence, key in self._succession if sequence <= size][-1]

    def _log_ends(self, entries: int) -> None:
        if self._signed > entries:
            raise LedgerAltered(f"entry {entries + 1}: it is missing, {self._signed} entries were signed")
        if self._nodes:
            raise LedgerAltered(f"ledger_node {min(self._nodes)}: there is no such tile")
        self._count += len(self._checkpoints)
        self._total += entries

    def _nothing_left(self, entries: int) -> None:
        self._aside.finish()
        if self._erased != self._accounted:
            raise LedgerAltered(
                f"{self._erased} entries cannot be opened, and erasures account for {self._accounted}: a record or a"
                " key was taken away without an erasure"
            )
        newest = (self._log.number,)
        (node,) = self._connection.execute(
            "SELECT min(log) FROM ledger_node WHERE log NOT BETWEEN 1 AND ?", newest
        ).fetchone()
        if node is not None:
            raise LedgerAltered(f"ledger_node of log {node}: there is no such log")
        (size,) = self._connection.execute("SELECT min(size) FROM checkpoint WHERE size < 1").fetchone()
        if size is not None:
            raise LedgerAltered(f"checkpoint over {size} entries: there is no such checkpoint")
        for table in TABLES:
            query = f"SELECT min(sequence) FROM {table} WHERE sequence NOT BETWEEN 1 AND ?"  # noqa: S608 - our own names
            (extra,) = self._connection.execute(query, (entries,)).fetchone()
            if extra is not None:
                raise LedgerAltered(f"{table} row {extra}: there is no such entry")
        first, last, count = self._connection.execute(
            "SELECT min(sequence), max(sequence), count(*) FROM outbox"
        ).fetchone()
        if count and (last != entries or last - first + 1 != count):
            raise LedgerAltered(f"outbox: expected all entries from {first} to {entries}, got {count} up to {last}")
