"""What a tenant may take up of an installation: places, terminals, ledger entries; decided where it is taken."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.gateway.store.tables import place, terminal_status
from biometric_flow.gateway.store.tables import tenant as tenants
from biometric_flow.model.errors import BiometricFlowError
from biometric_flow.model.ids import TenantId
from biometric_flow.runtime.places import Quota

NO_LIMIT: Final = Quota.model_validate({})


class QuotaReached(BiometricFlowError):
    """A tenant would take up more than it may; what it holds stays, and nothing that a place has is lost."""

    code = "quota.reached"

    def __init__(self, what: str, limit: int, used: int, more: int, contact: str) -> None:
        super().__init__(
            f"expected at most {limit} {what} of this tenant; {used} are in use and {more} more came."
            f" Ask {contact} for more"
        )


@dataclass(frozen=True, slots=True)
class Used:
    """What a tenant takes up."""

    places: int
    terminals: int
    entries: int
    """Of all ledgers of its places, those of places that left the configuration included."""


class Quotas:
    """The quotas of all tenants."""

    def __init__(self, of: Mapping[TenantId, Quota]) -> None:
        self._of = of

    def of(self, tenant: TenantId) -> Quota:
        """The quota of one tenant; nothing is limited for one that has none."""
        return self._of.get(tenant, NO_LIMIT)

    async def room_for_terminals(
        self, connection: AsyncConnection, tenant: TenantId, place_id: str, known: set[str], named: list[str]
    ) -> tuple[set[str], QuotaReached | None]:
        """Which of the terminals that a place names fit, and the refusal of the others.

        Known ones always do. The tenant is locked until the commit: two places at once cannot both take the last.
        """
        quota, new = self.of(tenant), [key for key in named if key not in known]
        if quota.terminals is None or not new:
            return set(named), None
        await _lock(connection, tenant)
        elsewhere = select(func.count()).select_from(terminal_status).where(terminal_status.c.place_id != place_id)
        used = (await connection.execute(elsewhere)).scalar_one() + len(named) - len(new)
        room = max(0, quota.terminals - used)
        if len(new) <= room:
            return set(named), None
        refused = QuotaReached("terminals", quota.terminals, used, len(new), quota.contact)
        return set(named) - set(new[room:]), refused

    async def take_entries(self, connection: AsyncConnection, tenant: TenantId, more: int) -> None:
        """Make room for entries of a ledger, or raise QuotaReached; the tenant is locked until the commit."""
        quota = self.of(tenant)
        if quota.entries is None:
            return
        await _lock(connection, tenant)
        used = (await connection.execute(select(func.coalesce(func.sum(place.c.position), 0)))).scalar_one()
        if used + more > quota.entries:
            raise QuotaReached("ledger entries", quota.entries, int(used), more, quota.contact)


async def used(connection: AsyncConnection) -> Used:
    """What the tenant of a connection takes up now."""
    query = select(
        select(func.count()).select_from(place).where(place.c.is_active).scalar_subquery(),
        select(func.count()).select_from(terminal_status).scalar_subquery(),
        select(func.coalesce(func.sum(place.c.position), 0)).scalar_subquery(),
    )
    places, terminals, entries = (await connection.execute(query)).one()
    return Used(places, terminals, int(entries))


async def _lock(connection: AsyncConnection, tenant: TenantId) -> None:
    """The same row that numbers the tenant's punches: whoever holds it is alone until the commit."""
    query = select(tenants.c.tenant_id).where(tenants.c.tenant_id == tenant).with_for_update(key_share=True)
    await connection.execute(query)
