"""A ledger in SQLite: entries with sealed records and the outbox, written inside the caller's transaction."""

import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from biometric_flow.ledger.chain import EMPTY, Head, SealedEntry, opening
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

COLUMNS: Final = "sequence, leaf, hash, record"


class SqliteLedgerStore:
    """Entries over an open connection. Begin and commit are the connection owner's."""

    def __init__(self, connection: sqlite3.Connection, vault: RecordVault) -> None:
        self._connection, self._vault = connection, vault

    def head(self) -> Head:
        """Where the chain ends."""
        row = self._connection.execute(
            "SELECT sequence, hash FROM ledger_entry ORDER BY sequence DESC LIMIT 1"
        ).fetchone()
        return Head(*row) if row else EMPTY

    def append(self, entries: Sequence[SealedEntry]) -> None:
        """Add entries that continue the head, and put each in the outbox."""
        seal = self._vault.seal_record
        self._connection.executemany(
            "INSERT INTO ledger_entry VALUES (?, ?, ?, ?)",
            [
                (entry.sequence, entry.leaf, entry.hash, seal(entry.subject, entry.sequence, entry.record))
                for entry in entries
            ],
        )
        self._connection.executemany("INSERT INTO outbox VALUES (?)", [(entry.sequence,) for entry in entries])

    def read(self, after: int, limit: int) -> Sequence[SealedEntry]:
        """Up to `limit` entries with a sequence greater than `after`, in order. Raises ChainBroken."""
        return [self.opened(row) for row in self.rows(after, limit)]

    def rows(self, after: int, limit: int) -> Sequence[tuple[int, bytes, bytes, bytes]]:
        """The same entries as they lie in the file: sequence, leaf, hash, sealed record."""
        query = f"SELECT {COLUMNS} FROM ledger_entry WHERE sequence > ? ORDER BY sequence LIMIT ?"  # noqa: S608
        return self._connection.execute(query, (after, limit)).fetchall()

    def opened(self, row: tuple[int, bytes, bytes, bytes]) -> SealedEntry:
        """The entry in a row. Raises ChainBroken when its record does not open."""
        sequence, leaf, leaf_hash, sealed = row
        opened = self._vault.open_record(sequence, sealed) if sealed else None
        if opened is None:
            return SealedEntry(sequence, leaf, leaf_hash, b"", b"")
        record, key = opened
        return SealedEntry(sequence, leaf, leaf_hash, record, opening(key, sequence))

    def acknowledge(self, position: int) -> None:
        """Take what the gateway holds durably out of the outbox."""
        self._connection.execute("DELETE FROM outbox WHERE sequence <= ?", (position,))

    def backlog(self) -> int:
        """Entries that the gateway has not acknowledged."""
        (count,) = self._connection.execute("SELECT count(*) FROM outbox").fetchone()
        return int(count)


if TYPE_CHECKING:
    _stores: type[LedgerStore] = SqliteLedgerStore
