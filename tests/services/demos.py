"""`biometric-flow demo` as a person starts it: a real process tree on free ports."""

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from biometric_flow.api.clients import BlockingGatewayClient, GatewayProblem, GatewayUnreachable
from biometric_flow.api.gateway import GatewayPunch
from biometric_flow.supervisor.demo import EMAIL, PASSWORD, PLACES
from biometric_flow.supervisor.ports import Ports

TERMINALS = [terminal.key for place in PLACES for terminal in place.terminals]
YEAR = 23_648

Fact = tuple[str, str, str, int]
"""Place, PIN, wall-clock minute, state."""


@dataclass(slots=True)
class Demo:
    """One run of the demo."""

    process: asyncio.subprocess.Process
    folder: Path
    ports: Ports
    output: list[str]

    @property
    def gateway_url(self) -> str:
        return f"http://127.0.0.1:{self.ports.gateway}"

    @property
    def dashboard_url(self) -> str:
        return f"http://127.0.0.1:{self.ports.dashboard}"

    async def said(self, words: str, seconds: float = 120) -> str:
        """The line of output with these words, once it is there."""
        deadline = time.monotonic() + seconds
        while True:
            for line in self.output:
                if words in line:
                    return line
            assert time.monotonic() < deadline, f"{words!r} was not said within {seconds} s: {self.output}"
            assert self.process.returncode is None, f"the demo ended: {self.output}"
            await asyncio.sleep(0.1)

    async def control(self, terminal: str, **command: object) -> dict[str, Any]:
        """Ask a simulated terminal on its control port. Raises OSError while it is away."""
        return await control(self.ports.control + TERMINALS.index(terminal), **command)

    def children(self) -> dict[str, int]:
        """Name -> process id of everything below the supervisor, PostgreSQL's postmaster included."""
        found = {}
        for child in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.Error):
                found[_name(child)] = child.pid
        for number in self._postmaster():
            found["postgres"] = number
        return found

    def listening(self) -> list[int]:
        """Every port of the demo."""
        terminals = [base + index for base in (self.ports.terminal, self.ports.control) for index in range(6)]
        return [self.ports.gateway, self.ports.dashboard, *(self.ports.place + index for index in range(3)), *terminals]

    def processes(self) -> list[psutil.Process]:
        """Every process of this demo, also those whose supervisor is gone."""
        return [process for process in psutil.process_iter() if _is_ours(process, str(self.folder))]

    def _postmaster(self) -> list[int]:
        with contextlib.suppress(OSError, ValueError):
            file = next((self.folder / "gateway").glob("postgres/**/postmaster.pid"), None)
            if file is not None:
                number = int(file.read_text().splitlines()[0])
                return [number] if _is_postgres(number) else []
        return []

    async def stop(self) -> None:
        """Ctrl-C, until it has ended."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGINT)
        await asyncio.wait_for(self.process.wait(), 40)


async def control(port: int, **command: object) -> dict[str, Any]:
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**26)
        writer.write(json.dumps(command).encode() + b"\n")
        line = await reader.readline()
        writer.close()
    if not line:
        raise ConnectionResetError("the terminal went away")
    answer: dict[str, Any] = json.loads(line)
    return answer


@contextlib.asynccontextmanager
async def running_demo(folder: Path, ports: Ports, live: float = 0) -> AsyncIterator[Demo]:
    flags = [
        f"--{name}-port={getattr(ports, name)}" for name in ("gateway", "dashboard", "place", "terminal", "control")
    ]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "biometric_flow.cli", "demo", "--data", str(folder), "--live", str(live), *flags,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    demo = Demo(process, folder, ports, [])
    reading = asyncio.create_task(_collect(process, demo.output))
    try:
        yield demo
    finally:
        await demo.stop()
        await reading


async def _collect(process: asyncio.subprocess.Process, output: list[str]) -> None:
    assert process.stdout is not None
    async for line in process.stdout:
        output.append(line.decode().rstrip())


def free_ports() -> Ports:
    """Ports that are free now, as runs of neighbours that do not overlap."""
    while True:
        ports = Ports(
            gateway=free_run(1), dashboard=free_run(1), place=free_run(3), terminal=free_run(6), control=free_run(6)
        )
        runs = [(ports.gateway, 1), (ports.dashboard, 1), (ports.place, 3), (ports.terminal, 6), (ports.control, 6)]
        if len({base + index for base, count in runs for index in range(count)}) == 17:
            return ports


def free_run(count: int) -> int:
    """Below the range from which outgoing connections take theirs, which would steal the port of a killed process."""
    while True:
        base = random.randrange(17_000, 32_000)
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for offset in range(count):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", base + offset))
            return base


@contextlib.contextmanager
def signed_in(demo: Demo) -> Iterator[BlockingGatewayClient]:
    with BlockingGatewayClient(demo.gateway_url) as client:
        client.sign_in(EMAIL, PASSWORD)
        yield client


def all_punches(client: BlockingGatewayClient) -> list[GatewayPunch]:
    found: list[GatewayPunch] = []
    cursor = None
    while True:
        page = client.punches(limit=1000, cursor=cursor)
        found += page.items
        if page.next_cursor is None:
            return found
        cursor = page.next_cursor


def fact(punch: GatewayPunch) -> Fact:
    return punch.place, punch.pin, punch.local_time.strftime("%Y-%m-%d %H:%M"), punch.state


async def truth(demo: Demo) -> list[tuple[str, str, str, int]]:
    """What the terminals themselves hold: terminal key, PIN, wall-clock second, state."""
    rows = []
    for key in TERMINALS:
        answer = await demo.control(key, do="truth")
        rows += [(key, pin, time.replace("T", " "), state) for pin, time, _verify, state, _code in answer["rows"]]
    return rows


async def eventually(client: BlockingGatewayClient, count: int, seconds: float) -> None:
    """Wait until the gateway holds so many punches; not one more."""
    deadline = time.monotonic() + seconds
    held = -1
    while held < count:
        assert time.monotonic() < deadline, f"the gateway holds {held} of {count} punches after {seconds} s"
        with contextlib.suppress(GatewayUnreachable, GatewayProblem):
            held = client.punch_count().count
        await asyncio.sleep(0.2)
    assert held == count


def local_minute(text: str) -> str:
    return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M")


def _is_postgres(number: int) -> bool:
    try:
        process = psutil.Process(number)
        return process.name() == "postgres" and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _is_ours(process: psutil.Process, folder: str) -> bool:
    try:
        arguments = process.cmdline()
    except psutil.Error:
        return False
    return "biometric_flow.cli" in arguments and any(folder in argument for argument in arguments)


def _name(process: psutil.Process) -> str:
    arguments = process.cmdline()
    command = arguments[arguments.index("biometric_flow.cli") + 1]
    for flag in ("--place", "--serial"):
        if flag in arguments:
            return f"{command} {arguments[arguments.index(flag) + 1]}"
    return command
