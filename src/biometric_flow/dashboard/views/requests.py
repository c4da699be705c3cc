"""Corrections that somebody asked for: who, what, why, what would change, and the decision."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from biometric_flow.api.corrections import RecordedCorrection
from biometric_flow.api.hours import PersonRecord, Preview, RegularisationView
from biometric_flow.dashboard.views.deeds import deed, text_field
from biometric_flow.dashboard.views.listing import badge, cell, link, nothing
from biometric_flow.dashboard.views.people import hours
from biometric_flow.dashboard.words import _, counted, day_text, hijri, moment_text, noted, number

View = dict[str, Any]

STATUSES: Final = {
    "requested": ("○", noted("Waits"), "unknown"),
    "approved": ("●", noted("Approved"), "ok"),
    "rejected": ("■", noted("Rejected"), "bad"),
    "withdrawn": ("○", noted("Withdrawn"), "unknown"),
}
CHANGES_SHOWN: Final = 20


def requests(
    items: Sequence[RegularisationView],
    people: Mapping[str, PersonRecord],
    status: str,
    has_more: bool,
    me: str,
    preview: Preview | None,
) -> View:
    """The inbox of one status. Those that wait can be chosen; one's own cannot, somebody else decides them."""
    waits = status == "requested"
    return {
        "tabs": [
            {"text": _(word), "href": link("/requests", status=name), "is_chosen": name == status}
            for name, (_shape, word, _tone) in STATUSES.items()
        ],
        "tabs_label": _("Status"),
        "head": [*([_("Choose")] if waits else []), _("Day"), _("Who"), _("What"), _("Why"), _("Status")],
        "rows": [_row(one, people.get(str(one.person)), waits, me) for one in items],
        "count": _("More than {n} requests", n=number(len(items))) if has_more
        else counted(len(items), "{n} request", "{n} requests"),
        "empty": nothing(_("Nothing waits for a decision.") if waits else _("Nothing here."),
                         _("Corrections are asked for from a person's day.")),
        "actions": [
            _decision("preview", _("What would change?"), None),
            _decision("approve", _("Approve"), [_("They count at once, and their place writes them into its ledger.")]),
            _decision("reject", _("Reject"), [_("Nothing changes. Whoever asked reads the reason.")]),
        ] if waits and items else [],
        "chosen": _("{n} chosen", n="{n}"),
        "preview": _preview(preview) if preview else None,
    }  # fmt: skip


def _row(one: RegularisationView, person: PersonRecord | None, waits: bool, me: str) -> View:
    is_own = one.requested_by == me
    name = person.name if person else str(one.person)[:8]
    day = link("/people", id=str(one.person), month=f"{one.date:%Y-%m}", day=f"{one.date}")
    shape, word, tone = STATUSES[one.status]
    refused = next((mark for mark in one.recorded if mark.refused), None) if one.status == "approved" else None
    if refused is not None:
        shape, word, tone = "■", noted("Not in the ledger"), "bad"
    recorded = counted(len(one.recorded), "{n} ledger entry", "{n} ledger entries") if one.recorded else ""
    return {
        "select": {"id": str(one.id), "label": _("Choose {name}, {day}", name=name, day=day_text(one.date)),
                   "why_not": _("Yours") if is_own else ""} if waits else None,
        "cells": [
            cell(day_text(one.date), day, hijri(one.date), is_number=True),
            cell(name, detail=person.number if person else "", is_name=True),
            cell(_what(one)),
            cell(one.reason, is_name=True),
            badge(shape, _(word), tone, _refused(refused) if refused else one.decision_reason or recorded),
        ],
    }  # fmt: skip


def _refused(mark: RecordedCorrection) -> str:
    place = mark.place or ""
    if mark.refused == "erased":
        return _("{place} cannot record it: the person was erased there.", place=place)
    return _("{place} cannot record it: it knows nothing of what is corrected.", place=place)


def _what(one: RegularisationView) -> str:
    moment = _("{moment} UTC", moment=moment_text(one.at, has_seconds=False)) if one.at else ""
    match one.operation:
        case "add":
            return _("Add a punch at {time}", time=moment)
        case "void":
            return _("Leave a punch out")
        case "replace":
            return _("Put a punch at {time} instead", time=moment) if moment else _("Read a punch otherwise")
        case _:
            return _("Approve {h} of overtime", h=hours(one.minutes or 0))


def _preview(told: Preview) -> View:
    sums = [counted(told.days, "{n} workday changes", "{n} workdays change"), _("worked {h}", h=_signed(told.worked))]
    return {
        "title": _("If all of them are approved"),
        "text": ", ".join([*sums, *(f"{tier} {_signed(minutes)}" for tier, minutes in told.pay.items())]),
        "changes": [
            {
                "who": change.name,
                "text": "; ".join(
                    f"{field}: {before} → {after}" for field, (before, after) in sorted(change.fields.items())
                ),
                "day": day_text(change.date),
            }
            for change in told.changes[:CHANGES_SHOWN]
        ],
    }


def _signed(minutes: int) -> str:
    return f"+{hours(minutes)}" if minutes > 0 else hours(minutes)


def _decision(name: str, text: str, told: Sequence[str] | None) -> View:
    reason = text_field("reason", _("Reason"), maxlength=400, is_needed=name == "reject")
    return deed(name, text, told, [reason], is_quiet=name != "approve")
