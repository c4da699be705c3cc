"""A ledger in SQLite: entries with sealed records and the outbox, written inside the caller's transaction."""

import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from biometric_flow.ledger.chain import EMPTY, Head, SealedEntry, opening
from biometric_flow.ledger.logs import FIRST, Log, log_key
from biometric_flow.ledger.store import LedgerStore, RecordVault

SCHEMA: Final = """
CREATE TABLE ledger_entry (
    sequence INTEGER PRIMARY KEY,
    leaf     BLOB NOT NULL,
    hash     BLOB NOT NULL,
    record   BLOB NOT NULL,
    opening  BLOB NOT NULL
) STRICT;
CREATE TABLE outbox (
    sequence INTEGER PRIMARY KEY REFERENCES ledger_entry
) STRICT;
CREATE TABLE subject_key (
    subject TEXT PRIMARY KEY,
    key     BLOB NOT NULL
) STRICT, WITHOUT ROWID;
"""
"""As it was released first; `SEALED` is what became of it."""

SEALED: Final = """
ALTER TABLE ledger_entry DROP COLUMN opening;   -- derived from the key and the sequence
DROP TABLE subject_key;
"""
"""From the version on in which `record` is an envelope, empty once its person was erased."""

LOGS: Final = """
CREATE TABLE ledger_log (                  -- the logs after the first one
    number  INTEGER PRIMARY KEY,
    begins  INTEGER NOT NULL,              -- position behind which its entries stand
    carried INTEGER NOT NULL               -- position behind which those of the log before are recorded again in it
) STRICT;
ALTER TABLE ledger_node RENAME TO ledger_node_before;
CREATE TABLE ledger_node (                 -- roots of full tiles: level 1 and above of C2SP tlog-tiles
    log      INTEGER NOT NULL,
    level    INTEGER NOT NULL,
    position INTEGER NOT NULL,             -- within the level, from 0
    hash     BLOB NOT NULL,
    PRIMARY KEY (log, level, position)
) STRICT, WITHOUT ROWID;
INSERT INTO ledger_node SELECT 1, level, position, hash FROM ledger_node_before;
DROP TABLE ledger_node_before;
"""
"""From the version on in which a place may have several logs. `sequence` and `checkpoint.size` are positions, which go
on counting over all of them."""

_NO_END: Final = 2**63 - 1
COLUMNS: Final = "sequence, leaf, hash, record"


def logs_of(connection: sqlite3.Connection) -> list[Log]:
    """All logs in a file, oldest first."""
    rows = connection.execute("SELECT number, begins FROM ledger_log ORDER BY number")
    return [FIRST, *(Log(*row) for row in rows)]


def end_of(logs: Sequence[Log], log: Log) -> int:
    """The position at which a log ends; beyond every entry for the one that goes on."""
    return min((other.begins for other in logs if other.number > log.number), default=_NO_END)


class SqliteLedgerStore:
    """Entries of one log over a connection, of the newest unless told. Begin and commit are its owner's."""

    def __init__(self, connection: sqlite3.Connection, vault: RecordVault, log: Log | None = None) -> None:
        self._connection, self._vault = connection, vault
        logs = logs_of(connection)
        self.log = log or logs[-1]
        self._end = end_of(logs, self.log)

    def head(self) -> Head:
        """Where the chain ends."""
        row = self._connection.execute(
            "SELECT sequence, hash FROM ledger_entry WHERE sequence > ? AND sequence <= ?"
            " ORDER BY sequence DESC LIMIT 1",
            (self.log.begins, self._end),
        ).fetchone()
        return Head(row[0] - self.log.begins, row[1]) if row else EMPTY

    def append(self, entries: Sequence[SealedEntry]) -> None:
        """Add entries that continue the head, and put each in the outbox."""
        seal = self._vault.seal_record
        placed = [(self.log.begins + entry.sequence, entry) for entry in entries]
        self._connection.executemany(
            "INSERT INTO ledger_entry VALUES (?, ?, ?, ?)",
            [(at, entry.leaf, entry.hash, seal(entry.subject, at, entry.record)) for at, entry in placed],
        )
        self._connection.executemany("INSERT INTO outbox VALUES (?)", [(at,) for at, _ in placed])

    def read(self, after: int, limit: int) -> Sequence[SealedEntry]:
        """Up to `limit` entries with a sequence greater than `after`, in order. Raises ChainBroken."""
        return [self.opened(row) for row in self.rows(after, limit)]

    def rows(self, after: int, limit: int) -> Sequence[tuple[int, bytes, bytes, bytes]]:
        """The same entries as they lie in the file: position, leaf, hash, sealed record."""
        query = f"SELECT {COLUMNS} FROM ledger_entry WHERE sequence > ? AND sequence <= ? ORDER BY sequence LIMIT ?"  # noqa: S608
        return self._connection.execute(query, (self.log.begins + after, self._end, limit)).fetchall()

    def opened(self, row: tuple[int, bytes, bytes, bytes]) -> SealedEntry:
        """The entry in a row. Raises ChainBroken when its record does not open."""
        position, leaf, leaf_hash, sealed = row
        opened = self._vault.open_record(position, sealed) if sealed else None
        sequence = position - self.log.begins
        if opened is None:
            return SealedEntry(sequence, leaf, leaf_hash, b"", b"")
        ties = opened.opening or opening(log_key(opened.key, self.log.number), sequence)
        return SealedEntry(sequence, leaf, leaf_hash, opened.record, ties)

    def acknowledge(self, position: int) -> None:
        """Take what the gateway holds durably out of the outbox."""
        self._connection.execute("DELETE FROM outbox WHERE sequence <= ?", (self.log.begins + position,))

    def backlog(self) -> int:
        """Entries that the gateway has not acknowledged."""
        (count,) = self._connection.execute("SELECT count(*) FROM outbox").fetchone()
        return int(count)


if TYPE_CHECKING:
    _stores: type[LedgerStore] = SqliteLedgerStore
