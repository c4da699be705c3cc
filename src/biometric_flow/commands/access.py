"""`biometric-flow terminal access`: opening times, groups, unlock combinations, and what a user may do."""

import argparse
from collections.abc import Callable, Mapping
from typing import Final

from biometric_flow.commands.connection import UsageRefused, connected, whole_number
from biometric_flow.commands.reads import DONE, NOT_THERE
from biometric_flow.commands.screen import Screen
from biometric_flow.commands.text import shown
from biometric_flow.zk.terminal import Terminal
from biometric_flow.zk.wire.access import (
    CLOSED,
    COMBINATIONS,
    GROUPS,
    VERIFY_MODES,
    ZONES,
    AccessGroup,
    AccessZone,
    DaySpan,
    UnlockCombination,
    UserZones,
)

DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_GROUP_MODES: Final = {0: "any", **{mode - 128: text for mode, text in VERIFY_MODES.items() if mode}}


def add_access_parser(parser: argparse.ArgumentParser, runner: Callable[..., object]) -> None:
    """The subjects below `access`; what no flag names stays, and everything written is read back."""
    subjects = parser.add_subparsers(required=True, metavar="SUBJECT")
    zone = subjects.add_parser("zone", help="a week of opening times, 1 to 50")
    zone.add_argument("number", type=_number(ZONES))
    zone.add_argument("--day", action="append", default=[], type=_day, metavar="mon=08:00-18:00", help="or mon=closed")
    zone.set_defaults(command=runner(access_zone))
    group = subjects.add_parser("group", help="what the users of a group share, 1 to 99")
    group.add_argument("number", type=_number(GROUPS))
    group.add_argument("--zones", type=_numbers, metavar="1,2,3", help="up to three time zones")
    group.add_argument("--verify-mode", type=_number(range(128)))
    group.add_argument("--holidays", action=argparse.BooleanOptionalAction, help="whether holidays count for it")
    group.set_defaults(command=runner(access_group))
    combination = subjects.add_parser("combination", help="groups that open the door together, 1 to 10")
    combination.add_argument("number", type=_number(COMBINATIONS))
    combination.add_argument("--groups", type=_numbers, metavar="1,5", help="up to five groups; 0 for none")
    combination.set_defaults(command=runner(access_combination))
    user = subjects.add_parser("user", help="group, times and verify mode of one user")
    user.add_argument("pin")
    user.add_argument("--group", type=_number(GROUPS))
    user.add_argument("--zones", type=_numbers, metavar="1,2,3", help="times of their own; 0 for the group's")
    user.add_argument("--verify-mode", type=int, choices=list(VERIFY_MODES), metavar="MODE", help="0, 128 to 142")
    user.set_defaults(command=runner(access_user))
    subjects.add_parser("holidays", help="not possible on this channel").set_defaults(command=runner(holidays))


async def access_zone(given: argparse.Namespace, screen: Screen) -> int:
    """A week of opening times."""
    async with connected(given, screen) as terminal:
        zone = await terminal.access_zone(given.number)
        if given.day:
            changed = dict(given.day)
            days = tuple(changed.get(name, zone.days[place]) for place, name in enumerate(DAYS))
            await terminal.set_access_zone(AccessZone(given.number, days))
            zone = await terminal.access_zone(given.number)
    days_told = {name: _span(span) for name, span in zip(DAYS, zone.days, strict=True)}
    return _tell(screen, {"zone": zone.index}, days_told)


async def access_group(given: argparse.Namespace, screen: Screen) -> int:
    """What the users of a group share."""
    async with connected(given, screen) as terminal:
        group = await terminal.access_group(given.number)
        if given.zones is not None or given.verify_mode is not None or given.holidays is not None:
            await terminal.set_access_group(
                AccessGroup(
                    given.number,
                    group.zones if given.zones is None else _three(given.zones),
                    group.verify_mode if given.verify_mode is None else given.verify_mode,
                    group.has_holidays if given.holidays is None else given.holidays,
                )
            )
            group = await terminal.access_group(given.number)
    more = {"zones": list(group.zones), "verify_mode": group.verify_mode, "holidays": group.has_holidays}
    return _tell(screen, {"group": group.group}, more, _GROUP_MODES)


async def access_combination(given: argparse.Namespace, screen: Screen) -> int:
    """Groups of which one person each has to verify before the door opens."""
    async with connected(given, screen) as terminal:
        if given.groups is not None:
            groups = tuple(number for number in given.groups if number)
            await terminal.set_combination(UnlockCombination(given.number, groups))
        combination = await terminal.combination(given.number)
    return _tell(screen, {"combination": combination.number}, {"groups": list(combination.groups)})


async def access_user(given: argparse.Namespace, screen: Screen) -> int:
    """Group, times and verify mode of one user."""
    async with connected(given, screen) as terminal:
        uid = await uid_of(terminal, given.pin)
        if uid is None:
            screen.note(f"biometric-flow: expected somebody with PIN {shown(given.pin)}, there is nobody of it")
            return NOT_THERE
        if given.group is not None:
            await terminal.set_user_group(uid, given.group)
        if given.zones is not None:
            own = any(given.zones)
            await terminal.set_user_zones(uid, UserZones(own, _three(given.zones) if own else (1, 0, 0)))
        if given.verify_mode is not None:
            await terminal.set_verify_mode(uid, given.verify_mode)
        group, zones, mode = (
            await terminal.user_group(uid),
            await terminal.user_zones(uid),
            await terminal.verify_mode(uid),
        )
    more = {"group": group, "own_zones": zones.own, "zones": list(zones.zones), "verify_mode": mode}
    return _tell(screen, {"pin": given.pin, "uid": uid}, more, VERIFY_MODES)


async def holidays(given: argparse.Namespace, screen: Screen) -> int:
    """Holidays have no public layout on this channel; push has one."""
    async with connected(given, screen) as terminal:
        await terminal.not_on_this_channel("holidays")


async def uid_of(terminal: Terminal, pin: str) -> int | None:
    """The uid of a PIN, None when nobody has it."""
    return next((user.uid for user in (await terminal.users()).records if user.user_id == pin), None)


def _tell(
    screen: Screen, head: Mapping[str, object], more: Mapping[str, object], modes: Mapping[int, str] | None = None
) -> int:
    if screen.as_json:
        screen.document({**head, **more})
        return DONE
    words = {name.replace("_", " "): _word(value) for name, value in {**head, **more}.items()}
    if modes is not None:
        mode = more["verify_mode"]
        words["verify mode"] = f"{mode} ({modes.get(int(str(mode)), 'not public')})"
    screen.facts(words)
    return DONE


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(map(str, value)) or "-" if isinstance(value, list) else str(value)


def _span(span: DaySpan) -> str:
    if span.is_closed:
        return "closed"
    return f"{span.start_hour:02}:{span.start_minute:02}-{span.end_hour:02}:{span.end_minute:02}"


def _three(numbers: list[int]) -> tuple[int, int, int]:
    if not 1 <= len(numbers) <= 3:
        raise UsageRefused(f"expected one to three time zones, got {len(numbers)}")
    first, second, third = (*numbers, 0, 0)[:3]
    return first, second, third


def _number(allowed: range) -> Callable[[str], int]:
    return lambda text: whole_number(text, allowed[0], allowed[-1], "a number")


def _numbers(text: str) -> list[int]:
    return [whole_number(part.strip(), 0, 255, "a number") for part in text.split(",")][:16]


def _day(text: str) -> tuple[str, DaySpan]:
    day, _, hours = text.lower().partition("=")
    if day in DAYS and hours == "closed":
        return day, CLOSED
    start, dash, end = hours.partition("-")
    if day in DAYS and dash:
        return day, DaySpan(*_clock(start), *_clock(end))
    raise argparse.ArgumentTypeError(f"expected a day as mon=08:00-18:00 or mon=closed, got {text[:40]!r}")


def _clock(text: str) -> tuple[int, int]:
    hour, _, minute = text.partition(":")
    return whole_number(hour, 0, 23, "an hour"), whole_number(minute, 0, 59, "a minute")
