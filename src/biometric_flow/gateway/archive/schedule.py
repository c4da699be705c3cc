"""One task that archives by itself what is older than the whole months that a setting keeps hot."""

from collections.abc import Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import Final

import structlog

from biometric_flow.gateway.archive.mover import Mover
from biometric_flow.model.errors import BiometricFlowError
from biometric_flow.model.ids import TenantId
from biometric_flow.runtime.acting import Action, Trail, acting_as
from biometric_flow.runtime.backup_drill import Trouble
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.database import Database, DatabaseUnavailable

log = structlog.get_logger()

LOOK: Final = timedelta(hours=6)
"""How often is looked whether another month became cold."""
RETRY: Final = timedelta(minutes=15)
_READY_SECONDS: Final = 1.0


class ArchiveSchedule:
    """Looks every six hours; each file is moved in the name of the process and leaves one audit leaf."""

    def __init__(
        self,
        database: Database,
        mover: Mover,
        trail: Trail,
        tenants: Sequence[TenantId],
        months: int,
        clock: Clock,
    ) -> None:
        self._database, self._mover, self._tenants, self._clock = database, mover, tenants, clock
        self._trail, self._months = trail, months
        self._wrong: dict[TenantId, Trouble] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            while not self._database.is_ready:
                await self._clock.sleep(_READY_SECONDS)
            for tenant in self._tenants:
                await self._turn(tenant)
            await self._clock.sleep((RETRY if self._wrong else LOOK).total_seconds())

    def troubles(self, tenant: TenantId) -> list[Trouble]:
        """Why punches of a tenant stay in the database that should have moved; nothing when all is well."""
        return [self._wrong[tenant]] if tenant in self._wrong else []

    async def _turn(self, tenant: TenantId) -> None:
        """One tenant's trouble keeps no other's punches from moving."""
        is_more = True
        while is_more:
            action = Action("archive punches", self._clock.now(), actor="process:gateway", tenant=tenant)
            action.about("months", str(self._months))
            try:
                with acting_as(action):
                    made, is_more = await self._mover.create(tenant, self._months, 1)
            except DatabaseUnavailable as error:
                self._failed(tenant, str(error))
                return
            except BiometricFlowError as error:
                action.refusal = error
                await self._record(action)
                self._failed(tenant, str(error))
                return
            except Exception as error:
                log.exception("archive_schedule_failed", tenant=tenant)
                self._failed(tenant, f"unforeseen {type(error).__name__}; the log of the gateway says more")
                return
            for one in made:
                log.info("punches_archived", tenant=tenant, place=one.place, month=str(one.month), rows=one.rows)
        self._wrong.pop(tenant, None)

    async def _record(self, action: Action) -> None:
        """The first failure in a row has its leaf; those of the tries after it would say the same."""
        if TenantId(action.tenant) in self._wrong:
            return
        try:
            await self._trail.settle(action, HTTPStatus.SERVICE_UNAVAILABLE)
        except DatabaseUnavailable as error:
            log.error("operation_not_recorded", operation=action.operation, reason=str(error))

    def _failed(self, tenant: TenantId, reason: str) -> None:
        known = self._wrong.get(tenant)
        since = known.since if known else self._clock.now()
        self._wrong[tenant] = Trouble(f"punches older than {self._months} months were not archived: {reason}", since)
        log.error("punches_not_archived", tenant=tenant, reason=reason[:500])
