"""pyzk, a foreign client, as a black box at our simulated terminal."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from zk import ZK

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
