"""Group commit: batches from all terminals, made durable together in one thread."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Final, TypeVar

import structlog

from biometric_flow.ledger.errors import StorageUnavailable
from biometric_flow.model.ids import TerminalSerial
from biometric_flow.model.punch import Punch
from biometric_flow.place.quarantine import Decision
from biometric_flow.place.store import Batch, PlaceStore, Recorded
from biometric_flow.runtime.acting import acting

log = structlog.get_logger()

GROUP_ROWS: Final = 4000
"""Rows after which a group is committed, so that a live punch never waits long behind a whole log."""

ResultT = TypeVar("ResultT")


class Writer:
    """The one thread that writes. `record` returns only when its batch is on the disk."""

    def __init__(self, store: PlaceStore, recorded: Callable[[Recorded], None]) -> None:
        self._store = store
        self.subjects = store.subjects
        self._recorded = recorded
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="place-writer")
        self._waiting: asyncio.Queue[tuple[Batch, asyncio.Future[Recorded]]] = asyncio.Queue()
        self.is_failing = False

    async def record(self, batch: Batch) -> Recorded:
        """Keep a batch durably. Raises StorageUnavailable when the disk does not take it; then nothing was kept."""
        action = acting()
        if action is not None and not action.is_recorded:
            batch = replace(batch, action=action)
        result: asyncio.Future[Recorded] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait((batch, result))
        return await result

    async def call(self, function: Callable[..., ResultT], *arguments: object) -> ResultT:
        """Run something else that needs the writer's connection, in its thread and turn.

        What it changes for a request that can write is recorded in the ledger, in the same transaction.
        """
        action = acting()
        if action is None or action.is_recorded:
            return await self._run(function, *arguments)
        result: ResultT = await self._run(self._store.act, action, partial(function, *arguments))
        if action.is_recorded:
            self._recorded(Recorded())
        return result

    async def tell(self, function: Callable[..., Recorded], *arguments: object) -> Recorded:
        """The same for what adds entries to the ledger: whoever waits for new ones hears of them."""
        recorded = await self.call(function, *arguments)
        self._recorded(recorded)
        return recorded

    async def decide(self, made: Decision, become: Callable[[TerminalSerial], Punch | None]) -> Recorded:
        """Record a decision about a row in quarantine. Raises what `PlaceStore.decide` raises."""
        recorded = await self._run(self._store.decide, made, become, acting())
        self._recorded(recorded)
        return recorded

    async def run(self) -> None:
        """Commit what waits, for ever. Cancel to stop; what was not committed then was never confirmed."""
        while True:
            group = [await self._waiting.get()]
            rows = len(group[0][0].rows)
            while rows < GROUP_ROWS and not self._waiting.empty():
                group.append(self._waiting.get_nowait())
                rows += len(group[-1][0].rows)
            await self._commit(group)

    def close(self) -> None:
        """Wait for the transaction under way; the connection may be closed then."""
        self._thread.shutdown(wait=True)

    async def _run(self, function: Callable[..., ResultT], *arguments: object) -> ResultT:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    async def _commit(self, group: list[tuple[Batch, asyncio.Future[Recorded]]]) -> None:
        try:
            results = await self._run(self._store.record, [batch for batch, _ in group])
        except StorageUnavailable as error:
            log.error("storage_failed", batches=len(group), reason=str(error))
            self.is_failing = True
            for _, result in group:
                if not result.done():
                    result.set_exception(error)
            return
        self.is_failing = False
        for (_, result), recorded in zip(group, results, strict=True):
            self._recorded(recorded)
            if not result.done():
                result.set_result(recorded)
