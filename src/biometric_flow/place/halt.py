"""A ledger that must not grow: the gateway has seen another history of it than this file tells (security-design L5)."""

import sqlite3
from datetime import datetime
from typing import Final

from biometric_flow.ledger.errors import StorageUnavailable

SCHEMA: Final = """
CREATE TABLE halt (                        -- at most one row: why nothing is added to the ledger
    reason TEXT NOT NULL,
    since  TEXT NOT NULL
) STRICT;
"""
WHAT_TO_DO: Final = (
    "terminals keep their rows meanwhile. Keep this folder as evidence, put the newest backup of it in its place,"
    " and run `biometric-flow ledger verify`; where no backup is new enough, `biometric-flow ledger new-log`;"
    " see docs/ledger.md"
)


class LedgerHalted(StorageUnavailable):
    """Nothing is taken into this ledger until an operator has decided which history goes on."""

    code = "ledger.halted"


class Halt:
    """Whether the ledger may grow. `begin` runs in the writer's thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        row = connection.execute("SELECT reason FROM halt").fetchone()
        self.reason: str = row[0] if row else ""

    def begin(self, reason: str, now: datetime) -> bool:
        """Let nothing in from now on, also after a restart. False when that is so already."""
        if self.reason:
            return False
        self.reason = reason
        self._connection.execute("INSERT INTO halt VALUES (?, ?)", (reason, now.isoformat()))
        return True

    def check(self) -> None:
        """Raise LedgerHalted when nothing may be added."""
        if self.reason:
            raise LedgerHalted(f"nothing is accepted: {self.reason}; {WHAT_TO_DO}")
