"""The only writer of a ledger: seals events onto the chain, reads them back, verifies."""

import hmac
from collections.abc import Sequence

from biometric_flow.ledger.chain import EMPTY, Head, SealedEntry, check, link, seal
from biometric_flow.ledger.errors import ChainBroken
from biometric_flow.ledger.events import Event
from biometric_flow.ledger.logs import log_key, log_name
from biometric_flow.ledger.store import KeyRing, LedgerStore
from biometric_flow.model.ids import PlaceId

VERIFY_STEP = 1000


class Ledger:
    """The append-only record of one place, over a store. Transactions are the caller's.

    `number` says which of the place's logs the store holds.
    """

    def __init__(self, place: PlaceId, store: LedgerStore, keys: KeyRing, number: int = 1) -> None:
        self.place, self._number = log_name(place, number), number
        self._store = store
        self._keys = keys

    def append(self, events: Sequence[Event], day: str) -> list[SealedEntry]:
        """Seal the events in order and store them. `day` is the receive day, YYYY-MM-DD in UTC."""
        head = self._store.head()
        # Looked up once a batch and not kept: a key made in a transaction that fails must not be used again.
        subjects = {event.subject for event in events}
        keys = {subject: log_key(self._keys.key(subject), self._number) for subject in subjects}
        sealed: list[SealedEntry] = []
        for event in events:
            entry = seal(self.place, head, day, event, keys[event.subject])
            head = Head(entry.sequence, entry.hash)
            sealed.append(entry)
        self._store.append(sealed)
        return sealed

    def commitment(self, subject: str | None, value: bytes) -> bytes:
        """A keyed hash of a value that says nothing once the subject's key is destroyed; None means the place's key."""
        return hmac.digest(self._keys.key(subject), b"biometric-flow/value/1" + value, "sha256")

    def head(self) -> Head:
        """Where the chain ends."""
        return self._store.head()

    def read(self, after: int, limit: int) -> Sequence[SealedEntry]:
        """Up to `limit` entries after a position, in order."""
        return self._store.read(after, limit)

    def verify(self, last: int | None = None) -> Head:
        """Check the chain, whole or its last entries, and return its head. Raises ChainBroken at the first bad one."""
        stored = self._store.head()
        after = 0 if last is None else max(0, stored.sequence - last)
        head = EMPTY if after == 0 else self._anchor(after)
        while entries := self._store.read(head.sequence, VERIFY_STEP):
            for entry in entries:
                expected = _checked(self.place, head, entry)
                if (entry.sequence, entry.hash) != (expected.sequence, expected.hash):
                    raise ChainBroken(expected.sequence, "the stored sequence or hash differs from the leaf's own")
                head = expected
        if head != stored:
            raise ChainBroken(head.sequence + 1, f"the chain ends here, but {stored.sequence} entries were recorded")
        return head

    def _anchor(self, sequence: int) -> Head:
        entries = self._store.read(sequence - 1, 1)
        if not entries:
            raise ChainBroken(sequence, "the entry is missing")
        return Head(entries[0].sequence, entries[0].hash)


def _checked(place: PlaceId, head: Head, entry: SealedEntry) -> Head:
    if entry.is_erased:
        return link(place, head, entry.leaf)[0]
    return check(place, head, entry.leaf, entry.record, entry.opening)
