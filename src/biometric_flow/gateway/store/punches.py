"""Queries of punches: insert in feed order, pages, counts, the feed after a position."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import eq, ge, lt
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import BigInteger, DateTime, Integer, Text

from biometric_flow.gateway.store import directory, punch_ids, subjects
from biometric_flow.gateway.store.subjects import Told
from biometric_flow.gateway.store.tables import place, punch, tenant, terminal_status
from biometric_flow.model.ids import PlaceId, TenantId
from biometric_flow.model.punch import Punch

_COLUMNS: dict[str, Any] = {
    "punch_id": BYTEA,
    "terminal": Text,
    "subject": BYTEA,
    "local_time": DateTime(timezone=False),
    "instant": DateTime(timezone=True),
    "state": Integer,
    "verify": Integer,
    "work_code": BigInteger,
    "drift_ms": BigInteger,
    "received_at": DateTime(timezone=True),
    "channel": Text,
    "sequence": BigInteger,
}
_NAMES = ", ".join(_COLUMNS)
_INSERT = text(
    f"""
    INSERT INTO punch (tenant_id, place_id, {_NAMES}, position)
    SELECT :tenant, :place, {_NAMES}, :base + number
    FROM unnest({", ".join(f":{name}" for name in _COLUMNS)}) WITH ORDINALITY AS given ({_NAMES}, number)
    WHERE NOT EXISTS (SELECT FROM archived_punch WHERE archived_punch.punch_id = given.punch_id)
    ON CONFLICT DO NOTHING
    """  # noqa: S608 - the names are the constants above
).bindparams(*(bindparam(name, type_=ARRAY(kind)) for name, kind in _COLUMNS.items()))
_TOLD_AGAIN = text(
    "INSERT INTO told_again SELECT :tenant, :place, sequence FROM unnest(:sequences) AS given (sequence)"
    " ON CONFLICT DO NOTHING"
).bindparams(bindparam("sequences", type_=ARRAY(BigInteger)))


@dataclass(frozen=True, slots=True)
class PunchFilter:
    """Which punches; what is None does not restrict. Ends are exclusive."""

    place: str | None = None
    terminal: str | None = None
    pin: str | None = None
    instant_from: datetime | None = None
    instant_to: datetime | None = None
    local_from: datetime | None = None
    local_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class After:
    """Where a page begins: behind the punch with this instant and position."""

    instant: datetime
    position: int


async def insert(
    connection: AsyncConnection,
    owner: TenantId,
    place_id: PlaceId,
    new: Sequence[Punch],
    sequences: Sequence[int],
    known: Mapping[tuple[str, str], bytes],
) -> int:
    """Store punches of known subjects with their ledger sequences, number them in the feed, and say how many were new.

    Touches that are there change nothing; where another place told them, it is kept that this one did as well.
    The feed counter's row stays locked until the commit, so positions become visible in their order, and nobody else
    looks for touches or stores some meanwhile.
    """
    counted = (
        update(tenant)
        .where(tenant.c.tenant_id == owner)
        .values(feed_position=tenant.c.feed_position + len(new))
        .returning(tenant.c.feed_position)
    )
    base = (await connection.execute(counted)).scalar_one() - len(new)
    await punch_ids.meet(connection, place_id, {one.terminal for one in new})
    told = await punch_ids.told_elsewhere(connection, place_id, new)
    again = [at for one, at in zip(new, sequences, strict=True) if one.id in told]
    sequences = [at for one, at in zip(new, sequences, strict=True) if one.id not in told]
    new = [one for one in new if one.id not in told]
    named = [punch_ids.Named(place_id, known[place_id, one.pin], one.id) for one in new]
    columns: dict[str, list[Any]] = {
        "punch_id": await punch_ids.stored(connection, named),
        "terminal": [one.terminal for one in new],
        "subject": [known[place_id, one.pin] for one in new],
        "local_time": [one.local_time for one in new],
        "instant": [one.instant for one in new],
        "state": [one.state for one in new],
        "verify": [one.verify for one in new],
        "work_code": [one.work_code for one in new],
        "drift_ms": [None if one.drift is None else round(one.drift.total_seconds() * 1000) for one in new],
        "received_at": [one.received_at for one in new],
        "channel": [str(one.channel) for one in new],
        "sequence": sequences,
    }
    done = await connection.execute(_INSERT, {"tenant": owner, "place": place_id, "base": base, **columns})
    stored: int = done.rowcount
    if again:
        await connection.execute(_TOLD_AGAIN, {"tenant": owner, "place": place_id, "sequences": again})
    await connection.execute(update(place).where(place.c.place_id == place_id).values(punches=place.c.punches + stored))
    return stored


async def derived(connection: AsyncConnection, place_id: PlaceId, after: int, until: int) -> dict[int, tuple[Any, ...]]:
    """What people see of entries behind a position: by sequence, each as `shown_as` makes it."""
    query = text(
        f"SELECT {_NAMES} FROM punch WHERE place_id = :place AND sequence > :after AND sequence <= :until"  # noqa: S608
    )
    rows = (await connection.execute(query, {"place": place_id, "after": after, "until": until})).all()
    known = await directory.look(connection)
    return {
        row.sequence: (bytes(row.punch_id), row.terminal, known.pin(bytes(row.subject)), *row[3:-1]) for row in rows
    }


def shown_as(one: Punch, as_stored: bytes | None) -> tuple[Any, ...]:
    """The values of a punch as its row has them; without a subject it has none."""
    drift = None if one.drift is None else round(one.drift.total_seconds() * 1000)
    where = (as_stored, one.terminal, one.pin, one.local_time, one.instant, one.state, one.verify, one.work_code)
    return (*where, drift, one.received_at, str(one.channel))


async def page(
    connection: AsyncConnection, wanted: PunchFilter, after: After | None, limit: int, *, newest_first: bool
) -> list[Told]:
    """Punches with names, by instant and position, from behind `after`."""
    key = tuple_(punch.c.instant, punch.c.position)
    query = _shown().where(*await _conditions(connection, wanted))
    if after is not None:
        mark = tuple_(after.instant, after.position)
        query = query.where(key < mark if newest_first else key > mark)
    order = (punch.c.instant.desc(), punch.c.position.desc()) if newest_first else (punch.c.instant, punch.c.position)
    return await subjects.told(connection, query.order_by(*order).limit(limit))


async def counts(connection: AsyncConnection, wanted: PunchFilter) -> dict[str, int]:
    """How many punches match, by place; places without one are left out."""
    conditions = await _conditions(connection, wanted)
    query = select(punch.c.place_id, func.count().label("matching")).where(*conditions).group_by(punch.c.place_id)
    return {row.place_id: row.matching for row in await connection.execute(query)}


async def feed(connection: AsyncConnection, after: int, limit: int) -> list[Told]:
    """Punches with names after a position of the tenant's feed, in its order."""
    query = _shown().where(punch.c.position > after).order_by(punch.c.position).limit(limit)
    return await subjects.told(connection, query)


async def feed_end(connection: AsyncConnection, owner: TenantId) -> int:
    """The last position of the tenant's feed, 0 when it has none."""
    query = select(tenant.c.feed_position).where(tenant.c.tenant_id == owner)
    return (await connection.execute(query)).scalar_one_or_none() or 0


def _shown() -> Select[Any]:
    terminal_name = (
        select(terminal_status.c.name)
        .where(
            terminal_status.c.tenant_id == punch.c.tenant_id,
            terminal_status.c.serial == punch.c.terminal,
            terminal_status.c.place_id == punch.c.place_id,
        )
        .limit(1)
        .scalar_subquery()
    )
    of_place = and_(place.c.tenant_id == punch.c.tenant_id, place.c.place_id == punch.c.place_id)
    return select(punch, place.c.zone, func.coalesce(terminal_name, "").label("terminal_name")).join(place, of_place)


async def _conditions(connection: AsyncConnection, wanted: PunchFilter) -> list[ColumnElement[bool]]:
    given: list[tuple[Any, Callable[[Any, Any], Any], ColumnElement[Any]]] = [
        (wanted.place, eq, punch.c.place_id),
        (wanted.terminal, eq, punch.c.terminal),
        (wanted.instant_from, ge, punch.c.instant),
        (wanted.instant_to, lt, punch.c.instant),
        (wanted.local_from, ge, punch.c.local_time),
        (wanted.local_to, lt, punch.c.local_time),
    ]
    conditions = [compare(column, value) for value, compare, column in given if value is not None]
    if wanted.pin is not None:
        theirs = (await directory.look(connection)).with_pin(wanted.pin, wanted.place)
        conditions.append(punch.c.subject.in_(theirs))
    return conditions
