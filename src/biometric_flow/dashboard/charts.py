"""Rows in, geometry out: what the browser draws as SVG, with the sentence that says the same. Pure.

Bars and lines this small need no chart library; leaving Plotly out halves what a first visit downloads (ADR 0022).
"""

import math
from collections.abc import Sequence
from typing import Any, Final

from biometric_flow.api.gateway import Arrivals
from biometric_flow.dashboard.words import _, number

SPARK_WIDTH: Final = 112.0
SPARK_HEIGHT: Final = 28.0
CHART_WIDTH: Final = 840.0
CHART_HEIGHT: Final = 240.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 36.0, 8.0, 10.0, 26.0
MIN_SLOTS: Final = 16


def sparkline(values: Sequence[int]) -> dict[str, Any] | None:
    """Daily bars, the last one today, with their alternative text; None without values."""
    if not values:
        return None
    top = max(*values, 1)
    step = SPARK_WIDTH / len(values)
    bars = []
    for index, value in enumerate(values):
        height = max(SPARK_HEIGHT * value / top, 1.0)
        bars.append([round(index * step, 2), round(SPARK_HEIGHT - height, 2), round(step * 0.7, 2), round(height, 2)])
    earlier = values[:-1] or values
    alt = _(
        "Last {days} days: lowest {low}, highest {high}, today {today}",
        days=len(values),
        low=number(min(earlier)),
        high=number(max(earlier)),
        today=number(values[-1]),
    )
    return {"width": SPARK_WIDTH, "height": SPARK_HEIGHT, "bars": bars, "alt": alt}


def arrivals(rows: Sequence[Arrivals]) -> dict[str, Any] | None:
    """Bars per quarter hour, the usual day as an outline, axes, the finding in a sentence, the same as a table.

    None when nobody has arrived and there is no history: then there is nothing to draw.
    """
    shown = _trim(rows)
    if not shown:
        return None
    top = _nice(max(max(row.today, row.median or 0) for row in shown))
    plot_width, plot_height = CHART_WIDTH - _LEFT - _RIGHT, CHART_HEIGHT - _TOP - _BOTTOM
    step = plot_width / len(shown)
    floor = _TOP + plot_height

    def y(value: float) -> float:
        return round(floor - plot_height * value / top, 2)

    bars = [
        [
            round(_LEFT + index * step + step * 0.12, 2),
            y(row.today),
            round(step * 0.76, 2),
            round(floor - y(row.today), 2),
        ]
        for index, row in enumerate(shown)
        if row.today
    ]
    return {
        "width": CHART_WIDTH,
        "height": CHART_HEIGHT,
        "bars": bars,
        "outline": _outline(shown, step, y) if any(row.median is not None for row in shown) else "",
        "grid": [{"y": y(value), "label": number(value)} for value in (0, top / 2, top)],
        "hours": [
            {"x": round(_LEFT + index * step, 2), "label": row.time}
            for index, row in enumerate(shown)
            if row.time.endswith(":00") and (len(shown) <= 40 or int(row.time[:2]) % 2 == 0)
        ],
        "alt": _finding(rows),
        "legend": {"today": _("Today"), "median": _("Usual (median of the last four same weekdays)")},
        "table": {
            "head": [_("From"), _("Today"), _("Usual")],
            "rows": [
                [row.time, number(row.today), "" if row.median is None else f"{row.median:g}"]
                for row in shown
                if row.today or row.median
            ],
        },
    }


def _trim(rows: Sequence[Arrivals]) -> Sequence[Arrivals]:
    used = [index for index, row in enumerate(rows) if row.today or row.median]
    if not used:
        return []
    first, last = used[0] // 4 * 4, min((used[-1] // 4 + 1) * 4, len(rows))
    if last - first < MIN_SLOTS:
        first = max(0, min(first, len(rows) - MIN_SLOTS))
        last = min(len(rows), first + MIN_SLOTS)
    return rows[first:last]


def _outline(rows: Sequence[Arrivals], step: float, y: Any) -> str:
    path = [f"M{_LEFT:.2f} {y(0)}"]
    for index, row in enumerate(rows):
        x, level = _LEFT + index * step, y(row.median or 0)
        path.append(f"L{x:.2f} {level}L{x + step:.2f} {level}")
    path.append(f"L{_LEFT + len(rows) * step:.2f} {y(0)}")
    return "".join(path)


def _nice(value: float) -> float:
    """The top of the axis: round, and even so that its half is a whole number too."""
    if value <= 4:
        return 4
    magnitude = 10 ** math.floor(math.log10(value))
    return next(float(factor * magnitude) for factor in (1, 1.2, 1.6, 2, 4, 6, 8, 10) if factor * magnitude >= value)


def _finding(rows: Sequence[Arrivals]) -> str:
    total = sum(row.today for row in rows)
    if not total:
        return _("Nobody has arrived yet today.")
    busiest = max(rows, key=lambda row: row.today)
    return _(
        "{total} people have arrived today; most of them, {most}, in the quarter hour from {time}.",
        total=number(total),
        most=number(busiest.today),
        time=busiest.time,
    )
