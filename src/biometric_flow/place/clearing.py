"""Whether a terminal's list may be cleared: only when every row is kept for good elsewhere (security-design I4)."""

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from biometric_flow.ledger.errors import LedgerError
from biometric_flow.ledger.events import PunchRecorded, decode
from biometric_flow.ledger.ledger import Ledger
from biometric_flow.ledger.sqlite import SqliteLedgerStore
from biometric_flow.model.ids import PlaceId
from biometric_flow.model.punch import Punch
from biometric_flow.place.errors import JobFailed
from biometric_flow.place.normalise import Quarantined
from biometric_flow.place.schema import open_reader
from biometric_flow.place.workplace import Workplace

_STEP: Final = 500


async def check_clearable(at: Workplace, rows: Sequence[Punch | Quarantined], rejected: int) -> None:
    """Raise JobFailed unless every row is a punch that reads back from a ledger which verifies, at the gateway too."""
    aside = rejected + sum(isinstance(row, Quarantined) for row in rows)
    if aside:
        raise JobFailed(f"{aside} of its rows are in quarantine and in no ledger; they would be lost")
    if at.settings.gateway_url is None:
        raise JobFailed("this place has no gateway, so that nobody else has acknowledged the punches")
    ids = [row.id for row in rows]
    await asyncio.to_thread(read_back, at.file, at.place.id, ids)


def read_back(file: Path, place: PlaceId, ids: Sequence[bytes]) -> None:
    """Verify the ledger, find each punch in it, and see that the gateway acknowledged them. Raises JobFailed.

    Runs over a connection of its own, so that nothing which is remembered can answer for what is on the disk.
    """
    with closing(open_reader(file)) as connection:
        store = SqliteLedgerStore(connection)
        try:
            Ledger(place, store, store).verify()
        except LedgerError as error:
            raise JobFailed(f"the ledger does not verify: {error}") from error
        for start in range(0, len(ids), _STEP):
            _check(connection, ids[start : start + _STEP])


def _check(connection: sqlite3.Connection, ids: Sequence[bytes]) -> None:
    marks = ",".join("?" * len(ids))
    query = (
        "SELECT punch.id, record, outbox.sequence FROM punch JOIN ledger_entry USING (sequence)"  # noqa: S608
        f" LEFT JOIN outbox USING (sequence) WHERE punch.id IN ({marks})"
    )
    found = set()
    for identity, record, unsent in connection.execute(query, ids):
        event = decode(record)
        if not isinstance(event, PunchRecorded) or event.punch.id != identity:
            raise JobFailed("an entry of the ledger does not hold the punch it is kept for")
        if unsent is not None:
            raise JobFailed("the gateway has not acknowledged all of its punches; try again when it has")
        found.add(identity)
    missing = len(set(ids) - found)
    if missing:
        raise JobFailed(f"{missing} of its punches are not in the ledger")
