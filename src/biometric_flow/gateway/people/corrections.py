"""Approved regularisations on their way into the ledgers of places, and back by replication (security-design L4)."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.api.corrections import CorrectionOrder, RecordedCorrection
from biometric_flow.api.hours import PersonRecord
from biometric_flow.gateway.archive.across import punch_of
from biometric_flow.gateway.store import corrections, directory, punch_ids, register, requests
from biometric_flow.gateway.store.words import Said
from biometric_flow.ledger.decisions import CorrectionMade, CorrectionRefused, instant_text
from biometric_flow.model.ids import PlaceId, PunchId, TenantId

log = structlog.get_logger()

_Change = tuple[str, str, str]


async def order(connection: AsyncConnection, tenant: TenantId, rows: Sequence[Said]) -> None:
    """Have these approved regularisations recorded by the places that they are about. The register must be locked."""
    people = await register.get(connection, [row.person_id for row in rows])
    position = await corrections.last_position(connection)
    for row in rows:
        position += 1
        target, (place, pin), changes = await _about(connection, row, people[row.person_id])
        told = _row(row, tenant, position, place, pin)
        told |= {"is_withdrawal": False, "operation": row.operation, "target": target, "changes": changes}
        await corrections.add(connection, [told | {"asked_by": row.requested_by, "approved_by": row.decided_by}])


async def withdraw(
    connection: AsyncConnection, tenant: TenantId, rows: Sequence[Said], account: str, reason: str, now: datetime
) -> None:
    """Have it recorded that these approvals were taken back. The register must be locked."""
    position = await corrections.last_position(connection)
    for row in rows:
        for made in (await corrections.of(connection, [row.regularisation_id])).get(row.regularisation_id, ()):
            position += 1
            told = _row(row, tenant, position, made.place_id, made.pin)
            told |= {"is_withdrawal": True, "operation": "withdraw", "target": row.regularisation_id.hex}
            told |= {"changes": [("status", "approved", "withdrawn")], "asked_by": account, "approved_by": ""}
            await corrections.add(connection, [told | {"reason": reason, "decided_at": now}])


async def waiting(
    connection: AsyncConnection, tenant: TenantId, place: PlaceId, after: int, limit: int
) -> list[CorrectionOrder]:
    """What this place has to record, by position; what had no place before may have one now."""
    if after == 0:
        await _settle(connection, tenant)
    rows = await corrections.waiting(connection, place, after, limit)
    return [_order(row, await _told_target(connection, row)) for row in rows]


async def recorded(
    connection: AsyncConnection, place: PlaceId, made: Sequence[tuple[int, CorrectionMade | CorrectionRefused]]
) -> None:
    """These entries have arrived. One that says otherwise than what was approved counts as not recorded."""
    known = await corrections.of(connection, [UUID(bytes=event.correction) for _, event in made]) if made else {}
    for sequence, event in made:
        for row in known.get(UUID(bytes=event.correction), ()):
            if row.place_id == place and row.is_withdrawal == _is_withdrawal(event):
                if isinstance(event, CorrectionRefused):
                    await corrections.stands(connection, row.position, sequence, event.why)
                elif _says(event, _order(row, await _same_target(connection, row, event))):
                    await corrections.stands(connection, row.position, sequence)
                else:
                    log.warning("correction_differs", place=place, sequence=sequence)


def marks(rows: Sequence[Said]) -> list[RecordedCorrection]:
    """Where a regularisation stands in ledgers, as the API shows it."""
    return [
        RecordedCorrection(
            operation=row.operation, place=row.place_id, entry=row.sequence, refused=row.refused, at=row.decided_at
        )
        for row in rows
    ]


async def _settle(connection: AsyncConnection, tenant: TenantId) -> None:
    old, homeless = await corrections.unordered(connection), await corrections.homeless(connection)
    if not old and not homeless:
        return
    await register.lock(connection, tenant)
    await order(connection, tenant, await corrections.unordered(connection))
    people = await register.get(connection, [row.person_id for row in homeless])
    for row in await corrections.homeless(connection):
        place, pin = _home(people[row.person_id], row.day) if row.person_id in people else (None, "")
        if place is not None:
            await corrections.assign(connection, row.position, place, pin)


async def _about(
    connection: AsyncConnection, row: Said, person: PersonRecord
) -> tuple[str, tuple[str | None, str], list[_Change]]:
    """What a regularisation is about: target, place with PIN, and its changes with the values before."""
    if row.operation == "overtime":
        decided = await requests.approved(connection, person.id)
        others = [one for one in decided if one.operation == "overtime" and one.day == row.day]
        before = sum(one.minutes for one in others if one.regularisation_id != row.regularisation_id)
        name = f"overtime {row.day}"
        return "", _home(person, row.day), [(name, str(before), str(before + row.minutes))]
    if row.operation == "add":
        return "", _home(person, row.day), [("instant", "", _text(row.instant)), ("state", "", str(row.state))]
    target, home, (instant, state) = await _target(connection, row, person)
    for one in await requests.approved(connection, person.id):
        if one.target == row.target and one.operation == "replace" and one.number < row.number:
            instant, state = one.instant or instant, state if one.state is None else one.state
    if row.operation == "void":
        return target, home, [("instant", _text(instant), ""), ("state", str(state), "")]
    changes: list[_Change] = []
    if row.instant is not None:
        changes.append(("instant", _text(instant), _text(row.instant)))
    if row.state is not None:
        changes.append(("state", str(state), str(row.state)))
    return target, home, changes


async def _target(
    connection: AsyncConnection, row: Said, person: PersonRecord
) -> tuple[str, tuple[str | None, str], tuple[datetime | None, int | None]]:
    if len(row.target) == punch_ids.DIGITS:
        punch = await punch_of(connection, person.id, bytes.fromhex(row.target))
        if punch is None:  # the PIN went to somebody else since
            return "", _home(person, row.day), (None, None)
        return row.target, (punch.place_id, punch.pin), (punch.instant, punch.state)
    added = UUID(row.target)
    for made in (await corrections.of(connection, [added])).get(added, ()):
        values = {name: new for name, _old, new in made.changes or ()}
        instant = datetime.fromisoformat(values["instant"]) if "instant" in values else None
        return added.hex, (made.place_id, made.pin), (instant, int(values.get("state", 255)))
    return "", _home(person, row.day), (None, None)


def _home(person: PersonRecord, day: date) -> tuple[str | None, str]:
    """Where a person's hours without a punch are recorded: at their home place, else where they hold a PIN."""
    if not person.pins:
        return None, ""
    held = min(person.pins, key=lambda one: (not one.first <= day <= one.until, one.place != person.place))
    return held.place, held.pin


def _row(row: Said, tenant: TenantId, position: int, place: str | None, pin: str) -> dict[str, Any]:
    return {
        "tenant_id": tenant,
        "regularisation_id": row.regularisation_id,
        "position": position,
        "number": row.number,
        "person_id": row.person_id,
        "day": row.day,
        "place_id": place,
        "pin": pin,
        "reason": row.reason,
        "decided_at": row.decided_at,
    }


def _order(row: Said, target: str) -> CorrectionOrder:
    return CorrectionOrder(
        position=row.position,
        correction=row.regularisation_id,
        number=row.number,
        operation=row.operation,
        pin=row.pin,
        target=target,
        changes=[tuple(one) for one in row.changes or ()],
        by=row.asked_by,
        reason=row.reason,
        approved_by=row.approved_by,
        at=row.decided_at,
    )


async def _told_target(connection: AsyncConnection, row: Said) -> str:
    """The target as the place knows it: a punch by the identity that the place gave it."""
    if len(row.target) != punch_ids.DIGITS:
        return str(row.target)
    identity = await punch_ids.identity_of(connection, bytes.fromhex(row.target))
    return row.target if identity is None else identity.hex()


async def _same_target(connection: AsyncConnection, row: Said, event: CorrectionMade) -> str:
    """The target of an entry, if it is the one that was approved: its punch may be gone here since."""
    known = await directory.look(connection)
    subject = known.id_of(row.place_id, row.pin)
    if len(row.target) != punch_ids.DIGITS or subject is None:
        return str(row.target)
    told = punch_ids.Named(row.place_id, subject, PunchId(event.target))
    [as_stored] = await punch_ids.stored(connection, [told])
    return event.target.hex() if as_stored.hex() == row.target else row.target


def _is_withdrawal(event: CorrectionMade | CorrectionRefused) -> bool:
    return event.is_withdrawal if isinstance(event, CorrectionRefused) else event.operation == "withdraw"


def _says(event: CorrectionMade, wanted: CorrectionOrder) -> bool:
    """Whether an entry says what was approved."""
    body: Mapping[str, Any] = {**event.body(), "correction": event.correction.hex(), "target": event.target.hex()}
    expected = wanted.model_dump(exclude={"position"}) | {
        "correction": wanted.correction.hex,
        "changes": [list(one) for one in wanted.changes],
        "at": instant_text(wanted.at),
    }
    return {name: body[name] for name in expected} == expected


def _text(moment: datetime | None) -> str:
    return "" if moment is None else moment.astimezone(UTC).isoformat(timespec="seconds")
