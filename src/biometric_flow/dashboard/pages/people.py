"""People: who works here, what each one's punches amount to, and why."""

from calendar import monthrange
from datetime import date
from uuid import UUID

import streamlit as st

from biometric_flow.api.hours import PersonRecord, PersonRecordPage, WorkdayExplained, WorkdayPage
from biometric_flow.dashboard import widgets
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


@st.fragment
def _list() -> None:
    places = widgets.ask("places", lambda client, token: client.places(token))
    if places is None:
        return
    names = {place.id: place.name for place in places}
    left, right = st.columns(2)
    with left:
        wanted = widgets.locations(names)
    with right:
        text = widgets.words("q", _("Search"), _("Name or number"))
    query: dict[str, str | int | None] = {"limit": SHOWN, "q": text or None}
    people = widgets.ask(
        f"people {text}", lambda client, token: client.ask(PersonRecordPage, "GET", "/v1/people", token, query)
    )
    if people is not None:
        rows = [person for person in people.items if not wanted or person.place in wanted]
        month = st.query_params.get("month", "")
        widgets.draw("people", people_table(rows, names, month, people.next_cursor is not None))


@st.fragment(run_every=widgets.REFRESH_SECONDS)
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
    widgets.draw("month", month_view(record, days.items, first, told))


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


def _first(text: str) -> date | None:
    return _date(f"{text}-01")
