"""A log that was read before moves only what is new, and every doubt ends in the whole log."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from biometric_flow.zk.simulator.memory import StoredPunch
from biometric_flow.zk.simulator.terminal import SimulatedTerminal
from biometric_flow.zk.terminal import open_terminal
from biometric_flow.zk.wire.marks import LogMark
from biometric_flow.zk.wire.records import AttendanceLog
from biometric_flow.zk.wire.timecode import TerminalTime

START = datetime(2026, 3, 2, 8, 0)


def punches(count: int, first: int = 0) -> list[StoredPunch]:
    return [
        StoredPunch(str(1 + number % 90), TerminalTime.from_datetime(START + timedelta(seconds=31 * number)))
        for number in range(first, first + count)
    ]


class Line:
    """A wire between client and terminal that counts what the terminal sends."""

    def __init__(self, terminal: SimulatedTerminal) -> None:
        self.bytes = 0
        self.port = 0
        self._terminal = terminal
        self._links: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def laid(self) -> AsyncIterator["Line"]:
        server = await asyncio.start_server(self._link, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for link in self._links:
                link.cancel()
            await asyncio.gather(*self._links, return_exceptions=True)

    async def read(self, after: LogMark | None = None) -> tuple[AttendanceLog, int]:
        """The log, and how many bytes it took."""
        async with open_terminal("127.0.0.1", self.port) as client:
            before = self.bytes
            return await client.attendance(after=after), self.bytes - before

    def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._links.add(asyncio.create_task(self._carry(reader, writer)))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._terminal.port)
        await asyncio.gather(self._copy(reader, far_writer, 0), self._copy(far_reader, writer, 1))

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, weight: int) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                self.bytes += weight * len(data)
                writer.write(data)
                await writer.drain()
        writer.close()


def texts(log: AttendanceLog) -> list[tuple[str, str]]:
    return [(record.user_id, record.time.text()) for record in log.records]


def texts_of(rows: list[StoredPunch]) -> list[tuple[str, str]]:
    return [(row.pin, row.time.text()) for row in rows]


def store(terminal: SimulatedTerminal, rows: list[StoredPunch]) -> None:
    for row in rows:
        terminal.memory.remember(row)


@pytest.mark.parametrize("profile", ["tft", "vl49", "zk6"])
async def test_a_log_that_grew_moves_only_its_new_rows(profile: str) -> None:
    async with SimulatedTerminal(profile=profile, punches=punches(20_000)) as terminal, Line(terminal).laid() as line:
        whole, cost = await line.read()
        size = terminal.memory.profile.attlog.size
        assert cost > 20_000 * size
        for new in (0, 1, 100, 3000):
            held = len(terminal.truth())
            store(terminal, punches(new, first=held))
            log, cost = await line.read(whole.mark)
            assert texts(log) == texts_of(punches(new, first=held))
            assert (log.skipped, log.continues, log.rows) == (held, True, held + new)
            assert cost < new * size + 2_500
            whole = log


async def test_a_log_that_wrapped_is_read_from_its_end_backwards() -> None:
    async with SimulatedTerminal(punches=punches(20_000)) as terminal, Line(terminal).laid() as line:
        whole, _ = await line.read()
        size = terminal.memory.profile.attlog.size
        store(terminal, punches(500, first=20_000))
        del terminal.memory._rows[: 500 * size]
        log, cost = await line.read(whole.mark)
        assert texts(log) == texts_of(punches(500, first=20_000))
        assert (log.skipped, log.continues, log.rows) == (19_500, True, 20_000)
        assert cost < 500 * size + 70_000


async def test_a_log_that_began_anew_comes_whole() -> None:
    async with SimulatedTerminal(punches=punches(20_000)) as terminal, Line(terminal).laid() as line:
        whole, _ = await line.read()
        for rows in (punches(5), punches(300, first=50_000), punches(20_100, first=50_000)):
            terminal.memory._rows.clear()
            terminal.memory.punches.clear()
            store(terminal, rows)
            log, _ = await line.read(whole.mark)
            assert texts(log) == texts_of(rows)
            assert (log.skipped, log.continues) == (0, False)


async def test_a_terminal_without_a_buffer_still_gives_only_what_is_new() -> None:
    async with SimulatedTerminal(punches=punches(400)) as terminal, Line(terminal).laid() as line:
        whole, _ = await line.read()
        store(terminal, punches(7, first=400))
        await terminal.fault("no_buffer")
        log, _ = await line.read(whole.mark)
        assert texts(log) == texts_of(punches(7, first=400))
        assert (log.skipped, log.continues) == (400, True)


async def test_equal_rows_at_the_end_are_not_taken_for_each_other() -> None:
    same = punches(1) * 40
    async with SimulatedTerminal(punches=[*punches(50), *same]) as terminal, Line(terminal).laid() as line:
        whole, _ = await line.read()
        store(terminal, same[:5])
        log, _ = await line.read(whole.mark)
        assert (len(log.records), log.skipped) == (5, 90)
