"""One task that deletes at the gateway what is older than each tenant's policy lets it be, holds excepted (E3)."""

import asyncio
from pathlib import Path
from typing import Final

import structlog

from biometric_flow.gateway import erasures
from biometric_flow.gateway.erasure_register import FILE, Marks, write_register
from biometric_flow.gateway.registry import Registry
from biometric_flow.gateway.store import erasures as erasure_rows
from biometric_flow.gateway.store import privacy
from biometric_flow.model.errors import BiometricFlowError
from biometric_flow.model.ids import TenantId
from biometric_flow.runtime.acting import Action, acting_as
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.database import Database, DatabaseUnavailable
from biometric_flow.runtime.process import usable_folder

log = structlog.get_logger()

RETRY_SECONDS: Final = 5.0


class HoldUnknown(BiometricFlowError):
    """There is no such legal hold, or nobody whom it could be about."""

    code = "privacy.hold_unknown"


class RetentionTask:
    """Looks every so often; what is deleted leaves an audit leaf of the process."""

    def __init__(
        self,
        database: Database,
        registry: Registry,
        clock: Clock,
        look_seconds: float,
        marks: Marks,
        backups: Path | None = None,
    ) -> None:
        self._database, self._registry, self._clock, self._look = database, registry, clock, look_seconds
        self._backups = backups
        self.marks = marks
        """Makes what a restore knows erased people by."""
        self._wake = asyncio.Event()

    def look_now(self) -> None:
        """A policy or a hold changed, or somebody was erased."""
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            wait = self._look
            try:
                for tenant, _ in self._registry.tenants():
                    await self.turn(TenantId(tenant.id))
            except DatabaseUnavailable:
                wait = RETRY_SECONDS
            except Exception:
                log.exception("retention_failed")
            try:
                async with asyncio.timeout(wait):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()

    async def turn(self, tenant: TenantId) -> int:
        """Do what is due of one tenant; how many rows went. Raises DatabaseUnavailable."""
        action = Action("delete what the retention policy says", self._clock.now(), actor="process:gateway")
        with acting_as(action):
            async with self._database.tenant(tenant) as connection:
                await erasures.prepare(connection, tenant)
                gone = await privacy.purge(connection, self._clock.now())
                action.about("erasures", str(await erasures.look(connection, tenant, self.marks, self._clock.now())))
                action.about("rows", str(gone))
        if self._backups is not None:
            await self._keep_register(tenant, self._backups / FILE)
        if gone:
            log.info("rows_purged", tenant=tenant, rows=gone)
        return gone

    async def _keep_register(self, tenant: TenantId, file: Path) -> None:
        """What has begun is durable by now; a folder that is away is tried again with the next look."""
        async with self._database.tenant(tenant) as connection:
            told = await erasure_rows.begun(connection, tenant)
        try:
            await asyncio.to_thread(usable_folder, file.parent)
            await asyncio.to_thread(write_register, file, told)
        except (OSError, BiometricFlowError) as error:
            log.error("erasures_not_registered", reason=str(error)[:500])
