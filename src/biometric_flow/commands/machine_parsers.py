"""The flags of the commands that are about the machine itself."""

import argparse
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from biometric_flow.commands import machine
from biometric_flow.commands.connection import positive, whole_number

AddCommand = Callable[..., argparse.ArgumentParser]


def add_machine(command: AddCommand, zone: Callable[[str], object]) -> None:
    """Every command of `machine` but those that ask first with a word of their own."""
    enrol = command("enrol", machine.enrol)
    enrol.add_argument("pin", metavar="PIN")
    enrol.add_argument("finger", type=lambda text: whole_number(text, 0, 9, "a finger"), metavar="FINGER")
    enrol.add_argument("--seconds", type=positive, default=60.0, help="to wait (default: 60)")
    _add_messages(command("messages", machine.messages), zone)
    command("work-codes", machine.work_codes)
    voice = command("voice", machine.voice)
    voice.add_argument("number", type=lambda text: whole_number(text, 0, 65_535, "a voice prompt"), metavar="NUMBER")
    lcd = command("lcd", machine.lcd)
    lcd.add_argument("--line", type=lambda text: whole_number(text, 0, 100, "a line"), default=1)
    shown = lcd.add_mutually_exclusive_group(required=True)
    shown.add_argument("--text", help="at most 64 bytes")
    shown.add_argument("--clear", action="store_true", help="clear the display")
    clear = command("clear", machine.clear)
    clear.add_argument("what", choices=machine.CLEARED)
    clear.add_argument("--keep", type=Path, metavar="FILE", help="a new file for its punches, before they go")
    clear.add_argument("--confirm", metavar="SERIAL", help="its serial number, instead of typing it")
    upload = command("upload", machine.upload)
    upload.add_argument("file", type=Path, metavar="FILE")


def _add_messages(parser: argparse.ArgumentParser, zone: Callable[[str], object]) -> None:
    parser.add_argument("--write", type=_message, metavar="ID", help="write this message, 1 to 65535")
    parser.add_argument("--text", help="cut between characters at 61 bytes")
    parser.add_argument("--start", type=_moment, metavar="'2026-01-31 08:00'", help="terminal time (default: now)")
    parser.add_argument("--minutes", type=_message_minutes, default=0, help="to show it, 0 for ever (default: 0)")
    parser.add_argument("--personal", action="store_true", help="only for users it is given to")
    parser.add_argument("--zone", type=zone, help="where the terminal hangs (default: here)")
    parser.add_argument("--delete", type=_message, metavar="ID")
    parser.add_argument("--give", type=_link, metavar="PIN=ID", help="show a personal message to this user")
    parser.add_argument("--take", type=_link, metavar="PIN=ID", help="no longer show it to this user")


def _message(text: str) -> int:
    return whole_number(text, 1, 65_535, "a message id")


def _message_minutes(text: str) -> int:
    return whole_number(text, 0, 65_535, "minutes")


def _link(text: str) -> tuple[str, int]:
    pin, equals, number = text.rpartition("=")
    if not equals or not pin:
        raise argparse.ArgumentTypeError(f"expected PIN=ID, got {text[:40]!r}")
    return pin, _message(number)


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None, microsecond=0)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a time as 2026-01-31 08:00, got {text[:40]!r}") from None
