"""`biometric-flow terminal ...` and `biometric-flow discover`: which commands there are, how they end."""

import argparse
import asyncio
import codecs
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from biometric_flow.commands import access, examine, machine, machine_parsers, reads, search, writes
from biometric_flow.commands.connection import UsageRefused, add_access, add_connection, positive, whole_number
from biometric_flow.commands.screen import Screen
from biometric_flow.commands.text import shown
from biometric_flow.zk import discovery
from biometric_flow.zk.errors import PullRefused, TerminalRefused, TerminalUnauthorised, ZkError
from biometric_flow.zk.terminal import DEFAULT_PORT
from biometric_flow.zk.wire.records import ATTLOG_LAYOUTS, PIN_BYTES

Action = Callable[[argparse.Namespace, Screen], Awaitable[int]]

Question = Callable[[argparse.Namespace], tuple[str, str]]
"""What a command will do, and the word to type for it."""

SAID_NO: Final = 1
NOT_POSSIBLE: Final = 2
INTERRUPTED: Final = 130

_NAME_MAX: Final = 72
_ENDS: Final = "Ends with 0 when done, 1 when the terminal said no or has no such thing, 2 when it could not be asked."


def add_terminal(parser: argparse.ArgumentParser) -> None:
    """The commands below `terminal`."""
    parser.epilog = _ENDS
    commands = parser.add_subparsers(required=True, metavar="WHAT")

    def command(name: str, action: Action) -> argparse.ArgumentParser:
        about = (action.__doc__ or "").partition("\n")[0]
        sub = commands.add_parser(name, help=about.rstrip("."), description=about, epilog=_ENDS)
        add_connection(sub)
        sub.set_defaults(command=_runner(action))
        return sub

    command("info", reads.info)
    command("users", reads.users)
    _add_attendance(command("attendance", reads.attendance))
    _add_time(command("time", reads.time))
    watch = command("watch", reads.watch)
    watch.add_argument("--count", type=_count, metavar="N", help="end after so many events")
    options = command("options", reads.options)
    options.add_argument("--get", action="append", default=[], metavar="NAME", help="such as ~SerialNumber; repeatable")
    options.add_argument(
        "--set", action="append", default=[], type=_setting, metavar="NAME=VALUE", help="such as VOLUME=60; repeatable"
    )
    command("capacity", reads.capacity)
    doctor = command("doctor", examine.doctor)
    doctor.add_argument("--zone", type=_zone, help="where the terminal hangs, such as Africa/Cairo (default: here)")
    doctor.add_argument(
        "--touch", type=_touch, default=0.0, metavar="SECONDS", help="wait this long for somebody to punch"
    )
    doctor.add_argument("--capture", type=Path, metavar="FILE", help="write the masked traffic to this new file")
    _add_replay(commands.add_parser("replay", help="answer as a recorded terminal did", epilog=_ENDS))
    command("templates", reads.templates)
    command("operations", reads.operations)
    _add_set_user(command("set-user", writes.set_user))
    delete = command("delete-user", writes.delete_user)
    delete.add_argument("pin", type=_pin, metavar="PIN", help="their number at the terminal")
    _ask_first(delete, lambda given: (f"delete PIN {given.pin} and their fingerprints from {given.host}", given.pin))
    unlock = command("unlock", writes.unlock)
    unlock.add_argument("--seconds", type=positive, default=3.0, help="to stay open (default: 3)")
    unlock.add_argument(
        "--unit", choices=list(writes.UNITS), default="tenths", help="what this terminal counts in (default: tenths)"
    )
    _ask_first(unlock, lambda given: (f"open the door of {given.host}", "unlock"))
    _ask_first(command("restart", writes.restart), lambda given: (f"restart {given.host}", "restart"))
    off = command("power-off", machine.power_off)
    _ask_first(off, lambda given: (f"switch off {given.host}, which only somebody there can undo", "power-off"))
    machine_parsers.add_machine(command, _zone)
    _add_access(commands.add_parser("access", help="opening times, groups, combinations, users", epilog=_ENDS))
    command("enable", writes.enable)
    disable = command("disable", writes.disable)
    disable.add_argument("--seconds", type=_disabled_seconds, default=60, help="until it enables itself (default: 60)")


def add_discover(parser: argparse.ArgumentParser) -> None:
    """The flags of `discover`."""
    parser.epilog = _ENDS
    parser.add_argument("network", metavar="CIDR", help="such as 192.168.1.0/24; at most a /16, or a /112 of IPv6")
    add_access(parser, discovery.PROBE_SECONDS)
    parser.add_argument(
        "--rate", type=_rate, default=discovery.RATE, help="connections begun a second (default: %(default)g)"
    )
    parser.add_argument(
        "--deadline",
        type=positive,
        default=discovery.DEADLINE_SECONDS,
        metavar="SECONDS",
        help="of the whole search (default: %(default)g)",
    )
    parser.set_defaults(command=_runner(search.discover))


def _add_access(parser: argparse.ArgumentParser) -> None:
    add_connection(parser)
    access.add_access_parser(parser, _runner)


def _add_attendance(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--layout", choices=list(ATTLOG_LAYOUTS), help="of a row, when it is found wrongly")
    parser.add_argument("--last", type=_count, metavar="N", help="only the last so many rows")


def _add_time(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--zone", type=_zone, help="where the terminal hangs, such as Africa/Cairo (default: here)")
    parser.add_argument("--set", action="store_true", help="set its clock to the time of that zone")


def _add_set_user(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pin", type=_pin, metavar="PIN", help="their number at the terminal")
    parser.add_argument("--name", type=_name, help="cut between characters where the record is too short")
    parser.add_argument("--privilege", choices=list(writes.PRIVILEGE_BITS))
    parser.add_argument("--card", type=_card, metavar="NUMBER", help="0 takes the card away")
    parser.add_argument("--group", type=_group, metavar="NUMBER")
    parser.add_argument("--password-file", type=Path, metavar="FILE", help="an empty file takes the password away")


def _ask_first(parser: argparse.ArgumentParser, question: Question) -> None:
    parser.add_argument("--yes", action="store_true", help="do it without asking")
    parser.set_defaults(question=question)


def _add_replay(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="CAPTURE", help="a file that `terminal doctor --capture` wrote")
    parser.add_argument("--port", type=_free_port, default=DEFAULT_PORT, help="0 for a free one (default: %(default)s)")
    parser.set_defaults(command=_runner(examine.replay), json=False)


def _runner(action: Action) -> Callable[[argparse.Namespace], int]:
    return lambda given: run(action, given)


def run(action: Action, given: argparse.Namespace, screen: Screen | None = None) -> int:
    """Do one thing; every way it can fail is one line on standard error and an exit code."""
    screen = screen or Screen(as_json=given.json)
    try:
        if question := getattr(given, "question", None):
            writes.confirm(given, screen, *question(given))
        code = asyncio.run(_checked(action, given, screen))
        screen.flush()
        return code
    except (UsageRefused, ValueError) as problem:
        return _fail(screen, str(problem), NOT_POSSIBLE)
    except ZkError as problem:
        return _fail(screen, explained(problem, given), _code(problem))
    except BrokenPipeError:
        screen.give_up()
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED


def explained(problem: ZkError, given: argparse.Namespace) -> str:
    """What went wrong and what to do, for a person."""
    match problem:
        case PullRefused():
            return f"{problem}; `biometric-flow terminal doctor {given.host}` says how"
        case TerminalUnauthorised() if given.comm_key is None and given.comm_key_file is None:
            return f"{problem}; give it with --comm-key-file"
    return str(problem)


async def _checked(action: Action, given: argparse.Namespace, screen: Screen) -> int:
    """Bad arguments are told before anything is sent."""
    encoding = getattr(given, "encoding", "utf-8")
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise UsageRefused(f"expected an encoding such as utf-8 or gbk, got {encoding[:40]!r}") from None
    return await action(given, screen)


def _code(problem: ZkError) -> int:
    return SAID_NO if isinstance(problem, TerminalRefused | TerminalUnauthorised) else NOT_POSSIBLE


def _fail(screen: Screen, text: str, code: int) -> int:
    screen.flush()
    screen.note(f"biometric-flow: {shown(text)}")
    return code


def _count(text: str) -> int:
    return whole_number(text, 1, 1_000_000, "a number")


def _disabled_seconds(text: str) -> int:
    return whole_number(text, 1, 3600, "seconds")


def _pin(text: str) -> str:
    if not text or not text.isprintable() or len(text.encode()) > PIN_BYTES:
        raise argparse.ArgumentTypeError(f"expected a PIN of 1 to {PIN_BYTES} printable characters")
    return text


def _name(text: str) -> str:
    if not text.isprintable() or len(text) > _NAME_MAX:
        raise argparse.ArgumentTypeError(f"expected a name of at most {_NAME_MAX} printable characters")
    return text


def _card(text: str) -> int:
    return whole_number(text, 0, 0xFFFF_FFFF, "a card number")


def _group(text: str) -> int:
    return whole_number(text, 0, 255, "a group")


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {text[:40]!r}")
    return name, value


def _touch(text: str) -> float:
    return 0.0 if text == "0" else positive(text)


def _free_port(text: str) -> int:
    return whole_number(text, 0, 65_535, "a port")


def _rate(text: str) -> int:
    return whole_number(text, 1, int(discovery.RATE_MAX), "a rate")


def _zone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise argparse.ArgumentTypeError(f"expected a zone such as Africa/Cairo, got {text[:40]!r}") from None
