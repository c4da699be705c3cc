"""Many short lives of a whole place that terminals dial, each ended by kill -9: at a random moment or at a named point.

`python -m tests.services.push_lives FOLDER PORT` reads one line for each life, `POINT<tab>OCCURRENCE`, prints the
life's process id and address, and `gone` when it is over. A life is forked from a process that has imported
everything, so it costs milliseconds; it ends by itself at a line `end`, or when nobody is there any more.
"""

import asyncio
import contextlib
import os
import signal
import sqlite3
import sys
import traceback
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import structlog

from biometric_flow.place import app as app_module
from biometric_flow.place.schema import open_database
from biometric_flow.runtime.key_store import KeyStore
from tests.services.pushes import push_place, pushing

ROOT = Path(__file__).parents[2]

TERMINALS: Final = {"PUSH0001": "att", "PUSH0002": "acc", "PUSH0003": "att", "PUSH0004": "acc"}
"""Serial -> the protocol it speaks."""

POINTS: Final = (
    "INSERT INTO push_command",
    "UPDATE push_command SET state = 'sent'",
    "UPDATE push_command SET state = 'confirmed', code",
    "UPDATE push_command SET state = 'failed', detail",
    "UPDATE push_command SET step = ''",
    "UPDATE job SET state = 'sent'",
    "UPDATE job SET state = 'confirmed'",
    "INSERT INTO ledger_entry",
    "INSERT INTO punch",
    "COMMIT",
)
"""Where a life can end: just before a statement of this beginning, its values in place."""


def key_of(serial: str) -> str:
    """A terminal's key at this place."""
    return f"door-{serial[-1]}"


class Lives:
    """The process from which lives are forked, seen from a test."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def begin(self, point: str = "", occurrence: int = 1) -> tuple[int, str] | None:
        """One more life, which ends just before a statement that begins with `point`.

        Its process id and address; None when it was over before anybody could ask it.
        """
        await self._say(f"{point}\t{occurrence}")
        said = await self._hear()
        return None if said == ["gone"] else (int(said[0]), said[1])

    async def gone(self) -> None:
        """Wait until the life that was begun is over."""
        assert await self._hear() == ["gone"]

    async def end(self) -> None:
        """Let the life end in peace."""
        await self._say("end")
        await self.gone()

    async def _hear(self) -> list[str]:
        assert self._process.stdout is not None
        return (await asyncio.wait_for(self._process.stdout.readline(), 60)).decode().split()

    async def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        await self._process.stdin.drain()


@contextlib.asynccontextmanager
async def push_lives(folder: Path, port: int) -> AsyncIterator[Lives]:
    """Where lives come from; terminals dial `port`."""
    command = [sys.executable, "-m", "tests.services.push_lives", str(folder), str(port)]
    pipe = asyncio.subprocess.PIPE
    with (folder / "lives.log").open("w") as errors:
        process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=errors)
        try:
            yield Lives(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            await asyncio.wait_for(process.wait(), 60)


async def live(folder: Path, port: int) -> None:
    """One life, in its own process."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    terminals = [pushing(serial, key_of(serial)) for serial in TERMINALS]
    async with push_place(folder, terminals, push_port=port, push_answer_seconds=1, report_seconds=0.3) as place:
        os.write(1, f"{os.getpid()} {place.url}\n".encode())
        await asyncio.to_thread(os.read, 0, 64)


def strike_before(point: str, occurrence: int) -> None:
    """Let the writer of this process end it just before the nth statement of this beginning."""
    left = occurrence

    def before(statement: str) -> None:
        nonlocal left
        if statement.startswith(point):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def opened(path: Path, keys: KeyStore) -> sqlite3.Connection:
        connection = open_database(path, keys)
        connection.set_trace_callback(before)
        return connection

    app_module.open_database = opened  # type: ignore[attr-defined]


def main(folder: str, port: str) -> int:
    """Fork a life for each line, until there are no more."""
    while line := _line():
        point, _, occurrence = line.rstrip("\n").partition("\t")
        child = os.fork()
        if child == 0:
            try:
                if point:
                    strike_before(point, int(occurrence))
                asyncio.run(live(Path(folder), int(port)))
            except BaseException:
                traceback.print_exc()
                raise
            finally:
                sys.stderr.flush()
                os._exit(0)
        os.waitpid(child, 0)
        os.write(1, b"gone\n")
    return 0


def _line() -> str:
    """Byte by byte: what is read too much would be missing to the child."""
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(0, 1)):
        line += byte
    return line.decode()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
