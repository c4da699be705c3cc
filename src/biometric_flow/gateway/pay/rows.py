"""What a closed period pays: one row per person, date and earning code, in minutes. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Final
from uuid import UUID

from biometric_flow.gateway.pay.errors import ExportNotPossible

_CENT: Final = Decimal("0.01")
_LISTED: Final = 10


@dataclass(frozen=True, slots=True)
class Paid:
    """Minutes of one tier on one day, or what an earlier, locked day is worth more or less."""

    person: UUID
    day: date
    tier: str
    minutes: int
    is_adjustment: bool = False


@dataclass(frozen=True, slots=True)
class PayRow:
    """One line for payroll."""

    number: str
    name: str
    day: date
    code: str
    tier: str
    minutes: int
    adjusts: date | None = None
    """The locked day that an adjustment is about; the row itself is dated in the period that pays it."""

    @property
    def hours(self) -> Decimal:
        """Decimal hours, two places, half up: rounded once per row."""
        return decimal_hours(self.minutes)


@dataclass(frozen=True, slots=True)
class PayMapping:
    """Earning codes by tier, and what a layout wants to know of the company."""

    codes: Mapping[str, str]
    settings: Mapping[str, str] = field(default_factory=dict)


def decimal_hours(minutes: int) -> Decimal:
    """Minutes as hours with two places, half up (away from zero)."""
    return (Decimal(minutes) / 60).quantize(_CENT, ROUND_HALF_UP)


def pay_rows(
    paid: Iterable[Paid], names: Mapping[UUID, tuple[str, str]], mapping: PayMapping, last: date
) -> list[PayRow]:
    """Rows in the order of employee number, date and code. Raises ExportNotPossible for tiers without a code."""
    rows = list(paid)
    unmapped = sorted({one.tier for one in rows} - set(mapping.codes))
    if unmapped:
        raise ExportNotPossible(f"expected an earning code for every tier, there is none for {', '.join(unmapped)}")
    made = [
        PayRow(
            number=names[one.person][0],
            name=names[one.person][1],
            day=last if one.is_adjustment else one.day,
            code=mapping.codes[one.tier],
            tier=one.tier,
            minutes=one.minutes,
            adjusts=one.day if one.is_adjustment else None,
        )
        for one in rows
        if one.minutes
    ]
    return sorted(made, key=lambda row: (row.number, row.day, row.adjusts or row.day, row.code, row.tier))


def summed(rows: Sequence[PayRow], last: date) -> list[PayRow]:
    """One row per person and earning code, dated on the last day of the period, adjustments included."""
    totals: dict[tuple[str, str, str], int] = {}
    for row in rows:
        key = row.number, row.name, row.code
        totals[key] = totals.get(key, 0) + row.minutes
    return [
        PayRow(number, name, last, code, "", minutes)
        for (number, name, code), minutes in sorted(totals.items())
        if minutes
    ]


def totals(rows: Iterable[PayRow]) -> dict[str, tuple[int, Decimal]]:
    """By earning code: minutes, and the decimal hours that rows of one person and code add up to."""
    found: dict[str, tuple[int, Decimal]] = {}
    for row in rows:
        minutes, hours = found.get(row.code, (0, Decimal()))
        found[row.code] = minutes + row.minutes, hours + row.hours
    return dict(sorted(found.items()))


def refuse_open(days: Sequence[tuple[str, date, str]]) -> None:
    """Raise ExportNotPossible while workdays miss punches: employee number, date and irregularity of each."""
    if days:
        listed = "; ".join(f"{number} {day} {code}" for number, day, code in days[:_LISTED])
        more = f" and {len(days) - _LISTED} more" if len(days) > _LISTED else ""
        raise ExportNotPossible(f"expected no open irregularities, there are {listed}{more}: regularise them first")
