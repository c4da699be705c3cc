"""A real Redis or Valkey for a test, on a port of its own; the system's package is installed where this may be done."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from tests.requires import install, require
from tests.services.demos import free_run


@contextmanager
def running_redis(folder: Path, port: int = 0) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """Its address and its process, on any free port unless one is named; it keeps nothing on disk."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        install("redis-server")
        program = shutil.which("redis-server")
    require(program is not None, "redis-server", "sudo apt-get install redis-server")
    assert program is not None
    port = port or free_run(1)
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    try:
        _wait(port)
        yield f"redis://127.0.0.1:{port}/0", process
    finally:
        process.kill()
        process.wait(10)


def _wait(port: int) -> None:
    deadline = time.monotonic() + 30
    with redis.Redis(port=port) as client:
        while True:
            try:
                client.ping()
                return
            except redis.ConnectionError:
                assert time.monotonic() < deadline, "redis-server did not come up"
                time.sleep(0.05)


def everything(url: str) -> list[bytes]:
    """All values that it holds."""
    with redis.Redis.from_url(url) as client:
        return [value for key in client.scan_iter() if isinstance(value := client.get(key), bytes)]
