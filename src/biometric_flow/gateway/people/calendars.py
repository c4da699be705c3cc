"""Holidays from iCalendar files and from the `holidays` library: pure but for their parsers."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, Final

import holidays
from dateutil.rrule import rrulestr
from icalendar import Calendar

from biometric_flow.gateway.people.errors import ImportUnreadable, PlanInvalid
from biometric_flow.gateway.people.plans import HOLIDAYS_MAX

NAME_MAX: Final = 200
SPAN_MAX: Final = timedelta(days=60)
"""One holiday does not last longer; a file with such an event is a calendar of something else."""
YEARS: Final = range(1980, 2200)

Holidays = dict[date, str]


def from_icalendar(content: bytes, first: date, last: date) -> Holidays:
    """The all-day events between two dates, repeated ones too. Raises ImportUnreadable."""
    try:
        calendar = Calendar.from_ical(content)
        found: Holidays = {}
        for event in calendar.walk("VEVENT"):
            for day in _days(event, first, last):
                found[day] = str(event.get("SUMMARY", "holiday"))[:NAME_MAX]
                if len(found) > HOLIDAYS_MAX:
                    raise ImportUnreadable(f"expected at most {HOLIDAYS_MAX} holidays")
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError, OverflowError) as error:
        raise ImportUnreadable(f"expected an iCalendar file (RFC 5545): {error!r:.200}") from None
    return found


def from_country(country: str, subdivision: str | None, years: Sequence[int], language: str | None = None) -> Holidays:
    """The public holidays of a country or a part of it. Raises PlanInvalid for one that nobody knows."""
    if not years or not all(year in YEARS for year in years):
        raise PlanInvalid(f"years: expected years from {YEARS.start} to {YEARS.stop - 1}, came {list(years)!r:.80}")
    try:
        found = holidays.country_holidays(country, subdiv=subdivision, years=list(years), language=language)
    except NotImplementedError:
        came = repr(country) if subdivision is None else f"{country!r} with {subdivision!r}"
        raise PlanInvalid(
            f"country: expected an ISO 3166 code that is known, and one of its parts, came {came}"
        ) from None
    return {day: str(name)[:NAME_MAX] for day, name in sorted(found.items())}


def merged(body: Mapping[str, Any] | None, new: Holidays) -> dict[str, Any]:
    """A calendar with more holidays; a date that is there already gets the new name."""
    old = {one["date"]: one["name"] for one in (body or {}).get("holidays", [])}
    every = old | {day.isoformat(): name for day, name in new.items()}
    rest = {name: value for name, value in (body or {}).items() if name != "holidays"}
    return {**rest, "holidays": [{"date": day, "name": every[day]} for day in sorted(every)]}


def _days(event: Any, first: date, last: date) -> Iterator[date]:
    start = event.decoded("DTSTART")
    if isinstance(start, datetime):
        return  # an hour of something is no holiday
    end = event.decoded("DTEND") if "DTEND" in event else start + timedelta(days=1)
    end = end.date() if isinstance(end, datetime) else end
    length = end - start
    if length > SPAN_MAX:
        raise ValueError(f"expected an event of at most {SPAN_MAX.days} days, got {length.days}")
    for begin in _beginnings(event, start, first, last):
        for number in range(max(1, length.days)):
            day = begin + timedelta(days=number)
            if first <= day <= last:
                yield day


def _beginnings(event: Any, start: date, first: date, last: date) -> Iterator[date]:
    if "RRULE" not in event:
        yield start
        return
    rule = event["RRULE"]
    text = (rule[0] if isinstance(rule, list) else rule).to_ical().decode()
    if "FREQ=YEARLY" not in text.upper():
        raise ValueError(f"expected holidays to return every year, got {text[:80]}")
    # An UNTIL with a zone cannot be compared with a date: only its day counts here.
    parts = [part[:14] if part.upper().startswith("UNTIL=") else part for part in text.split(";")]
    repeated = rrulestr(";".join(parts), dtstart=datetime.combine(start, time()))
    for moment in repeated.between(
        datetime.combine(first - SPAN_MAX, time()), datetime.combine(last, time()), inc=True
    ):
        yield moment.date()
