"""Queries of retention policies and legal holds: who is held, what is older than it may be, what places must know."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, delete, select, text
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.api.retention import Hold, PlaceHold, PrivacyOrders, RetentionPolicy, in_force, too_old
from biometric_flow.gateway import key_endings
from biometric_flow.gateway.store import directory, erasures, holds, register, subjects
from biometric_flow.gateway.store.hours_tables import employee
from biometric_flow.gateway.store.privacy_tables import retention_policy
from biometric_flow.gateway.store.tables import enrolment, person
from biometric_flow.gateway.store.words import POLICY, opened, sealed
from biometric_flow.identity.keyring import archived_at
from biometric_flow.identity.keyring import person as owner_of_person
from biometric_flow.model.ids import PlaceId, TenantId

_IDS: Final = bindparam("held", type_=ARRAY(PG_UUID))
_ATTENDANCE: Final = tuple(
    text(f"DELETE FROM {table} t WHERE {day} < :day AND person_id <> ALL (:held){more}").bindparams(_IDS)  # noqa: S608
    for table, day, more in (
        ("workday", "day", ""),
        ("adjustment", "day", ""),
        ("correction", "day", " AND sequence IS NOT NULL"),
        (
            *("regularisation", "day"),
            " AND NOT EXISTS (SELECT FROM correction c WHERE c.regularisation_id = t.regularisation_id)",
        ),
        ("leave_request", "last_day", ""),
    )
)
_PUNCHES: Final = text("SELECT purge_punches(:limit, :held)").bindparams(_IDS)
_OLD_FILE: Final = "(month + interval '1 month') AT TIME ZONE 'UTC' <= :limit"
_ARCHIVE: Final = (
    text(
        "UPDATE place SET punches = place.punches - gone.rows FROM"  # noqa: S608
        f" (SELECT place_id, sum(rows) AS rows FROM archive_file WHERE {_OLD_FILE} GROUP BY place_id) gone"
        " WHERE gone.place_id = place.place_id"
    ),
    text(f"DELETE FROM archived_punch USING archive_file f WHERE f.file_id = archived_punch.file_id AND {_OLD_FILE}"),  # noqa: S608
    text(f"DELETE FROM archive_file WHERE {_OLD_FILE}"),  # noqa: S608
)
_ARCHIVE_KEYS: Final = text(
    "DELETE FROM archive_key k WHERE NOT EXISTS (SELECT FROM archive_file f WHERE f.place_id = k.place_id)"
    " RETURNING k.place_id, k.subject"
)
"""Archived files go whole, and while nobody is held; keys go with the last file of their place."""
_NO_HOURS: Final = " AND ".join(
    f"NOT EXISTS (SELECT FROM {table} r WHERE r.person_id = e.person_id)"
    for table in ("workday", "adjustment", "correction", "regularisation", "leave_request")
)
_LEAVERS: Final = text(
    f"DELETE FROM employee e WHERE employed_to < :day AND person_id <> ALL (:held) AND {_NO_HOURS}"  # noqa: S608
    " RETURNING e.person_id"
).bindparams(_IDS)
_UNSEEN: Final = text(
    "SELECT p.subject FROM person p WHERE p.last_punch < :limit"
    " AND NOT EXISTS (SELECT FROM pin_holding h WHERE h.subject = p.subject)"
)
_TOKENS: Final = text("DELETE FROM refresh_token WHERE expires_at < :limit")
_PINS: Final = text(
    "SELECT DISTINCT subject FROM pin_holding WHERE place_id = :place AND person_id = ANY (:held)"
).bindparams(_IDS)
_LEFT: Final = text(
    """
    SELECT h.subject FROM pin_holding h JOIN employee e USING (tenant_id, person_id) WHERE h.place_id = :place
    GROUP BY h.subject HAVING max(least(coalesce(e.employed_to, 'infinity'), coalesce(h.valid_to, 'infinity'))) < :today
    """
)


@dataclass(frozen=True, slots=True)
class Held:
    """Whom holds of a day are about."""

    everybody: bool
    people: tuple[UUID, ...]


async def policies(connection: AsyncConnection) -> list[RetentionPolicy]:
    """All there ever were, oldest first."""
    rows = await connection.execute(select(retention_policy).order_by(retention_policy.c.number))
    return [RetentionPolicy.model_validate(row.body) for row in await opened(connection, POLICY, rows)]


async def add_policy(connection: AsyncConnection, tenant: TenantId, policy: RetentionPolicy) -> None:
    """Keep the next policy."""
    row = {"tenant_id": tenant, "number": policy.number, "body": policy.model_dump(mode="json")}
    await connection.execute(insert(retention_policy), await sealed(connection, POLICY, [row]))


async def people_of(connection: AsyncConnection, hold: Hold) -> tuple[UUID, ...]:
    """Whom a hold for a person or a department is about; whoever joins the department is in it."""
    if hold.scope == "person":
        found = (await directory.look(connection)).with_number(hold.who)
        return () if found is None else (found,)
    query = select(employee.c.person_id)
    query = query.where(employee.c.department_id.in_(await register.below(connection, hold.who)))
    return tuple((await connection.execute(query)).scalars())


async def held(connection: AsyncConnection, day: date) -> Held:
    """Who is held on a day."""
    active = [one for one in await holds.every(connection) if one.is_in_force(day)]
    people: set[UUID] = set()
    for one in active:
        if one.scope != "everybody":
            people |= set(await people_of(connection, one))
    return Held(any(one.scope == "everybody" for one in active), tuple(people))


async def purge(connection: AsyncConnection, now: datetime) -> int:
    """Delete what is older than the policy of today lets it be, holds excepted; how many rows."""
    policy, held_now = in_force(await policies(connection), now.date()), await held(connection, now.date())
    if policy is None or held_now.everybody:
        return 0
    people, gone = list(held_now.people), 0
    if (limit := too_old(policy, "attendance", now)) is not None:
        for statement in _ATTENDANCE:
            gone += (await connection.execute(statement, {"day": limit.date(), "held": people})).rowcount
        gone += (await connection.execute(_PUNCHES, {"limit": limit, "held": people})).scalar_one()
        if not people:
            for statement in _ARCHIVE:
                await connection.execute(statement, {"limit": limit} if ":limit" in str(statement) else {})
            rows = (await connection.execute(_ARCHIVE_KEYS)).all()
            await key_endings.end(connection, [archived_at(row.place_id, row.subject.hex()) for row in rows])
    if (limit := too_old(policy, "identity", now)) is not None:
        gone += await _forget_people(connection, limit, people)
    if (limit := too_old(policy, "account", now)) is not None:
        gone += (await connection.execute(_TOKENS, {"limit": limit})).rowcount
    return gone


async def _forget_people(connection: AsyncConnection, limit: datetime, held_ones: list[UUID]) -> int:
    """Whoever left, and whoever no terminal has seen since: their names, and their PINs once nothing is about them."""
    leavers = (await connection.execute(_LEAVERS, {"day": limit.date(), "held": held_ones})).scalars().all()
    await key_endings.end(connection, [owner_of_person(str(one)) for one in leavers])
    unseen = [bytes(one) for one in (await connection.execute(_UNSEEN, {"limit": limit})).scalars()]
    gone = len(leavers)
    for table in (enrolment, person):
        gone += (await connection.execute(delete(table).where(table.c.subject.in_(unseen)))).rowcount
    if leavers:
        await directory.change(connection, removes=True)
    await subjects.unname(connection, unseen)
    await subjects.forget(connection, await subjects.unused(connection))
    return gone


def purged_before(kept: Sequence[RetentionPolicy], now: datetime) -> datetime | None:
    """Before when any policy that was in force until now let hours go; None when none did."""
    limits = [too_old(one, "attendance", now) for one in kept if one.valid_from <= now.date()]
    return max((limit for limit in limits if limit is not None), default=None)


async def orders(connection: AsyncConnection, place: PlaceId, today: date) -> PrivacyOrders:
    """What a place has to know of all this."""
    told = []
    for one in await holds.every(connection):
        if one.ended_at is None:
            people = await people_of(connection, one) if one.scope != "everybody" else ()
            rows = await subjects.told(connection, _PINS, {"place": place, "held": list(people)})
            told.append(PlaceHold(hold=one, pins=None if one.scope == "everybody" else sorted(row.pin for row in rows)))
    erase = await erasures.orders(connection, place)
    left = await subjects.told(connection, _LEFT, {"place": place, "today": today})
    pins = sorted(row.pin for row in left)
    return PrivacyOrders(policies=await policies(connection), holds=told, left=pins, erase=erase)
