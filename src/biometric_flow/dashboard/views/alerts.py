"""Alerts: what is wrong, who takes care of it, and where it is told."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from biometric_flow.api.alerts import AlertView, Channel
from biometric_flow.dashboard.said import said
from biometric_flow.dashboard.views.deeds import deed, select_field, text_field
from biometric_flow.dashboard.views.listing import badge, cell, link, nothing
from biometric_flow.dashboard.words import _, counted, moment_text, noted

View = dict[str, Any]

PATH: Final = "/alerts"
NAMES: Final = {
    "chain_broken": noted("Ledger broken"),
    "witness_silent": noted("Witness silent"),
    "place_silent": noted("Place silent"),
    "terminal_silent": noted("Terminal silent"),
    "terminal_blocked": noted("Terminal blocked"),
    "terminal_alarm": noted("Alarm"),
    "clock_drift": noted("Clock wrong"),
    "backlog": noted("Backlog"),
    "breaker_open": noted("Place left alone"),
    "sign_in_attack": noted("Sign-in attack"),
    "backup_overdue": noted("Backup overdue"),
    "break_glass": noted("Break-glass"),
    "break_glass_overdue": noted("Review overdue"),
}
"""Kind of an alert -> its name."""
_PAGES: Final = {"sign_in_attack": "/audit", "break_glass": "/audit", "break_glass_overdue": "/audit"}
"""Where kinds are looked into that are about no place."""


def bell(alerts: Sequence[AlertView]) -> View:
    """How many wait for somebody: what the bell of every page says."""
    waiting = [one for one in alerts if one.acknowledged_at is None and one.resolved_at is None]
    label = counted(len(waiting), "{n} alert waits for somebody", "{n} alerts wait for somebody")
    return {"count": len(waiting), "label": label if waiting else _("No alert waits for anybody")}


def alerts(
    found: Sequence[AlertView],
    channels: Sequence[Channel] | None,
    places: Mapping[str, str],
    zones: Sequence[str],
    me: str,
    *,
    is_open: bool,
    may_acknowledge: bool,
) -> View:
    """The alerts that are open or all of them; the channels too for whoever may see these."""
    view: View = {
        "tabs": [
            {"text": _("Open"), "href": PATH, "is_chosen": is_open},
            {"text": _("All"), "href": link(PATH, which="all"), "is_chosen": not is_open},
        ],
        "tabs_label": _("Alerts"),
        "actions": [],
        "sections": [
            {
                "title": "",
                "count": counted(len(found), "{n} alert", "{n} alerts"),
                "head": [_("Alert"), _("What is wrong"), _("Since"), _("Status")],
                "rows": [_row(one, places, me, may_acknowledge=may_acknowledge) for one in found],
                "empty": nothing(_("Nothing is wrong."), _("What goes wrong with places and terminals appears here.")),
            }
        ],
    }
    if channels is not None:
        view["sections"].append(_told(channels, zones))
    return view


def _row(one: AlertView, places: Mapping[str, str], me: str, *, may_acknowledge: bool) -> View:
    name = _(NAMES[one.kind]) if one.kind in NAMES else one.kind.replace("_", " ").capitalize()
    where = _PAGES.get(one.kind, "/devices")
    if one.place:
        where = link("/devices", id=f"{one.place}/{one.subject}") if one.subject else link("/devices", loc=one.place)
    since = moment_text(one.raised_at, has_seconds=False)
    label = _("I take care of it: {what}", what=name)
    told = [_("It is not told again until it is over.")]
    take = deed("acknowledge", _("I take care of it"), told, label=label, payload={"alert": str(one.id)}, is_quiet=True)
    is_waiting = one.acknowledged_at is None and one.resolved_at is None
    return {
        "cells": [
            cell(name, where, places.get(one.place, one.place)),
            cell(said(one.text)),
            cell(_("{moment} UTC", moment=since)),
            _state(one, me),
        ],
        "actions": [take] if is_waiting and may_acknowledge else [],
    }


def _state(one: AlertView, me: str) -> View:
    if one.resolved_at is not None:
        return badge("●", _("Over"), "ok", _("{moment} UTC", moment=moment_text(one.resolved_at, has_seconds=False)))
    if one.acknowledged_at is not None:
        who = _("by you") if one.acknowledged_by == me else ""
        return badge("◐", _("Taken care of"), "warn", who)
    return badge("■", _("Urgent"), "bad") if one.is_urgent else badge("▲", _("Waits"), "warn")


def _told(channels: Sequence[Channel], zones: Sequence[str]) -> View:
    return {
        "title": _("Where alerts are told"),
        "count": "",
        "head": [_("Channel"), _("Quiet hours"), _("Status")],
        "rows": [_channel(one) for one in channels],
        "empty": nothing(_("Nobody is told yet."), _("Add a channel: mail, Slack, Teams, a webhook or SMS.")),
        "actions": [_adding(zones)],
    }


def _channel(one: Channel) -> View:
    quiet = ""
    if one.quiet is not None:
        quiet = f"{one.quiet.begins:%H:%M}-{one.quiet.ends:%H:%M} {one.quiet.zone}"
    state = badge("●", _("Works"), "ok")
    if not one.is_enabled:
        state = badge("○", _("Off"), "unknown")
    elif one.failure:
        state = badge("■", _("Fails"), "bad", said(one.failure))
    elif one.waiting:
        state = badge("◐", counted(one.waiting, "{n} message waits", "{n} messages wait"), "warn")
    about = {"channel": one.name}
    test = deed("test", _("Test"), None, label=_("Test {name}", name=one.name), payload=about, is_quiet=True)
    told = [_("Nobody is told there any more; what waits for it is dropped.")]
    label = _("Remove {name}", name=one.name)
    remove = deed("remove", _("Remove"), told, label=label, payload=about, is_quiet=True)
    return {"cells": [cell(one.name, detail=one.service), cell(quiet), state], "actions": [test, remove]}


def _adding(zones: Sequence[str]) -> View:
    fields = [
        text_field("called", _("Name, such as keeper"), maxlength=64, pattern="[a-z0-9][a-z0-9\\-]*"),
        {"name": "url", "label": _("Address, such as mailtos://user:password@mail.example.com?to=keeper@example.com"),
         "type": "password", "required": True, "maxlength": 1000},
        {"name": "begins", "label": _("Quiet from (urgent alerts are told all the same)"), "type": "time",
         "required": False},
        {"name": "ends", "label": _("Quiet until"), "type": "time", "required": False},
        select_field("zone", _("By the clock of"), [(zone, zone) for zone in zones]),
    ]  # fmt: skip
    told = [_("The address holds a password: it is sealed, and never shown again.")]
    return deed("add", _("Add a channel"), told, fields, confirm=_("Add"))
