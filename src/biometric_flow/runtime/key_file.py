"""The file of a key store: every key wrapped under the one above it, in SQLite, apart from the data (K1, E2).

No WAL: a rollback journal is emptied with its commit, so that no copy of a destroyed key stays behind;
`secure_delete` overwrites it in the file itself.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
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
    wrapped    BLOB NOT NULL,
    reserved   INTEGER NOT NULL,           -- messages
    UNIQUE (kind, owner, version)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX key_active ON key (kind, owner) WHERE state = 'active';
CREATE INDEX key_wrapped_by ON key (wrapped_by);
"""
_COLUMNS: Final = "id, kind, owner, version, state, wrapped_by, wrapped, reserved"
_KINDS: Final = (bytes, str, str, int, str, bytes | None, bytes, int)
"""Of their values. SQLite looks at them when they are written, and a file may be altered afterwards."""
_ASKED_AT_ONCE: Final = 400
"""Owners in one question: SQLite takes 999 values in one where it was built long ago."""


class KeyFile:
    """Reads and writes the keys, wrapped; durable when `writing` ends. One thread at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def all(self) -> list[KeyRecord]:
        """Every key."""
        return self.read("ORDER BY kind, owner, version")

    def read(self, where: str = "", given: tuple[Any, ...] = ()) -> list[KeyRecord]:
        """Keys that a condition in our own words meets."""
        rows = self._connection.execute(f"SELECT {_COLUMNS} FROM key {where}", given)  # noqa: S608 - our own words
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
        self._connection.executemany(
            f"INSERT INTO key ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"  # noqa: S608
            " state = excluded.state, wrapped_by = excluded.wrapped_by, wrapped = excluded.wrapped,"
            " reserved = excluded.reserved",
            [_row(one) for one in records],
        )

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction that sees what other processes wrote. Raises StorageUnavailable."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            raise StorageUnavailable(f"the key store did not take the write, nothing was sealed: {error}") from error
        finally:
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
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == 0:
        connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = 1; COMMIT;")
    elif version > 1:
        raise FolderUnusable(f"{file} was written by a newer version (schema {version}); this program knows 1")
    return KeyFile(connection)


def read_file(file: Path) -> KeyFile:
    """The file as another process made it, to read only. Raises sqlite3.Error."""
    return KeyFile(_connected(f"{file.resolve().as_uri()}?mode=ro"))


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


def _definitions(connection: sqlite3.Connection) -> list[tuple[str, ...]]:
    return connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name").fetchall()


def _row(record: KeyRecord) -> tuple[Any, ...]:
    owner = record.owner
    head = (record.id, owner.kind, owner.name, record.version, record.state)
    return (*head, record.wrapped_by, record.wrapped, record.reserved)


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
