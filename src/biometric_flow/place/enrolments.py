"""Who should be on which terminal: kept, compared with who is, and made so only when asked."""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from biometric_flow.api.enrolments import Difference
from biometric_flow.identity.keyring import subject
from biometric_flow.ledger.errors import StorageUnavailable
from biometric_flow.model.ids import canonical_pin
from biometric_flow.place.errors import EnrolmentUnknown, JobFailed
from biometric_flow.place.sealing import open_values, seal_values
from biometric_flow.place.subjects import Subjects
from biometric_flow.zk.wire.users import UserList, UserRecord, cut_text

ZONES_STEP: Final = """
ALTER TABLE enrolment ADD COLUMN zones TEXT;   -- numbers of opening times with commas; NULL where they are not managed
"""
_NAME_BYTES: Final = 24
"""What most terminals that dial keep of a name."""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """How a person should be known to one terminal."""

    terminal: str
    pin: str
    name: str = ""
    privilege: int = 0
    group: int = 0
    card: int = 0
    password: str | None = field(default=None, repr=False)
    """None: whatever the terminal has."""
    is_wanted: bool = True
    zones: tuple[int, ...] | None = None
    """Numbers of opening times of their own, three at most; empty for the group's. None: whatever the terminal has."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What would make a terminal hold what it should."""

    differences: list[Difference]
    write: list[UserRecord]
    """Records for those who are missing or differ; uid 0 where the terminal chooses."""
    delete: list[UserRecord]
    """Those who are not wanted any more."""
    delete_foreign: list[UserRecord]
    """Those whom this place never put there."""


def plan(wishes: Iterable[Enrolment], users: UserList, encoding: str) -> Plan:
    """Compare the desired state with who is on the terminal; pure."""
    known = {_pin(user): user for user in users.records}
    made = Plan([], [], [], [])
    managed: set[str] = set()
    for wish in wishes:
        managed.add(wish.pin)
        have = known.get(wish.pin)
        if wish.is_wanted:
            _compare(made, wish, have, users, encoding)
        elif have is not None:
            made.differences.append(Difference(pin=wish.pin, kind="unwanted"))
            made.delete.append(have)
    for pin, user in known.items():
        if pin not in managed:
            made.differences.append(Difference(pin=pin, kind="foreign"))
            made.delete_foreign.append(user)
    return made


def open_differences(left: Plan, *, delete_foreign: bool) -> None:
    """Raise JobFailed when a terminal that was written still differs from what it should be."""
    still = [one for one in left.differences if one.kind != "foreign" or delete_foreign]
    if still:
        first = still[0]
        why = first.text or " and ".join(first.fields)
        raise JobFailed(f"{len(still)} people still differ; the first is {first.pin}: {first.kind} {why}".rstrip())


def _compare(made: Plan, wish: Enrolment, have: UserRecord | None, users: UserList, encoding: str) -> None:
    want = replace(
        have or UserRecord(0, wish.pin),
        name=wish.name,
        privilege=wish.privilege,
        card=wish.card,
        group=wish.group or (have.group if have else 0),
    )
    if wish.password is not None:
        want = replace(want, password=wish.password)
    try:
        want = _with_zones(want, wish.zones, users)
        stored = _stored(want, users, encoding)
    except ValueError as error:
        made.differences.append(Difference(pin=wish.pin, kind="impossible", text=_harmless(error, wish)))
        return
    if have is None:
        made.differences.append(Difference(pin=wish.pin, kind="missing"))
        made.write.append(want)
        return
    if users.layout is None and have.name == _cut(want.name, encoding):
        stored = replace(stored, name=have.name)  # how long a name it keeps is not known before
    fields = [
        name
        for name in ("name", "privilege", "group", "card", "password")
        if getattr(stored, name) != getattr(have, name)
    ]
    if wish.zones is not None and _times(stored) != _times(have):
        fields.append("zones")
    if fields:
        made.differences.append(Difference(pin=wish.pin, kind="differs", fields=fields))
        made.write.append(want)


def _stored(record: UserRecord, users: UserList, encoding: str) -> UserRecord:
    """What a record becomes in this terminal's layout, which cuts names; as it is where the layout is not known."""
    layout = users.layout
    return record if layout is None else layout.decode(layout.encode(record, encoding), encoding)


def _with_zones(record: UserRecord, zones: tuple[int, ...] | None, users: UserList) -> UserRecord:
    """The record with these opening times. Raises ValueError for some that a bit mask of 16 has no place for."""
    if zones is None:
        return record
    if users.layout is not None and users.layout.name == "28":
        if any(zone > 16 for zone in zones):
            raise ValueError(f"this terminal knows opening times 1 to 16, not {max(zones)}")
        mask = sum({1 << (zone - 1) for zone in zones})
        return replace(record, own_timezones=bool(mask), timezones=(mask,))
    return replace(record, own_timezones=bool(zones), timezones=(*zones, 0, 0, 0)[:3])


def _times(record: UserRecord) -> tuple[int, ...]:
    """The opening times that count: none where the group's do."""
    return tuple(record.timezones) if record.own_timezones else ()


def _cut(name: str, encoding: str) -> str:
    return cut_text(name, _NAME_BYTES, encoding).decode(encoding, "replace")


def _harmless(error: ValueError, wish: Enrolment) -> str:
    text = str(error)
    return "its password does not fit" if wish.password and wish.password in text else text


def _pin(user: UserRecord) -> str:
    try:
        return canonical_pin(user.user_id)
    except ValueError:
        return user.user_id


class Enrolments:
    """The desired state in the place's database, sealed. All methods run in the writer's thread."""

    def __init__(self, connection: sqlite3.Connection, subjects: Subjects) -> None:
        self._connection, self._subjects = connection, subjects

    def put(self, enrolment: Enrolment) -> Enrolment:
        """Want this person there like this; a password that is left out stays as it was wanted."""
        password = enrolment.password
        if password is None:
            password = next((one.password for one in self.of(enrolment.terminal) if one.pin == enrolment.pin), None)
        kept = replace(enrolment, password=password)
        try:
            self._subjects.enrol([kept.pin])
            if not self._connection.in_transaction:
                self._subjects.settle()
        except sqlite3.Error as error:
            self._subjects.undo()
            raise StorageUnavailable(f"the desired state was not written: {error}") from error
        owner = self._subjects.owner(kept.pin)
        values = [kept.name, kept.privilege, kept.group, kept.card, password, kept.zones]
        sealed = seal_values(self._subjects.keys, owner, "enrolment", (kept.terminal, owner.name), values)
        row = (kept.terminal, owner.name, sealed, kept.is_wanted)
        self._write("INSERT OR REPLACE INTO enrolment VALUES (?, ?, ?, ?)", row)
        return kept

    def get(self, terminal: str, pin: str) -> Enrolment:
        """One person on one terminal. Raises EnrolmentUnknown."""
        for enrolment in self.of(terminal):
            if enrolment.pin == pin:
                return enrolment
        raise EnrolmentUnknown(f"expected the PIN of somebody who should be on {terminal!r}, got {pin[:40]!r}")

    def of(self, terminal: str) -> Sequence[Enrolment]:
        """Everybody who should be on a terminal, and those who should go, by PIN."""
        query = "SELECT subject, sealed, is_wanted FROM enrolment WHERE terminal = ?"
        found = [self._enrolment(terminal, *row) for row in self._connection.execute(query, (terminal,))]
        return sorted(found, key=lambda enrolment: (len(enrolment.pin), enrolment.pin))

    def unwant(self, terminal: str, pin: str) -> Enrolment:
        """Have this person removed; forgotten when the terminal confirmed it. Raises EnrolmentUnknown."""
        gone = replace(self.get(terminal, pin), is_wanted=False)
        return self.put(gone)

    def forget(self, terminal: str, pins: Iterable[str]) -> None:
        """The terminal confirmed that these are gone."""
        for pin in pins:
            values = (terminal, self._subjects.id_of(pin))
            self._write("DELETE FROM enrolment WHERE terminal = ? AND subject = ? AND NOT is_wanted", values)

    def _enrolment(self, terminal: str, one: str, sealed: bytes, is_wanted: int) -> Enrolment:
        values = open_values(self._subjects.keys, subject(one), "enrolment", (terminal, one), sealed)
        name, privilege, group, card, password, zones = values
        pin = self._subjects.pin_of(one)
        return Enrolment(terminal, pin, name, privilege, group, card, password, bool(is_wanted), zones and tuple(zones))

    def _write(self, statement: str, values: tuple[object, ...]) -> None:
        try:
            self._connection.execute(statement, values)
        except sqlite3.Error as error:
            raise StorageUnavailable(f"the desired state was not written: {error}") from error
