"""Which terminal a command is about, and how to get in: address, comm key, patience, encoding."""

import argparse
import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final

from biometric_flow.commands.screen import Screen
from biometric_flow.zk.terminal import DEFAULT_PORT, Terminal, Transport, open_terminal
from biometric_flow.zk.wire.commkey import KEY_MAX

KEY_VARIABLE: Final = "BIOMETRIC_FLOW_COMM_KEY"

_KEY_FILE_MAX: Final = 64


class UsageRefused(Exception):
    """The command cannot be carried out as it was given; the text says what to give instead."""


def add_connection(parser: argparse.ArgumentParser) -> None:
    """The flags of every command that connects to one terminal."""
    parser.add_argument("host", help="address or name of the terminal")
    add_access(parser, 10.0)
    parser.add_argument("--encoding", default="utf-8", help="of names: utf-8, gbk, cp1256 ... (default: %(default)s)")


def add_access(parser: argparse.ArgumentParser, seconds: float) -> None:
    """The flags of every command that connects at all."""
    parser.add_argument(
        "--transport",
        choices=list(Transport),
        default=Transport.AUTO,
        help="auto is TCP, and UDP where TCP is refused (default: %(default)s)",
    )
    parser.add_argument("--port", type=port, default=DEFAULT_PORT, help="(default: %(default)s)")
    keys = parser.add_mutually_exclusive_group()
    keys.add_argument(
        "--comm-key",
        type=_comm_key,
        metavar="KEY",
        help=f"others on this machine can see it; --comm-key-file and the variable {KEY_VARIABLE} hide it",
    )
    keys.add_argument("--comm-key-file", type=Path, metavar="FILE", help="a file that holds nothing but the comm key")
    parser.add_argument(
        "--timeout", type=positive, default=seconds, metavar="SECONDS", help="of each question (default: %(default)g)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document instead of a table")


def comm_key(given: argparse.Namespace, environment: Mapping[str, str] = os.environ) -> int:
    """The comm key, 0 for none. Raises UsageRefused for a file or variable that holds none."""
    if given.comm_key is not None:
        return int(given.comm_key)
    if given.comm_key_file is not None:
        try:
            with given.comm_key_file.open("rb") as file:
                text = file.read(_KEY_FILE_MAX).decode("ascii", "replace").strip()
        except OSError as problem:
            raise UsageRefused(f"cannot read the comm key from {given.comm_key_file}: {problem.strerror}") from None
        return _key_from(text, str(given.comm_key_file))
    return _key_from(environment[KEY_VARIABLE].strip(), KEY_VARIABLE) if environment.get(KEY_VARIABLE) else 0


@contextlib.asynccontextmanager
async def connected(given: argparse.Namespace, screen: Screen) -> AsyncIterator[Terminal]:
    """The terminal of this command. Raises what `open_terminal` raises."""
    key = comm_key(given)
    async with open_terminal(
        given.host,
        given.port,
        comm_key=key,
        timeout=given.timeout,
        encoding=given.encoding,
        transport=given.transport,
    ) as terminal:
        if key and not terminal.asked_for_comm_key:
            screen.note("warning: this terminal did not ask for the comm key that you gave; whoever reaches it gets in")
        yield terminal


def port(text: str) -> int:
    """A port number, for argparse."""
    return whole_number(text, 1, 65_535, "a port")


def positive(text: str) -> float:
    """Seconds, for argparse."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"expected seconds from above 0 to 86400, got {text!r}")
    return seconds


def whole_number(text: str, low: int, high: int, what: str) -> int:
    """A number within bounds, for argparse."""
    if not text.isascii() or not text.isdigit() or len(text) > 12 or not low <= int(text) <= high:
        raise argparse.ArgumentTypeError(f"expected {what} from {low} to {high}, got {text[:20]!r}")
    return int(text)


def _comm_key(text: str) -> int:
    if not _is_key(text):
        raise argparse.ArgumentTypeError(f"expected a comm key from 0 to {KEY_MAX}")
    return int(text)


def _key_from(text: str, source: str) -> int:
    if not _is_key(text):
        raise UsageRefused(f"expected a comm key from 0 to {KEY_MAX} in {source}, it holds something else")
    return int(text)


def _is_key(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 12 and int(text) <= KEY_MAX
