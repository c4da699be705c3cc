"""Devices: is each terminal talking to us, and is anything lost?"""

from biometric_flow.dashboard import widgets
from biometric_flow.dashboard.scope import filters, location_field, select
from biometric_flow.dashboard.views.devices import STATES, devices
from biometric_flow.dashboard.words import _, counted


def draw() -> None:
    """The heading, the filters and the terminals."""
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
