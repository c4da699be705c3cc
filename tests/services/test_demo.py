"""The README's first command, watched from outside."""

import asyncio
import shlex
import socket
import sys
from collections import Counter
from datetime import timedelta
from importlib import resources
from pathlib import Path
from zoneinfo import ZoneInfo

import psutil
import pytest

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

pytestmark = pytest.mark.xdist_group("demo")


def the_file() -> list[history.Row]:
    source = resources.files("biometric_flow.supervisor") / "demo_data" / "attlog-year-2015.dat"
    return history.parse(source.read_text(encoding="utf-8"))


async def test_the_year_arrives_once_and_again_nothing_on_the_next_start(passable: Path) -> None:
    ports = free_ports()
    async with running_demo(passable, ports) as demo:
        await demo.said("punches of the year have arrived")
        with signed_in(demo) as client:
            assert client.punch_count().count == YEAR
            punches = all_punches(client)
        _is_the_file(demo, punches)
        assert await demo.stop() < 5
        assert demo.process.returncode == 0
    assert demo.processes() == []
    assert "postgres" not in {process.name() for process in psutil.process_iter() if str(passable) in _command(process)}

    async with running_demo(passable, ports) as demo:
        await demo.said("punches of the year have arrived", seconds=60)
        made = await demo.control("cairo-gate", do="punch", pin="1", state=0)
        assert made["ok"]
        with signed_in(demo) as client:
            await eventually(client, YEAR + 1, seconds=30)
            again = all_punches(client)
    assert {punch.id for punch in punches} < {punch.id for punch in again}


def _is_the_file(demo: Demo, punches: list) -> None:  # type: ignore[type-arg]
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
