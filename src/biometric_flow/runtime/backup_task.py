"""Backups by themselves: one every so many hours, the old ones removed, and what came of it for whoever asks."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import structlog

from biometric_flow.model.errors import BiometricFlowError
from biometric_flow.runtime.backup import KEY_COPIES, WAL, BackupName, expired, found_in, remove_left
from biometric_flow.runtime.backup_drill import Trouble
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.process import usable_folder
from biometric_flow.runtime.sealed_file import Written

log = structlog.get_logger()

_READY_SECONDS: Final = 1.0
_RETRY: Final = timedelta(minutes=10)

Make = Callable[[Path, str, datetime], Mapping[BackupName, Written]]
"""(folder, recipient, now) -> what was written; blocking."""


@dataclass(frozen=True, slots=True)
class BackupPlan:
    """Where backups go, what they are encrypted to, how often, and how long they are kept."""

    folder: Path
    recipient: str
    every: timedelta
    keep: timedelta
    drill_every: timedelta
    """How often a restore is rehearsed; never when it is nothing."""


class BackupTask:
    """One supervised task. A backup that fails is tried again, and costs nobody anything but its absence."""

    def __init__(
        self,
        plan: BackupPlan,
        kind: str,
        of: str,
        make: Make,
        clock: Clock,
        is_ready: Callable[[], bool] = lambda: True,
        turn: asyncio.Lock | None = None,
    ) -> None:
        self._plan, self._kind, self._of, self._make, self._clock = plan, kind, of, make, clock
        self._is_ready, self._turn = is_ready, turn or asyncio.Lock()
        self._since = clock.now()
        self.made_at: datetime | None = None
        """When the newest backup was made."""
        self.failure: str | None = None
        """Why the last attempt failed; None when it did not."""

    async def run(self) -> None:
        """Until cancelled. A process that was started again goes on from the newest backup in the folder."""
        while True:
            try:
                await asyncio.to_thread(usable_folder, self._plan.folder)
                self.made_at = await asyncio.to_thread(self._newest)
                wait = self.made_at + self._plan.every - self._clock.now() if self.made_at else timedelta()
                if wait > timedelta():
                    await self._clock.sleep(wait.total_seconds())
                while not self._is_ready():
                    await self._clock.sleep(_READY_SECONDS)
                await self._once()
            except (BiometricFlowError, OSError) as error:
                self.failure = str(error)
                log.error("backup_failed", reason=str(error)[:500])
                await self._clock.sleep(_RETRY.total_seconds())

    def is_overdue(self, now: datetime) -> bool:
        """Whether the newest backup is older than twice the time between two."""
        return now - (self.made_at or self._since) > 2 * self._plan.every

    def trouble(self, now: datetime) -> Trouble | None:
        """What a person has to know of it; None when all is well."""
        newest = (
            f"the newest is of {self.made_at.isoformat(timespec='minutes')}" if self.made_at else "there is none yet"
        )
        if self.failure is not None:
            return Trouble(f"the last backup failed, {newest}: {self.failure[:300]}", self.made_at)
        if self.is_overdue(now):
            hours = self._plan.every / timedelta(hours=1)
            return Trouble(f"no backup was made in time, {newest}; one is due every {hours:g} h", self.made_at)
        return None

    async def _once(self) -> None:
        async with self._turn:
            now = self._clock.now()
            written = await asyncio.to_thread(self._make, self._plan.folder, self._plan.recipient, now)
        self.made_at, self.failure = now, None
        log.info("backup_made", files=[str(name) for name in written], bytes=sum(one.bytes for one in written.values()))
        for name in await asyncio.to_thread(prune, self._plan.folder, now, self._plan.keep):
            log.info("backup_removed", file=name)

    def _newest(self) -> datetime | None:
        mine = (name for name in found_in(self._plan.folder) if (name.kind, name.id) == (self._kind, self._of))
        return max((name.at for name in mine if name.part == "data"), default=None)


def prune(folder: Path, now: datetime, keep: timedelta) -> list[str]:
    """Remove what is older than it may be kept, and the database's log before the oldest backup; the names."""
    names = found_in(folder)
    gone = expired(names, now, keep)
    for name in gone:
        (folder / str(name)).unlink(missing_ok=True)
    removed = [str(name) for name in gone]
    oldest = min((name.at for name in names if name.kind == "gateway" and name not in gone), default=None)
    if oldest is not None and (folder / WAL).is_dir():
        for path in (folder / WAL).glob("*.age"):
            if datetime.fromtimestamp(path.stat().st_mtime, UTC) < oldest - timedelta(hours=1):
                path.unlink()
                removed.append(path.name)
    return removed + remove_left(folder, "*.age.part", now) + remove_left(folder, f"{KEY_COPIES}*", now)
