"""Queries of the archive: what is cold, which files there are, keys of people in them, moving and bringing back."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, bindparam, delete, select, text
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import Text

from biometric_flow.gateway import key_endings
from biometric_flow.gateway.archive.errors import ArchiveBusy
from biometric_flow.gateway.archive.rows import Cold
from biometric_flow.gateway.store import directory, ledger, sealing, subjects
from biometric_flow.gateway.store.archive_tables import archive_file, archive_key, archived_punch
from biometric_flow.gateway.store.hours_tables import pin_holding
from biometric_flow.gateway.store.punch_ids import Named, stored
from biometric_flow.gateway.store.subjects import Told
from biometric_flow.gateway.store.tables import punch
from biometric_flow.identity.envelope import KeyId, SealingKey
from biometric_flow.identity.keyring import KeyKind, archived_at
from biometric_flow.ledger.chain import SealedEntry
from biometric_flow.ledger.events import PunchRecorded, decode
from biometric_flow.model.ids import PlaceId, PunchId, TenantId

FILE_ROWS: Final = 50_000
"""Punches in one file; moving so many ends well within a transaction's time."""


@dataclass(frozen=True, slots=True)
class ColdPunch:
    """What a correction has to know of a punch."""

    place_id: str
    pin: str
    instant: datetime
    state: int


_FIELDS: Final = tuple(one.name for one in fields(Cold))
_MONTHS: Final = text(
    """
    SELECT DISTINCT place_id, date_trunc('month', instant AT TIME ZONE 'UTC')::date AS month FROM punch
    WHERE instant < CAST(:before AS date) AT TIME ZONE 'UTC' ORDER BY month, place_id
    """
)
_COLD: Final = text(
    """
    SELECT p.place_id AS place, p.sequence, p.position, p.terminal, p.local_time, p.instant, p.state, p.verify,
        p.work_code, p.drift_ms, p.received_at, p.channel, e.leaf, e.hash, p.subject, p.punch_id, e.record, e.opening
    FROM punch p JOIN ledger_entry e ON e.tenant_id = p.tenant_id AND e.place_id = p.place_id
        AND e.sequence = p.sequence
    WHERE p.place_id = :place AND p.instant >= CAST(:month AS date) AT TIME ZONE 'UTC'
        AND p.instant < (CAST(:month AS date) + interval '1 month') AT TIME ZONE 'UTC'
    ORDER BY p.position LIMIT :limit
    """
)
_NAMES: Final = text(
    """
    SELECT given.place_id, given.terminal, place.zone, coalesce((SELECT t.name FROM terminal_status t
        WHERE t.serial = given.terminal AND t.place_id = given.place_id LIMIT 1), '') AS terminal_name
    FROM unnest(:places, :terminals) AS given (place_id, terminal) JOIN place ON place.place_id = given.place_id
    """
).bindparams(*(bindparam(name, type_=ARRAY(Text)) for name in ("places", "terminals")))


async def months(connection: AsyncConnection, before: date) -> list[tuple[PlaceId, date]]:
    """Places and months that have hot punches of before a day; whole months when that is the first of one."""
    rows = await connection.execute(_MONTHS, {"before": before})
    return [(PlaceId(row.place_id), row.month) for row in rows]


async def cold(connection: AsyncConnection, place: PlaceId, month: date) -> list[Cold]:
    """The first punches of a place's month that fit into a file, by position."""
    rows = await subjects.told(connection, _COLD, {"place": place, "month": month, "limit": FILE_ROWS})
    given = [{name: _plain(getattr(row, name)) for name in _FIELDS} for row in rows]
    held = [SealedEntry(row["sequence"], row["leaf"], row["hash"], row["record"], b"") for row in given]
    at = [ledger.binding(place, row.sequence) for row in held]
    for row, entry in zip(given, await sealing.opened_entries(connection, held, at), strict=True):
        row |= {"record": entry.record, "opening": entry.opening}
    told = [_identity(row["record"]) for row in given]
    named = [Named(place, bytes(row.subject), one) for row, one in zip(rows, told, strict=True)]
    for row, identity, as_stored in zip(given, told, await stored(connection, named), strict=True):
        if row["punch_id"] == as_stored:  # else it stays what it is, which is not what its record says
            row["punch_id"] = identity
    return [Cold(**row) for row in given]


def _identity(record: bytes) -> PunchId:
    event = decode(record) if record else None
    return event.punch.id if isinstance(event, PunchRecorded) else PunchId(b"")


async def ensure_keys(connection: AsyncConnection, tenant: TenantId, place: PlaceId, pins: Iterable[str]) -> None:
    """A key for each of these people of a place, in the key store; its id is the subject's. Raises ArchiveBusy."""
    if await key_endings.are_under_way(connection, KeyKind.ARCHIVE):
        raise ArchiveBusy("keys of archived people and files are being destroyed; try again in a few seconds")
    known = await subjects.ensure(connection, [(place, pin) for pin in pins])
    await sealing.prepare(connection, [archived_at(place, one.hex()) for one in known.values()])
    fresh = [{"tenant_id": tenant, "place_id": place, "subject": one} for one in sorted(known.values())]
    await connection.execute(insert(archive_key).values(fresh).on_conflict_do_nothing())


async def keys(connection: AsyncConnection, place: str, pin: str | None = None) -> dict[str, SealingKey]:
    """Keys of a place's people by PIN; of one alone when a PIN is given."""
    query = select(archive_key).where(archive_key.c.place_id == place)
    if pin is not None:
        query = query.where(archive_key.c.subject.in_((await directory.look(connection)).with_pin(pin, place)))
    owners = {
        row.pin: (KeyId(bytes(row.subject)), archived_at(place, row.subject.hex()))
        for row in await subjects.told(connection, query)
    }
    store = sealing.keys_of(connection)

    def found() -> dict[str, SealingKey]:
        store.load(owner for _, owner in owners.values())
        return {of: SealingKey(key, store.secret(owner)) for of, (key, owner) in owners.items()}

    return await asyncio.to_thread(found)


async def files(connection: AsyncConnection, place: str | None = None) -> Sequence[Row[Any]]:
    """All files, by place and month."""
    query = select(archive_file).order_by(archive_file.c.place_id, archive_file.c.month, archive_file.c.first_position)
    if place is not None:
        query = query.where(archive_file.c.place_id == place)
    return (await connection.execute(query)).all()


async def move(connection: AsyncConnection, **row: Any) -> None:
    """Register a file and take what it holds out of the hot table, all or nothing within the transaction."""
    await connection.execute(insert(archive_file).values(**row))
    await connection.execute(text("SELECT move_to_archive(:file)"), {"file": row["file_id"]})


async def bring_back(connection: AsyncConnection, tenant: TenantId, file_id: str, rows: Sequence[Cold]) -> None:
    """Make a file's punches hot again and forget the file, within the transaction."""
    await connection.execute(delete(archived_punch).where(archived_punch.c.file_id == file_id))
    await connection.execute(delete(archive_file).where(archive_file.c.file_id == file_id))
    names = [column.name for column in punch.c if column.name not in ("tenant_id", "place_id", "subject", "punch_id")]
    known = await subjects.ensure(connection, [(row.place, row.pin) for row in rows])
    named = [Named(row.place, known[row.place, row.pin], PunchId(row.punch_id)) for row in rows]
    values = [
        {"tenant_id": tenant, "place_id": row.place, "subject": known[row.place, row.pin], "punch_id": as_stored}
        | {name: getattr(row, name) for name in names}
        for row, as_stored in zip(rows, await stored(connection, named), strict=True)
    ]
    if values:
        await connection.execute(punch.insert(), values)


async def names(connection: AsyncConnection, wanted: set[tuple[str, str]]) -> dict[tuple[str, str], Row[Any]]:
    """Zone and terminal's name by place and serial number."""
    listed = sorted(wanted)
    given = {key: [one[number] for one in listed] for number, key in enumerate(("places", "terminals"))}
    rows = await connection.execute(_NAMES, given)
    return {(row.place_id, row.terminal): row for row in rows}


async def holdings(connection: AsyncConnection, person: UUID) -> list[Told]:
    """Which PINs a person held where and when."""
    return await subjects.told(connection, select(pin_holding).where(pin_holding.c.person_id == person))


async def cold_punch_of(connection: AsyncConnection, person: UUID, punch_id: bytes) -> ColdPunch | None:
    """An archived punch of this person, out of its entry in the ledger; None for one that is not theirs."""
    query = text(
        "SELECT e.place_id, e.sequence, e.record FROM archived_punch a"
        " JOIN ledger_entry e USING (tenant_id, place_id, sequence) WHERE a.punch_id = :punch"
    )
    row = (await connection.execute(query, {"punch": punch_id})).one_or_none()
    if row is None or not row.record:
        return None
    keys = sealing.keys_of(connection)
    event = decode(ledger.opened_record(keys, row.place_id, row.sequence, bytes(row.record)))
    if not isinstance(event, PunchRecorded):
        return None
    one = event.punch
    for held in await holdings(connection, person):
        day = one.local_time.date()
        is_held = held.valid_from <= day and (held.valid_to is None or day <= held.valid_to)
        is_there = not held.terminals or one.terminal in held.terminals
        if (held.place_id, held.pin) == (row.place_id, one.pin) and is_held and is_there:
            return ColdPunch(row.place_id, one.pin, one.instant, one.state)
    return None


def month_after(month: date) -> date:
    """The first of the next month."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def first_cold_day(now: datetime, months_kept: int) -> date:
    """The day before which punches are cold: the first of the month so many months ago."""
    total = now.year * 12 + now.month - 1 - months_kept
    return date(total // 12, total % 12 + 1, 1)


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value
