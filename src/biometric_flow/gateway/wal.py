"""Ships PostgreSQL's log (WAL) to the backup folder as it is written, so that a lost disk costs seconds.

`pg_receivewal` receives it behind a replication slot into a folder of ours; every few seconds what is new there is
encrypted into the backup folder. The server keeps what was not received yet, up to its `max_slot_wal_keep_size`.
"""

import asyncio
import contextlib
import gzip
import os
import re
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import IO, Final

import psutil  # type: ignore[import-untyped]
import structlog

from biometric_flow.runtime.backup import BackupRefused
from biometric_flow.runtime.backup_drill import Trouble
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.errors import StartRefused
from biometric_flow.runtime.postgres import EmbeddedPostgres
from biometric_flow.runtime.sealed_file import CHUNK, write_sealed

log = structlog.get_logger()

SLOT: Final = "biometric_flow_backup"
SHIP_SECONDS: Final = 5.0
LATE: Final = timedelta(minutes=10)
"""A log that is not shipped for so long needs a person."""
_READY_SECONDS: Final = 1.0
_RETRY_SECONDS: Final = 5.0
_COPY: Final = "shipping"
_SHIPPED: Final = re.compile(r"[0-9A-F]{24}(\.partial)?|[0-9A-F]{8}\.history")


class WalShipper:
    """One supervised task. `dsn` must allow replication."""

    def __init__(
        self,
        dsn: str,
        staging: Path,
        target: Path,
        recipient: str,
        clock: Clock,
        is_ready: Callable[[], bool] = lambda: True,
        bring_keys: Callable[[], None] = lambda: None,
    ) -> None:
        """`bring_keys` puts the keys as they are beside the log, blocking; called before the log that needs them."""
        self._bring_keys = bring_keys
        self._dsn, self._staging, self._target, self._recipient, self._clock = dsn, staging, target, recipient, clock
        self._is_ready = is_ready
        self._seen: dict[str, tuple[int, int]] = {}
        self._since = clock.now()
        self.shipped_at: datetime | None = None
        """When everything that had been received was last in the backup folder."""

    async def run(self) -> None:
        """Until cancelled: keep the receiver running and ship what it brings."""
        await asyncio.to_thread(self._prepare)
        while True:
            receiver = None
            while not self._is_ready():
                await self._clock.sleep(_READY_SECONDS)
            try:
                receiver = await self._receive()
                while receiver.returncode is None:
                    await asyncio.to_thread(self.ship)
                    self.shipped_at = self._clock.now()
                    await self._clock.sleep(SHIP_SECONDS)
                log.warning("wal_receiver_ended", code=receiver.returncode)
            except (StartRefused, OSError) as error:
                log.error("wal_not_shipped", reason=str(error)[:500])
            finally:
                if receiver is not None and receiver.returncode is None:
                    receiver.terminate()
                    await receiver.wait()
            await self._clock.sleep(_RETRY_SECONDS)

    def trouble(self, now: datetime) -> Trouble | None:
        """What a person has to know of it; None when all is well."""
        since = self.shipped_at or self._since
        if now - since <= LATE:
            return None
        return Trouble(f"the database's log was not shipped since {since.isoformat(timespec='minutes')}", since)

    def ship(self) -> None:
        """Encrypt what is new; a finished segment leaves the staging folder once its copy is durable.

        What is shipped is read before the keys are brought, so that no row arrives whose key does not.
        """
        copy = self._staging / _COPY
        for path in sorted(self._staging.iterdir()):
            if not _SHIPPED.fullmatch(path.name):
                continue
            try:
                status = path.stat()
                state = (status.st_mtime_ns, status.st_size)
                if self._seen.get(path.name) == state:
                    continue
                shutil.copyfile(path, copy)
            except FileNotFoundError:
                continue  # it was finished just now: its next name is found the next time
            self._bring_keys()
            write_sealed(self._target / f"{path.name}.age", self._recipient, partial(_pack, copy))
            self._seen[path.name] = state
            if not path.name.endswith(".partial"):
                path.unlink()
                del self._seen[path.name]
                (self._target / f"{path.name}.partial.age").unlink(missing_ok=True)

    def _prepare(self) -> None:
        for folder in (self._staging, self._target):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with contextlib.suppress(OSError, ValueError, psutil.Error):
            # A gateway that was killed leaves its receiver behind, which holds the slot.
            before = psutil.Process(int(self._pid_file.read_text()))
            if str(self._staging) in before.cmdline():
                before.terminate()
                before.wait(10)

    async def _receive(self) -> asyncio.subprocess.Process:
        common = ["--directory", str(self._staging), "--slot", SLOT, "--dbname", self._dsn]
        slot = await self._start("--create-slot", "--if-not-exists", *common)
        _, said = await slot.communicate()
        if slot.returncode != 0:
            raise BackupRefused(f"cannot make the replication slot {SLOT}: {said.decode(errors='replace').strip()}")
        receiver = await self._start("--no-loop", "--no-password", *common)
        self._pid_file.write_text(str(receiver.pid))
        return receiver

    async def _start(self, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            str(EmbeddedPostgres.binary("pg_receivewal")),
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE if "--create-slot" in arguments else asyncio.subprocess.DEVNULL,
            env={"LC_ALL": "C", "PATH": os.defpath, "HOME": "/nonexistent"},
        )

    @property
    def _pid_file(self) -> Path:
        return self._staging / "receiver.pid"


def _pack(path: Path, sink: IO[bytes]) -> None:
    with path.open("rb") as file, gzip.GzipFile(fileobj=sink, mode="wb", compresslevel=1, mtime=0) as packed:
        shutil.copyfileobj(file, packed, CHUNK)
