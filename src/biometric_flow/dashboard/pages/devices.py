"""Devices: is each terminal talking to us, and is anything lost?"""

import re
from typing import Any
from urllib.parse import quote

import streamlit as st

from biometric_flow.api.gateway import TerminalStatus
from biometric_flow.api.jobs import JobView
from biometric_flow.dashboard import widgets
from biometric_flow.dashboard.scope import filters, location_field, select
from biometric_flow.dashboard.views.devices import STATES, devices
from biometric_flow.dashboard.views.terminal import SEEN, body, is_given, terminal
from biometric_flow.dashboard.words import _, counted

JOB_SECONDS = 5
"""Orders go forward while somebody watches; nothing else on this page moves without an event."""
_ID = re.compile(r"([a-z0-9-]{1,64})/([a-z0-9-]{1,64})")


def draw() -> None:
    """The list, or the terminal that the address names."""
    chosen = _ID.fullmatch(st.query_params.get("id", ""))
    if chosen:
        _terminal(*chosen.groups())
        return
    widgets.draw("heading", {"title": _("Devices"), "text": _("Is each terminal talking to us?")})
    _list()


@widgets.fragment(widgets.REFRESH_SECONDS)
def _list() -> None:
    places = widgets.ask("places", lambda client, token: client.places(token))
    if places is None:
        return
    names = {place.id: place.name for place in places}
    wanted, states, text = widgets.named("loc", names), widgets.named("state", STATES), widgets.searched()
    words = {str(state): _(word) for state, (_shape, word, _tone) in STATES.items()}
    several = counted(len(states), "{n} state", "{n} states")
    state = select("state", _("State"), _("Any state"), words, ",".join(states), several)
    bar = filters([location_field(names, wanted), state], _("Name, serial or address"), text)
    widgets.draw("scope", bar)
    terminals = widgets.ask("terminals", lambda client, token: client.terminals(token))
    if terminals is not None:
        scoped = [terminal for terminal in terminals if not wanted or terminal.place in wanted]
        widgets.draw("devices", devices(scoped, names, states, text))


@widgets.fragment(JOB_SECONDS)
def _terminal(place: str, key: str) -> None:
    places = widgets.ask("places", lambda client, token: client.places(token))
    terminals = widgets.ask("terminals", lambda client, token: client.terminals(token))
    if places is None or terminals is None:
        return
    one = next((each for each in terminals if (each.place, each.key) == (place, key)), None)
    if one is None:
        text = _("It was removed, or your account does not reach its location.")
        way = {"text": _("All devices"), "href": "/devices"}
        widgets.draw("empty", {"title": _("There is no such terminal."), "text": text, "clear": way})
        return
    terminal_path = f"/v1/places/{place}/terminals/{key}"
    path = f"{terminal_path}/jobs"
    jobs, why_not = widgets.attempt(
        f"jobs {place} {key}", lambda client, token: client.ask(list[JobView], "GET", path, token, {"limit": 20})
    )
    names = {each.id: each.name for each in places}
    view = terminal(one, names, jobs, why_not, widgets.may)
    widgets.draw("terminal", {**view, "told": widgets.told()}, act=lambda order: _order(one, terminal_path, order))


def _order(one: TerminalStatus, path: str, order: dict[str, Any]) -> None:
    if order.get("name") == SEEN:
        code = str(order.get("code", ""))
        if any(finding.code == code for finding in one.findings):
            finding = f"{path}/findings/{quote(code, safe='')}"  # a code is what a place said
            widgets.order(None, "DELETE", finding, None, _("Seen. The ledger says so."))
        return
    if not is_given(order, one):
        widgets.tell(_("The name of the terminal was not typed as it is; nothing was ordered."))
        return
    done = _("Ordered. The list below says when the terminal has confirmed it.")
    widgets.order(JobView, "POST", f"{path}/jobs", body(order["name"]), done)
