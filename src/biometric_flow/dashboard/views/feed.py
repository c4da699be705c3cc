"""The rows of the Live page."""

from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from typing import Any, Final

from biometric_flow.api.gateway import GatewayPunch
from biometric_flow.dashboard.views.overview import zone_city
from biometric_flow.dashboard.words import _, day_text, moment_text, noted
from biometric_flow.model.punch import PunchState

LATE: Final = timedelta(minutes=5)
"""A punch that reached us this long after the touch is marked: the terminal or its line was away."""

_DIRECTIONS: Final[dict[int, tuple[str, str, str]]] = {
    PunchState.CHECK_IN: ("in", noted("→"), noted("Check in")),
    PunchState.CHECK_OUT: ("out", noted("←"), noted("Check out")),
    PunchState.BREAK_OUT: ("out", noted("←"), noted("Break start")),
    PunchState.BREAK_IN: ("in", noted("→"), noted("Break end")),
    PunchState.OVERTIME_IN: ("in", noted("→"), noted("Overtime start")),
    PunchState.OVERTIME_OUT: ("out", noted("←"), noted("Overtime end")),
}
_METHODS: Final = {
    0: ("pin", noted("PIN")),
    1: ("fingerprint", noted("Fingerprint")),
    2: ("card", noted("Card")),
    3: ("pin", noted("PIN")),
    4: ("card", noted("Card")),
    15: ("face", noted("Face")),
    25: ("palm", noted("Palm")),
}
"""Raw verify bytes that mean the same on every firmware seen; all others are shown by number."""


SHOWN: Final = 60
"""Rows of the feed; older ones leave at the bottom."""


def feed(
    punches: Iterable[GatewayPunch], names: Mapping[str, str], wanted: Collection[str], asked_at: float
) -> dict[str, Any]:
    """The feed as it opens, when it was asked for, and the words it needs later."""
    return {
        "title": _("Punches, newest first"),
        "rows": [feed_row(punch, names.get(punch.place, punch.place)) for punch in punches],
        "asked_at": asked_at,
        "limit": SHOWN,
        "places": list(wanted),
        "running": _("Newest first. Point at the list or scroll to hold it still."),
        "paused": _("Held still while you read."),
        "show_new": _("{n} new – show", n="{n}"),
        "summary": _("{n} new punches", n="{n}"),
        "empty": _("No punches yet. They appear here the moment a terminal reports one."),
    }


def feed_row(punch: GatewayPunch, place_name: str) -> dict[str, Any]:
    """One punch as a line of the feed; names are text, whatever they contain."""
    direction, arrow, word = _DIRECTIONS.get(punch.state, ("none", "·", noted("Punch")))
    icon, method = _METHODS.get(punch.verify, ("other", ""))
    is_late = punch.received_at - punch.instant > LATE
    return {
        "position": punch.position,
        "time": punch.local_time.strftime("%H:%M:%S"),
        "date": day_text(punch.local_time.date()),
        "exact": f"{moment_text(punch.local_time)} {punch.zone}",
        "instant": punch.instant.isoformat(),
        "zone": zone_city(punch.zone),
        "name": punch.name or _("Person {pin}", pin=punch.pin),
        "pin": punch.pin,
        "place": punch.place,
        "place_name": place_name,
        "terminal": punch.terminal_name or punch.terminal,
        "direction": direction,
        "arrow": _(arrow),
        "word": _(word),
        "icon": icon,
        "method": _(method) if method else _("Method {n}", n=punch.verify),
        "badge": _("Delivered late") if is_late else "",
    }
