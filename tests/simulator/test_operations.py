"""Every operation of the client at every family, and what happens when a terminal says no."""

import asyncio
import inspect
from typing import Any

import pytest

from biometric_flow.zk.access import UnlockUnit
from biometric_flow.zk.errors import LogChanged, NotConfirmed, NotSupported, TerminalClosed, TerminalTimedOut, ZkError
from biometric_flow.zk.simulator.profiles import PROFILES
from biometric_flow.zk.terminal import Terminal, open_terminal
from biometric_flow.zk.upkeep import NO_PUBLIC_LAYOUT, Clearing
from biometric_flow.zk.wire.access import OPEN, AccessGroup, AccessZone, UnlockCombination, UserZones
from biometric_flow.zk.wire.events import Event, FingerPlaced, FingerScored
from biometric_flow.zk.wire.messages import ShortMessage
from biometric_flow.zk.wire.timecode import TerminalTime
from tests.simulator import operations
from tests.simulator.conftest import Start
from tests.simulator.days import people, punches


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("operation", operations.ALL)
async def test_an_operation_does_what_it_says(start: Start, profile: str, operation: str) -> None:
    sim = operations.furnish(await start(profile=profile, **operations.GIVEN))
    async with open_terminal(sim.host, sim.port, timeout=5) as terminal:
        await operations.ALL[operation](terminal, sim)
        assert not sim.is_held, "people can punch again"
        await terminal.time()


def test_every_operation_of_the_client_is_in_the_table() -> None:
    text = inspect.getsource(operations)
    elsewhere = {"close", "not_on_this_channel", "power_off", "restart", "raw_table"}
    names = {name for name, _ in inspect.getmembers(Terminal, inspect.iscoroutinefunction) if name[0] != "_"}
    assert sorted(name for name in names - elsewhere if f"terminal.{name}(" not in text) == []


async def test_a_log_that_grew_meanwhile_is_not_cleared(start: Start) -> None:
    sim = await start(users=people(), punches=punches(50))
    async with open_terminal(sim.host, sim.port) as terminal:
        log = await terminal.attendance()
        await sim.punch("101")
        with pytest.raises(LogChanged, match="holds 51"):
            await terminal.clear_attendance(len(log.records))
        with pytest.raises(LogChanged):
            await terminal.clear_everything(len(log.records))
        assert len(sim.truth()) == 51
        assert not sim.is_held
        await terminal.clear_attendance(51)
    assert sim.truth() == []


async def test_what_was_not_kept_is_never_reported_as_done(start: Start) -> None:
    sim = await start(users=people(), punches=punches(5))
    async with open_terminal(sim.host, sim.port) as terminal:
        await sim.fault("forget")
        for attempt in (
            lambda: terminal.set_access_zone(AccessZone(3, (OPEN._replace(end_hour=12),) * 7)),
            lambda: terminal.set_access_group(AccessGroup(3, (9, 9, 9))),
            lambda: terminal.set_combination(UnlockCombination(3, (9,))),
            lambda: terminal.set_user_group(1, 9),
            lambda: terminal.set_user_zones(1, UserZones(True, (9, 9, 9))),
            lambda: terminal.set_verify_mode(1, 130),
            lambda: terminal.clear_attendance(5),
        ):
            with pytest.raises(NotConfirmed):
                await attempt()
        with pytest.raises(ZkError):
            await terminal.set_message(ShortMessage(3, "x", TerminalTime(0)))


@pytest.mark.parametrize("what", NO_PUBLIC_LAYOUT)
async def test_what_has_no_public_layout_says_so(start: Start, what: str) -> None:
    sim = await start()
    async with open_terminal(sim.host, sim.port) as terminal:
        with pytest.raises(NotSupported, match="not possible on this channel, use push"):
            await terminal.not_on_this_channel(what)


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("access_zone", (0,)), ("access_zone", (51,)), ("access_group", (100,)), ("combination", (11,)),
        ("user_group", (0,)), ("set_user_group", (1, 0)), ("set_verify_mode", (1, 127)), ("unlock", (0,)),
        ("unlock", (3601,)), ("message", (0,)), ("give_message", (1, 0)), ("start_verify", (0,)),
        ("write_lcd", (-1, "x")), ("write_lcd", (0, "x" * 65)), ("play_voice", (-1,)), ("start_enrol", ("", 0)),
        ("start_enrol", ("7", 10)), ("clear_data", (Clearing.ATTENDANCE,)), ("delete_user", (0,)),
        ("template", (1, 10)), ("not_on_this_channel", ("wishes",)),
        ("set_access_zone", (AccessZone(1, (OPEN,) * 6),)),
        ("set_access_zone", (AccessZone(1, (OPEN._replace(end_hour=24),) * 7),)),
        ("set_access_group", (AccessGroup(1, (0, 0, 0), 128),)), ("set_combination", (UnlockCombination(1, (1,) * 6),)),
        ("set_user_zones", (1, UserZones(True, (70_000, 0, 0)))),
    ],
)  # fmt: skip
async def test_arguments_that_cannot_be_are_refused_before_anything_is_sent(
    start: Start, method: str, arguments: tuple[Any, ...]
) -> None:
    sim = await start(users=people())
    async with open_terminal(sim.host, sim.port) as terminal:
        with pytest.raises(ValueError, match="expected"):
            await getattr(terminal, method)(*arguments)
        await terminal.time()


async def test_the_unit_of_unlocking_is_the_terminals(start: Start) -> None:
    sim = await start()
    async with open_terminal(sim.host, sim.port) as terminal:
        await terminal.unlock(3, unit=UnlockUnit.SECONDS)
        await terminal.unlock(3, unit=UnlockUnit.TENTHS)
    assert sim.memory.extras.unlocked_for == [3, 30]


@pytest.mark.parametrize("acknowledges", [True, False])
async def test_a_restart_ends_the_connection_and_the_terminal_comes_back(start: Start, acknowledges: bool) -> None:
    sim = await start(punches=punches(5))
    async with open_terminal(sim.host, sim.port, timeout=1) as terminal:
        if not acknowledges:
            await sim.fault("silent", times=1)
        assert await terminal.restart() is acknowledges
        assert not terminal.is_open
        with pytest.raises(TerminalClosed):
            await terminal.time()
    async with open_terminal(sim.host, sim.port) as terminal:
        assert len((await terminal.attendance()).records) == 5


async def test_power_off_leaves_nobody_to_answer(start: Start) -> None:
    sim = await start()
    async with open_terminal(sim.host, sim.port) as terminal:
        assert await terminal.power_off()
    async with asyncio.timeout(5):
        while sim._server is not None:
            await asyncio.sleep(0.01)
    with pytest.raises(ZkError):
        async with open_terminal(sim.host, sim.port, timeout=0.5):
            pass


@pytest.mark.parametrize("result", [0, 4, 5, 6])
async def test_an_enrolment_tells_how_it_went(start: Start, result: int) -> None:
    sim = await start(users=people(3))
    sim.memory.extras.enrol_result = result
    heard: list[Event] = []
    async with open_terminal(sim.host, sim.port) as terminal:
        ended = await terminal.enrol("101", 3, deadline=5, told=heard.append)
        assert await terminal.state() == 0
    assert (ended.result, ended.is_ok) == (result, result == 0)
    assert [type(event) for event in heard[:-1]] == [FingerPlaced, FingerScored] * 3
    assert ((2, 3) in sim.memory.templates) == (result == 0)


async def test_an_enrolment_that_nobody_answers_ends_at_its_deadline(start: Start) -> None:
    sim = await start(users=people(3))
    sim.memory.extras.enrol_result = 4
    async with open_terminal(sim.host, sim.port) as terminal:
        terminal._channel.connection._take_event = lambda packet: None  # type: ignore[method-assign]
        with pytest.raises(TerminalTimedOut, match="enrol"):
            await terminal.enrol("101", 3, deadline=0.2)
        await terminal.time()


async def test_one_user_is_asked_for_at_the_terminal_with_events_going_on(start: Start) -> None:
    sim = await start(users=people(3))
    async with open_terminal(sim.host, sim.port) as terminal:
        await terminal.listen()
        await terminal.start_enrol("101", 3)
        kinds = [type(await terminal.next_event(5)).__name__ for _ in range(7)]
        await terminal.cancel_enrol()
    assert kinds == ["FingerPlaced", "FingerScored"] * 3 + ["EnrolmentEnded"]
