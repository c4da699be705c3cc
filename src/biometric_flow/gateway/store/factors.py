"""Queries of second factors, recovery codes and the rule that asks for them."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKeyConstraint,
    LargeBinary,
    Row,
    Table,
    Text,
    Uuid,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.gateway.store.tables import account, metadata
from biometric_flow.model.ids import TenantId

_instant = DateTime(timezone=True)


def _of_account() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["tenant_id", "account_id"], ["account.tenant_id", "account.account_id"])


second_factor = Table(
    "second_factor",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("account_id", Uuid, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("made_at", _instant, nullable=False),
    Column("confirmed_at", _instant),
    Column("last_step", BigInteger, nullable=False),
    _of_account(),
)
"""`last_step` is the time step of the last code that was taken: none of it or before it is taken again."""

recovery_code = Table(
    "recovery_code",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("account_id", Uuid, primary_key=True),
    Column("digest", LargeBinary, primary_key=True),
    _of_account(),
)

sign_in_rule = Table(
    "sign_in_rule",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("is_factor_for_all", Boolean, nullable=False),
    Column("factor_roles", ARRAY(Text), nullable=False),
    ForeignKeyConstraint(["tenant_id"], ["tenant.tenant_id"]),
)


class Rule(NamedTuple):
    """Who of a tenant has to have a second factor."""

    is_for_all: bool = False
    roles: tuple[str, ...] = ()


async def of_account(connection: AsyncConnection, account_id: UUID) -> Row[Any] | None:
    """An account with its second factor: the columns of both, those of the factor empty when it has none."""
    joined = account.outerjoin(
        second_factor,
        (second_factor.c.tenant_id == account.c.tenant_id) & (second_factor.c.account_id == account.c.account_id),
    )
    columns = (account, second_factor.c.sealed, second_factor.c.confirmed_at, second_factor.c.last_step)
    query = select(*columns).select_from(joined).where(account.c.account_id == account_id)
    return (await connection.execute(query)).one_or_none()


async def is_confirmed(connection: AsyncConnection, account_id: UUID) -> bool:
    """Does signing in to this account take a second factor?"""
    query = select(func.count()).select_from(second_factor)
    mine = (second_factor.c.account_id == account_id, second_factor.c.confirmed_at.is_not(None))
    return bool((await connection.execute(query.where(*mine))).scalar_one())


async def begin(connection: AsyncConnection, tenant: TenantId, account_id: UUID, sealed: bytes, now: datetime) -> bool:
    """Keep a secret that its person still has to confirm; whether there was no confirmed one in its way."""
    row = insert(second_factor).values(
        tenant_id=tenant, account_id=account_id, sealed=sealed, made_at=now, confirmed_at=None, last_step=0
    )
    kept = row.on_conflict_do_update(
        index_elements=["tenant_id", "account_id"],
        set_={"sealed": sealed, "made_at": now, "last_step": 0},
        where=second_factor.c.confirmed_at.is_(None),
    ).returning(second_factor.c.account_id)
    return (await connection.execute(kept)).one_or_none() is not None


async def use_step(connection: AsyncConnection, account_id: UUID, step: int) -> bool:
    """Take the code of a time step, once at all instances together; whether it was not taken before."""
    taken = update(second_factor).where(second_factor.c.account_id == account_id, second_factor.c.last_step < step)
    return (await connection.execute(taken.values(last_step=step))).rowcount > 0


async def confirm(connection: AsyncConnection, account_id: UUID, now: datetime) -> None:
    """From now on signing in takes it."""
    mine = second_factor.c.account_id == account_id
    await connection.execute(update(second_factor).where(mine).values(confirmed_at=now))


async def put_recovery(
    connection: AsyncConnection, tenant: TenantId, account_id: UUID, digests: Iterable[bytes]
) -> None:
    """Put new recovery codes in the place of all earlier ones."""
    await connection.execute(delete(recovery_code).where(recovery_code.c.account_id == account_id))
    rows = [{"tenant_id": tenant, "account_id": account_id, "digest": one} for one in digests]
    await connection.execute(insert(recovery_code).values(rows))


async def use_recovery(connection: AsyncConnection, account_id: UUID, digest: bytes) -> bool:
    """Use a recovery code up; whether there was one."""
    mine = (recovery_code.c.account_id == account_id, recovery_code.c.digest == digest)
    return (await connection.execute(delete(recovery_code).where(*mine))).rowcount > 0


async def recovery_left(connection: AsyncConnection, account_id: UUID) -> int:
    """How many recovery codes were not used."""
    query = select(func.count()).select_from(recovery_code).where(recovery_code.c.account_id == account_id)
    return int((await connection.execute(query)).scalar_one())


async def remove(connection: AsyncConnection, account_id: UUID) -> bool:
    """Take the factor and its recovery codes away; whether there was one."""
    await connection.execute(delete(recovery_code).where(recovery_code.c.account_id == account_id))
    gone = await connection.execute(delete(second_factor).where(second_factor.c.account_id == account_id))
    return gone.rowcount > 0


async def rule(connection: AsyncConnection) -> Rule:
    """The tenant's rule; nobody has to have one until it says so."""
    row = (await connection.execute(select(sign_in_rule))).one_or_none()
    return Rule() if row is None else Rule(row.is_factor_for_all, tuple(row.factor_roles))


async def put_rule(connection: AsyncConnection, tenant: TenantId, said: Rule) -> None:
    """Change the tenant's rule."""
    values = {"is_factor_for_all": said.is_for_all, "factor_roles": list(said.roles)}
    row = insert(sign_in_rule).values(tenant_id=tenant, **values)
    await connection.execute(row.on_conflict_do_update(index_elements=["tenant_id"], set_=values))
