"""The file of a key store: every key wrapped under the one above it, in SQLite, apart from the data (K1, E2).

No WAL: a rollback journal is emptied with its commit, so that no copy of a destroyed key stays behind. What is wrapped
stands in a table of its own, each in a slot that is written over where it lies: `secure_delete` overwrites what is
deleted, and not the copies that SQLite leaves in a page whose rows it moved to another (ADR 169).
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from biometric_flow.identity.envelope import KeyId
from biometric_flow.identity.keyring import KeyKind, KeyRecord, KeyState, Owner
from biometric_flow.ledger.errors import StorageUnavailable
from biometric_flow.runtime.errors import FolderUnusable

FILE_NAME: Final = "keys.sqlite3"
KEYS_FOLDER: Final = "keys"
"""Default name of the folder with the key store, within the folder of a place or gateway."""

_SCHEMA: Final = """
CREATE TABLE key (
    id         BLOB PRIMARY KEY,
    kind       TEXT NOT NULL,
    owner      TEXT NOT NULL,              -- a random subject id, a terminal's key, an integration's name; never a PIN
    version    INTEGER NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('pending', 'active', 'verify-only', 'destroyed')),
    wrapped_by BLOB,
    slot       INTEGER NOT NULL UNIQUE,    -- of `wrapping`
    reserved   INTEGER NOT NULL,           -- messages
    UNIQUE (kind, owner, version)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX key_active ON key (kind, owner) WHERE state = 'active';
CREATE INDEX key_wrapped_by ON key (wrapped_by);
CREATE TABLE wrapping (
    slot       INTEGER PRIMARY KEY,        -- given in order, never given again
    content    BLOB NOT NULL               -- zeros once the key is destroyed; never another length: no row moves
) STRICT;
"""
_FROM_1: Final = f"""
DROP INDEX key_active;
DROP INDEX key_wrapped_by;
ALTER TABLE key RENAME TO key_before;
{_SCHEMA}
INSERT INTO wrapping SELECT row_number() OVER (ORDER BY id), wrapped FROM key_before ORDER BY id;
INSERT INTO key SELECT id, kind, owner, version, state, wrapped_by, row_number() OVER (ORDER BY id), reserved
    FROM key_before ORDER BY id;
DROP TABLE key_before;
"""  # noqa: S608 - our own words
_VERSION: Final = 2
_READ: Final = """
SELECT id, kind, owner, version, state, wrapped_by,
    CASE WHEN state = 'destroyed' AND content = zeroblob(length(content)) THEN x'' ELSE content END, reserved
FROM key LEFT JOIN wrapping USING (slot)
"""
_KINDS: Final = (bytes, str, str, int, str, bytes | None, bytes, int)
"""Of their values. SQLite looks at them when they are written, and a file may be altered afterwards."""
_ASKED_AT_ONCE: Final = 400
"""Owners in one question: SQLite takes 999 values in one where it was built long ago."""


class KeyFile:
    """Reads and writes the keys, wrapped; durable when `writing` ends. One thread at a time."""

    def __init__(self, connection: sqlite3.Connection, *, can_write: bool = True) -> None:
        self._connection, self._can_write = connection, can_write

    def all(self) -> list[KeyRecord]:
        """Every key."""
        return self.read("ORDER BY kind, owner, version")

    def read(self, where: str = "", given: tuple[Any, ...] = ()) -> list[KeyRecord]:
        """Keys that a condition in our own words meets."""
        rows = self._connection.execute(f"{_READ} {where}", given)
        return [_record(row) for row in rows]

    def of_owners(self, owners: Iterable[Owner]) -> list[KeyRecord]:
        """Every version of the keys of these owners, in one question for many."""
        # Kind by kind: pairs in one list would not be found by the index.
        names: dict[KeyKind, list[str]] = {}
        for owner in owners:
            names.setdefault(owner.kind, []).append(owner.name)
        found: list[KeyRecord] = []
        for kind, all_of_kind in names.items():
            for some in _in_pieces(all_of_kind):
                found += self.read(f"WHERE kind = ? AND owner IN ({_marks(some)})", (kind.value, *some))
        return found

    def owners(self, keys: Iterable[KeyId]) -> dict[KeyId, Owner]:
        """Whose keys these are; those that are not in this file are left out."""
        found: dict[KeyId, Owner] = {}
        for some in _in_pieces(list(dict.fromkeys(keys))):
            rows = self._connection.execute(f"SELECT id, kind, owner FROM key WHERE id IN ({_marks(some)})", some)  # noqa: S608
            found |= {KeyId(key): Owner(KeyKind(kind), owner) for key, kind, owner in rows}
        return found

    def counts(self) -> Counter[tuple[str, str]]:
        """How many keys there are of each kind in each state."""
        rows = self._connection.execute("SELECT kind, state, count(*) FROM key GROUP BY kind, state")
        return Counter({(kind, state): count for kind, state, count in rows})

    def below(self) -> dict[KeyId, int]:
        """How many keys each key wraps."""
        rows = self._connection.execute("SELECT wrapped_by, count(*) FROM key GROUP BY wrapped_by")
        return {KeyId(by): count for by, count in rows if by is not None}

    def fault(self) -> str:
        """What is wrong with the file itself, empty when nothing is. Raises sqlite3.Error where SQLite cannot say."""
        (answer,) = self._connection.execute("PRAGMA integrity_check(1)").fetchone()
        if answer != "ok":
            return " ".join(str(answer).split())
        with closing(_connected(":memory:")) as fresh:
            fresh.executescript(_SCHEMA)
            if _definitions(self._connection) != _definitions(fresh):
                return "its tables and indexes are not as this program makes them"
        return ""

    def version(self) -> int:
        """Another number after another process wrote."""
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        return int(version)

    def keep(self, records: list[KeyRecord]) -> None:
        """Write them, within `writing`."""
        slots = self._slots([one.id for one in records])
        (free,) = self._connection.execute("SELECT coalesce(max(slot), 0) + 1 FROM wrapping").fetchone()
        rows, new, over = [], [], []
        for one in records:
            slot, length = slots.get(one.id, (None, 0))
            content = one.wrapped or bytes(length)
            if slot is not None and length != len(content):
                over.append((bytes(length), slot))
            if slot is None or length != len(content):
                slot, free = free, free + 1
                slots[one.id] = slot, len(content)
                new.append((slot, content))
            else:
                over.append((content, slot))
            rows.append(_row(one, slot))
        self._connection.executemany("INSERT INTO wrapping (slot, content) VALUES (?, ?)", new)
        self._connection.executemany("UPDATE wrapping SET content = ?1 WHERE slot = ?2 AND content IS NOT ?1", over)
        self._connection.executemany(
            "INSERT INTO key (id, kind, owner, version, state, wrapped_by, slot, reserved)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET state = excluded.state, wrapped_by = excluded.wrapped_by,"
            " slot = excluded.slot, reserved = excluded.reserved",
            rows,
        )

    def _slots(self, keys: list[KeyId]) -> dict[KeyId, tuple[int | None, int]]:
        """Where what is wrapped of these lies, and its length in bytes."""
        found: dict[KeyId, tuple[int | None, int]] = {}
        for some in _in_pieces(keys):
            rows = self._connection.execute(
                f"SELECT id, slot, length(content) FROM key JOIN wrapping USING (slot) WHERE id IN ({_marks(some)})",  # noqa: S608
                some,
            )
            found |= {KeyId(key): (slot, length) for key, slot, length in rows}
        return found

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction that sees what other processes wrote. Raises StorageUnavailable."""
        if not self._can_write:  # SQLite says so at the first row only, when a root key may have been made for it
            raise StorageUnavailable("the key store was opened to read only, and a key that has to be there is not")
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            raise StorageUnavailable(f"the key store did not take the write, nothing was sealed: {error}") from error
        finally:
            with suppress(sqlite3.ProgrammingError):  # it is closed
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def open_file(file: Path) -> KeyFile:
    """The file to read and write, made when there is none. Raises FolderUnusable, OSError and sqlite3.Error."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.touch(mode=0o600)
    connection = _connected(str(file))
    connection.execute("PRAGMA journal_mode = TRUNCATE")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")
    version = _version(connection)
    if version > _VERSION:
        raise FolderUnusable(f"{file} was written by a newer version (schema {version}); this program knows {_VERSION}")
    if version < _VERSION:
        _renew(connection)
    _clean(connection)
    return KeyFile(connection)


def read_file(file: Path) -> KeyFile:
    """The file as another process made it, to read only. Raises sqlite3.Error."""
    connection = _connected(f"{file.resolve().as_uri()}?mode=ro")
    if _version(connection) != 1:
        return KeyFile(connection, can_write=False)
    with closing(connection):  # of an older program: renewed in memory, the file stays as it is
        renewed = _connected(":memory:")
        connection.backup(renewed)
    _renew(renewed)
    return KeyFile(renewed, can_write=False)


def copy_store(file: Path, target: Path) -> None:
    """A key store as it is at one moment, into a file of mode 0600; whoever writes beside is not held up for long.

    Raises FolderUnusable.
    """
    target.unlink(missing_ok=True)
    target.touch(mode=0o600)
    try:
        with (
            closing(_connected(f"{file.resolve().as_uri()}?mode=ro")) as source,
            closing(_connected(str(target))) as copy,
        ):
            source.backup(copy)
    except sqlite3.Error as error:
        raise FolderUnusable(f"cannot copy the key store {file}: {error}; check the disk") from None


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _renew(connection: sqlite3.Connection) -> None:
    """Make a new store, or renew one of version 1, whose rows held what is wrapped themselves.

    Another process may be doing the same: what is left to do is looked at again once it is our turn.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _version(connection)
        if version < _VERSION:
            for statement in _statements(_SCHEMA if version == 0 else _FROM_1):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {_VERSION}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _statements(script: str) -> Iterator[str]:
    """Its statements one by one: `executescript` commits first what is under way."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _clean(connection: sqlite3.Connection) -> None:
    """Give free pages back: what a killed process wrote into one stays there after its journal was rolled back."""
    (pages,) = connection.execute("PRAGMA freelist_count").fetchone()
    if pages:
        # Another process uses the file, or the disk is full: the next who opens it does it.
        with suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA temp_store = MEMORY")
            connection.execute("VACUUM")


def _definitions(connection: sqlite3.Connection) -> list[tuple[str, ...]]:
    return connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name").fetchall()


def _row(record: KeyRecord, slot: int) -> tuple[Any, ...]:
    owner = record.owner
    head = (record.id, owner.kind, owner.name, record.version, record.state)
    return (*head, record.wrapped_by, slot, record.reserved)


def _record(row: tuple[Any, ...]) -> KeyRecord:
    if not all(isinstance(value, kind) for value, kind in zip(row, _KINDS, strict=True)):
        raise ValueError("a value is of another kind than this program writes")
    key, kind, owner, version, state, by, wrapped, used = row
    owned = Owner(KeyKind(kind), owner)
    return KeyRecord(KeyId(key), owned, version, KeyState(state), by and KeyId(by), wrapped, used)


def _connected(target: str) -> sqlite3.Connection:
    is_uri = target.startswith("file:")
    return sqlite3.connect(target, uri=is_uri, isolation_level=None, check_same_thread=False, timeout=5)


def _in_pieces(values: list[Any]) -> Iterator[list[Any]]:
    return (values[first : first + _ASKED_AT_ONCE] for first in range(0, len(values), _ASKED_AT_ONCE))


def _marks(values: list[Any]) -> str:
    return ", ".join("?" * len(values))
