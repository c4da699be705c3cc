"""Devices: is each terminal talking to us, and is anything lost?"""

import streamlit as st

from biometric_flow.dashboard import widgets
from biometric_flow.dashboard.views.devices import STATES, devices
from biometric_flow.dashboard.words import _


def draw() -> None:
    """The heading, the filters and the terminals."""
    widgets.draw("heading", {"title": _("Devices"), "text": _("Is each terminal talking to us?")})
    _list()


@st.fragment(run_every=widgets.REFRESH_SECONDS)
def _list() -> None:
    places = widgets.ask("places", lambda client, token: client.places(token))
    if places is None:
        return
    names = {place.id: place.name for place in places}
    left, middle, right = st.columns(3)
    with left:
        wanted = widgets.locations(names)
    with middle:
        words = {str(state): _(word) for state, (_shape, word, _tone) in STATES.items()}
        states = widgets.choices("state", _("State"), words, _("Any state"))
    with right:
        text = widgets.words("q", _("Search"), _("Name, serial or address"))
    terminals = widgets.ask("terminals", lambda client, token: client.terminals(token))
    if terminals is not None:
        scoped = [terminal for terminal in terminals if not wanted or terminal.place in wanted]
        widgets.draw("devices", devices(scoped, names, states, text))
