"""Checks the whole ledger once a day, beside the place that goes on (security-design L8)."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from biometric_flow.ledger.errors import LedgerError
from biometric_flow.ledger.note import PublicKey
from biometric_flow.model.errors import BiometricFlowError
from biometric_flow.model.ids import PlaceId
from biometric_flow.place.audit import Keys, audit
from biometric_flow.place.store import PlaceStore
from biometric_flow.place.writer import Writer
from biometric_flow.runtime.clock import Clock

log = structlog.get_logger()

FIRST_AFTER = timedelta(minutes=10)
"""How long after its start a place looks for the first time; it has other things to do before."""


@dataclass(frozen=True, slots=True)
class Examined:
    """What the last look found."""

    at: datetime
    entries: int
    altered: str
    """The first thing that does not fit, empty when everything does."""


class Examiner:
    """One task. `last` is None until it has looked."""

    def __init__(
        self, file: Path, place: PlaceId, key: PublicKey, store: PlaceStore, writer: Writer, clock: Clock, every: float
    ) -> None:
        self._file, self._place, self._key = file, place, key
        self._store, self._writer, self._clock, self._every = store, writer, clock, every
        self.last: Examined | None = None

    async def run(self) -> None:
        """Look for ever."""
        await self._clock.sleep(min(self._every, FIRST_AFTER.total_seconds()))
        while True:
            try:
                await self.look()
            except (BiometricFlowError, OSError) as error:
                log.error("ledger_not_examined", reason=str(error))
            await self._clock.sleep(self._every)

    async def look(self) -> Examined:
        """Check everything now, over a connection of its own and in a thread of its own."""
        witness = await self._writer.call(self._store.witnesses.believed)
        keys = Keys(self._key, witness)
        try:
            found = await asyncio.to_thread(audit, self._file, self._place, keys, self._store.subjects.keys)
        except LedgerError as error:
            log.error("ledger_altered", first=str(error))
            self.last = Examined(self._clock.now(), 0, str(error))
        else:
            log.info("ledger_examined", entries=found.entries, checkpoints=found.checkpoints)
            self.last = Examined(self._clock.now(), found.entries, "")
        return self.last
