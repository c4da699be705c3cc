"""Whose punches these are: the only queries that match PINs of punches with PINs that people hold."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.gateway.store.hours_tables import workday_feed
from biometric_flow.gateway.store.subjects import Told, told
from biometric_flow.gateway.store.tables import tenant as tenants
from biometric_flow.gateway.store.workdays import MERGE
from biometric_flow.model.ids import TenantId

_FEED: Final = text(
    f"""
    WITH new AS (
        SELECT position, tenant_id, subject, terminal, local_time::date AS day FROM punch
        WHERE position > :after ORDER BY position LIMIT :limit
    ), marked AS (
        INSERT INTO workday_due (tenant_id, person_id, first_day, last_day, since, marked)
        SELECT h.tenant_id, h.person_id, min(new.day), max(new.day), CAST(:now AS timestamptz), :now
        FROM new JOIN pin_holding h ON h.tenant_id = new.tenant_id AND h.subject = new.subject
            AND new.day >= h.valid_from AND (h.valid_to IS NULL OR new.day <= h.valid_to)
            AND (h.terminals = '{{}}' OR new.terminal = ANY (h.terminals))
        GROUP BY h.tenant_id, h.person_id ORDER BY h.person_id
        {MERGE}
    )
    SELECT max(position) AS position, count(*) AS punches FROM new
    """  # noqa: S608 - constants only
)
_PUNCHES: Final = text(
    """
    SELECT DISTINCT p.punch_id, p.instant, p.state, p.terminal, p.received_at
    FROM pin_holding h JOIN punch p ON p.tenant_id = h.tenant_id AND p.subject = h.subject
        AND p.local_time::date >= h.valid_from AND (h.valid_to IS NULL OR p.local_time::date <= h.valid_to)
        AND (h.terminals = '{}' OR p.terminal = ANY (h.terminals))
    WHERE h.person_id = :person AND p.instant >= :since AND p.instant < :until
    ORDER BY p.instant, p.state, p.terminal, p.punch_id
    """
)


async def take_feed(connection: AsyncConnection, tenant: TenantId, limit: int, now: datetime) -> int:
    """Turn the next punches of the feed into days that are due; how many punches there were."""
    ends = select(tenants.c.feed_position).where(tenants.c.tenant_id == tenant)
    end = (await connection.execute(ends)).scalar_one_or_none() or 0
    reached = select(workday_feed.c.position)
    if ((await connection.execute(reached)).scalar_one_or_none() or 0) >= end:
        return 0
    begin = insert(workday_feed).values(tenant_id=tenant, position=0).on_conflict_do_nothing()
    await connection.execute(begin)
    after = (await connection.execute(reached.with_for_update(skip_locked=True))).scalar_one_or_none()
    if after is None:
        return 0
    new = (await connection.execute(_FEED, {"after": after, "limit": limit, "now": now})).one()
    # Positions become visible in their order, so what is missing up to an end that was read before is a gap.
    position = new.position if new.punches == limit else max(end, new.position or 0)
    await connection.execute(update(workday_feed).values(position=position))
    return int(new.punches)


async def punches(connection: AsyncConnection, person_id: UUID, since: datetime, until: datetime) -> Sequence[Row[Any]]:
    """A person's punches by all the PINs they held, by instant; nothing of it depends on the order of arrival."""
    given = {"person": person_id, "since": since, "until": until}
    return (await connection.execute(_PUNCHES, given)).all()


async def people_at(
    connection: AsyncConnection, terminal: str, since: datetime, until: datetime
) -> list[tuple[UUID, date, date]]:
    """Who punched at a terminal in that time, with the days of their first and last punch there."""
    query = text(
        """
        SELECT h.person_id, min(p.local_time)::date AS first, max(p.local_time)::date AS last
        FROM punch p JOIN pin_holding h ON h.tenant_id = p.tenant_id AND h.subject = p.subject
            AND p.local_time::date >= h.valid_from AND (h.valid_to IS NULL OR p.local_time::date <= h.valid_to)
            AND (h.terminals = '{}' OR p.terminal = ANY (h.terminals))
        WHERE p.terminal = :terminal AND p.instant >= :since AND p.instant < :until
        GROUP BY h.person_id
        """
    )
    given = {"terminal": terminal, "since": since, "until": until}
    return [(row.person_id, row.first, row.last) for row in await connection.execute(query, given)]


async def drifts(
    connection: AsyncConnection, since: datetime, until: datetime, above: timedelta, limit: int
) -> Sequence[Row[Any]]:
    """By terminal and day, punches told as they happened while the clock was measured to be off by more than that."""
    query = text(
        """
        SELECT place_id, terminal, local_time::date AS day, count(*) AS punches, min(instant) AS first,
            max(instant) AS last, percentile_disc(0.5) WITHIN GROUP (ORDER BY drift_ms) AS drift_ms
        FROM punch WHERE instant >= :since AND instant < :until AND channel IN ('live', 'push')
            AND abs(drift_ms) > :above
        GROUP BY place_id, terminal, day ORDER BY terminal, day LIMIT :limit
        """
    )
    above_ms = above // timedelta(milliseconds=1)
    given = {"since": since, "until": until, "above": above_ms, "limit": limit}
    return (await connection.execute(query, given)).all()


async def punch_of(connection: AsyncConnection, person_id: UUID, punch_id: bytes) -> Told | None:
    """Place, PIN, instant and state of a punch of this person; None for one that is not theirs."""
    query = text(
        """
        SELECT p.place_id, p.subject, p.instant, p.state FROM punch p
        JOIN pin_holding h ON h.tenant_id = p.tenant_id AND h.subject = p.subject
            AND p.local_time::date >= h.valid_from AND (h.valid_to IS NULL OR p.local_time::date <= h.valid_to)
            AND (h.terminals = '{}' OR p.terminal = ANY (h.terminals))
        WHERE p.punch_id = :punch AND h.person_id = :person LIMIT 1
        """
    )
    given = {"punch": punch_id, "person": person_id}
    return next(iter(await told(connection, query, given)), None)
