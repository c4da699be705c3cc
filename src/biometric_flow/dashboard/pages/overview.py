"""Overview: is today normal?"""

from biometric_flow.dashboard import charts, widgets
from biometric_flow.dashboard.views.overview import attention, places_table, shared_weekday, tiles
from biometric_flow.dashboard.words import _


def draw() -> None:
    """The page, top to bottom: totals, what needs attention, arrivals, locations."""
    widgets.draw("heading", {"title": _("Overview"), "text": _("Is today normal?")})
    _today()


@widgets.fragment(widgets.REFRESH_SECONDS)
def _today() -> None:
    overview = widgets.ask("overview", lambda client, token: client.overview(token))
    if overview is None:
        return
    if not overview.places:
        widgets.draw("empty", {"title": _("No locations yet."), "text": _("Add the first one in config/places.json.")})
        return
    weekday = shared_weekday(overview.kpis.as_of, [place.zone for place in overview.places])
    widgets.draw("tiles", tiles(overview.kpis, weekday))
    widgets.draw("attention", attention(overview.attention))
    widgets.draw(
        "arrivals",
        {
            "title": _("Arrivals today"),
            "chart": charts.arrivals(overview.arrivals),
            "show_table": _("Show as table"),
            "show_chart": _("Show as chart"),
            "empty": _("Nobody has arrived yet today, and there is no earlier day to show."),
        },
    )
    widgets.draw("places", places_table(overview.places))
