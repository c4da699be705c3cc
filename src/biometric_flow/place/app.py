"""The place process: builds every object it uses, in one readable function, and serves."""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import structlog
from fastapi import FastAPI
from starlette.types import ASGIApp, Scope

from biometric_flow import __version__
from biometric_flow.api.clients import UplinkClient
from biometric_flow.api.gateway import PlaceReport
from biometric_flow.api.jobs import JobChannel, JobOrder
from biometric_flow.api.offered import is_offered
from biometric_flow.identity.errors import IdentityError
from biometric_flow.ledger.errors import ChainBroken
from biometric_flow.ledger.logs import log_origin
from biometric_flow.ledger.note import Signer
from biometric_flow.model.ids import PlaceId, TenantId, TerminalSerial
from biometric_flow.model.place import Place
from biometric_flow.place.alarms import Alarms
from biometric_flow.place.backup import Source, back_up, drill
from biometric_flow.place.biometrics.caretaker import Caretaker
from biometric_flow.place.biometrics.courier import Courier
from biometric_flow.place.biometrics.destruction import Destructions
from biometric_flow.place.biometrics.teller import ConsentTeller
from biometric_flow.place.biometrics.texts import ConsentTexts
from biometric_flow.place.biometrics.vault import Vault
from biometric_flow.place.blobs import Blobs
from biometric_flow.place.channels import channel_for
from biometric_flow.place.checkpoints import Checkpoints
from biometric_flow.place.collector import Collectors
from biometric_flow.place.corrections import Corrections, CorrectionsTask
from biometric_flow.place.enrolments import Enrolments
from biometric_flow.place.erasure import Erasures
from biometric_flow.place.erasure_register import register_file
from biometric_flow.place.examiner import Examiner
from biometric_flow.place.feed import Feed, Message
from biometric_flow.place.handover import KEY_FILE, finish_change
from biometric_flow.place.health import Health
from biometric_flow.place.incidents import Incidents
from biometric_flow.place.jobs import Jobs
from biometric_flow.place.joined import LinkKeyTask, proof_of
from biometric_flow.place.key_rotation import KeyRotation
from biometric_flow.place.link import LINKED, LinkKeeper, LinkTransport
from biometric_flow.place.push.archive import UploadArchive
from biometric_flow.place.push.desk import Desk
from biometric_flow.place.push.queue import CommandQueue
from biometric_flow.place.push.server import PushServer
from biometric_flow.place.push.server import listener as push_listener
from biometric_flow.place.push.server import serve as serve_push
from biometric_flow.place.push.tables import PushReader, WorkCodes, spoken_protocol
from biometric_flow.place.reader import PlaceReader
from biometric_flow.place.resealing import Resealing
from biometric_flow.place.retention import Retention
from biometric_flow.place.retention_keeper import RetentionKeeper
from biometric_flow.place.rollout_runner import RolloutRunner
from biometric_flow.place.rollouts import Rollouts
from biometric_flow.place.roster import DevicesFile, Roster, read_devices
from biometric_flow.place.routes import biometrics, ledger, people, privacy, punches, push, stream, terminals, uploads
from biometric_flow.place.routes import enrolments as enrolment_routes
from biometric_flow.place.routes import health as health_routes
from biometric_flow.place.routes import jobs as job_routes
from biometric_flow.place.routes import metrics as metrics_routes
from biometric_flow.place.routes import retention as retention_routes
from biometric_flow.place.routes import rollouts as rollout_routes
from biometric_flow.place.routes.punches import punch_view
from biometric_flow.place.schema import open_database, open_reader
from biometric_flow.place.settings import PlaceSettings
from biometric_flow.place.state import PlaceState
from biometric_flow.place.store import PlaceStore, Recorded
from biometric_flow.place.subjects import Subjects
from biometric_flow.place.trail import HOLDER, PlaceTrail
from biometric_flow.place.uplink import Uplink
from biometric_flow.place.wording import Wording
from biometric_flow.place.workplace import Workplace
from biometric_flow.place.write_ahead import keep_altered
from biometric_flow.place.writer import Writer
from biometric_flow.runtime.acting import Door
from biometric_flow.runtime.backup_drill import DrillTask
from biometric_flow.runtime.backup_task import BackupPlan, BackupTask
from biometric_flow.runtime.clock import Clock, SystemClock
from biometric_flow.runtime.errors import FolderUnusable
from biometric_flow.runtime.key_file import KEYS_FOLDER
from biometric_flow.runtime.key_store import open_keys
from biometric_flow.runtime.logging import configure_logging
from biometric_flow.runtime.places import PlaceConfig, find_place
from biometric_flow.runtime.process import bind, hold, serve, usable_folder
from biometric_flow.runtime.root_home import root_keys
from biometric_flow.runtime.settings import load_settings
from biometric_flow.runtime.signing import signing_key
from biometric_flow.runtime.web import Baseline, NotFound, Unauthenticated, bearer, install_problems

log = structlog.get_logger()

VERIFY_AT_START = 1_000
"""Newest entries that are checked before a place serves, more than a kill can cut short; all of them once a day."""


class ApiKeyGuard:
    """All but health needs the place's own key as bearer token; over its link the gateway asks what is offered."""

    def __init__(self, api_key: str) -> None:
        self._digest = hashlib.sha256(api_key.encode()).digest()

    async def __call__(self, scope: Scope) -> None:
        """Raise Unauthenticated unless the request carries the key."""
        if scope["state"].get(LINKED):
            if not is_offered(scope["method"], scope["path"]):
                raise NotFound("a place answers a gateway nothing of this kind")
            return
        if scope["path"] == "/health":
            return
        if not hmac.compare_digest(hashlib.sha256(bearer(scope).encode()).digest(), self._digest):
            raise Unauthenticated("expected this place's API key as bearer token, got another")
        scope["state"]["actor"] = HOLDER


def create_app(settings: PlaceSettings, place: Place, devices: DevicesFile, folder: Path, clock: Clock) -> ASGIApp:
    """Every object of a place process. The folder must be writable and is locked against a second process."""
    lock = hold(folder)
    keys_folder = settings.keys or folder / KEYS_FOLDER
    keys = open_keys(keys_folder, place.tenant, root_keys(keys_folder, settings.root_home()))
    file = folder / "place.sqlite3"
    keep_altered(file)
    connection = open_database(file, keys)
    try:
        subjects = Subjects(connection, keys)
    except IdentityError as error:
        raise FolderUnusable(f"{folder} and its key store are not of one time: {error}") from None
    store = PlaceStore(place.id, connection, subjects)
    try:
        store.ledger.verify(last=VERIFY_AT_START)
    except ChainBroken as error:
        raise FolderUnusable(
            f"the ledger in {folder} is damaged or was altered: {error}; keep this folder as evidence "
            "and restore the last backup into another one"
        ) from None
    reader_connection = open_reader(file)
    reader = PlaceReader(reader_connection, subjects)
    roster = Roster(connection, keys)
    roster.seed(devices)
    wording = Wording(subjects)
    incidents, jobs, enrolments = Incidents(connection), Jobs(connection, wording), Enrolments(connection, subjects)
    blobs = Blobs(connection)
    store.forgetting += [roster.read, incidents.read]
    feed = Feed()

    def recorded(batch: Recorded) -> None:
        if batch.accepted and feed.has_listeners:
            for sequence, punch in batch.accepted:
                feed.publish(Message("punch", punch_view(punch).model_dump_json(), sequence))
        checkpoints.entries_recorded()
        if state.uplink is not None:
            state.uplink.entries_waiting()

    def checkpoint_signed() -> None:
        if state.uplink is not None:
            state.uplink.entries_waiting()

    def changed(key: str) -> None:
        if feed.has_listeners:
            feed.publish(Message("terminal", state.terminal_view(roster.get(key)).model_dump_json()))
        if state.uplink is not None:
            state.uplink.report_due()

    def report() -> PlaceReport:
        return PlaceReport(
            sent_at=clock.now(),
            head=reader.head(),
            log=store.log.number,
            version=__version__,
            terminals=state.terminal_views(),
            backup=state.backup_trouble,
        )

    writer = Writer(store, recorded)
    origin = log_origin(place.tenant, place.id, store.log.number)
    finish_change(folder, origin, store)
    signer = Signer(origin, signing_key(folder / KEY_FILE))
    checkpoints = Checkpoints(store, writer, signer, clock, settings.checkpoint_quiet_seconds, checkpoint_signed)
    health = Health(timedelta(seconds=settings.offline_after_seconds), changed)

    vault = Vault(connection, keys, settings.biometrics_are_kept)
    plan = settings.backup_plan()
    erased = register_file(plan.folder, place.id) if plan else None
    erasures = Erasures(connection, store, vault, has_gateway=settings.gateway_url is not None, register=erased)
    erasures.finish()

    async def wake(key: str) -> None:
        collectors.wake(key)
        if roster.get(key).push_secret:
            await pushes.desk.jobs.wake(key)

    def queue_job(key: str, order: JobOrder, now: datetime) -> int:
        entry = roster.get(key)
        spoken = spoken_protocol(connection, TerminalSerial(entry.serial)) if entry.push_secret else None
        return jobs.add(key, order, now, channel_for(entry, order.kind, spoken)).number

    courier = Courier(vault, roster, writer, clock, queue_job, wake)
    workplace = Workplace(
        place,
        settings,
        store,
        writer,
        health,
        incidents,
        Alarms(connection, subjects),
        jobs,
        blobs,
        enrolments,
        file,
        clock,
        roster,
        keys,
        vault,
        courier,
        signer.public,
    )
    collectors = Collectors(workplace)
    caretaker = Caretaker(
        vault,
        Destructions(connection, vault),
        jobs,
        roster,
        writer,
        clock,
        courier,
        queue_job,
        wake,
        incidents,
        timedelta(seconds=settings.destruction_look_seconds),
    )
    rollouts = Rollouts(connection, wording, jobs)
    commands = CommandQueue(connection, wording, timedelta(seconds=settings.push_answer_seconds), place.zone)
    archive = UploadArchive(
        folder / "archive.sqlite3", keys, settings.archive_bytes, timedelta(days=settings.archive_days)
    )
    settle, trail = timedelta(seconds=settings.rotation_settle_seconds), PlaceTrail(store, writer)
    rotation = KeyRotation(keys, clock, writer, Resealing(connection, store), archive, trail, settle)
    pushes = PushServer(workplace, roster, Desk(workplace, PushReader(reader_connection, subjects), commands, archive))

    def way(key: str, kind: str) -> JobChannel:
        entry = roster.get(key)
        return channel_for(entry, kind, pushes.desk.jobs.protocol(key) if entry.push_secret else None)

    async def wake_terminal(key: str, channel: JobChannel) -> None:
        if channel == "pull":
            collectors.wake(key)
        else:
            await pushes.desk.jobs.wake(key)

    rollout_runner = RolloutRunner(rollouts, writer, clock, way, wake_terminal)
    push_port = None
    if settings.push_port is not None:
        push_port = bind(settings.push_host, settings.push_port, "BIOMETRIC_FLOW_PLACE_PUSH_PORT")
        push_server = push_listener(pushes, settings.push_tls_certificate, settings.push_tls_key)
    uplink, client, link = None, None, None
    texts = ConsentTexts(connection)
    proof = proof_of(settings, place, folder, clock)
    if proof is not None:
        url = str(settings.gateway_url)
        link = LinkKeeper(url, place.id, proof.headers, clock)
        client = UplinkClient(url, place.id, proof.credential, store.log.number, LinkTransport(link))
        link_keys = LinkKeyTask(proof, client, timedelta(days=settings.link_key_days), clock)
        uplink = Uplink(client, settings, reader, store, writer, clock, report, signer.public)
        corrected = Corrections(connection, store)
        corrections = CorrectionsTask(client, corrected, writer, clock, settings.corrections_seconds)
    retention = RetentionKeeper(
        Retention(connection, subjects, has_gateway=client is not None),
        erasures,
        archive,
        caretaker,
        writer,
        clock,
        client,
        None if client is None else ConsentTeller(place.id, vault, texts, writer, clock, client.tell_consent),
        timedelta(seconds=settings.retention_look_seconds),
    )
    examiner = Examiner(file, place.id, signer.public, store, writer, clock, settings.examine_seconds)
    kept = Source(place.id, folder, keys_folder, partial(root_keys, where=settings.root_home()))
    backups = _backups(plan, place, kept, clock)
    state = PlaceState(
        place,
        settings,
        clock.now(),
        clock,
        roster,
        incidents,
        jobs,
        blobs,
        rollouts,
        rollout_runner,
        enrolments,
        collectors,
        health,
        writer,
        reader,
        feed,
        uplink,
        signer.public,
        store.halt,
        examiner,
        keys,
        caretaker,
        courier,
        WorkCodes(connection),
        retention,
        texts,
        rotation,
        backups,
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(writer.run(), name="writer")]
        tasks.append(asyncio.create_task(checkpoints.run(), name="checkpoints"))
        tasks.append(asyncio.create_task(rollout_runner.run(), name="rollouts"))
        tasks.append(asyncio.create_task(examiner.run(), name="examiner"))
        if uplink is not None:
            tasks.append(asyncio.create_task(uplink.run_uploads(), name="uploads"))
            tasks.append(asyncio.create_task(uplink.run_reports(), name="reports"))
        if link is not None:
            tasks.append(asyncio.create_task(link.run(served_app), name="link"))
            tasks.append(asyncio.create_task(corrections.run(), name="corrections"))
            tasks.append(asyncio.create_task(link_keys.run(), name="link-key"))
        if push_port is not None:
            tasks.append(asyncio.create_task(serve_push(push_server, push_port), name="push"))
            tasks.append(asyncio.create_task(pushes.watch(), name="push-watch"))
        tasks.append(asyncio.create_task(archive.forget_old(clock), name="archive"))
        tasks.append(asyncio.create_task(caretaker.run(), name="biometrics"))
        tasks.append(asyncio.create_task(retention.run(), name="retention"))
        tasks += [asyncio.create_task(one.run(), name="backup") for one in backups]
        tasks.append(asyncio.create_task(rotation.run(), name="rotation"))
        for entry in roster:
            await collectors.apply(entry)
        await pushes.desk.jobs.resume()
        log.info("place_started", head=reader.head())
        yield
        await collectors.stop()
        await pushes.desk.jobs.stop()
        # The writer goes last: what terminals pushed is answered only after it was kept.
        for task in reversed(tasks):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await checkpoints.sign()
        await archive.close()
        writer.close()
        reader_connection.close()
        connection.close()
        keys.close()
        lock.close()

    app = FastAPI(
        title=f"BiometricFlow-ZK place {place.id}",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.place, app.state.push, app.state.push_port = state, pushes, push_port
    served = (
        health_routes,
        metrics_routes,
        push,
        uploads,
        terminals,
        job_routes,
        rollout_routes,
        enrolment_routes,
        people,
        privacy,
        retention_routes,
        biometrics,
        punches,
        ledger,
        stream,
    )
    for routes in served:
        app.include_router(routes.router)
    install_problems(app)
    guarded = Baseline(app, ApiKeyGuard(settings.api_key.get_secret_value()))
    served_app: ASGIApp = Door(guarded, [routes.router for routes in served], trail, clock)
    return served_app


def _backups(plan: BackupPlan | None, place: Place, source: Source, clock: Clock) -> Sequence[BackupTask | DrillTask]:
    """What makes backups by itself and rehearses a restore, where a folder was named for them."""
    if plan is None:
        return ()
    turn = asyncio.Lock()
    task = BackupTask(plan, "place", place.id, partial(back_up, source), clock, turn=turn)
    if not plan.drill_every:
        return (task,)
    rehearse = partial(drill, source, place, source.folder / "drill")
    return task, DrillTask(rehearse, plan.drill_every, source.folder / "drill.json", clock, turn)


def run(config: Path, environment: Mapping[str, str], place_id: str, host: str | None, port: int | None) -> int:
    """Run a place process until it is told to stop."""
    settings = load_settings(
        PlaceSettings, "place", config, environment, instance=f"place-{place_id}", id=place_id, host=host, port=port
    )
    entry = find_place(config, settings.id)
    configure_logging("place", settings.log_level, tenant=entry.tenant, place=entry.id)
    folder = usable_folder(settings.data / "places" / entry.id)
    listener = bind(settings.host or entry.host, settings.port or entry.port, "BIOMETRIC_FLOW_PLACE_PORT")
    app = create_app(settings, _place(entry), read_devices(config, entry.id), folder, SystemClock())
    serve(app, listener)
    return 0


def _place(entry: PlaceConfig) -> Place:
    return Place(PlaceId(entry.id), TenantId(entry.tenant), entry.name, entry.zone_info)
