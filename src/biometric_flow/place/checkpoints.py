"""Signs the ledger's checkpoints: after a burst, at least every minute while entries come, and at the end."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from biometric_flow.ledger.errors import LedgerError
from biometric_flow.ledger.note import Signer
from biometric_flow.ledger.tree import Signed
from biometric_flow.place.store import PlaceStore
from biometric_flow.place.writer import Writer
from biometric_flow.runtime.clock import Clock

log = structlog.get_logger()

LONGEST_SECONDS: Final = 60.0
"""After this time new entries are signed even if more keep coming (security-design L5)."""


class Checkpoints:
    """One task beside the writer. A checkpoint is durable before anybody sees it."""

    def __init__(
        self, store: PlaceStore, writer: Writer, signer: Signer, clock: Clock, quiet: float, signed: Callable[[], None]
    ) -> None:
        self._store, self._writer, self._signer, self._clock = store, writer, signer, clock
        self._quiet, self._signed = quiet, signed
        self._new = asyncio.Event()

    def entries_recorded(self) -> None:
        """New entries are in the ledger."""
        self._new.set()

    async def run(self) -> None:
        """Sign for ever; what a process before this one left unsigned is signed at once."""
        self._new.set()
        while True:
            await self._new.wait()
            await self._until_quiet()
            await self.sign()

    async def sign(self) -> None:
        """Sign what is new, if anything is. A refusal is logged: the next attempt may find the disk well again."""
        try:
            made: Signed | None = await self._writer.call(self._store.checkpoint, self._signer, self._clock.now())
        except LedgerError as error:
            log.error("checkpoint_refused", code=error.code, reason=str(error))
            return
        if made is not None:
            log.debug("checkpoint_signed", size=made.size)
            self._signed()

    async def _until_quiet(self) -> None:
        started = self._clock.monotonic()
        while self._new.is_set() and self._clock.monotonic() - started < LONGEST_SECONDS:
            self._new.clear()
            await self._clock.sleep(self._quiet)
        self._new.clear()
