"""Queries of what terminals know: PINs with names, and their enrolments."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import bindparam, exists, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import DateTime, Integer, Text

from biometric_flow.gateway.store import directory, subjects
from biometric_flow.gateway.store.hours_tables import pin_holding
from biometric_flow.gateway.store.subjects import Told
from biometric_flow.gateway.store.tables import enrolment, person
from biometric_flow.ledger.events import PersonEnrolled
from biometric_flow.model.ids import PlaceId, TenantId
from biometric_flow.model.punch import Punch

_instants = ARRAY(DateTime(timezone=True))

_TOUCHED = text(
    """
    INSERT INTO person (tenant_id, place_id, subject, last_punch)
    SELECT :tenant, :place, subject, last FROM unnest(:subjects, :lasts) AS given (subject, last) ORDER BY subject
    ON CONFLICT (tenant_id, place_id, subject) DO UPDATE SET last_punch = excluded.last_punch
    WHERE person.last_punch IS NULL OR person.last_punch < excluded.last_punch
    """
).bindparams(bindparam("subjects", type_=ARRAY(BYTEA)), bindparam("lasts", type_=_instants))

_KNOWN = text(
    """
    INSERT INTO person (tenant_id, place_id, subject)
    SELECT :tenant, :place, subject FROM unnest(:subjects) AS given (subject) ORDER BY subject
    ON CONFLICT DO NOTHING
    """
).bindparams(bindparam("subjects", type_=ARRAY(BYTEA)))

_ENROLLED = text(
    """
    INSERT INTO enrolment (tenant_id, place_id, subject, terminal, uid, privilege, seen_at)
    SELECT :tenant, :place, * FROM unnest(:subjects, :terminals, :uids, :privileges, :seen)
    ON CONFLICT (tenant_id, place_id, subject, terminal)
    DO UPDATE SET uid = excluded.uid, privilege = excluded.privilege, seen_at = excluded.seen_at
    """
).bindparams(
    bindparam("subjects", type_=ARRAY(BYTEA)),
    bindparam("terminals", type_=ARRAY(Text)),
    bindparam("uids", type_=ARRAY(Integer)),
    bindparam("privileges", type_=ARRAY(Integer)),
    bindparam("seen", type_=_instants),
)


async def met(
    connection: AsyncConnection, place_id: PlaceId, events: Sequence[PersonEnrolled], punches: Sequence[Punch]
) -> dict[tuple[str, str], bytes]:
    """The subjects of whoever is enrolled or punches at a place, with the names of the newest word."""
    names: dict[tuple[str, str], str] = {(place_id, event.pin): event.name for event in events if event.name}
    pins = [*(event.pin for event in events), *(punch.pin for punch in punches)]
    return await subjects.ensure(connection, [(place_id, pin) for pin in pins], names)


async def touched(
    connection: AsyncConnection,
    tenant: TenantId,
    place_id: PlaceId,
    punches: Sequence[Punch],
    known: Mapping[tuple[str, str], bytes],
) -> None:
    """Whoever punches is known from then on, and when they last did."""
    lasts: dict[bytes, datetime] = {}
    for punch in punches:
        one = known[place_id, punch.pin]
        lasts[one] = max(punch.instant, lasts.get(one, punch.instant))
    given = {"subjects": list(lasts), "lasts": list(lasts.values())}
    await connection.execute(_TOUCHED, {"tenant": tenant, "place": place_id, **given})


async def enrolled(
    connection: AsyncConnection,
    tenant: TenantId,
    place_id: PlaceId,
    events: Sequence[PersonEnrolled],
    known: Mapping[tuple[str, str], bytes],
) -> None:
    """Keep what terminals know of people; the newest word counts."""
    newest = {(known[place_id, event.pin], event.terminal): event for event in events}
    who = {"tenant": tenant, "place": place_id}
    await connection.execute(_KNOWN, {**who, "subjects": list({one for one, _ in newest})})
    rows = list(newest.values())
    columns = {
        "subjects": [one for one, _ in newest],
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
) -> list[Told]:
    """PINs by place, with the terminals that know them; `unheld` ones only that no person holds on any day.

    `search` is a part of the name or of the PIN.
    """
    terminals = (
        select(enrolment.c.terminal)
        .where(
            enrolment.c.tenant_id == person.c.tenant_id,
            enrolment.c.place_id == person.c.place_id,
            enrolment.c.subject == person.c.subject,
        )
        .order_by(enrolment.c.terminal)
        .correlate(person)
    )
    query = select(person, func.array(terminals.scalar_subquery()).label("terminals"))
    if unheld:
        held = exists().where(
            pin_holding.c.tenant_id == person.c.tenant_id,
            pin_holding.c.subject == person.c.subject,
        )
        query = query.where(~held)
    known = await directory.look(connection)

    async def among(some: Sequence[bytes]) -> dict[bytes, Told]:
        rows = await connection.execute(query.where(person.c.subject.in_(some)))
        return {bytes(row.subject): Told(row, known) for row in rows}

    return await directory.first(known.listed(search, place_id, after), among, limit)
