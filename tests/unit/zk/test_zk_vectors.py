"""Every captured packet and computed value, as data under tests/vectors/zk, against our reading of it."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from biometric_flow.zk.wire.capacity import Capacity
from biometric_flow.zk.wire.checksum import checksum
from biometric_flow.zk.wire.commkey import scramble
from biometric_flow.zk.wire.frame import FrameReader, decode_packet, encode_frame, encode_packet
from biometric_flow.zk.wire.options import decode_option, decode_text
from biometric_flow.zk.wire.records import ATTLOG_LAYOUTS
from biometric_flow.zk.wire.timecode import TerminalTime
from biometric_flow.zk.wire.users import USER_LAYOUTS

FOLDER = Path(__file__).parents[2] / "vectors" / "zk"
Expect = dict[str, Any]


def load(name: str, table: str) -> list[dict[str, Any]]:
    return tomllib.loads((FOLDER / f"{name}.toml").read_text())[table]


def check_frame(data: bytes, expect: Expect) -> None:
    (payload,) = FrameReader().feed(data)
    check_payload(payload, expect)
    assert encode_frame(decode_packet(payload)) == data


def check_payload(payload: bytes, expect: Expect) -> None:
    packet = decode_packet(payload)
    assert (packet.command, packet.session, packet.reply) == (expect["command"], expect["session"], expect["reply"])
    assert packet.intact is expect["checksum_valid"]
    assert packet.data.hex() == expect["data_hex"]
    assert checksum(payload[:2] + b"\0\0" + payload[4:]) == expect["checksum"]
    assert encode_packet(packet) == payload
    check_meaning(packet.session, packet.data, expect)


def check_meaning(session: int, data: bytes, expect: Expect) -> None:
    if "value" in expect:
        assert decode_option(data) == (expect["option"], expect["value"])
    elif "option" in expect:
        assert decode_text(data) == expect["option"]
    if "state" in expect:
        assert session == expect["state"]
    if "pin_width" in expect:
        assert data[0] == expect["pin_width"]
    if expect["command"] == 8:
        check_user(data, expect)


def check_user(data: bytes, expect: Expect) -> None:
    user = USER_LAYOUTS["72"].decode(data)
    told = {name: getattr(user, name) for name in ("uid", "user_id", "password", "card", "group", "privilege", "name")}
    told |= {"enabled": user.is_enabled, "own_timezones": user.own_timezones, "timezones": list(user.timezones)}
    assert told == {**told, **{name: expect[name] for name in told if name in expect}}
    assert USER_LAYOUTS["72"].decode(USER_LAYOUTS["72"].encode(user)) == user


def check_attlog_40(data: bytes, expect: Expect) -> None:
    (record,) = ATTLOG_LAYOUTS["40"].decode(data)
    assert (record.uid, record.user_id, record.verify, record.state, record.time.text()) == (
        expect["uid"],
        expect["user_id"],
        expect["verify_type"],
        expect["state"],
        expect["timestamp"],
    )
    assert ATTLOG_LAYOUTS["40"].encode(record) == data == record.raw


def check_attlog_16(data: bytes, expect: Expect) -> None:
    records = list(ATTLOG_LAYOUTS["16"].decode(data))
    assert [(r.user_id, r.time.text(), r.state, r.verify, r.work_code) for r in records] == [
        (e["user_id"], e["timestamp"], e["status"], e["punch"], e["workcode"]) for e in expect["records"]
    ]
    assert b"".join(map(ATTLOG_LAYOUTS["16"].encode, records)) == data


def check_capacity(data: bytes, expect: Expect) -> None:
    capacity = Capacity.decode(data)
    names = {
        "users": "users",
        "fingers": "fingers",
        "records": "attlog_rows",
        "oplog": "oplog_rows",
        "admins": "admins",
        "passwords": "passwords",
        "fingers_cap": "fingers_capacity",
        "users_cap": "users_capacity",
        "records_cap": "attlog_capacity",
        "fingers_av": "fingers_free",
        "users_av": "users_free",
        "records_av": "attlog_free",
        "faces": "faces",
        "faces_cap": "faces_capacity",
    }
    assert {name: getattr(capacity, ours) for name, ours in names.items()} == expect
    assert capacity.encode() == data


CHECKS: dict[str, Callable[[bytes, Expect], None]] = {
    "frame": check_frame,
    "payload": check_payload,
    "user-72": check_user,
    "attlog-40": check_attlog_40,
    "attlog-16": check_attlog_16,
    "capacity": check_capacity,
}


@pytest.mark.parametrize("vector", load("packets", "vector") + load("records", "vector"), ids=lambda v: v["id"])
def test_a_captured_packet_means_what_was_published(vector: dict[str, Any]) -> None:
    CHECKS[vector["kind"]](bytes.fromhex(vector["hex"]), vector["expect"])


@pytest.mark.parametrize("vector", load("values", "comm_key"), ids=lambda v: str(v["key"]))
def test_a_comm_key_is_scrambled_as_terminals_expect(vector: dict[str, Any]) -> None:
    assert scramble(vector["key"], vector["session"], vector["ticks"]).hex() == vector["hex"]


@pytest.mark.parametrize("vector", load("values", "time"), ids=lambda v: v["text"])
def test_a_terminal_time_reads_and_writes_as_published(vector: dict[str, Any]) -> None:
    time = TerminalTime(vector["value"])
    assert time.text() == vector["text"]
    assert time.to_datetime().isoformat() == vector["text"]
    assert TerminalTime.from_text(vector["text"]) == time
    assert time.to_bytes(4, "little").hex() == vector["hex"]
