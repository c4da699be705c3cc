"""Who was erased and must not come back with the next list a terminal tells, without saying who that is."""

import hmac
import sqlite3
from datetime import datetime

from biometric_flow.identity.keyring import PLACE, TOMBSTONES
from biometric_flow.runtime.key_store import KeyStore


class Tombstones:
    """Keyed digests of PINs, each with the time up to which its punches count as known. In memory, and in `erased`."""

    def __init__(self, connection: sqlite3.Connection, keys: KeyStore) -> None:
        self._connection, self._keys = connection, keys
        self._until: dict[bytes, int] = dict(connection.execute("SELECT digest, until FROM erased"))
        self._new: dict[bytes, int] = {}

    def has(self, pin: str) -> bool:
        """Was somebody with this PIN erased?"""
        return bool(self._until) and self._digest(pin) in self._until

    def covers(self, pin: str, instant: datetime | None) -> bool:
        """Does a punch of this PIN belong to somebody who was erased? One without an instant does."""
        if not self._until:
            return False
        until = self._until.get(self._digest(pin))
        return until is not None and (instant is None or instant.timestamp() <= until)

    def put(self, pin: str, until: datetime, erasure: bytes) -> None:
        """Set one, inside the caller's transaction; a later one of the same PIN takes its place."""
        row = (self._digest(pin), int(until.timestamp()) + 1, erasure)
        self._connection.execute("INSERT OR REPLACE INTO erased VALUES (?, ?, ?)", row)
        self._new[row[0]] = row[1]

    def is_of(self, pin: str, erasure: bytes) -> bool:
        """Was this PIN last erased by the erasure of this id?"""
        query = "SELECT 1 FROM erased WHERE digest = ? AND erasure = ?"
        return self._connection.execute(query, (self._digest(pin), erasure)).fetchone() is not None

    def restore(self, digest: bytes, until: int, erasure: bytes) -> None:
        """Set one as it was kept elsewhere, inside the caller's transaction, unless a later one is there."""
        if self._until.get(digest, -1) < until:
            self._connection.execute("INSERT OR REPLACE INTO erased VALUES (?, ?, ?)", (digest, until, erasure))
            self._new[digest] = until

    def settle(self) -> None:
        """The transaction was committed."""
        self._until |= self._new
        self._new = {}

    def undo(self) -> None:
        """The transaction was not committed."""
        self._new = {}

    def _digest(self, pin: str) -> bytes:
        return hmac.digest(self._keys.derived(PLACE, TOMBSTONES), pin.encode(), "sha256")
