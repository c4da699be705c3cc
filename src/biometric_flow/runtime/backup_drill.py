"""Restores rehearsed by themselves: one every so many days, and an alarm when it failed or was not done (B2)."""

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import structlog

from biometric_flow.model.errors import BiometricFlowError
from biometric_flow.runtime.clock import Clock

log = structlog.get_logger()

_READY_SECONDS: Final = 1.0
_RETRY: Final = timedelta(hours=1)
_FIRST: Final = timedelta(days=1)
"""How long a new installation is left in peace before its first drill."""

Rehearse = Callable[[datetime], object]
"""now -> backed up, restored elsewhere, verified and removed again; blocking."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with backups, in a sentence for a person, and since when."""

    text: str
    since: datetime | None


class DrillTask:
    """One supervised task. What came of the last drill is kept in a file, so that a restart does not forget it."""

    def __init__(
        self,
        rehearse: Rehearse,
        every: timedelta,
        record: Path,
        clock: Clock,
        turn: asyncio.Lock,
        is_ready: Callable[[], bool] = lambda: True,
    ) -> None:
        self._rehearse, self._every, self._record, self._clock = rehearse, every, record, clock
        self._turn, self._is_ready = turn, is_ready
        self._since = clock.now()
        self.done_at: datetime | None = None
        """When the newest drill was done that found everything whole."""
        self.failure = ""
        """Why the last one failed; empty when it did not."""

    async def run(self) -> None:
        """Until cancelled."""
        await asyncio.to_thread(self._recall)
        while True:
            due = self.done_at + self._every if self.done_at else self._since + min(self._every, _FIRST)
            wait = due - self._clock.now()
            if wait > timedelta():
                await self._clock.sleep(wait.total_seconds())
            while not self._is_ready():
                await self._clock.sleep(_READY_SECONDS)
            await self._once()
            if self.failure:
                await self._clock.sleep(_RETRY.total_seconds())

    def trouble(self, now: datetime) -> Trouble | None:
        """What a person has to know of it; None when all is well."""
        if self.failure:
            return Trouble(f"the last rehearsal of a restore failed: {self.failure}", self.done_at)
        if now - (self.done_at or self._since) > 2 * self._every:
            since = self.done_at.isoformat(timespec="minutes") if self.done_at else "the beginning"
            return Trouble(
                f"no restore was rehearsed since {since}; one is due every {self._every.days} days", since=None
            )
        return None

    async def _once(self) -> None:
        try:
            async with self._turn:
                started = self._clock.now()
                await asyncio.to_thread(self._rehearse, started)
            self.done_at, self.failure = started, ""
            log.info("restore_rehearsed", seconds=round((self._clock.now() - started).total_seconds(), 1))
        except (BiometricFlowError, OSError) as error:
            self.failure = str(error)[:500]
            log.error("restore_drill_failed", reason=self.failure)
        try:
            await asyncio.to_thread(self._remember)
        except OSError as error:
            log.error("restore_drill_not_recorded", reason=str(error))

    def _recall(self) -> None:
        try:
            said = json.loads(self._record.read_bytes())
            self._since = datetime.fromisoformat(said["since"])
            self.done_at = datetime.fromisoformat(said["done_at"]) if said["done_at"] else None
            self.failure = str(said["failure"])
        except FileNotFoundError:
            self._remember()
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.error("restore_drill_record_unreadable", reason=str(error))

    def _remember(self) -> None:
        done_at = self.done_at.isoformat() if self.done_at else ""
        content = json.dumps({"since": self._since.isoformat(), "done_at": done_at, "failure": self.failure})
        fresh = self._record.with_suffix(".new")
        fresh.write_text(content, encoding="utf-8")
        os.replace(fresh, self._record)
