"""The people, one person's month, and why one of their days is what it is."""

from calendar import monthrange
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from biometric_flow.api.hours import Irregularity, IrregularityPage, PersonRecord, WorkdayExplained, WorkdayView
from biometric_flow.dashboard.said import said
from biometric_flow.dashboard.views.deeds import deed, select_field, text_field
from biometric_flow.dashboard.views.statuses import IRREGULARITIES, STATUSES
from biometric_flow.dashboard.words import (
    _,
    counted,
    day_text,
    hijri,
    hijri_span,
    month_text,
    noted,
    number,
    week_of,
    weekday_text,
)

View = dict[str, Any]

REGULAR: Final = "regular"
_MONDAY: Final = date(2024, 1, 1)
_OFF: Final = frozenset({"rest", "off", "rest_worked"})
RUNNING: Final = "IN_PROGRESS"
"""Somebody is at work: nothing that a person could settle."""


def people_table(people: Sequence[PersonRecord], places: Mapping[str, str], month: str, more: bool) -> View:
    """Who works here, by employee number; each leads to their month."""
    return {
        "head": [_("Name"), _("Number"), _("Location"), _("Department"), _("Schedule")],
        "rows": [
            {
                "href": _link("/people", id=str(person.id), month=month),
                "name": person.name,
                "cells": [
                    person.number,
                    places.get(person.place or "", person.place or "–"),
                    person.department or "–",
                    _schedule(person),
                ],
            }
            for person in people
        ],
        "count": counted(len(people), "{n} person", "{n} people"),
        "more": _("The first thousand are shown; search to find others.") if more else "",
        "empty": _("Nobody matches.") if people else _("No people yet. Import them with POST /v1/imports/people."),
    }


def month_view(
    person: PersonRecord,
    days: Sequence[WorkdayView],
    first: date,
    told: WorkdayExplained | None,
    zone: str | None = None,
) -> View:
    """One person's month: totals, a calendar with a letter for each day, and the days as a table."""
    by_date = {day.date: day for day in days}
    chosen = told.workday.date if told else None
    last = first.replace(day=monthrange(first.year, first.month)[1])
    begin, weekend = week_of(zone)
    week = [(begin + at) % 7 for at in range(7)]
    weekend = _days_off(days) or weekend
    here = {"id": str(person.id), "month": f"{first:%Y-%m}"}
    return {
        "name": person.name,
        "about": f"{person.number} · {person.place or '–'}",
        "back": {"href": "/people", "text": _("All people")},
        "month": month_text(first),
        "hijri": hijri_span(first, last),
        "previous": {"href": _link("/people", id=here["id"], month=_shifted(first, -1)), "text": _("Month before")},
        "next": {"href": _link("/people", id=here["id"], month=_shifted(first, 1)), "text": _("Month after")},
        "totals": _totals(days),
        "weekdays": [
            {"text": weekday_text(_MONDAY + timedelta(days=at), "narrow"), "is_weekend": at in weekend} for at in week
        ],
        "indent": week.index(first.weekday()),
        "calendar": [
            _cell(first.replace(day=at), by_date.get(first.replace(day=at)), here, chosen, weekend)
            for at in range(1, last.day + 1)
        ],
        "head": [_("Day"), _("Status"), _("Worked"), _("Planned"), _("Late"), _("Left early"), _("Above")],
        "rows": [_row(day, here) for day in days if day.worked or day.scheduled or day.exceptions],
        "why": told and day_view(told),
        "empty": _("No workdays in this month."),
    }


def day_view(told: WorkdayExplained) -> View:
    """Why a day is what it is: one sentence per rule, in the order in which it happened."""
    return {
        "title": said(told.headline),
        "because": [said(one) for one in told.because],
        "locked": _("This day is in a closed period.") if told.workday.is_locked else "",
        "empty": _("Nothing was recorded on this day."),
        "actions": [] if told.workday.is_locked else [_asking(told.workday.date)],
    }


def _asking(day: date) -> View:
    """The form that asks for a punch which a terminal never saw; somebody else approves it."""
    keys = [("0", _("Check in")), ("1", _("Check out")), ("2", _("Break start")), ("3", _("Break end"))]
    text = _("The raw punches stay as they are. It counts once somebody else has approved it.")
    fields = [
        {"name": "time", "label": _("Time, on the person's own clock"), "type": "time", "required": True},
        select_field("state", _("What"), keys),
        text_field("reason", _("Reason"), maxlength=400),
    ]
    title = _("A missing punch on {day}", day=day_text(day))
    return deed("add", _("Ask for a missing punch"), [text], fields, title=title, confirm=_("Ask"), is_quiet=True)


def inbox(page: IrregularityPage) -> View:
    """What rules could not settle, newest first; each leads to the day with its explanation."""
    rows = [one for one in page.items if one.code != RUNNING]
    counted_all = sum(count for code, count in page.counts.items() if code != RUNNING)
    return {
        "head": [_("Day"), _("Who"), _("What"), _("Status"), _("Note")],
        "rows": [_irregularity(one) for one in rows],
        "count": counted(counted_all, "{n} thing to look at", "{n} things to look at"),
        "more": _("The newest {n} are shown; choose a kind or a location.", n=number(len(rows)))
        if page.next_cursor
        else "",
        "empty": _("Nothing to look at."),
    }


def kinds(counts: Mapping[str, int]) -> dict[str, str]:
    """The kinds that occur, each with how often."""
    return {
        code: f"{_(IRREGULARITIES.get(code, code))} ({number(count)})"
        for code, count in sorted(counts.items())
        if code != RUNNING
    }


def hours(minutes: int) -> str:
    """Minutes as people read them: 7:42."""
    return f"{'−' if minutes < 0 else ''}{abs(minutes) // 60}:{abs(minutes) % 60:02}"


def _totals(days: Iterable[WorkdayView]) -> list[View]:
    days = list(days)
    above = sum(minutes for day in days for tier, minutes in day.pay.items() if tier != REGULAR)
    late = [day.late for day in days if day.late]
    absent = sum(day.status == "absent" for day in days)
    planned = sum(day.scheduled for day in days)
    flagged = sum(bool(set(day.exceptions) - {RUNNING}) for day in days)
    return [
        _total(_("Worked"), hours(sum(day.worked for day in days)), _("of {h} planned", h=hours(planned))),
        _total(_("Paid above regular"), hours(above), _("overtime, holidays, days off")),
        _total(_("Late"), hours(sum(late)), counted(len(late), "on {n} day", "on {n} days")),
        _total(_("Absent"), number(absent), counted(absent, "day", "days")),
        _total(_("To look at"), number(flagged), counted(flagged, "day with a flag", "days with a flag")),
    ]


def _days_off(days: Iterable[WorkdayView]) -> frozenset[int]:
    """The weekdays that are this person's days off all month: their own calendar, where the days say it."""
    seen: dict[int, bool] = {}
    for day in days:
        seen[day.date.weekday()] = seen.get(day.date.weekday(), True) and day.status in _OFF
    return frozenset(at for at, is_off in seen.items() if is_off) if len(seen) == 7 else frozenset()


def _total(label: str, value: str, detail: str) -> View:
    return {"label": label, "value": value, "detail": detail}


def _cell(
    day: date, workday: WorkdayView | None, here: Mapping[str, str], chosen: date | None, weekend: Collection[int]
) -> View:
    letter, _shape, word, tone = STATUSES.get(workday.status, ("·", "○", workday.status, "unknown")) if workday else (
        "", "", noted("No workday"), "unknown"
    )  # fmt: skip
    worked = hours(workday.worked) if workday and workday.worked else ""
    return {
        "day": str(day.day),
        "is_weekend": day.weekday() in weekend,
        "letter": _(letter),
        "tone": tone,
        "word": ", ".join(part for part in (f"{day_text(day)}: {_(word)}", worked, hijri(day)) if part),
        "href": _link("/people", **here, day=day.isoformat()) if workday else "",
        "is_chosen": day == chosen,
        "is_flagged": bool(workday and set(workday.exceptions) - {RUNNING}),
    }


def _row(day: WorkdayView, here: Mapping[str, str]) -> View:
    _letter, shape, word, tone = STATUSES.get(day.status, ("", "○", day.status, "unknown"))
    above = sum(minutes for tier, minutes in day.pay.items() if tier != REGULAR)
    return {
        "href": _link("/people", **here, day=day.date.isoformat()),
        "date": day_text(day.date),
        "weekday": weekday_text(day.date),
        "badge": [shape, _(word), tone],
        "cells": [_blank(minutes) for minutes in (day.worked, day.scheduled, day.late, day.early_out, above)],
        "flags": ", ".join(_(IRREGULARITIES.get(code, code)) for code in day.exceptions if code != RUNNING),
    }


def _irregularity(one: Irregularity) -> View:
    _letter, shape, word, tone = STATUSES.get(one.status, ("", "○", one.status, "unknown"))
    return {
        "href": _link("/people", id=str(one.person), month=f"{one.date:%Y-%m}", day=one.date.isoformat()),
        "date": day_text(one.date),
        "hijri": hijri(one.date),
        "name": one.name,
        "number": one.number,
        "what": _(IRREGULARITIES.get(one.code, one.code)),
        "badge": [shape, _(word), tone],
        "note": counted(one.requests, "{n} request waits", "{n} requests wait") if one.requests else "",
    }


def _blank(minutes: int) -> str:
    return hours(minutes) if minutes else "–"


def _schedule(person: PersonRecord) -> str:
    plans = [plan.schedule for plan in person.assignments if plan.schedule]
    return plans[-1] if plans else "–"


def _shifted(first: date, months: int) -> str:
    index = first.year * 12 + first.month - 1 + months
    return f"{index // 12:04}-{index % 12 + 1:02}"


def _link(path: str, **query: str) -> str:
    return f"{path}?{urlencode(query)}"
