"""A place and its gateway that ran, their files, and the ways in which somebody finds that one of the two was altered.

The files are those that real processes left. A script alters them while both are down; a finder is then what an
operator, an auditor or the other side does next.
"""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx2
import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from biometric_flow.gateway.backup import Source, verify
from biometric_flow.ledger import verify_receipt
from biometric_flow.ledger.errors import LedgerError
from biometric_flow.ledger.note import Note, PublicKey
from biometric_flow.ledger.replica import check_replica
from biometric_flow.model.ids import PlaceId
from biometric_flow.place.audit import Audited, Keys, audit
from biometric_flow.runtime.errors import FolderUnusable
from biometric_flow.runtime.postgres import SUPERUSER
from biometric_flow.runtime.signing import signing_key
from tests.services.gateways import SECRETS, RunningGateway, TestDatabase, fresh_database, places_file, running_gateway
from tests.services.lone_place import usb_file
from tests.services.places import RunningPlace, running_place, until
from tests.services.pushes import pushing
from tests.services.stores import keys_of

CAIRO, LEEDS = PlaceId("cairo"), PlaceId("leeds")
BEFORE: Final = "adversaries_before"
"""The gateway's database when the backups were taken."""
FIRST, LATER = 290, 10
"""Punches before the backups were taken, and after: together with other entries more than one tile of 256."""
IMPOSSIBLE: Final = b"5\t2026-02-30 08:00:00\t1\t0\t0\t0\r\n"
"""A row that no calendar has, for the quarantine."""


@dataclass
class World:
    """What both sides have on their disks. `earlier` is what an auditor wrote down before anybody did anything."""

    folder: Path
    origin: TestDatabase
    place_key: PublicKey
    gateway_key: PublicKey
    earlier: Note
    receipt: str
    own: TestDatabase | None = None

    @property
    def database(self) -> TestDatabase:
        """The gateway's database: a copy of the origin's, made when somebody asks for it."""
        if self.own is None:
            self.own = clone(self.origin, f"world_{uuid4().hex}")
        return self.own

    def roll_back_the_gateway(self) -> None:
        """Put its database back as it was before the last punches."""
        self.own = clone(TestDatabase(BEFORE, self.origin.server), f"world_{uuid4().hex}")

    @property
    def place(self) -> Path:
        """The folder of place `cairo`, with its key store and its signing key."""
        return self.folder / "cairo"

    @property
    def file(self) -> Path:
        return self.place / "place.sqlite3"

    @property
    def backup(self) -> Path:
        """The same folder as it was before the last punches."""
        return self.folder / "cairo-backup"

    @property
    def other_place(self) -> Path:
        return self.folder / "leeds"

    @property
    def gateway(self) -> Path:
        return self.folder / "gateway"

    def stolen_key(self) -> Ed25519PrivateKey:
        return signing_key(self.place / "ledger-key.pem")

    def sql(self, statements: str) -> None:
        """Change the place's file as anybody can who has it."""
        connection = sqlite3.connect(self.file, isolation_level=None)
        connection.execute("PRAGMA foreign_keys = OFF")
        changes = connection.total_changes
        connection.executescript(statements)
        assert connection.total_changes > changes, "the script changed nothing"
        connection.close()

    def ask(self, query: str) -> Any:
        """One value of the place's file."""
        connection = sqlite3.connect(self.file)
        (value,) = connection.execute(query).fetchone()
        connection.close()
        return value

    def gateway_sql(self, *statements: str) -> None:
        """Change the gateway's tables as the database's administrator can."""
        dsn = self.database.server.dsn(SUPERUSER, self.database.name)
        with psycopg.connect(dsn) as connection:
            for statement in statements:
                assert connection.execute(statement).rowcount > 0, f"changed nothing: {statement}"

    def audited(self, earlier: tuple[Note, ...] | None = None) -> Audited:
        """What `ledger verify` makes of the place, with keys and a checkpoint from a source of the auditor's own."""
        kept = (self.earlier,) if earlier is None else earlier
        return audit(self.file, CAIRO, Keys(self.place_key, self.gateway_key, kept), keys_of(self.file))


Finder = Callable[[World], str]


def by_verify(world: World) -> str:
    """An auditor runs `ledger verify` on the place."""
    try:
        world.audited()
    except LedgerError as error:
        return str(error)
    return ""


def by_starting(world: World) -> str:
    """The place is started."""

    async def start() -> None:
        async with running_place(world.place, [pushing()]):
            pass

    try:
        asyncio.run(start())
    except FolderUnusable as error:
        return str(error)
    return ""


def by_the_next_checkpoint(world: World) -> str:
    """Both sides go on and another punch is made. The place stops taking anything and says why."""

    async def go_on() -> str:
        async with both(world) as (gateway, place):
            await until(lambda: _is_settled(place))
            health = await place.get("/health")
            if not health["read_only"]:
                return ""
            refused = await place.http.post("/v1/terminals/door/import", content=usb_file(5_000, 1))
            assert (refused.status_code, refused.json()["code"]) == (503, "ledger.halted")
            urgent = [one.text for one in (await gateway.client.overview(gateway.token)).attention]
            return f"{health['read_only']} | {' '.join(urgent)}"

    return asyncio.run(go_on())


def by_a_link_that_is_refused(world: World) -> str:
    """Both sides go on: nothing is cosigned any more, and the place's health says that it is refused, and why."""

    async def go_on() -> str:
        async with both(world) as (_, place):
            await until(lambda: _is_settled(place))
            health = await place.get("/health")
            assert not health["read_only"]
            return f"{health['gateway']}: {health['gateway_reason']}" if health["gateway"] == "refused" else ""

    return asyncio.run(go_on())


def by_verifying_the_gateway(world: World) -> str:
    """An operator runs `backup verify` on the gateway."""
    try:
        verify(Source(world.gateway, places_file(), world.database.dsn))
    except LedgerError as error:
        return str(error)
    return ""


def by_reading_what_the_gateway_serves(world: World) -> str:
    """An auditor runs `ledger verify-url` against the gateway, with a checkpoint that they kept."""

    async def read() -> str:
        async with running_gateway(world.gateway, world.database) as gateway:
            return await asyncio.to_thread(served, gateway, world)

    return asyncio.run(read())


def by_the_places_health(world: World) -> str:
    """Both sides go on: the place's health says what the gateway has forgotten, and gives it all of it again."""

    async def go_on() -> str:
        async with both(world) as (_, place):
            await until(lambda: is_cosigned(place))
            return str((await place.get("/health"))["gateway_reason"])

    return asyncio.run(go_on())


def by_comparing_two_gateways(world: World) -> str:
    """An auditor holds the checkpoint that one gateway cosigned against what another one serves."""

    async def read() -> str:
        with fresh_database(world.database.server) as database:
            async with running_gateway(world.folder / "gateway-2", database) as other:
                async with running_place(world.place, [pushing()], **link(other)) as place:
                    await until(lambda: is_cosigned(place))
                headers = {"Authorization": f"Bearer {other.token}"}
                keys = (await other.http.get("/v1/ledger/keys", headers=headers)).text.splitlines()
                world.gateway_key = PublicKey.parse(keys[0])
                return await asyncio.to_thread(served, other, world)

    return asyncio.run(read())


def by_the_receipts_holder(world: World) -> str:
    """Whoever was given the receipt checks it with the file that we ship."""
    try:
        verify_receipt.verify(world.receipt, str(world.place_key), str(world.gateway_key))
    except verify_receipt.Refused as error:
        return str(error)
    return ""


def served(gateway: RunningGateway, world: World) -> str:
    """What `ledger verify-url` finds."""
    headers = {"Authorization": f"Bearer {gateway.token}"}
    with httpx2.Client(base_url=gateway.url, headers=headers, timeout=20) as http:

        def fetch(path: str) -> bytes:
            answer = http.get(f"/v1/places/cairo/{path}")
            return answer.content if answer.status_code == 200 else b""

        try:
            check_replica(fetch, world.place_key, world.gateway_key, CAIRO, [world.earlier])
        except LedgerError as error:
            return str(error)
    return ""


@asynccontextmanager
async def both(world: World, more: int = 1) -> AsyncIterator[tuple[RunningGateway, RunningPlace]]:
    """Gateway and place go on where they were, and another punch is made."""
    async with (
        running_gateway(world.gateway, world.database) as gateway,
        running_place(world.place, [pushing()], **link(gateway)) as place,
    ):
        if more:
            await place.http.post("/v1/terminals/door/import", content=usb_file(4_000, more))
        yield gateway, place


def link(gateway: RunningGateway, place: str = "cairo") -> dict[str, object]:
    return {"gateway_url": gateway.url, "gateway_credential": SECRETS[place]}


async def _is_settled(place: RunningPlace) -> bool:
    """Either everything was cosigned, or somebody refuses something."""
    health = await place.get("/health")
    return bool(health["read_only"]) or health["gateway"] == "refused" or await is_cosigned(place)


async def is_cosigned(place: RunningPlace) -> bool:
    answer = await place.http.get("/v1/ledger/checkpoint")
    head = (await place.get("/health"))["head"]
    is_newest = f"\n{head}\n" in answer.text.partition("\n\n")[0] + "\n"
    return answer.status_code == 200 and is_newest and "biometric-flow-gateway" in answer.text


@dataclass(frozen=True)
class Origin:
    """One world that was made by running it, and that every script gets a copy of."""

    world: World

    def copy(self, folder: Path) -> World:
        """A world of its own, in this folder and in a database of its own."""
        made = self.world
        shutil.copytree(made.folder, folder)
        return World(folder, made.origin, made.place_key, made.gateway_key, made.earlier, made.receipt)


def drop(database: TestDatabase) -> None:
    with psycopg.connect(database.server.dsn(SUPERUSER, SUPERUSER), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{database.name}" WITH (FORCE)')


def clone(database: TestDatabase, name: str) -> TestDatabase:
    with psycopg.connect(database.server.dsn(SUPERUSER, SUPERUSER), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{database.name}"')
    return TestDatabase(name, database.server)


async def make_origin(folder: Path, database: TestDatabase) -> Origin:
    """Run gateway, `cairo` and `leeds`; keep backups of both sides in the middle; go on for a while."""
    world = World(folder, database, None, None, None, "", database)  # type: ignore[arg-type]
    async with running_gateway(world.gateway, database) as gateway:
        async with running_place(world.other_place, [pushing()], place="leeds", **link(gateway, "leeds")) as leeds:
            await _take(leeds, usb_file(0, 5))
        async with running_place(world.place, [pushing()], **link(gateway)) as cairo:
            await _take(cairo, usb_file(0, FIRST) + IMPOSSIBLE)
    shutil.copytree(world.place, world.backup)
    clone(database, BEFORE)
    async with both(world, LATER) as (gateway, cairo):
        await _take(cairo, usb_file(FIRST, LATER))
        headers = {"Authorization": f"Bearer {gateway.token}"}
        keys = (await gateway.http.get("/v1/ledger/keys", headers=headers)).text.splitlines()
        world.place_key = PublicKey.parse((await cairo.http.get("/v1/ledger/key")).text)
        world.gateway_key = PublicKey.parse(keys[0])
        punch = (await cairo.punches())[0]["id"]
        world.receipt = (await cairo.http.get(f"/v1/punches/{punch}/receipt")).text
        await until(lambda: is_cosigned(cairo))  # that it was handed out is an entry, too
        answer = await gateway.http.get("/v1/places/cairo/checkpoint", headers=headers)
        world.earlier = Note.parse(answer.text)
    return Origin(world)


async def _take(place: RunningPlace, rows: bytes) -> None:
    answer = await place.http.post("/v1/terminals/door/import", content=rows)
    assert answer.status_code == 200, answer.text
    await until(lambda: is_cosigned(place))
