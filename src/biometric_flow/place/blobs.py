"""Files for terminals, known by an opaque id and a digest; no path from outside names one (security-design D5)."""

import hashlib
import secrets
import sqlite3
from datetime import datetime
from typing import Any, Final

from biometric_flow.api.rollouts import PIECE_MAX, BlobCreate, BlobView
from biometric_flow.place.errors import BlobRefused, BlobUnknown
from biometric_flow.place.savepoint import savepoint

SCHEMA: Final = """
CREATE TABLE blob (
    id            TEXT PRIMARY KEY,
    title         TEXT NOT NULL,
    size          INTEGER NOT NULL,
    sha256        TEXT NOT NULL,
    is_whole      INTEGER NOT NULL,
    registered_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE blob_piece (
    blob     TEXT NOT NULL REFERENCES blob ON DELETE CASCADE,
    position INTEGER NOT NULL,             -- of its first byte
    body     BLOB NOT NULL,
    PRIMARY KEY (blob, position)
) STRICT;
"""

BLOBS_MAX: Final = 32
"""Files of a place at most; two gigabytes if all were as large as they may be."""

_SELECT: Final = (
    "SELECT id, title, size, sha256, is_whole, registered_at,"
    " (SELECT coalesce(sum(length(body)), 0) FROM blob_piece WHERE blob = id) FROM blob"
)


class Blobs:
    """The files of a place. All methods run in the writer's thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def register(self, new: BlobCreate, now: datetime) -> BlobView:
        """A new file without its bytes. Raises BlobRefused when there are too many."""
        with savepoint(self._connection, "the blob"):
            (count,) = self._connection.execute("SELECT count(*) FROM blob").fetchone()
            if count >= BLOBS_MAX:
                raise BlobRefused(f"expected at most {BLOBS_MAX} blobs, the place has them; delete one first")
            identity = secrets.token_urlsafe(24)
            values = (identity, new.title, new.size, new.sha256, now.isoformat())
            self._connection.execute("INSERT INTO blob VALUES (?, ?, ?, ?, 0, ?)", values)
        return self.get(identity)

    def add_piece(self, identity: str, position: int, body: bytes) -> BlobView:
        """The next bytes; the last of them make it whole if the digest fits. The same piece again changes nothing.

        Raises BlobRefused for bytes that do not follow those held, or whose whole has another digest.
        """
        with savepoint(self._connection, "the piece"):
            held = self.get(identity)
            end = position + len(body)
            if end <= held.held and not (position == held.held or (held.is_whole and position == held.size)):
                return held
            if not 1 <= len(body) <= PIECE_MAX or position != held.held or end > held.size:
                raise BlobRefused(
                    f"expected 1 to {PIECE_MAX} bytes at {held.held} of {held.size}, got {len(body)} at {position}"
                )
            self._connection.execute("INSERT INTO blob_piece VALUES (?, ?, ?)", (identity, position, body))
            if end == held.size:
                if self._digest(identity) != held.sha256:
                    raise BlobRefused(
                        "expected bytes of the registered SHA-256, got others; delete the blob and register it again"
                    )
                self._connection.execute("UPDATE blob SET is_whole = 1 WHERE id = ?", (identity,))
        return self.get(identity)

    def get(self, identity: str) -> BlobView:
        """One file. Raises BlobUnknown."""
        row = self._connection.execute(f"{_SELECT} WHERE id = ?", (identity,)).fetchone()
        if row is None:
            raise BlobUnknown(f"expected the id of a blob of this place, got {identity[:80]!r}")
        return _view(row)

    def listed(self) -> list[BlobView]:
        """All of them, newest first."""
        return [_view(row) for row in self._connection.execute(f"{_SELECT} ORDER BY registered_at DESC, id")]

    def read(self, identity: str) -> bytes:
        """Its bytes, whose digest was looked at again. Raises BlobUnknown, BlobRefused for one that is not whole."""
        blob = self.get(identity)
        query = "SELECT body FROM blob_piece WHERE blob = ? ORDER BY position"
        data = b"".join(body for (body,) in self._connection.execute(query, (identity,)))
        if not blob.is_whole or hashlib.sha256(data).hexdigest() != blob.sha256:
            raise BlobRefused(
                f"expected the blob {blob.title!r} to be whole, {blob.held} of {blob.size} bytes are there"
            )
        return data

    def is_wanted_by(self, terminal: str, identity: str) -> bool:
        """Whether a job of this terminal that is not done names it, and it is whole."""
        query = (
            "SELECT 1 FROM job JOIN blob ON blob.id = job.blob AND blob.is_whole"
            " WHERE job.terminal = ? AND job.state IN ('queued', 'sent') AND blob.id = ?"
        )
        return self._connection.execute(query, (terminal, identity)).fetchone() is not None

    def delete(self, identity: str) -> None:
        """Forget a file. Raises BlobUnknown."""
        self.get(identity)
        with savepoint(self._connection, "the deletion"):
            self._connection.execute("DELETE FROM blob_piece WHERE blob = ?", (identity,))
            self._connection.execute("DELETE FROM blob WHERE id = ?", (identity,))

    def _digest(self, identity: str) -> str:
        digest = hashlib.sha256()
        query = "SELECT body FROM blob_piece WHERE blob = ? ORDER BY position"
        for (body,) in self._connection.execute(query, (identity,)):
            digest.update(body)
        return digest.hexdigest()


def _view(row: tuple[Any, ...]) -> BlobView:
    identity, title, size, sha256, is_whole, registered_at, held = row
    return BlobView(
        id=identity,
        title=title,
        size=size,
        sha256=sha256,
        held=held,
        is_whole=bool(is_whole),
        registered_at=datetime.fromisoformat(registered_at),
    )
