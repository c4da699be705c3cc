"""pyzk, a foreign client, as a black box at our simulated terminal."""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

import pytest
from zk import ZK
from zk.finger import Finger

from biometric_flow.zk.wire.templates import Template
from tests.simulator.conftest import Start
from tests.simulator.days import people, punches

Answer = TypeVar("Answer")

POSSIBLE = 1_000
"""Punches from 4 March on, one a minute: less than a month, so that no date is impossible for pyzk."""


def with_pyzk(port: int, key: int, do: Callable[[Any], Answer]) -> Answer:
    connection = ZK("127.0.0.1", port=port, timeout=10, password=key, ommit_ping=True).connect()
    try:
        return do(connection)
    finally:
        connection.disconnect()


@pytest.mark.parametrize("key", [0, 1234])
@pytest.mark.parametrize("profile", ["tft", "iface", "zk6-8"])
async def test_pyzk_reads_users_and_attendance(start: Start, profile: str, key: int) -> None:
    sim = await start(profile=profile, comm_key=key, users=people(), punches=punches(POSSIBLE), pause=0.002)

    def read(connection: Any) -> tuple[list[Any], list[Any], str]:
        return connection.get_users(), connection.get_attendance(), connection.get_serialnumber()

    users, attendance, serial = await asyncio.to_thread(with_pyzk, sim.port, key, read)
    assert serial == sim.memory.serial
    assert [(u.user_id, u.uid, u.card) for u in users] == [(u.user_id, u.uid, u.card) for u in sim.memory.users]
    assert [(a.user_id, a.timestamp, a.punch) for a in attendance] == [
        (p.pin, p.time.to_datetime(), p.state) for p in sim.truth()
    ]


@pytest.mark.parametrize("key", [0, 1234])
async def test_pyzk_receives_a_live_event(start: Start, key: int) -> None:
    sim = await start(comm_key=key, users=people(), pause=0.002)

    def listen(connection: Any) -> Any:
        return next(event for event in connection.live_capture(new_timeout=5) if event is not None)

    listening = asyncio.create_task(asyncio.to_thread(with_pyzk, sim.port, key, listen))
    async with asyncio.timeout(10):
        while not any(link._session.mask for link in sim._links):
            await asyncio.sleep(0.01)
    punch = await sim.punch("107", state=1)
    event = await asyncio.wait_for(listening, 10)
    assert (event.user_id, event.timestamp, event.punch) == ("107", punch.time.to_datetime(), 1)


async def test_pyzk_with_a_wrong_key_is_refused(start: Start) -> None:
    sim = await start(comm_key=1234)
    with pytest.raises(Exception, match=r"(?i)unauth"):
        await asyncio.to_thread(with_pyzk, sim.port, 4321, lambda connection: connection.get_time())


async def test_pyzk_moves_templates_and_reads_them_to_the_byte(start: Start) -> None:
    sim = await start(users=people(4), pause=0.002)
    data = b"M\x05SS21" + bytes(range(1, 200)) * 6 + b"\x01"
    sim.memory.templates[1, 3] = Template(1, 3, data)

    def move(connection: Any) -> tuple[list[Any], Any]:
        finger = connection.get_user_template(uid=1, temp_id=3)
        second = connection.get_users()[1]
        connection.save_user_template(second, [Finger(2, 7, 1, data)])
        return connection.get_templates(), finger

    templates, finger = await asyncio.to_thread(with_pyzk, sim.port, 0, move)
    assert (finger.uid, finger.fid, finger.template) == (1, 3, data)
    assert [(t.uid, t.fid, t.template) for t in templates] == [(1, 3, data), (2, 7, data)]
    assert sim.memory.templates[2, 7].data == data


@pytest.mark.parametrize("profile", ["tft", "zk6-8"])
async def test_pyzk_writes_users_sets_the_time_clears_and_restarts(start: Start, profile: str) -> None:
    sim = await start(profile=profile, users=people(3), punches=punches(20, 3), pause=0.002)
    when = datetime(2025, 6, 7, 8, 9, 10)

    def work(connection: Any) -> None:
        connection.get_users()
        connection.set_user(uid=9, name="Zoe", privilege=14, password="12", user_id="909", card=77)
        connection.delete_user(uid=2)
        connection.set_time(when)
        connection.clear_attendance()
        connection.unlock(3)
        connection.restart()

    def tolerant(connection: Any) -> None:
        with contextlib.suppress(Exception):  # its goodbye after a restart meets a closed connection
            work(connection)

    with contextlib.suppress(Exception):
        await asyncio.to_thread(with_pyzk, sim.port, 0, tolerant)
    assert [(u.uid, u.user_id, u.name, u.card) for u in sim.memory.users if u.uid in (2, 9)] == [(9, "909", "Zoe", 77)]
    assert timedelta() <= sim.clock.read().to_datetime() - when < timedelta(minutes=1)
    assert (sim.truth(), sim.memory.extras.unlocked_for) == ([], [30])
    async with asyncio.timeout(5):
        while sim.connections:
            await asyncio.sleep(0.01)


async def test_pyzk_works_over_udp(start: Start) -> None:
    sim = await start(profile="zk6-8", users=people(8), punches=punches(300, 8), transports=("udp",))

    def read() -> tuple[int, list[Any]]:
        connection = ZK("127.0.0.1", port=sim.port, timeout=10, force_udp=True, ommit_ping=True).connect()
        try:
            return len(connection.get_users()), connection.get_attendance()
        finally:
            connection.disconnect()

    users, attendance = await asyncio.to_thread(read)
    assert users == 8
    assert [(a.user_id, a.timestamp) for a in attendance] == [(p.pin, p.time.to_datetime()) for p in sim.truth()]
