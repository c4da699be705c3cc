"""docs/terminals.md names every command number, and what it says of the client and the simulator is so."""

import inspect
import re
from pathlib import Path

import pytest

from biometric_flow.zk.simulator import session
from biometric_flow.zk.simulator.handlers import HANDLERS
from biometric_flow.zk.terminal import Terminal
from biometric_flow.zk.wire.commands import Command

TABLE = Path(__file__).parents[3] / "docs" / "terminals.md"
PUBLIC = {
    7, 8, 9, 10, 11, 12, 13, 14, 15, 18, 19, 20, *range(21, 35), 50, 57, 60, 61, 62, 64, 66, 67, *range(69, 77), 78, 79,
    80, 87, 88, 110, 111, 119, 134, 201, 202, 500, *range(1000, 1008), 1009, 1011, 1012, 1013, 1014, 1017, 1100, 1101,
    1102, *range(1500, 1505), 1700, 1702, 1709, 1710, 1711, *range(2013, 2017),
}  # fmt: skip
"""Every number that zk-protocol 2.2 lists."""


def rows() -> list[tuple[int, str, str, str]]:
    found = re.findall(r"^\| (\d+) \| [^|]+ \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", TABLE.read_text("utf-8"), re.M)
    return [(int(code), client, simulator, cli) for code, client, simulator, cli in found]


def test_every_command_number_stands_in_the_table_once() -> None:
    codes = [code for code, *_ in rows()]
    assert sorted(codes) == codes
    assert set(codes) == PUBLIC
    assert len(codes) == len(PUBLIC)


@pytest.mark.parametrize(("code", "client", "simulator", "cli"), rows())
def test_a_row_says_what_is_there(code: int, client: str, simulator: str, cli: str) -> None:
    for name in re.findall(r"`([a-z_]+)`", client):
        assert name == "open_terminal" or inspect.iscoroutinefunction(getattr(Terminal, name)), name
    known = {*HANDLERS, *session._HANDLERS, Command.CONNECT, Command.AUTH}
    assert (simulator == "yes") == (code in known)
    if client.startswith("-"):
        assert code not in set(Command) or code == Command.DELETE_FINGER
    else:
        assert code in set(Command)
