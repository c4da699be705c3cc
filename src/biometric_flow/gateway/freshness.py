"""Which version a tenant's data have: read once for all who ask at the same moment, never older than the question."""

import asyncio
from collections.abc import Mapping

from biometric_flow.gateway.store import data_versions
from biometric_flow.model.ids import TenantId
from biometric_flow.runtime.acting import unattended
from biometric_flow.runtime.database import Database

Read = asyncio.Task[Mapping[str, int]]


class DataVersions:
    """Whoever asks gets what was read after they asked: one read under way, and one that begins after it for the rest.

    So a question costs the database less the more come at once, and a change that was acknowledged before a question
    was asked, on whichever instance, is part of the version that the question gets.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._running: dict[TenantId, Read] = {}
        self._next: dict[TenantId, Read] = {}

    async def of(self, tenant: TenantId, topic: str) -> int:
        """The version of a topic; 0 when it never changed. Raises DatabaseUnavailable."""
        read = self._next.get(tenant)
        if read is None:
            before = self._running.get(tenant)
            read = unattended(self._read(tenant, before), f"data version of {tenant}")
            if before is None:
                self._running[tenant] = read
            else:
                self._next[tenant] = read
        found = await asyncio.shield(read)
        return found.get(topic, 0)

    async def _read(self, tenant: TenantId, before: Read | None) -> Mapping[str, int]:
        if before is not None:
            await asyncio.wait([before])
            self._running[tenant] = self._next.pop(tenant)
        try:
            async with self._database.tenant(tenant) as connection:
                return await data_versions.current(connection)
        finally:
            del self._running[tenant]
