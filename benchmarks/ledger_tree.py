"""What proof costs at a place: checking a whole ledger, signing a checkpoint, making and verifying a receipt, bytes."""

import hashlib
import hmac
import itertools
import os
import tempfile
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from benchmarks.harness import Anchor, Result, measure
from benchmarks.ledger_ingest import GATE, START, _punch, opened_store
from biometric_flow.ledger.note import Signer
from biometric_flow.ledger.verify_receipt import verify
from biometric_flow.model.ids import PlaceId
from biometric_flow.place.audit import Keys, audit
from biometric_flow.place.reader import PlaceReader
from biometric_flow.place.schema import open_reader
from biometric_flow.place.store import Batch

ENTRIES = int(os.environ.get("LEDGER_TREE_ENTRIES", "50000"))
NOW = datetime(2026, 11, 22, tzinfo=UTC)
SIGNER = Signer("biometric-flow/bench/bench", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


BARE = (
    "anchor: read every row, hash each leaf, hash a parent, three HMACs and one AES-256-GCM over the record's bytes, on"
    " one core; nothing is decoded or compared"
)


def bare_of(file: Path) -> Callable[[], None]:
    """The cryptography that a verify cannot do without, over the same bytes, and nothing else."""
    cipher, key = AESGCM(bytes(32)), bytes(32)

    def work() -> None:
        with closing(open_reader(file)) as connection:
            for sequence, leaf, node, record in connection.execute(
                "SELECT sequence, leaf, hash, record FROM ledger_entry"
            ):
                hashlib.sha256(leaf).digest()
                hashlib.sha256(node + node).digest()
                opened = hmac.digest(hmac.digest(key, key, "sha256"), sequence.to_bytes(8, "big"), "sha256")
                cipher.encrypt(record[:12], record[46:], record[:30])
                hmac.digest(opened, record[46:], "sha256")

    return work


def main() -> list[Result]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "place.sqlite3"
        store, connection = opened_store(Path(folder))
        numbers = itertools.count()

        def recorded(count: int) -> None:
            store.record([Batch(GATE, START, rows=[_punch(next(numbers)) for _ in range(count)])])

        for _ in range(0, ENTRIES, 1000):
            recorded(1000)
        store.checkpoint(SIGNER, NOW)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        settings = {"entries": ENTRIES, "bytes_per_entry": round(file.stat().st_size / ENTRIES)}
        reader = PlaceReader(open_reader(file), store.subjects)
        some = [_punch(number * ENTRIES // 200).id for number in range(200)]
        receipts = [reader.receipt(punch) for punch in some]
        keys = Keys(SIGNER.public)

        def checkpoints() -> None:
            for _ in range(20):
                recorded(200)
                store.checkpoint(SIGNER, NOW)

        results = [
            measure(
                "ledger-verify",
                lambda: audit(file, PlaceId("bench"), keys, store.subjects.keys),
                units=ENTRIES,
                of="entries",
                anchor=Anchor("SHA-256, HMAC, AES-GCM bare", bare_of(file), runs=3, note=BARE),
                runs=3,
                settings=settings,
            ),
            measure(
                "ledger-verify-all-cores",
                lambda: audit(file, PlaceId("bench"), keys, store.subjects.keys, jobs=os.cpu_count() or 1),
                units=ENTRIES,
                of="entries",
                anchor=Anchor("SHA-256, HMAC, AES-GCM bare", bare_of(file), runs=3, note=BARE),
                runs=3,
                settings={"jobs": os.cpu_count() or 1, "note": "as `ledger verify` does; CPU is of the reader only"},
            ),
            measure(
                "ledger-receipt",
                lambda: [reader.receipt(punch) for punch in some],
                units=len(some),
                of="receipts",
                settings=settings,
            ),
            measure(
                "ledger-receipt-verify",
                lambda: [verify(one, str(SIGNER.public), None) for one in receipts[:20]],
                units=20,
                of="receipts",
                settings={"receipt_bytes": max(map(len, receipts)), "in": "pure Python"},
            ),
            measure(
                "ledger-ingest-signed-200",
                checkpoints,
                units=20 * 200,
                of="durable punches",
                settings={"batch": 200, "checkpoint": "after every batch", "synchronous": "FULL"},
            ),
        ]
        connection.close()
        return results
