"""Every form of the push reference, as data under tests/vectors/push, against our reading of it."""

import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from biometric_flow.zk.push.attlog import AttlogLine, read_attlog, read_usb_attlog
from biometric_flow.zk.push.handshake import read_timezone_option, timezone_option
from biometric_flow.zk.push.operlog import Operation, read_operlog
from biometric_flow.zk.push.options import read_info
from biometric_flow.zk.push.people import PushedUser, TemplateLine
from biometric_flow.zk.push.realtime import RealtimeEvent, read_rtlog, verify_methods
from biometric_flow.zk.push.reports import IdentityCard, TerminalFault, WorkCode
from biometric_flow.zk.push.results import read_results
from biometric_flow.zk.push.tables import read_table

VECTORS = tomllib.loads((Path(__file__).parents[3] / "vectors" / "push" / "lines.toml").read_text())
Vector = dict[str, Any]


def every(kind: str) -> Any:
    return pytest.mark.parametrize("vector", VECTORS[kind], ids=lambda vector: vector.get("id", ""))


def body_of(vector: Vector) -> bytes:
    return bytes.fromhex(vector["hex"]) if "hex" in vector else vector["body"].encode()


def meaning(line: AttlogLine, expect: Vector) -> Vector:
    record = line.record
    told: Vector = {
        "pin": record.user_id,
        "time": record.time.text(),
        "state": record.state,
        "verify": record.verify,
        "work_code": record.work_code,
        "mask": line.mask,
        "temperature": line.temperature,
        "offset": None if line.utc_offset is None else int(line.utc_offset.total_seconds()),
        "position": None if line.position is None else list(line.position),
    }
    return {name: told[name] for name in expect}


@every("attlog")
def test_an_uploaded_punch_means_what_was_published(vector: Vector) -> None:
    lines = read_attlog(body_of(vector))
    found = [meaning(line, expect) for line, expect in zip(lines.records, vector["expect"], strict=True)]
    assert found == vector["expect"]
    assert len(lines.rejected) == vector.get("rejected", 0)


@every("usb")
def test_a_line_of_a_usb_file_means_what_was_published(vector: Vector) -> None:
    lines = read_usb_attlog(body_of(vector))
    found = [meaning(line, expect) for line, expect in zip(lines.records, vector["expect"], strict=True)]
    assert found == vector["expect"]
    assert len(lines.rejected) == vector.get("rejected", 0)


@pytest.mark.parametrize(
    ("kind", "vector"),
    [(kind, vector) for kind in ("user", "template", "operation") for vector in VECTORS[kind]],
    ids=lambda value: value.get("id", "") if isinstance(value, dict) else value,
)
def test_people_templates_and_operations_mean_what_was_published(kind: str, vector: Vector) -> None:
    body = body_of(vector)
    lines = read_table(vector["table"], body) if "table" in vector else read_operlog(body)
    (record,) = lines.records
    expected = {"user": PushedUser, "template": TemplateLine, "operation": Operation}[kind]
    assert isinstance(record, expected)
    told = {name: getattr(record, name) for name in vector["expect"]}
    told = {name: value.text() if name == "time" else value for name, value in told.items()}
    assert {name: list(value) if isinstance(value, tuple) else value for name, value in told.items()} == vector[
        "expect"
    ]
    assert "QUJDREVG" not in repr(record)
    assert "Passwd" not in repr(record)


@every("report")
def test_a_report_means_what_was_published_and_says_nothing_of_a_card(vector: Vector) -> None:
    body = body_of(vector)
    lines = read_table(vector["table"], body) if "table" in vector else read_operlog(body)
    (record,) = lines.records
    assert isinstance(record, TerminalFault | WorkCode | IdentityCard)
    assert {name: getattr(record, name) for name in vector["expect"]} == vector["expect"]
    assert "29001011234567" not in repr(record)


@every("event")
def test_a_door_event_means_what_was_published(vector: Vector) -> None:
    body = body_of(vector)
    lines = read_table(vector["table"], body) if "table" in vector else read_rtlog(body)
    (event,) = lines.records
    assert isinstance(event, RealtimeEvent)
    assert {
        "event": event.event,
        "pin": event.pin,
        "state": event.state,
        "verify": event.verify,
        "kind": event.kind.value,
        "methods": list(verify_methods(event.verify)),
        "is_punch": event.punch is not None,
    } == vector["expect"]


@every("result")
def test_a_command_result_means_what_was_published(vector: Vector) -> None:
    results = read_results(body_of(vector))
    assert [(one.id, one.code, one.command) for one in results] == [
        (one["id"], one["code"], one["command"]) for one in vector["expect"]
    ]
    for result, expect in zip(results, vector["expect"], strict=True):
        assert {name: result.values[name] for name in expect.get("values", {})} == expect.get("values", {})


@every("info")
def test_what_a_poll_tells_means_what_was_published(vector: Vector) -> None:
    info = read_info(vector["text"])
    assert {name: getattr(info, name) for name in vector["expect"]} == vector["expect"]


@every("zone")
def test_a_zone_is_told_in_hours_or_minutes(vector: Vector) -> None:
    offset = timedelta(minutes=vector["minutes"])
    assert timezone_option(offset) == vector["text"]
    assert read_timezone_option(vector["text"]) == offset
