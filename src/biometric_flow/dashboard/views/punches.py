"""The punches of some days, each with its receipt."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from biometric_flow.api.gateway import GatewayPunch
from biometric_flow.api.tables import Cell
from biometric_flow.dashboard.scope import Scope
from biometric_flow.dashboard.views.feed import feed_row
from biometric_flow.dashboard.views.listing import SHOWN, badge, cell, link, listing, nothing
from biometric_flow.dashboard.words import _, counted, moment_text

HEAD = ("place", "zone", "terminal", "terminal_name", "pin", "name", "local_time", "instant", "state", "verify", "id")
"""Columns of the file: names of the API, so that both can be compared."""


def punches(items: Sequence[GatewayPunch], total: int, names: Mapping[str, str], scope: Scope) -> dict[str, Any]:
    """Newest first. `total` counts all that match, shown or not."""
    rows = []
    for punch in items[:SHOWN]:
        told = feed_row(punch, names.get(punch.place, punch.place))
        tone = {"in": "ok", "out": "unknown"}.get(told["direction"], "unknown")
        rows.append(
            [
                cell(moment_text(punch.local_time), detail=told["zone"], is_number=True),
                cell(told["name"], detail=punch.pin, is_name=True),
                badge(told["arrow"], told["word"], tone, told["badge"]),
                cell(told["terminal"], detail=told["place_name"], is_name=True),
                cell(told["method"]),
                cell(_("Receipt"), link(f"/download/receipts/{punch.id}")),
            ]
        )
    query = scope.query()
    return listing(
        [_("Time at the terminal"), _("Who"), _("What"), _("Where"), _("How"), _("Proof")],
        rows,
        counted(total, "{n} punch", "{n} punches"),
        nothing(_("No punches here."), _("Choose other days or another location."), link("/punches")),
        downloads={
            _("CSV"): link("/download/punches.csv", **query),
            _("XLSX"): link("/download/punches.xlsx", **query),
        },
        total=total,
    )


def file_rows(items: Iterable[GatewayPunch]) -> list[tuple[Cell, ...]]:
    """The same for a file, under HEAD."""
    return [
        (
            punch.place,
            punch.zone,
            punch.terminal,
            punch.terminal_name,
            punch.pin,
            punch.name,
            punch.local_time.isoformat(sep=" "),
            punch.instant.isoformat(),
            punch.state,
            punch.verify,
            punch.id,
        )
        for punch in items
    ]
