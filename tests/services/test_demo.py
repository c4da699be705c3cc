"""The README's first command, watched from outside."""

import asyncio
import contextlib
import os
import random
import shlex
import socket
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from importlib import metadata, resources
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx2
import psutil
import pytest
import pytest_asyncio

from biometric_flow.api.gateway import GatewayPunch
from biometric_flow.api.hours_client import HoursDesk
from biometric_flow.supervisor import history
from biometric_flow.supervisor.demo import PLACES
from tests.services.demos import (
    YEAR,
    Demo,
    all_punches,
    eventually,
    fact,
    free_ports,
    running_demo,
    signed_in,
)


@dataclass(frozen=True, slots=True)
class Start:
    """A start of the demo until its year had arrived, and how it ended."""

    demo: Demo
    count: int
    punches: list[GatewayPunch]
    sign_in: int
    """How the dashboard answered a stranger."""


def the_file() -> list[history.Row]:
    source = resources.files("biometric_flow.supervisor") / "demo_data" / "attlog-year-2015.dat"
    return history.parse(source.read_text(encoding="utf-8"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def first_start() -> AsyncIterator[Start]:
    """What the demo's first start came to, without anything that only developers install; it has ended again."""
    hidden = development_modules()
    assert {"pytest", "playwright"} <= hidden, "the list of what to hide is wrong"
    with tempfile.TemporaryDirectory(prefix="bf-test-") as name:
        folder, ports = Path(name), free_ports()
        (folder / "sitecustomize.py").write_text(HIDING.format(hidden=hidden))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTHONPATH", name, prepend=os.pathsep)
            async with running_demo(folder / "data", ports) as demo:
                await demo.said("punches of the year have arrived")
                async with httpx2.AsyncClient() as http:
                    sign_in = (await http.get(f"{demo.dashboard_url}/sign-in")).status_code
                with signed_in(demo) as client:
                    count, punches = client.punch_count().count, all_punches(client)
                await demo.stop()
        yield Start(demo, count, punches, sign_in)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def second_start(first_start: Start) -> AsyncIterator[Demo]:
    """The same demo, started again."""
    async with running_demo(first_start.demo.folder, first_start.demo.ports) as demo:
        await demo.said("punches of the year have arrived", seconds=60)
        yield demo


@pytest.mark.asyncio(loop_scope="module")
async def test_the_year_arrives_once_and_nothing_of_the_demo_stays_behind(first_start: Start) -> None:
    assert first_start.count == YEAR
    _is_the_file(first_start.punches)
    demo = first_start.demo
    assert demo.process.returncode == 0
    assert demo.processes() == []
    folder = str(demo.folder)
    assert "postgres" not in {process.name() for process in psutil.process_iter() if folder in _command(process)}


@pytest.mark.asyncio(loop_scope="module")
async def test_the_demo_needs_nothing_that_only_developers_install(first_start: Start) -> None:
    assert first_start.sign_in == 200
    assert not [line for line in first_start.demo.output if "starting it again" in line]


@pytest.mark.asyncio(loop_scope="module")
async def test_the_next_start_adds_what_is_new_and_computes_workdays(first_start: Start, second_start: Demo) -> None:
    demo = second_start
    made = await demo.control("cairo-gate", do="punch", pin="1", state=0)
    assert made["ok"]
    with signed_in(demo) as client:
        await eventually(client, YEAR + 1, seconds=30)
        again = all_punches(client)
    await demo.said("workdays of their people are computed", seconds=300)
    with signed_in(demo) as client:
        days = list(HoursDesk(client).workdays(status="present"))
    assert len(days) > 10_000
    assert {day.pack for day in days} == {"nile-delta v1"}
    assert 0.02 < sum(day.pay.get("overtime", 0) for day in days) / sum(day.worked for day in days) < 0.2
    assert {punch.id for punch in first_start.punches} < {punch.id for punch in again}


def _is_the_file(punches: list) -> None:  # type: ignore[type-arg]
    """Equal to the file per person and minute, moved by one number of whole weeks, in each place's zone."""
    rows = the_file()
    place_of = {punch.pin: punch.place for punch in punches}
    zones = {place.id: ZoneInfo(place.zone) for place in PLACES}
    moved = max(punch.local_time for punch in punches) - max(row.time for row in rows)
    assert moved % timedelta(weeks=1) == timedelta()
    expected = Counter(
        (place_of[row.pin], row.pin, f"{row.time + moved:%Y-%m-%d %H:%M}", int(row.state)) for row in rows
    )
    assert Counter(map(fact, punches)) == expected
    for punch in punches:
        assert punch.local_time.replace(tzinfo=zones[punch.place]) == punch.instant
        assert punch.zone == zones[punch.place].key


async def refused(folder: Path, *flags: str, limit: str = "") -> str:
    """The one line of a demo that will not start."""
    command = [sys.executable, "-m", "biometric_flow.cli", "demo", "--data", str(folder), *flags]
    process = await asyncio.create_subprocess_shell(
        f"{limit}exec {shlex.join(command)}",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 2
    (line,) = output.decode().strip().splitlines()
    return line


async def test_a_port_in_use_is_one_clear_line_and_nothing_is_started(passable: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = await refused(passable, f"--gateway-port={port}")
    assert f"port {port} on 127.0.0.1 is in use" in line
    assert not (passable / "logs").exists()


async def test_one_port_for_two_is_one_clear_line_that_names_both(passable: Path) -> None:
    line = await refused(passable, "--dashboard-port=9000", "--gateway-port=9000")
    assert "the gateway and the dashboard would both listen on port 9000" in line
    assert not (passable / "logs").exists()


HIDING = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {hidden!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
"""


def development_modules() -> set[str]:
    """The modules of the packages that requirements/dev.txt adds to requirements/run.txt."""
    folder = Path(__file__).parents[2] / "requirements"
    run, develop = (
        {line.split("==")[0] for line in (folder / name).read_text().splitlines() if "==" in line}
        for name in ("run.txt", "dev.txt")
    )
    found = set()
    for module, packages in metadata.packages_distributions().items():
        names = {package.lower().replace("_", "-").replace(".", "-") for package in packages}
        if names <= develop - run:
            found.add(module)
    return found


async def test_a_folder_that_is_a_file_is_one_clear_line(passable: Path) -> None:
    (passable / "file").write_text("")
    line = await refused(passable / "file")
    assert f"cannot write to the data folder {passable / 'file'}" in line


async def test_a_disk_that_takes_no_more_is_one_clear_line(passable: Path) -> None:
    # A limit on the size of files makes every write of more than a kibibyte fail, as a full disk does.
    line = await refused(passable, limit="ulimit -f 1; ")
    assert f"cannot write to the data folder {passable}: File too large" in line


async def test_a_second_demo_on_the_same_folder_is_one_clear_line(passable: Path) -> None:
    async with running_demo(passable, free_ports()) as demo:
        await demo.said("Starting")
        line = await refused(passable)
    assert f"another process uses the data folder {passable}" in line


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


ATTACKS = [
    bytes(random.Random(1).randbytes(200_000)),
    b"\x50\x50\x82\x7d\xff\xff\xff\xff" + b"\xd0" * 1000,
    b"\x50\x50\x82\x7d\x08\x00\x00\x00" + b"\xe8\x03",
    b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"a" * 900) for n in range(500)) + b"\r\n",
    b"POST /v1/auth/token HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999\r\n\r\n{",
    b"POST /sign-in HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFF\r\n",
    b"POST /v1/auth/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 90000\r\n\r\n"
    + b"[" * 90_000,
    b"GET /_stcore/stream HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n",
    b'{"do": "punch", "pin": "' + b"7" * 300_000 + b'"}\n',
    b'{"do": "nothing"}\n' * 1000,
]


@pytest.mark.asyncio(loop_scope="module")
async def test_hostile_bytes_on_every_port_change_nothing(second_start: Demo) -> None:
    demo = second_start
    with signed_in(demo) as client:
        held = client.punch_count().count
    before = {name: (number, memory(number)) for name, number in demo.children().items()}
    for port in demo.listening():
        for attack in ATTACKS * 3:
            await strike(port, attack)
    after = demo.children()
    assert {name: number for name, (number, _) in before.items()} == after, "a process died"
    grown = {name: memory(number) - before[name][1] for name, number in after.items()}
    assert max(grown.values()) < 64 * 1024 * 1024, grown
    assert (await demo.control("cairo-gate", do="punch", pin="1", state=0))["ok"]
    with signed_in(demo) as client:
        await eventually(client, held + 1, seconds=30)
    async with httpx2.AsyncClient(timeout=10) as http:
        assert (await http.get(f"{demo.dashboard_url}/health")).status_code == 200


async def strike(port: int, attack: bytes) -> None:
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(3):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(attack)
                await writer.drain()
                writer.write_eof()
                await reader.read(65536)
            finally:
                writer.transport.abort()


def memory(number: int) -> int:
    return int(psutil.Process(number).memory_info().rss)
