"""On which days a change of a person can bear: what their workdays have to be computed again for, and no more."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from functools import lru_cache
from itertools import chain
from typing import Final

from biometric_flow.api.hours import PersonBody, PinHolding, PlanAssignment, RosterRow
from biometric_flow.gateway.workdays.records import to_date, to_day
from biometric_flow.policy.zones import home_zone

Days = tuple[date, date]
"""From a day to a day, both included."""

_EARLIEST: Final = date(1980, 1, 1)
_DAY: Final = timedelta(days=1)


def reached(before: PersonBody | None, after: PersonBody, tomorrow: date) -> Days | None:
    """The days up to tomorrow that may come out otherwise, None for no day; both have a zone.

    Days after tomorrow are computed when they come. Of a closed period the days stand, and what they would be worth
    more or less becomes an adjustment (contract 14); that is why no day may be named that cannot differ.
    """
    if before is None:
        return after.employed_from, max(after.employed_from, tomorrow)
    spans = [
        *_between(before.employed_from, after.employed_from),
        *_between(_end(before), _end(after)),
        *_changed(before.pins, after.pins),
        *_changed(before.assignments, after.assignments),
        *_changed(before.roster, after.roster),
        *_apart(before.zone or "", after.zone or "", tomorrow),
    ]
    opens, closes = min(before.employed_from, after.employed_from), min(tomorrow, max(_end(before), _end(after)))
    cut = [(max(first, opens), min(last, closes)) for first, last in spans]
    there = [(first, last) for first, last in cut if first <= last]
    return (min(first for first, _ in there), max(last for _, last in there)) if there else None


def _end(body: PersonBody) -> date:
    """The day after the last one at work."""
    return date.max if body.employed_to is None else body.employed_to + _DAY


def _between(one: date, other: date) -> Iterable[Days]:
    """The days from the earlier to the one before the later."""
    if one != other:
        yield min(one, other), max(one, other) - _DAY


def _changed(
    before: Sequence[PinHolding | PlanAssignment | RosterRow], after: Sequence[PinHolding | PlanAssignment | RosterRow]
) -> Iterable[Days]:
    """The days of what is in one list only; of everything where only the order differs, which may decide."""
    had, has = ({one.model_dump_json(): one for one in rows} for rows in (before, after))
    differing = [row for name, row in chain(had.items(), has.items()) if name not in had or name not in has]
    if not differing and list(had) != list(has):
        differing = list(has.values())
    return [(row.first, row.last or date.max) for row in differing]


@lru_cache(maxsize=64)
def _apart(old: str, new: str, tomorrow: date) -> tuple[Days, ...]:
    """Runs of days that do not begin, or do not end, at the same instant in both zones."""
    if old == new:
        return ()
    one, other = home_zone(old), home_zone(new)
    runs: list[Days] = []
    for number in range(to_day(_EARLIEST), to_day(tomorrow) + 1):
        if any(one.minute(border, 0) != other.minute(border, 0) for border in (number, number + 1)):
            day = to_date(number)
            if runs and runs[-1][1] + _DAY == day:
                runs[-1] = runs[-1][0], day
            else:
                runs.append((day, day))
    return tuple(runs)
