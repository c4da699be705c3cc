"""Devices: is each terminal talking to us, and is anything lost?"""

import streamlit as st

from biometric_flow.dashboard import widgets
from biometric_flow.dashboard.views.devices import STATES, devices
from biometric_flow.dashboard.words import _


def draw() -> None:
    """The heading, the filters and one card or row per terminal."""
    widgets.draw("heading", {"title": _("Devices"), "text": _("Is each terminal talking to us?")})
    places = widgets.ask("places", lambda client, token: client.places(token))
    if places is None:
        return
    names = {place.id: place.name for place in places}
    left, middle, right = st.columns([2, 2, 2])
    with left:
        wanted = widgets.scope_bar(names)
    with middle:
        states = st.multiselect(
            _("State"),
            options=list(STATES),
            format_func=lambda s: _(STATES[s][1]),
            key="state",
            placeholder=_("Any state"),
            bind="query-params",
        )
    with right:
        text = st.text_input(_("Search"), key="q", placeholder=_("Name, serial or address"), bind="query-params")
    _list(names, wanted, states, text)


@st.fragment(run_every=widgets.REFRESH_SECONDS)
def _list(names: dict[str, str], wanted: list[str], states: list[str], text: str) -> None:
    terminals = widgets.ask("terminals", lambda client, token: client.terminals(token))
    if terminals is None:
        return
    scoped = [terminal for terminal in terminals if not wanted or terminal.place in wanted]
    widgets.draw("devices", devices(scoped, names, states, text))
