"""Live: the newest punches as they happen."""

from biometric_flow.dashboard import widgets
from biometric_flow.dashboard.scope import filters, location_field
from biometric_flow.dashboard.views.feed import SHOWN, feed
from biometric_flow.dashboard.words import _


def draw() -> None:
    """The heading, the location filter and the feed."""
    widgets.draw("heading", {"title": _("Live"), "text": _("Punches as they happen, in each terminal's own time.")})
    _feed()


@widgets.fragment()
def _feed() -> None:
    places = widgets.ask("places", lambda client, token: client.places(token))
    if places is None:
        return
    names = {place.id: place.name for place in places}
    wanted = widgets.named("loc", names)
    widgets.draw("scope", filters([location_field(names, wanted)]))
    asked_at = widgets.moment()
    punches = widgets.ask(None, lambda client, token: client.latest_punches(token, wanted, SHOWN))
    if punches is not None:
        widgets.draw("feed", feed(punches, names, wanted, asked_at))
