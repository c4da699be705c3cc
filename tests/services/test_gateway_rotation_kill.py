"""Keys of a gateway are replaced and destroyed under load, and whoever does it is killed: no request is refused."""

import asyncio
import contextlib
import json
import random
import shutil
import signal
import sqlite3
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path

import httpx2
import psycopg
import pytest

from biometric_flow.api.clients import GatewayClient, GatewayProblem, GatewayUnreachable, UplinkClient
from biometric_flow.commands.gateway_keys import rotate_store
from biometric_flow.gateway import replicas
from biometric_flow.gateway.key_store import open_tenant_keys
from biometric_flow.gateway.resealing import LEVELS as OWNED
from biometric_flow.gateway.resealing import replace
from biometric_flow.gateway.store import schema
from biometric_flow.identity.errors import KeyDestroyed
from biometric_flow.identity.keyring import ROOT, KeyKind, KeyState, Owner, person
from biometric_flow.identity.root_file import RootKeyFile
from biometric_flow.model.ids import TenantId
from biometric_flow.runtime.database import Database
from biometric_flow.runtime.errors import FolderUnusable
from biometric_flow.runtime.key_file import FILE_NAME
from biometric_flow.runtime.key_store import KeyStore, open_keys
from biometric_flow.runtime.postgres import SUPERUSER
from biometric_flow.runtime.root_home import ROOT_FILE_NAME, root_keys
from tests.services.demos import free_ports
from tests.services.gateways import ADMIN, PASSWORD, SECRETS, Chain, TestDatabase, places_file, touches, with_keys
from tests.services.places import until
from tests.services.test_up import environment, is_ok

DEMO = TenantId("demo")
LEVELS = ("people", "root", "place", "tenant")
COMMAND = (sys.executable, "-m", "biometric_flow.cli")


@dataclass
class Site:
    """A gateway's folder, configuration and database; the gateway itself runs as a process of its own, and dies."""

    folder: Path
    database: TestDatabase
    port: int = field(default_factory=lambda: free_ports().gateway)
    is_up: bool = False
    """From its first good health on until it is killed; a start answers 503 until the database is there."""

    def __post_init__(self) -> None:
        (self.config / "environments").mkdir(parents=True)
        (self.config / "places.json").write_text(json.dumps(places_file().model_dump(mode="json")), encoding="utf-8")
        said = {"data": str(self.folder / "gateway"), "port": str(self.port), "demo": "true"}
        said |= {"admin_email": ADMIN, "admin_password": PASSWORD, "dsn": self.database.dsn}
        environment(self.config, "gateway", "GATEWAY", **said, owner_dsn=self.database.owner_dsn)

    @property
    def config(self) -> Path:
        return self.folder / "config"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def keys(self) -> Path:
        return self.folder / "gateway" / "keys"

    def store(self) -> KeyStore:
        return open_tenant_keys(self.keys, [DEMO]).of(DEMO)

    async def began(self, *command: str) -> Process:
        return await asyncio.create_subprocess_exec(
            *COMMAND, *command, "--config", str(self.config), stdout=DEVNULL, stderr=DEVNULL
        )

    @contextlib.asynccontextmanager
    async def gateway(self) -> AsyncIterator[Process]:
        process = await self.began("gateway")
        try:
            await until(lambda: is_ok(f"{self.url}/health"))
            self.is_up = True
            yield process
        finally:
            self.is_up = False
            await killed(process)


async def killed(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGKILL)
    await process.wait()


@dataclass
class Load:
    """A place that uploads without a pause. Only a dead gateway gives no answer; then it asks how far that one came."""

    site: Site
    chain: Chain = field(default_factory=Chain)
    held: int = 0
    task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        uplink = UplinkClient(self.site.url, "cairo", SECRETS["cairo"])
        number = len(self.chain.entries)
        try:
            while True:
                try:
                    self.held = await uplink.position()
                    while True:
                        if self.held == len(self.chain.entries):
                            self.chain.add(*touches(20, pin=str(1 + number // 20 % 40), first=number))
                            number += 20
                        self.held = await uplink.upload(self.held, self.chain.entries[self.held :])
                        await asyncio.sleep(0.05)
                except GatewayUnreachable:
                    assert not self.site.is_up, "a living gateway gave no answer"
                except GatewayProblem as problem:
                    if self.site.is_up or problem.code != "database.unavailable":
                        raise
                await asyncio.sleep(0.05)
        finally:
            await uplink.close()

    @contextlib.asynccontextmanager
    async def going(self) -> AsyncIterator["Load"]:
        """Uploads during this; a request that failed fails the test."""
        self.task = asyncio.create_task(self.run())
        try:
            yield self
        finally:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)

    async def more(self) -> None:
        """Wait until more of it is held than now. Raises what the gateway refused a request with."""
        now = self.held

        async def is_more() -> bool:
            if self.task is not None and self.task.done():
                self.task.result()
            return self.held > now

        await until(is_more)


async def drill(site: Site, kills: int, chance: random.Random) -> None:
    load, erased = Load(site), list[tuple[Owner, list[bytes]]]()
    site.store().close()
    copy, wrapped = site.folder / "copy", _wrapped(site)
    shutil.copytree(site.keys / DEMO, copy)
    async with load.going():
        for number in range(kills):
            async with site.gateway() as gateway:
                await load.more()
                erased.append(await _erase(site, number))
                wrapped |= _wrapped(site)
                rotation = await site.began("keys", "rotate", "--gateway", "--level", LEVELS[number % len(LEVELS)])
                await asyncio.sleep(
                    chance.uniform(0, 2.5)
                )  # the random moment: an erasure's keys go within 2 s as well
                for one in chance.sample([gateway, rotation], 2):
                    site.is_up = site.is_up and one is not gateway
                    await killed(one)
        async with site.gateway():
            await load.more()
            for level in LEVELS:
                await asyncio.to_thread(_rotate, site, level)
            await load.more()
            await until(lambda: _nothing_waits(site))
    await _everything_is_there(site, load)
    _old_keys_are_gone(site, wrapped, erased)
    (copy / ROOT_FILE_NAME).write_bytes((site.keys / DEMO / ROOT_FILE_NAME).read_bytes())
    with pytest.raises(FolderUnusable, match="it is not there"):  # what was wrapped under the old root opens no more
        open_keys(copy, DEMO, root_keys(copy))


def _rotate(site: Site, level: str) -> None:
    with contextlib.closing(site.store()) as keys:
        if level in OWNED:
            replace(site.database.owner_dsn, keys, level, partial(time.sleep, 1))
        else:
            rotate_store(keys, level)


async def _erase(site: Site, number: int) -> tuple[Owner, list[bytes]]:
    """Hire somebody and erase them: their key, and what it sealed until then."""
    client = GatewayClient(site.url)
    token = (await client.sign_in(ADMIN, PASSWORD)).access_token
    await client.close()
    async with httpx2.AsyncClient(base_url=site.url, timeout=20, headers={"Authorization": f"Bearer {token}"}) as http:
        body = {"number": f"E{number}", "name": f"Person {number}", "place": "cairo"}
        told = await http.post("/v1/people", json=body | {"employed_from": date(2026, 1, 1).isoformat()})
        assert told.status_code == 201, told.text
        sealed = _sealed_of(site, told.json()["id"])
        wanted = {"number": f"E{number}", "reason": "request", "by": "privacy officer"}
        told_again = await http.post("/v1/privacy/erasures", json=wanted)
        assert told_again.status_code == 200, told_again.text
    return person(told.json()["id"]), sealed


def _rows(site: Site, query: str, *given: object) -> list[tuple[bytes, ...]]:
    with psycopg.connect(site.database.server.dsn(SUPERUSER, site.database.name)) as connection:
        return connection.execute(query, given).fetchall()  # type: ignore[arg-type]


def _sealed_of(site: Site, person_id: str) -> list[bytes]:
    [row] = _rows(site, "SELECT number, name FROM employee WHERE person_id = %s", person_id)
    return [bytes(one) for one in row]


async def _nothing_waits(site: Site) -> bool:
    return not _rows(site, "SELECT 1 FROM key_ending")


async def _everything_is_there(site: Site, load: Load) -> None:
    database = with_keys(Database(site.database.dsn, schema.APPLICATION), site.folder / "gateway")
    database.is_ready = True
    found = await replicas.verify(database, await replicas.states(database, [DEMO]))
    await database.close()
    sent = len(load.chain.entries)
    assert load.held <= found.entries <= sent
    assert _rows(site, "SELECT count(*), count(DISTINCT sequence) FROM punch") == [(found.entries, found.entries)]


def _old_keys_are_gone(site: Site, wrapped: set[bytes], erased: list[tuple[Owner, list[bytes]]]) -> None:
    keys = site.store()
    owned = [one.owner for one in keys.records() if one.owner.kind in (KeyKind.SUBJECT, KeyKind.PLACE)]
    assert len(set(owned)) > 2
    gone = {owner for owner, _ in erased}
    for owner in (ROOT, keys.tenant_owner, *dict.fromkeys(owned)):
        if owner not in gone and len(keys.versions(owner)) == 1:
            assert owner.kind is KeyKind.SUBJECT, "nothing was replaced"  # new since
            continue
        assert [one.state for one in keys.versions(owner)][-1] == KeyState.ACTIVE
        assert {one.state for one in keys.versions(owner)[:-1]} == {KeyState.DESTROYED}, "nothing was replaced"
    for owner, envelopes in erased:
        assert {one.state for one in keys.versions(owner)} == {KeyState.DESTROYED}
        for envelope in envelopes:
            assert keys.is_destroyed(envelope)
            with pytest.raises(KeyDestroyed):
                keys.opened(("employee", "name", b""), envelope)  # type: ignore[arg-type]
    keys.close()
    assert len(RootKeyFile(site.keys / DEMO / ROOT_FILE_NAME).ids()) == 1
    content = (site.keys / DEMO / FILE_NAME).read_bytes()
    assert not any(one in content for one in wrapped - _wrapped(site)), "an old wrapping is still in the file"


def _wrapped(site: Site) -> set[bytes]:
    """Every wrapped key as it stands in the key store."""
    with contextlib.closing(sqlite3.connect(site.keys / DEMO / FILE_NAME)) as connection:
        return {
            row[0]
            for row in connection.execute("SELECT content FROM wrapping WHERE content != zeroblob(length(content))")
        }


async def test_a_gateways_keys_are_replaced_and_destroyed_under_load_across_kills(
    database: TestDatabase, tmp_path: Path
) -> None:
    await drill(Site(tmp_path, database), 1, random.Random(20261123))


@pytest.mark.drill
@pytest.mark.timeout(3600)
async def test_a_gateways_keys_are_replaced_and_destroyed_across_twenty_kills(
    database: TestDatabase, tmp_path: Path
) -> None:
    await drill(Site(tmp_path, database), 20, random.Random())
