"""CSV and XLSX files as rows of text, within fixed limits (security-design P5): values only, no links, no entities."""

import csv
import io
import zipfile
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Final

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, iterparse
from openpyxl import load_workbook
from openpyxl.utils import get_column_letter
from openpyxl.utils.exceptions import InvalidFileException

from biometric_flow.gateway.people.errors import ImportUnreadable

ROWS_MAX: Final = 20_000
COLUMNS_MAX: Final = 64
CELL_MAX: Final = 1000
MEMBERS_MAX: Final = 1000
RATIO_MAX: Final = 100
UNPACKED_MAX: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One row below the head: its number as the spreadsheet counts, and its cells by column name."""

    number: int
    cells: dict[str, str]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table with a head."""

    columns: tuple[str, ...]
    rows: tuple[SheetRow, ...]

    def address(self, row: int, column: str) -> str:
        """Where a cell is, such as C7; a column that is not there is told as the row alone."""
        if column not in self.columns:
            return str(row)
        return f"{get_column_letter(self.columns.index(column) + 1)}{row}"


def read_sheet(content: bytes) -> Sheet:
    """The table in a CSV file (UTF-8; comma, semicolon or tab) or in the first sheet of an XLSX file.

    Raises ImportUnreadable.
    """
    lines = _xlsx(content) if content[:4] == b"PK\x03\x04" else _csv(content)
    head = next(iter(lines), [])
    columns = tuple(name.strip().lower().replace(" ", "_") for name in head)
    while columns and not columns[-1]:
        columns = columns[:-1]
    if not columns or len(columns) > COLUMNS_MAX or len(set(columns)) < len(columns) or not all(columns):
        raise ImportUnreadable(f"expected a first row of 1 to {COLUMNS_MAX} different column names, got {head[:8]!r}")
    rows = [
        SheetRow(
            number, {name: cell.strip() for name, cell in zip(columns, [*line, *([""] * len(columns))], strict=False)}
        )
        for number, line in enumerate(lines[1:], 2)
        if any(cell.strip() for cell in line)
    ]
    return Sheet(columns, tuple(rows))


def _csv(content: bytes) -> list[list[str]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ImportUnreadable(f"expected UTF-8 or an XLSX file, got another byte at {error.start}") from None
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    lines: list[list[str]] = []
    try:
        for line in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True):
            _take(lines, line)
    except csv.Error as error:
        raise ImportUnreadable(f"row {len(lines) + 1}: expected CSV as RFC 4180 has it: {error}") from None
    return lines


def _xlsx(content: bytes) -> list[list[str]]:
    _check_archive(content)
    lines: list[list[str]] = []
    try:
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
        try:
            sheet = book.worksheets[0]
            for row in sheet.iter_rows(max_col=COLUMNS_MAX, values_only=True):
                _take(lines, [_text(value) for value in row])
        finally:
            book.close()
    except (
        InvalidFileException,
        KeyError,
        IndexError,
        ValueError,
        TypeError,
        AttributeError,
        zipfile.BadZipFile,
    ) as error:
        raise ImportUnreadable(f"expected an XLSX workbook with a sheet, got something else: {error!r:.200}") from None
    return lines


def _check_archive(content: bytes) -> None:
    """Nothing is unpacked that could be larger, deeper or cleverer than a plain workbook."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            total = sum(member.file_size for member in members)
            if len(members) > MEMBERS_MAX or total > min(UNPACKED_MAX, max(len(content), 1) * RATIO_MAX):
                raise ImportUnreadable(
                    f"expected at most {MEMBERS_MAX} parts and {UNPACKED_MAX >> 20} MiB, {RATIO_MAX} times the file"
                )
            for member in members:
                name = member.filename
                if name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/") or ":" in name:
                    raise ImportUnreadable(f"expected parts without paths outside the file, got {name[:80]!r}")
                if name.endswith((".xml", ".rels")):
                    with archive.open(member) as part:
                        for _ in iterparse(part, forbid_dtd=True):
                            pass
    except (zipfile.BadZipFile, DefusedXmlException, ParseError, NotImplementedError, RuntimeError, OSError) as error:
        raise ImportUnreadable(f"expected an XLSX workbook of plain XML, got something else: {error!r:.200}") from None


def _take(lines: list[list[str]], line: list[str]) -> None:
    if len(lines) > ROWS_MAX:
        raise ImportUnreadable(f"expected at most {ROWS_MAX} rows below the head; split the file")
    for column, cell in enumerate(line, 1):
        if len(cell) > CELL_MAX or "\0" in cell:
            where = f"{get_column_letter(min(column, 1000))}{len(lines) + 1}"
            raise ImportUnreadable(f"cell {where}: expected a text of at most {CELL_MAX} characters without NUL")
    lines.append(line)


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer():
            return str(int(value))
        case datetime():
            return value.date().isoformat() if value.time() == time() else value.isoformat()
        case date():
            return value.isoformat()
        case time():
            return value.strftime("%H:%M")
        case _:
            return str(value)
