"""Real gateway processes on one database: one takes the place of the other under load."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from biometric_flow.api.clients import GatewayClient, GatewayProblem, GatewayUnreachable, UplinkClient
from biometric_flow.runtime.postgres import SUPERUSER
from tests.services.balancers import Balancer, balanced
from tests.services.demos import free_run
from tests.services.gateways import ADMIN, PASSWORD, SECRETS, Chain, TestDatabase, places_file, touches
from tests.services.places import until

LEAVE_SECONDS = 1.5
"""Many looks of the load balancer, also on a machine that is busy with other tests."""
_PROGRAM = (
    "import os, pathlib, sys; from biometric_flow.gateway.app import run;"
    "sys.exit(run(pathlib.Path(sys.argv[1]), os.environ))"
)


@dataclass
class Fleet:
    """One instance, now and then two, and how each is started."""

    folder: Path
    settings: dict[str, str]
    balancer: Balancer
    running: dict[int, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def start(self, port: int) -> None:
        own = {"PORT": str(port), **self.settings}
        environment = os.environ | {f"BIOMETRIC_FLOW_GATEWAY_{name}": value for name, value in own.items()}
        command = [sys.executable, "-c", _PROGRAM, str(self.folder)]
        self.running[port] = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)

    async def are_ready(self, count: int) -> None:
        async def as_many() -> bool:
            assert all(process.poll() is None for process in self.running.values())
            return len(self.balancer.ready) == count

        await until(as_many)

    async def replace(self, old: int, new: int) -> None:
        """The new one first, so that somebody is always there."""
        self.start(new)
        await self.are_ready(2)
        process = self.running.pop(old)
        process.terminate()
        assert await asyncio.to_thread(process.wait, 30) in (0, -signal.SIGTERM)


@contextlib.asynccontextmanager
async def fleet(folder: Path, database: TestDatabase) -> AsyncIterator[Fleet]:
    (folder / "places.json").write_text(places_file().model_dump_json())
    settings = {
        "DATA": str(folder / "data"),
        "DSN": database.dsn,
        "OWNER_DSN": database.owner_dsn,
        "ADMIN_EMAIL": ADMIN,
        "ADMIN_PASSWORD": PASSWORD,
        "DEMO": "true",
        "ALERT_SECONDS": "0.1",
        "LEAVE_SECONDS": str(LEAVE_SECONDS),
    }
    first = free_run(2)
    async with balanced([first, first + 1]) as balancer:
        made = Fleet(folder, settings, balancer)
        try:
            made.start(first)
            await made.are_ready(1)
            yield made
        finally:
            for process in made.running.values():
                process.kill()
                process.wait(10)


@dataclass
class Load:
    """What people, a place and a listener do all the time, and what went wrong."""

    url: str
    token: str = ""
    acknowledged: int = 0
    answered: int = 0
    heard: list[int] = field(default_factory=list)
    cut: int = 0
    """Streams that ended and were resumed."""
    failures: list[str] = field(default_factory=list)
    chain: Chain = field(default_factory=Chain)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        client, uplink = GatewayClient(self.url), UplinkClient(self.url, "cairo", SECRETS["cairo"])
        self.token = (await client.sign_in(ADMIN, PASSWORD)).access_token
        works = (self._listen(client), self._upload(uplink), self._read(client), self._read(client))
        tasks = [asyncio.create_task(work) for work in works]
        try:
            yield
            assert not [task for task in tasks if task.done()]
            tasks[1].cancel()
            await asyncio.gather(tasks[1], return_exceptions=True)
            self.acknowledged = await uplink.upload(self.acknowledged, self.chain.entries[self.acknowledged :])
            await until(self._has_heard_all)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await client.close()

    async def goes_on(self) -> None:
        """Whoever is there now answers reads, takes uploads and is listened to."""
        before = self.answered, self.acknowledged, len(self.heard)

        async def has_more() -> bool:
            now = self.answered, self.acknowledged, len(self.heard)
            return all(more > known for more, known in zip(now, before, strict=True))

        await until(has_more)

    async def _has_heard_all(self) -> bool:
        return len(self.heard) >= self.acknowledged

    async def _read(self, client: GatewayClient) -> None:
        while True:
            known = self.acknowledged
            try:
                assert (await client.punch_count(self.token)).count >= known
                self.answered += 1
            except (GatewayProblem, GatewayUnreachable) as error:
                self.failures.append(f"read: {error!r}")
            await asyncio.sleep(0.02)

    async def _upload(self, uplink: UplinkClient) -> None:
        while True:
            held = self.acknowledged
            new = self.chain.entries[held:] or self.chain.add(*touches(3, first=held))
            try:
                self.acknowledged = await uplink.upload(held, new)
            except (GatewayProblem, GatewayUnreachable) as error:
                self.failures.append(f"upload: {error!r}")
            await asyncio.sleep(0.03)

    async def _listen(self, client: GatewayClient) -> None:
        last = "0"
        while True:
            try:
                async with aclosing(client.stream(self.token, last)) as stream:
                    async for event in stream:
                        if event.event == "punch":
                            self.heard.append(int(event.id))
                        last = event.id or last
            except GatewayUnreachable:
                self.cut += 1
            except GatewayProblem as problem:
                self.failures.append(f"stream: {problem!r}")


async def rolled(folder: Path, database: TestDatabase, rounds: int) -> None:
    async with fleet(folder, database) as instances:
        load, (port,) = Load(instances.balancer.url), instances.running
        async with load.running():
            for number in range(rounds):
                await instances.replace(port + number % 2, port + (number + 1) % 2)
                await load.goes_on()
        assert load.failures == []
        assert load.acknowledged == len(load.chain.entries) > 0
        assert load.heard == list(range(1, load.acknowledged + 1)), "each once and in order, over streams that were cut"
    with psycopg.connect(database.server.dsn(SUPERUSER, database.name)) as superuser:
        [(held, different)] = superuser.execute("SELECT count(*), count(DISTINCT punch_id) FROM punch").fetchall()
        [(told, alerts)] = superuser.execute(
            "SELECT count(*), count(DISTINCT (tenant_id, kind, place_id, subject)) FROM alert"
        ).fetchall()
    assert held == different == load.acknowledged
    assert told == alerts


async def test_an_instance_takes_the_place_of_another_under_load_and_no_request_fails(
    database: TestDatabase, tmp_path: Path
) -> None:
    await rolled(tmp_path, database, 1)


@pytest.mark.drill
async def test_instances_are_replaced_again_and_again_and_no_request_fails(
    database: TestDatabase, tmp_path: Path
) -> None:
    await rolled(tmp_path, database, 15)
