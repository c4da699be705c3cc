"""One terminal: its state, how full it is, what is wrong, what it can be told, and what became of that."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from biometric_flow.api.gateway import TerminalStatus
from biometric_flow.api.jobs import JobView
from biometric_flow.api.place import Finding
from biometric_flow.dashboard.said import said
from biometric_flow.dashboard.views.deeds import deed, text_field
from biometric_flow.dashboard.views.devices import CAPACITY_LIMIT_PERCENT, device
from biometric_flow.dashboard.views.listing import badge, cell, link
from biometric_flow.dashboard.words import _, counted, moment_text, noted, number

View = dict[str, Any]

STATES: Final[Mapping[str, tuple[str, str, str]]] = {
    "queued": ("○", noted("Waits for the terminal"), "unknown"),
    "sent": ("◐", noted("Sent, not confirmed yet"), "warn"),
    "confirmed": ("●", noted("Confirmed by the terminal"), "ok"),
    "failed": ("■", noted("Failed"), "bad"),
    "timed_out": ("▲", noted("Timed out"), "bad"),
}
"""What became of a job -> shape, words, tone."""

ORDERS: Final[Mapping[str, tuple[str, str]]] = {
    "sync_time": (noted("Set the clock"), noted("The clock of {name} is set to true time and read back.")),
    "pull_again": (
        noted("Read everything again"),
        noted("All people and punches of {name} are read once more; what is known already is recognised."),
    ),
    "push_users": (
        noted("Write people"),
        noted("{name} gets everybody who should be on it. Nobody is removed."),
    ),
    "restart": (noted("Restart"), noted("{name} restarts. Nobody can punch there for about a minute.")),
    "unlock": (
        noted("Open the door"),
        noted("The door at {name} opens for 5 seconds, now. Whoever stands there can walk in."),
    ),
    "set_comm_key": (
        noted("Give it a key"),
        noted("{name} gets a random communication key that nobody is told. Other programs can read it no more."),
    ),
    "clear_log": (
        noted("Clear its punches"),
        noted("{name} forgets its {n} punches, once all are in the ledger and at the gateway. It cannot be undone."),
    ),
}
"""Order -> what the button says and what will happen."""

OPERATE: Final = "terminal:operate"
SEEN: Final = "seen"
"""The deed that dismisses a finding."""
NEEDED: Final[Mapping[str, str]] = {
    "push_users": "terminal:people",
    "unlock": "door:open",
    "set_comm_key": "terminal:maintain",
    "clear_log": "terminal:maintain",
}
"""The permission that an order asks for beside `terminal:operate`. For what is drawn; the gateway decides."""
_DANGEROUS: Final = ("clear_log",)
_ASKED: Final = ("restart", "unlock", "set_comm_key", "clear_log")
"""Orders that say first what they do; the others can be given again at any time."""
OPEN: Final = ("queued", "sent")


def terminal(
    one: TerminalStatus,
    places: Mapping[str, str],
    jobs: Sequence[JobView] | None,
    why_not: str,
    may: Callable[[str], bool],
) -> View:
    """The page. `jobs` is None when the place could not be asked; `why_not` says why; `may` says what is held."""
    known = device(one, places)
    capacity = one.capacity
    full = (_("People"), _("Punches stored"), _("Fingers"), _("Faces"))
    return {
        **known,
        "back": {"href": link("/devices"), "text": _("All devices")},
        "since_label": _("In this state"),
        "contact_label": _("Last contact"),
        "never": _("never"),
        "full_title": _("How full it is"),
        "full": [
            _fill(_("Punches"), capacity.punches, capacity.punches_limit),
            _fill(_("People"), capacity.users, capacity.users_limit),
            _fill(_("Fingers"), capacity.fingers, capacity.fingers_limit),
            _fill(_("Faces"), capacity.faces, capacity.faces_limit),
        ],
        "findings_title": _("What is wrong"),
        "findings": [
            {
                "tone": "bad" if finding.severity == "alarm" else "warn",
                "text": said(finding.text),
                "since": finding.since.isoformat() if finding.since else None,
                "actions": [_seen(finding, one)] if finding.since and may(OPERATE) else [],
            }
            for finding in one.findings
        ],
        "facts_title": _("What it is"),
        "facts": [fact for fact in [*known["main"], *known["more"]] if fact[0] not in full],
        "actions_title": _("What it can be told"),
        "actions": [
            _action(kind, one)
            for kind in ORDERS
            if may(OPERATE) and may(NEEDED.get(kind, OPERATE)) and (kind != "set_comm_key" or not one.has_comm_key)
        ],
        "no_actions": "" if may(OPERATE) else _("You need the right to operate terminals. Ask an administrator."),
        "jobs_title": _("What it was told"),
        "jobs": {
            "head": [_("When"), _("What"), _("Status"), _("What came of it")],
            "rows": [_job(job) for job in jobs or ()],
            "count": counted(len(jobs), "{n} order", "{n} orders") if jobs is not None else why_not,
            "is_known": jobs is not None,
            "empty": _("Nothing yet.") if jobs is not None else "",
        },
        "punches": {"href": link("/punches", loc=one.place), "text": _("Punches of this location")},
    }


def _seen(finding: Finding, one: TerminalStatus) -> View:
    """What happened once goes away when somebody has seen it; what lasts goes away when it is mended."""
    told = [said(finding.text), _("It leaves this list for everybody. The ledger says who has seen it and when.")]
    text, what = _("I have seen it"), said(finding.text)
    return deed(
        SEEN,
        text,
        told,
        title=_("{action}: {id}", action=text, id=one.name),
        label=_("I have seen it: {what}", what=what),
        payload={"code": finding.code},
        is_quiet=True,
    )


def is_given(order: Mapping[str, Any], one: TerminalStatus) -> bool:
    """Is this an order that the page offers, and was the name typed where it has to be?"""
    kind = order.get("name")
    return kind in ORDERS and (kind not in _DANGEROUS or str(order.get("typed", "")).strip() == one.name)


def body(kind: str) -> dict[str, Any]:
    """The order as the place reads it."""
    return {"kind": kind, "seconds": 5} if kind == "unlock" else {"kind": kind}


def _fill(label: str, count: int, limit: int) -> View:
    if limit <= 0:
        return {"label": label, "text": number(count), "percent": None, "tone": ""}
    percent = min(100.0, 100 * count / limit)
    return {
        "label": label,
        "text": _("{n} of {all}", n=number(count), all=number(limit)),
        "percent": round(percent, 1),
        "tone": "warn" if percent > CAPACITY_LIMIT_PERCENT else "",
    }


def _action(kind: str, one: TerminalStatus) -> View:
    text, told = _(ORDERS[kind][0]), _(ORDERS[kind][1], name=one.name, n=number(one.capacity.punches))
    typed = text_field(
        "typed",
        _("Type {name} to confirm", name=one.name),
        pattern=re.sub(r"([\\^$.*+?()\[\]{}|/-])", r"\\\1", one.name),
    )
    button = deed(
        kind,
        text,
        [told] if kind in _ASKED else None,
        [typed] if kind in _DANGEROUS else [],
        title=_("{action}: {id}", action=text, id=one.name),
        is_quiet=True,
        is_danger=kind in _DANGEROUS,
    )
    return button | {"title": told}


def _job(job: JobView) -> list[View]:
    shape, words, tone = STATES[job.state]
    kind = job.order.kind
    return [
        cell(moment_text(job.created_at), detail=_("UTC"), is_number=True),
        cell(_(ORDERS[kind][0]) if kind in ORDERS else kind.replace("_", " ")),
        badge(shape, _(words), tone),
        cell(said(job.detail), is_name=True),
    ]
