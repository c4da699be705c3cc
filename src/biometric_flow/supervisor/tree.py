"""A tree of processes: start them, restart one that dies, stop all within seconds.

Children are told to end by the end of their standard input, which also happens when this process is killed: nothing is
left behind, and nothing needs a process group.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.errors import StartRefused
from biometric_flow.runtime.process import SUPERVISED_VARIABLE

STOP_SECONDS: Final = 25.0
"""Quiet children end within two seconds; a gateway whose database hangs needs 20, and killed leaves it behind."""
RESTART_SECONDS: Final = 0.5
RESTART_MAX_SECONDS: Final = 10.0
STEADY_SECONDS: Final = 20.0
"""A child that lived this long is restarted without delay when it dies."""

REFUSED: Final = 2
"""The exit code of a `biometric-flow` process that will not start as configured."""

TRIES: Final = 8
"""A child that was never steady and fails so many times in a row, for most of a minute, will not get better."""

LOG_BYTES: Final = 20 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Child:
    """One process of the tree: `biometric-flow <arguments>`."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


class Tree:
    """Runs children until asked to stop. `say` prints one line for a person."""

    def __init__(self, logs: Path, clock: Clock, say: Callable[[str], None]) -> None:
        self._logs, self._clock, self._say = logs, clock, say
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._stopping = asyncio.Event()
        self._refusal: StartRefused | None = None

    @property
    def pids(self) -> dict[str, int]:
        """Name -> process id of the children that run now."""
        return {name: process.pid for name, process in self._processes.items() if process.returncode is None}

    def stop(self) -> None:
        """Ask for the end of everything."""
        self._stopping.set()

    async def run(self, children: Sequence[Child]) -> None:
        """Keep the children running until `stop`, SIGINT or SIGTERM. Raises StartRefused when one will not start."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.stop)
        keepers = [asyncio.create_task(self._keep(child), name=f"keep {child.name}") for child in children]
        try:
            await self._stopping.wait()
        finally:
            for keeper in keepers:
                keeper.cancel()
            await asyncio.gather(*keepers, return_exceptions=True)
            await self._end_all()
        if self._refusal is not None:
            raise self._refusal

    async def _keep(self, child: Child) -> None:
        delay = RESTART_SECONDS
        has_run = False
        is_proven = False
        failures = 0
        while True:
            started = self._clock.monotonic()
            code = await self._run_once(child)
            lived = self._clock.monotonic() - started
            if code == REFUSED and not has_run:
                self._refusal = StartRefused(f"{child.name}: {_last_line(self._log(child))}")
                self.stop()
                return
            has_run = has_run or code != REFUSED
            is_proven = is_proven or lived > STEADY_SECONDS
            failures = failures + 1 if code > 0 else 0
            if failures == TRIES and not is_proven:
                self._refusal = StartRefused(f"{child.name} failed {TRIES} times: {_last_line(self._log(child))}")
                self.stop()
                return
            why = f"{_cause(code)}: {_last_line(self._log(child))}" if code > 0 else _cause(code)
            self._say(f"{child.name} ended ({why}); starting it again, its log is {self._log(child)}")
            delay = RESTART_SECONDS if lived > STEADY_SECONDS else min(delay * 2, RESTART_MAX_SECONDS)
            await self._clock.sleep(delay)

    async def _run_once(self, child: Child) -> int:
        with _open_log(self._log(child)) as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "biometric_flow.cli",
                *child.arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={**os.environ, **child.environment, SUPERVISED_VARIABLE: "1"},
                start_new_session=True,
            )
        self._processes[child.name] = process
        return await process.wait()

    async def _end_all(self) -> None:
        running = [process for process in self._processes.values() if process.returncode is None]
        for process in running:
            assert process.stdin is not None
            process.stdin.close()
        ends = asyncio.gather(*(process.wait() for process in running))
        try:
            await asyncio.wait_for(asyncio.shield(ends), STOP_SECONDS)
        except TimeoutError:
            for process in running:
                with suppress(ProcessLookupError):
                    process.kill()
            await ends

    def _log(self, child: Child) -> Path:
        return self._logs / f"{child.name.replace(' ', '-')}.log"


def _open_log(path: Path) -> IO[bytes]:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > LOG_BYTES:
        path.replace(path.with_suffix(".log.old"))
    return path.open("ab")


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1].removeprefix("biometric-flow: ") if lines else "it gave no reason"


def _cause(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
