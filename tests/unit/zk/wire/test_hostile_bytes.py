"""Whatever bytes come, a parser gives a value or the one declared error (security-design P3)."""

import random
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from biometric_flow.zk.errors import ZkError
from biometric_flow.zk.wire.capacity import Capacity
from biometric_flow.zk.wire.commands import Command
from biometric_flow.zk.wire.connection import ClientConnection, ServerConnection
from biometric_flow.zk.wire.events import decode_event
from biometric_flow.zk.wire.frame import FrameReader, decode_packet
from biometric_flow.zk.wire.layouts import attlog_layout, user_layout
from biometric_flow.zk.wire.options import decode_option
from biometric_flow.zk.wire.records import ATTLOG_LAYOUTS, AttendanceLog
from biometric_flow.zk.wire.transfer import BulkAnswer, unwrap_rows
from biometric_flow.zk.wire.users import USER_LAYOUTS, UserList

ROUNDS = 1_500
VECTORS = Path(__file__).parents[3] / "vectors" / "zk"


def seeds() -> list[bytes]:
    tables = [tomllib.loads((VECTORS / f"{name}.toml").read_text())["vector"] for name in ("packets", "records")]
    return [bytes.fromhex(vector["hex"]) for table in tables for vector in table]


def mutations(count: int) -> list[bytes]:
    dice = random.Random(20261122)
    pool = [*seeds(), b"", bytes(400)]
    results = []
    for _ in range(count):
        raw = bytearray(dice.choice(pool) * dice.choice((1, 1, 1, 2, 9)))
        for _ in range(dice.randrange(6)):
            if raw:
                raw[dice.randrange(len(raw))] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)))
        start = dice.choice((0, 0, 8, dice.randrange(20)))
        results.append(bytes(raw[start : len(raw) - dice.choice((0, 0, 1, dice.randrange(30)))]))
    return results


def client(data: bytes) -> None:
    connection = ClientConnection()
    connection.request(Command.CONNECT)
    connection.receive(data)
    while connection.next_answer():
        pass


def bulk(data: bytes) -> None:
    answer = BulkAnswer("rows")
    for payload in (data, data[:20], data[3:]):
        answer.take(decode_packet(payload))


PARSERS: dict[str, Callable[[bytes], object]] = {
    "frame": lambda data: FrameReader().feed(data),
    "packet": decode_packet,
    "client": client,
    "server": lambda data: ServerConnection(1).receive(data),
    "bulk": bulk,
    "unwrap": lambda data: unwrap_rows(bytearray(data), "rows"),
    "event": lambda data: decode_event(1, data),
    "capacity": Capacity.decode,
    "option": decode_option,
    "attlog-guess": lambda data: attlog_layout(data, 3),
    "user-guess": lambda data: user_layout(data, 3),
    **{
        f"attlog-{name}": lambda data, layout=layout: list(AttendanceLog.decode(data, layout).records)
        for name, layout in ATTLOG_LAYOUTS.items()
    },
    **{
        f"user-{name}": lambda data, layout=layout: UserList.decode(data, layout)
        for name, layout in USER_LAYOUTS.items()
    },
}


@pytest.mark.parametrize("name", PARSERS)
def test_hostile_bytes_raise_nothing_but_a_named_error(name: str) -> None:
    texts = set()
    for data in mutations(ROUNDS):
        try:
            PARSERS[name](data)
        except ZkError as error:
            texts.add(f"{error.code}: {error}")
    assert all(text.startswith("terminal.") and "expected" in text for text in texts)
