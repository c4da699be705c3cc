"""Queries of alerts, of the channels where they are told, and of messages that wait for their delivery."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
    delete,
    func,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.gateway.alerts.machine import Alert, Notice, Signal
from biometric_flow.gateway.store.tables import metadata
from biometric_flow.gateway.store.words import ALERT, CHANNEL, MESSAGE, Said, opened, sealed
from biometric_flow.model.ids import TenantId

_instant = DateTime(timezone=True)

alert = Table(
    "alert",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("alert_id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("place_id", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("text", LargeBinary, nullable=False),
    Column("is_urgent", Boolean, nullable=False),
    Column("raised_at", _instant, nullable=False),
    Column("seen_at", _instant, nullable=False),
    Column("told_at", _instant),
    Column("acknowledged_at", _instant),
    Column("acknowledged_by", Text, nullable=False),
    Column("resolved_at", _instant),
    ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
)

alert_channel = Table(
    "alert_channel",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("url", LargeBinary, nullable=False),
    Column("quiet", JSONB),
    Column("is_enabled", Boolean, nullable=False),
    ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
)

alert_message = Table(
    "alert_message",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("message_id", Uuid, primary_key=True),
    Column("channel", Text, nullable=False),
    Column("title", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", _instant, nullable=False),
    Column("due_at", _instant, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("failure", LargeBinary, nullable=False),
    ForeignKeyConstraint(
        ["tenant_id", "channel"], ["alert_channel.tenant_id", "alert_channel.name"], ondelete="CASCADE"
    ),
)
"""A message is there until it was delivered, or given up after a day."""

_TURN = text("SELECT pg_try_advisory_xact_lock(hashtextextended('alerts ' || :tenant, 0))")


async def is_my_turn(connection: AsyncConnection, tenant: TenantId) -> bool:
    """Whether no other instance looks at this tenant's alerts; it holds until the transaction ends."""
    return bool((await connection.execute(_TURN, {"tenant": tenant})).scalar_one())


async def still_open(connection: AsyncConnection) -> list[Alert]:
    """Alerts that are not resolved."""
    query = select(alert).where(alert.c.resolved_at.is_(None)).order_by(alert.c.raised_at, alert.c.alert_id)
    return [_read(row) for row in await opened(connection, ALERT, await connection.execute(query))]


async def save(connection: AsyncConnection, tenant: TenantId, alerts: Sequence[Alert]) -> None:
    """Keep alerts as they are; who acknowledged one meanwhile is not forgotten.

    A text that says the same stays the envelope that it is: another one would tell everybody that alerts changed.
    """
    query = select(alert.c.alert_id, alert.c.text).where(alert.c.alert_id.in_([one.id for one in alerts]))
    stored = (await connection.execute(query)).all() if alerts else []
    said = {row.alert_id: row.text for row in await opened(connection, ALERT, stored)}
    same = {row.alert_id: row.text for row in stored}
    new = [{"alert_id": one.id, "text": one.signal.text} for one in alerts if said.get(one.id) != one.signal.text]
    texts = same | {row["alert_id"]: row["text"] for row in await sealed(connection, ALERT, new)}
    for one in alerts:
        values = {
            "kind": one.signal.kind,
            "place_id": one.signal.place,
            "subject": one.signal.subject,
            "text": texts[one.id],
            "is_urgent": one.signal.is_urgent,
            "raised_at": one.raised_at,
            "seen_at": one.seen_at,
            "told_at": one.told_at,
            "resolved_at": one.resolved_at,
        }
        row = insert(alert).values(tenant_id=tenant, alert_id=one.id, acknowledged_by="", **values)
        await connection.execute(row.on_conflict_do_update(index_elements=["tenant_id", "alert_id"], set_=values))


async def listed(connection: AsyncConnection, *, is_open: bool, limit: int) -> list[Said]:
    """Open alerts, or all, newest first."""
    query = select(alert).order_by(alert.c.raised_at.desc(), alert.c.alert_id).limit(limit)
    if is_open:
        query = query.where(alert.c.resolved_at.is_(None))
    return await opened(connection, ALERT, await connection.execute(query))


async def acknowledge(connection: AsyncConnection, one: UUID, account: str, now: datetime) -> Said | None:
    """Somebody takes care of it; the first who says so is kept. None when there is none that the caller may see."""
    said = {
        "acknowledged_at": func.coalesce(alert.c.acknowledged_at, now),
        "acknowledged_by": func.coalesce(func.nullif(alert.c.acknowledged_by, ""), account),
    }
    query = update(alert).where(alert.c.alert_id == one).values(said).returning(alert)
    return next(iter(await opened(connection, ALERT, await connection.execute(query))), None)


async def channels(connection: AsyncConnection) -> list[Said]:
    """All channels by name, each with how many messages wait and why the last attempt failed."""
    mine = alert_message.alias()
    waiting = select(func.count(mine.c.message_id)).where(mine.c.channel == alert_channel.c.name).scalar_subquery()
    tried = select(mine.c.message_id).where(mine.c.channel == alert_channel.c.name)
    last = tried.order_by(mine.c.attempts.desc()).limit(1).scalar_subquery()
    message = (alert_message.c.message_id, *(alert_message.c[one] for one in MESSAGE.columns))
    query = select(alert_channel, waiting.label("waiting"), *message).order_by(alert_channel.c.name)
    query = query.select_from(alert_channel).outerjoin(alert_message, alert_message.c.message_id == last)
    return await opened(connection, MESSAGE, await opened(connection, CHANNEL, await connection.execute(query)))


async def save_channel(connection: AsyncConnection, tenant: TenantId, name: str, **values: Any) -> None:
    """Make or replace a channel."""
    [row] = await sealed(connection, CHANNEL, [{"tenant_id": tenant, "name": name, **values}])
    kept = insert(alert_channel).values(row)
    new = {one: row[one] for one in values}
    await connection.execute(kept.on_conflict_do_update(index_elements=["tenant_id", "name"], set_=new))


async def remove_channel(connection: AsyncConnection, name: str) -> bool:
    """Remove a channel with what waits for it; False when there is none."""
    return bool((await connection.execute(delete(alert_channel).where(alert_channel.c.name == name))).rowcount)


async def put(
    connection: AsyncConnection, tenant: TenantId, channel: str, notice: Notice, now: datetime, due: datetime
) -> None:
    """Have a message delivered, in the transaction that says its alerts were told."""
    values = {"title": notice.title, "body": notice.body, "created_at": now, "due_at": due, "attempts": 0}
    row = {"tenant_id": tenant, "message_id": uuid4(), "channel": channel, "failure": "", **values}
    await connection.execute(insert(alert_message), await sealed(connection, MESSAGE, [row]))


async def claim(connection: AsyncConnection, now: datetime, lease: timedelta) -> list[Said]:
    """Messages that are due, each claimed for a while: no other instance sends it, and a kill does not lose it."""
    due = (
        select(alert_message.c.message_id)
        .join(
            alert_channel,
            (alert_channel.c.tenant_id == alert_message.c.tenant_id)
            & (alert_channel.c.name == alert_message.c.channel),
        )
        .where(alert_message.c.due_at <= now, alert_channel.c.is_enabled)
        .order_by(alert_message.c.created_at)
        .limit(100)
        .with_for_update(of=alert_message, skip_locked=True)
    )
    claimed = (
        update(alert_message)
        .where(alert_message.c.message_id.in_(due), alert_channel.c.name == alert_message.c.channel)
        .values(due_at=now + lease, attempts=alert_message.c.attempts + 1)
        .returning(alert_message, alert_channel.c.name, alert_channel.c.url)
    )
    rows = await opened(connection, MESSAGE, await connection.execute(claimed))
    return sorted(await opened(connection, CHANNEL, rows), key=lambda row: (row.channel, row.created_at))


async def delivered(connection: AsyncConnection, messages: Sequence[UUID]) -> None:
    """They arrived, or are given up."""
    await connection.execute(delete(alert_message).where(alert_message.c.message_id.in_(messages)))


async def failed(connection: AsyncConnection, messages: Sequence[UUID], reason: str, again: datetime) -> None:
    """They did not arrive; they are tried again."""
    for row in await sealed(connection, MESSAGE, [{"message_id": one, "failure": reason} for one in messages]):
        this = update(alert_message).where(alert_message.c.message_id == row["message_id"])
        await connection.execute(this.values(failure=row["failure"], due_at=again))


def _read(row: Said) -> Alert:
    signal = Signal(row.kind, row.place_id, row.subject, row.text, row.is_urgent)
    times = (row.raised_at, row.seen_at, row.told_at, row.acknowledged_at)
    return Alert(row.alert_id, signal, *times, row.acknowledged_by, row.resolved_at)
