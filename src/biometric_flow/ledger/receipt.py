"""Receipts: one entry, its inclusion proof and a signed checkpoint in a C2SP tlog-proof file that verifies offline."""

import base64
from collections.abc import Sequence
from typing import Final

import cbor2

from biometric_flow.ledger.chain import SealedEntry
from biometric_flow.ledger.errors import LedgerError
from biometric_flow.ledger.note import Note

HEADER: Final = "c2sp.org/tlog-proof@v1"
EXTRA_VERSION: Final = "biometric-flow/receipt/1"
MEDIA_TYPE: Final = "text/plain; charset=utf-8"


class ReceiptNotYet(LedgerError):
    """The punch is recorded, and no checkpoint covers it so far."""

    code = "receipt.not_yet"
    retryable = True


def write_receipt(entry: SealedEntry, proof: Sequence[bytes], note: Note) -> str:
    """The receipt of an entry. `proof` leads from its leaf to the root that `note` signs.

    The extra data are the leaf, and the record with the opening that ties it to the leaf's commitment.
    """
    extra = cbor2.dumps([EXTRA_VERSION, entry.leaf, entry.record, entry.opening], canonical=True)
    return write_proof(extra, entry.sequence - 1, proof, note)


def write_proof(extra: bytes, index: int, proof: Sequence[bytes], note: Note) -> str:
    """A C2SP tlog-proof: leaf `index` of a log, with what is to be told of it as extra data."""
    lines = [HEADER, f"extra {_base64(extra)}", f"index {index}", *map(_base64, proof)]
    return "\n".join(lines) + f"\n\n{note}"


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
