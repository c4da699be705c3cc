"""A place in a process of its own, so that its disk and its limits can fail alone.

`python -m tests.services.lone_place FOLDER` prints its address and serves until its standard input ends.
"""

import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import structlog

from tests.services.places import API_KEY, running_place
from tests.services.pushes import pushing

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class LonePlace:
    """A place that serves somewhere else."""

    pid: int
    url: str
    folder: Path

    def client(self, seconds: float = 30) -> httpx2.Client:
        return httpx2.Client(base_url=self.url, headers={"Authorization": f"Bearer {API_KEY}"}, timeout=seconds)

    def send(self, first: int, count: int) -> httpx2.Response:
        """Punches as a file that somebody carried over."""
        with self.client() as http:
            return http.post("/v1/terminals/door/import", content=usb_file(first, count))

    def health(self) -> dict[str, Any]:
        with self.client() as http:
            found: dict[str, Any] = http.get("/health").json()
        return found


def usb_file(first: int, count: int) -> bytes:
    """Lines of an attlog.dat, a second apart."""
    lines = (
        f"{1 + number % 9}\t2026-03-{1 + number // 86400:02} {number // 3600 % 24:02}:{number // 60 % 60:02}:"
        f"{number % 60:02}\t1\t0\t0\t0\r\n"
        for number in range(first, first + count)
    )
    return "".join(lines).encode()


@contextlib.contextmanager
def lone_place(folder: Path) -> Iterator[LonePlace]:
    """A place with one terminal that pushes, `door`."""
    command = [sys.executable, "-m", "tests.services.lone_place", str(folder)]
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
        )
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            errors.seek(0)
            assert url.startswith("http"), url + errors.read()
            yield LonePlace(process.pid, url, folder)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(20)


async def serve(folder: Path) -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    async with running_place(folder, [pushing()]) as place:
        sys.stdout.write(f"{place.url}\n")
        sys.stdout.flush()
        await asyncio.to_thread(os.read, 0, 1)


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
