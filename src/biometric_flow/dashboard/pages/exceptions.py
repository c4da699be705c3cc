"""Exceptions: what could rules not settle by themselves?"""

from biometric_flow.api.hours import IrregularityPage
from biometric_flow.dashboard import widgets
from biometric_flow.dashboard.scope import filters, location_field, select
from biometric_flow.dashboard.views.people import inbox, kinds
from biometric_flow.dashboard.words import _

SHOWN = 200
PATH = "/v1/irregularities"
ONE = {"limit": 1}


def draw() -> None:
    """The heading, the filters and the inbox."""
    widgets.draw("heading", {"title": _("Exceptions"), "text": _("What could the rules not settle?")})
    _list()


@widgets.fragment(widgets.REFRESH_SECONDS)
def _list() -> None:
    places = widgets.ask("places", lambda client, token: client.places(token))
    everything = widgets.ask("counts", lambda client, token: client.ask(IrregularityPage, "GET", PATH, token, ONE))
    if places is None or everything is None:
        return
    names, offered = {place.id: place.name for place in places}, kinds(everything.counts)
    place = next(iter(widgets.named("loc", names)), None)
    code = next(iter(widgets.named("kind", offered)), None)
    kind = select("kind", _("Kind"), _("Any kind"), offered, code or "")
    widgets.draw("scope", filters([location_field(names, [place] if place else []), kind]))
    query = {"place": place, "irregularity": code, "limit": SHOWN}
    page = widgets.ask(
        f"irregularities {place} {code}", lambda client, token: client.ask(IrregularityPage, "GET", PATH, token, query)
    )
    if page is not None:
        widgets.draw("inbox", inbox(page))
