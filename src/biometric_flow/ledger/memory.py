"""A ledger in memory, for tests and for those who only look."""

import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING

from biometric_flow.ledger.chain import EMPTY, KEY_BYTES, Head, SealedEntry
from biometric_flow.ledger.store import KeyRing, LedgerStore


class MemoryLedgerStore:
    """Entries in a list; gone with the process."""

    def __init__(self) -> None:
        self.entries: list[SealedEntry] = []
        self._keys: dict[str | None, bytes] = {}

    def head(self) -> Head:
        """Where the chain ends."""
        return Head(self.entries[-1].sequence, self.entries[-1].hash) if self.entries else EMPTY

    def append(self, entries: Sequence[SealedEntry]) -> None:
        """Add entries that continue the head."""
        self.entries.extend(entries)

    def read(self, after: int, limit: int) -> Sequence[SealedEntry]:
        """Up to `limit` entries with a sequence greater than `after`, in order."""
        return [entry for entry in self.entries if entry.sequence > after][:limit]

    def key(self, subject: str | None) -> bytes:
        """The 32-byte key of a subject, made when there is none; None means the place."""
        return self._keys.setdefault(subject, secrets.token_bytes(KEY_BYTES))


if TYPE_CHECKING:
    _stores: type[LedgerStore] = MemoryLedgerStore
    _keys: type[KeyRing] = MemoryLedgerStore
