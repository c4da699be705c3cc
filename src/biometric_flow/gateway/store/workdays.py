"""Queries of workdays: what is due, what is stored, and whose punches make them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, bindparam, delete, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import Date, Text, Uuid

from biometric_flow.gateway.store.hours_tables import adjustment, workday, workday_due, workday_recheck
from biometric_flow.gateway.store.words import WORKDAY, opened, sealed
from biometric_flow.model.ids import TenantId

OPEN: Final = ""
"""`paid_in` of an adjustment that no period pays yet."""

MERGE: Final = """
    ON CONFLICT (tenant_id, person_id, is_order) DO UPDATE SET
        first_day = least(workday_due.first_day, excluded.first_day),
        last_day = greatest(workday_due.last_day, excluded.last_day), marked = excluded.marked
"""
_MARK: Final = text(
    f"""
    INSERT INTO workday_due (tenant_id, person_id, first_day, last_day, since, marked, is_order)
    SELECT :tenant, person_id, first_day, last_day, CAST(:now AS timestamptz), :now, :is_order
    FROM unnest(:people, :firsts, :lasts) AS given (person_id, first_day, last_day) ORDER BY person_id
    {MERGE}
    """  # noqa: S608 - constants only
).bindparams(
    bindparam("people", type_=ARRAY(Uuid)),
    bindparam("firsts", type_=ARRAY(Date)),
    bindparam("lasts", type_=ARRAY(Date)),
)
_RECHECK: Final = text(
    f"""
    WITH over AS (DELETE FROM workday_recheck WHERE at <= :now RETURNING tenant_id, person_id, at)
    INSERT INTO workday_due (tenant_id, person_id, first_day, last_day, since, marked)
    SELECT tenant_id, person_id, at::date - 3, CAST(:now AS timestamptz)::date + 1, :now, :now
    FROM over ORDER BY person_id
    {MERGE}
    """  # noqa: S608 - constants only
)
_DUE: Final = text(
    """
    SELECT person_id, first_day, last_day, since, is_order FROM workday_due
    WHERE is_order = :is_order AND (marked <= CAST(:now AS timestamptz) - CAST(:quiet AS interval)
        OR since <= CAST(:now AS timestamptz) - CAST(:patience AS interval)) AND person_id <> ALL (:aside)
    ORDER BY since, person_id LIMIT 1 FOR UPDATE SKIP LOCKED
    """
).bindparams(bindparam("aside", type_=ARRAY(Uuid)))
_HOLD: Final = text("SELECT pg_advisory_xact_lock(hashtextextended(:of, 0))")
_PUT: Final = text(
    """
    INSERT INTO workday (tenant_id, person_id, day, status, irregularities, pay, body, digest)
    SELECT :tenant, :person, day, shown ->> 'status',
        ARRAY(SELECT jsonb_array_elements_text(shown -> 'exceptions')), shown -> 'pay', body, digest
    FROM (
        SELECT day, CAST(given.shown AS jsonb) AS shown, body, digest
        FROM unnest(:days, :shown, :bodies, :digests) AS given (day, shown, body, digest)
    ) AS new
    ON CONFLICT (tenant_id, person_id, day) DO UPDATE SET status = excluded.status, pay = excluded.pay,
        irregularities = excluded.irregularities, body = excluded.body, digest = excluded.digest
    """
).bindparams(
    bindparam("days", type_=ARRAY(Date)),
    bindparam("shown", type_=ARRAY(Text)),
    bindparam("bodies", type_=ARRAY(BYTEA)),
    bindparam("digests", type_=ARRAY(BYTEA)),
)
_SHOWN: Final = ("status", "exceptions", "pay")
"""What lists narrow by and periods add up; all else of a day is sealed."""


async def mark(
    connection: AsyncConnection,
    tenant: TenantId,
    due: Mapping[UUID, tuple[date, date]],
    now: datetime,
    *,
    is_order: bool = False,
) -> None:
    """These people's workdays are due: something changed that bears on punches of these days.

    With `is_order` in the slow lane, behind everything that just happened.
    """
    if due:
        given = {"people": list(due), "firsts": [one[0] for one in due.values()], "lasts": [x[1] for x in due.values()]}
        await connection.execute(_MARK, {"tenant": tenant, "now": now, "is_order": is_order, **given})


async def take_rechecks(connection: AsyncConnection, now: datetime) -> int:
    """Whom the clock alone has made due; how many."""
    return (await connection.execute(_RECHECK, {"now": now})).rowcount


async def next_due(
    connection: AsyncConnection,
    now: datetime,
    quiet: timedelta,
    patience: timedelta,
    aside: Sequence[UUID] = (),
    *,
    is_order: bool = False,
) -> Row[Any] | None:
    """Who has been due longest in a lane, locked until the commit: once their punches have been quiet for a moment.

    Those set aside are passed over.
    """
    given = {"now": now, "quiet": quiet, "patience": patience, "aside": list(aside), "is_order": is_order}
    found: Row[Any] | None = (await connection.execute(_DUE, given)).one_or_none()
    return found


async def hold(connection: AsyncConnection, tenant: TenantId, person_id: UUID) -> None:
    """Until the commit nobody else computes this person: both lanes, and all gateways, wait for each other."""
    await connection.execute(_HOLD, {"of": f"workdays {tenant} {person_id}"})


async def done(connection: AsyncConnection, person_id: UUID, until: date | None, *, is_order: bool) -> None:
    """A person is computed in a lane; with `until`, so far only to that day."""
    mine = (workday_due.c.person_id == person_id, workday_due.c.is_order == is_order)
    if until is None:
        await connection.execute(delete(workday_due).where(*mine))
    else:
        await connection.execute(update(workday_due).where(*mine).values(first_day=until))


async def recheck(connection: AsyncConnection, tenant: TenantId, person_id: UUID, at: datetime) -> None:
    """Compute a person again at that moment."""
    row = insert(workday_recheck).values(tenant_id=tenant, person_id=person_id, at=at)
    await connection.execute(row.on_conflict_do_update(index_elements=["tenant_id", "person_id"], set_={"at": at}))


async def digests(connection: AsyncConnection, person_id: UUID, first: date, last: date) -> dict[date, bytes]:
    """What is stored of a person, day by day."""
    query = select(workday.c.day, workday.c.digest).where(
        workday.c.person_id == person_id, workday.c.day.between(first, last)
    )
    return {row.day: bytes(row.digest) for row in await connection.execute(query)}


async def bodies(connection: AsyncConnection, person_id: UUID, first: date, last: date) -> dict[date, dict[str, Any]]:
    """The stored workdays of a person; none of somebody whose key is destroyed."""
    query = select(workday.c.person_id, workday.c.day, workday.c.body).where(
        workday.c.person_id == person_id, workday.c.day.between(first, last)
    )
    rows = await opened(connection, WORKDAY, await connection.execute(query))
    return {row.day: row.body for row in rows if not row.is_erased}


async def put(
    connection: AsyncConnection,
    tenant: TenantId,
    person_id: UUID,
    bodies: Mapping[date, tuple[Mapping[str, Any], bytes]],
) -> None:
    """Store a person's workdays (body and digest) by their key, all in one statement."""
    if bodies:
        rows = [{"person_id": person_id, "day": day, "body": body} for day, (body, _) in bodies.items()]
        columns = {
            "days": list(bodies),
            "shown": [json.dumps({name: body[name] for name in _SHOWN}) for body, _ in bodies.values()],
            "bodies": [row["body"] for row in await sealed(connection, WORKDAY, rows)],
            "digests": [digest for _, digest in bodies.values()],
        }
        await connection.execute(_PUT, {"tenant": tenant, "person": person_id, **columns})


async def remove(connection: AsyncConnection, person_id: UUID, days: Iterable[date]) -> None:
    """Remove workdays of days on which the person no longer worked here."""
    gone = list(days)
    if gone:
        await connection.execute(delete(workday).where(workday.c.person_id == person_id, workday.c.day.in_(gone)))


async def paid(connection: AsyncConnection, person_id: UUID, days: Iterable[date]) -> list[Row[Any]]:
    """Adjustments of these days: day, paid_in, delta."""
    query = select(adjustment).where(adjustment.c.person_id == person_id, adjustment.c.day.in_(list(days)))
    return list((await connection.execute(query)).all())


async def adjust(
    connection: AsyncConnection, tenant: TenantId, person_id: UUID, day: date, delta: Mapping[str, int]
) -> None:
    """What a locked day is worth more or less than shown and paid; an empty delta takes it back."""
    mine = {"tenant_id": tenant, "person_id": person_id, "day": day, "paid_in": OPEN}
    if delta:
        row = insert(adjustment).values(**mine, delta=dict(delta))
        keys = ["tenant_id", "person_id", "day", "paid_in"]
        await connection.execute(row.on_conflict_do_update(index_elements=keys, set_={"delta": dict(delta)}))
    else:
        await connection.execute(
            delete(adjustment).where(
                adjustment.c.person_id == person_id, adjustment.c.day == day, adjustment.c.paid_in == OPEN
            )
        )
