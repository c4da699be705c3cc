"""What the forms of both protocols share: people, options, opening times, firmware."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from biometric_flow.zk.errors import ProtocolViolation
from biometric_flow.zk.push import commands as c
from biometric_flow.zk.push.columns import PIN, check_pin, free_text, number, words
from biometric_flow.zk.push.form import Form, plain
from biometric_flow.zk.push.people import PushedUser
from biometric_flow.zk.push.text import read_fields
from biometric_flow.zk.wire.access import AccessZone, DaySpan

DAYS: Final = ("Sun", "Mon", "Tues", "Wed", "Thurs", "Fri", "Sat")
ZONE: Final = number(1, 50, "a time zone")
OPTION: Final = words("the name of an option", r"[~A-Za-z][A-Za-z0-9_]{0,39}")
BLOB: Final = words("the id of a blob", r"[A-Za-z0-9_-]{16,64}")
_MD5: Final = words("an MD5 in hexadecimal", "[0-9a-f]{32}")
_SIZE: Final = number(1, 256 * 1024 * 1024, "a size")


def everywhere() -> Iterator[Form]:
    """What both protocols write alike."""
    yield plain(c.Check, "CHECK")
    yield plain(c.AskInfo, "INFO")
    yield Form(c.Upgrade, "UPGRADE", _write_upgrade, _read_upgrade)


def read_user(rest: str) -> c.Command:
    """A person out of either table. Raises ProtocolViolation."""
    return c.SetUser(PushedUser.of(read_fields(rest.strip(" "))))


def optional_pin(blank: str, key: str, nobody: str) -> tuple[Callable[[Any], str], Callable[[str], c.Command]]:
    """Everybody, or one person."""

    def write(command: c.QueryUsers) -> str:
        return f"{blank}{key}={check_pin(command.pin)}" if command.pin else nobody

    def read(rest: str) -> c.Command:
        if rest.strip() == nobody:
            return c.QueryUsers()
        return c.QueryUsers(PIN.read(read_fields(rest.strip(" ")).first("pin")))

    return write, read


def write_option(command: c.SetOption, *, forbidden: str = "") -> str:
    """One option. Raises ValueError for a value that could begin another one."""
    value = free_text("value", 400).write(command.value)
    if any(letter in value for letter in forbidden):
        raise ValueError(f"expected an option value without {forbidden!r}, got {value[:40]!r}")
    return f" {OPTION.write(command.name)}={value}"


def read_option(rest: str) -> c.Command:
    """One option; its value may hold anything. Raises ProtocolViolation."""
    name, sign, value = rest.strip(" ").partition("=")
    if not sign:
        raise ProtocolViolation(f"expected an option as name=value, got {rest[:40]!r}")
    return c.SetOption(OPTION.read(name), value)


def read_names(rest: str) -> c.Command:
    """Names of options. Raises ProtocolViolation."""
    return c.GetOptions(tuple(OPTION.read(name) for name in rest.strip(" ").split(",")[:51]))


def clock_number(hour: int, minute: int) -> int:
    """A time of day as HHMM. Raises ValueError."""
    if hour not in range(24) or minute not in range(60):
        raise ValueError(f"expected hours below 24 and minutes below 60, got {hour}:{minute}")
    return hour * 100 + minute


def hours_minutes(value: int) -> tuple[int, int]:
    """HHMM as hour and minute. Raises ProtocolViolation."""
    if value // 100 not in range(24) or value % 100 not in range(60):
        raise ProtocolViolation(f"expected a time as HHMM, got {value}")
    return divmod(value, 100)


def zone_of(index: int, *spans: DaySpan) -> c.Command:
    """The order to know these opening times."""
    return c.SetZone(AccessZone(index, spans))


def week(command: c.SetZone) -> tuple[DaySpan, ...]:
    """Seven days. Raises ValueError for another number."""
    if len(command.zone.days) != 7:
        raise ValueError(f"expected a week of 7 days, got {len(command.zone.days)}")
    return command.zone.days


def _write_upgrade(command: c.Upgrade) -> str:
    told = (_MD5.write(command.checksum), _SIZE.write(command.size), BLOB.write(command.blob))
    return " type=1,checksum={},size={},url={}".format(*told)


def _read_upgrade(rest: str) -> c.Command:
    told = dict(part.partition("=")[::2] for part in rest.strip(" ").split(","))
    return c.Upgrade(
        _MD5.read(told.get("checksum", "")), BLOB.read(told.get("url", "")), _SIZE.read(told.get("size", ""))
    )
