"""Queries of openings of the sealed role."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Column, DateTime, ForeignKeyConstraint, Interval, LargeBinary, Table, Text, Uuid, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.gateway.store.tables import metadata
from biometric_flow.gateway.store.words import OPENING, Said, opened, sealed
from biometric_flow.identity.break_glass import Opening
from biometric_flow.model.ids import TenantId

_instant = DateTime(timezone=True)

break_glass = Table(
    "break_glass",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("opening_id", Uuid, primary_key=True),
    Column("account_id", Uuid, nullable=False),
    Column("lasts", Interval, nullable=False),
    Column("asked_at", _instant, nullable=False),
    Column("reason", LargeBinary, nullable=False),
    Column("opened_by", Text, nullable=False, default=""),
    Column("ends_at", _instant),
    Column("reviewed_by", Text, nullable=False, default=""),
    Column("reviewed_at", _instant),
    Column("review", LargeBinary, nullable=False, default=b""),
    ForeignKeyConstraint(["tenant_id", "account_id"], ["account.tenant_id", "account.account_id"]),
)


def opening_of(row: Said) -> Opening:
    """What decides about a stored one."""
    return Opening(str(row.account_id), row.lasts, row.asked_at, row.opened_by, row.ends_at, row.reviewed_by)


async def latest(connection: AsyncConnection, limit: int) -> Sequence[Said]:
    """The newest ones, with their words."""
    query = select(break_glass).order_by(break_glass.c.asked_at.desc(), break_glass.c.opening_id).limit(limit)
    return await opened(connection, OPENING, await connection.execute(query))


async def of_account(connection: AsyncConnection, account: UUID) -> Sequence[Said]:
    """All that an account asked for; lock the account before, so that two requests do not both find nothing."""
    query = select(break_glass).where(break_glass.c.account_id == account)
    return await opened(connection, OPENING, await connection.execute(query))


async def get(connection: AsyncConnection, opening: UUID) -> Said | None:
    """One, locked for whoever changes it."""
    query = select(break_glass).where(break_glass.c.opening_id == opening).with_for_update()
    return next(iter(await opened(connection, OPENING, await connection.execute(query))), None)


async def not_reviewed(connection: AsyncConnection) -> Sequence[Said]:
    """Those that were opened and that nobody has looked at yet."""
    query = select(break_glass).where(break_glass.c.ends_at.is_not(None), break_glass.c.reviewed_by == "")
    return await opened(connection, OPENING, await connection.execute(query.order_by(break_glass.c.asked_at)))


async def ask(connection: AsyncConnection, tenant: TenantId, opening_id: UUID, asked: Opening, reason: str) -> None:
    """Store what somebody asks for."""
    row = {"tenant_id": tenant, "opening_id": opening_id, "account_id": UUID(asked.account), "lasts": asked.lasts}
    [kept] = await sealed(connection, OPENING, [{**row, "asked_at": asked.asked_at, "reason": reason}])
    await connection.execute(insert(break_glass).values(kept))


async def put(connection: AsyncConnection, opening_id: UUID, changed: Opening) -> None:
    """Store who opened it, and until when."""
    this = update(break_glass).where(break_glass.c.opening_id == opening_id)
    await connection.execute(this.values(opened_by=changed.opened_by, ends_at=changed.ends_at))


async def review(connection: AsyncConnection, opening_id: UUID, by: str, text: str, now: datetime) -> None:
    """Store what somebody found who looked at it afterwards."""
    [kept] = await sealed(connection, OPENING, [{"opening_id": opening_id, "review": text}])
    this = update(break_glass).where(break_glass.c.opening_id == opening_id)
    await connection.execute(this.values(reviewed_by=by, reviewed_at=now, review=kept["review"]))
