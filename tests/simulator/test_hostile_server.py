"""A server that means harm: the client ends with a named error, in time, with little memory."""

import asyncio
import contextlib
import subprocess
import sys
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from biometric_flow.zk.errors import ProtocolViolation, TerminalTimedOut, ZkError
from biometric_flow.zk.terminal import open_terminal
from biometric_flow.zk.wire.commands import Command, EventMask, Reply
from biometric_flow.zk.wire.connection import Request, ServerConnection
from biometric_flow.zk.wire.frame import FRAME_MAX, Packet, encode_frame
from biometric_flow.zk.wire.records import ATTLOG_LAYOUTS, AttlogRecord
from biometric_flow.zk.wire.rows import ROWS_MAX
from biometric_flow.zk.wire.transfer import TRANSFER_MAX
from tests.simulator.conftest import Start
from tests.simulator.days import MORNING

Write = Callable[[bytes], Awaitable[None]]
Behaviour = Callable[[ServerConnection, Request, Write], Awaitable[None]]

MIB = 1024 * 1024


@contextlib.asynccontextmanager
async def hostile(behave: Behaviour) -> AsyncIterator[int]:
    """A server that logs clients in and answers everything else with `behave`."""
    tasks = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        connection = ServerConnection(77)

        async def write(data: bytes) -> None:
            writer.write(data)
            await writer.drain()

        with contextlib.suppress(OSError):
            while data := await reader.read(4096):
                for request in connection.receive(data):
                    if request.command == Command.CONNECT:
                        await write(encode_frame(connection.reply(request, Reply.OK)))
                    elif request.command != Reply.OK:
                        await behave(connection, request, write)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def event_flood(connection: ServerConnection, request: Request, write: Write) -> None:
    flood = encode_frame(connection.event(EventMask.ALARM, bytes(60_000))) * 20
    while True:
        await write(flood)


async def stale_flood(connection: ServerConnection, request: Request, write: Write) -> None:
    flood = encode_frame(Packet(Reply.OK, connection.session, (request.number - 1) % 65536, bytes(60_000))) * 20
    while True:
        await write(flood)


async def data_flood(connection: ServerConnection, request: Request, write: Write) -> None:
    """Announces the most that is allowed, then sends tiny pieces without end."""
    if request.command != Command.PREPARE_BUFFER:
        await write(encode_frame(connection.reply(request, Reply.OK, bytes(92))))
        return
    await write(encode_frame(connection.reply(request, Reply.PREPARE_DATA, (40 * MIB).to_bytes(4, "little") * 2)))
    flood = encode_frame(connection.reply(request, Reply.DATA, b"")) * 2_000
    while True:
        await write(flood)


async def endless_frame(_connection: ServerConnection, _request: Request, write: Write) -> None:
    await write(bytes.fromhex("5050827d") + (MIB).to_bytes(4, "little"))
    for _ in range(64):
        await write(bytes(15_000))
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("behave", [event_flood, stale_flood, data_flood, endless_frame])
async def test_a_flood_ends_at_the_deadline_in_little_memory(behave: Behaviour) -> None:
    async with hostile(behave) as port:
        async with open_terminal("127.0.0.1", port, timeout=5) as terminal:
            tracemalloc.start()
            try:
                with pytest.raises(TerminalTimedOut):
                    await terminal.attendance(deadline=0.6)
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
            assert not terminal.is_open
        assert peak < 16 * MIB


@pytest.mark.parametrize(
    "noise",
    [
        bytes.fromhex("5050827dffffffff"),
        bytes.fromhex("5050827d00000080"),
        bytes.fromhex("5050827d07000000") + bytes(7),
        b"SSH-2.0-OpenSSH_9.2\r\n",
        bytes(64),
    ],
)
async def test_noise_is_a_protocol_violation(noise: bytes) -> None:
    async def behave(_connection: ServerConnection, _request: Request, write: Write) -> None:
        await write(noise)

    async with hostile(behave) as port, open_terminal("127.0.0.1", port, timeout=5) as terminal:
        with pytest.raises(ProtocolViolation):
            await terminal.time()
        assert not terminal.is_open


@pytest.mark.parametrize("data", [b"", b"\0", b"\xff" * 200, b"~SerialNumber=", b"=" * 5_000, b"~Other=1\0"])
async def test_odd_contents_of_simple_answers_are_named_errors(data: bytes) -> None:
    async def behave(connection: ServerConnection, request: Request, write: Write) -> None:
        await write(encode_frame(connection.reply(request, Reply.OK, data)))

    async with hostile(behave) as port:
        for operation in ("info", "capacity", "users"):
            async with open_terminal("127.0.0.1", port, timeout=5) as terminal:
                if operation == "capacity" and len(data) >= 80:
                    continue
                with pytest.raises(ZkError):
                    await getattr(terminal, operation)()


CLIENT = """
import asyncio, re, sys
from pathlib import Path
from biometric_flow.zk.terminal import open_terminal

def peak():
    # Not getrusage: its peak is inherited from the process that started this one.
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024

async def main():
    async with open_terminal("127.0.0.1", int(sys.argv[1])) as terminal:
        await terminal.info()
        idle = peak()
        log = await terminal.attendance()
        count = sum(1 for record in log.records if record.time.is_possible)
        print(count, peak() - idle)

asyncio.run(main())
"""


async def test_the_longest_log_stays_below_64_mib(start: Start) -> None:
    sim = await start(profile="vl49")
    row = ATTLOG_LAYOUTS["49"].encode(AttlogRecord(1, "7", 1, 0, MORNING, 0, b""))
    sim.memory._rows = bytearray(row * ROWS_MAX)
    await sim.fault("count", value=ROWS_MAX)
    client = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", CLIENT, str(sim.port)], capture_output=True, text=True, timeout=60
    )
    assert client.returncode == 0, client.stderr
    count, grown = map(int, client.stdout.split())
    assert count == ROWS_MAX
    assert 0 < grown < 64, f"{grown} MiB above idle"


GLUTTON = """
import asyncio, re, sys
from pathlib import Path
from biometric_flow.zk.errors import ZkError
from biometric_flow.zk.terminal import open_terminal

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024

async def main():
    async with open_terminal("127.0.0.1", int(sys.argv[1])) as terminal:
        await terminal.time()
        idle = peak()
        try:
            told = len((await getattr(terminal, sys.argv[2])()).records)
        except ZkError as error:
            told = type(error).__name__
        print(told, peak() - idle)

asyncio.run(main())
"""


async def most_that_is_allowed(connection: ServerConnection, request: Request, write: Write) -> None:
    """Every answer is as long as a client can be made to believe, and its rows are rubbish."""
    if request.command == Command.READ_TIME:
        await write(encode_frame(connection.reply(request, Reply.OK, bytes(4))))
    elif request.command == Command.PREPARE_BUFFER:
        size = (TRANSFER_MAX).to_bytes(4, "little")
        await write(encode_frame(connection.reply(request, Reply.OK, b"\0" + size + size + bytes(4))))
    elif request.command == Command.READ_BUFFER:
        offset, size = (int.from_bytes(request.data[at : at + 4], "little") for at in (0, 4))
        piece = b"\xa5" * size if offset else (TRANSFER_MAX - 4).to_bytes(4, "little") + b"\xa5" * (size - 4)
        await write(encode_frame(connection.reply(request, Reply.PREPARE_DATA, size.to_bytes(4, "little"))))
        await write(encode_frame(connection.reply(request, Reply.DATA, piece)))
        await write(encode_frame(connection.reply(request, Reply.OK)))
    else:
        await write(encode_frame(connection.reply(request, Reply.OK, bytes(92))))


async def most_at_once(connection: ServerConnection, request: Request, write: Write) -> None:
    """No buffer: the answer itself is as long as may be, in the largest frames, with events between them."""
    if request.command == Command.PREPARE_BUFFER:
        await write(encode_frame(connection.reply(request, Reply.UNKNOWN)))
    elif request.command in (Command.READ_ATTLOG, Command.READ_USERS, Command.READ_DATA):
        size = (TRANSFER_MAX).to_bytes(4, "little")
        await write(encode_frame(connection.reply(request, Reply.PREPARE_DATA, size)))
        step = FRAME_MAX - 8
        event = encode_frame(connection.event(EventMask.ALARM, bytes(1000)))
        for start in range(0, TRANSFER_MAX, step):
            piece = b"\xa5" * min(step, TRANSFER_MAX - start)
            piece = piece if start else (TRANSFER_MAX - 4).to_bytes(4, "little") + piece[4:]
            await write(event * 50 + encode_frame(connection.reply(request, Reply.DATA, piece)))
        await write(encode_frame(connection.reply(request, Reply.OK)))
    else:
        await most_that_is_allowed(connection, request, write)


@pytest.mark.parametrize("behave", [most_that_is_allowed, most_at_once])
@pytest.mark.parametrize("operation", ["attendance", "users", "templates"])
async def test_the_largest_lie_costs_less_than_64_mib(behave: Behaviour, operation: str) -> None:
    async with hostile(behave) as port:
        client = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-c", GLUTTON, str(port), operation],
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
    assert client.returncode == 0, client.stderr
    told, grown = client.stdout.split()
    assert int(grown) < 64, f"{grown} MiB above idle, {told}"
    assert int(grown) > 40 or told != "TransferIncomplete", f"the lie was not believed: {told}, {grown} MiB"
