"""One import of a sheet on its way: what is wrong with which cell, and what was done."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from pydantic_core import ErrorDetails
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.api.hours import CellProblem, ImportResult
from biometric_flow.gateway.people.sheets import Sheet, SheetRow
from biometric_flow.gateway.workdays.loader import Loader
from biometric_flow.model.ids import SLUG, TenantId

SHOWN_MAX: Final = 1000
"""Problems that are listed; the rest is counted."""


@dataclass(slots=True)
class Job:
    """One import on its way."""

    connection: AsyncConnection
    tenant: TenantId
    account: str
    loader: Loader
    now: datetime
    sheet: Sheet
    is_dry_run: bool
    created: int = 0
    changed: int = 0
    unchanged: int = 0
    problems: list[CellProblem] = field(default_factory=list)

    def wrong(self, row: int, column: str, expected: str, came: str) -> None:
        """Note what is wrong with a cell."""
        where = self.sheet.address(row, column)
        self.problems.append(CellProblem(row=row, column=column, cell=where, expected=expected, came=came[:80]))

    def refuse(self, row: SheetRow, told: ErrorDetails, columns: dict[str, str]) -> None:
        """Note what a model says of a row; `columns` names the column of a field."""
        path = [str(part) for part in told["loc"]]
        name = next((columns[part] for part in reversed(path) if part in columns), path[-1] if path else "")
        self.wrong(row.number, name, told["msg"].removeprefix("Value error, "), row.cells.get(name, ""))

    def slug(self, row: SheetRow, column: str) -> str:
        """The id in a cell, noted when it cannot be one."""
        name = row.cells[column]
        if not SLUG.fullmatch(name):
            self.wrong(row.number, column, "1 to 40 of a-z, 0-9 and inner hyphens", name)
        return name

    def count(self, *, is_new: bool, is_same: bool) -> None:
        """One more that is created, unchanged or changed."""
        self.created += is_new
        self.unchanged += is_same
        self.changed += not is_new and not is_same

    def result(self) -> ImportResult:
        """What was done, or would be; of each cell the first problem."""
        columns = self.sheet.columns
        told: dict[tuple[int, int], CellProblem] = {}
        for one in self.problems:
            place = columns.index(one.column) if one.column in columns else len(columns)
            told.setdefault((one.row, place), one)
        return ImportResult(
            is_dry_run=self.is_dry_run,
            rows=len(self.sheet.rows),
            created=self.created,
            changed=self.changed,
            unchanged=self.unchanged,
            problems=[told[key] for key in sorted(told)][:SHOWN_MAX],
        )


@dataclass(frozen=True, slots=True)
class SheetKind:
    """What a sheet holds: its columns, which of them must be there, and what takes it."""

    required: tuple[str, ...]
    optional: tuple[str, ...]
    take: Callable[[Job], Awaitable[None]]


def listed(cell: str) -> list[str]:
    """The ids in a cell, apart by a semicolon or a comma."""
    return [name.strip() for name in cell.replace(",", ";").split(";") if name.strip()]
