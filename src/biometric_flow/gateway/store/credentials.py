"""Queries of API keys and invitations; both are stored as digests only."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Column,
    DateTime,
    ForeignKeyConstraint,
    LargeBinary,
    Row,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.gateway.store.tables import account, metadata

_instant = DateTime(timezone=True)


def _of_account() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["tenant_id", "account_id"], ["account.tenant_id", "account.account_id"])


api_key = Table(
    "api_key",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("key_id", Uuid, primary_key=True),
    Column("account_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("permissions", ARRAY(Text), nullable=False),
    Column("created_at", _instant, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("expires_at", _instant, nullable=False),
    Column("last_used", _instant),
    UniqueConstraint("tenant_id", "digest"),
    _of_account(),
)

invitation = Table(
    "invitation",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("digest", LargeBinary, primary_key=True),
    Column("account_id", Uuid, nullable=False),
    Column("expires_at", _instant, nullable=False),
    _of_account(),
)


async def add_key(connection: AsyncConnection, **values: object) -> None:
    """Store a key's digest with what it may be used for."""
    await connection.execute(insert(api_key).values(**values))


async def keys(connection: AsyncConnection, account_id: UUID) -> Sequence[Row[Any]]:
    """An account's keys, newest first."""
    query = select(api_key).where(api_key.c.account_id == account_id).order_by(api_key.c.created_at.desc())
    return (await connection.execute(query)).all()


async def find_key(connection: AsyncConnection, digest: bytes) -> Row[Any] | None:
    """The key of this digest."""
    return (await connection.execute(select(api_key).where(api_key.c.digest == digest))).one_or_none()


async def used_key(connection: AsyncConnection, key_id: UUID, now: datetime) -> None:
    """Remember when a key was used."""
    await connection.execute(update(api_key).where(api_key.c.key_id == key_id).values(last_used=now))


async def remove_key(connection: AsyncConnection, account_id: UUID, key_id: UUID) -> bool:
    """Take a key away; whether there was one."""
    mine = (api_key.c.account_id == account_id, api_key.c.key_id == key_id)
    return (await connection.execute(delete(api_key).where(*mine))).rowcount > 0


async def invite(connection: AsyncConnection, **values: Any) -> None:
    """Store an invitation's digest in the place of any earlier one of the account."""
    await connection.execute(delete(invitation).where(invitation.c.account_id == values["account_id"]))
    await connection.execute(insert(invitation).values(**values))


async def accept(connection: AsyncConnection, digest: bytes, now: datetime) -> UUID | None:
    """Use an invitation, once: whose it is, or None when there is none or it is over."""
    used = delete(invitation).where(invitation.c.digest == digest, invitation.c.expires_at > now)
    return (await connection.execute(used.returning(invitation.c.account_id))).scalar_one_or_none()


async def set_password(connection: AsyncConnection, account_id: UUID, password_hash: str) -> None:
    """Put a password's hash in the place of the last."""
    changed = update(account).where(account.c.account_id == account_id).values(password_hash=password_hash)
    await connection.execute(changed)
