"""The Merkle tree and the checkpoints of a ledger in SQLite, beside its entries and inside the caller's transaction.

Level 0 of the tree is the hash column of `ledger_entry`; only the roots of full tiles are kept beside it, one for 256
entries, so that recording a punch costs nothing more. The tree grows when a checkpoint is signed.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from biometric_flow.ledger.errors import CheckpointInconsistent, TreeIncomplete
from biometric_flow.ledger.logs import Log
from biometric_flow.ledger.merkle import TILE_WIDTH, Span, Tile, fold, full_tiles, hash_of, tiles_of
from biometric_flow.ledger.note import Checkpoint, Note, Signer
from biometric_flow.ledger.sqlite import end_of, logs_of

SCHEMA: Final = """
CREATE TABLE ledger_node (                 -- roots of full tiles: level 1 and above of C2SP tlog-tiles
    level    INTEGER NOT NULL,
    position INTEGER NOT NULL,             -- within the level, from 0
    hash     BLOB NOT NULL,
    PRIMARY KEY (level, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE checkpoint (
    size        INTEGER PRIMARY KEY,
    note        TEXT NOT NULL,             -- as signed, with cosignatures once there are some
    signed_at   TEXT NOT NULL,
    is_cosigned INTEGER NOT NULL
) STRICT;
"""


_CHECKPOINTS: Final = "SELECT size, note, is_cosigned FROM checkpoint WHERE size > ? AND size <= ?"


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint that was signed, as it stands."""

    size: int
    note: Note
    is_cosigned: bool

    @property
    def root(self) -> bytes:
        """The root that it names."""
        return Checkpoint.parse(self.note.text).root


class SqliteTree:
    """Tiles and checkpoints of one log, of the newest unless told. Begin and commit are the connection owner's."""

    def __init__(self, connection: sqlite3.Connection, log: Log | None = None) -> None:
        self._connection = connection
        logs = logs_of(connection)
        self.log = log or logs[-1]
        self._end = end_of(logs, self.log)

    def tile(self, tile: Tile) -> list[bytes]:
        """The hashes of a tile, as many as are there."""
        first = tile.index * TILE_WIDTH
        if tile.level == 0:
            query, values = (
                "SELECT hash FROM ledger_entry WHERE sequence > ? ORDER BY sequence LIMIT ?",
                (self.log.begins + first,),
            )
        else:
            query = (
                "SELECT hash FROM ledger_node WHERE log = ? AND level = ? AND position >= ? ORDER BY position LIMIT ?"
            )
            values = (self.log.number, tile.level, first)  # type: ignore[assignment]
        return [row[0] for row in self._connection.execute(query, (*values, tile.width))]

    def hashes(self, spans: Iterable[Span], size: int) -> list[bytes]:
        """The hashes of spans of leaves in the tree of this size, which must have grown to it."""
        wanted = list(spans)
        tiles = {(tile.level, tile.index): self.tile(tile) for tile in tiles_of(wanted, size)}
        return [hash_of(span, tiles) for span in wanted]

    def root(self, size: int) -> bytes:
        """The root of the first `size` leaves."""
        return self.hashes([Span(0, size)], size)[0]

    def sign(self, signer: Signer, size: int, now: datetime) -> Signed | None:
        """Sign a checkpoint over the first `size` entries and keep it; None when that many are signed already.

        Raises CheckpointInconsistent when the tree is no longer the one that was signed before (security-design L5).
        """
        last = self.newest()
        done = last.size if last else 0
        if last and (size < done or not self._is_still(last)):
            raise CheckpointInconsistent(
                f"the first {done} entries are no longer those that were signed: nothing is signed on top of them"
            )
        if size == done:
            return None
        self.grow(done, size)
        note = signer.sign(Checkpoint(signer.public.name, size, self.root(size)))
        row = (self.log.begins + size, str(note), now.isoformat())
        self._connection.execute("INSERT INTO checkpoint VALUES (?, ?, ?, 0)", row)
        return Signed(size, note, is_cosigned=False)

    def grow(self, old: int, new: int) -> None:
        """Keep the roots of the tiles that are full now."""
        for tile in full_tiles(old, new):
            row = (self.log.number, tile.level + 1, tile.index, fold(self.tile(tile)))
            self._connection.execute("INSERT INTO ledger_node VALUES (?, ?, ?, ?)", row)

    def keep_cosigned(self, size: int, note: Note) -> None:
        """Keep what a witness added to a checkpoint."""
        query = "UPDATE checkpoint SET note = ?, is_cosigned = 1 WHERE size = ?"
        self._connection.execute(query, (str(note), self.log.begins + size))

    def newest(self) -> Signed | None:
        """The last checkpoint, None before the first."""
        return self._checkpoint(f"{_CHECKPOINTS} ORDER BY size DESC LIMIT 1", 0)

    def newest_cosigned(self) -> Signed | None:
        """The last checkpoint that a witness cosigned, None before the first."""
        return self._checkpoint(f"{_CHECKPOINTS} AND is_cosigned ORDER BY size DESC LIMIT 1", 0)

    def covering(self, sequence: int) -> Signed | None:
        """The first cosigned checkpoint over an entry, else the first signed one; None when there is none yet."""
        return self._checkpoint(f"{_CHECKPOINTS} ORDER BY is_cosigned DESC, size LIMIT 1", sequence - 1)

    def checkpoints(self) -> list[Signed]:
        """All of them, oldest first."""
        rows = self._connection.execute(f"{_CHECKPOINTS} ORDER BY size", (self.log.begins, self._end))
        return [self._signed(row) for row in rows]

    def _is_still(self, last: Signed) -> bool:
        try:
            return self.root(last.size) == last.root
        except TreeIncomplete:
            return False

    def _checkpoint(self, query: str, above: int) -> Signed | None:
        row = self._connection.execute(query, (self.log.begins + above, self._end)).fetchone()
        return row and self._signed(row)

    def _signed(self, row: tuple[int, str, int]) -> Signed:
        return Signed(row[0] - self.log.begins, Note.parse(row[1]), bool(row[2]))
