"""What one account asks for and another decides: leave and regularisations (security-design A9)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.api.hours import PersonRecord, RegularisationBody
from biometric_flow.api.problems import FieldProblem
from biometric_flow.gateway.archive.across import punch_of
from biometric_flow.gateway.people.errors import DecisionMade, OwnRequest, RegularisationInvalid
from biometric_flow.gateway.people.plans import Touched
from biometric_flow.gateway.store import punch_ids, register, requests
from biometric_flow.gateway.store.words import Said
from biometric_flow.gateway.workdays.records import to_date
from biometric_flow.policy.inputs import NO_KEY
from biometric_flow.policy.zones import home_zone

MOVE_MAX: Final = timedelta(days=2)
"""How far a `replace` may move a punch: within what one overtime period sees around it."""
_NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "add": ("at",),
    "void": ("punch",),
    "replace": ("punch",),
    "overtime": ("day", "minutes"),
}
_ALLOWED: Final[Mapping[str, tuple[str, ...]]] = {
    "add": ("at", "state"),
    "void": ("punch",),
    "replace": ("punch", "at", "state"),
    "overtime": ("day", "minutes"),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A regularisation that is checked and not stored yet; its names are those of the table."""

    number: int
    regularisation_id: UUID
    person_id: UUID
    day: date
    operation: str
    target: str | None
    instant: datetime | None
    state: int | None
    minutes: int | None
    reason: str
    moved_from: date


def check_decision(rows: Sequence[Said], account: str, decision: str, *, is_revocable: bool = False) -> None:
    """Whoever asked does not decide, and only they withdraw. Raises OwnRequest or DecisionMade.

    What is revocable can still be rejected once it was approved.
    """
    for row in rows:
        is_revoked = is_revocable and row.status == "approved" and decision == "rejected"
        if row.status != "requested" and not is_revoked:
            raise DecisionMade(f"expected requests that wait for a decision, one of them is {row.status}")
        if decision == "withdrawn" and row.requested_by != account:
            raise OwnRequest("a request is withdrawn by the account that made it; reject it instead")
        if decision != "withdrawn" and row.requested_by == account:
            raise OwnRequest("expected another account than the one that asked; ask somebody else to decide")


async def ask(connection: AsyncConnection, bodies: Sequence[RegularisationBody]) -> list[Asked]:
    """Check what is asked for against people and their punches. Raises RegularisationInvalid, naming all that is wrong.

    The register must be locked: it numbers regularisations.
    """
    people = await register.get(connection, [body.person for body in bodies])
    wrong: list[FieldProblem] = []
    asked: list[Asked] = []
    number = await requests.last_number(connection)
    for index, body in enumerate(bodies):
        person = people.get(body.person)
        told = [("person", "a person who is here")] if person is None else list(_missing(body))
        if person is not None and not told:
            found = await _one(connection, body, person, number + len(asked) + 1)
            told = list(_at_work(found, person)) if isinstance(found, Asked) else [found]
            if isinstance(found, Asked):
                asked.append(found)
        wrong += [FieldProblem(field=f"items.{index}.{name}", expected=expected) for name, expected in told]
    if wrong:
        raise RegularisationInvalid(f"{wrong[0].field}: expected {wrong[0].expected}; see `errors`", wrong)
    return asked


def row_of(asked: Asked, tenant: str, account: str, now: datetime) -> dict[str, Any]:
    """What is stored of a new request."""
    names = ("number", "regularisation_id", "person_id", "day", "operation", "target", "instant", "state", "minutes")
    said = {name: getattr(asked, name) for name in (*names, "reason")}
    return {
        "tenant_id": tenant,
        **said,
        "status": "requested",
        "requested_by": account,
        "requested_at": now,
        "decision_reason": "",
    }


async def touched(connection: AsyncConnection, rows: Iterable[Any]) -> list[Touched]:
    """People and days on which these regularisations bear: where a punch was, and where it goes."""
    spans: dict[UUID, Touched] = {}
    for row in rows:
        was = getattr(row, "moved_from", None) or await _day_of_target(connection, row) or row.day
        first, last = min(was, row.day), max(was, row.day)
        before = spans.get(row.person_id, Touched(row.person_id, first, last))
        spans[row.person_id] = Touched(row.person_id, min(first, before.first), max(last, before.last))
    return list(spans.values())


async def _one(
    connection: AsyncConnection, body: RegularisationBody, person: PersonRecord, number: int
) -> Asked | tuple[str, str]:
    zone = home_zone(person.zone or "UTC")

    def day_of(moment: datetime) -> date:
        return to_date(zone.day(int(moment.timestamp()) // 60))

    was: datetime | None = None
    if body.punch is not None:
        was = await _instant_of(connection, person.id, body.punch)
        if was is None:
            return "punch", "a punch of this person, or an approved `add` for them"
        if body.at is not None and abs(body.at - was) > MOVE_MAX:
            return "at", f"a time within {MOVE_MAX.days} days of the punch; void it and add another instead"
    moment = body.at or was
    assert body.day is not None or moment is not None, "checked by _missing"
    day = body.day if moment is None or body.day is not None else day_of(moment)
    assert day is not None
    return Asked(
        number=number,
        regularisation_id=uuid4(),
        person_id=person.id,
        day=day,
        operation=body.operation,
        target=body.punch,
        instant=body.at,
        state=NO_KEY if body.operation == "add" and body.state is None else body.state,
        minutes=body.minutes,
        reason=body.reason,
        moved_from=day_of(was) if was else day,
    )


def _missing(body: RegularisationBody) -> Iterable[tuple[str, str]]:
    given = {name for name in ("punch", "at", "state", "day", "minutes") if getattr(body, name) is not None}
    for name in _NEEDED[body.operation]:
        if name not in given:
            yield name, f"what `{body.operation}` needs"
    for name in sorted(given - set(_ALLOWED[body.operation])):
        yield name, f"nothing: `{body.operation}` does not use it"
    if body.operation == "replace" and not given & {"at", "state"}:
        yield "at", "a new time or a new state"


def _at_work(asked: Asked, person: PersonRecord) -> Iterable[tuple[str, str]]:
    if asked.day < person.employed_from or (person.employed_to and asked.day > person.employed_to):
        yield "at", "a day on which the person works here"


async def _instant_of(connection: AsyncConnection, person_id: UUID, target: str) -> datetime | None:
    if len(target) == punch_ids.DIGITS:
        punch = await punch_of(connection, person_id, bytes.fromhex(target))
        return None if punch is None else punch.instant
    for row in await requests.approved(connection, person_id):
        if str(row.regularisation_id) == target and row.operation == "add":
            moment: datetime = row.instant
            return moment
    return None


async def _day_of_target(connection: AsyncConnection, row: Any) -> date | None:
    if row.target is None:
        return None
    was = await _instant_of(connection, row.person_id, row.target)
    # The day in UTC: what it may be off by is less than the days that are computed around it.
    return None if was is None else was.date()
