"""People: who works here, what each one's punches amount to, and why."""

from calendar import monthrange
from datetime import date, datetime, time
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import streamlit as st

from biometric_flow.api.hours import PersonRecord, PersonRecordPage, Preview, WorkdayExplained, WorkdayPage
from biometric_flow.dashboard import widgets
from biometric_flow.dashboard.scope import filters, location_field
from biometric_flow.dashboard.views.people import month_view, people_table
from biometric_flow.dashboard.words import _

SHOWN = 1000


def draw() -> None:
    """The list, or the month of the person that the address names."""
    person = _uuid(st.query_params.get("id", ""))
    if person is None:
        widgets.draw("heading", {"title": _("People"), "text": _("Who works here, and what are their hours?")})
        _list()
    else:
        _month(person)


@widgets.fragment()
def _list() -> None:
    places = widgets.ask("places", lambda client, token: client.places(token))
    if places is None:
        return
    names = {place.id: place.name for place in places}
    wanted, text = widgets.named("loc", names), widgets.searched()
    widgets.draw("scope", filters([location_field(names, wanted)], _("Name or number"), text))
    query: dict[str, str | int | None] = {"limit": SHOWN, "q": text or None}
    people = widgets.ask(
        f"people {text}", lambda client, token: client.ask(PersonRecordPage, "GET", "/v1/people", token, query)
    )
    if people is not None:
        rows = [person for person in people.items if not wanted or person.place in wanted]
        month = st.query_params.get("month", "")
        widgets.draw("people", people_table(rows, names, month, people.next_cursor is not None))


@widgets.fragment(widgets.REFRESH_SECONDS)
def _month(person: UUID) -> None:
    record = widgets.ask(
        f"person {person}", lambda client, token: client.ask(PersonRecord, "GET", f"/v1/people/{person}", token)
    )
    if record is None:
        return
    day = _date(st.query_params.get("day", ""))
    first = _first(st.query_params.get("month", "")) or (day or widgets.today()).replace(day=1)
    last = first.replace(day=monthrange(first.year, first.month)[1])
    query: dict[str, str | int | None] = {
        "person": str(person),
        "from": first.isoformat(),
        "to": last.isoformat(),
        "limit": 31,
    }
    days = widgets.ask(
        f"days {person} {first}",
        lambda client, token: client.ask(WorkdayPage, "GET", "/v1/workdays", token, query),
    )
    if days is None:
        return
    told = None
    if day is not None and any(one.date == day for one in days.items):
        told = widgets.ask(
            f"why {person} {day}",
            lambda client, token: client.ask(WorkdayExplained, "GET", f"/v1/workdays/{person}/{day}/explain", token),
        )
    view = {**month_view(record, days.items, first, told, _zone(record)), "told": widgets.told()}
    if view["why"] and not widgets.may("correction:request"):
        view["why"] = {**view["why"], "actions": []}
    widgets.draw("month", view, act=lambda order: _ask_for(record, day, order))


def _ask_for(record: PersonRecord, day: date | None, order: dict[str, Any]) -> None:
    """Ask for a punch that no terminal saw; its time is on the person's own clock."""
    zone = _zone(record)
    at, reason = _time(str(order.get("time", ""))), str(order.get("reason", "")).strip()
    state = str(order.get("state", ""))
    if day is None or zone is None or at is None or len(reason) < 3 or state not in ("0", "1", "2", "3"):
        widgets.tell(_("That needs a time, a reason of three letters or more, and a person whose zone is known."))
        return
    item = {
        "person": str(record.id),
        "operation": "add",
        "at": datetime.combine(day, at, ZoneInfo(zone)).isoformat(),
        "state": int(state),
        "reason": reason,
    }
    done = _("Asked for. Somebody else decides it on the page Requests.")
    widgets.order(Preview, "POST", "/v1/regularisations", {"items": [item]}, done)


def _zone(record: PersonRecord) -> str | None:
    places = widgets.ask("places", lambda client, token: client.places(token)) or []
    return record.zone or next((place.zone for place in places if place.id == record.place), None)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _time(text: str) -> time | None:
    try:
        return time.fromisoformat(text)
    except ValueError:
        return None


def _first(text: str) -> date | None:
    return _date(f"{text}-01")
