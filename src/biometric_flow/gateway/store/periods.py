"""Queries of pay periods, what was done to them, and the adjustments they pay."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, Text, bindparam, delete, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.gateway.store import register
from biometric_flow.gateway.store.hours_tables import adjustment, pay_period, pay_period_event
from biometric_flow.gateway.store.words import ERASED, PERIOD_EVENT, Said, opened, sealed
from biometric_flow.gateway.store.workdays import OPEN
from biometric_flow.model.ids import TenantId


async def lock(connection: AsyncConnection, tenant: TenantId) -> None:
    """Until the commit nobody else changes periods."""
    query = text("SELECT pg_advisory_xact_lock(hashtextextended('periods ' || :tenant, 0))")
    await connection.execute(query, {"tenant": tenant})


async def frozen(connection: AsyncConnection) -> Sequence[Any]:
    """First and last day of all periods whose workdays stand."""
    query = select(pay_period.c.first_day, pay_period.c.last_day).where(pay_period.c.status != "open")
    return (await connection.execute(query)).all()


async def page(
    connection: AsyncConnection,
    before: date | None,
    limit: int,
    status: str | None = None,
    first: date | None = None,
    last: date | None = None,
) -> Sequence[Row[Any]]:
    """Periods, newest first; those only of a status, or with a day between these."""
    query = select(pay_period)
    if before is not None:
        query = query.where(pay_period.c.first_day < before)
    if status is not None:
        query = query.where(pay_period.c.status == status)
    if first is not None:
        query = query.where(pay_period.c.last_day >= first)
    if last is not None:
        query = query.where(pay_period.c.first_day <= last)
    return (await connection.execute(query.order_by(pay_period.c.first_day.desc()).limit(limit))).all()


async def get(connection: AsyncConnection, period_id: str) -> Row[Any] | None:
    """One period."""
    return (await connection.execute(select(pay_period).where(pay_period.c.period_id == period_id))).one_or_none()


async def touching(connection: AsyncConnection, first: date, last: date) -> list[str]:
    """Periods that share a day with these days."""
    query = select(pay_period.c.period_id).where(pay_period.c.first_day <= last, pay_period.c.last_day >= first)
    return list((await connection.execute(query)).scalars())


async def put(connection: AsyncConnection, tenant: TenantId, period_id: str, values: Mapping[str, Any]) -> None:
    """Store a period as `values["version"]`; version 1 is a new one."""
    if values["version"] == 1:
        await connection.execute(insert(pay_period).values(tenant_id=tenant, period_id=period_id, **values))
    else:
        await connection.execute(update(pay_period).where(pay_period.c.period_id == period_id).values(**values))


async def note(
    connection: AsyncConnection, tenant: TenantId, period_id: str, at: datetime, account: str, action: str, reason: str
) -> None:
    """Write down what was done to a period."""
    mine = pay_period_event.c.period_id == period_id
    number = (await connection.execute(select(func.count()).select_from(pay_period_event).where(mine))).scalar_one()
    row = {"tenant_id": tenant, "period_id": period_id, "number": number + 1, "at": at}
    row |= {"account": account, "action": action, "reason": reason}
    await connection.execute(insert(pay_period_event), await sealed(connection, PERIOD_EVENT, [row]))


async def events(connection: AsyncConnection, period_id: str) -> list[Said]:
    """All that was done to a period, in order."""
    query = select(pay_period_event).where(pay_period_event.c.period_id == period_id)
    return await opened(connection, PERIOD_EVENT, await connection.execute(query.order_by(pay_period_event.c.number)))


async def closed_after(connection: AsyncConnection, day: date) -> bool:
    """Whether a later period is closed or locked."""
    query = select(func.count()).select_from(pay_period)
    later = query.where(pay_period.c.first_day > day, pay_period.c.status != "open")
    return bool((await connection.execute(later)).scalar_one())


async def forget_open(connection: AsyncConnection, first: date, last: date) -> None:
    """Adjustments of these days that nobody has paid: the days themselves will show it."""
    mine = (adjustment.c.paid_in == OPEN, adjustment.c.day.between(first, last))
    await connection.execute(delete(adjustment).where(*mine))


async def pay(connection: AsyncConnection, first: date, last: date) -> Sequence[Any]:
    """Minutes by person, day and tier: person_id, day, tier, minutes."""
    query = text(
        """
        SELECT person_id, day, key AS tier, value::integer AS minutes
        FROM workday, jsonb_each_text(pay) WHERE day BETWEEN :first AND :last
        ORDER BY person_id, day, key
        """
    )
    return (await connection.execute(query, {"first": first, "last": last})).all()


async def open_days(
    connection: AsyncConnection, first: date, last: date, codes: Sequence[str]
) -> list[tuple[str, date, str]]:
    """Workdays with one of these irregularities: employee number, day, irregularity."""
    query = text(
        """
        SELECT w.person_id, w.day, code FROM workday w, unnest(w.irregularities) AS code
        WHERE w.day BETWEEN :first AND :last AND code = ANY (:codes) ORDER BY w.day, w.person_id, code
        """
    ).bindparams(bindparam("codes", type_=ARRAY(Text)))
    rows = (await connection.execute(query, {"first": first, "last": last, "codes": list(codes)})).all()
    named = await register.names(connection, {row.person_id for row in rows})
    return [(named.get(row.person_id, (ERASED, ""))[0], row.day, row.code) for row in rows]


async def adjustments(connection: AsyncConnection, paid_in: str) -> Sequence[Row[Any]]:
    """Adjustments that a period pays, or that none pays yet: person_id, day, delta."""
    query = select(adjustment).where(adjustment.c.paid_in == paid_in)
    return (await connection.execute(query.order_by(adjustment.c.person_id, adjustment.c.day))).all()


async def pay_adjustments(connection: AsyncConnection, period_id: str, before: date) -> None:
    """A period takes over what is open of the days before it."""
    mine = (adjustment.c.paid_in == OPEN, adjustment.c.day < before)
    await connection.execute(update(adjustment).where(*mine).values(paid_in=period_id))


async def unpay_adjustments(connection: AsyncConnection, period_id: str) -> None:
    """A reopened period pays nothing: what it paid is open again, on top of what became known since."""
    merge = text(
        """
        WITH back AS (DELETE FROM adjustment WHERE paid_in = :period RETURNING *)
        INSERT INTO adjustment (tenant_id, person_id, day, paid_in, delta)
        SELECT tenant_id, person_id, day, '', delta FROM back ORDER BY person_id, day
        ON CONFLICT (tenant_id, person_id, day, paid_in) DO UPDATE SET delta = (
            SELECT coalesce(jsonb_object_agg(name, minutes), '{}') FROM (
                SELECT key AS name, sum(value::integer) AS minutes FROM (
                    SELECT * FROM jsonb_each_text(adjustment.delta)
                    UNION ALL SELECT * FROM jsonb_each_text(excluded.delta)
                ) AS parts GROUP BY key HAVING sum(value::integer) <> 0
            ) AS sums
        )
        """
    )
    await connection.execute(merge, {"period": period_id})
