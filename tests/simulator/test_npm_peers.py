"""zkteco-js and node-zklib, foreign clients, as black boxes at our simulated terminal."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from biometric_flow.zk.wire.users import UserRecord
from tests.peers import Peer, npm_packages, running
from tests.requires import require
from tests.simulator.conftest import Start
from tests.simulator.days import people, punches

pytestmark = pytest.mark.timeout(900)
PEERS = pytest.mark.parametrize("name", ["zkteco-js", "node-zklib"])
ROWS = 700
TIME = {"zkteco-js": "record_time", "node-zklib": "recordTime"}
PIN = {"zkteco-js": "user_id", "node-zklib": "deviceUserId"}


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    packages = await asyncio.to_thread(npm_packages)
    require(packages is not None, "node with npm and its registry", "sudo apt-get install nodejs npm")
    assert packages is not None
    async with running(packages) as peer:
        yield peer


def moment(text: str) -> datetime:
    """What JavaScript makes of a time, at the second, by this machine's zone."""
    if text.endswith("Z"):
        return datetime.fromisoformat(text).astimezone().replace(tzinfo=None)
    return datetime.strptime(text[:24], "%a %b %d %Y %H:%M:%S")  # noqa: DTZ007


@PEERS
async def test_a_node_client_reads_users_and_attendance(start: Start, peer: Peer, name: str) -> None:
    known = [*people(30), UserRecord(0, "900", "عبدالرحمن"), UserRecord(0, "901", "张伟"), UserRecord(0, "902", "नेहा")]
    sim = await start(users=known, punches=punches(ROWS), pause=0.004)
    assert await peer.do("connect", peer=name, port=sim.port) == "tcp"
    info = await peer.do("info")
    assert (info["userCounts"], info["logCounts"]) == (33, ROWS)
    users = await peer.do("users")
    assert [(user["uid"], user["userId"]) for user in users] == [(user.uid, user.user_id) for user in sim.memory.users]
    assert [user["name"] for user in users][:30] == [user.name for user in known][:30]
    rows = await peer.do("attendance")
    assert [(row[PIN[name]], moment(row[TIME[name]])) for row in rows] == [
        (punch.pin, punch.time.to_datetime()) for punch in sim.truth()
    ]
    await peer.do("disconnect")


@PEERS
async def test_a_node_client_hears_a_punch_clears_the_log_and_restarts(start: Start, peer: Peer, name: str) -> None:
    sim = await start(users=people(), punches=punches(5), pause=0.004)
    await peer.do("connect", peer=name, port=sim.port)
    await peer.do("listen")
    async with asyncio.timeout(10):
        while not any(link._session.mask for link in sim._links):
            await asyncio.sleep(0.01)
    waiting = asyncio.create_task(peer.next_event())
    while not waiting.done():  # it drops an event that comes together with the answer to its registration
        await sim.punch("107", state=1)
        await asyncio.wait([waiting], timeout=0.2)
    event = await waiting
    assert event["userId"] == "107"
    await peer.do("disconnect")
    await peer.do("connect", peer=name, port=sim.port)
    await peer.do("clear")
    assert sim.truth() == []
    await peer.do("command", code=1004)
    async with asyncio.timeout(5):
        while sim.connections:
            await asyncio.sleep(0.01)


async def test_zkteco_js_writes_a_user_and_the_clock(start: Start, peer: Peer) -> None:
    sim = await start(users=people(3), zone=ZoneInfo("UTC"), pause=0.004)
    await peer.do("connect", peer="zkteco-js", port=sim.port)
    await peer.do("setUser", args=[9, "9", "Lina", "123", 0, 77])
    assert [(u.uid, u.user_id, u.name, u.password, u.card) for u in sim.memory.users][-1] == (9, "9", "Lina", "123", 77)
    await peer.do("deleteUser", uid=2)
    assert [user.uid for user in sim.memory.users] == [1, 3, 9]
    wanted = datetime.now(UTC) + timedelta(hours=3)
    await peer.do("setTime", at=wanted.isoformat())
    local = wanted.astimezone().replace(tzinfo=None)
    assert abs(sim.clock.read().to_datetime() - local) < timedelta(seconds=5)


async def test_node_zklib_falls_back_to_udp(start: Start, peer: Peer) -> None:
    sim = await start(users=people(20), punches=punches(200), transports=("udp",), profile="zk6")
    assert await peer.do("connect", peer="node-zklib", port=sim.port) == "udp"
    info = await peer.do("info")
    assert (info["userCounts"], info["logCounts"]) == (20, 200)
