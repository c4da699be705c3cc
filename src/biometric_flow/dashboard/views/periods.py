"""Pay periods: from complete to closed, approved, locked and filed; one step after the other."""

from collections.abc import Sequence
from typing import Any, Final

from biometric_flow.api.hours import Completeness, PeriodPage, PeriodView
from biometric_flow.dashboard.said import said
from biometric_flow.dashboard.views.deeds import deed, select_field, text_field
from biometric_flow.dashboard.views.listing import badge, cell, link, listing, nothing
from biometric_flow.dashboard.words import _, counted, day_text, noted, number

View = dict[str, Any]

STATUSES: Final = {
    "open": ("○", noted("Open"), "unknown"),
    "closed": ("◐", noted("Closed"), "warn"),
    "locked": ("■", noted("Locked"), "ok"),
}
OBSTACLES_SHOWN: Final = 50
LAYOUTS: Final = (
    ("csv", "CSV"),
    ("xlsx", "XLSX"),
    ("adp", "ADP"),
    ("paychex-spi", "Paychex SPI"),
    ("paychex-preview", "Paychex Preview"),
    ("paychex-online", "Paychex Online"),
    ("quickbooks-iif", "QuickBooks IIF"),
    ("surepayroll", "SurePayroll"),
    ("millennium", "Millennium"),
    ("ceridian-insync", "Ceridian Insync"),
)


def periods(page: PeriodPage) -> View:
    """All periods, newest first, and the way to a new one."""
    rows = [
        [
            cell(one.id, link("/periods", id=one.id), is_name=True),
            cell(_("{first} to {last}", first=day_text(one.first), last=day_text(one.last)), is_number=True),
            badge(*_status(one)),
            cell(_approvals(one)),
        ]
        for one in page.items
    ]
    view = listing(
        [_("Period"), _("Days"), _("Status"), _("Approvals")],
        rows,
        counted(len(rows), "{n} period", "{n} periods"),
        nothing(_("No periods yet."), _("Make the first one, such as a calendar month.")),
    )
    return {**view, "actions": [_making()]}


def period(one: PeriodView, state: Completeness | None) -> View:
    """One period: where it stands, what is in the way, what can be done now, and all that was done."""
    found = state.obstacles if state else []
    return {
        "title": one.id,
        "about": _("{first} to {last}", first=day_text(one.first), last=day_text(one.last)),
        "back": {"text": _("All periods"), "href": "/periods"},
        "badge": list(_status(one)),
        "steps": _steps(one, len(found)),
        "obstacles": [{"text": said(each.text), "href": _where(each.kind, one)} for each in found[:OBSTACLES_SHOWN]],
        "obstacles_title": counted(len(found), "{n} thing is in the way", "{n} things are in the way"),
        "hours": {"text": _("Hours of these days"), "href": _days_of(one)},
        "actions": _actions(one, len(found)),
        "files_title": _("Payroll files"),
        "files": [
            {"text": text, "href": f"/download/periods/{one.id}/{layout}"} for layout, text in LAYOUTS
        ] if one.status == "locked" else [],
        "history_title": _("What was done"),
        "history": [
            {"at": event.at.isoformat(), "text": said(event.action), "reason": event.reason} for event in one.events
        ],
    }  # fmt: skip


def _status(one: PeriodView) -> tuple[str, str, str]:
    shape, word, tone = STATUSES[one.status]
    return shape, _(word), tone


def _approvals(one: PeriodView) -> str:
    return _("{n} of {all}", n=number(len(one.approved_by)), all=number(one.approvers))


def _steps(one: PeriodView, missing: int) -> list[View]:
    is_closed, is_locked = one.status != "open", one.status == "locked"
    complete = _("Complete") if not missing else counted(missing, "{n} in the way", "{n} in the way")
    return [
        {"text": complete, "is_done": is_closed or not missing},
        {"text": _("Closed"), "is_done": is_closed},
        {"text": _("Approved {n}", n=_approvals(one)), "is_done": is_locked},
        {"text": _("Locked: files can be taken"), "is_done": is_locked},
    ]


def _actions(one: PeriodView, missing: int) -> list[View]:
    days = _("{first} to {last}", first=day_text(one.first), last=day_text(one.last))
    if one.status == "open":
        forced = counted(missing, "{n} thing is in the way.", "{n} things are in the way.") if missing else ""
        text = _("The workdays of {days} stand from now on; what is learned later becomes adjustments.", days=days)
        return [_action("close", _("Close period"), [text, forced], one.id, is_forced=bool(missing))]
    text = _("The days of {id} are computed again by all that is known now; approvals are taken back.", id=one.id)
    reopen = _action("reopen", _("Reopen"), [text], one.id, is_reason_needed=True, is_quiet=True)
    if one.status == "locked":
        return [reopen]
    text = _("You confirm the hours of {days}.", days=days)
    return [_action("approve", _("Approve"), [text], one.id), reopen]


def _action(
    name: str,
    text: str,
    told: Sequence[str],
    period_id: str,
    *,
    is_forced: bool = False,
    is_reason_needed: bool = False,
    is_quiet: bool = False,
) -> View:
    needed = is_forced or is_reason_needed
    label = _("Reason; it stays with the period") if needed else _("Remark (may stay empty)")
    label = _("Reason for closing it all the same") if is_forced else label
    reason = text_field("reason", label, maxlength=400, is_needed=needed)
    title = _("{action}: {id}", action=text, id=period_id)
    return deed(name, text, told, [reason], title=title, payload={"force": is_forced}, is_quiet=is_quiet)


def _making() -> View:
    fields = [
        text_field("id", _("Name, such as 2026-11"), maxlength=64, pattern="[a-z0-9][a-z0-9\\-]*"),
        {"name": "from", "label": _("From"), "type": "date", "required": True},
        {"name": "to", "label": _("To"), "type": "date", "required": True},
        select_field("approvers", _("Approvals needed"), [("1", "1"), ("2", "2")]),
    ]
    told = [_("Days that no other period has. It can be changed while it is open.")]
    return deed("make", _("New period"), told, fields, confirm=_("Make it"))


def _days_of(one: PeriodView) -> str:
    return link("/workdays", from_=f"{one.first}", to=f"{one.last}")


def _where(kind: str, one: PeriodView) -> str:
    pages = {"terminal": "/devices", "place": "/devices", "irregularity": "/exceptions", "request": "/requests"}
    return pages.get(kind, _days_of(one) if kind == "workdays" else "")
