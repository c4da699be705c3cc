"""Tables as CSV and XLSX: the same bytes for the same rows, and no cell that a spreadsheet would compute. Pure."""

import io
import re
import zipfile
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final
from xml.sax.saxutils import escape

Cell = str | int | Decimal | None

_FORMULA: Final = re.compile(r"^[=+\-@\t\r]")
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_PARTS: Final = {
    "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.'
    'sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-'
    'officedocument.spreadsheetml.worksheet+xml"/></Types>',
    "_rels/.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"'
    ' Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>'
    '<sheet name="SHEET" sheetId="1" r:id="r1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet"'
    ' Target="worksheets/sheet1.xml"/></Relationships>',
}


def plain(text: str) -> str:
    """A text that no spreadsheet takes for a formula (ASVS 5.0 V1.2.10): what could be one gets an apostrophe."""
    return f"'{text}" if _FORMULA.match(text) else text


def to_csv(lines: Iterable[Sequence[Cell]], delimiter: str = ",") -> bytes:
    """RFC 4180: CRLF, quotes where needed. Texts are neutralised, numbers stay numbers."""
    return "".join(delimiter.join(_field(cell, delimiter) for cell in line) + "\r\n" for line in lines).encode()


def to_xlsx(lines: Iterable[Sequence[Cell]], sheet_name: str = "Period") -> bytes:
    """A workbook of one sheet. Texts are inline strings, which no program computes."""
    rows = "".join(f'<row r="{number}">{"".join(map(_cell, line))}</row>' for number, line in enumerate(lines, 1))
    sheet = f'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{rows}</sheetData></worksheet>'
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in (*_PARTS.items(), ("xl/worksheets/sheet1.xml", sheet)):
            if name == "xl/workbook.xml":
                part = part.replace("SHEET", escape(sheet_name[:31], {'"': "&quot;"}))
            member = zipfile.ZipInfo(name, _EPOCH)
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n{part}')
    return content.getvalue()


def _field(cell: Cell, delimiter: str) -> str:
    if not isinstance(cell, str):
        return "" if cell is None else str(cell)
    text = plain(cell)
    if any(mark in text for mark in (delimiter, '"', "\r", "\n")):
        return '"' + text.replace('"', '""') + '"'
    return text


def _cell(cell: Cell) -> str:
    if cell is None:
        return "<c/>"
    if not isinstance(cell, str):
        return f"<c><v>{cell}</v></c>"
    text = escape(_CONTROL.sub("", cell))
    return f'<c t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'
