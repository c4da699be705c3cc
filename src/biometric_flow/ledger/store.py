"""The ports of a ledger: where its entries lie, the keys that hide them, and what seals their records."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from biometric_flow.ledger.chain import Head, SealedEntry


class OpenedRecord(NamedTuple):
    """What was sealed of an entry, and what ties it to its leaf: its opening, or the key that this follows from."""

    record: bytes
    key: bytes
    opening: bytes = b""
    """Kept beside the record where the key that it follows from was replaced since."""


class LedgerStore(Protocol):
    """Entries in order. Calls take part in the caller's transaction; the store never commits by itself."""

    def head(self) -> Head:
        """Where the chain ends."""
        ...

    def append(self, entries: Sequence[SealedEntry]) -> None:
        """Add entries that continue the head."""
        ...

    def read(self, after: int, limit: int) -> Sequence[SealedEntry]:
        """Up to `limit` entries with a sequence greater than `after`, in order."""
        ...


class KeyRing(Protocol):
    """One random key per subject, and one for the place itself (security-design L3)."""

    def key(self, subject: str | None) -> bytes:
        """The 32-byte key of a subject, made when there is none; None means the place."""
        ...


class RecordVault(Protocol):
    """Seals records for whoever keeps them, under the key of the person they are about (security-design E1)."""

    def seal_record(self, subject: str | None, sequence: int, record: bytes) -> bytes:
        """The record as it may lie on a disk; None means the place's own key."""
        ...

    def open_record(self, sequence: int, sealed: bytes) -> OpenedRecord | None:
        """The record and where its opening comes from; None once the person's key was destroyed. Raises ChainBroken."""
        ...
