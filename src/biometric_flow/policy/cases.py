"""Case files (contract 15): one person, a plan, punches and what is expected, as data."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from biometric_flow.policy.errors import CaseInvalid, PolicyInvalid
from biometric_flow.policy.fields import Fields, date_text, day_number, naive_second
from biometric_flow.policy.inputs import (
    NO_KEY,
    Assignment,
    ClockCorrection,
    Correction,
    GivenPunch,
    Inputs,
    Leave,
    LockedPeriod,
    Schedule,
    Shift,
    TerminalFacts,
)
from biometric_flow.policy.reading import read_policy
from biometric_flow.policy.zones import DAY, HomeZone, home_zone

DAYS_MAX: Final = 3700
_CASES_MAX: Final = 20_000
_SCHEMA: Final = 1
_OFFSET_MAX: Final = 5 * 366 * 86400
"""Seconds; a terminal that forgot the year is corrected too."""
_ABOUT: Final = ("id", "title", "source", "tags", "expect", "note")
_WEEKDAYS: Final = "a list of weekdays from 1 (Monday) to 7"


@dataclass(frozen=True, slots=True)
class Case:
    """One case: what the engine is given, and what a person computed by hand."""

    id: str
    title: str
    source: str
    given: Inputs
    expect: Mapping[str, Any]


def read_cases(document: object) -> tuple[list[Case], list[str]]:
    """The cases of a document, and the fields nobody knows. Raises CaseInvalid or PolicyInvalid."""
    unknown: list[str] = []
    fields = Fields(document, "", unknown)
    if fields.integer("schema", _SCHEMA, 0, 1_000_000) != _SCHEMA:
        raise PolicyInvalid("schema", str(_SCHEMA), fields.value("schema"))
    if not fields.has("cases"):
        raise PolicyInvalid("cases", "a list of cases", is_missing=True)
    cases: list[Case] = []
    for index, value in enumerate(fields.list("cases", _CASES_MAX)):
        name = str(value.get("id", index)) if isinstance(value, Mapping) else str(index)
        noticed: list[str] = []
        try:
            cases.append(read_case(Fields(value, "", noticed)))
        except PolicyInvalid as problem:
            raise CaseInvalid(f"case {name}: {problem}") from None
        unknown.extend(f"case {name}: {path}" for path in noticed)
    return cases, unknown


def read_case(fields: Fields) -> Case:
    """One case."""
    for name in _ABOUT:
        fields.value(name)
    zone = _zone(fields, "tz")
    span = fields.child("range")
    if span is None:
        raise PolicyInvalid("range", "an object with from and to", is_missing=True)
    first, last = _days(span)
    policy, calendar = fields.child("policy"), fields.child("calendar")
    shifts = read_shifts(fields.child("shifts"))
    expect = fields.value("expect")
    given = Inputs(
        zone=zone,
        first=first,
        last=last,
        policy=read_policy(policy or Fields({}, "policy", [])),
        punches=tuple(map(_punch, fields.children("punches"))),
        shifts=shifts,
        schedule=read_schedule(fields.child("schedule"), shifts),
        holidays={one.date("date"): one.text("name", "holiday") for one in calendar.children("holidays")}
        if calendar
        else {},
        leaves=tuple(_leaves(calendar)) if calendar else (),
        terminals=_terminals(fields.child("devices"), zone),
        clock_corrections=tuple(map(read_clock_correction, fields.children("clock_corrections"))),
        corrections=tuple(map(_correction, fields.children("corrections"))),
        approved_minutes=_approvals(fields),
        periods=tuple(period for period in map(_period, fields.children("periods")) if period),
        as_of=fields.maybe_instant("as_of"),
    )
    fields.rest()
    return Case(
        id=fields.text("id", "case"),
        title=fields.text("title", ""),
        source=fields.text("source", ""),
        given=given,
        expect=expect if isinstance(expect, Mapping) else {},
    )


def _zone(fields: Fields, name: str) -> HomeZone:
    text = fields.text(name)
    try:
        return home_zone(text)
    except (KeyError, ValueError, OSError):
        raise PolicyInvalid(fields.at(name), "a zone of the IANA database such as Africa/Cairo", text) from None


def _days(fields: Fields) -> tuple[int, int]:
    first, last = fields.date("from"), fields.date("to")
    if not first <= last < first + DAYS_MAX:
        raise PolicyInvalid(
            fields.at("to"), f"a date from {date_text(first)} on, {DAYS_MAX} days at most", date_text(last)
        )
    return first, last


def _punch(fields: Fields) -> GivenPunch:
    is_local = fields.has("at_local")
    return GivenPunch(
        id=fields.text("id"),
        second=None if is_local else fields.instant("at"),
        wall_second=naive_second(fields.value("at_local"), fields.at("at_local")) if is_local else None,
        code=fields.integer("code", NO_KEY, 0, 255),
        terminal=fields.text("device") if fields.has("device") else None,
        sequence=fields.maybe_integer("seq", 0, 1 << 53),
        received=fields.maybe_instant("received_at"),
    )


def read_shifts(fields: Fields | None) -> dict[str, Shift]:
    """The shifts of an object of templates, by their names there. Raises PolicyInvalid."""
    if not fields:
        return {}
    shifts = {}
    for name in fields.names():
        shift = fields.child(name)
        if shift is None:
            raise PolicyInvalid(fields.at(name), "a shift", is_missing=True)
        shifts[name] = read_shift(name, shift)
    return shifts


def read_shift(name: str, fields: Fields) -> Shift:
    """One shift template. Raises PolicyInvalid; unknown names are noted in `fields`."""
    flex = fields.child("flex")
    shift = Shift(
        id=name,
        start=fields.clock("start"),
        end=fields.clock("end"),
        unpaid_break_min=fields.integer("unpaid_break_min", 0, 0, DAY),
        pre_min=fields.maybe_integer("pre_min", 0, DAY),
        post_min=fields.maybe_integer("post_min", 0, DAY),
        detect_after_min=fields.integer("detect_after_min", 240, 0, DAY),
        core_start=flex.clock("core_start") if flex and flex.has("core_start") else None,
        core_end=flex.clock("core_end") if flex and flex.has("core_end") else None,
        required_min=flex.integer("required_min", None, 0, DAY) if flex else None,
    )
    _finished(flex, fields)
    return shift


def read_schedule(fields: Fields | None, shifts: Mapping[str, Shift]) -> Schedule:
    """A schedule over these shifts; nothing is the mode `none`. Raises PolicyInvalid, for an unknown shift too."""
    if not fields:
        return Schedule()
    weekly, rotation = fields.child("weekly"), fields.child("rotation")
    pattern = rotation.list("pattern") if rotation else ()
    if rotation and not pattern:
        raise PolicyInvalid(rotation.at("pattern"), "a list with at least one entry", pattern)
    schedule = Schedule(
        mode=fields.choice("mode", ("none", "assigned", "auto"), "none"),
        weekly=_weekly(weekly, shifts) if weekly else {},
        rotation_anchor=rotation.date("anchor") if rotation else None,
        rotation=tuple(
            _shift_ids(entry, f"{rotation.at('pattern')}[{index}]", shifts) for index, entry in enumerate(pattern)
        )
        if rotation
        else (),
        assignments=tuple(_assignment(one, shifts) for one in fields.children("assignments")),
        rest_weekdays=frozenset(_weekdays(fields, "rest_weekdays")),
        auto=_shift_ids(list(fields.list("auto")), fields.at("auto"), shifts),
    )
    _finished(rotation, fields)
    return schedule


def _finished(*all_read: Fields | None) -> None:
    for read in all_read:
        if read:
            read.rest()


def _shift_ids(value: object, path: str, shifts: Mapping[str, Shift]) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else [] if value is None else value
    if not isinstance(names, list):
        raise PolicyInvalid(path, "a shift, a list of shifts or null", value)
    for name in names:
        if not isinstance(name, str) or name not in shifts:
            raise PolicyInvalid(path, "one of the shifts " + (", ".join(shifts) or "(there are none)"), name)
    return tuple(names)


def _weekly(fields: Fields, shifts: Mapping[str, Shift]) -> dict[int, tuple[str, ...]]:
    weekly = {}
    for name in fields.names():
        if name not in tuple("1234567"):
            raise PolicyInvalid(fields.at(name), 'a weekday from "1" (Monday) to "7"', name)
        weekly[int(name)] = _shift_ids(fields.value(name), fields.at(name), shifts)
    return weekly


def _weekdays(fields: Fields, name: str) -> Iterator[int]:
    for value in fields.list(name):
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 7:
            raise PolicyInvalid(fields.at(name), _WEEKDAYS, value)
        yield value


def _assignment(fields: Fields, shifts: Mapping[str, Shift]) -> Assignment:
    first, last = _days(fields)
    names = _shift_ids(fields.value("shifts"), fields.at("shifts"), shifts)
    weekdays = frozenset(_weekdays(fields, "weekdays")) if fields.has("weekdays") else None
    fields.rest()
    return Assignment(first, last, names, weekdays)


def _leaves(calendar: Fields) -> Iterator[Leave]:
    for fields in calendar.children("leaves"):
        kind = fields.choice("kind", ("full", "first_half", "second_half", "hours"), "full")
        minutes = 0
        if kind == "hours":
            by_hours = fields.has("hours") and not fields.has("minutes")
            minutes = round(fields.number("hours", 0, 24) * 60) if by_hours else fields.integer("minutes", None, 0, DAY)
        if fields.flag("approved", True) and fields.text("status", "approved") == "approved":
            yield Leave(fields.date("date"), kind, minutes)


def _terminals(fields: Fields | None, home: HomeZone) -> dict[str, TerminalFacts]:
    if not fields:
        return {}
    terminals = {}
    for name in fields.names():
        one = fields.child(name) or Fields({}, fields.at(name), [])
        direction = one.choice("direction", ("in", "out", "both", "none"), "none")
        terminals[name] = TerminalFacts(
            _zone(one, "tz") if one.has("tz") else home, direction if direction in ("in", "out") else None
        )
    return terminals


def read_clock_correction(fields: Fields) -> ClockCorrection:
    """For how long which terminal's clock was wrong, and by how much. Raises PolicyInvalid."""
    return ClockCorrection(
        fields.text("device"),
        fields.instant("from"),
        fields.instant("to"),
        fields.integer("offset_s", None, -_OFFSET_MAX, _OFFSET_MAX),
    )


def _correction(fields: Fields) -> Correction:
    op = fields.choice("op", ("add", "void", "replace"))
    return Correction(
        sequence=fields.integer("seq", None, 0, 1 << 53),
        id=fields.text("id"),
        op=op,
        punch=None if op == "add" else fields.text("punch"),
        second=fields.instant("at") if op == "add" else fields.maybe_instant("at"),
        code=fields.maybe_integer("code", 0, 255),
        is_approved=fields.text("status", "approved") == "approved",
        approved=fields.maybe_instant("approved_at"),
    )


def _approvals(fields: Fields) -> dict[int, int]:
    minutes: dict[int, int] = {}
    for one in fields.children("approvals"):
        day = day_number(one.value("date"), one.at("date"))
        minutes[day] = minutes.get(day, 0) + one.integer("minutes")
    return minutes


def _period(fields: Fields) -> LockedPeriod | None:
    first, last = _days(fields)
    locked = fields.maybe_instant("locked_at")
    return None if locked is None else LockedPeriod(first, last, locked)
