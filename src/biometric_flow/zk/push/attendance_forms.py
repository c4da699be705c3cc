"""How commands are written in Attendance PUSH, as data (zk-push-protocol 7).

The columns of the access and message tables are those of the vendor's protocol document, which names them in full.
"""

from collections.abc import Iterator
from typing import Any, Final

from biometric_flow.zk.push import commands as c
from biometric_flow.zk.push.columns import (
    FLAG,
    MONTH_DAY,
    PIN,
    TIME,
    ZONES,
    Column,
    check_pin,
    free_text,
    number,
    words,
)
from biometric_flow.zk.push.form import Form, columns, holding, plain, spans
from biometric_flow.zk.push.form_values import (
    BLOB,
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
from biometric_flow.zk.push.people import CARD_MAX
from biometric_flow.zk.wire.access import AccessGroup, DaySpan, UnlockCombination
from biometric_flow.zk.wire.messages import ShortMessage

_INDEX: Final = number(1, 65_535, "a number")
_FINGER: Final = number(0, 9, "a finger")
_RETRIES: Final = number(0, 9, "retries")
_BIOTYPE: Final = number(0, 10, "a type of template")
_PATH: Final = words("a path on the terminal", r"[A-Za-z0-9_./-]{0,100}")
_CODE: Final = words("a work code", r"[A-Za-z0-9]{1,16}")
_HHMM: Final = Column(
    lambda value: f"{clock_number(*value):04}", lambda text: hours_minutes(number(0, 2359, "HHMM").read(text))
)


def attendance() -> Iterator[Form]:
    """The forms of Attendance PUSH, templates apart."""
    yield from everywhere()
    for kind, opening in (
        (c.SendNew, "LOG"), (c.Reboot, "REBOOT"), (c.ReloadOptions, "RELOAD OPTIONS"), (c.CancelAlarm, "AC_UNALARM"),
        (c.ClearLog, "CLEAR LOG"), (c.ClearPhotos, "CLEAR PHOTO"), (c.ClearData, "CLEAR DATA"),
        (c.ClearBiodata, "CLEAR BIODATA"), (c.ClearUsers, "CLEAR ALL USERINFO"),
    ):  # fmt: skip
        yield plain(kind, opening)
    yield plain(c.Unlock, "AC_UNLOCK")._replace(write=_write_plain_unlock)
    yield spans(c.QueryAttlog, "DATA QUERY ATTLOG")
    yield spans(c.QueryPhotos, "DATA QUERY ATTPHOTO")
    yield spans(c.CountAttlog, "VERIFY SUM ATTLOG")
    yield Form(c.QueryUsers, "DATA QUERY USERINFO", *optional_pin(" ", "PIN", ""))
    yield Form(c.SetUser, "DATA UPDATE USERINFO", _write_user, read_user)
    yield columns(c.DeleteUser, "DATA DELETE USERINFO", ("PIN", PIN))
    yield Form(c.SetOption, "SET OPTION", write_option, read_option)
    yield Form(c.GetOptions, "GET OPTION FROM", _write_one_name, read_names)
    ends = tuple((f"{day}{end}", _HHMM) for day in DAYS for end in ("Start", "End"))
    yield holding(
        c.SetZone, "DATA UPDATE AccTimeZone", (("UID", ZONE), *ends),
        lambda one: [one.zone.index, *(end for span in week(one) for end in (span[:2], span[2:]))], _zone_of_ends,
    )  # fmt: skip
    yield holding(
        c.SetGroup, "DATA UPDATE AccGroup",
        (("ID", number(1, 99, "a group")), ("Verify", number(0, 127, "a mode")), ("ValidHoliday", FLAG), ("TZ", ZONES)),
        lambda one: [one.group.group, one.group.verify_mode, one.group.has_holidays, one.group.zones], _group_of,
    )  # fmt: skip
    yield holding(
        c.SetCombination, "DATA UPDATE AccUnLockComb",
        (("UID", number(1, 10, "a combination")), *((f"Group{at}", number(0, 99, "a group")) for at in range(1, 6))),
        _five, _combination_of,
    )  # fmt: skip
    yield columns(
        c.SetHoliday, "DATA UPDATE AccHoliday", ("UID", _INDEX), ("HolidayName", free_text("name", 24)),
        ("StartDate", MONTH_DAY), ("EndDate", MONTH_DAY), ("TimeZone", ZONE),
    )  # fmt: skip
    yield holding(
        c.SetMessage, "DATA UPDATE SMS",
        (("MSG", free_text("message", 320)), ("TAG", number(253, 254, "a tag")), ("UID", _INDEX),
         ("MIN", number(0, 65_535, "minutes")), ("StartTime", TIME)),
        _message_values, _message,
    )  # fmt: skip
    yield columns(c.GiveMessage, "DATA UPDATE USER_SMS", ("PIN", PIN), ("UID", _INDEX))
    yield columns(c.DeleteMessage, "DATA DELETE SMS", ("UID", _INDEX))
    yield columns(
        c.SetWorkCode, "DATA UPDATE WORKCODE", ("PIN", _INDEX), ("CODE", _CODE), ("NAME", free_text("name", 24))
    )
    yield columns(c.DeleteWorkCode, "DATA DELETE WORKCODE", ("CODE", _CODE))
    yield columns(c.EnrolFinger, "ENROLL_FP", ("PIN", PIN), ("FID", _FINGER), ("RETRY", _RETRIES), ("OVERWRITE", FLAG))
    yield columns(
        c.EnrolBiodata, "ENROLL_BIO", ("TYPE", _BIOTYPE), ("PIN", PIN), ("CardNo", number(0, CARD_MAX, "a card")),
        ("RETRY", _RETRIES), ("OVERWRITE", FLAG),
    )  # fmt: skip
    yield columns(c.EnrolCard, "ENROLL_MF", ("PIN", PIN), ("RETRY", _RETRIES))
    yield Form(c.PutFile, "PutFile", _write_file, _read_file)


def _write_user(command: c.SetUser) -> str:
    check_pin(command.user.pin)
    return " " + "\t".join(command.user.fields())


def _write_one_name(command: c.GetOptions) -> str:
    if len(command.names) != 1:
        raise ValueError(f"expected one option at a time in Attendance PUSH, got {len(command.names)}")
    return " " + OPTION.write(command.names[0])


def _zone_of_ends(index: int, *ends: tuple[int, int]) -> c.Command:
    return zone_of(index, *(DaySpan(*ends[place], *ends[place + 1]) for place in range(0, 14, 2)))


def _group_of(number: int, mode: int, has_holidays: bool, zones: tuple[int, int, int]) -> c.Command:
    return c.SetGroup(AccessGroup(number, zones, mode, has_holidays))


def _combination_of(number: int, *groups: int) -> c.Command:
    held = [group for group in groups if group]
    return c.SetCombination(UnlockCombination(number, tuple(held)))


def _five(command: c.SetCombination) -> list[int]:
    groups = command.combination.groups
    if len(groups) > 5 or 0 in groups:
        raise ValueError(f"expected at most 5 groups from 1 on, got {groups}")
    return [command.combination.number, *groups, *[0] * (5 - len(groups))]


def _write_plain_unlock(command: c.Unlock) -> str:
    if command != c.Unlock():
        raise ValueError("expected no door and no seconds: AC_UNLOCK opens for as long as the terminal is set to")
    return ""


def _message_values(command: c.SetMessage) -> list[Any]:
    held = command.message
    return [held.text, held.tag, held.id, held.minutes, held.start]


def _message(text: str, tag: int, index: int, minutes: int, start: Any) -> c.Command:
    return c.SetMessage(ShortMessage(index, text, start, minutes, tag))


def _write_file(command: c.PutFile) -> str:
    return f" file?url={BLOB.write(command.blob)}\t{_PATH.write(command.path)}"


def _read_file(rest: str) -> c.Command:
    url, _, path = rest.strip(" ").partition("\t")
    return c.PutFile(BLOB.read(url.removeprefix("file?url=")), _PATH.read(path))
