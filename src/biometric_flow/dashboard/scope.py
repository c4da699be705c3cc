"""The scope bar: which locations, department and days; the address of the page holds it, so any scope can be shared."""

from calendar import monthrange
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from biometric_flow.dashboard.words import _, counted, hijri_span

DAYS_MAX: Final = 400
"""A span longer than this is cut at its end."""
DEFAULT_DAYS: Final = 7


@dataclass(frozen=True, slots=True)
class Scope:
    """What a page is about; no place or department named means all of them. Both days are included."""

    places: tuple[str, ...]
    department: str
    first: date
    last: date
    text: str = ""

    def query(self) -> dict[str, str]:
        """The same as parameters of an address."""
        return {
            "loc": ",".join(self.places),
            "dep": self.department,
            "from": self.first.isoformat(),
            "to": self.last.isoformat(),
            "q": self.text,
        }


def read_scope(parameters: Mapping[str, str], today: date) -> Scope:
    """What an address says. What is not a date, or not in order, falls back to the last seven days."""
    last = _date(parameters.get("to", "")) or today
    first = _date(parameters.get("from", "")) or last - timedelta(days=DEFAULT_DAYS - 1)
    if first > last:
        first, last = last, first
    return Scope(
        tuple(part for part in parameters.get("loc", "")[:400].split(",") if part),
        parameters.get("dep", "")[:80],
        first,
        min(last, first + timedelta(days=DAYS_MAX)),
        parameters.get("q", "")[:80],
    )


def scope_view(
    scope: Scope, today: date, places: Mapping[str, str], departments: Mapping[str, str] | None, search: str = ""
) -> dict[str, Any]:
    """The bar: Location, Department (where the page has one), Period, and a search (where it has one)."""
    fields = [location_field(places, scope.places)]
    if departments:
        fields.append(select("dep", _("Department"), _("All departments"), departments, scope.department))
    return {
        **filters(fields, search, scope.text),
        "note": hijri_span(scope.first, scope.last),
        "days": [
            {"name": "from", "label": _("From"), "value": scope.first.isoformat()},
            {"name": "to", "label": _("To"), "value": scope.last.isoformat()},
        ],
        "presets": [
            {
                "text": text,
                "from": first.isoformat(),
                "to": last.isoformat(),
                "is_chosen": (first, last) == (scope.first, scope.last),
            }
            for text, first, last in presets(today)
        ],
    }


def location_field(places: Mapping[str, str], chosen: Collection[str]) -> dict[str, Any]:
    """The locations: all, one, or the several that the address names."""
    several = counted(len(chosen), "{n} location", "{n} locations")
    return select("loc", _("Location"), _("All locations"), places, ",".join(chosen), several)


def filters(fields: Sequence[dict[str, Any]], search: str = "", text: str = "") -> dict[str, Any]:
    """A bar without days."""
    return {
        "label": _("What is shown"),
        "fields": list(fields),
        "search": {"label": search, "value": text} if search else None,
        "note": "",
        "days": [],
        "presets": [],
    }


def select(
    name: str, label: str, none: str, options: Mapping[str, str], value: str, several: str = ""
) -> dict[str, Any]:
    """One of these options or none; an address that names several is one more option, called `several`."""
    offered = {"": none, **options}
    if value not in offered and several:
        offered[value] = several
    return {"name": name, "label": label, "value": value, "options": [list(pair) for pair in offered.items()]}


def presets(today: date) -> list[tuple[str, date, date]]:
    """The spans that people ask for, before free dates."""
    yesterday = today - timedelta(days=1)
    month = today.replace(day=1)
    before = month - timedelta(days=1)
    return [
        (_("Today"), today, today),
        (_("Yesterday"), yesterday, yesterday),
        (_("Last 7 days"), today - timedelta(days=6), today),
        (_("This month"), month, month.replace(day=monthrange(month.year, month.month)[1])),
        (_("Last month"), before.replace(day=1), before),
    ]


def _date(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if date(1990, 1, 1) <= day <= date(2199, 12, 31) else None
