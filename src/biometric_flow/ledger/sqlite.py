"""A ledger in SQLite: entries, subject keys and the outbox, written inside the caller's transaction."""

import secrets
import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from biometric_flow.ledger.chain import EMPTY, KEY_BYTES, Head, SealedEntry
from biometric_flow.ledger.store import KeyRing, LedgerStore

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
PLACE_SUBJECT: Final = ""
"""The row of `subject_key` that is the place's own; no PIN is empty."""

COLUMNS: Final = "sequence, leaf, hash, record, opening"


class SqliteLedgerStore:
    """Entries over an open connection. Begin and commit are the connection owner's."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def head(self) -> Head:
        """Where the chain ends."""
        row = self._connection.execute(
            "SELECT sequence, hash FROM ledger_entry ORDER BY sequence DESC LIMIT 1"
        ).fetchone()
        return Head(*row) if row else EMPTY

    def append(self, entries: Sequence[SealedEntry]) -> None:
        """Add entries that continue the head, and put each in the outbox."""
        self._connection.executemany(
            "INSERT INTO ledger_entry VALUES (?, ?, ?, ?, ?)",
            [(entry.sequence, entry.leaf, entry.hash, entry.record, entry.opening) for entry in entries],
        )
        self._connection.executemany("INSERT INTO outbox VALUES (?)", [(entry.sequence,) for entry in entries])

    def read(self, after: int, limit: int) -> Sequence[SealedEntry]:
        """Up to `limit` entries with a sequence greater than `after`, in order."""
        rows = self._connection.execute(
            f"SELECT {COLUMNS} FROM ledger_entry WHERE sequence > ? ORDER BY sequence LIMIT ?",  # noqa: S608 - constant
            (after, limit),
        )
        return [SealedEntry(*row) for row in rows]

    def acknowledge(self, position: int) -> None:
        """Take what the gateway holds durably out of the outbox."""
        self._connection.execute("DELETE FROM outbox WHERE sequence <= ?", (position,))

    def backlog(self) -> int:
        """Entries that the gateway has not acknowledged."""
        (count,) = self._connection.execute("SELECT count(*) FROM outbox").fetchone()
        return int(count)

    def key(self, subject: str | None) -> bytes:
        """The 32-byte key of a subject, made when there is none; None means the place."""
        name = PLACE_SUBJECT if subject is None else subject
        row = self._connection.execute("SELECT key FROM subject_key WHERE subject = ?", (name,)).fetchone()
        if row:
            return bytes(row[0])
        key = secrets.token_bytes(KEY_BYTES)
        self._connection.execute("INSERT INTO subject_key VALUES (?, ?)", (name, key))
        return key


if TYPE_CHECKING:
    _stores: type[LedgerStore] = SqliteLedgerStore
    _keys: type[KeyRing] = SqliteLedgerStore
