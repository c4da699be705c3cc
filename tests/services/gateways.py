"""A real gateway's app over real HTTP, on a database of its own in the worker's PostgreSQL."""

import contextlib
import hashlib
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from uuid import uuid4

import httpx2
import psycopg
from starlette.types import ASGIApp

from biometric_flow.api.clients import GatewayClient, GatewayProblem, UplinkClient
from biometric_flow.api.place import LedgerEntry
from biometric_flow.gateway.app import create_app
from biometric_flow.gateway.key_store import open_tenant_keys
from biometric_flow.gateway.settings import GatewaySettings
from biometric_flow.gateway.store import accounts, schema
from biometric_flow.gateway.store.sealing import KEYS
from biometric_flow.identity.passwords import Passwords
from biometric_flow.ledger.chain import EMPTY, Head, seal
from biometric_flow.ledger.events import Event, PunchRecorded
from biometric_flow.model.ids import PlaceId, TenantId
from biometric_flow.runtime.clock import Clock, SystemClock
from biometric_flow.runtime.database import Database
from biometric_flow.runtime.key_file import KEYS_FOLDER
from biometric_flow.runtime.places import PlacesFile
from biometric_flow.runtime.postgres import SUPERUSER, EmbeddedPostgres
from tests.builders import MOMENT, punch
from tests.services.places import serving, until

ADMIN = "admin@example.com"
PASSWORD = "correct horse battery staple"
SECRETS = {place: f"{place}-secret-".ljust(43, "x") for place in ("cairo", "leeds", "tokyo")}
TEMPLATE = "gateway_template"
KEY = bytes(range(32))


def with_keys(database: Database, folder: Path) -> Database:
    """The same, beside a gateway that runs in this folder: it opens what that one seals."""
    database.memory[KEYS] = open_tenant_keys(folder / KEYS_FOLDER, [TenantId("demo"), TenantId("other")])
    return database


def places_file(
    secrets: dict[str, str] = SECRETS,
    ledger_keys: Mapping[str, str] = MappingProxyType({}),
    quota: Mapping[str, object] = MappingProxyType({}),
) -> PlacesFile:
    rows = (("cairo", "demo", "Africa/Cairo"), ("leeds", "demo", "Europe/London"), ("tokyo", "other", "Asia/Tokyo"))
    return PlacesFile.model_validate(
        {
            "tenants": [
                {"id": "demo", "name": "Demo Works", "quota": dict(quota)},
                {"id": "other", "name": "Other Works"},
            ],
            "places": [
                {
                    "id": place,
                    "tenant": tenant,
                    "name": place.title(),
                    "zone": zone,
                    "port": 8000 + number,
                    "credential_sha256": hashlib.sha256(secrets[place].encode()).hexdigest(),
                    "ledger_key": ledger_keys.get(place),
                }
                for number, (place, tenant, zone) in enumerate(rows)
            ],
        }
    )


@dataclass
class Chain:
    """A place's ledger in the making."""

    place: str = "cairo"
    head: Head = EMPTY
    entries: list[LedgerEntry] = field(default_factory=list)

    def add(self, *events: Event) -> list[LedgerEntry]:
        """Seal events at the end; returns their entries."""
        new = []
        for event in events:
            sealed = seal(PlaceId(self.place), self.head, "2026-11-22", event, KEY)
            self.head = Head(sealed.sequence, sealed.hash)
            new.append(
                LedgerEntry.model_construct(
                    sequence=sealed.sequence, leaf=sealed.leaf, record=sealed.record, opening=sealed.opening
                )
            )
        self.entries += new
        return new


def touches(count: int, pin: str = "7", first: int = 0, **more: object) -> Iterable[PunchRecorded]:
    """Different punches, a minute apart, going back from MOMENT."""
    for number in range(first, first + count):
        yield PunchRecorded(punch(pin, MOMENT - timedelta(minutes=number), **more))  # type: ignore[arg-type]


@dataclass(frozen=True)
class TestDatabase:
    """A database of its own: what the application may use, and what its owner may."""

    __test__ = False

    name: str
    server: EmbeddedPostgres

    @property
    def dsn(self) -> str:
        return self.server.dsn(schema.APPLICATION, self.name)

    @property
    def owner_dsn(self) -> str:
        return self.server.dsn(schema.OWNER, self.name)


@contextlib.contextmanager
def fresh_database(server: EmbeddedPostgres) -> Iterable[TestDatabase]:
    name = f"test_{uuid4().hex}"
    with psycopg.connect(server.dsn(SUPERUSER, SUPERUSER), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE {TEMPLATE} OWNER {schema.OWNER}')
        try:
            yield TestDatabase(name, server)
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@dataclass
class RunningGateway:
    """A gateway that serves."""

    url: str
    http: httpx2.AsyncClient
    client: GatewayClient
    database: TestDatabase | None
    app: ASGIApp
    token: str = ""
    folder: Path = Path()
    has_been_well: bool = False

    def uplink(self, place: str = "cairo", secret: str | None = None) -> UplinkClient:
        return UplinkClient(self.url, place, secret or SECRETS[place])

    async def count(self, **query: str | int | None) -> int:
        return (await self.client.punch_count(self.token, **query)).count

    async def sign_in_of_other_tenant(self) -> str:
        """An administrator of the tenant `other`, signed in."""
        assert self.database is not None
        database = Database(self.database.dsn, schema.APPLICATION)
        database.is_ready = True
        async with database.tenant(TenantId("other")) as connection:
            await accounts.add(
                connection,
                tenant_id="other",
                account_id=uuid4(),
                email="other@example.com",
                name="Other",
                role="tenant_admin",
                password_hash=await Passwords().hash(PASSWORD),
                is_enabled=True,
                created_at=MOMENT,
            )
        await database.close()
        return (await self.client.sign_in("other@example.com", PASSWORD)).access_token

    async def is_well(self) -> bool:
        return (await self.client.health()).status == "ok"

    async def is_entered(self) -> bool:
        """Whether it is well and lets its administrator in; one that limits its tests is asked again.

        Asked about its health until it is well and no further: of a few requests a second none is left to sign in with.
        """
        try:
            self.has_been_well = self.has_been_well or await self.is_well()
            if self.has_been_well:
                self.token = (await self.client.sign_in(ADMIN, PASSWORD)).access_token
        except GatewayProblem as problem:
            if problem.code != "access.too_many":
                raise
        return bool(self.token)


@contextlib.asynccontextmanager
async def running_gateway(
    folder: Path,
    database: TestDatabase | None,
    clock: Clock | None = None,
    ledger_keys: Mapping[str, str] = MappingProxyType({}),
    quota: Mapping[str, object] = MappingProxyType({}),
    served_at: int = 0,
    **settings: object,
) -> AsyncIterator[RunningGateway]:
    values: dict[str, object] = {"data": folder, "admin_email": ADMIN, "admin_password": PASSWORD, "demo": True}
    values |= settings
    if database is not None:
        values |= {"dsn": database.dsn, "owner_dsn": database.owner_dsn}
    folder.mkdir(exist_ok=True)
    app = create_app(
        GatewaySettings.model_validate(values),
        places_file(ledger_keys=ledger_keys, quota=quota),
        clock or SystemClock(),
    )
    async with serving(app, served_at) as url, httpx2.AsyncClient(base_url=url, timeout=20) as http:
        client = GatewayClient(url)
        gateway = RunningGateway(url, http, client, database, app, folder=folder)
        try:
            await until(gateway.is_entered)
            yield gateway
        finally:
            await client.close()
