"""Payroll files byte by byte, as their sources have them."""

import csv
import io
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from types import MappingProxyType

import pytest
from openpyxl import load_workbook

from biometric_flow.gateway.pay.errors import ExportNotPossible
from biometric_flow.gateway.pay.layouts import LAYOUTS, Period, write
from biometric_flow.gateway.pay.rows import PayMapping, PayRow, decimal_hours, summed, totals

MAY = Period("may", date(2026, 5, 1), date(2026, 5, 31))
SETTINGS = {
    "company_code": "AB",
    "batch_id": "17",
    "company_name": "Nile Delta",
    "company_create_time": "1234567890",
}
CODES = MappingProxyType({"regular": "REG", "overtime": "OT", "holiday": "HD"})


def row(
    number: str, day: int, code: str, minutes: int, name: str = "Amina Hassan", adjusts: date | None = None
) -> PayRow:
    return PayRow(number, name, date(2026, 5, day), code, "regular", minutes, adjusts)


ROWS = [
    row("42", 4, "REG", 480),
    row("42", 5, "REG", 485),
    row("42", 5, "OT", 65),
    row("7", 5, "HD", 50, "=cmd()|A1"),
    row("7", 31, "REG", -20, "=cmd()|A1", date(2026, 4, 30)),
]


def lines(
    layout: str, rows: list[PayRow] | None = None, settings: Mapping[str, str] = MappingProxyType(SETTINGS)
) -> list[str]:
    _, _, content = write(layout, ROWS if rows is None else rows, PayMapping(CODES, settings), MAY)
    return content.decode().split("\r\n")


def test_hours_are_rounded_half_up_once_a_row() -> None:
    assert [str(decimal_hours(minutes)) for minutes in (1, 3, 20, 50, 485, -20)] == [
        "0.02", "0.05", "0.33", "0.83", "8.08", "-0.33"
    ]  # fmt: skip
    # 0.3 of a minute is half a hundredth of an hour: a whole minute never meets it, so no row is off by more than half.
    assert totals(summed(ROWS, MAY.last))["REG"] == (945, Decimal("15.75"))


def test_the_generic_file_shows_minutes_and_neutralises_formulas() -> None:
    said = lines("csv")
    assert said[0] == "employee,name,date,code,tier,minutes,hours,adjusts"
    assert said[1] == "42,Amina Hassan,2026-05-04,REG,regular,480,8.00,"
    assert said[4] == "7,'=cmd()|A1,2026-05-05,HD,regular,50,0.83,"
    assert said[5] == "7,'=cmd()|A1,2026-05-31,REG,regular,-20,-0.33,2026-04-30"
    quoted = lines("csv", [row("1", 1, "REG", 1, 'Ann "A", B')])
    assert quoted[1].startswith('1,"Ann ""A"", B",')


def test_the_workbook_holds_texts_as_texts_and_numbers_as_numbers() -> None:
    name, _, content = write("xlsx", ROWS, PayMapping(CODES), MAY)
    sheet = load_workbook(io.BytesIO(content)).worksheets[0]
    assert name == "may.xlsx"
    assert [cell.value for cell in sheet[5]] == ["7", "=cmd()|A1", "2026-05-05", "HD", "regular", 50, 0.83, None]
    assert sheet["B5"].data_type == "s"
    assert write("xlsx", ROWS, PayMapping(CODES), MAY)[2] == content


def test_adp_paydata() -> None:
    name, _, _ = write("adp", ROWS, PayMapping(CODES, SETTINGS), MAY)
    assert name == "PRAB_EPI.csv"
    assert lines("adp")[:5] == [
        "Co Code,Batch ID,File #,Reg Hours,O/T Hours,Hours 3 Code,Hours 3 Amount",
        "AB,17,000042,,1.08,,",
        "AB,17,000042,16.08,,,",
        "AB,17,000007,,,HD,0.83",
        "AB,17,000007,-0.33,,,",
    ]


def test_adp_epip_has_records_of_eighty_bytes() -> None:
    rows = [row("42", 4, "REG", 2400), row("42", 5, "OT", 65), row("7", 5, "S", 960), row("7", 31, "REG", -20)]
    header, *paid, totals_, end = lines("adp-epip", rows)
    assert (len(header), header[:14], header[-1], end) == (80, "A001AB 00217z ", "6", "")
    assert [one.rstrip() for one in paid] == [
        "B0030000420041013" + "0000108 z",
        "B0030000420041012" + "0004000 z",
        "B0030000070041012" + "0000033-z",
        "B0030000070041016" + " S0001600 z",
    ]
    assert totals_.rstrip() == "C030" + "00000003967 " + "031" + "00000000108 " + "032" + "00000001600 z"
    assert {len(one) for one in (header, *paid, totals_)} == {80}
    name, _, _ = write("adp-epip", rows, PayMapping(CODES, SETTINGS), MAY)
    assert name == "EXTPAY17.AB"
    with pytest.raises(ExportNotPossible, match="earning code"):
        lines("adp-epip", [row("42", 4, "HOL", 60)])


def test_paychex_flex_spi() -> None:
    said = list(csv.DictReader(io.StringIO("\n".join(lines("paychex-spi")))))
    assert len(said[0]) == 16
    assert (said[1]["Company ID"], said[1]["Worker ID"], said[1]["Pay Component"]) == ("AB", "42", "REG")
    assert (said[1]["Hours"], said[1]["Line Date"], said[1]["Rate"]) == ("16.08", "05/31/2026", "")
    with pytest.raises(ExportNotPossible, match="at most 10"):
        lines("paychex-spi", [row("12345678901", 1, "REG", 60)])


def test_paychex_preview_is_fixed_width() -> None:
    [line] = [one for one in lines("paychex-preview", [row("42", 4, "RE", 480)]) if one]
    assert len(line) == 129
    assert (line[0:6], line[6:50].strip(), line[50:53], line[62:70], line[70:78]) == (
        "    42", "", "ERE", "    8.00", "20260531"
    )  # fmt: skip
    assert line[118:129].strip() == ""
    with pytest.raises(ExportNotPossible, match="earning code"):
        lines("paychex-preview")


def test_paychex_online_is_a_matrix() -> None:
    assert lines("paychex-online")[:3] == [
        "Employee ID,HD Hours,OT Hours,REG Hours",
        "42,,1.08,16.08",
        "7,0.83,,-0.33",
    ]


def test_quickbooks_timer_file() -> None:
    said = lines("quickbooks-iif", ROWS[:3])
    assert said[1].split("\t") == ["TIMERHDR", "8", "0", "Nile Delta", "N", "Y", "1234567890"]
    assert said[3].split("\t") == [
        "TIMEACT", "5/4/26", "", "Amina Hassan", "", "REG", "8:00", "", "", "Y", "0"
    ]  # fmt: skip
    with pytest.raises(ExportNotPossible, match="negative"):
        lines("quickbooks-iif")


def test_surepayroll_millennium_and_ceridian() -> None:
    two = [row("42", 4, "RE", 480)]
    assert lines("surepayroll", two)[:3] == ["TC", "00001", "05/31/2026,42,Hassan,Amina,RE,8.00"]
    assert lines("millennium", two)[0] == "42,E,RE,8.00"
    assert lines("ceridian-insync", two)[0] == "AB,COSTING,42,REG,RE,8.00,,,,,"


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_the_same_rows_give_the_same_bytes_and_a_missing_setting_is_named(layout: str) -> None:
    rows = [row("42", 4, "RE", 480)]
    assert write(layout, rows, PayMapping(CODES, SETTINGS), MAY) == write(
        layout, rows, PayMapping(CODES, SETTINGS), MAY
    )
    for name in LAYOUTS[layout].needs:
        with pytest.raises(ExportNotPossible, match=name):
            write(layout, rows, PayMapping(CODES, {**SETTINGS, name: ""}), MAY)
