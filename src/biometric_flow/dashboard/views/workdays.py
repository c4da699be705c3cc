"""The workdays of many people, day by day."""

from collections.abc import Iterable, Sequence
from typing import Any

from biometric_flow.api.hours import WorkdayView
from biometric_flow.api.tables import Cell
from biometric_flow.dashboard.scope import Scope
from biometric_flow.dashboard.views.listing import SHOWN, badge, cell, link, listing, nothing
from biometric_flow.dashboard.views.people import REGULAR, RUNNING, hours
from biometric_flow.dashboard.views.statuses import IRREGULARITIES, STATUSES
from biometric_flow.dashboard.words import _, counted, day_text, hijri

HEAD = ("number", "name", "date", "status", "worked", "scheduled", "late", "early_out", "above_regular", "flags")
"""Columns of the file; durations are minutes."""


def workdays(items: Sequence[WorkdayView], has_more: bool, scope: Scope) -> dict[str, Any]:
    """One row per person and day; each leads to the sentences that explain it."""
    rows = []
    for day in items[:SHOWN]:
        _letter, shape, word, tone = STATUSES.get(day.status, ("", "○", day.status, "unknown"))
        flags = ", ".join(_(IRREGULARITIES.get(code, code)) for code in day.exceptions if code != RUNNING)
        month = f"{day.date:%Y-%m}"
        rows.append(
            [
                cell(
                    day_text(day.date),
                    link("/people", id=str(day.person), month=month, day=f"{day.date}"),
                    hijri(day.date),
                    is_number=True,
                ),
                cell(day.name, link("/people", id=str(day.person), month=month), day.number, is_name=True),
                badge(shape, _(word), tone, f"▲ {flags}" if flags else ""),
                *(_minutes(value) for value in (day.worked, day.scheduled, day.late, day.early_out, _above(day))),
            ]
        )
    query = scope.query()
    return listing(
        [_("Day"), _("Who"), _("Status"), _("Worked"), _("Planned"), _("Late"), _("Left early"), _("Above regular")],
        rows,
        _("More than {n} workdays", n=len(rows)) if has_more else counted(len(rows), "{n} workday", "{n} workdays"),
        nothing(
            _("No workdays here."),
            _("Workdays come from people with a PIN and a schedule. Choose other days, or see People."),
            link("/workdays"),
        ),
        downloads={
            _("CSV"): link("/download/workdays.csv", **query),
            _("XLSX"): link("/download/workdays.xlsx", **query),
        },
        total=len(rows) + 1 if has_more else None,
    )


def file_rows(items: Iterable[WorkdayView]) -> list[tuple[Cell, ...]]:
    """The same for a file, under HEAD."""
    return [
        (
            day.number,
            day.name,
            day.date.isoformat(),
            day.status,
            day.worked,
            day.scheduled,
            day.late,
            day.early_out,
            _above(day),
            " ".join(day.exceptions),
        )
        for day in items
    ]


def _above(day: WorkdayView) -> int:
    return sum(minutes for tier, minutes in day.pay.items() if tier != REGULAR)


def _minutes(value: int) -> dict[str, Any]:
    return cell(hours(value) if value else "–", is_number=True)
