"""Queries of the keys that places prove themselves with, and of the tokens that they join with."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    DateTime,
    ForeignKeyConstraint,
    LargeBinary,
    Row,
    Table,
    Text,
    delete,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.gateway.store.tables import metadata
from biometric_flow.gateway.store.tables import place as places

_instant = DateTime(timezone=True)


def _of_place() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["tenant_id", "place_id"], ["place.tenant_id", "place.place_id"])


link_key = Table(
    "link_key",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("place_id", Text, primary_key=True),
    Column("key_id", Text, primary_key=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("made_at", _instant, nullable=False),
    Column("ends_at", _instant),
    Column("revoked_at", _instant),
    _of_place(),
)

join_token = Table(
    "join_token",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("digest", LargeBinary, primary_key=True),
    Column("place_id", Text, nullable=False),
    Column("expires_at", _instant, nullable=False),
    _of_place(),
)


async def living(connection: AsyncConnection, place: str, key_id: str, now: datetime) -> Row[Any] | None:
    """A key that was not revoked and is not over, of a place that the configuration still has."""
    mine = (link_key.c.place_id == place, link_key.c.key_id == key_id, link_key.c.revoked_at.is_(None))
    here = (places.c.tenant_id == link_key.c.tenant_id) & (places.c.place_id == link_key.c.place_id)
    joined = select(link_key).join(places, here).where(*mine, places.c.is_active)
    query = joined.where(or_(link_key.c.ends_at.is_(None), link_key.c.ends_at > now))
    return (await connection.execute(query)).one_or_none()


async def of_place(connection: AsyncConnection, place: str) -> Sequence[Row[Any]]:
    """All keys of a place, newest first."""
    query = select(link_key).where(link_key.c.place_id == place)
    return (await connection.execute(query.order_by(link_key.c.made_at.desc()))).all()


async def add(connection: AsyncConnection, **values: Any) -> None:
    """Believe a key from now on; one that is known stays as it is."""
    await connection.execute(insert(link_key).values(**values).on_conflict_do_nothing())


async def end_others(connection: AsyncConnection, place: str, key_id: str, ends_at: datetime) -> None:
    """Let a place's other keys end at a moment, if they do not end before."""
    others = (link_key.c.place_id == place, link_key.c.key_id != key_id)
    sooner = or_(link_key.c.ends_at.is_(None), link_key.c.ends_at > ends_at)
    await connection.execute(update(link_key).where(*others, sooner).values(ends_at=ends_at))


async def revoke(connection: AsyncConnection, place: str, now: datetime) -> int:
    """Believe none of a place's keys any more, and none of its tokens; how many keys there were."""
    await connection.execute(delete(join_token).where(join_token.c.place_id == place))
    mine = (link_key.c.place_id == place, link_key.c.revoked_at.is_(None))
    return (await connection.execute(update(link_key).where(*mine).values(revoked_at=now))).rowcount


async def put_token(connection: AsyncConnection, now: datetime, **values: Any) -> None:
    """Keep a token's digest in the place of any earlier one of the place."""
    mine = or_(join_token.c.place_id == values["place_id"], join_token.c.expires_at <= now)
    await connection.execute(delete(join_token).where(mine))
    await connection.execute(insert(join_token).values(**values))


async def use_token(connection: AsyncConnection, digest: bytes, place: str, now: datetime) -> bool:
    """Use a token up; whether there was one for this place that is not over."""
    mine = (join_token.c.digest == digest, join_token.c.place_id == place, join_token.c.expires_at > now)
    return (await connection.execute(delete(join_token).where(*mine))).rowcount > 0
