"""Queries of accounts and refresh tokens."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.gateway.store import grants
from biometric_flow.gateway.store.tables import account, refresh_token
from biometric_flow.identity.grants import TENANT, Grant
from biometric_flow.model.ids import TenantId

_BY_EMAIL = text("SELECT * FROM accounts_by_email(:email)")
_TENANT_OF_TOKEN = text("SELECT tenant_of_refresh_token(:digest)")


async def by_email(connection: AsyncConnection, email: str) -> Sequence[Row[Any]]:
    """Accounts with this e-mail address, of any tenant (at most three); needs no tenant."""
    return (await connection.execute(_BY_EMAIL, {"email": email.lower()})).all()


async def tenant_of_token(connection: AsyncConnection, digest: bytes) -> TenantId | None:
    """Whose refresh token this is; needs no tenant."""
    found = (await connection.execute(_TENANT_OF_TOKEN, {"digest": digest})).scalar_one_or_none()
    return None if found is None else TenantId(found)


async def get(connection: AsyncConnection, account_id: UUID, *, is_locked: bool = False) -> Row[Any] | None:
    """One account of the tenant; locked, nobody else changes what it holds until the commit."""
    query = select(account).where(account.c.account_id == account_id)
    return (await connection.execute(query.with_for_update() if is_locked else query)).one_or_none()


async def has_email(connection: AsyncConnection, email: str) -> bool:
    """Does the tenant have an account with this address?"""
    query = select(func.count()).select_from(account).where(account.c.email == email.lower())
    return bool((await connection.execute(query)).scalar_one())


async def add(connection: AsyncConnection, **values: Any) -> None:
    """Add an account, with its role in the whole tenant if it has one, unless the tenant has one with this address."""
    added = insert(account).values(**values).on_conflict_do_nothing().returning(account.c.account_id)
    if (await connection.execute(added)).one_or_none() is not None and values["role"]:
        since = values["created_at"]
        grant = Grant(str(uuid4()), values["role"], TENANT, since)
        await grants.add(connection, values["tenant_id"], values["account_id"], grant, "installation", since)


async def keep_token(connection: AsyncConnection, now: datetime, **values: object) -> None:
    """Store a refresh token's digest; the account's tokens that are over are swept on the way."""
    over = refresh_token.c.expires_at < now
    await connection.execute(delete(refresh_token).where(refresh_token.c.account_id == values["account_id"], over))
    await connection.execute(insert(refresh_token).values(**values))


async def use_token(connection: AsyncConnection, digest: bytes, now: datetime) -> Row[Any] | None:
    """Use a token, once: its row, or None when it was used before, was revoked or is over."""
    query = (
        update(refresh_token)
        .where(
            refresh_token.c.digest == digest,
            refresh_token.c.used_at.is_(None),
            refresh_token.c.revoked_at.is_(None),
            refresh_token.c.expires_at > now,
        )
        .values(used_at=now)
        .returning(refresh_token)
    )
    row: Row[Any] | None = (await connection.execute(query)).one_or_none()
    return row


async def revoke_family(connection: AsyncConnection, digest: bytes, now: datetime) -> None:
    """Revoke a token with all that descend from the same sign-in."""
    family = select(refresh_token.c.family).where(refresh_token.c.digest == digest).scalar_subquery()
    await connection.execute(
        update(refresh_token)
        .where(refresh_token.c.family == family, refresh_token.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )
