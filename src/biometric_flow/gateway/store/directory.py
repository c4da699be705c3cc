"""Who is who in a tenant: PINs, names and employee numbers in memory, made from the two tables that hold them (E1, E6).

All other tables name people by random ids. No index of PINs or numbers is in the database, keyed or not: the maps are
made here, and kept true by a number that every change of the directory takes from the tenant's row (ADR 140).
"""

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence, Set
from typing import Any, Final, NamedTuple, TypeVar
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.gateway.store import identities
from biometric_flow.model.ids import TenantId

REMEMBERED: Final = 500_000
"""People in memory over all tenants, about 300 bytes each; the tenants least recently asked for go first."""

STEP: Final = 10_000
KeyT = TypeVar("KeyT", bytes, UUID)
RowT = TypeVar("RowT")

_STATE: Final = text(
    "SELECT directory_version, directory_base,"
    " CAST(nullif(current_setting('app.directory', true), '') AS bigint) AS own FROM tenant"
)
_SUBJECTS: Final = text("SELECT * FROM directory_subjects(:after)")
_PEOPLE: Final = text("SELECT * FROM directory_people(:after)")
_SUBJECT_IDS: Final = text("SELECT subject FROM directory_subjects(-1)")
_PERSON_IDS: Final = text("SELECT person_id FROM directory_people(-1)")
_CHANGE: Final = text(
    """
    UPDATE tenant SET directory_version = directory_version + 1,
        directory_base = CASE WHEN :removes THEN directory_version + 1 ELSE directory_base END
    RETURNING directory_version, set_config('app.directory',
        coalesce(nullif(current_setting('app.directory', true), ''), CAST(directory_version AS text)), true)
    """
)


class Subject(NamedTuple):
    """Somebody whom the terminals of a place know by a PIN; without a name it is empty."""

    place: str
    pin: str
    name: str


class Employee(NamedTuple):
    """Somebody who works or worked here."""

    number: str
    name: str


class Directory:
    """The people of one tenant as of one version."""

    def __init__(self) -> None:
        self.version = 0
        self._subjects: dict[bytes, Subject] = {}
        self._ids: dict[tuple[str, str], bytes] = {}
        self._places: set[str] = set()
        self._people: dict[UUID, Employee] = {}
        self._numbers: dict[str, UUID] = {}
        self._listed: list[tuple[str, str, bytes]] | None = None
        self._numbered: list[tuple[str, UUID]] | None = None

    def __len__(self) -> int:
        return len(self._subjects) + len(self._people)

    def id_of(self, place: str, pin: str) -> bytes | None:
        """The subject with this PIN at a place."""
        return self._ids.get((place, pin))

    def with_pin(self, pin: str, place: str | None = None) -> list[bytes]:
        """The subjects with this PIN, at one place or at all."""
        places = self._places if place is None else (place,)
        return [found for one in places if (found := self._ids.get((one, pin))) is not None]

    def subject(self, subject: bytes) -> Subject | None:
        """Who this is; None for one who was erased."""
        return self._subjects.get(subject)

    def pin(self, subject: bytes | None) -> str:
        """The PIN of a subject that is there; empty without one."""
        found = None if subject is None else self._subjects.get(subject)
        return found.pin if found else ""

    def number_of(self, person: UUID) -> Employee | None:
        """Number and name of a person."""
        return self._people.get(person)

    def with_number(self, number: str) -> UUID | None:
        """Who has this employee number."""
        return self._numbers.get(number)

    def listed(
        self, search: str | None = None, place: str | None = None, after: tuple[str, str] | None = None
    ) -> list[bytes]:
        """Subjects by place and PIN, from behind one; `search` is a part of the name in any case, or of the PIN."""
        if self._listed is None:
            self._listed = sorted((one.place, one.pin, key) for key, one in self._subjects.items())
        begin = 0 if after is None else bisect_right(self._listed, (*after, b"\xff" * 17))
        found = (entry for entry in self._listed[begin:] if place is None or entry[0] == place)
        return [key for _, pin, key in found if not search or _has(search, self._subjects[key].name, pin)]

    def numbered(self, search: str | None = None, after: tuple[str, UUID] | None = None) -> list[UUID]:
        """People by employee number, from behind one; `search` is a part of the name in any case, or of the number."""
        if self._numbered is None:
            self._numbered = sorted((one.number, key) for key, one in self._people.items())
        found = self._numbered[0 if after is None else bisect_right(self._numbered, after) :]
        return [key for number, key in found if not search or _has(search, self._people[key].name, number)]

    def learn(self, subjects: Iterable[tuple[bytes, Subject]], people: Iterable[tuple[UUID, Employee]]) -> None:
        """Take in what is new or was changed."""
        for key, one in subjects:
            self._subjects[key] = one
            self._ids[one.place, one.pin] = key
            self._places.add(one.place)
            self._listed = None
        for person, employee in people:
            before = self._people.get(person)
            if before is not None and self._numbers.get(before.number) == person:
                del self._numbers[before.number]
            self._people[person] = employee
            self._numbers[employee.number] = person
            self._numbered = None

    def copy(self) -> "Directory":
        """One that may learn what nobody else is to know yet."""
        twin = Directory()
        twin.version, twin._places = self.version, set(self._places)
        twin._subjects, twin._ids = dict(self._subjects), dict(self._ids)
        twin._people, twin._numbers = dict(self._people), dict(self._numbers)
        return twin

    def only(self, subjects: Set[bytes], people: Set[UUID]) -> "Directory":
        """One without those who are not among these."""
        twin = Directory()
        twin.learn(
            ((key, one) for key, one in self._subjects.items() if key in subjects),
            ((key, one) for key, one in self._people.items() if key in people),
        )
        twin.version = self.version
        return twin


class Directories:
    """What a process remembers of its tenants' people."""

    def __init__(self, limit: int = REMEMBERED) -> None:
        self._limit = limit
        self._of: OrderedDict[TenantId, Directory] = OrderedDict()

    def of(self, tenant: TenantId) -> Directory:
        """What is remembered of a tenant, perhaps nothing."""
        self._of.setdefault(tenant, Directory())
        self._of.move_to_end(tenant)
        return self._of[tenant]

    def keep(self, tenant: TenantId, fresh: Directory) -> None:
        """Remember a tenant anew; others go when that is too much."""
        self._of[tenant] = fresh
        self._of.move_to_end(tenant)
        while len(self._of) > 1 and sum(map(len, self._of.values())) > self._limit:
            self._of.popitem(last=False)


async def look(connection: AsyncConnection) -> Directory:
    """The directory as this transaction sees it now: all that is committed, and what it changed itself."""
    tenant, remembered = _memory(connection)
    state = (await connection.execute(_STATE)).one_or_none()
    if state is None:
        return Directory()
    shared = remembered.of(tenant)
    is_behind = shared.version < state.directory_base
    if is_behind:
        shared = await _without_gone(connection, shared)
    if state.own is not None:
        # What this transaction changed may be undone, and hides what it replaced: nobody else learns from it.
        return await _loaded(connection, shared.copy(), state.directory_version)
    if is_behind or shared.version < state.directory_version:
        shared = await _loaded(connection, shared, state.directory_version)
        if shared.version >= remembered.of(tenant).version:
            remembered.keep(tenant, shared)
    return shared


async def change(connection: AsyncConnection, *, removes: bool = False) -> int:
    """The number that all changed rows of the directory have to carry; nobody else changes it until the commit.

    It locks the tenant's row: take it after locks of places, never before. With `removes`, everybody looks who is gone.
    """
    return int((await connection.execute(_CHANGE, {"removes": removes})).one().directory_version)


async def first(
    ids: Sequence[KeyT], among: Callable[[Sequence[KeyT]], Awaitable[Mapping[KeyT, RowT]]], limit: int
) -> list[RowT]:
    """The first rows in the order of `ids`, of those that the database has `among` some of them.

    It is asked about few at first and about twice as many each time: what it leaves out is not known here.
    """
    found: list[RowT] = []
    begin, size = 0, limit
    while begin < len(ids) and len(found) < limit:
        some = ids[begin : begin + size]
        rows = await among(some)
        found += [rows[one] for one in some if one in rows]
        begin, size = begin + size, min(size * 2, STEP)
    return found[:limit]


async def _without_gone(connection: AsyncConnection, known: Directory) -> Directory:
    """Those of `known` whose rows are still there: nobody's contents are read or opened again for that."""
    subjects = (await connection.execute(_SUBJECT_IDS)).scalars()
    people = (await connection.execute(_PERSON_IDS)).scalars()
    return known.only({bytes(one) for one in subjects}, set(people))


async def _loaded(connection: AsyncConnection, known: Directory, until: int) -> Directory:
    """`known` with all changes up to a version. Nothing is learned half: all reading comes first."""
    given = {"after": known.version}
    subjects = (await connection.execute(_SUBJECTS, given)).all()
    people = (await connection.execute(_PEOPLE, given)).all()
    subject_rows = [identities.of_subject(row.place_id, bytes(row.subject)) for row in subjects]
    person_rows = [identities.of_person(row.person_id) for row in people]
    pins = await _opened(connection, subject_rows, subjects, "pin")
    numbers = await _opened(connection, person_rows, people, "number")
    if known.version < until:
        # Whose key is destroyed names nobody any more, in a database that was put back too.
        named = [(row, said) for row, said in zip(subjects, pins, strict=True) if said is not None]
        called = [(row, said) for row, said in zip(people, numbers, strict=True) if said is not None]
        known.learn(
            [(bytes(row.subject), Subject(row.place_id, said["pin"], said["name"])) for row, said in named],
            [(row.person_id, Employee(said["number"], said["name"])) for row, said in called],
        )
        known.version = until
    return known


async def _opened(
    connection: AsyncConnection, rows: Sequence[identities.Row], held: Sequence[Row[Any]], column: str
) -> list[dict[str, str] | None]:
    values = [{name: bytes(getattr(one, name)) for name in (column, "name")} for one in held]
    return await identities.opened(connection, list(zip(rows, values, strict=True)))


def _memory(connection: AsyncConnection) -> tuple[TenantId, Directories]:
    info = connection.info
    remembered: Directories = info["memory"].setdefault("directories", Directories())
    return info["tenant"], remembered


def _has(search: str, name: str, digits: str) -> bool:
    return search.lower() in name.lower() or search in digits
