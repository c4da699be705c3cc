"""Queries of what terminals know: PINs with names, and their enrolments."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, exists, func, or_, select, text, tuple_
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import DateTime, Integer, Text

from biometric_flow.gateway.store.hours_tables import pin_holding
from biometric_flow.gateway.store.tables import enrolment, person
from biometric_flow.ledger.events import PersonEnrolled
from biometric_flow.model.ids import PlaceId, TenantId
from biometric_flow.model.punch import Punch

_instants = ARRAY(DateTime(timezone=True))

_TOUCHED = text(
    """
    INSERT INTO person (tenant_id, place_id, pin, name, last_punch)
    SELECT :tenant, :place, pin, '', last FROM unnest(:pins, :lasts) AS given (pin, last) ORDER BY pin
    ON CONFLICT (tenant_id, place_id, pin) DO UPDATE SET last_punch = excluded.last_punch
    WHERE person.last_punch IS NULL OR person.last_punch < excluded.last_punch
    """
).bindparams(bindparam("pins", type_=ARRAY(Text)), bindparam("lasts", type_=_instants))

_NAMED = text(
    """
    INSERT INTO person (tenant_id, place_id, pin, name)
    SELECT :tenant, :place, pin, name FROM unnest(:pins, :names) AS given (pin, name) ORDER BY pin
    ON CONFLICT (tenant_id, place_id, pin) DO UPDATE SET name = excluded.name
    WHERE excluded.name <> '' AND person.name <> excluded.name
    """
).bindparams(bindparam("pins", type_=ARRAY(Text)), bindparam("names", type_=ARRAY(Text)))

_ENROLLED = text(
    """
    INSERT INTO enrolment (tenant_id, place_id, pin, terminal, uid, privilege, seen_at)
    SELECT :tenant, :place, * FROM unnest(:pins, :terminals, :uids, :privileges, :seen)
    ON CONFLICT (tenant_id, place_id, pin, terminal)
    DO UPDATE SET uid = excluded.uid, privilege = excluded.privilege, seen_at = excluded.seen_at
    """
).bindparams(
    bindparam("pins", type_=ARRAY(Text)),
    bindparam("terminals", type_=ARRAY(Text)),
    bindparam("uids", type_=ARRAY(Integer)),
    bindparam("privileges", type_=ARRAY(Integer)),
    bindparam("seen", type_=_instants),
)


async def touched(connection: AsyncConnection, tenant: TenantId, place_id: PlaceId, punches: Sequence[Punch]) -> None:
    """Whoever punches is known from then on, and when they last did."""
    lasts: dict[str, datetime] = {}
    for punch in punches:
        lasts[punch.pin] = max(punch.instant, lasts.get(punch.pin, punch.instant))
    given = {"pins": list(lasts), "lasts": list(lasts.values())}
    await connection.execute(_TOUCHED, {"tenant": tenant, "place": place_id, **given})


async def enrolled(
    connection: AsyncConnection, tenant: TenantId, place_id: PlaceId, events: Sequence[PersonEnrolled]
) -> None:
    """Keep what terminals know of people; the newest word counts."""
    names: dict[str, str] = {}
    newest: dict[tuple[str, str], PersonEnrolled] = {}
    for event in events:
        names[event.pin] = event.name or names.get(event.pin, "")
        newest[event.pin, event.terminal] = event
    who = {"tenant": tenant, "place": place_id}
    await connection.execute(_NAMED, {**who, "pins": list(names), "names": list(names.values())})
    rows = list(newest.values())
    columns = {
        "pins": [event.pin for event in rows],
        "terminals": [event.terminal for event in rows],
        "uids": [event.uid for event in rows],
        "privileges": [event.privilege for event in rows],
        "seen": [event.seen_at for event in rows],
    }
    await connection.execute(_ENROLLED, {**who, **columns})


async def page(
    connection: AsyncConnection,
    search: str | None,
    place_id: str | None,
    after: tuple[str, str] | None,
    limit: int,
    *,
    unheld: bool = False,
) -> Sequence[Row[Any]]:
    """PINs by place, with the terminals that know them; `unheld` ones only that no person holds on any day.

    `search` is a part of the name or of the PIN.
    """
    terminals = (
        select(enrolment.c.terminal)
        .where(
            enrolment.c.tenant_id == person.c.tenant_id,
            enrolment.c.place_id == person.c.place_id,
            enrolment.c.pin == person.c.pin,
        )
        .order_by(enrolment.c.terminal)
        .correlate(person)
    )
    query = select(person, func.array(terminals.scalar_subquery()).label("terminals"))
    if search:
        query = query.where(
            or_(person.c.name.icontains(search, autoescape=True), person.c.pin.contains(search, autoescape=True))
        )
    if place_id is not None:
        query = query.where(person.c.place_id == place_id)
    if unheld:
        held = exists().where(
            pin_holding.c.tenant_id == person.c.tenant_id,
            pin_holding.c.place_id == person.c.place_id,
            pin_holding.c.pin == person.c.pin,
        )
        query = query.where(~held)
    if after is not None:
        query = query.where(tuple_(person.c.place_id, person.c.pin) > tuple_(*after))
    return (await connection.execute(query.order_by(person.c.place_id, person.c.pin).limit(limit))).all()
