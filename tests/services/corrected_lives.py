"""Lives of a place that records corrections, each ended by kill -9 before the next statement of its transaction.

`python -m tests.services.corrected_lives FOLDER` prints what happened as JSON; the last life ends by itself.
"""

import json
import os
import signal
import sys
from pathlib import Path
from uuid import UUID

from biometric_flow.api.corrections import CorrectionOrder
from biometric_flow.place.corrections import Corrections
from biometric_flow.place.store import Batch
from tests.builders import GATE, MOMENT, punch
from tests.services.stores import opened_store

PUNCH = punch("7", MOMENT)


def orders() -> list[CorrectionOrder]:
    """A void, and its withdrawal."""
    name = UUID(int=7)
    said = {"correction": name, "number": 1, "pin": "7", "by": "a", "reason": "because", "approved_by": "b"}
    void = {"position": 1, "operation": "void", "target": PUNCH.id.hex(), "changes": [("state", "0", "")]}
    back = {
        "position": 2,
        "operation": "withdraw",
        "target": name.hex,
        "changes": [("status", "approved", "withdrawn")],
    }
    return [CorrectionOrder.model_validate({**said, **one, "at": MOMENT}) for one in (void, back)]


def live(file: Path, statement: int) -> bool:
    """Record everything, killed before that statement; whether it came to its end."""
    child = os.fork()
    if child == 0:
        store, connection = opened_store(file)
        left = [statement]

        def before(_sql: str) -> None:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        connection.set_trace_callback(before)
        Corrections(connection, store).record(orders(), MOMENT)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0


def main(folder: str) -> int:
    """Live until nothing is left to be killed before."""
    file, lives, wrong = Path(folder) / "place.sqlite3", 0, []
    store, connection = opened_store(file)
    store.record([Batch(GATE, MOMENT, rows=[PUNCH])])
    connection.close()
    while True:
        lives += 1
        is_through = live(file, lives)
        store, connection = opened_store(file)
        counts = [connection.execute(f"SELECT count(*) FROM {one}").fetchone()[0] for one in ("correction", "outbox")]
        if counts not in ([0, 1], [2, 3]):
            wrong.append(f"life {lives} left {counts}")
        connection.close()
        if is_through or lives > 200:
            break
    sys.stdout.write(json.dumps({"lives": lives, "wrong": wrong}))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
