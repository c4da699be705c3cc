"""Live: the newest punches as they happen."""

from biometric_flow.dashboard import widgets
from biometric_flow.dashboard.views.feed import SHOWN, feed
from biometric_flow.dashboard.words import _


def draw() -> None:
    """The heading, the location filter and the feed."""
    widgets.draw("heading", {"title": _("Live"), "text": _("Punches as they happen, in each terminal's own time.")})
    places = widgets.ask("places", lambda client, token: client.places(token))
    if places is None:
        return
    names = {place.id: place.name for place in places}
    wanted = widgets.scope_bar(names)
    punches = widgets.ask(("latest", *wanted), lambda client, token: client.latest_punches(token, wanted, SHOWN))
    if punches is None:
        return
    widgets.draw("feed", feed(punches, names, wanted))
