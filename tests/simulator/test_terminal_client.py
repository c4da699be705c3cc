"""The client against every family, when all goes well."""

import asyncio
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from biometric_flow.zk.errors import BadIdentity, PullRefused, TerminalUnauthorised, TerminalUnreachable
from biometric_flow.zk.simulator.profiles import PROFILES
from biometric_flow.zk.terminal import open_terminal
from biometric_flow.zk.wire.events import AttendanceEvent
from biometric_flow.zk.wire.timecode import TerminalTime
from tests.simulator.conftest import Start
from tests.simulator.days import people, punches

FAMILIES = pytest.mark.parametrize("profile", PROFILES)


@FAMILIES
@pytest.mark.parametrize("rows", [0, 1, 153, 5_000])
async def test_the_whole_log_arrives_row_for_row(start: Start, profile: str, rows: int) -> None:
    sim = await start(profile=profile, users=people(), punches=punches(rows))
    async with open_terminal(sim.host, sim.port) as terminal:
        log = await terminal.attendance()
        pins = {user.uid: user.user_id for user in (await terminal.users()).records}
    assert [(r.user_id or pins[r.uid], r.time, r.verify, r.state) for r in log.records] == [
        (p.pin, p.time, p.verify, p.state) for p in sim.truth()
    ]
    assert len(log.rejected) == 0
    assert log.announced == rows
    assert (log.layout.name if log.layout else None) == (PROFILES[profile].attlog.name if rows else None)
    assert not sim.is_held, "people can punch again"


@FAMILIES
async def test_users_arrive_with_names_and_cards(start: Start, profile: str) -> None:
    sim = await start(profile=profile, users=people(300))
    async with open_terminal(sim.host, sim.port) as terminal:
        users = await terminal.users()
    size = 8 if PROFILES[profile].users.name == "28" else 24
    assert [(u.uid, u.user_id, u.name, u.card) for u in users.records] == [
        (i + 1, p.user_id, p.name[:size], p.card) for i, p in enumerate(people(300))
    ]


@FAMILIES
async def test_a_punch_arrives_live_as_the_log_will_have_it(start: Start, profile: str) -> None:
    sim = await start(profile=profile, users=people())
    async with open_terminal(sim.host, sim.port) as terminal:
        await terminal.listen()
        punch = await sim.punch("107", state=1, verify=15)
        event = await terminal.next_event(5)
        (row,) = (await terminal.attendance()).records
        pins = {user.uid: user.user_id for user in (await terminal.users()).records}
    assert isinstance(event, AttendanceEvent)
    assert (event.user_id or pins[event.uid]) == (row.user_id or pins[row.uid]) == "107"
    assert (event.time, event.verify, event.state) == (row.time, row.verify, row.state) == (punch.time, 15, 1)


@FAMILIES
async def test_a_terminal_says_who_it_is(start: Start, profile: str) -> None:
    sim = await start(profile=profile, serial="CAI-0042", users=people(3), punches=punches(5, 3))
    async with open_terminal(sim.host, sim.port) as terminal:
        info, capacity = await terminal.info(), await terminal.capacity()
    family = PROFILES[profile]
    assert (info.serial, info.model, info.platform, info.firmware) == (
        "CAI-0042",
        family.model,
        family.platform,
        family.firmware,
    )
    assert info.mac.startswith("00:17:61:")
    assert (capacity.users, capacity.attlog_rows, capacity.attlog_capacity) == (3, 5, family.attlog_capacity)


async def test_events_during_a_long_read_are_not_lost(start: Start) -> None:
    sim = await start(users=people(), punches=punches(20_000))
    sim.hold = lambda seconds: None  # type: ignore[method-assign]  # firmware that lets people punch while it is read
    async with open_terminal(sim.host, sim.port) as terminal:
        await terminal.listen()
        reading = asyncio.create_task(terminal.attendance())
        made = []
        while not reading.done():
            made.append(await sim.punch("101"))
            await asyncio.sleep(0)
        await reading
        got = [await terminal.next_event(5) for _ in made]
    assert [event.time for event in got if isinstance(event, AttendanceEvent)] == [punch.time for punch in made]


async def test_no_event_in_time_is_none_and_the_connection_stays(start: Start) -> None:
    sim = await start(users=people())
    async with open_terminal(sim.host, sim.port) as terminal:
        await terminal.listen()
        assert await terminal.next_event(0.05) is None
        await terminal.time()
        await sim.punch("101")
        assert isinstance(await terminal.next_event(5), AttendanceEvent)


async def test_the_clock_is_read_and_set(start: Start) -> None:
    now = datetime(2026, 7, 1, 12, 0, tzinfo=ZoneInfo("UTC"))
    sim = await start(zone=ZoneInfo("Africa/Cairo"), drift=timedelta(seconds=-90), now=lambda: now)
    async with open_terminal(sim.host, sim.port) as terminal:
        assert (await terminal.time()).text() == "2026-07-01T14:58:30"
        await terminal.set_time(datetime(2026, 7, 1, 15, 0, 0))
        assert (await terminal.time()).text() == "2026-07-01T15:00:00"
    assert sim.clock.drift == timedelta()


async def test_options_are_read_and_written(start: Start) -> None:
    sim = await start()
    async with open_terminal(sim.host, sim.port) as terminal:
        assert await terminal.option("NoSuchThing") is None
        await terminal.set_option("WorkCode", "1")
        assert await terminal.option("WorkCode") == "1"
        assert await terminal.state() == 0
        await terminal.refresh()
        await terminal.free_data()


async def test_a_disabled_terminal_makes_people_wait_until_it_is_enabled(start: Start) -> None:
    sim = await start(users=people())
    async with open_terminal(sim.host, sim.port) as terminal:
        await terminal.disable(60)
        waiting = asyncio.create_task(sim.punch("101"))
        await terminal.time()
        assert not waiting.done()
        await terminal.enable()
        assert (await waiting).pin == "101"


async def test_the_comm_key_opens_the_door(start: Start) -> None:
    sim = await start(comm_key=123456)
    async with open_terminal(sim.host, sim.port, comm_key=123456) as terminal:
        assert terminal.asked_for_comm_key
        await terminal.info()


@pytest.mark.parametrize("key", [0, 1, 654321])
async def test_a_wrong_comm_key_is_named_at_once_and_never_shown(start: Start, key: int) -> None:
    sim = await start(comm_key=123456)
    with pytest.raises(TerminalUnauthorised) as caught:
        async with open_terminal(sim.host, sim.port, comm_key=key):
            pass
    assert not caught.value.retryable
    assert "123456" not in str(caught.value)
    assert str(key) not in str(caught.value) or key in (0, 1)


async def test_a_key_that_nobody_asks_for_is_noticed(start: Start) -> None:
    sim = await start(comm_key=0)
    async with open_terminal(sim.host, sim.port, comm_key=99) as terminal:
        assert not terminal.asked_for_comm_key


async def test_firmware_that_refuses_pull_is_named(start: Start) -> None:
    sim = await start()
    await sim.fault("pull_refused")
    with pytest.raises(PullRefused, match="push"):
        async with open_terminal(sim.host, sim.port):
            pass


@pytest.mark.parametrize("serial", ["", "abc", "x" * 33, "A B C D", "../../etc", "<b>serial"])
async def test_a_serial_number_that_is_none_is_refused(start: Start, serial: str) -> None:
    sim = await start(serial=serial)
    async with open_terminal(sim.host, sim.port) as terminal:
        with pytest.raises(BadIdentity):
            await terminal.info()
        await terminal.time()


async def test_nobody_at_the_address_is_named(start: Start) -> None:
    sim = await start()
    await sim.power_off()
    with pytest.raises(TerminalUnreachable, match=str(sim.port)) as caught:
        async with open_terminal(sim.host, sim.port):
            pass
    assert caught.value.retryable


async def test_several_clients_are_served_at_once(start: Start) -> None:
    sim = await start(users=people(), punches=punches(3_000))

    async def read() -> int:
        async with open_terminal(sim.host, sim.port) as terminal:
            return len((await terminal.attendance()).records)

    assert await asyncio.gather(*(read() for _ in range(8))) == [3_000] * 8


async def test_operations_of_one_terminal_wait_for_each_other(start: Start) -> None:
    sim = await start(users=people(), punches=punches(3_000))
    async with open_terminal(sim.host, sim.port) as terminal:
        log, time, users = await asyncio.gather(terminal.attendance(), terminal.time(), terminal.users())
    assert (len(log.records), len(users.records), isinstance(time, TerminalTime)) == (3_000, 20, True)


async def test_a_layout_can_be_pinned(start: Start) -> None:
    sim = await start(punches=punches(200))
    async with open_terminal(sim.host, sim.port) as terminal:
        assert len((await terminal.attendance(layout="40")).records) == 200
        with pytest.raises(ValueError, match="expected a layout"):
            await terminal.attendance(layout="41")


@pytest.mark.parametrize(
    "given", [{"comm_key": -1}, {"comm_key": 2**32}, {"port": 0}, {"port": 70_000}, {"encoding": "klingon"}]
)
async def test_our_own_mistakes_are_value_errors(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected"):
        async with open_terminal("127.0.0.1", **given):
            pass


@pytest.mark.parametrize("host", ["a..b", "x" * 300])
async def test_a_host_name_that_leads_nowhere_is_unreachable(host: str) -> None:
    with pytest.raises(TerminalUnreachable):
        async with open_terminal(host):
            pass
