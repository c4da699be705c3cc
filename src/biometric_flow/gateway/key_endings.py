"""Destroys the keys of who was erased, once the transaction that erased them is durable (security-design E1)."""

import asyncio
from collections.abc import Iterable
from typing import Final

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.gateway.key_store import TenantKeys
from biometric_flow.identity.keyring import KeyKind, Owner
from biometric_flow.ledger.errors import StorageUnavailable
from biometric_flow.model.ids import TenantId
from biometric_flow.runtime.acting import acting_as
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.database import Database, DatabaseUnavailable

log = structlog.get_logger()

LOOK_SECONDS: Final = 2.0
_ALL: Final = text("SELECT kind, owner FROM key_ending LIMIT 1000")
_WAITING: Final = text("SELECT kind FROM key_ending WHERE kind = :kind LIMIT 1")
_END: Final = text("INSERT INTO key_ending VALUES (:tenant, :kind, :owner) ON CONFLICT DO NOTHING")
_ENDED: Final = text("DELETE FROM key_ending WHERE kind = :kind AND owner = :owner")


async def end(connection: AsyncConnection, owners: Iterable[Owner]) -> None:
    """Have these owners' keys destroyed after this transaction is committed, whatever happens to this process."""
    tenant = connection.info["tenant"]
    rows = [{"tenant": tenant, "kind": one.kind.value, "owner": one.name} for one in owners]
    if rows:
        await connection.execute(_END, rows)


async def are_under_way(connection: AsyncConnection, kind: KeyKind) -> bool:
    """Are there keys of a kind still to be destroyed? Nobody of before may be given such a key again until then."""
    return (await connection.execute(_WAITING, {"kind": kind.value})).one_or_none() is not None


class KeyEndings:
    """One task of the gateway. A kill between commit and destruction is made good here at the next start."""

    def __init__(self, database: Database, keys: TenantKeys, clock: Clock) -> None:
        self._database, self._keys, self._clock = database, keys, clock

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            for tenant in self._keys.tenants():
                try:
                    await self.finish(tenant)
                except DatabaseUnavailable:
                    break
                except StorageUnavailable as error:
                    log.error("key_not_destroyed", tenant=tenant, reason=str(error))
                except Exception:
                    log.exception("key_endings_failed", tenant=tenant)
            await self._clock.sleep(LOOK_SECONDS)

    async def finish(self, tenant: TenantId) -> int:
        """Destroy what is to be destroyed now; how many owners. Raises StorageUnavailable, DatabaseUnavailable."""
        async with self._database.tenant(tenant) as connection:
            rows = (await connection.execute(_ALL)).all()
        owners = [Owner(KeyKind(row.kind), row.owner) for row in rows]
        if not owners:
            return 0
        await asyncio.to_thread(self._keys.of(tenant).destroy_all, owners)
        with acting_as(None):
            async with self._database.tenant(tenant) as connection:
                await connection.execute(_ENDED, [{"kind": one.kind.value, "owner": one.name} for one in owners])
        log.info("keys_destroyed", tenant=tenant, owners=len(owners))
        return len(owners)
