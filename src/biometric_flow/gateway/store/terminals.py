"""Queries of terminals, as their places last reported them."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, delete, select, text
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import Text

from biometric_flow.api.place import TerminalView
from biometric_flow.gateway.store.tables import place, terminal_status
from biometric_flow.gateway.store.words import TERMINAL, Said, opened, sealed
from biometric_flow.model.ids import PlaceId, TenantId

_texts = ARRAY(Text)
_UPSERT = text(
    """
    INSERT INTO terminal_status (tenant_id, place_id, key, serial, name, state, body, as_of)
    SELECT :tenant, :place, key, serial, name, state, body, :now
    FROM unnest(:keys, :serials, :names, :states, :bodies) AS given (key, serial, name, state, body)
    ON CONFLICT (tenant_id, place_id, key) DO UPDATE SET serial = excluded.serial, name = excluded.name,
        state = excluded.state, body = excluded.body, as_of = excluded.as_of
    """
).bindparams(
    *(bindparam(name, type_=_texts) for name in ("keys", "serials", "names", "states")),
    bindparam("bodies", type_=ARRAY(BYTEA)),
)


async def report(
    connection: AsyncConnection, tenant: TenantId, place_id: PlaceId, said: Sequence[TerminalView], now: datetime
) -> bool:
    """Keep what a place said of its terminals; those it no longer names are gone. True when a state changed."""
    query = select(terminal_status.c.key, terminal_status.c.state).where(terminal_status.c.place_id == place_id)
    before = {row.key: row.state for row in await connection.execute(query)}
    newest = {terminal.key: terminal for terminal in said}
    gone = before.keys() - newest.keys()
    if gone:
        await connection.execute(
            delete(terminal_status).where(terminal_status.c.place_id == place_id, terminal_status.c.key.in_(gone))
        )
    if newest:
        views = list(newest.values())
        rows = [{"place_id": place_id, "key": one.key, "body": one.model_dump(mode="json")} for one in views]
        columns = {
            "keys": [view.key for view in views],
            "serials": [view.serial for view in views],
            "names": [view.name for view in views],
            "states": [str(view.state) for view in views],
            "bodies": [row["body"] for row in await sealed(connection, TERMINAL, rows)],
        }
        await connection.execute(_UPSERT, {"tenant": tenant, "place": place_id, "now": now, **columns})
    return before != {key: str(view.state) for key, view in newest.items()}


async def keys(connection: AsyncConnection, place_id: str) -> set[str]:
    """The terminals that a place is known to have."""
    query = select(terminal_status.c.key).where(terminal_status.c.place_id == place_id)
    return set((await connection.execute(query)).scalars())


async def listed(connection: AsyncConnection, place_id: str | None = None, state: str | None = None) -> list[Said]:
    """Terminals of the tenant's active places, by place and key, each with when its place was last heard."""
    query = (
        select(terminal_status, place.c.last_heard)
        .join(
            place, (place.c.tenant_id == terminal_status.c.tenant_id) & (place.c.place_id == terminal_status.c.place_id)
        )
        .where(place.c.is_active)
        .order_by(terminal_status.c.place_id, terminal_status.c.key)
    )
    if place_id is not None:
        query = query.where(terminal_status.c.place_id == place_id)
    if state is not None:
        query = query.where(terminal_status.c.state == state)
    return await opened(connection, TERMINAL, await connection.execute(query))
