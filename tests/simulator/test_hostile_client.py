"""Hostile bytes at the simulated terminal and its control port: the connection ends, the service goes on."""

import asyncio
import contextlib
import json
import random
import tracemalloc

import pytest

from biometric_flow.zk.simulator.control import ControlPort, ask_control
from biometric_flow.zk.simulator.terminal import SimulatedTerminal
from biometric_flow.zk.terminal import open_terminal
from biometric_flow.zk.wire.commands import Command
from biometric_flow.zk.wire.connection import ClientConnection
from tests.simulator.conftest import Start
from tests.simulator.days import people, punches

MIB = 1024 * 1024
DICE = random.Random(4370)


def attacks() -> list[bytes]:
    login = ClientConnection().request(Command.CONNECT)
    return [
        bytes.fromhex("5050827dffffffff") + bytes(4096),
        bytes.fromhex("5050827d00000200") + bytes(100),
        bytes.fromhex("5050827d04000000") + bytes(4),
        login[:-1] + b"\x01",
        login + b"\x00" * 10,
        b"GET / HTTP/1.1\r\n\r\n",
        *(DICE.randbytes(DICE.randrange(1, 5000)) for _ in range(20)),
        *(login + DICE.randbytes(DICE.randrange(1, 500)) for _ in range(20)),
    ]


async def attack(port: int, data: bytes) -> bytes:
    """Send, and read until the other side closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    got = b""
    with contextlib.suppress(OSError):
        writer.write(data)
        writer.write_eof()
        async with asyncio.timeout(5):
            got = await reader.read()
    writer.close()
    return got


async def test_hostile_bytes_end_their_own_connection_only(start: Start) -> None:
    sim = await start(users=people(), punches=punches(100))
    async with open_terminal(sim.host, sim.port) as witness:
        tracemalloc.start()
        try:
            for data in attacks():
                await attack(sim.port, data)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 4 * MIB
        assert len((await witness.attendance()).records) == 100
    async with asyncio.timeout(5):
        while sim.connections:
            await asyncio.sleep(0.01)


async def test_hostile_requests_of_a_client_that_is_logged_in_are_answered_or_refused(start: Start) -> None:
    sim = await start(users=people(), punches=punches(100))
    reader, writer = await asyncio.open_connection("127.0.0.1", sim.port)
    connection = ClientConnection()
    writer.write(connection.request(Command.CONNECT))
    connection.receive(await reader.read(4096))
    for command in [*Command, 3, 111, 65_535]:
        if command not in (Command.EXIT, Command.CONNECT, Command.RESTART, Command.POWER_OFF):
            for data in (b"", b"\xff", bytes(7), b"\xff" * 11, DICE.randbytes(600)):
                writer.write(connection.request(command, data))  # type: ignore[arg-type]
                async with asyncio.timeout(5):
                    while connection.next_answer() is None:
                        got = await reader.read(65_536)
                        assert got, f"command {command} with {data.hex()} ended the connection"
                        connection.receive(got)
    writer.close()


async def test_more_clients_than_any_terminal_serves_are_turned_away(start: Start) -> None:
    sim = await start()
    writers = [(await asyncio.open_connection("127.0.0.1", sim.port))[1] for _ in range(100)]
    async with asyncio.timeout(5):
        while sim.connections != 64:
            await asyncio.sleep(0.01)
    for writer in writers:
        writer.close()
    async with asyncio.timeout(5):
        while sim.connections:
            await asyncio.sleep(0.01)
    async with open_terminal(sim.host, sim.port) as terminal:
        await terminal.time()


@pytest.mark.parametrize(
    "line",
    [b"", b"{", b"[]", b"null", b'{"do":"nope"}', b'{"do":"punch"}', b'{"do":"punch","pin":"7","at":"yesterday"}',
     b'{"do":"punch","pin":"7","state":900}', b'{"do":"fault"}', b'{"do":"fault","kind":"drift"}',
     b'{"do":"fault","kind":"slow","seconds":"x"}', b'{"do":["punch"]}', b"\xff\xfe", b"[" * 60_000],
)  # fmt: skip
async def test_a_bad_control_line_gets_an_error_line(start: Start, line: bytes) -> None:
    sim = await start(users=people())
    async with ControlPort(sim, lambda: None) as control:
        answer = json.loads(await attack(control.port, line + b"\n"))
        assert answer["ok"] is False
        assert answer["error"]
        assert (await ask_control("127.0.0.1", control.port, {"do": "state"}))["rows"] == 0


async def test_an_endless_control_line_is_cut_off() -> None:
    async with SimulatedTerminal() as sim, ControlPort(sim, lambda: None) as control:
        assert await attack(control.port, b"x" * 10 * MIB) == b""
        assert (await ask_control("127.0.0.1", control.port, {"do": "state"}))["ok"]
