"""What a witness has cosigned of each log, durably: its whole memory."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

from biometric_flow.ledger.errors import StorageUnavailable
from biometric_flow.ledger.note import Checkpoint, Note
from biometric_flow.runtime.errors import FolderUnusable

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS seen (
    origin      TEXT PRIMARY KEY,
    note        TEXT NOT NULL,             -- the last checkpoint, as its log and this witness signed it
    cosigned_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS refused (       -- what a log has signed and this witness has not: evidence
    origin TEXT NOT NULL,
    note   TEXT NOT NULL,
    reason TEXT NOT NULL,
    at     TEXT NOT NULL,
    PRIMARY KEY (origin, note)
) STRICT, WITHOUT ROWID;
"""


class Seen:
    """The last checkpoint of each log. One request at a time: what was read is what is written over."""

    def __init__(self, file: Path) -> None:
        try:
            self._connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False, timeout=5)
            self._connection.execute("PRAGMA journal_mode = DELETE")
            self._connection.execute("PRAGMA synchronous = EXTRA")
            self._connection.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise FolderUnusable(f"cannot use {file}: {error}; check the disk") from None

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Nobody else reads or writes until the end, which is durable. Raises StorageUnavailable."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise StorageUnavailable(f"nothing was cosigned, the disk did not take the write: {error}") from error
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def last(self, origin: str) -> Checkpoint | None:
        """The last checkpoint of a log, None before the first."""
        note = self.note(origin)
        return None if note is None else Checkpoint.parse(note.text)

    def note(self, origin: str) -> Note | None:
        """The same, as it was signed."""
        row = self._connection.execute("SELECT note FROM seen WHERE origin = ?", (origin,)).fetchone()
        return row and Note.parse(row[0])

    def keep(self, origin: str, note: Note, now: datetime) -> None:
        """From now on this is the last one."""
        row = (origin, str(note), now.isoformat())
        self._connection.execute("INSERT OR REPLACE INTO seen VALUES (?, ?, ?)", row)

    def refuse(self, origin: str, note: Note, reason: str, now: datetime) -> None:
        """Keep a checkpoint that contradicts the last one."""
        row = (origin, str(note), reason, now.isoformat())
        self._connection.execute("INSERT OR IGNORE INTO refused VALUES (?, ?, ?, ?)", row)

    def refusals(self) -> list[tuple[str, str, str, str]]:
        """Origin, reason, time and note of all that was refused as a second history, oldest first."""
        return self._connection.execute("SELECT origin, reason, at, note FROM refused ORDER BY at").fetchall()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
