"""Keeps roll-outs going while the place runs; after a restart it goes on where they stood."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from biometric_flow.api.jobs import JobChannel
from biometric_flow.ledger.errors import StorageUnavailable
from biometric_flow.model.errors import BiometricFlowError
from biometric_flow.place.rollouts import Rollouts
from biometric_flow.place.writer import Writer
from biometric_flow.runtime.clock import Clock

log = structlog.get_logger()

Way = Callable[[str, str], JobChannel]
"""The channel for a terminal and a kind of order. Raises a BiometricFlowError where there is none."""
WakeTerminal = Callable[[str, JobChannel], Awaitable[None]]

LOOK_SECONDS: Final = 0.5
"""How often a roll-out that runs is looked at."""


class RolloutRunner:
    """One task of the place."""

    def __init__(self, rollouts: Rollouts, writer: Writer, clock: Clock, way: Way, wake_terminal: WakeTerminal) -> None:
        self._rollouts, self._writer, self._clock = rollouts, writer, clock
        self._way, self._wake_terminal = way, wake_terminal
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
                steps = await self._writer.call(self._rollouts.next_steps)
                ways = {step: self._channel(*step) for step in steps}
                for key, channel in await self._writer.call(self._rollouts.advance, self._clock.now(), ways):
                    await self._wake_terminal(key, channel)
                self._work.clear()
                if await self._writer.call(self._rollouts.has_running):
                    self._work.set()
            except StorageUnavailable as error:
                log.error("rollout_not_advanced", reason=str(error))
            except Exception as error:
                log.exception("rollout_failed", error=type(error).__name__)
            await self._clock.sleep(LOOK_SECONDS)

    def _channel(self, key: str, kind: str) -> JobChannel | BiometricFlowError:
        try:
            return self._way(key, kind)
        except BiometricFlowError as error:
            return error
