"""What a sheet may be, and what it may never do."""

import io
import zipfile

import pytest
from openpyxl import DEFUSEDXML, Workbook

from biometric_flow.gateway.people.errors import ImportUnreadable
from biometric_flow.gateway.people.sheets import RATIO_MAX, read_sheet


def workbook(**parts: bytes) -> bytes:
    """A small workbook, with parts replaced or added (dots and slashes of a name as __ and ___)."""
    book, plain, altered = Workbook(), io.BytesIO(), io.BytesIO()
    assert book.active is not None
    book.active.append(["number", "name"])
    book.active.append(["E1", "=1+1"])
    book.save(plain)
    names = {name.replace("___", "/").replace("__", "."): content for name, content in parts.items()}
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(altered, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.namelist():
            if member not in names:
                new.writestr(member, old.read(member))
        for name, content in names.items():
            new.writestr(name, content)
    return altered.getvalue()


def test_formulas_are_read_as_values_only() -> None:
    assert DEFUSEDXML
    sheet = read_sheet(workbook())
    # A formula that no program has computed has no value.
    assert [row.cells for row in sheet.rows] == [{"number": "E1", "name": ""}]


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe\x00",
        b"",
        b"number,number\n1,2\n",
        b'number,name\n"E1,never closed\n',
        b"number\n" + b"x" * 1001,
        b"number\nE1\0",
        b"PK\x03\x04 and nothing else",
        workbook()[:-200],
    ],
)
def test_what_is_no_table_is_refused(content: bytes) -> None:
    with pytest.raises(ImportUnreadable):
        read_sheet(content)


@pytest.mark.parametrize(
    "parts",
    [
        {"evil__xml": b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'},
        {"evil__xml": b'<!DOCTYPE a SYSTEM "http://example.com/a.dtd"><a/>'},
        {"xl___worksheets___sheet1__xml": b"<worksheet>" + b" " * 4_000_000 + b"</worksheet>"},
        {"__.___outside__xml": b"<a/>"},
        {"xl___worksheets___sheet1__xml": b"not xml"},
    ],
)
def test_a_workbook_with_a_trick_in_it_is_refused(parts: dict[str, bytes]) -> None:
    with pytest.raises(ImportUnreadable):
        read_sheet(workbook(**parts))


def test_too_many_parts_and_rows_are_refused() -> None:
    with pytest.raises(ImportUnreadable, match="parts"):
        read_sheet(workbook(**{f"part{number}__txt": b"" for number in range(1001)}))
    with pytest.raises(ImportUnreadable, match="rows"):
        read_sheet(b"number\n" + b"1\n" * 20_001)
    assert RATIO_MAX == 100


def test_a_cell_is_named_as_the_spreadsheet_names_it() -> None:
    sheet = read_sheet(b"a;b;c\n1;2;3\n\n4;5;6\n")
    assert [(row.number, row.cells["c"]) for row in sheet.rows] == [(2, "3"), (4, "6")]
    assert sheet.address(4, "c") == "C4"
