"""Whatever bytes come, a parser gives a value or the one declared error (security-design P3)."""

import random
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from biometric_flow.zk.errors import ZkError
from biometric_flow.zk.wire.access import (
    OPEN,
    AccessGroup,
    AccessZone,
    UnlockCombination,
    UserZones,
    decode_verify_mode,
)
from biometric_flow.zk.wire.capacity import Capacity
from biometric_flow.zk.wire.commands import Command, EventMask
from biometric_flow.zk.wire.connection import ClientConnection, ServerConnection
from biometric_flow.zk.wire.events import decode_enrol_request, decode_event
from biometric_flow.zk.wire.frame import FrameReader, decode_packet
from biometric_flow.zk.wire.layouts import attlog_layout, user_layout
from biometric_flow.zk.wire.messages import ShortMessage, decode_link
from biometric_flow.zk.wire.oplog import OPLOG_LAYOUTS, OperationLog, oplog_layout
from biometric_flow.zk.wire.options import decode_option
from biometric_flow.zk.wire.records import ATTLOG_LAYOUTS, AttendanceLog
from biometric_flow.zk.wire.templates import (
    Person,
    Template,
    TemplateList,
    decode_commit,
    decode_finger,
    decode_package,
    encode_package,
)
from biometric_flow.zk.wire.transfer import BulkAnswer, unwrap_rows
from biometric_flow.zk.wire.users import USER_LAYOUTS, UserList, UserRecord

ROUNDS = 2_130
VECTORS = Path(__file__).parents[3] / "vectors" / "zk"


OWN_SEEDS = [
    encode_package([Person(UserRecord(3, "3", group=1), (Template(3, 1, b"M\x01SS21" + bytes(60)),))], layout)
    for layout in USER_LAYOUTS.values()
] + [Template(3, 1, b"M\x01SS21" + bytes(60)).encode() * 3, AccessZone(1, (OPEN,) * 7).encode()]


def seeds() -> list[bytes]:
    tables = [tomllib.loads((VECTORS / f"{name}.toml").read_text())["vector"] for name in ("packets", "records")]
    return [bytes.fromhex(vector["hex"]) for table in tables for vector in table]


def mutations(count: int, seed: int = 20261122) -> list[bytes]:
    dice = random.Random(seed)
    pool = [*seeds(), *OWN_SEEDS, b"", bytes(400)]
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


def state_free(decode: Callable[[bytes], object]) -> Callable[[bytes], object]:
    """For decoders whose declared error for our own arguments is ValueError."""

    def parse(data: bytes) -> object:
        try:
            return decode(data)
        except ValueError:
            return None

    return parse


PARSERS: dict[str, Callable[[bytes], object]] = {
    "frame": lambda data: FrameReader().feed(data),
    "packet": decode_packet,
    "client": client,
    "server": lambda data: ServerConnection(1).receive(data),
    "bulk": bulk,
    "unwrap": lambda data: unwrap_rows(bytearray(data), "rows"),
    "event": lambda data: decode_event(1, data),
    "datagram": lambda data: ServerConnection(1, is_stream=False).receive(data),
    **{f"event-{mask.value}": lambda data, mask=mask: decode_event(mask, data) for mask in EventMask},
    "capacity": Capacity.decode,
    "templates": TemplateList.decode,
    "template-commit": decode_commit,
    "template-finger": decode_finger,
    "package-72": lambda data: decode_package(data, USER_LAYOUTS["72"]),
    "package-28": lambda data: decode_package(data, USER_LAYOUTS["28"]),
    "zone": AccessZone.decode,
    "zone-write": AccessZone.decode_request,
    "group": AccessGroup.decode,
    "combination": UnlockCombination.decode,
    "user-zones": UserZones.decode,
    "user-zones-write": UserZones.decode_request,
    "verify-mode": decode_verify_mode,
    "message": ShortMessage.decode,
    "message-link": decode_link,
    "enrol-request": state_free(decode_enrol_request),
    "oplog-guess": oplog_layout,
    **{
        f"oplog-{name}": lambda data, layout=layout: list(OperationLog.decode(data, layout).records)
        for name, layout in OPLOG_LAYOUTS.items()
    },
    "columns": lambda data: [
        columns.moments()
        for layout in ATTLOG_LAYOUTS.values()
        if (columns := AttendanceLog.decode(data, layout).columns())
    ],
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
    feed(name, mutations(ROUNDS))


@pytest.mark.drill
@pytest.mark.parametrize("name", PARSERS)
def test_many_more_hostile_bytes_raise_nothing_but_a_named_error(name: str) -> None:
    feed(name, mutations(100_000, seed=4370))


def test_the_rounds_add_up_to_what_was_promised() -> None:
    assert ROUNDS * len(PARSERS) >= 100_000


def feed(name: str, cases: list[bytes]) -> None:
    texts = set()
    for data in cases:
        try:
            PARSERS[name](data)
        except ZkError as error:
            texts.add(f"{error.code}: {error}")
    assert all(text.startswith("terminal.") and "expected" in text for text in texts)
