"""Whatever a terminal or a network does: exact data or a named error, in bounded time, and people can punch after."""

import asyncio
import time

import pytest

from biometric_flow.zk.errors import (
    CorruptFrame,
    LayoutUnknown,
    NotATerminal,
    ProtocolViolation,
    TerminalClosed,
    TerminalRefused,
    TerminalTimedOut,
    TransferIncomplete,
    ZkError,
)
from biometric_flow.zk.simulator.profiles import PROFILES
from biometric_flow.zk.simulator.terminal import SimulatedTerminal
from biometric_flow.zk.terminal import Terminal, open_terminal
from biometric_flow.zk.wire.events import AttendanceEvent
from biometric_flow.zk.wire.timecode import TerminalTime
from tests.simulator.conftest import Start
from tests.simulator.days import people, punches

ROWS = 4_000

HARMLESS = [
    ("fragment", {"value": 1, "times": 6}),
    ("fragment", {"value": 577}),
    ("coalesce", {}),
    ("events", {}),
    ("stale", {}),
    ("no_buffer", {}),
    ("pieces", {"value": 1024}),
    ("checksum", {"times": 1}),
    ("short", {"times": 2}),
    ("count", {"value": 0}),
    ("count", {"value": 17}),
    ("slow", {"seconds": 0.01}),
]

FATAL = [
    ("session", {}, ProtocolViolation),
    ("garbage", {}, ProtocolViolation),
    ("panel", {}, NotATerminal),
    ("checksum", {}, CorruptFrame),
    ("short", {}, TransferIncomplete),
    ("oversend", {}, ProtocolViolation),
    ("drop", {"value": 1_000}, TerminalClosed),
    ("lie", {"value": "zero"}, TransferIncomplete),
    ("lie", {"value": "short"}, ZkError),
    ("lie", {"value": "long"}, ZkError),
    ("lie", {"value": "huge"}, ProtocolViolation),
    ("lie", {"value": "negative"}, ProtocolViolation),
    ("lie", {"value": "inner"}, TransferIncomplete),
    ("silent", {}, TerminalTimedOut),
    ("trickle", {"seconds": 0.02}, TerminalTimedOut),
    ("slow", {"seconds": 30}, TerminalTimedOut),
]


def name_of(value: object) -> str:
    return value if isinstance(value, str) else ""


@pytest.mark.parametrize("profile", ["tft", "vl49", "zk6"])
@pytest.mark.parametrize(("kind", "how"), HARMLESS, ids=name_of)
async def test_the_log_is_exact_in_spite_of(start: Start, profile: str, kind: str, how: dict[str, object]) -> None:
    sim = await start(profile=profile, users=people(), punches=punches(ROWS))
    async with open_terminal(sim.host, sim.port, timeout=5) as terminal:
        await sim.fault(kind, **how)  # type: ignore[arg-type]
        try:
            log = await terminal.attendance()
        except CorruptFrame:
            log = await terminal.attendance()  # an answer outside of bulk data was hit; the connection still stands
        assert [(r.user_id, r.time) for r in log.records] == [(p.pin, p.time) for p in sim.truth()]
        sim.faults.clear()
        assert not sim.is_held
        await terminal.time()


@pytest.mark.parametrize(("kind", "how", "error"), FATAL, ids=name_of)
async def test_the_log_is_refused_by_name_after(
    start: Start, kind: str, how: dict[str, object], error: type[ZkError]
) -> None:
    sim = await start(users=people(), punches=punches(ROWS))
    async with open_terminal(sim.host, sim.port, timeout=1.5) as terminal:
        await sim.fault(kind, **how)  # type: ignore[arg-type]
        began = time.monotonic()
        with pytest.raises(error):
            await terminal.attendance(deadline=1.5)
        assert time.monotonic() - began < 20
    sim.faults.clear()
    await read_again(sim)


async def read_again(sim: SimulatedTerminal) -> None:
    """The terminal is as good as before."""
    async with open_terminal(sim.host, sim.port, timeout=5) as terminal:
        assert len((await terminal.attendance()).records) == len(sim.truth())
    assert not sim.is_held


async def test_a_terminal_without_bulk_reads_is_a_refusal_and_stays_usable(start: Start) -> None:
    sim = await start(punches=punches(ROWS))
    await sim.fault("no_buffer")
    await sim.fault("no_pieces")
    async with open_terminal(sim.host, sim.port) as terminal:
        with pytest.raises(TerminalRefused, match="2001"):
            await terminal.attendance()
        assert not sim.is_held
        await terminal.time()


async def test_a_cut_ends_waiting_for_events_at_once(start: Start) -> None:
    sim = await start(users=people())
    async with open_terminal(sim.host, sim.port) as terminal:
        await terminal.listen()
        await sim.punch("101")
        waiting = asyncio.create_task(first_two(terminal))
        await wait_until(lambda: sim.connections == 1)
        await sim.fault("cut")
        with pytest.raises(TerminalClosed):
            await asyncio.wait_for(waiting, 2)
        assert not terminal.is_open
        with pytest.raises(TerminalClosed):
            await terminal.time()


async def first_two(terminal: Terminal) -> None:
    assert isinstance(await terminal.next_event(10), AttendanceEvent)
    await terminal.next_event(10)


async def wait_until(fact: object, seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not fact():  # type: ignore[operator]
            await asyncio.sleep(0.01)


async def test_after_a_timeout_the_connection_is_closed_and_the_terminal_is_released(start: Start) -> None:
    sim = await start(users=people(), punches=punches(ROWS))
    async with open_terminal(sim.host, sim.port) as terminal:
        await sim.fault("drop", value=10**9)
        await sim.fault("slow", seconds=0.2)
        with pytest.raises(TerminalTimedOut, match=r"attendance.*0\.5 seconds"):
            await terminal.attendance(deadline=0.5)
        assert not terminal.is_open
        with pytest.raises(TerminalClosed):
            await terminal.time()
    sim.faults.clear()
    await wait_until(lambda: not sim.is_held)


async def test_a_cancelled_read_closes_the_connection(start: Start) -> None:
    sim = await start(punches=punches(ROWS))
    async with open_terminal(sim.host, sim.port) as terminal:
        await sim.fault("slow", seconds=0.2)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(terminal.attendance(), 0.3)
        assert not terminal.is_open


@pytest.mark.parametrize("kind", ["silent", "trickle"])
async def test_connecting_has_one_deadline(start: Start, kind: str) -> None:
    sim = await start(comm_key=7)
    await sim.fault(kind, seconds=0.1)
    began = time.monotonic()
    with pytest.raises(TerminalTimedOut, match=str(sim.port)):
        async with open_terminal(sim.host, sim.port, comm_key=7, timeout=0.4):
            pass
    assert time.monotonic() - began < 20


async def test_a_refusing_terminal_is_named_and_comes_back(start: Start) -> None:
    sim = await start()
    await sim.fault("refuse", seconds=0.3)
    with pytest.raises(TerminalClosed):
        async with open_terminal(sim.host, sim.port):
            pass
    await wait_until(lambda: sim.faults.take("refuse") is None)  # type: ignore[arg-type]
    async with open_terminal(sim.host, sim.port) as terminal:
        await terminal.info()


async def test_a_power_cycle_keeps_port_and_memory(start: Start) -> None:
    sim = await start(punches=punches(10))
    port = sim.port
    await sim.fault("off")
    await sim.fault("on")
    assert sim.port == port
    await read_again(sim)


async def test_31_february_is_kept_and_costs_nothing(start: Start) -> None:
    sim = await start(users=people(), punches=punches(500))
    await sim.punch("101", at=TerminalTime.of(2024, 2, 31, 8))
    await sim.punch("102")
    async with open_terminal(sim.host, sim.port) as terminal:
        log = await terminal.attendance()
    assert len(log.records) == 502
    assert log.records[500].time.text() == "2024-02-31T08:00:00"
    assert [record.time.text() for record in log.records if not record.time.is_possible]


async def test_an_unreadable_row_is_set_apart_with_its_bytes(start: Start) -> None:
    sim = await start(users=people(), punches=punches(500))
    sim.memory.spoil()
    await sim.punch("102")
    async with open_terminal(sim.host, sim.port) as terminal:
        log = await terminal.attendance()
    assert [(r.user_id, r.time) for r in log.records] == [(p.pin, p.time) for p in sim.truth()]
    assert len(log.rejected) == 1
    assert len(log.rejected[0].raw) == PROFILES["tft"].attlog.size


async def test_a_log_of_no_known_layout_is_refused(start: Start) -> None:
    sim = await start()
    sim.memory._rows += b"\xff" * 123
    async with open_terminal(sim.host, sim.port) as terminal:
        with pytest.raises(LayoutUnknown):
            await terminal.attendance()
        assert not sim.is_held
