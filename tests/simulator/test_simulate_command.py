"""`biometric-flow simulate` as people and other programs use it: a process, its control port, its files."""

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from biometric_flow.zk.simulator.control import ask_control
from biometric_flow.zk.terminal import open_terminal
from biometric_flow.zk.wire.events import AttendanceEvent

RUN = (
    "import argparse, sys\n"
    "from biometric_flow.zk.simulator.main import add_arguments, run\n"
    "parser = argparse.ArgumentParser()\n"
    "add_arguments(parser)\n"
    "sys.exit(run(parser.parse_args()))\n"
)


class Process:
    """A running `simulate` with its two ports."""

    def __init__(self, *flags: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUN, "--port", "0", "--control-port", "0", *flags],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.port, self.control = (int(part.split(":")[-1]) for part in line.strip().split(", control on "))

    def ask(self, **request: Any) -> dict[str, Any]:
        return asyncio.run(ask_control("127.0.0.1", self.control, request))

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        return self.process.wait(5)


@contextlib.contextmanager
def simulate(*flags: str) -> Iterator[Process]:
    process = Process(*flags)
    try:
        yield process
    finally:
        process.process.kill()
        process.process.communicate()


def start_up(*flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", RUN, *flags], capture_output=True, text=True, timeout=20, check=False)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_within_a_second_with_clients_connected(how: signal.Signals) -> None:
    with simulate() as sim:
        clients = [socket.create_connection(("127.0.0.1", port)) for port in (sim.port, sim.control)]
        began = time.monotonic()
        assert sim.end(how) == 0
        assert time.monotonic() - began < 10
        assert sim.process.stderr is not None
        assert sim.process.stderr.read() == ""
        for client in clients:
            client.close()


def test_it_stops_on_request() -> None:
    with simulate() as sim:
        assert sim.ask(do="stop")["ok"]
        assert sim.process.wait(2) == 0


def test_files_zone_and_key_are_used(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("pin,name,card,privilege\n7,Åsa 小明,77,14\n8\n", "utf-8")
    (tmp_path / "year.dat").write_text("7\t2015-01-02 09:33:00\t1\t0\t0\n 9\t2015-02-31 09:35:00\t15\t1\t3\n")
    flags = ("--users", str(tmp_path / "people.csv"), "--attlog", str(tmp_path / "year.dat"), "--comm-key", "55")
    with simulate(*flags, "--zone", "Asia/Kathmandu", "--serial", "KTM-01") as sim:

        async def read() -> tuple[Any, ...]:
            async with open_terminal("127.0.0.1", sim.port, comm_key=55) as terminal:
                return await terminal.users(), await terminal.attendance(), (await terminal.info()).serial

        users, log, serial = asyncio.run(read())
        assert serial == "KTM-01"
        assert [(u.user_id, u.name, u.card, u.is_admin) for u in users.records] == [
            ("7", "Åsa 小明", 77, True),
            ("8", "", 0, False),
            ("9", "", 0, False),
        ]
        assert [(r.user_id, r.time.text(), r.verify, r.state, r.work_code) for r in log.records] == [
            ("7", "2015-01-02T09:33:00", 1, 0, 0),
            ("9", "2015-02-31T09:35:00", 15, 1, 3),
        ]
        assert sim.ask(do="truth")["rows"] == [
            ["7", "2015-01-02T09:33:00", 1, 0, 0],
            ["9", "2015-02-31T09:35:00", 15, 1, 3],
        ]
        assert sim.ask(do="truth", after=1)["count"] == 2


def test_a_kill_loses_no_punch_that_anybody_heard_of(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    heard: list[str] = []
    for _ in range(3):
        with simulate("--journal", str(journal)) as sim:

            async def hear(port: int, control: int) -> None:
                async with open_terminal("127.0.0.1", port) as terminal:
                    await terminal.listen()
                    for pin in ("7", "8", "9"):
                        await ask_control("127.0.0.1", control, {"do": "punch", "pin": pin, "state": 1})
                        event = await terminal.next_event(5)
                        assert isinstance(event, AttendanceEvent)
                        heard.append(f"{event.user_id} {event.time}")

            asyncio.run(hear(sim.port, sim.control))
            sim.process.kill()
            sim.process.wait()
        with journal.open("ab") as file:
            file.write(b"7\t2026-01-0")  # the kill tore a line
    with simulate("--journal", str(journal)) as sim:
        assert [f"{row[0]} {row[1]}" for row in sim.ask(do="truth")["rows"]] == heard
    assert len(heard) == 9


def test_people_punch_by_themselves_in_and_out(tmp_path: Path) -> None:
    with simulate("--live", "0.02") as sim:
        sim.ask(do="enrol", pin="7", name="Amina")
        deadline = time.monotonic() + 10
        while sim.ask(do="state")["rows"] < 6 and time.monotonic() < deadline:
            time.sleep(0.02)
        sim.ask(do="live", every=0)
        rows = sim.ask(do="truth")["rows"]
        assert [row[3] for row in rows[:6]] == [0, 1, 0, 1, 0, 1]
        assert sim.ask(do="truth")["rows"] == rows


def test_faults_are_made_over_the_control_port() -> None:
    with simulate() as sim:
        assert sim.ask(do="fault", kind="serial", value="NEW-0001")["ok"]
        assert sim.ask(do="fault", kind="bad_row", pin="7")["ok"]
        assert sim.ask(do="fault", kind="unreadable_row")["ok"]
        before = sim.ask(do="state")["time"]
        assert sim.ask(do="fault", kind="drift", seconds=7200)["ok"]
        assert sim.ask(do="state")["time"] > before
        for kind in ("checksum", "refuse", "off", "on", "cut", "clear"):
            assert sim.ask(do="fault", kind=kind)["ok"], kind

        async def read() -> tuple[Any, ...]:
            async with open_terminal("127.0.0.1", sim.port) as terminal:
                log = await terminal.attendance()
                return (await terminal.info()).serial, len(log.records), len(log.rejected)

        assert asyncio.run(read()) == ("NEW-0001", 1, 1)


def test_a_port_in_use_is_one_clear_line() -> None:
    with simulate() as sim:
        failed = start_up("--port", str(sim.port), "--name", "gate")
    assert failed.returncode == 2
    assert failed.stderr.count("\n") == 1
    assert "simulate gate: cannot listen" in failed.stderr
    assert str(sim.port) in failed.stderr


@pytest.mark.parametrize(
    ("flag", "content", "complaint"),
    [
        ("--users", None, "No such file"),
        ("--attlog", None, "No such file"),
        ("--users", b"7,Amina,notacard", "line 1"),
        ("--attlog", b"7\t2015-01-02 09:33:00\t1\t0\t0\n7 yesterday", "line 2"),
        ("--attlog", b"\xff\xfe\xff", "UTF-8"),
        ("--users", b"7" * 30, "PIN"),
    ],
)
def test_an_unreadable_file_is_one_clear_line(tmp_path: Path, flag: str, content: bytes | None, complaint: str) -> None:
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    failed = start_up("--port", "0", flag, str(path))
    assert failed.returncode == 2
    assert failed.stderr.count("\n") == 1
    assert str(path) in failed.stderr
    assert complaint in failed.stderr


def test_a_pin_that_the_family_cannot_store_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "people").write_text("A7,Amina")
    failed = start_up("--port", "0", "--profile", "zk6", "--users", str(tmp_path / "people"))
    assert failed.returncode == 2
    assert "A7" in failed.stderr


@pytest.mark.parametrize(
    "flags", [("--zone", "Mars/Phobos"), ("--port", "70000"), ("--comm-key", "-1"), ("--live", "x"), ("--profile", "x")]
)
def test_a_wrong_flag_is_refused(flags: tuple[str, str]) -> None:
    failed = start_up(*flags)
    assert failed.returncode == 2
    assert flags[0] in failed.stderr
