"""The regions of the Overview page."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from biometric_flow.api.gateway import Attention, Kpis, PlaceFreshness, PlaceToday
from biometric_flow.dashboard.charts import sparkline
from biometric_flow.dashboard.said import said
from biometric_flow.dashboard.views.listing import link
from biometric_flow.dashboard.words import _, counted, noted, number

View = dict[str, Any]
"""JSON for one region: only text, numbers, lists and more of the same."""

MAX_ATTENTION: Final = 7
WEEKDAYS: Final = (
    noted("Mondays"),
    noted("Tuesdays"),
    noted("Wednesdays"),
    noted("Thursdays"),
    noted("Fridays"),
    noted("Saturdays"),
    noted("Sundays"),
)

_ATTENTION: Final = {
    "checkpoint_refused": ("bad", "■", noted("Ledger")),
    "witness_refused": ("bad", "■", noted("Witness")),
    "witness_silent": ("warn", "◐", noted("Witness")),
    "place_silent": ("bad", "▲", noted("Place silent")),
    "terminal_offline": ("bad", "▲", noted("Offline")),
    "terminal_blocked": ("bad", "■", noted("Blocked")),
    "clock_drift": ("warn", "◐", noted("Clock")),
    "quarantine": ("warn", "◐", noted("Unreadable rows")),
    "no_comm_key": ("warn", "◐", noted("No key")),
    "backup": ("bad", "■", noted("Backup")),
    "terminal_alarm": ("bad", "■", noted("Alarm")),
    "terminal_finding": ("warn", "◐", noted("Finding")),
}


def shared_weekday(moment: datetime, zones: Iterable[str]) -> str | None:
    """The weekday in plural when it is the same in all zones at this moment, else None."""
    days = {moment.astimezone(ZoneInfo(zone)).weekday() for zone in zones}
    return WEEKDAYS[days.pop()] if len(days) == 1 else None


def tiles(kpis: Kpis, weekday: str | None) -> View:
    """The KPI row. Places that have not reported are left out of the totals and named in the banner instead."""
    offline = kpis.terminals_total - kpis.terminals_online
    note = "" if not kpis.missing else _("Without {places}", places=_names(kpis.missing))
    rows = [
        _tile("present", _("Present now"), number(kpis.present), _("people with a check-in still open"), "/live"),
        _tile("seen", _("Seen today"), number(kpis.seen_today), usual(kpis, weekday), "/live"),
        _tile("punches", _("Punches today"), number(kpis.punches_today), _("recorded and sealed"), "/live"),
        _tile(
            "terminals",
            _("Terminals online"),
            f"{kpis.terminals_online}/{kpis.terminals_total}",
            counted(offline, "▲ {n} not online", "▲ {n} not online") if offline else _("● all online"),
            "/devices",
        ),
        _tile("people", _("People"), number(kpis.people), _("known to the terminals"), "/live"),
    ]
    rows[1]["trend"] = sparkline(kpis.seen_trend)
    rows[3]["tone"] = "bad" if offline else "ok"
    return {"tiles": rows, "as_of": kpis.as_of.isoformat(), "note": note, "missing": missing_banner(kpis.missing)}


def usual(kpis: Kpis, weekday: str | None) -> str:
    """How today compares with the same weekday's median by this time, in words."""
    if kpis.usual_seen is None:
        return _("no history to compare with yet")
    difference = kpis.seen_today - round(kpis.usual_seen)
    days = _("usual {weekday}", weekday=_(weekday)) if weekday else _("usual by this time")
    if difference == 0:
        return _("the same as {days}", days=days)
    comparison = _("{n} more than {days}") if difference > 0 else _("{n} fewer than {days}")
    return comparison.format(n=number(abs(difference)), days=days)


def missing_banner(missing: Collection[PlaceFreshness]) -> list[View]:
    """One line per silent place: since when, and that the totals leave it out."""
    return [
        {
            "place": place.id,
            "name": place.name,
            "text": _("has not reported since") if place.as_of else _("has never reported"),
            "since": place.as_of.isoformat() if place.as_of else None,
            "rest": _("Totals exclude it."),
            "href": f"/devices?loc={place.id}",
        }
        for place in missing
    ]


def attention(rows: Iterable[Attention]) -> View:
    """The seven most urgent lines, each with where to look."""
    return {
        "title": _("Needs attention"),
        "empty": _("Nothing needs attention."),
        "rows": [
            {
                "tone": _ATTENTION[row.kind][0],
                "shape": _ATTENTION[row.kind][1],
                "word": _(_ATTENTION[row.kind][2]),
                "text": said(row.text),
                "since": row.since.isoformat() if row.since else None,
                "href": _where(row),
                "action": _("Open device") if row.terminal else _("Open devices"),
            }
            for row in list(rows)[:MAX_ATTENTION]
        ],
    }


def _where(row: Attention) -> str:
    """The page of the terminal that a line is about, else the terminals of its place."""
    return link("/devices", id=f"{row.place}/{row.terminal}") if row.terminal else link("/devices", loc=row.place)


def places_table(rows: Iterable[PlaceToday]) -> View:
    """The locations table: numbers with bars of their own length, never a red or green fill."""
    return {
        "title": _("Locations"),
        "head": [
            _("Location"),
            _("Present now"),
            _("Seen today"),
            _("Punches today"),
            _("Terminals"),
            _("Freshness"),
            _("Last 7 days"),
        ],
        "rows": [_place(row) for row in rows],
    }


def _place(row: PlaceToday) -> View:
    are_all_online = row.terminals_online == row.terminals_total
    return {
        "id": row.id,
        "name": row.name,
        "zone": zone_city(row.zone),
        "present": number(row.present),
        "seen": number(row.seen_today),
        "people": number(row.people),
        "share": min(round(100 * row.seen_today / row.people), 100) if row.people else 0,
        "punches": number(row.punches_today),
        "terminals": f"{row.terminals_online}/{row.terminals_total}",
        "terminals_tone": "ok" if are_all_online else "bad",
        "is_reporting": row.is_reporting,
        "fresh": _("Reporting") if row.is_reporting else _("Last heard") if row.as_of else _("Never heard"),
        "as_of": row.as_of.isoformat() if row.as_of else None,
        "trend": sparkline(row.trend),
        "href": f"/devices?loc={row.id}",
    }


def zone_city(zone: str) -> str:
    """The short name of a time zone: "Africa/Cairo" is "Cairo"."""
    return zone.rpartition("/")[2].replace("_", " ")


def _tile(key: str, label: str, value: str, detail: str, href: str) -> View:
    return {"key": key, "label": label, "value": value, "detail": detail, "href": href, "tone": "", "trend": None}


def _names(places: Iterable[PlaceFreshness]) -> str:
    return ", ".join(place.name for place in places)
