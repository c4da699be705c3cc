"""Queries behind pages of workdays and irregularities."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Row, and_, exists, func, select, true, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.gateway.store import register
from biometric_flow.gateway.store.hours_tables import (
    adjustment,
    employee,
    pay_period,
    regularisation,
    workday,
    workday_due,
    workday_feed,
)
from biometric_flow.gateway.store.tables import punch
from biometric_flow.gateway.store.tables import tenant as tenants
from biometric_flow.gateway.store.words import WORKDAY, Said, opened
from biometric_flow.model.ids import TenantId

BEHIND: Final = timedelta(seconds=30)
"""What today's punches and the clock make due is computed within seconds; whoever waits longer waits for something."""
REACHES_BACK: Final = timedelta(days=3)
"""So far before today the clock alone looks at days again."""


@dataclass(frozen=True, slots=True)
class WorkdayFilter:
    """Which workdays; what is None does not restrict. Both days are included."""

    person: UUID | None = None
    department: str | None = None
    place: str | None = None
    first: date | None = None
    last: date | None = None
    status: str | None = None
    irregularity: str | None = None


_IS_LOCKED = exists().where(
    pay_period.c.tenant_id == workday.c.tenant_id,
    pay_period.c.status != "open",
    workday.c.day.between(pay_period.c.first_day, pay_period.c.last_day),
)
_PERSON = and_(employee.c.tenant_id == workday.c.tenant_id, employee.c.person_id == workday.c.person_id)
_REQUESTS = (
    select(func.count())
    .select_from(regularisation)
    .where(
        regularisation.c.tenant_id == workday.c.tenant_id,
        regularisation.c.person_id == workday.c.person_id,
        regularisation.c.day == workday.c.day,
        regularisation.c.status == "requested",
    )
    .scalar_subquery()
)


async def page(
    connection: AsyncConnection, wanted: WorkdayFilter, after: tuple[date, UUID] | None, limit: int
) -> list[Said]:
    """Workdays by date and person: person_id, day, body, is_locked. A body that was erased with its person is None."""
    query = select(workday.c.person_id, workday.c.day, workday.c.body, _IS_LOCKED.label("is_locked"))
    query = query.join(employee, _PERSON).where(*await _conditions(connection, wanted))
    if after is not None:
        query = query.where(tuple_(workday.c.day, workday.c.person_id) > tuple_(*after))
    ordered = query.order_by(workday.c.day, workday.c.person_id).limit(limit)
    return await opened(connection, WORKDAY, await connection.execute(ordered))


async def irregularities(
    connection: AsyncConnection, wanted: WorkdayFilter, after: tuple[date, UUID, str] | None, limit: int
) -> Sequence[Row[Any]]:
    """One row per workday and irregularity, newest first: person_id, day, code, status, is_locked, requests."""
    codes = func.unnest(workday.c.irregularities).table_valued("code").render_derived().alias("codes")
    query = (
        select(
            workday.c.person_id,
            workday.c.day,
            codes.c.code,
            workday.c.status,
            _IS_LOCKED.label("is_locked"),
            _REQUESTS.label("requests"),
        )
        .join(employee, _PERSON)
        .join(codes, true())
        .where(*await _conditions(connection, wanted))
    )
    if wanted.irregularity is not None:
        query = query.where(codes.c.code == wanted.irregularity)
    key = (workday.c.day, workday.c.person_id, codes.c.code)
    if after is not None:
        query = query.where(tuple_(*key) < tuple_(*after))
    return (await connection.execute(query.order_by(*(one.desc() for one in key)).limit(limit))).all()


async def irregularity_counts(connection: AsyncConnection, wanted: WorkdayFilter) -> dict[str, int]:
    """How many of each irregularity."""
    codes = func.unnest(workday.c.irregularities).table_valued("code").render_derived().alias("codes")
    query = select(codes.c.code, func.count().label("days")).select_from(workday).join(employee, _PERSON)
    query = query.join(codes, true()).where(*await _conditions(connection, wanted)).group_by(codes.c.code)
    return {row.code: row.days for row in await connection.execute(query.order_by(codes.c.code))}


async def one(connection: AsyncConnection, person_id: UUID, day: date) -> Said | None:
    """One workday: person_id, day, body, is_locked; None of somebody who is erased."""
    query = select(workday.c.person_id, workday.c.day, workday.c.body, _IS_LOCKED.label("is_locked"))
    found = await connection.execute(query.where(workday.c.person_id == person_id, workday.c.day == day))
    return next((row for row in await opened(connection, WORKDAY, found) if not row.is_erased), None)


async def adjustments(connection: AsyncConnection, person_id: UUID, day: date) -> Sequence[Row[Any]]:
    """Adjustments of one day: paid_in, delta."""
    query = select(adjustment).where(adjustment.c.person_id == person_id, adjustment.c.day == day)
    return (await connection.execute(query.order_by(adjustment.c.paid_in))).all()


async def progress(connection: AsyncConnection, owner: TenantId) -> Any:
    """people, oldest, position, feed_end, workdays."""
    query = select(
        select(func.count(workday_due.c.person_id.distinct())).scalar_subquery().label("people"),
        select(func.min(workday_due.c.since)).scalar_subquery().label("oldest"),
        func.coalesce(select(workday_feed.c.position).scalar_subquery(), 0).label("position"),
        tenants.c.feed_position.label("feed_end"),
        select(func.count()).select_from(workday).scalar_subquery().label("workdays"),
    ).where(tenants.c.tenant_id == owner)
    return (await connection.execute(query)).one()


async def people_due(connection: AsyncConnection, first: date, last: date, now: datetime) -> int:
    """How many people's workdays of these days are not computed yet.

    Not counted is who became due a moment ago by days behind them: on a system that runs there is always somebody.
    """
    of_today = and_(
        workday_due.c.last_day > last,
        workday_due.c.first_day >= last - REACHES_BACK,
        workday_due.c.since > now - BEHIND,
    )
    query = select(func.count(workday_due.c.person_id.distinct())).where(
        workday_due.c.first_day <= last, workday_due.c.last_day >= first, ~of_today
    )
    return int((await connection.execute(query)).scalar_one())


async def is_punch_waiting(connection: AsyncConnection, first: date, last: date) -> bool:
    """Whether a punch of these days stands in the feed and nobody is due by it yet."""
    reached = func.coalesce(select(workday_feed.c.position).scalar_subquery(), 0)
    local_day = func.date(punch.c.local_time)
    waiting = select(punch.c.position).where(punch.c.position > reached, local_day.between(first, last))
    return bool((await connection.execute(select(waiting.exists()))).scalar_one())


async def _conditions(connection: AsyncConnection, wanted: WorkdayFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.person is not None:
        found.append(workday.c.person_id == wanted.person)
    if wanted.department is not None:
        found.append(employee.c.department_id.in_(await register.below(connection, wanted.department)))
    if wanted.place is not None:
        found.append(employee.c.place_id == wanted.place)
    if wanted.first is not None:
        found.append(workday.c.day >= wanted.first)
    if wanted.last is not None:
        found.append(workday.c.day <= wanted.last)
    if wanted.status is not None:
        found.append(workday.c.status == wanted.status)
    if wanted.irregularity is not None:
        found.append(workday.c.irregularities.contains([wanted.irregularity]))
    return found
