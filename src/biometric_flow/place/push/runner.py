"""Carries the jobs of terminals that dial: one after the other, and doors at once."""

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Any

import structlog

from biometric_flow.api.jobs import JobState, JobView
from biometric_flow.ledger.errors import StorageUnavailable
from biometric_flow.model.errors import BiometricFlowError
from biometric_flow.model.ids import TerminalSerial
from biometric_flow.place.push.hand import Hand, NoAnswer, Signals, Silent
from biometric_flow.place.push.intake import Intake
from biometric_flow.place.push.orders import carry_out
from biometric_flow.place.push.queue import CommandQueue
from biometric_flow.place.push.tables import PROTOCOL_NOTE, PushReader
from biometric_flow.place.workplace import Workplace
from biometric_flow.runtime.acting import unattended
from biometric_flow.zk.errors import ZkError
from biometric_flow.zk.push.text import PushProtocol

log = structlog.get_logger()


class PushJobs:
    """The jobs over push of all terminals."""

    def __init__(self, workplace: Workplace, intake: Intake, reader: PushReader, queue: CommandQueue) -> None:
        self._at = workplace
        self._intake = intake
        self._reader = reader
        self._queue = queue
        self._lines: dict[str, asyncio.Task[None]] = {}
        self._doors: set[asyncio.Task[None]] = set()
        self._doing: set[int] = set()
        self.signals = Signals()
        self._waiting = workplace.jobs.terminals("push")

    async def resume(self) -> None:
        """After a start: go on with what was not done."""
        for terminal in list(self._waiting):
            await self.wake(terminal)

    async def wake(self, terminal: str) -> None:
        """A job waits, or the terminal has just dialled."""
        if self.protocol(terminal) is None:
            self._waiting.add(terminal)
            return
        self._waiting.discard(terminal)
        for job in await self._at.writer.call(self._at.jobs.open, terminal, "push"):
            if job.order.kind == "unlock" and job.number not in self._doing:
                self._start(self._one(job), f"push-door-{terminal}")
        line = self._lines.get(terminal)
        if line is None or line.done():
            self._lines[terminal] = unattended(self._line(terminal), f"push-jobs-{terminal}")

    async def polled(self, terminal: str) -> None:
        """The terminal has just dialled: who waits for it looks again."""
        self.signals.give(terminal)
        if terminal in self._waiting:
            await self.wake(terminal)

    def protocol(self, terminal: str) -> PushProtocol | None:
        """What the terminal speaks; None before it dialled for the first time."""
        entry = self._at.roster.get(terminal)
        spoken = self._reader.stamps(TerminalSerial(entry.serial)).get(PROTOCOL_NOTE)
        return PushProtocol(spoken) if spoken else None

    async def stop(self) -> None:
        """Stop all; what was not done goes on at the next start."""
        tasks = [*self._lines.values(), *self._doors]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = unattended(work, name)
        self._doors.add(task)
        task.add_done_callback(self._doors.discard)

    async def _line(self, terminal: str) -> None:
        while True:
            await self._at.writer.call(self._at.jobs.expire, self._at.clock.now())
            waiting = await self._at.writer.call(self._at.jobs.open, terminal, "push")
            job = next((one for one in waiting if one.order.kind != "unlock" and one.number not in self._doing), None)
            if job is None:
                return
            await self._one(job)
            if terminal in self._waiting:
                return

    async def _one(self, job: JobView) -> None:
        if job.number in self._doing:
            return
        self._doing.add(job.number)
        try:
            await self._carried(job)
        except StorageUnavailable as error:
            log.error("push_job_not_kept", terminal=job.terminal, number=job.number, reason=str(error))
            self._waiting.add(job.terminal)
        except Exception as error:
            log.exception("push_job_broke", terminal=job.terminal, number=job.number, error=type(error).__name__)
            await self._ended(job, "failed", "an internal error; see the log")
        finally:
            self._doing.discard(job.number)

    async def _carried(self, job: JobView) -> None:
        protocol = self.protocol(job.terminal) or PushProtocol.ATTENDANCE
        entry = self._at.roster.get(job.terminal)
        hand = Hand(self._at, entry, protocol, job, self._queue, self._intake, self.signals)
        try:
            detail = await carry_out(hand)
        except Silent as error:
            why, now = str(error), self._at.clock.now()
            write = partial(self._at.jobs.interrupted, job, now, why)
            await self._at.writer.call(self._queue.end, job.number, now, write)
            self._waiting.add(job.terminal)
        except NoAnswer as error:
            await self._ended(job, "timed_out", str(error))
        except StorageUnavailable:
            raise
        except (BiometricFlowError, ZkError, ValueError) as error:
            await self._ended(job, "failed", str(error))
        else:
            await self._ended(job, "confirmed", detail)

    async def _ended(self, job: JobView, state: JobState, detail: str) -> None:
        now = self._at.clock.now()
        write = partial(self._at.jobs.turn, job.number, state, detail, now)
        await self._at.writer.call(self._queue.end, job.number, now, write)
        log.info("push_job_ended", terminal=job.terminal, number=job.number, kind=job.order.kind, state=state)
