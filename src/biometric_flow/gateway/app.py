"""The gateway process: builds every object it uses, in one function, and serves."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final

import structlog
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from biometric_flow import __version__
from biometric_flow.gateway.access import Operations
from biometric_flow.gateway.alerts.channels import Couriers
from biometric_flow.gateway.alerts.keeper import AlertKeeper
from biometric_flow.gateway.alerts.signals import Process
from biometric_flow.gateway.answers import Answers
from biometric_flow.gateway.archive.mover import Mover
from biometric_flow.gateway.archive.reader import Archive
from biometric_flow.gateway.archive.schedule import ArchiveSchedule
from biometric_flow.gateway.archive.stores import open_store
from biometric_flow.gateway.backup import Source, back_up, drill
from biometric_flow.gateway.crowd import Crowd
from biometric_flow.gateway.erasure_register import Marks
from biometric_flow.gateway.factors import Factors, FactorSeal
from biometric_flow.gateway.first_sealing import refuse_without_keys
from biometric_flow.gateway.freshness import DataVersions
from biometric_flow.gateway.guard import AccessGuard, Limits, PlaceCredentials
from biometric_flow.gateway.hub import Hub
from biometric_flow.gateway.instances import joined_instances
from biometric_flow.gateway.intake import Intake
from biometric_flow.gateway.keeper import DatabaseKeeper, database_addresses
from biometric_flow.gateway.key_copies import KeyCopies
from biometric_flow.gateway.key_endings import KeyEndings
from biometric_flow.gateway.key_store import open_tenant_keys
from biometric_flow.gateway.keys import ApiKeys
from biometric_flow.gateway.links import LinkDoor, Links
from biometric_flow.gateway.metrics import Meter
from biometric_flow.gateway.outside import OutsideWitnesses, read_witnesses
from biometric_flow.gateway.overview import Overviews
from biometric_flow.gateway.peer_door import with_peers
from biometric_flow.gateway.place_calls import Patience, PlaceCalls
from biometric_flow.gateway.place_proofs import PlaceProofs, SignedBodies
from biometric_flow.gateway.quotas import Quotas
from biometric_flow.gateway.registry import Registry
from biometric_flow.gateway.retention import RetentionTask
from biometric_flow.gateway.routes.accounts import accounts_router
from biometric_flow.gateway.routes.alerts import alerts_router
from biometric_flow.gateway.routes.archive import archive_router
from biometric_flow.gateway.routes.audit import audit_router
from biometric_flow.gateway.routes.break_glass import break_glass_router
from biometric_flow.gateway.routes.credentials import credentials_router
from biometric_flow.gateway.routes.directory import directory_router
from biometric_flow.gateway.routes.factors import factors_router
from biometric_flow.gateway.routes.health import health_router
from biometric_flow.gateway.routes.imports import imports_router
from biometric_flow.gateway.routes.intake import intake_router
from biometric_flow.gateway.routes.joining import joining_router
from biometric_flow.gateway.routes.ledger import ledger_router
from biometric_flow.gateway.routes.metrics import metrics_router
from biometric_flow.gateway.routes.overview import overview_router
from biometric_flow.gateway.routes.people import people_router
from biometric_flow.gateway.routes.periods import periods_router
from biometric_flow.gateway.routes.plans import plans_router
from biometric_flow.gateway.routes.policies import policies_router
from biometric_flow.gateway.routes.privacy import privacy_router
from biometric_flow.gateway.routes.proxied import proxied_router
from biometric_flow.gateway.routes.punches import punches_router
from biometric_flow.gateway.routes.requests import leave_router, regularisations_router
from biometric_flow.gateway.routes.rights import rights_router
from biometric_flow.gateway.routes.stream import stream_router
from biometric_flow.gateway.routes.workdays import workdays_router
from biometric_flow.gateway.settings import GatewaySettings
from biometric_flow.gateway.shared import SharedAnswers
from biometric_flow.gateway.sign_in import SignIn
from biometric_flow.gateway.sockets import EventDoor
from biometric_flow.gateway.standing import Standings
from biometric_flow.gateway.store import schema
from biometric_flow.gateway.store.sealing import KEYS
from biometric_flow.gateway.succession import Succession
from biometric_flow.gateway.traffic.attacks import THRESHOLD
from biometric_flow.gateway.traffic.remembered import Memory
from biometric_flow.gateway.traffic.shedding import Shedder
from biometric_flow.gateway.trail import AuditTrail
from biometric_flow.gateway.wal import WalShipper
from biometric_flow.gateway.witness import Witness
from biometric_flow.gateway.workdays.loader import Loader
from biometric_flow.gateway.workdays.worker import WorkdayKeeper
from biometric_flow.identity.errors import KeyUnusable
from biometric_flow.identity.keys import rotated_keys
from biometric_flow.identity.passwords import Passwords
from biometric_flow.identity.tokens import AccessTokens
from biometric_flow.ledger.errors import KeyTextInvalid
from biometric_flow.ledger.note import PublicKey
from biometric_flow.model.ids import PlaceId, TenantId
from biometric_flow.runtime.acting import Door
from biometric_flow.runtime.backup import GATEWAY_ID, WAL
from biometric_flow.runtime.backup_drill import DrillTask, Trouble
from biometric_flow.runtime.backup_task import BackupTask
from biometric_flow.runtime.clock import Clock, SystemClock
from biometric_flow.runtime.database import Database
from biometric_flow.runtime.errors import FolderUnusable, SettingsInvalid
from biometric_flow.runtime.key_file import KEYS_FOLDER
from biometric_flow.runtime.leaving import Leaving, LeavingDoor
from biometric_flow.runtime.logging import configure_logging
from biometric_flow.runtime.places import PlacesFile, read_places
from biometric_flow.runtime.postgres import SUPERUSER, EmbeddedPostgres
from biometric_flow.runtime.process import bind, serve, usable_folder
from biometric_flow.runtime.settings import load_settings
from biometric_flow.runtime.signing import signing_key
from biometric_flow.runtime.web import Baseline, install_problems

log = structlog.get_logger()

AUDIENCE: Final = "biometric-flow-gateway"
ROTATION_CHECK_SECONDS: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Gateway:
    """The gateway as an ASGI app, and the table of what it serves."""

    app: ASGIApp
    operations: Operations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        await self.app(scope, receive, send)


def create_app(settings: GatewaySettings, places: PlacesFile, clock: Clock, leaving: Leaving | None = None) -> Gateway:
    """The whole gateway as an ASGI app; its lifespan holds the database and the tasks. Raises StartRefused."""
    if settings.admin_tenant not in (None, *(tenant.id for tenant in places.tenants)):
        raise SettingsInvalid(f"admin_tenant: expected a tenant of places.json, got {settings.admin_tenant!r}")
    leaving = leaving or Leaving()
    registry = Registry(places, timedelta(seconds=settings.report_limit_seconds))
    server, dsn, owner_dsn = database_addresses(settings)
    database = Database(dsn, schema.APPLICATION)
    passwords = Passwords()
    witness_key = signing_key(settings.data / "witness-key.pem")
    marks = Marks(witness_key)
    tenants = [TenantId(tenant.id) for tenant in places.tenants]
    keys = open_tenant_keys(_keys_folder(settings), tenants, settings.root_home())
    database.memory[KEYS] = keys
    keeper = DatabaseKeeper(database, server, owner_dsn, registry, settings, passwords, clock, marks, keys)
    tokens = _access_tokens(settings, clock)
    standings = Standings(database, clock)
    instances = joined_instances(settings, witness_key, clock)
    proofs = PlaceProofs(database, clock, instances.counts)
    seconds = Factors(FactorSeal(settings.data), clock, instances.counts)
    refresh = timedelta(days=settings.refresh_days)
    sign_in = SignIn(database, passwords, tokens, seconds, clock, refresh, instances.counts)
    backups = _backups(settings, places, server, database, clock)
    troubles = partial(_troubles, backups, clock)
    overviews = Overviews(database, registry, clock, timedelta(hours=settings.witness_limit_hours), troubles)
    hub = Hub(database, registry, overviews, clock)
    archive = Archive(open_store(settings), settings.data / "archive-cache")
    mover = Mover(database, archive, clock, settings.archive_lock_days)
    loader = Loader(archive)
    hours = WorkdayKeeper(database, registry, loader, clock)

    witness = Witness(database, witness_key, _configured_keys(places))
    succession = Succession(database, witness_key)
    trail = database.recorder = AuditTrail(database, witness_key)
    months = settings.archive_months
    cooling = [] if months is None else [ArchiveSchedule(database, mover, trail, tenants, months, clock)]

    retention = RetentionTask(database, registry, clock, settings.retention_look_seconds, marks, settings.backup_folder)

    endings = KeyEndings(database, keys, clock)
    links, shedder = Links(), Shedder(settings.capacity)
    patience = Patience(settings.place_failures, settings.place_wait_seconds, settings.place_outstanding)
    calls = PlaceCalls(registry, links, clock, patience, instances.peers)
    memory = Memory(settings.cache_megabytes * 2**20)
    outside = _outside(settings, places, database, clock)

    couriers = Couriers(may_call_private=settings.alert_private)

    inside = partial(_inside, sign_in, calls, backups, settings.admin_tenant or places.tenants[0].id, clock)
    alerting = AlertKeeper(database, registry, inside, couriers, clock, settings.alert_seconds)
    quotas = Quotas({TenantId(tenant.id): tenant.quota for tenant in places.tenants})
    routers = (
        health_router(database, leaving),
        accounts_router(database, sign_in, tokens, standings, clock),
        rights_router(database, standings, clock),
        break_glass_router(database, standings, clock),
        credentials_router(database, passwords, standings, clock),
        joining_router(database, proofs, clock),
        factors_router(database, passwords, seconds, standings, clock),
        intake_router(Intake(database, succession, quotas), database, clock),
        ledger_router(database, witness, succession, clock),
        directory_router(database, registry, clock),
        punches_router(database, archive),
        overview_router(overviews),
        alerts_router(database, couriers, clock),
        stream_router(hub, standings, clock),
        people_router(database, loader, clock),
        imports_router(database, loader, clock),
        plans_router(database, loader, clock),
        policies_router(database, loader, clock),
        workdays_router(database, loader, clock),
        leave_router(database, clock),
        periods_router(database, registry, clock),
        regularisations_router(database, loader, clock),
        audit_router(trail),
        proxied_router(calls, clock),
        metrics_router(
            database, registry, hub, links, calls, shedder, memory, troubles, partial(_uncooled, cooling), quotas, clock
        ),
        archive_router(mover),
        privacy_router(database, retention, clock),
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        tasks = [
            asyncio.create_task(keeper.run(), name="database"),
            asyncio.create_task(hub.run(), name="hub"),
            asyncio.create_task(hours.run(), name="workdays"),
            asyncio.create_task(_keep_rotating(tokens, settings.data, clock), name="token-keys"),
            asyncio.create_task(retention.run(), name="retention"),
            asyncio.create_task(alerting.run(), name="alerts"),
            asyncio.create_task(endings.run(), name="key-endings"),
        ]
        tasks += [asyncio.create_task(task.run(), name="witnesses") for task in outside]
        tasks += [asyncio.create_task(task.run(), name="archive") for task in cooling]
        tasks += [asyncio.create_task(task.run(), name=f"backup-{number}") for number, task in enumerate(backups)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task
            passwords.close()
            await instances.close()
            await keeper.stop()
            keys.close()

    app = FastAPI(
        title="BiometricFlow gateway",
        version=__version__,
        description=__doc__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    for router in routers:
        app.include_router(router)
    install_problems(app)
    credentials = PlaceCredentials(places.places, is_demo=settings.demo)
    operations = Operations(routers)
    rates = settings.address_rate, settings.identity_rate, settings.tenant_rate
    limits = Limits(*rates, settings.proxy_networks(), clock, instances.counts)
    guard = AccessGuard(operations, credentials, proofs, tokens, standings, ApiKeys(database, clock), limits, clock)
    second = None if instances.store is None else SharedAnswers(instances.store, keys)
    answers = Answers(app, routers, DataVersions(database), memory, second)
    crowd = Crowd(Door(Baseline(SignedBodies(answers), guard), routers, trail, clock), shedder)
    app.state.meter = meter = Meter(crowd, clock)
    doors = LeavingDoor(EventDoor(LinkDoor(meter, guard, proofs, links, clock, instances.peers), meter), leaving)
    return Gateway(with_peers(doors, links, instances.peers, clock), operations)


def run(config: Path, environment: Mapping[str, str], host: str | None = None, port: int | None = None) -> int:
    """Serve until told to stop. Raises StartRefused with one clear line when it cannot start."""
    settings = load_settings(GatewaySettings, "gateway", config, environment, "gateway", host=host, port=port)
    places = read_places(config)
    configure_logging("gateway")
    listener = bind(settings.host, settings.port, "BIOMETRIC_FLOW_GATEWAY_PORT")
    usable_folder(settings.data)
    if settings.dsn is None:
        EmbeddedPostgres(settings.data / "postgres").start()
    tenants = [TenantId(tenant.id) for tenant in places.tenants]
    refuse_without_keys(database_addresses(settings)[1], _keys_folder(settings), tenants)
    leaving = Leaving()
    app = create_app(settings, places, SystemClock(), leaving)
    serve(app, listener, proxy_headers=False, leaving=leaving, leave_seconds=settings.leave_seconds)
    return 0


def _keys_folder(settings: GatewaySettings) -> Path:
    return settings.keys or settings.data / KEYS_FOLDER


def _outside(
    settings: GatewaySettings, places: PlacesFile, database: Database, clock: Clock
) -> Sequence[OutsideWitnesses]:
    """What has witnesses outside cosign the gateway's own log, where any were named."""
    if settings.witnesses is None:
        return ()
    tenants = [TenantId(tenant.id) for tenant in places.tenants]
    every = timedelta(seconds=settings.witness_seconds)
    return (OutsideWitnesses(database, tenants, read_witnesses(settings.witnesses), clock, every),)


async def _inside(
    sign_in: SignIn,
    calls: PlaceCalls,
    backups: Sequence[object],
    first: str,
    clock: Clock,
    tenant: TenantId,
) -> Process:
    """What this process knows to be wrong of a tenant; its backup is the first tenant's business."""
    second, now = clock.monotonic(), clock.now()
    failed = await sign_in.attacks.count(tenant)
    own = [task for task in backups if isinstance(task, BackupTask) and tenant == first]
    return Process(
        frozenset(place for (place, _), line in calls.lines.items() if line.breaker.state(second) == "open"),
        failed,
        failed >= THRESHOLD,
        any(task.is_overdue(now) for task in own),
        next((task.failure for task in own if task.failure), ""),
    )


def _backups(
    settings: GatewaySettings, places: PlacesFile, server: EmbeddedPostgres | None, database: Database, clock: Clock
) -> Sequence[BackupTask | DrillTask | WalShipper]:
    """What makes backups by itself and ships the database's log, where a folder was named for them."""
    plan = settings.backup_plan()
    if plan is None:
        return ()
    dsn, backup_dsn = (one.get_secret_value() if one else None for one in (settings.dsn, settings.backup_dsn))
    source = Source(settings.data, places, dsn, backup_dsn, _keys_folder(settings), settings.root_home())
    replication = server.dsn(SUPERUSER, SUPERUSER) if server is not None else backup_dsn or dsn or ""

    def is_ready() -> bool:
        return database.is_ready

    copies = KeyCopies(source.key_files, plan.folder, plan.recipient, clock.now)
    staging, shipped = settings.data / "wal", plan.folder / WAL
    shipper = WalShipper(replication, staging, shipped, plan.recipient, clock, is_ready, copies.bring)
    turn = asyncio.Lock()
    task = BackupTask(plan, "gateway", GATEWAY_ID, partial(back_up, source), clock, is_ready, turn)
    if not plan.drill_every:
        return task, shipper
    rehearse = partial(drill, source, settings.data / "drill")
    return task, shipper, DrillTask(rehearse, plan.drill_every, settings.data / "drill.json", clock, turn, is_ready)


def _troubles(tasks: Sequence[BackupTask | DrillTask | WalShipper], clock: Clock) -> list[Trouble]:
    found = (one.trouble(clock.now()) for one in tasks)
    return [one for one in found if one is not None]


def _uncooled(tasks: Sequence[ArchiveSchedule], tenant: TenantId) -> list[Trouble]:
    return [one for task in tasks for one in task.troubles(tenant)]


def _configured_keys(places: PlacesFile) -> dict[tuple[TenantId, PlaceId], PublicKey]:
    try:
        return {
            (TenantId(place.tenant), PlaceId(place.id)): PublicKey.parse(place.ledger_key)
            for place in places.places
            if place.ledger_key is not None
        }
    except KeyTextInvalid as error:
        raise SettingsInvalid(f"places.json: ledger_key: {error}") from None


def _access_tokens(settings: GatewaySettings, clock: Clock) -> AccessTokens:
    try:
        keys = rotated_keys(settings.data, clock.now())
    except KeyUnusable as error:
        raise FolderUnusable(str(error)) from None
    tokens = AccessTokens(keys[0], settings.issuer, AUDIENCE, timedelta(seconds=settings.access_seconds))
    tokens.use(keys)
    return tokens


async def _keep_rotating(tokens: AccessTokens, folder: Path, clock: Clock) -> None:
    """Until cancelled: put the next token key in the place of one that signed for 90 days."""
    while True:
        await clock.sleep(ROTATION_CHECK_SECONDS)
        try:
            tokens.use(await asyncio.to_thread(rotated_keys, folder, clock.now()))
        except (KeyUnusable, OSError) as error:
            log.error("token_key_not_rotated", reason=str(error))
