"""`biometric-flow terminal set-user|delete-user|unlock|restart|enable|disable`: changing a terminal."""

import argparse
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

from biometric_flow.commands.connection import UsageRefused, connected
from biometric_flow.commands.reads import DONE, NOT_THERE
from biometric_flow.commands.screen import Screen
from biometric_flow.commands.shapes import PRIVILEGES, user_fields
from biometric_flow.commands.text import shown
from biometric_flow.zk.access import UnlockUnit
from biometric_flow.zk.wire.users import UserRecord

PRIVILEGE_BITS: Final = {name: number << 1 for number, name in PRIVILEGES.items()}
UNITS: Final = {unit.name.lower(): unit for unit in UnlockUnit}

_PASSWORD_MAX: Final = 64
_DISABLED: Final = 1


async def set_user(given: argparse.Namespace, screen: Screen) -> int:
    """Write somebody, new or known; what no flag names stays. It is read back before success is told."""
    password = None if given.password_file is None else _password(given.password_file)
    async with connected(given, screen) as terminal:
        known = _by_pin((await terminal.users()).records, given.pin)
        stored = await terminal.set_user(_wanted(given, known or UserRecord(0, given.pin), password))
    if screen.as_json:
        screen.document({"done": "changed" if known else "added", "user": user_fields(stored)})
    else:
        screen.say(
            f"{'changed' if known else 'added'} PIN {shown(stored.user_id)} at uid {stored.uid}: {shown(stored.name)}"
        )
    return DONE


async def delete_user(given: argparse.Namespace, screen: Screen) -> int:
    """Delete somebody with all their fingerprints; their punches stay in the log."""
    async with connected(given, screen) as terminal:
        known = _by_pin((await terminal.users()).records, given.pin)
        if known is None:
            screen.note(
                f"biometric-flow: expected somebody with PIN {shown(given.pin)}, this terminal knows nobody of it"
            )
            return NOT_THERE
        await terminal.delete_user(known.uid)
    return _told(screen, "deleted", pin=known.user_id, uid=known.uid)


async def unlock(given: argparse.Namespace, screen: Screen) -> int:
    """Open the door for a moment."""
    async with connected(given, screen) as terminal:
        await terminal.unlock(given.seconds, unit=UNITS[given.unit])
    return _told(screen, "unlocked", seconds=given.seconds)


async def restart(given: argparse.Namespace, screen: Screen) -> int:
    """Restart it; nobody can punch for a minute or so."""
    async with connected(given, screen) as terminal:
        acknowledged = await terminal.restart()
    return _told(screen, "restarting", acknowledged=acknowledged)


async def enable(given: argparse.Namespace, screen: Screen) -> int:
    """Let people use it again."""
    async with connected(given, screen) as terminal:
        await terminal.enable()
    return _told(screen, "enabled")


async def disable(given: argparse.Namespace, screen: Screen) -> int:
    """Lock keypad and sensors; it enables itself after --seconds."""
    async with connected(given, screen) as terminal:
        await terminal.disable(given.seconds)
    return _told(screen, "disabled", seconds=given.seconds)


def confirm(given: argparse.Namespace, screen: Screen, what: str, word: str) -> None:
    """Let a person type `word` unless --yes was given. Raises UsageRefused when they do not, or nobody is there."""
    if given.yes:
        return
    if not (sys.stdin.isatty() and screen.is_watched):
        raise UsageRefused(
            f"expected --yes, or a person to type {shown(word)}, before it would {what}; nothing was done"
        )
    screen.note(f"this will {what}; type {shown(word)} to go on:")
    if sys.stdin.readline().strip() != word:
        raise UsageRefused(f"expected {shown(word)}, got something else; nothing was done")


def _wanted(given: argparse.Namespace, known: UserRecord, password: str | None) -> UserRecord:
    wanted = known
    if given.name is not None:
        wanted = replace(wanted, name=given.name)
    if given.privilege is not None:
        wanted = replace(wanted, privilege=PRIVILEGE_BITS[given.privilege] | wanted.privilege & _DISABLED)
    if given.card is not None:
        wanted = replace(wanted, card=given.card)
    if given.group is not None:
        wanted = replace(wanted, group=given.group)
    return wanted if password is None else replace(wanted, password=password)


def _by_pin(users: Iterable[UserRecord], pin: str) -> UserRecord | None:
    return next((user for user in users if user.user_id == pin), None)


def _password(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(_PASSWORD_MAX)
    except OSError as problem:
        raise UsageRefused(f"cannot read the password from {path}: {problem.strerror}") from None
    text = raw.decode("utf-8", "replace").strip()
    if not text.isprintable() or "\ufffd" in text:
        raise UsageRefused(f"expected a password of printable characters in {path}, it holds something else")
    return text


def _told(screen: Screen, done: str, **more: object) -> int:
    """Say what was done."""
    if screen.as_json:
        screen.document({"done": done, **more})
    else:
        screen.say(", ".join([done, *(f"{name} {shown(str(value))}" for name, value in more.items())]))
    return DONE
