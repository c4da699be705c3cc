"""Queries of erasures: who is to go, what goes, and what the places still have to do."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, bindparam, delete, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import BigInteger

from biometric_flow.api.retention import PlaceErasure
from biometric_flow.gateway import key_endings
from biometric_flow.gateway.erasure_register import MARK_BYTES, ErasureTold, Marks
from biometric_flow.gateway.store import directory, holds, ledger, sealing, subjects, told_again
from biometric_flow.gateway.store import places as place_rows
from biometric_flow.gateway.store.archive_tables import archive_key, archived_punch
from biometric_flow.gateway.store.hours_tables import employee, pin_holding
from biometric_flow.gateway.store.privacy_tables import consent, erasure, erasure_order
from biometric_flow.gateway.store.tables import enrolment, person
from biometric_flow.gateway.store.words import ERASURE, Said, apart_from, opened, sealed
from biometric_flow.identity.envelope import KeyId
from biometric_flow.identity.keyring import KeyKind, Owner, archived_at, subject_at
from biometric_flow.identity.keyring import person as owner_of_person
from biometric_flow.ledger.events import decode
from biometric_flow.model.ids import PlaceId, TenantId

OF_PERSON: Final = (
    "correction", "workday", "workday_due", "workday_recheck", "adjustment", "leave_request", "regularisation"
)  # fmt: skip
"""Tables whose rows go with their person, by `person_id`; the register of people comes last."""

AGAIN_BY: Final = "restore"
AGAIN_REASON: Final = "erased before, and brought back by a backup"

_LAST: Final = text(
    "SELECT max(at) FROM (SELECT p.instant AS at FROM pin_holding h JOIN punch p ON p.subject = h.subject"
    " AND p.local_time::date >= h.valid_from"
    " AND (h.valid_to IS NULL OR p.local_time::date <= h.valid_to) WHERE h.person_id = :person"
    # What is archived is not asked again: where there is an archive, what the place's list of people says counts.
    " UNION ALL SELECT n.last_punch FROM pin_holding h JOIN person n ON n.subject = h.subject"
    " WHERE h.person_id = :person AND EXISTS (SELECT FROM archive_file a WHERE a.place_id = h.place_id)) known"
)
_SHARED: Final = text(
    "SELECT mine.place_id FROM pin_holding mine JOIN pin_holding other USING (tenant_id, subject)"
    " WHERE mine.person_id = :person AND other.person_id <> :person LIMIT 1"
)
_PUNCHES: Final = text("SELECT erase_punches(:place, :subject)")
_SEALED_BY: Final = text(
    "SELECT DISTINCT substring(record FROM 3 FOR 16) AS key FROM ledger_entry WHERE place_id = :place AND record <> ''"
)
_ABOUT: Final = text(
    "SELECT sequence, record FROM ledger_entry WHERE place_id = :place"
    " AND substring(record FROM 3 FOR 16) = ANY (:keys)"
).bindparams(bindparam("keys", type_=ARRAY(BYTEA)))
_FORGET: Final = text("SELECT forget_records(:place, :entries)").bindparams(
    bindparam("entries", type_=ARRAY(BigInteger))
)


async def last_punch(connection: AsyncConnection, person_id: UUID) -> datetime | None:
    """When a person last punched."""
    moment: datetime | None = (await connection.execute(_LAST, {"person": person_id})).scalar_one()
    return moment


async def shared_pin(connection: AsyncConnection, person_id: UUID) -> str | None:
    """A place where somebody else holds or held a PIN of theirs as well; None for no such."""
    found: str | None = (await connection.execute(_SHARED, {"person": person_id})).scalar_one_or_none()
    return found


async def put(
    connection: AsyncConnection,
    tenant: TenantId,
    key: bytes,
    person_id: UUID | None,
    by: str,
    reason: str,
    now: datetime,
) -> None:
    """Keep that an erasure was asked for."""
    row = {
        "tenant_id": tenant, "erasure_id": key, "person_id": person_id, "decided_by": by, "reason": reason,
        "asked_at": now,
    }  # fmt: skip
    await connection.execute(insert(erasure), await sealed(connection, ERASURE, [row]))


async def of_person(connection: AsyncConnection, person_id: UUID) -> bytes | None:
    """The erasure of this person that waits."""
    query = select(erasure.c.erasure_id).where(erasure.c.person_id == person_id)
    return (await connection.execute(query)).scalar_one_or_none()


async def waiting(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """Erasures that have not begun, of people who are still in the register."""
    query = select(*apart_from(ERASURE, erasure)).join(employee, employee.c.person_id == erasure.c.person_id)
    return (await connection.execute(query.where(erasure.c.begun_at.is_(None)).order_by(erasure.c.asked_at))).all()


async def every(connection: AsyncConnection, limit: int) -> list[Said]:
    """All erasures, newest first."""
    query = select(erasure).order_by(erasure.c.asked_at.desc()).limit(limit)
    return await opened(connection, ERASURE, await connection.execute(query))


async def get(connection: AsyncConnection, key: bytes) -> Said:
    """One erasure."""
    found = await connection.execute(select(erasure).where(erasure.c.erasure_id == key))
    [one] = await opened(connection, ERASURE, found)
    return one


async def places(connection: AsyncConnection, key: bytes) -> list[str]:
    """Places that have not carried an erasure out."""
    query = select(erasure_order.c.place_id).distinct().where(erasure_order.c.erasure_id == key)
    return sorted((await connection.execute(query)).scalars())


async def begin(
    connection: AsyncConnection, tenant: TenantId, key: bytes, person_id: UUID, marks: Marks, now: datetime
) -> None:
    """Delete what the gateway itself holds of a person, and order the places to do the same."""
    held = select(pin_holding.c.place_id, pin_holding.c.subject).distinct().where(pin_holding.c.person_id == person_id)
    whose = [(row.place_id, row.subject) for row in (await connection.execute(held)).all()]
    known_by = [marks.of_person(person_id), *(marks.of_subject(subject) for _, subject in whose)]
    await _go(connection, ErasureTold(tenant, key, now, frozenset(known_by)), [person_id], whose, now)


async def begun(connection: AsyncConnection, tenant: TenantId) -> list[ErasureTold]:
    """All erasures that have begun, as the register beside the backups keeps them."""
    rows = (await connection.execute(select(erasure).where(erasure.c.begun_at.is_not(None)))).all()
    return [
        ErasureTold(
            tenant,
            row.erasure_id,
            row.begun_at,
            frozenset(row.marks[at : at + MARK_BYTES] for at in range(0, len(row.marks), MARK_BYTES)),
        )
        for row in rows
        if row.marks
    ]


async def not_begun(connection: AsyncConnection, told: Sequence[ErasureTold]) -> list[ErasureTold]:
    """Those that this database knows nothing of, or not yet that they began."""
    query = select(erasure.c.erasure_id).where(erasure.c.begun_at.is_not(None))
    known = set((await connection.execute(query)).scalars())
    return [one for one in told if one.erasure not in known]


async def begin_again(connection: AsyncConnection, told: ErasureTold, marks: Marks, now: datetime) -> bool:
    """Begin one of `not_begun`; was anything of the person here?

    What an older copy holds of their PINs is theirs: a PIN that two people held is not erased in the first place.
    """
    waits = select(erasure.c.erasure_id).where(erasure.c.erasure_id == told.erasure)
    if (await connection.execute(waits)).one_or_none() is None:
        await put(connection, told.tenant, told.erasure, None, AGAIN_BY, AGAIN_REASON, told.begun_at)
    people = (await connection.execute(select(employee.c.person_id))).scalars()
    mine = [one for one in people if marks.of_person(one) in told.marks]
    listed = select(person.c.place_id, person.c.subject)
    held = select(pin_holding.c.place_id, pin_holding.c.subject)
    rows = (await connection.execute(listed.union(held))).all()
    whose = [(row.place_id, row.subject) for row in rows if marks.of_subject(row.subject) in told.marks]
    await _go(connection, told, mine, whose, now)
    return bool(mine or whose)


async def _go(
    connection: AsyncConnection,
    told: ErasureTold,
    people: Sequence[UUID],
    whose: Sequence[tuple[str, bytes]],
    now: datetime,
) -> None:
    # Days under way are waited for first: whoever computes one holds the due row and then looks at the person's.
    for one in people:
        for table in ("workday_due", "employee"):
            await connection.execute(text(f"SELECT 1 FROM {table} WHERE person_id = :one FOR UPDATE"), {"one": one})  # noqa: S608
    await place_rows.lock_all(connection)
    ordered, strangers = [], []
    for place, subject in whose:
        order = {"tenant_id": told.tenant, "erasure_id": told.erasure, "place_id": place, "subject": subject}
        is_known = select(func.count()).where(person.c.subject == subject)
        if (await connection.execute(is_known)).scalar_one():
            await connection.execute(insert(erasure_order).values(order))
            ordered.append((place, subject))
        else:
            strangers.append(subject)
            await key_endings.end(connection, _owners(place, subject))
    known = await directory.look(connection)
    for place, subject in ordered:
        await _erase_subject(connection, place, subject, known.pin(subject))
    for one in people:
        for table in OF_PERSON:
            await connection.execute(text(f"DELETE FROM {table} WHERE person_id = :person"), {"person": one})  # noqa: S608
        await connection.execute(delete(employee).where(employee.c.person_id == one))
        await key_endings.end(connection, [owner_of_person(str(one))])
        await holds.unname(connection, one)
    await directory.change(connection, removes=True)
    await subjects.unname(connection, [subject for _, subject in ordered])
    await subjects.forget(connection, strangers)
    this = update(erasure).where(erasure.c.erasure_id == told.erasure)
    await connection.execute(this.values(person_id=None, begun_at=told.begun_at, marks=b"".join(sorted(told.marks))))
    await _end(connection, told.erasure, now)


async def orders(connection: AsyncConnection, place: PlaceId) -> list[PlaceErasure]:
    """Whom a place is still to erase."""
    query = (
        select(erasure_order.c.subject, erasure.c.erasure_id, erasure.c.decided_by, erasure.c.reason)
        .join(erasure, erasure.c.erasure_id == erasure_order.c.erasure_id)
        .where(erasure_order.c.place_id == place)
        .order_by(erasure.c.asked_at)
        .limit(1000)
    )
    return [
        PlaceErasure(erasure=row.erasure_id.hex(), pin=row.pin, by=row.decided_by, reason=row.reason)
        for row in await opened(connection, ERASURE, await subjects.told(connection, query))
    ]


async def carried_out(
    connection: AsyncConnection, place: PlaceId, key: bytes, now: datetime, pin: str | None = None
) -> None:
    """A place's ledger says that an erasure is done there, or the place that it knows nobody with this PIN.

    What came from the place since goes as well, and the contents of its entries about the person: their leaves stay.
    """
    mine = [erasure_order.c.erasure_id == key, erasure_order.c.place_id == place]
    if pin is not None:
        mine.append(erasure_order.c.subject.in_((await directory.look(connection)).with_pin(pin, place)))
    whose = [bytes(one) for one in (await connection.execute(select(erasure_order.c.subject).where(*mine))).scalars()]
    if whose:
        await place_rows.lock_all(connection)
    # A database that was put back may name somebody whose key is destroyed: they go all the same.
    known, entries = await directory.look(connection), 0
    for one in whose:
        await _erase_subject(connection, place, one, known.pin(one))
        entries += await _forget(connection, place, one, known.pin(one))
    if whose:
        await connection.execute(delete(erasure_order).where(*mine))
        await subjects.forget(connection, whose)
        counted = update(erasure).where(erasure.c.erasure_id == key)
        await connection.execute(counted.values(entries=erasure.c.entries + entries))
        await _end(connection, key, now)


async def _end(connection: AsyncConnection, key: bytes, now: datetime) -> None:
    if not await places(connection, key):
        await connection.execute(update(erasure).where(erasure.c.erasure_id == key).values(done_at=now))


async def _erase_subject(connection: AsyncConnection, place: str, subject: bytes, pin: str) -> None:
    gone = await told_again.of_subject(connection, place, subject)
    await connection.execute(_PUNCHES, {"place": place, "subject": subject})
    for table in (enrolment, consent, person, archive_key):
        await connection.execute(delete(table).where(table.c.place_id == place, table.c.subject == subject))
    await told_again.pass_on(connection, place, pin, gone)


async def _forget(connection: AsyncConnection, place: str, subject: bytes, pin: str) -> int:
    about = await _entries_about(connection, place, subject, pin)
    cold = (archived_punch.c.place_id == place, archived_punch.c.sequence.in_(about))
    gone = await told_again.of_archived(connection, place, about)
    await connection.execute(delete(archived_punch).where(*cold))
    await told_again.forget(connection, place, about)
    await told_again.pass_on(connection, place, pin, gone)
    forgotten: int = (await connection.execute(_FORGET, {"place": place, "entries": about})).scalar_one()
    await key_endings.end(connection, _owners(place, subject))
    return forgotten


async def _entries_about(connection: AsyncConnection, place: str, subject: bytes, pin: str) -> list[int]:
    """Entries with this PIN. Those under the keys of somebody else who is known here are not looked into.

    A key may be destroyed already, beside a database that was put back: whose it was says whom its entries are about.
    """
    keys, known = sealing.keys_of(connection), await directory.look(connection)
    used = [KeyId(bytes(row.key)) for row in await connection.execute(_SEALED_BY, {"place": place})]
    mine = subject_at(place, subject.hex())
    looked = [
        key
        for key, owner in (await asyncio.to_thread(keys.owners, used)).items()
        if owner == mine or owner.kind is not KeyKind.SUBJECT or known.subject(_subject_of(owner)) is None
    ]
    rows = (await connection.execute(_ABOUT, {"place": place, "keys": looked})).all()

    def is_about(sequence: int, envelope: bytes) -> bool:
        if keys.is_destroyed(envelope):
            return keys.owner_of(envelope) == mine
        return decode(ledger.opened_record(keys, place, sequence, envelope)).subject == pin

    def about() -> list[int]:
        return [row.sequence for row in rows if is_about(row.sequence, bytes(row.record))]

    return await asyncio.to_thread(about)


def _owners(place: str, subject: bytes) -> list[Owner]:
    return [subject_at(place, subject.hex()), archived_at(place, subject.hex())]


def _subject_of(owner: Owner) -> bytes:
    return bytes.fromhex(owner.name.rpartition("/")[2])
