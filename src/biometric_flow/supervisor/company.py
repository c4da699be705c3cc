"""The demo's company: who works how, when it was closed and who was on leave, read out of its year of punches. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from statistics import mean
from typing import Any, Final

from biometric_flow.supervisor.history import Row

SHIFTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "short": {"name": "Short day", "start": "10:00", "end": "16:30", "unpaid_break_min": 30},
    "day": {"name": "Day", "start": "10:00", "end": "18:00", "unpaid_break_min": 30},
    "long": {"name": "Long day", "start": "10:00", "end": "19:00", "unpaid_break_min": 30},
}
_UP_TO: Final = ((440, "short"), (530, "day"))
"""Average minutes between the first and the last punch of somebody's days, and the shift of such a person."""

PACK: Final[Mapping[str, Any]] = {
    "schema": 1,
    "id": "nile-delta",
    "name": "Nile Delta Textiles, house rules of the demo",
    "version": 1,
    "valid_from": "2015-01-01",
    "policy": {
        "grace_in_min": 15,
        "grace_out_min": 15,
        "missing": {"out": "exception", "in": "exception"},
        "breaks": {"auto_deduct": [{"after_min": 300, "deduct_min": 30, "mode": "unless_punched"}]},
        "tiers": {"overtime": 1.5, "holiday": 2.0},
        "overtime": {
            "weekly": [{"after": 2400, "tier": "overtime"}],
            "day_tiers": {"holiday": [{"after": 0, "tier": "holiday"}]},
        },
    },
    "sources": {
        "grace_in_min": "invented for the demo",
        "grace_out_min": "invented for the demo",
        "breaks": "invented for the demo",
        "tiers": "invented for the demo",
        "overtime": "invented for the demo",
    },
}


@dataclass(frozen=True, slots=True)
class Worker:
    """One person as their place's files know them."""

    place: str
    pin: str
    name: str
    punches: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Company:
    """Everything that the gateway is given about the demo's people."""

    schedules: Mapping[str, Mapping[str, Any]]
    calendars: Mapping[str, Mapping[str, Any]]
    departments: str
    people: str
    assignments: str
    leave: str
    """Sheets, as CSV."""


def company(workers: Sequence[Worker], names: Mapping[str, str]) -> Company:
    """The company of these people; `names` are those of their places."""
    days = {worker.pin: sorted({row.time.date() for row in worker.punches}) for worker in workers}
    open_on = {place: set[date]() for place in names}
    for worker in workers:
        open_on[worker.place].update(days[worker.pin])
    first = min(day for mine in days.values() for day in mine)
    last = max(day for mine in days.values() for day in mine)
    closed = {place: [day for day in _weekdays(first, last) if day not in there] for place, there in open_on.items()}
    week = {name: {"mode": "assigned", "weekly": {str(day): [name] for day in range(1, 6)}} for name in SHIFTS}
    return Company(
        schedules=week,
        calendars={
            place: {"holidays": [{"date": str(day), "name": "Company holiday"} for day in there]}
            for place, there in closed.items()
        },
        departments=_sheet(("id", "name"), names.items()),
        people=_sheet(
            ("number", "name", "department", "place", "employed_from", "pin"),
            ((_number(one), one.name, one.place, one.place, str(first), one.pin) for one in workers),
        ),
        assignments=_sheet(
            ("number", "from", "schedule", "calendar", "policy"),
            ((_number(one), str(first), _shift(one.punches), one.place, str(PACK["id"])) for one in workers),
        ),
        leave=_sheet(
            ("number", "from", "to", "reason"),
            (
                (_number(one), str(begins), str(ends), "annual leave")
                for one in workers
                for begins, ends in _runs(set(open_on[one.place]) - set(days[one.pin]), days[one.pin])
            ),
        ),
    )


def _runs(away: set[date], there: Sequence[date]) -> Iterable[tuple[date, date]]:
    """Absences of two and more working days in a row: leave. A single day stays what it is, an absence."""
    for before, after in pairwise(there):
        missed = sorted(day for day in away if before < day < after)
        if len(missed) > 1:
            yield missed[0], missed[-1]


def _shift(punches: Sequence[Row]) -> str:
    spans: dict[date, list[Row]] = {}
    for row in punches:
        spans.setdefault(row.time.date(), []).append(row)
    usual = mean((rows[-1].time - rows[0].time).total_seconds() / 60 for rows in spans.values())
    return next((name for limit, name in _UP_TO if usual <= limit), "long")


def _weekdays(first: date, last: date) -> Iterable[date]:
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        if day.isoweekday() < 6:
            yield day


def _number(worker: Worker) -> str:
    return f"{worker.place[:1].upper()}-{int(worker.pin):04d}"


def _sheet(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(",".join(row) for row in (head, *rows)) + "\n"
