"""kill -9 of a place amid uploads and commands: no punch lost or doubled, no word of a terminal invented."""

import asyncio
import contextlib
import os
import random
import signal
import sqlite3
import time
from collections import Counter, defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from biometric_flow.ledger.events import PunchRecorded, decode
from biometric_flow.ledger.note import PublicKey
from biometric_flow.ledger.sqlite import SqliteLedgerStore
from biometric_flow.model.ids import PlaceId
from biometric_flow.place.audit import Keys, audit
from biometric_flow.place.schema import open_reader
from biometric_flow.supervisor.demo import TENANT
from biometric_flow.zk.push import commands
from biometric_flow.zk.push.text import Fields
from biometric_flow.zk.simulator.push import PushLink
from biometric_flow.zk.simulator.terminal import SimulatedTerminal
from tests.services.demos import free_run
from tests.services.places import API_KEY, truth_of, until
from tests.services.push_lives import POINTS, TERMINALS, Lives, key_of, push_lives
from tests.services.pushes import SECRET
from tests.services.stores import keys_of, subjects_of
from tests.services.test_push import CAIRO, PEOPLE, past

BACKLOG = 250
ORDERS = 30
"""Jobs of one terminal at most."""
REPEATABLE: list[dict[str, Any]] = [
    {"kind": "info"}, {"kind": "check"}, {"kind": "count_punches"}, {"kind": "pull_again"}, {"kind": "sync_time"},
    {"kind": "set_option", "name": "VOLUME", "value": "33"}, {"kind": "push_users"},
]  # fmt: skip
DOOR = {"kind": "unlock"}
ENDINGS = [
    ("UPDATE push_command SET step = ''", 2),
    ("UPDATE job SET state = 'confirmed'", 1),
]
"""Moments between a terminal's word on the command of a job and the end of that job; each job begins with the first."""


class WatchedLink(PushLink):
    """A terminal that dials and notes which command it carried out, and when."""

    carried: list[tuple[int, datetime]]

    async def _do(self, number: str, command: commands.Command) -> tuple[int, Fields]:
        self.carried.append((int(number), datetime.now(UTC)))
        return await super()._do(number, command)


@dataclass
class Told:
    """What the lives of the place have said."""

    ordered: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    sums: int = 0
    """How often the counts of a terminal were looked at."""


async def test_a_place_killed_amid_pushes_and_commands_loses_doubles_and_invents_nothing(tmp_path: Path) -> None:
    points = [*POINTS, *["", "done"] * 2]
    random.Random(47).shuffle(points)
    await drill(tmp_path, points, random.Random(47))


@pytest.mark.parametrize(("point", "occurrence"), ENDINGS)
async def test_a_door_is_not_opened_again_when_the_place_died_while_it_wrote_down_what_became_of_it(
    tmp_path: Path, point: str, occurrence: int
) -> None:
    port = free_run(1)
    async with contextlib.AsyncExitStack() as stack:
        link = await _terminal(stack, port, "PUSH0001")
        lives = await stack.enter_async_context(push_lives(tmp_path, port))
        life = await lives.begin(point, occurrence)
        assert life is not None
        async with _asking(life[1]) as http:
            answer = await http.post("/v1/terminals/door-1/jobs", json=DOOR)
            assert answer.status_code == 202, answer.text
        await lives.gone()
        life = await lives.begin()
        assert life is not None
        async with _asking(life[1]) as http:
            await until(lambda: _is_settled(http, [link]))
            assert [job["state"] for job in await _jobs(http, "door-1")] == ["confirmed"]
        await lives.end()
    assert link.terminal.memory.extras.opened == [(1, 0)]


@pytest.mark.drill
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(6))
async def test_many_kills_amid_pushes_and_commands_lose_double_and_invent_nothing(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    await drill(tmp_path, chance.choices([*POINTS, *["", "done"] * 5], k=80), chance)


async def drill(folder: Path, points: list[str], chance: random.Random) -> None:
    port, told = free_run(1), Told()
    async with contextlib.AsyncExitStack() as stack:
        links = [await _terminal(stack, port, serial) for serial in TERMINALS]
        lives = await stack.enter_async_context(push_lives(folder, port))
        touching = asyncio.create_task(_touch(links, chance))
        try:
            for point in points:
                await _one_life(lives, links, point, chance, told)
        finally:
            touching.cancel()
            await asyncio.gather(touching, return_exceptions=True)
        stale, aged_at = _age_doors(folder / "place.sqlite3"), datetime.now(UTC)
        last = await lives.begin()
        assert last is not None
        async with _asking(last[1]) as http:
            key = (await http.get("/v1/ledger/key")).text.strip()
            await until(lambda: _is_settled(http, links), seconds=150)
            jobs = {key: await _jobs(http, key) for key in map(key_of, TERMINALS)}
            await _sums(http, told)
        await lives.end()
    _punches_are_right(folder, links, PublicKey.parse(key))
    _jobs_are_right(folder, links, jobs, told)
    carried = {number: at for link in links for number, at in link.carried}
    late = {number for number in stale if carried.get(number, aged_at) > aged_at}
    assert not late, "a door opened after its time"
    assert told.sums > len(points), "nobody looked at the counts"


async def _terminal(stack: contextlib.AsyncExitStack, port: int, serial: str) -> WatchedLink:
    machine = await stack.enter_async_context(
        SimulatedTerminal(serial=serial, users=PEOPLE, zone=CAIRO, punches=past(BACKLOG))
    )
    link = WatchedLink(machine, f"http://127.0.0.1:{port}/p/{SECRET}", TERMINALS[serial], poll=0.05)
    link.carried = []
    return await stack.enter_async_context(link)


async def _touch(links: list[WatchedLink], chance: random.Random) -> None:
    """People at all terminals, all the time."""
    while True:
        await chance.choice(links).terminal.punch(str(chance.randrange(1, 21)), state=chance.randrange(2))
        await asyncio.sleep(0.05)


async def _one_life(lives: Lives, links: list[WatchedLink], point: str, chance: random.Random, told: Told) -> None:
    life = await lives.begin("" if point == "done" else point, chance.randrange(1, 4))
    if life is None:
        return
    pid, url = life
    killing = asyncio.create_task(_kill(pid, point, links, chance))
    try:
        async with _asking(url) as http:
            with contextlib.suppress(httpx2.TransportError):
                while True:
                    await _order(http, chance, told)
                    await _sums(http, told)
                    await asyncio.sleep(0.01)
    finally:
        await killing
        await lives.gone()


async def _kill(pid: int, point: str, links: list[WatchedLink], chance: random.Random) -> None:
    """At a random moment; or while a terminal reports what it has just done; a named point strikes by itself."""
    if point == "done":
        before, patience = sum(len(link.carried) for link in links), time.monotonic() + 1
        while sum(len(link.carried) for link in links) == before and time.monotonic() < patience:
            await asyncio.sleep(0.001)
    else:
        await asyncio.sleep(1 if point else chance.uniform(0.05, 1))
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _asking(url: str) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {API_KEY}"}, timeout=30)


async def _order(http: httpx2.AsyncClient, chance: random.Random, told: Told) -> None:
    serial = chance.choice(list(TERMINALS))
    key = key_of(serial)
    if len(told.ordered[key]) < ORDERS:
        body = DOOR if chance.random() < 0.4 else chance.choice(REPEATABLE)
        answer = await http.post(f"/v1/terminals/{key}/jobs", json=body)
        assert answer.status_code == 202, answer.text
        told.ordered[key].add(answer.json()["number"])


async def _sums(http: httpx2.AsyncClient, told: Told) -> None:
    for terminal in (await http.get("/v1/terminals")).json():
        counters = terminal["counters"]
        parts = counters["accepted"] + counters["quarantined"] + counters["duplicate"]
        assert parts == counters["received"], terminal
        told.sums += 1


async def _jobs(http: httpx2.AsyncClient, key: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await http.get(f"/v1/terminals/{key}/jobs", params={"limit": 1000})).json()
    return found


async def _is_settled(http: httpx2.AsyncClient, links: list[WatchedLink]) -> bool:
    await asyncio.sleep(0.1)
    for key in map(key_of, TERMINALS):
        if any(job["state"] in ("queued", "sent") for job in await _jobs(http, key)):
            return False
    return not any(link.waiting for link in links)


def _age_doors(file: Path) -> set[int]:
    """While nobody runs, the time of all doors that wait passes; the numbers of their commands."""
    with closing(sqlite3.connect(file, isolation_level=None)) as disk:
        doors = "SELECT number FROM job WHERE state IN ('queued', 'sent') AND kind = 'unlock'"
        stale = {number for (number,) in disk.execute(f"SELECT id FROM push_command WHERE job IN ({doors})")}
        disk.execute(f"UPDATE push_command SET expires_at = created_at WHERE job IN ({doors})")
        disk.execute(f"UPDATE job SET expires_at = created_at WHERE number IN ({doors})")
    return stale


def _punches_are_right(folder: Path, links: list[WatchedLink], key: PublicKey) -> None:
    file = folder / "place.sqlite3"
    found = audit(file, PlaceId("cairo"), Keys(key), keys_of(file, TENANT))
    with closing(open_reader(file)) as connection:
        entries = SqliteLedgerStore(connection, subjects_of(file, connection, TENANT)).read(0, 10_000_000)
        records = [decode(entry.record) for entry in entries]
    punches = [event.punch for event in records if isinstance(event, PunchRecorded)]
    assert len(punches) == len({punch.id for punch in punches}) == found.punches
    for link in links:
        mine = [punch for punch in punches if punch.terminal == link.terminal.memory.serial]
        seen = [(punch.pin, punch.local_time.isoformat(), punch.state) for punch in mine]
        assert len(seen) == len(set(seen))
        assert set(seen) == truth_of(link.terminal)
        assert len(link.terminal.truth()) > BACKLOG, "nobody touched it during the drill"


def _jobs_are_right(folder: Path, links: list[WatchedLink], jobs: dict[str, list[dict[str, Any]]], told: Told) -> None:
    with closing(open_reader(folder / "place.sqlite3")) as connection:
        job_of = dict(connection.execute("SELECT id, job FROM push_command"))
    wrong: list[str] = []
    states: Counter[tuple[str, str]] = Counter()
    for link in links:
        key = key_of(link.terminal.memory.serial)
        times = Counter(job_of[number] for number, _ in link.carried if number in job_of)
        at = {job_of[number]: moment for number, moment in link.carried if number in job_of}
        assert told.ordered[key] <= {job["number"] for job in jobs[key]}, "an order that was taken is gone"
        for job in jobs[key]:
            number, kind, state = job["number"], job["order"]["kind"], job["state"]
            states[kind, state] += 1
            said = f"{key} {number} {kind} {state} ({job['detail']}), carried out {times[number]} times"
            if state == "confirmed" and not times[number]:
                wrong.append(f"{said}: invented")
            if kind != "unlock" and state != "confirmed":
                wrong.append(f"{said}: can be repeated")
            if kind == "unlock":
                limit = datetime.fromisoformat(job["created_at"]) + timedelta(seconds=35)
                if times[number] > 1 or at.get(number, limit) > limit:
                    wrong.append(f"{said}: more than once, or late")
    assert not wrong, "\n".join(wrong)
    assert states["unlock", "confirmed"], states
