"""Keeps the database there: starts it, brings its schema and configuration up to date, starts it again when it died."""

import asyncio
from uuid import uuid4

import psycopg
import structlog
from sqlalchemy.exc import SQLAlchemyError

from biometric_flow.gateway.erasure_register import FILE, Marks, read_register
from biometric_flow.gateway.erasures import replay
from biometric_flow.gateway.first_sealing import seal_all
from biometric_flow.gateway.key_store import TenantKeys
from biometric_flow.gateway.registry import Registry
from biometric_flow.gateway.settings import GatewaySettings
from biometric_flow.gateway.store import accounts, places, schema
from biometric_flow.identity.passwords import Passwords
from biometric_flow.model.errors import BiometricFlowError
from biometric_flow.model.ids import TenantId
from biometric_flow.runtime.acting import Action, acting_as
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.database import Database
from biometric_flow.runtime.postgres import EmbeddedPostgres
from biometric_flow.runtime.sealed_file import BackupDamaged

log = structlog.get_logger()

CHECK_SECONDS = 0.25
RETRY_SECONDS = 1.0
STOP_SECONDS = 10.0


class DatabaseKeeper:
    """One supervised task for the database's whole life beside this process."""

    def __init__(
        self,
        database: Database,
        server: EmbeddedPostgres | None,
        owner_dsn: str,
        registry: Registry,
        settings: GatewaySettings,
        passwords: Passwords,
        clock: Clock,
        marks: Marks,
        keys: TenantKeys,
    ) -> None:
        self._database, self._server, self._owner_dsn, self._keys = database, server, owner_dsn, keys
        self._registry, self._settings, self._passwords, self._clock = registry, settings, passwords, clock
        self._marks = marks

    async def run(self) -> None:
        """Until cancelled: make the database ready, watch it, begin again when it is gone."""
        while True:
            try:
                await self._make_ready()
                await self._until_gone()
            except (BiometricFlowError, psycopg.Error, SQLAlchemyError, OSError) as error:
                log.error("database_unavailable", reason=str(error)[:500])
                await self._clock.sleep(RETRY_SECONDS)
            except Exception:
                log.exception("database_keeper_failed")
                await self._clock.sleep(RETRY_SECONDS)

    async def stop(self) -> None:
        """End the embedded server, or leave another's alone."""
        await self._database.close()
        if self._server is not None:
            await asyncio.to_thread(self._server.stop, STOP_SECONDS)

    async def _make_ready(self) -> None:
        self._database.is_ready = False
        if self._server is not None:
            await asyncio.to_thread(self._server.start)
            await asyncio.to_thread(schema.prepare_embedded, self._server)
        await asyncio.to_thread(schema.migrate, self._owner_dsn)
        await asyncio.to_thread(seal_all, self._owner_dsn, self._keys)
        await self._configure()
        await self._database.reset()
        self._database.is_ready = True
        log.info("database_ready")

    async def _until_gone(self) -> None:
        """An embedded server is watched; another's comes and goes, and each transaction says so by itself."""
        while self._server is None or self._server.is_running():
            await self._clock.sleep(CHECK_SECONDS)
        log.warning("database_gone")

    async def _configure(self) -> None:
        """With a connection of its own: nobody is served from tables that are not filled yet."""
        database = Database(self._database.dsn, self._database.role, pool_size=1)
        database.is_ready, database.recorder = True, self._database.recorder
        database.memory = self._database.memory
        try:
            for tenant, listed in self._registry.tenants():
                with acting_as(Action("configure places.json", self._clock.now(), actor="process:gateway")):
                    async with database.tenant(TenantId(tenant.id)) as connection:
                        await places.configure(connection, tenant, listed)
            with acting_as(Action("add the first account", self._clock.now(), actor="process:gateway")):
                await self._add_first_account(database)
            await self._erase_again(database)
        finally:
            await database.close()

    async def _erase_again(self, database: Database) -> None:
        """Whatever tool put this database back: whoever was erased since goes again, before anything is served."""
        if self._settings.backup_folder is None:
            return
        try:
            told = await asyncio.to_thread(read_register, self._settings.backup_folder / FILE)
        except BackupDamaged as error:
            log.error("erasures_not_replayed", reason=str(error)[:500])
            return
        again = await replay(database, self._marks, told.values(), self._clock.now())
        if again:
            log.warning("erased_again", people=again)

    async def _add_first_account(self, database: Database) -> None:
        settings = self._settings
        if settings.admin_email is None or settings.admin_password is None:
            return
        tenant = TenantId(settings.admin_tenant or self._registry.file.tenants[0].id)
        async with database.tenant(tenant) as connection:
            if await accounts.has_email(connection, settings.admin_email):
                return
        password_hash = await self._passwords.hash(settings.admin_password.get_secret_value())
        async with database.tenant(tenant) as connection:
            await accounts.add(
                connection,
                tenant_id=tenant,
                account_id=uuid4(),
                email=settings.admin_email.lower(),
                name="Administrator",
                role="tenant_admin",
                password_hash=password_hash,
                is_enabled=True,
                created_at=self._clock.now(),
            )


def database_addresses(settings: GatewaySettings) -> tuple[EmbeddedPostgres | None, str, str]:
    """The embedded server if there is one, the application's address, and the owner's."""
    if settings.dsn is None:
        server = EmbeddedPostgres(settings.data / "postgres")
        return server, server.dsn(schema.APPLICATION, schema.DATABASE), server.dsn(schema.OWNER, schema.DATABASE)
    dsn = settings.dsn.get_secret_value()
    return None, dsn, settings.owner_dsn.get_secret_value() if settings.owner_dsn else dsn
