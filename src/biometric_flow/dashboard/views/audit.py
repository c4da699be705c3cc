"""Who did what, and what was refused."""

from collections.abc import Sequence
from typing import Any

from biometric_flow.api.audit import AuditEntry
from biometric_flow.dashboard.views.listing import badge, cell, link, listing, nothing, short
from biometric_flow.dashboard.words import _, counted, moment_text, number

PAGE = 200
"""Entries on one page."""


def audit(items: Sequence[AuditEntry], head: int, after: int, me: str) -> dict[str, Any]:
    """One page, newest first, between the addresses of its neighbours; `me` is the reader's own account."""
    rows = [
        [
            cell(number(entry.sequence), is_number=True),
            cell(moment_text(entry.at), detail=_("UTC"), is_number=True),
            _actor(entry.actor, me, entry.source),
            cell(entry.operation, detail=", ".join(_about(*pair) for pair in sorted(entry.scope.items()))),
            _result(entry.result),
            short(entry.request),
        ]
        for entry in reversed(items)
    ]
    view = listing(
        [_("No."), _("When"), _("Who"), _("What"), _("Result"), _("Request")],
        rows,
        counted(head, "{n} entry in the trail", "{n} entries in the trail"),
        nothing(_("Nothing was done yet."), _("Every use of an operation that writes appears here, refused or not.")),
        downloads={
            _("Checkpoint, signed"): "/download/audit/checkpoint",
            _("Key that verifies it"): "/download/audit/key",
        },
    )
    newer = link("/audit", after=str(after + PAGE)) if after + PAGE < head else ""
    older = link("/audit", after=str(max(0, after - PAGE))) if after > 0 else ""
    return {
        **view,
        "pages": [
            *([{"text": _("Newer"), "href": newer}] if newer else []),
            *([{"text": _("Older"), "href": older}] if older else []),
        ],
    }


def begin_of(text: str, head: int) -> int:
    """The position that a page begins after: as the address says, else so that it ends with the newest entry."""
    newest = max(0, head - PAGE)
    return min(int(text), newest) if text.isdecimal() and len(text) < 16 else newest


def _actor(actor: str, me: str, source: str) -> dict[str, Any]:
    kind, _colon, name = actor.partition(":")
    if not actor:
        return cell(_("Nobody known"), detail=source)
    if name == me:
        return cell(_("You"), detail=source)
    words = {"account": _("Account {id}", id=name[:8]), "place": name, "process": name}
    return {**cell(words.get(kind, actor), detail=source), "title": actor}


def _about(name: str, value: str) -> str:
    return f"{name} {value[:12]}…" if len(value) > 40 else f"{name} {value}"


def _result(result: str) -> dict[str, Any]:
    status, _space, code = result.partition(" ")
    if status.startswith("2"):
        return badge("●", _("Done"), "ok")
    return badge("■", _("Refused"), "bad", code or status)
