"""Payroll files, one function a layout, each as a public document or a shipping exporter has it. Pure.

"Verified" means read at the source that is named, not accepted by the vendor. What a layout needs to know of the
company comes from the `settings` of the payroll mapping.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from biometric_flow.api.tables import Cell, to_csv, to_xlsx
from biometric_flow.gateway.pay.errors import ExportNotPossible
from biometric_flow.gateway.pay.rows import PayMapping, PayRow, summed

_HEAD: Final = ("employee", "name", "date", "code", "tier", "minutes", "hours", "adjusts")


@dataclass(frozen=True, slots=True)
class Period:
    """The period a file is about."""

    id: str
    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Layout:
    """One kind of file."""

    write: Callable[[Sequence[PayRow], PayMapping, Period], bytes]
    name: Callable[[PayMapping, Period], str]
    media_type: str
    needs: tuple[str, ...] = ()
    """Settings of the mapping without which there is no such file."""


def write(layout: str, rows: Sequence[PayRow], mapping: PayMapping, period: Period) -> tuple[str, str, bytes]:
    """File name, media type and bytes; the same for the same rows. Raises ExportNotPossible naming missing settings."""
    found = LAYOUTS[layout]
    missing = [name for name in found.needs if not mapping.settings.get(name)]
    if missing:
        raise ExportNotPossible(f"expected the settings {', '.join(missing)} in the payroll mapping for {layout}")
    return found.name(mapping, period), found.media_type, found.write(rows, mapping, period)


def _lines(rows: Sequence[PayRow]) -> list[tuple[Cell, ...]]:
    lines: list[tuple[Cell, ...]] = [_HEAD]
    lines += [
        (
            row.number,
            row.name,
            row.day.isoformat(),
            row.code,
            row.tier,
            row.minutes,
            row.hours,
            row.adjusts.isoformat() if row.adjusts else None,
        )
        for row in rows
    ]
    return lines


def _csv(rows: Sequence[PayRow], mapping: PayMapping, period: Period) -> bytes:
    return to_csv(_lines(rows))


def _xlsx(rows: Sequence[PayRow], mapping: PayMapping, period: Period) -> bytes:
    return to_xlsx(_lines(rows))


def _adp(rows: Sequence[PayRow], mapping: PayMapping, period: Period) -> bytes:
    """ADP paydata (EPI), TimeTrex's map: a row per bucket; `REG` and `OT` have columns, other codes are Hours 3."""
    head = ("Co Code", "Batch ID", "File #", "Reg Hours", "O/T Hours", "Hours 3 Code", "Hours 3 Amount")
    lines: list[tuple[Cell, ...]] = [head]
    company, batch = mapping.settings["company_code"], mapping.settings["batch_id"]
    for row in summed(rows, period.last):
        start = (company, batch, _digits(row.number).zfill(6))
        if row.code == "REG":
            lines.append((*start, row.hours, None, None, None))
        elif row.code == "OT":
            lines.append((*start, None, row.hours, None, None))
        else:
            lines.append((*start, None, None, row.code, row.hours))
    return to_csv(lines)


def _adp_epip(rows: Sequence[PayRow], mapping: PayMapping, period: Period) -> bytes:
    """ADP EPIP (PC/Payroll): records of 80 bytes of tagged fields, ended by `z`; header A, paydata B, totals C.

    Lengths by Qqest's table of the format; seven digits with two decimals and a sign by Costpoint's and SyteLine's.
    `REG` and `OT` are fields 012 and 013, any other code of two characters is Hours 3, field 016.
    """
    company = _at_most(mapping.settings["company_code"], 3, "company_code").ljust(3)
    batch = _at_most(mapping.settings["batch_id"], 2, "batch_id").rjust(2, "0")
    pay, version = mapping.settings.get("pay_number", "1"), mapping.settings.get("epip_version", "6")
    records = [f"A001{company}002{batch}z{'':66}{_at_most(version, 1, 'epip_version')}"]
    sums = {"030": Decimal(), "031": Decimal(), "032": Decimal()}
    for row in summed(rows, period.last):
        start = f"B003{_at_most(_digits(row.number), 6, 'employee number').zfill(6)}004{_at_most(pay, 1, 'pay_number')}"
        field, total = {"REG": ("012", "030"), "OT": ("013", "031")}.get(row.code, ("", "032"))
        tagged = field or "016" + _at_most(row.code, 2, "earning code").rjust(2)
        records.append(f"{start}{tagged}{_signed(row.hours, 7)}z")
        sums[total] += row.hours
    records.append("C" + "".join(f"{tag}{_signed(hours, 11)}" for tag, hours in sums.items()) + "z")
    return "".join(one.ljust(80) + "\r\n" for one in records).encode("ascii")


def _signed(hours: Decimal, digits: int) -> str:
    """Hundredths of an hour, with blank or minus behind."""
    return f"{abs(int(hours * 100)):0{digits}d}{'-' if hours < 0 else ' '}"


_SPI: Final = (
    "Company ID", "Worker ID", "Org", "Job Number", "Pay Component", "Rate", "Rate Number", "Hours", "Units",
    "Line Date", "Amount", "Check Seq Number", "Override State", "Override Local", "Override Local Jurisdiction",
    "Labor Override",
)  # fmt: skip


def _paychex_spi(rows: Sequence[PayRow], mapping: PayMapping, period: Period) -> bytes:
    """Paychex Flex SPI: header row, unused columns blank; ids of at most 8 and 10, components of at most 20."""
    lines: list[tuple[Cell, ...]] = [_SPI]
    for row in summed(rows, period.last):
        said: dict[str, Cell] = {
            "Company ID": _at_most(mapping.settings["company_code"], 8, "company_code"),
            "Worker ID": _at_most(row.number, 10, "employee number"),
            "Pay Component": _at_most(row.code, 20, "earning code"),
            "Hours": row.hours,
            "Line Date": row.day.strftime("%m/%d/%Y"),
        }
        lines.append(tuple(said.get(name) for name in _SPI))
    return to_csv(lines)


def _paychex_preview(rows: Sequence[PayRow], mapping: PayMapping, period: Period) -> bytes:
    """Paychex Preview, fixed width: number 1-6, `E` 51, code 52-53, hours 63-70, date 71-78; 119-129 stay blank."""
    lines = []
    for row in summed(rows, period.last):
        number = _at_most(_digits(row.number), 6, "employee number").rjust(6)
        code = _at_most(row.code, 2, "earning code").ljust(2)
        hours = f"{row.hours:.2f}".rjust(8)
        line = f"{number}{'':44}E{code}{'':9}{hours}{row.day:%Y%m%d}"
        lines.append(line.ljust(129) + "\r\n")
    return "".join(lines).encode("ascii")


def _paychex_online(rows: Sequence[PayRow], mapping: PayMapping, period: Period) -> bytes:
    """Paychex Online: one row per person, a column `<code> Hours` per earning code."""
    one = summed(rows, period.last)
    codes = sorted({row.code for row in one})
    hours = {(row.number, row.code): row.hours for row in one}
    lines: list[tuple[Cell, ...]] = [("Employee ID", *(f"{code} Hours" for code in codes))]
    numbers = sorted({row.number for row in one})
    lines += [(number, *(hours.get((number, code)) for code in codes)) for number in numbers]
    return to_csv(lines)


def _quickbooks(rows: Sequence[PayRow], mapping: PayMapping, period: Period) -> bytes:
    """QuickBooks Desktop IIF timer file: tabs, a TIMEACT line per person, day and payroll item, H:MM."""
    said = mapping.settings
    lines = [
        "!TIMERHDR\tVER\tREL\tCOMPANYNAME\tIMPORTEDBEFORE\tFROMTIMER\tCOMPANYCREATETIME",
        f"TIMERHDR\t8\t0\t{_flat(said['company_name'])}\tN\tY\t{_flat(said['company_create_time'])}",
        "!TIMEACT\tDATE\tJOB\tEMP\tITEM\tPITEM\tDURATION\tPROJ\tNOTE\tXFERTOPAYROLL\tBILLINGSTATUS",
    ]
    per_day: dict[tuple[str, date, str], int] = {}
    for row in rows:
        key = row.name, row.day, row.code
        per_day[key] = per_day.get(key, 0) + row.minutes
    for (name, day, code), minutes in sorted(per_day.items()):
        if minutes < 0:
            raise ExportNotPossible(f"this layout has no negative time: {name} {day} {code} {minutes} minutes")
        duration = f"{minutes // 60}:{minutes % 60:02d}"
        when = f"{day.month}/{day.day}/{day:%y}"
        lines.append(f"TIMEACT\t{when}\t\t{_flat(name)}\t\t{_flat(code)}\t{duration}\t\t\tY\t0")
    return ("\r\n".join(lines) + "\r\n").encode()


def _surepayroll(rows: Sequence[PayRow], mapping: PayMapping, period: Period) -> bytes:
    """SurePayroll (KB 416): `TC`, `00001`, then date, number (10), last, first, code (2), hours."""
    lines: list[tuple[Cell, ...]] = [("TC",), ("00001",)]
    for row in summed(rows, period.last):
        first, _, last = row.name.partition(" ")
        number, code = _at_most(row.number, 10, "employee number"), _at_most(row.code, 2, "earning code")
        lines.append((row.day.strftime("%m/%d/%Y"), number, last, first, code, row.hours))
    return to_csv(lines)


def _millennium(rows: Sequence[PayRow], mapping: PayMapping, period: Period) -> bytes:
    """Millennium: `employee,E,code,hours`, no header."""
    return to_csv([(row.number, "E", row.code, row.hours) for row in summed(rows, period.last)])


def _ceridian(rows: Sequence[PayRow], mapping: PayMapping, period: Period) -> bytes:
    """Ceridian InSync `.imp`: `employer,COSTING,employee(9),REG,code,hours,,,,,`."""
    employer = mapping.settings["company_code"]
    lines: list[tuple[Cell, ...]] = [
        (employer, "COSTING", _at_most(row.number, 9, "employee number"), "REG", row.code, row.hours, *(None,) * 5)
        for row in summed(rows, period.last)
    ]
    return to_csv(lines)


def _named(suffix: str) -> Callable[[PayMapping, Period], str]:
    return lambda mapping, period: f"{period.id}{suffix}"


def _adp_name(mapping: PayMapping, period: Period) -> str:
    return mapping.settings.get("file_name") or f"PR{mapping.settings['company_code'].ljust(3, '_')}EPI.csv"


def _epip_name(mapping: PayMapping, period: Period) -> str:
    return (
        mapping.settings.get("file_name") or f"EXTPAY{mapping.settings['batch_id']}.{mapping.settings['company_code']}"
    )


def _preview_name(mapping: PayMapping, period: Period) -> str:
    return f"{mapping.settings['company_code']}_TA.txt"


LAYOUTS: Final[Mapping[str, Layout]] = {
    "csv": Layout(_csv, _named(".csv"), "text/csv"),
    "xlsx": Layout(_xlsx, _named(".xlsx"), "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    "adp": Layout(_adp, _adp_name, "text/csv", ("company_code", "batch_id")),
    "adp-epip": Layout(_adp_epip, _epip_name, "text/plain", ("company_code", "batch_id")),
    "paychex-spi": Layout(_paychex_spi, _named("-spi.csv"), "text/csv", ("company_code",)),
    "paychex-preview": Layout(_paychex_preview, _preview_name, "text/plain", ("company_code",)),
    "paychex-online": Layout(_paychex_online, _named("-paychex.csv"), "text/csv"),
    "quickbooks-iif": Layout(_quickbooks, _named(".iif"), "text/plain", ("company_name", "company_create_time")),
    "surepayroll": Layout(_surepayroll, _named("-surepayroll.csv"), "text/csv"),
    "millennium": Layout(_millennium, _named("-millennium.csv"), "text/csv"),
    "ceridian-insync": Layout(_ceridian, _named(".imp"), "text/plain", ("company_code",)),
}


def _digits(number: str) -> str:
    """The digits of an employee number; layouts of numbers take nothing else."""
    digits = "".join(letter for letter in number if letter.isascii() and letter.isdigit())
    if not digits:
        raise ExportNotPossible(f"expected an employee number with digits for this layout, there is {number!r}")
    return digits


def _at_most(text: str, length: int, what: str) -> str:
    if len(text) > length:
        raise ExportNotPossible(f"expected {what} of at most {length} characters for this layout, there is {text!r}")
    return text


def _flat(text: str) -> str:
    """A text in one cell of a tab-separated line."""
    return " ".join(text.split())
