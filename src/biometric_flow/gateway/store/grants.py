"""Queries of roles, grants and what decides about an account's requests."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column, DateTime, ForeignKeyConstraint, Row, Table, Text, Uuid, delete, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.gateway.store.hours_tables import department
from biometric_flow.gateway.store.tables import account, metadata, place, refresh_token
from biometric_flow.identity.grants import Grant, Parents, Scope, ScopeKind
from biometric_flow.identity.rbac import Permission
from biometric_flow.identity.roles import Role
from biometric_flow.model.ids import TenantId

_instant = DateTime(timezone=True)

access_role = Table(
    "access_role",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("role", Text, primary_key=True),
    Column("about", Text, nullable=False),
    Column("permissions", ARRAY(Text), nullable=False),
    Column("inherits", ARRAY(Text), nullable=False),
    ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
)

access_grant = Table(
    "access_grant",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("grant_id", Uuid, primary_key=True),
    Column("account_id", Uuid, nullable=False),
    Column("role", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("scope_id", Text, nullable=False),
    Column("valid_from", _instant, nullable=False),
    Column("valid_to", _instant),
    Column("granted_by", Text, nullable=False),
    Column("granted_at", _instant, nullable=False),
    ForeignKeyConstraint(["tenant_id", "account_id"], ["account.tenant_id", "account.account_id"]),
)


def grant_of(row: Row[Any]) -> Grant:
    """A stored grant."""
    scope = Scope(ScopeKind(row.scope), row.scope_id)
    return Grant(str(row.grant_id), row.role, scope, row.valid_from, row.valid_to)


async def of_account(connection: AsyncConnection, account_id: UUID) -> Sequence[Row[Any]]:
    """An account's grants, oldest first."""
    query = select(access_grant).where(access_grant.c.account_id == account_id)
    return (await connection.execute(query.order_by(access_grant.c.granted_at, access_grant.c.grant_id))).all()


async def all_grants(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """All grants of the tenant, oldest first."""
    return (await connection.execute(select(access_grant).order_by(access_grant.c.granted_at))).all()


async def add(
    connection: AsyncConnection, tenant: TenantId, account_id: UUID, grant: Grant, by: str, now: datetime
) -> None:
    """Store a grant that was checked."""
    await connection.execute(
        insert(access_grant).values(
            tenant_id=tenant,
            grant_id=UUID(grant.id),
            account_id=account_id,
            role=grant.role,
            scope=grant.scope.kind.value,
            scope_id=grant.scope.id,
            valid_from=grant.valid_from,
            valid_to=grant.valid_to,
            granted_by=by,
            granted_at=now,
        )
    )


async def remove(connection: AsyncConnection, account_id: UUID, grant_id: UUID) -> bool:
    """Take a grant away; whether there was one."""
    mine = (access_grant.c.account_id == account_id, access_grant.c.grant_id == grant_id)
    return (await connection.execute(delete(access_grant).where(*mine))).rowcount > 0


async def roles(connection: AsyncConnection) -> list[Role]:
    """The tenant's own roles. Permissions that this version does not know are left out."""
    known = {one.value: one for one in Permission}
    return [
        Role(row.role, frozenset(known[one] for one in row.permissions if one in known), tuple(row.inherits), row.about)
        for row in await connection.execute(select(access_role).order_by(access_role.c.role))
    ]


async def put_role(connection: AsyncConnection, tenant: TenantId, role: Role) -> None:
    """Add or change one of the tenant's own roles."""
    said = {"about": role.about, "permissions": sorted(role.permissions), "inherits": list(role.inherits)}
    row = insert(access_role).values(tenant_id=tenant, role=role.name, **said)
    await connection.execute(row.on_conflict_do_update(index_elements=["tenant_id", "role"], set_=said))


async def remove_role(connection: AsyncConnection, name: str) -> bool:
    """Take one of the tenant's own roles away; whether there was one."""
    return (await connection.execute(delete(access_role).where(access_role.c.role == name))).rowcount > 0


async def is_granted(connection: AsyncConnection, name: str) -> bool:
    """Does somebody hold this role?"""
    query = select(func.count()).select_from(access_grant).where(access_grant.c.role == name)
    return bool((await connection.execute(query)).scalar_one())


async def parents(connection: AsyncConnection) -> Parents:
    """All departments and what is above each."""
    rows = await connection.execute(select(department.c.department_id, department.c.parent_id))
    return {row.department_id: row.parent_id for row in rows}


async def has_scope(connection: AsyncConnection, scope: Scope) -> bool:
    """Is there such a place or department?"""
    if scope.kind is ScopeKind.TENANT:
        return True
    column = place.c.place_id if scope.kind is ScopeKind.PLACE else department.c.department_id
    return (await connection.execute(select(column).where(column == scope.id))).one_or_none() is not None


async def accounts(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """All accounts of the tenant, by e-mail address."""
    return (await connection.execute(select(account).order_by(account.c.email))).all()


async def set_enabled(connection: AsyncConnection, account_id: UUID, *, is_enabled: bool) -> None:
    """Let an account in, or keep it out."""
    await connection.execute(update(account).where(account.c.account_id == account_id).values(is_enabled=is_enabled))


async def revoke_all(connection: AsyncConnection, account_id: UUID, now: datetime) -> None:
    """End everything an account is signed in with."""
    mine = (refresh_token.c.account_id == account_id, refresh_token.c.revoked_at.is_(None))
    await connection.execute(update(refresh_token).where(*mine).values(revoked_at=now))


async def revoke_session(connection: AsyncConnection, account_id: UUID, family: UUID, now: datetime) -> None:
    """End one sign-in with all that descends from it."""
    mine = (refresh_token.c.account_id == account_id, refresh_token.c.family == family)
    await connection.execute(
        update(refresh_token).where(*mine, refresh_token.c.revoked_at.is_(None)).values(revoked_at=now)
    )


async def revoked_sessions(connection: AsyncConnection, account_id: UUID) -> frozenset[str]:
    """The sign-ins of an account that were ended."""
    query = select(refresh_token.c.family).distinct().where(refresh_token.c.account_id == account_id)
    rows = await connection.execute(query.where(refresh_token.c.revoked_at.is_not(None)))
    return frozenset(str(family) for family in rows.scalars())
