"""What proof costs at a place: checking a whole ledger, signing a checkpoint, making and verifying a receipt, bytes."""

import itertools
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.harness import Result, measure
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
                runs=3,
                settings=settings,
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
