"""Queries of tenants and places: what the configuration says of them, and when they were last heard."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import and_, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.api.gateway import PlaceReport
from biometric_flow.gateway.store.tables import person, place, place_report, tenant, terminal_status
from biometric_flow.gateway.store.words import REPORT, Said, opened, sealed
from biometric_flow.ledger.chain import EMPTY
from biometric_flow.model.ids import PlaceId, TenantId
from biometric_flow.model.terminal import TerminalState
from biometric_flow.runtime.places import PlaceConfig, TenantConfig


async def configure(connection: AsyncConnection, owner: TenantConfig, places: Sequence[PlaceConfig]) -> None:
    """Make the tables say what `places.json` says of one tenant. Places that left it keep their data and are hidden."""
    await lock_all(connection)  # places, then the tenant: as an upload does, to another instance that serves already
    named = insert(tenant).values(tenant_id=owner.id, name=owner.name)
    await connection.execute(named.on_conflict_do_update(index_elements=["tenant_id"], set_={"name": owner.name}))
    for one in places:
        said = {"name": one.name, "zone": one.zone, "is_active": True}
        row = insert(place).values(tenant_id=owner.id, place_id=one.id, head_hash=EMPTY.hash, **said)
        await connection.execute(row.on_conflict_do_update(index_elements=["tenant_id", "place_id"], set_=said))
    listed = [one.id for one in places]
    await connection.execute(update(place).where(place.c.place_id.not_in(listed)).values(is_active=False))


async def is_listed(connection: AsyncConnection, place_id: str) -> bool:
    """Is there such a place in the configuration now?"""
    query = select(place.c.place_id).where(place.c.place_id == place_id, place.c.is_active)
    return (await connection.execute(query)).one_or_none() is not None


async def lock_all(connection: AsyncConnection) -> None:
    """Until the commit no place of the tenant tells anything: all are locked in one order, then the tenant's row."""
    for order in (place.c.place_id, tenant.c.tenant_id):
        await connection.execute(select(order).order_by(order).with_for_update(key_share=True))


async def listed(connection: AsyncConnection) -> list[Said]:
    """The tenant's places with the state of their replica, their last report and how many terminals and people."""
    people = (
        select(func.count())
        .select_from(person)
        .where(person.c.tenant_id == place.c.tenant_id, person.c.place_id == place.c.place_id)
        .scalar_subquery()
    )
    online = func.count().filter(terminal_status.c.state == TerminalState.ONLINE)
    terminals = (
        select(terminal_status.c.place_id, func.count().label("total"), online.label("online"))
        .group_by(terminal_status.c.place_id)
        .subquery()
    )
    query = (
        select(
            place,
            place_report.c.head,
            place_report.c.backup,
            people.label("people"),
            func.coalesce(terminals.c.total, 0).label("terminals_total"),
            func.coalesce(terminals.c.online, 0).label("terminals_online"),
        )
        .outerjoin(
            place_report,
            and_(place_report.c.tenant_id == place.c.tenant_id, place_report.c.place_id == place.c.place_id),
        )
        .outerjoin(terminals, terminals.c.place_id == place.c.place_id)
        .where(place.c.is_active)
        .order_by(place.c.place_id)
    )
    return await opened(connection, REPORT, await connection.execute(query))


async def heard(connection: AsyncConnection) -> dict[PlaceId, datetime | None]:
    """When each of the tenant's places was last heard."""
    query = select(place.c.place_id, place.c.last_heard).where(place.c.is_active)
    return {PlaceId(row.place_id): row.last_heard for row in await connection.execute(query)}


async def report(
    connection: AsyncConnection, owner: TenantId, place_id: PlaceId, said: PlaceReport, now: datetime
) -> None:
    """Keep the place's last report of itself."""
    values = {"head": said.head, "version": said.version, "sent_at": said.sent_at, "received_at": now}
    row = {"tenant_id": owner, "place_id": place_id, **values, "backup": said.backup}
    [kept] = await sealed(connection, REPORT, [row])
    new = {name: kept[name] for name in (*values, "backup")}
    put = insert(place_report).values(kept)
    await connection.execute(put.on_conflict_do_update(index_elements=["tenant_id", "place_id"], set_=new))
    await connection.execute(update(place).where(place.c.place_id == place_id).values(last_heard=now))


async def tenant_name(connection: AsyncConnection, owner: TenantId) -> str:
    """The tenant's name, empty for an unknown one."""
    query = select(tenant.c.name).where(tenant.c.tenant_id == owner)
    return (await connection.execute(query)).scalar_one_or_none() or ""
