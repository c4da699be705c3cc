"""Backups of the gateway: PostgreSQL's own base backup, encrypted as it comes; restored to any moment its log reaches.

Works the same for the embedded server and for one that somebody else runs.
"""

import asyncio
import gzip
import os
import pwd
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

import psycopg

from biometric_flow import __version__
from biometric_flow.gateway import replicas
from biometric_flow.gateway.erasure_register import FILE, ErasureTold, Marks, read_register, write_register
from biometric_flow.gateway.erasures import replay
from biometric_flow.gateway.first_sealing import seal_all
from biometric_flow.gateway.key_copies import KeyFiles
from biometric_flow.gateway.key_store import INSTALLATION, TenantKeys, open_tenant_keys
from biometric_flow.gateway.replicas import Verified
from biometric_flow.gateway.store import erasures, schema
from biometric_flow.gateway.store.sealing import KEYS
from biometric_flow.gateway.trail import AuditTrail
from biometric_flow.model.ids import TenantId
from biometric_flow.runtime.backup import (
    GATEWAY_ID,
    WAL,
    BackupName,
    BackupRefused,
    LogState,
    Manifest,
    claim,
    unpack,
)
from biometric_flow.runtime.database import Database
from biometric_flow.runtime.key_file import KEYS_FOLDER
from biometric_flow.runtime.places import PlacesFile
from biometric_flow.runtime.postgres import SUPERUSER, DatabaseRefused, EmbeddedPostgres
from biometric_flow.runtime.root_home import Service, Token
from biometric_flow.runtime.sealed_file import (
    CHUNK,
    BackupDamaged,
    Written,
    add_bytes,
    new_identity,
    new_tar,
    open_sealed,
    read_identity,
    write_sealed,
)
from biometric_flow.runtime.signing import signing_key

POSTGRES: Final = "postgres"
WITNESS_KEY: Final = "witness-key.pem"
_CLUSTER: Final = f"{POSTGRES}/cluster"
_REPLAY_SECONDS: Final = 900.0
"""A restore may take so long to replay the log (security-design B1: 15 minutes)."""


@dataclass(frozen=True, slots=True)
class Source:
    """A gateway's data folder and how its database is reached."""

    folder: Path
    places: PlacesFile
    dsn: str | None = None
    """For the application, of a database that somebody else runs."""
    backup_dsn: str | None = None
    """For replication, of a database that somebody else runs."""
    keys: Path | None = None
    """The key stores' folder, where it is not the one in the data folder."""
    root: Token | Service | None = None
    """What holds the root keys, where files do not."""

    @property
    def key_stores(self) -> Path:
        """The key stores' folder."""
        return self.keys or self.folder / KEYS_FOLDER

    @property
    def key_files(self) -> KeyFiles:
        """What makes its data readable."""
        return KeyFiles(self.folder, self.key_stores, self.tenants)

    @property
    def tenants(self) -> list[TenantId]:
        """All tenants of the installation."""
        return [TenantId(tenant.id) for tenant in self.places.tenants]


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore brought back."""

    manifest: Manifest
    verified: Verified
    last_commit: datetime | None
    erased_again: int
    """People whom the backup had brought back."""


def back_up(source: Source, target: Path, recipient: str, now: datetime) -> dict[BackupName, Written]:
    """Write data and keys as two encrypted files, with the gateway running or not. Raises BackupRefused."""
    with reachable(source) as (application, replication):
        logs = asyncio.run(_states(application, source))
        written = {}
        at = claim(target, "gateway", GATEWAY_ID, now)
        for part in ("data", "keys"):
            name = BackupName("gateway", GATEWAY_ID, at, part)
            manifest = Manifest("gateway", GATEWAY_ID, name.part, now.isoformat(), __version__, logs)

            def fill(sink: IO[bytes], manifest: Manifest = manifest) -> None:
                with new_tar(sink) as tar:
                    add_bytes(tar, "manifest.json", manifest.to_bytes())
                    if manifest.part == "data":
                        _add_cluster(tar, replication)
                    else:
                        source.key_files.add_to(tar, target)

            written[name] = write_sealed(target / str(name), recipient, fill)
        write_register(target / FILE, asyncio.run(_begun(application, source.tenants)))
        return written


def restore(
    data: Path,
    keys: Path,
    identity: Path,
    folder: Path,
    now: datetime,
    wal: Path | None = None,
    until: datetime | None = None,
    register: Path | None = None,
    key_stores: Path | None = None,
    root: Token | Service | None = None,
) -> Restored:
    """Bring a gateway back into a folder that is not there yet: as it was at the backup or, with its log, later.

    Whoever was erased since, by the register beside the backup, is erased again before the folder gets its name.
    The key stores come to `key_stores`, beside the database without it; `root` opens them where no file does.

    Raises BackupRefused, BackupDamaged, DatabaseRefused when the log does not reach `until`, or ReplicaAltered when
    what came back is not what was signed; then nothing is left behind.
    """
    if folder.exists() and any(folder.iterdir()):
        raise BackupRefused(f"expected no gateway in {folder} yet, there is one: move it away first")
    if until is not None and wal is None:
        raise BackupRefused("expected the folder of the log (--wal) to go to a moment after the backup")
    fresh = folder.with_name(f"{folder.name}.restoring")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True, mode=0o711)
    server = None
    try:
        manifest = unpack(data, identity, fresh)
        of_keys = unpack(keys, identity, fresh)
        if (manifest.kind, manifest.part, of_keys.kind, of_keys.part) != ("gateway", "data", "gateway", "keys"):
            raise BackupRefused("expected the data and the keys of a gateway, got another backup")
        if until is not None and until < datetime.fromisoformat(manifest.made_at):
            raise BackupRefused(
                f"this backup was made at {manifest.made_at}: to go to {until.isoformat()} take an older one"
            )
        server = EmbeddedPostgres(fresh / POSTGRES)
        _prepare_recovery(fresh / POSTGRES, wal, identity, until)
        last_commit = _replay(server)
        schema.prepare_embedded(server)
        schema.migrate(server.dsn(schema.OWNER, schema.DATABASE))
        told = read_register(register or data.parent / FILE)
        dsn = server.dsn(schema.APPLICATION, schema.DATABASE)
        with closing(_keys(fresh / KEYS_FOLDER, manifest.logs, root)) as stores:
            seal_all(server.dsn(schema.OWNER, schema.DATABASE), stores)
            again = asyncio.run(_erase_again(dsn, stores, fresh, told.values(), now))
            verified = asyncio.run(_verify(dsn, stores, manifest.logs))
        server.stop(30)
        server = None
        _forget_recovery(fresh / POSTGRES)
        if folder.exists():
            folder.rmdir()
        fresh.rename(folder)
        if key_stores is not None and key_stores != folder / KEYS_FOLDER:
            key_stores.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(folder / KEYS_FOLDER, key_stores)
        return Restored(manifest, verified, last_commit, again)
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(fresh, ignore_errors=True)


def drill(source: Source, work: Path, now: datetime) -> Verified:
    """Back up, restore elsewhere and verify, with a key made for this; everything is removed again.

    So is what a drill left in `work` that was killed.
    """
    EmbeddedPostgres(work / "gateway.restoring" / POSTGRES).stop()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True, mode=0o711)
    try:
        key = work / "identity"
        made = {name.part: work / str(name) for name in back_up(source, work, new_identity(key), now)}
        return restore(made["data"], made["keys"], key, work / "gateway", now, root=source.root).verified
    finally:
        shutil.rmtree(work, ignore_errors=True)


def verify(source: Source, promised: dict[str, LogState] | None = None) -> Verified:
    """Check the replicas of a database as it is, also one that another tool restored. Raises ReplicaAltered."""
    with reachable(source) as (dsn, _), closing(_keys(source.key_stores, source.tenants, source.root)) as stores:
        return asyncio.run(_verify_now(dsn, stores, source.tenants, promised or {}))


@contextmanager
def reachable(source: Source) -> Iterator[tuple[str, str]]:
    """Addresses for the application and for replication; an embedded server that does not run is started meanwhile."""
    if source.dsn is not None:
        yield source.dsn, source.backup_dsn or source.dsn
        return
    server = EmbeddedPostgres(source.folder / POSTGRES)
    if not (server.data / "PG_VERSION").exists():
        raise BackupRefused(f"expected the gateway's database in {server.folder}, there is none; see --config")
    was_running = server.is_running()
    server.start()
    try:
        yield server.dsn(schema.APPLICATION, schema.DATABASE), server.dsn(SUPERUSER, SUPERUSER)
    finally:
        if not was_running:
            server.stop()


async def _erase_again(dsn: str, keys: TenantKeys, folder: Path, told: Iterable[ErasureTold], now: datetime) -> int:
    key = signing_key(folder / WITNESS_KEY)
    async with opened(dsn, keys) as database:
        database.recorder = AuditTrail(database, key)
        return await replay(database, Marks(key), told, now)


async def _begun(dsn: str, tenants: list[TenantId]) -> list[ErasureTold]:
    found: list[ErasureTold] = []
    async with opened(dsn) as database:
        for tenant in tenants:
            async with database.tenant(tenant) as connection:
                found += await erasures.begun(connection, tenant)
    return found


def _keys(folder: Path, logs: Iterable[str], root: Token | Service | None) -> TenantKeys:
    tenants = {TenantId(name.partition("/")[0]) for name in logs} - {INSTALLATION}
    return open_tenant_keys(folder, sorted(tenants), root)


async def _states(dsn: str, source: Source) -> dict[str, LogState]:
    async with opened(dsn) as database:
        return await replicas.states(database, source.tenants)


async def _verify(dsn: str, keys: TenantKeys, promised: dict[str, LogState]) -> Verified:
    async with opened(dsn, keys) as database:
        return await replicas.verify(database, promised)


async def _verify_now(dsn: str, keys: TenantKeys, tenants: list[TenantId], promised: dict[str, LogState]) -> Verified:
    async with opened(dsn, keys) as database:
        return await replicas.verify(database, {**await replicas.states(database, tenants), **promised})


class opened:  # noqa: N801 - used as a word, `async with opened(dsn)`
    """A gateway's database for what is done beside it, with the keys that open its rows where those are needed."""

    def __init__(self, dsn: str, keys: TenantKeys | None = None) -> None:
        self._database = Database(dsn, schema.APPLICATION)
        if keys is not None:
            self._database.memory[KEYS] = keys

    async def __aenter__(self) -> Database:
        self._database.is_ready = True
        return self._database

    async def __aexit__(self, *_: object) -> None:
        await self._database.close()


def _add_cluster(tar: tarfile.TarFile, dsn: str) -> None:
    """PostgreSQL's own base backup, member by member; it brings the log that makes it consistent."""
    command = [
        *(str(EmbeddedPostgres.binary("pg_basebackup")), "--pgdata=-", "--format=tar", "--wal-method=fetch"),
        *("--checkpoint=fast", "--no-sync", f"--dbname={dsn}"),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=_quiet()) as process:  # noqa: S603
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            with tarfile.open(fileobj=process.stdout, mode="r|", bufsize=CHUNK) as cluster:
                for member in cluster:
                    member.name = f"{_CLUSTER}/{member.name}"
                    tar.addfile(member, cluster.extractfile(member) if member.isfile() else None)
        except tarfile.TarError as error:
            raise BackupRefused(f"cannot back up the database: {_words(process.stderr) or error}") from None
        said = _words(process.stderr)
    if process.returncode != 0:
        raise BackupRefused(f"cannot back up the database: {said}")


def _prepare_recovery(folder: Path, wal: Path | None, identity: Path, until: datetime | None) -> None:
    cluster = folder / "cluster"
    if not (cluster / "PG_VERSION").is_file():
        raise BackupDamaged("expected a database cluster in the backup, there is none")
    if wal is not None:
        received = folder / WAL
        unpack_wal(wal, identity, received, cluster / "pg_wal")
        settings = [f'restore_command = \'cp "{received}/%f" "%p"\'', "recovery_target_action = 'promote'"]
        if until is not None:
            settings.append(f"recovery_target_time = '{until.astimezone(UTC).isoformat()}'")
        with (cluster / "postgresql.auto.conf").open("a", encoding="utf-8") as file:
            file.write("".join(f"{line} # restore\n" for line in settings))
        (cluster / "recovery.signal").touch()
    cluster.chmod(0o700)
    _give_to_account(folder)


def unpack_wal(wal: Path, identity: Path, target: Path, held: Path) -> None:
    """Put the segments of the log that were shipped into `target`; `held` has those that the backup brought itself.

    A segment that was still being written when it was shipped may hold less than the backup's copy of it. The server
    would take it all the same, and miss the end of the backup; so it is left out.
    """
    target.mkdir()
    secret = read_identity(identity)
    for path in sorted(wal.glob("*.age")):
        name = path.name.removesuffix(".age")
        whole = target / name.removesuffix(".partial")
        if name.endswith(".partial") and whole.exists():
            continue
        with (
            open_sealed(path, secret) as stream,
            gzip.GzipFile(fileobj=stream, mode="rb") as packed,
            whole.open("wb") as file,
        ):
            shutil.copyfileobj(packed, file, CHUNK)
        own = held / whole.name
        if name.endswith(".partial") and own.exists() and own.read_bytes().startswith(whole.read_bytes().rstrip(b"\0")):
            whole.unlink()


def _give_to_account(folder: Path) -> None:
    account = EmbeddedPostgres(folder).account
    if account is None:
        return
    entry = pwd.getpwnam(account)
    for root, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.chown(Path(root) / name, entry.pw_uid, entry.pw_gid)
    os.chown(folder, entry.pw_uid, -1)


def _replay(server: EmbeddedPostgres) -> datetime | None:
    """Start the server and wait until the log is replayed; the moment of the last commit that it brought."""
    deadline = time.monotonic() + _REPLAY_SECONDS
    last: Any = None
    while time.monotonic() < deadline:
        try:
            server.start(seconds=deadline - time.monotonic(), launches=1)
            with psycopg.connect(server.dsn(SUPERUSER, SUPERUSER), autocommit=True, connect_timeout=5) as connection:
                row = connection.execute("SELECT pg_is_in_recovery(), pg_last_xact_replay_timestamp()").fetchone()
            assert row is not None
            last = row[1] or last
            if not row[0]:
                return last  # type: ignore[no-any-return]
        except psycopg.OperationalError:
            pass
        except DatabaseRefused:
            break
        time.sleep(0.1)
    raise DatabaseRefused(
        f"the log could not be replayed as asked; does it reach so far? Last words there: {server.last_words()}"
    )


def _forget_recovery(folder: Path) -> None:
    """The database has its own history now; the next start must not look for the old one's log."""
    conf = folder / "cluster" / "postgresql.auto.conf"
    kept = [line for line in conf.read_text(encoding="utf-8").splitlines() if not line.endswith("# restore")]
    conf.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
    shutil.rmtree(folder / WAL, ignore_errors=True)


def _words(stream: IO[bytes]) -> str:
    return stream.read(4096).decode(errors="replace").strip().replace("\n", " / ")


def _quiet() -> dict[str, str]:
    return {"LC_ALL": "C", "PATH": os.defpath, "HOME": "/nonexistent"}
