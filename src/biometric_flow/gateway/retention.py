"""One task that deletes at the gateway what is older than each tenant's policy lets it be, holds excepted (E3)."""

import asyncio
from typing import Final

import structlog

from biometric_flow.gateway import erasures
from biometric_flow.gateway.registry import Registry
from biometric_flow.gateway.store import privacy
from biometric_flow.model.errors import BiometricFlowError
from biometric_flow.model.ids import TenantId
from biometric_flow.runtime.acting import Action, acting_as
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.database import Database, DatabaseUnavailable

log = structlog.get_logger()

RETRY_SECONDS: Final = 5.0


class HoldUnknown(BiometricFlowError):
    """There is no such legal hold, or nobody whom it could be about."""

    code = "privacy.hold_unknown"


class RetentionTask:
    """Looks every so often; what is deleted leaves an audit leaf of the process."""

    def __init__(self, database: Database, registry: Registry, clock: Clock, look_seconds: float) -> None:
        self._database, self._registry, self._clock, self._look = database, registry, clock, look_seconds
        self._wake = asyncio.Event()

    def look_now(self) -> None:
        """A policy or a hold changed."""
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
                gone = await privacy.purge(connection, self._clock.now())
                action.about("erasures", str(await erasures.look(connection, tenant, self._clock.now())))
                action.about("rows", str(gone))
        if gone:
            log.info("rows_purged", tenant=tenant, rows=gone)
        return gone
