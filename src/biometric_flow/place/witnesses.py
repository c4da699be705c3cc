"""Which gateway key a place believes, and what of its ledger that key has vouched for."""

import sqlite3
from datetime import datetime
from typing import Final, Literal

from biometric_flow.ledger.errors import NoteRefused, TreeIncomplete
from biometric_flow.ledger.note import KeyKind, Note, PublicKey
from biometric_flow.ledger.tree import Signed, SqliteTree

SCHEMA: Final = """
CREATE TABLE witness_key (                 -- whose cosignatures are believed
    vkey      TEXT PRIMARY KEY,
    source    TEXT NOT NULL CHECK (source IN ('configured', 'first_use')),
    pinned_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""


class WitnessKeys:
    """The pinned key of the gateway. Methods that write run in the writer's thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def believed(self) -> PublicKey | None:
        """The key in force: a configured one goes before one that was only shown; None before any."""
        query = "SELECT vkey FROM witness_key ORDER BY source = 'configured' DESC, pinned_at DESC LIMIT 1"
        row = self._connection.execute(query).fetchone()
        return row and PublicKey.parse(row[0])

    def pin(self, key: PublicKey, source: Literal["configured", "first_use"], now: datetime) -> None:
        """Believe a key from now on. A configured key takes the place of those before it."""
        self._connection.execute("SAVEPOINT pin")
        try:
            if source == "configured":
                self._connection.execute("DELETE FROM witness_key WHERE vkey <> ?", (str(key),))
            row = (str(key), source, now.isoformat())
            self._connection.execute("INSERT OR REPLACE INTO witness_key VALUES (?, ?, ?)", row)
        finally:
            self._connection.execute("RELEASE pin")


def check_cosigned(signed: Signed, answer: Note, own: PublicKey, witness: PublicKey) -> Note:
    """The gateway's answer, once it is this checkpoint under both signatures. Raises NoteRefused."""
    if answer.text != signed.note.text:
        raise NoteRefused("the gateway answered with another checkpoint than it was shown")
    if witness.kind is not KeyKind.COSIGNATURE:
        raise NoteRefused(f"expected the gateway's key for cosignatures, got {witness}")
    answer.verified_by(own)
    answer.verified_by(witness)
    return answer


def vouched_for(tree: SqliteTree, own: PublicKey, witness: PublicKey) -> int:
    """Entries that the newest cosigned checkpoint covers; 0 when none is.

    Believes nothing that is only stored: both signatures are verified again, and the tree must still have that root.
    Raises NoteRefused when one of them does not hold.
    """
    cosigned = [one for one in tree.checkpoints() if one.is_cosigned]
    if not cosigned:
        return 0
    newest = cosigned[-1]
    check_cosigned(newest, newest.note, own, witness)
    try:
        is_same = tree.root(newest.size) == newest.root
    except TreeIncomplete:
        is_same = False
    if not is_same:
        raise NoteRefused(f"the first {newest.size} entries are not those that the gateway has cosigned")
    return newest.size
