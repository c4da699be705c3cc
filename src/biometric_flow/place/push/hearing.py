"""What a terminal tells while somebody listens: the answer to a question comes as uploads beside the result."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from biometric_flow.model.punch import Punch
from biometric_flow.place.normalise import Quarantined
from biometric_flow.zk.errors import ProtocolViolation
from biometric_flow.zk.push.people import PushedUser, TemplateLine
from biometric_flow.zk.push.tables import TableRow
from biometric_flow.zk.push.text import whole_number
from biometric_flow.zk.wire.users import UserList

PEOPLE_MAX: Final = 65_536
TEMPLATES_MAX: Final = 200
"""Templates and pictures of one person at most."""


@dataclass(slots=True)
class Heard:
    """What came since somebody began to listen."""

    people: dict[str, PushedUser] = field(default_factory=dict)
    authorized: dict[str, tuple[int, int]] = field(default_factory=dict)
    """PIN -> time zone and doors."""
    rows: list[Punch | Quarantined] = field(default_factory=list)
    """Punches and rows that could not become one, in the order in which they came."""
    counts: dict[str, int] = field(default_factory=dict)
    """Table -> rows, where it was asked to count."""
    options: dict[str, str] = field(default_factory=dict)
    templates_of: str = ""
    """The PIN whose templates are heard; nobody's where it is empty."""
    templates: dict[tuple[str, int, int, int], TemplateLine] = field(default_factory=dict, repr=False)
    """By tag, type, number and index. In memory only (ADR 37)."""


class Hearings:
    """Who listens to which terminal; costs nothing while nobody does."""

    def __init__(self) -> None:
        self._open: dict[str, list[Heard]] = {}
        self.people: dict[str, tuple[UserList, datetime]] = {}
        """Everybody a terminal knew when it was last asked, and when that was."""
        self.untold: dict[str, frozenset[str]] = {}
        """PINs of those whose password it did not tell then."""

    @contextmanager
    def listening(self, terminal: str, templates_of: str = "") -> Iterator[Heard]:
        """Everything that comes while this lasts; templates of one person only, and only where they are asked for."""
        heard = Heard(templates_of=templates_of)
        self._open.setdefault(terminal, []).append(heard)
        try:
            yield heard
        finally:
            self._open[terminal].remove(heard)
            if not self._open[terminal]:
                del self._open[terminal]

    def records(self, terminal: str, records: Iterable[object]) -> None:
        """People and access rights were uploaded."""
        for heard in self._open.get(terminal, ()):
            for record in records:
                match record:
                    case PushedUser() if len(heard.people) < PEOPLE_MAX:
                        heard.people[record.pin] = record
                    case TemplateLine(pin=pin) if heard.templates_of and pin == heard.templates_of:
                        _take_template(heard, record)
                    case TableRow("userauthorize"):
                        _authorize(heard, record)

    def rows(self, terminal: str, rows: Iterable[Punch | Quarantined]) -> None:
        """Punches were uploaded."""
        for heard in self._open.get(terminal, ()):
            heard.rows += rows

    def counted(self, terminal: str, table: str, count: int) -> None:
        """A table was counted."""
        for heard in self._open.get(terminal, ()):
            heard.counts[table] = count

    def told(self, terminal: str, options: dict[str, str]) -> None:
        """Options were told."""
        for heard in self._open.get(terminal, ()):
            heard.options |= options


def _take_template(heard: Heard, record: TemplateLine) -> None:
    if len(heard.templates) < TEMPLATES_MAX:
        heard.templates[record.tag, record.type, record.number, record.index] = record


def _authorize(heard: Heard, row: TableRow) -> None:
    fields = row.fields
    try:
        zone = whole_number(fields.first("authorizetimezoneid"), "a time zone", 65_535, 0)
        doors = whole_number(fields.first("authorizedoorid"), "doors", 2**31 - 1, 0)
    except ProtocolViolation:
        return
    if len(heard.authorized) < PEOPLE_MAX:
        heard.authorized[fields.first("pin")] = (zone, doors)
