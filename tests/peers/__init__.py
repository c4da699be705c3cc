"""Foreign clients as black boxes: Node programs that are installed when a test needs them."""

import asyncio
import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from tests.requires import install

FOLDER = Path(__file__).parent
INSTALL_SECONDS = 120


def npm_packages() -> Path | None:
    """The folder that holds the packages of package.json; installed once for a machine, None when that cannot be."""
    if not shutil.which("node") or not shutil.which("npm"):
        install("nodejs", "npm")
    if not shutil.which("node") or not shutil.which("npm"):
        return None
    wanted = (FOLDER / "package.json").read_bytes()
    name = f"biometric-flow-peers-{os.getuid()}-{hashlib.sha256(wanted).hexdigest()[:12]}"
    ready = Path(tempfile.gettempdir()) / name
    if (ready / "node_modules").is_dir():
        return ready
    fresh = Path(tempfile.mkdtemp(prefix="biometric-flow-peers-"))
    (fresh / "package.json").write_bytes(wanted)
    command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock", "--silent"]
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(command, cwd=fresh, check=False, capture_output=True, timeout=INSTALL_SECONDS)
    if (fresh / "node_modules" / "zkteco-js").is_dir():
        with contextlib.suppress(OSError):  # another worker was faster
            fresh.rename(ready)
    shutil.rmtree(fresh, ignore_errors=True)
    return ready if (ready / "node_modules").is_dir() else None


class Peer:
    """A running foreign client."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.events: list[Any] = []

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    async def do(self, verb: str, **given: Any) -> Any:
        """Ask it to do something. Raises AssertionError when it cannot."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": verb, **given}).encode() + b"\n")
        while True:
            answer = await self._line()
            if "event" not in answer:
                assert "error" not in answer, answer["error"]
                return answer.get("ok")
            self.events.append(answer["event"])

    async def next_event(self) -> Any:
        """The next thing it heard."""
        if self.events:
            return self.events.pop(0)
        return (await self._line())["event"]

    async def _line(self) -> Any:
        assert self._process.stdout is not None
        async with asyncio.timeout(30):
            return json.loads(await self._process.stdout.readline())


@contextlib.asynccontextmanager
async def running(packages: Path) -> AsyncIterator[Peer]:
    """A Node process for as long as it is needed."""
    process = await asyncio.create_subprocess_exec(
        "node", str(FOLDER / "drive.js"), str(packages), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        limit=256 * 1024 * 1024,
    )  # fmt: skip
    try:
        yield Peer(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(5):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
