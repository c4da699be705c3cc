"""The chain: canonical leaf bytes, hiding commitments, sealing and checking (security-design L1-L3).

A leaf names no person. It holds a commitment to the record, keyed with a value derived from the person's key, so that
destroying that key later leaves a chain that still verifies and says nothing about them.
"""

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Final

import cbor2

from biometric_flow.ledger.errors import ChainBroken
from biometric_flow.ledger.events import Event, encode
from biometric_flow.model.ids import PlaceId

LEAF_VERSION: Final = 1
KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chain ends: the last sequence (0 when empty) and its leaf hash."""

    sequence: int
    hash: bytes


EMPTY: Final = Head(0, bytes(32))


@dataclass(frozen=True, slots=True)
class SealedEntry:
    """One line of a ledger. Leaf and hash may be shown to anyone; record and opening tell what happened.

    Both are empty for an entry about a person who was erased: what is left is the leaf, and that it was in the chain.
    """

    sequence: int
    leaf: bytes
    hash: bytes
    record: bytes
    opening: bytes
    subject: str | None = field(default=None, compare=False, repr=False)
    """Whose key seals the record, for the store that is to keep it; not known of an entry that was read."""

    @property
    def is_erased(self) -> bool:
        """Can nobody say any more what it was about?"""
        return not (self.record or self.opening)


def opening(key: bytes, sequence: int) -> bytes:
    """The value r of security-design L3: HKDF-SHA-256 (RFC 5869) of a subject's or place's key for one sequence."""
    extracted = hmac.digest(bytes(32), key, "sha256")
    return hmac.digest(extracted, b"biometric-flow/opening/1" + sequence.to_bytes(8, "big") + b"\x01", "sha256")


def erased_key_digest(key: bytes) -> bytes:
    """What an erasure leaf says of a destroyed key: enough to know it again, and nothing of whose it was."""
    return hashlib.sha256(b"biometric-flow/erased-key/1" + key).digest()


def leaf_hash(leaf: bytes) -> bytes:
    """The RFC 6962 leaf hash: SHA-256 over 0x00 and the leaf."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def seal(place: PlaceId, head: Head, day: str, event: Event, key: bytes) -> SealedEntry:
    """The entry that continues `head`. `day` is the receive day `YYYY-MM-DD`, `key` the subject's or the place's."""
    sequence = head.sequence + 1
    record = encode(event)
    opened = opening(key, sequence)
    leaf = _leaf(place, sequence, head.hash, day, event.kind, hmac.digest(opened, record, "sha256"))
    return SealedEntry(sequence, leaf, leaf_hash(leaf), record, opened, event.subject)


def check(place: PlaceId, head: Head, leaf: bytes, record: bytes, opened: bytes) -> Head:
    """The head after this entry. Raises ChainBroken, naming the sequence, when it is not the one that follows `head`.

    Takes everything from the bytes themselves: a sender's word on sequence or hash counts for nothing.
    """
    after, commitment = link(place, head, leaf)
    if not hmac.compare_digest(hmac.digest(opened, record, "sha256"), commitment):
        raise ChainBroken(after.sequence, "the record does not match the leaf's commitment")
    return after


def link(place: PlaceId, head: Head, leaf: bytes) -> tuple[Head, bytes]:
    """The head after this leaf, and its commitment. Raises ChainBroken when it is not the one that follows `head`."""
    sequence = head.sequence + 1
    try:
        version, leaf_place, leaf_sequence, previous, day, kind, commitment = cbor2.loads(leaf)
    except (cbor2.CBORError, TypeError, ValueError, RecursionError) as error:
        raise ChainBroken(sequence, f"expected a leaf of seven fields, got {error!r}") from error
    if leaf_place != place:
        raise ChainBroken(sequence, f"expected a leaf of place {place!r}, got {leaf_place!r}")
    if leaf_sequence != sequence:
        raise ChainBroken(sequence, f"expected sequence {sequence}, got {leaf_sequence!r}")
    if previous != head.hash:
        raise ChainBroken(sequence, "the previous leaf hash differs: an earlier entry was altered or left out")
    is_text = isinstance(day, str) and isinstance(kind, str) and isinstance(commitment, bytes)
    if version != LEAF_VERSION or not is_text or _leaf(place, sequence, head.hash, day, kind, commitment) != leaf:
        raise ChainBroken(sequence, "the leaf is not in canonical form")
    return Head(sequence, leaf_hash(leaf)), commitment


def _leaf(place: PlaceId, sequence: int, previous: bytes, day: object, kind: object, commitment: object) -> bytes:
    return cbor2.dumps([LEAF_VERSION, place, sequence, previous, day, kind, commitment], canonical=True)
