"""How commands are written in Security PUSH, as data (zk-push-protocol 7).

The columns of the access tables are those of the vendor's protocol document, which names them in full.
"""

from collections.abc import Iterator
from typing import Final

from biometric_flow.zk.errors import ProtocolViolation
from biometric_flow.zk.push import commands as c
from biometric_flow.zk.push.columns import (
    DAY,
    ONCE_OR_YEARLY,
    PIN,
    TIME,
    Column,
    check_pin,
    number,
    words,
    write_columns,
)
from biometric_flow.zk.push.form import Form, columns, holding, plain, whole
from biometric_flow.zk.push.form_values import (
    DAYS,
    OPTION,
    ZONE,
    clock_number,
    everywhere,
    hours_minutes,
    optional_pin,
    read_names,
    read_option,
    read_user,
    week,
    write_option,
    zone_of,
)  # fmt: skip
from biometric_flow.zk.wire.access import CLOSED, DaySpan

_TABLE: Final = words("the name of a table", r"[A-Za-z][A-Za-z0-9]{0,31}")
_ALL: Final = "fielddesc=*,filter="


def security() -> Iterator[Form]:
    """The forms of Security PUSH, templates apart."""
    yield from everywhere()
    # Doors, alarms and the restart are bytes of one command.
    yield Form(c.Unlock, "CONTROL DEVICE", _write_unlock, _read_control)
    yield Form(c.CancelAlarm, "CONTROL DEVICE", lambda _one: " 02000000", _read_control)
    yield Form(c.Reboot, "CONTROL DEVICE", lambda _one: " 03000000", _read_control)
    yield plain(c.SendNew, _query("transaction") + "NewRecord")
    span = (("starttime", TIME), ("endtime", TIME))
    yield Form(
        c.QueryAttlog, _query("transaction"), lambda one: write_columns(span, [one.start, one.end]),
        lambda rest: c.QueryTable("transaction") if rest == "*" else c.QueryAttlog(*whole(span, rest)),
    )  # fmt: skip
    yield Form(c.QueryUsers, _query("user"), *optional_pin("", "Pin", "*"))
    yield Form(
        c.QueryTable, "DATA QUERY tablename=", lambda one: f"{_TABLE.write(one.table)},{_ALL}*", _read_query_table
    )  # fmt: skip
    yield Form(
        c.CountTable, "DATA COUNT", lambda one: " " + _TABLE.write(one.table),
        lambda rest: c.CountTable(_TABLE.read(rest.strip(" "))),
    )  # fmt: skip
    yield columns(c.AccountTransactions, "ACCOUNT transaction", ("MaxIndex", number(0, 2**31 - 1, "an index")))
    yield Form(c.SetUser, "DATA UPDATE user", _write_row, read_user)
    yield columns(c.DeleteUser, "DATA DELETE user", ("Pin", PIN))
    yield plain(c.ClearUsers, "DATA DELETE user *")
    yield plain(c.ClearLog, "DATA DELETE transaction *")
    yield columns(
        c.Authorize, "DATA UPDATE userauthorize", ("Pin", PIN),
        ("AuthorizeTimezoneId", number(1, 65_535, "a time zone")), ("AuthorizeDoorId", number(1, 2**31 - 1, "a door")),
    )  # fmt: skip
    yield columns(c.Deauthorize, "DATA DELETE userauthorize", ("Pin", PIN))
    times = tuple(
        (f"{day[:3]}Time{at}", Column(_write_span, _read_span)) for at in (1, 2, 3) for day in DAYS
    )  # fmt: skip
    yield holding(
        c.SetZone, "DATA UPDATE timezone", (("TimezoneId", ZONE), *times),
        lambda one: [one.zone.index, *week(one), *[CLOSED] * 14], lambda index, *spans: zone_of(index, *spans[:7]),
    )  # fmt: skip
    yield columns(c.DeleteZone, "DATA DELETE timezone", ("TimezoneId", ZONE))
    yield columns(
        c.SetHolidayDate, "DATA UPDATE holiday", ("Holiday", DAY), ("HolidayType", number(1, 3, "a type")),
        ("Loop", ONCE_OR_YEARLY),
    )  # fmt: skip
    yield plain(c.ClearHolidays, "DATA DELETE holiday *")
    yield Form(c.SetOption, "SET OPTIONS", lambda one: write_option(one, forbidden=","), read_option)
    yield Form(c.GetOptions, "GET OPTIONS", _write_names, read_names)


def _query(table: str) -> str:
    return f"DATA QUERY tablename={table},{_ALL}"


def _read_query_table(rest: str) -> c.Command:
    table, _, condition = rest.partition(f",{_ALL}")
    if condition != "*":
        raise ProtocolViolation(f"expected a query of a whole table, got {rest[:60]!r}")
    return c.QueryTable(_TABLE.read(table))


def _write_row(command: c.SetUser) -> str:
    check_pin(command.user.pin)
    return " " + "\t".join(command.user.table_fields())


def _write_names(command: c.GetOptions) -> str:
    if not 1 <= len(command.names) <= 50:
        raise ValueError(f"expected 1 to 50 options, got {len(command.names)}")
    return " " + ",".join(map(OPTION.write, command.names))


def _write_span(span: DaySpan) -> str:
    """Start and end in one number; 0 stands for a closed day, which leaves no form for open at 00:00 alone."""
    if span.is_closed:
        return "0"
    value = (clock_number(*span[:2]) << 16) + clock_number(*span[2:])
    if not value:
        raise ValueError("expected a span of more than the first minute, got 00:00 to 00:00")
    return str(value)


def _read_span(text: str) -> DaySpan:
    value = number(0, 0xFFFF_FFFF, "a span").read(text)
    return DaySpan(*hours_minutes(value >> 16), *hours_minutes(value & 0xFFFF)) if value else CLOSED


def _door(text: str) -> c.Command:
    door, output, seconds = (number(0, 255, "a byte").read(str(int(text[at : at + 2], 16))) for at in (2, 4, 6))
    if text[:2] != "01" or output != 1 or not (door >= 1 and 1 <= seconds <= 254):
        raise ProtocolViolation(f"expected a door to open for a time, got {text}")
    return c.Unlock(door, seconds)


def _read_control(rest: str) -> c.Command:
    text = words("four bytes", "[0-9A-Fa-f]{8,10}").read(rest.strip(" "))
    plain: dict[str, c.Command] = {"02000000": c.CancelAlarm(), "03000000": c.Reboot()}
    return plain.get(text[:8]) or _door(text)


def _write_unlock(command: c.Unlock) -> str:
    door, seconds = number(1, 255, "a door").write(command.door), number(1, 254, "seconds").write(command.seconds)
    return f" 01{int(door):02X}01{int(seconds):02X}"
