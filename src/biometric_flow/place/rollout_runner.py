"""Keeps roll-outs going while the place runs; after a restart it goes on where they stood."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from biometric_flow.ledger.errors import StorageUnavailable
from biometric_flow.place.rollouts import Rollouts
from biometric_flow.place.writer import Writer
from biometric_flow.runtime.clock import Clock

log = structlog.get_logger()

LOOK_SECONDS: Final = 0.5
"""How often a roll-out that runs is looked at."""


class RolloutRunner:
    """One task of the place."""

    def __init__(self, rollouts: Rollouts, writer: Writer, clock: Clock, wake_terminal: Callable[[str], None]) -> None:
        self._rollouts, self._writer, self._clock = rollouts, writer, clock
        self._wake_terminal = wake_terminal
        self._work = asyncio.Event()

    def wake(self) -> None:
        """There is something to do."""
        self._work.set()

    async def run(self) -> None:
        """Advance what runs, for ever; sleeps without a query when nothing does."""
        self._work.set()
        while True:
            await self._work.wait()
            try:
                for key in await self._writer.call(self._rollouts.advance, self._clock.now()):
                    self._wake_terminal(key)
                self._work.clear()
                if await self._writer.call(self._rollouts.has_running):
                    self._work.set()
            except StorageUnavailable as error:
                log.error("rollout_not_advanced", reason=str(error))
            except Exception as error:
                log.exception("rollout_failed", error=type(error).__name__)
            await self._clock.sleep(LOOK_SECONDS)
