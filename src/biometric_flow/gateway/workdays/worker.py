"""Keeps workdays up to date: one task that turns the feed of punches, the clock and orders into stored workdays."""

from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog

from biometric_flow.gateway.registry import Registry
from biometric_flow.gateway.store import holdings, workdays
from biometric_flow.gateway.workdays.compute import recompute
from biometric_flow.gateway.workdays.loader import Loader
from biometric_flow.model.ids import TenantId
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.database import Database, DatabaseUnavailable

log = structlog.get_logger()

TICK_SECONDS: Final = 0.5
FEED_BATCH: Final = 5000
QUIET: Final = timedelta(seconds=1)
"""A person is computed once their punches have been quiet for so long: a year that arrives is computed once."""
PATIENCE: Final = timedelta(seconds=10)
"""And at the latest so long after the first one."""
CHUNK: Final = timedelta(days=124)
"""One transaction computes so many days; a kill loses no more."""
ASIDE_SECONDS: Final = 60.0
TURN: Final = 50
"""People of one tenant before the next tenant has its turn."""


class WorkdayKeeper:
    """The task. What is due stands in the database: after a kill the next start goes on where this one was."""

    def __init__(self, database: Database, registry: Registry, loader: Loader, clock: Clock) -> None:
        self._database, self._registry, self._loader, self._clock = database, registry, loader, clock
        self._set_aside: dict[UUID, float] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            is_busy = False
            try:
                for tenant, _ in self._registry.tenants():
                    is_busy |= await self.turn(TenantId(tenant.id))
            except DatabaseUnavailable:
                self._set_aside.clear()
                is_busy = False
            except Exception:
                log.exception("workdays_failed")
                is_busy = False
            await self._clock.sleep(0 if is_busy else TICK_SECONDS)

    async def turn(self, tenant: TenantId) -> bool:
        """Do what is due of one tenant, a bounded part; whether there is more."""
        async with self._database.tenant(tenant) as connection:
            new = await holdings.take_feed(connection, tenant, FEED_BATCH, self._clock.now())
            await workdays.take_rechecks(connection, self._clock.now())
        for _ in range(TURN):
            if not await self.step(tenant):
                # One part of an order at a time, and only while nobody waits for what just happened.
                return await self.step(tenant, is_order=True) or new == FEED_BATCH
        # However much happens, an order gets on.
        await self.step(tenant, is_order=True)
        return True

    async def step(self, tenant: TenantId, quiet: timedelta = QUIET, *, is_order: bool = False) -> bool:
        """Compute one part of what has been due longest in a lane; False when nothing is."""
        now = self._clock.now()
        async with self._database.tenant(tenant) as connection:
            due = await workdays.next_due(connection, now, quiet, PATIENCE, self._not_now(), is_order=is_order)
            if due is None:
                return False
            last = min(due.last_day, due.first_day + CHUNK)
            # Until it is through, it counts as failed: nobody waits behind a person whose workdays cannot be computed.
            self._set_aside[due.person_id] = self._clock.monotonic() + ASIDE_SECONDS
            await workdays.hold(connection, tenant, due.person_id)
            await recompute(self._loader, connection, tenant, due.person_id, due.first_day, last, now)
            del self._set_aside[due.person_id]
            is_rest = last < due.last_day
            rest = last + timedelta(days=1) if is_rest else None
            await workdays.done(connection, due.person_id, rest, is_order=is_order)
            return True

    def _not_now(self) -> list[UUID]:
        now = self._clock.monotonic()
        self._set_aside = {person: until for person, until in self._set_aside.items() if until > now}
        return list(self._set_aside)
