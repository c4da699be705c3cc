"""The doctor at every family and every failure; its captures name nobody and can be replayed."""

import asyncio
import contextlib
import json
import random
import socket
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from biometric_flow.zk.capture import Capture, CaptureUnreadable
from biometric_flow.zk.doctor import entrance
from biometric_flow.zk.doctor.examination import examine
from biometric_flow.zk.doctor.report import Report, Severity
from biometric_flow.zk.errors import TerminalRefused
from biometric_flow.zk.simulator.memory import StoredPunch
from biometric_flow.zk.simulator.profiles import PROFILES
from biometric_flow.zk.simulator.replay import ReplayedTerminal
from biometric_flow.zk.simulator.terminal import SimulatedTerminal
from biometric_flow.zk.terminal import Transport, open_terminal
from biometric_flow.zk.wire.timecode import TerminalTime
from biometric_flow.zk.wire.users import UserRecord

Start = Callable[..., Awaitable[SimulatedTerminal]]

NAMES = ("Canaria", "Zebulon", "Quixote", "Ozymand")
PINS = ("73619", "90482", "55127", "31984")
PASSWORDS = ("48151", "62342", "10889", "77031")
CARDS = (3735928559, 2882343476, 19088743, 305419896)
KEY = 864209
SERIAL = "OWNR7362514"


FAMILY_OF = {
    "tft": "tft", "iface": "iface", "vl49": "visible-light", "zk6": "zk6", "zk6-8": "zk6", "ma300": "ma300",
}  # fmt: skip


def people() -> list[UserRecord]:
    return [
        UserRecord(40_001 + place, PINS[place], NAMES[place], 14, PASSWORDS[place], CARDS[place])
        for place in range(len(PINS))
    ]


def punches(count: int = 40) -> list[StoredPunch]:
    return [
        StoredPunch(PINS[place % 4], TerminalTime.of(2026, 1, 1 + place % 28, 8, place % 60, 3), 1, place % 2)
        for place in range(count)
    ]


def now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0)


async def report_on(sim: SimulatedTerminal, **given: object) -> Report:
    return await examine(sim.host, sim.port, now=now, **{"timeout": 2.0, **given})  # type: ignore[arg-type]


def codes(report: Report, *severities: Severity) -> set[str]:
    return {one.code for one in report.findings if not severities or one.severity in severities}


def bad(report: Report) -> set[str]:
    return codes(report, Severity.WARNING, Severity.PROBLEM)


def text_of(report: Report, code: str) -> str:
    return next(one.text for one in report.findings if one.code == code)


@pytest.mark.parametrize("profile", list(PROFILES))
async def test_a_healthy_terminal_of_any_family_has_its_layouts_found(start: Start, profile: str) -> None:
    sim = await start(profile=profile, users=people(), punches=punches(), comm_key=KEY)
    report = await report_on(sim, comm_key=KEY)
    assert report.severity in (Severity.OK, Severity.NOTE), report.findings
    assert report.user_layouts[0].name == PROFILES[profile].users.name
    assert report.attendance_layouts[0].name == PROFILES[profile].attlog.name
    assert (report.attendance_layouts[0].rows, report.attendance_layouts[0].fits_count) == (40, True)
    assert len(report.attendance_layouts[0].rows_shown) == 3
    assert report.asked_for_comm_key is True
    assert report.description is not None
    assert report.description.family is not None
    assert report.description.family.name == FAMILY_OF[profile]
    assert_no_canary(repr((report.user_layouts, report.attendance_layouts, report.findings)), is_capture=False)
    assert {"key.taken", "clock.right", "events.ready", "users.layout", "attendance.layout"} <= codes(report)
    assert not sim.is_held


@pytest.mark.parametrize("profile", list(PROFILES))
async def test_a_capture_names_nobody_and_replays_to_the_same_findings(start: Start, profile: str) -> None:
    sim = await start(profile=profile, users=people(), punches=punches(), comm_key=KEY, serial=SERIAL)
    report = await report_on(sim, comm_key=KEY)
    text = report.capture.to_text()
    assert_no_canary(text)
    async with ReplayedTerminal(Capture.from_text(text)) as recorded:
        again = await examine(recorded.host, recorded.port, now=now, comm_key=1, timeout=2)
    assert_no_canary(again.capture.to_text())
    assert [one.name for one in again.user_layouts] == [one.name for one in report.user_layouts]
    assert again.attendance_layouts[0] == report.attendance_layouts[0]
    assert again.capacity == report.capacity
    assert codes(again) - {"clock.right", "clock.drift"} == codes(report) - {"clock.right", "clock.drift"}
    assert again.info is not None
    assert report.info is not None
    assert (again.info.model, again.info.firmware) == (report.info.model, report.info.firmware)
    assert again.info.serial != report.info.serial


def assert_no_canary(text: str, is_capture: bool = True) -> None:
    raw = b"".join(bytes.fromhex(data) for data in data_of(text)) if is_capture else b""
    for secret in (*NAMES, *PINS, *PASSWORDS, SERIAL, SERIAL[4:]):
        assert secret.encode() not in raw
        assert secret not in text
    numbers = (*CARDS, *map(int, PINS), KEY)
    for number in numbers:
        assert number.to_bytes(4, "little") not in raw
    for uid in range(40_001, 40_005):
        assert uid.to_bytes(2, "little") + b"\x0e" not in raw


async def test_the_canaries_are_there_before_masking(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Capture, "masked", lambda exchanges, *_: Capture(tuple(exchanges)))
    for profile in PROFILES:
        sim = await start(profile=profile, users=people(), punches=punches(), comm_key=KEY, serial=SERIAL)
        with pytest.raises(AssertionError):
            assert_no_canary((await report_on(sim, comm_key=KEY)).capture.to_text())


def data_of(text: str) -> list[str]:
    lines = [json.loads(line) for line in text.splitlines()]
    return [str(line.get("data", line.get("foreign", ""))) for line in lines]


async def test_a_large_log_is_judged_by_its_beginning_and_its_capture_stays_small(start: Start) -> None:
    sim = await start(profile="vl49", users=people(), punches=punches(20_000))
    report = await report_on(sim)
    assert report.attendance_layouts[0].rows == 20_000
    assert len(report.capture.to_text()) < 200_000
    assert_no_canary(report.capture.to_text())


async def test_in_a_capture_a_person_stays_one_person_and_times_stay(start: Start) -> None:
    sim = await start(users=people(), punches=punches())
    text = (await report_on(sim)).capture.to_text()
    async with ReplayedTerminal(Capture.from_text(text)) as recorded:
        async with open_terminal(recorded.host, recorded.port, timeout=2) as terminal:
            users, log = await terminal.users(), await terminal.attendance()
            with pytest.raises(TerminalRefused):
                await terminal.set_option("VOLUME", "1")
    assert [row.time for row in log.records] == [punch.time for punch in punches()]
    stand_ins = [user.user_id for user in users.records]
    assert len(set(stand_ins)) == 4
    assert [row.user_id for row in log.records] == [stand_ins[place % 4] for place in range(40)]
    assert [len(user.name) for user in users.records] == [7, 7, 7, 7]


async def test_rows_of_no_known_layout_are_a_problem_and_only_their_shape_is_captured(start: Start) -> None:
    sim = await start(users=people(), punches=punches(7))
    sim.memory._rows = bytearray(b"".join(f"{PINS[0]}{NAMES[0]}\0\1\2".encode().ljust(39, b"\xff") for _ in range(7)))
    report = await report_on(sim)
    assert "attendance.layout_unknown" in codes(report, Severity.PROBLEM)
    text = report.capture.to_text()
    assert_no_canary(text)
    assert b"00000xxxxxxx\0\1\1\xff\xff".hex() in text


@pytest.mark.parametrize(
    ("kind", "code", "advice"),
    [
        ("off", "reach.refused", "compare address and TCP port"),
        ("silent", "reach.silent", "one client at a time"),
        ("refuse", "reach.closed", "another client holds it"),
        ("pull_refused", "pull.refused", "Cloud Server Setting"),
        ("panel", "other.panel", "C3/inBio"),
        ("garbage", "other.protocol", "does not speak the protocol of ZK terminals"),
    ],
)
async def test_why_nobody_gets_in_is_said_with_what_to_do(start: Start, kind: str, code: str, advice: str) -> None:
    sim = await start()
    await sim.fault(kind)
    report = await report_on(sim, timeout=0.5)
    assert code in codes(report, Severity.PROBLEM)
    assert advice in text_of(report, code)
    assert report.is_reached == (kind == "pull_refused")
    assert report.info is None


@pytest.mark.parametrize("kind", ["pull_refused", "panel", "garbage"])
async def test_a_capture_of_a_refusal_replays_as_that_refusal(start: Start, kind: str) -> None:
    sim = await start()
    await sim.fault(kind)
    first = await report_on(sim)
    async with ReplayedTerminal(Capture.from_text(first.capture.to_text())) as recorded:
        again = await examine(recorded.host, recorded.port, now=now, timeout=0.5)
    assert bad(again) == bad(first)


async def test_an_address_where_packets_vanish_is_told_apart_from_one_that_refuses() -> None:
    loop = asyncio.get_running_loop()
    with contextlib.ExitStack() as stack:
        hole = stack.enter_context(socket.socket())
        hole.bind(("127.0.0.1", 0))
        hole.listen(0)  # nobody accepts, and once its queue is full nobody is answered either
        for _ in range(8):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(hole.getsockname())
        host, port = hole.getsockname()
        began = loop.time()
        report = await examine(host, port, now=now, timeout=0.5)
    assert "reach.timed_out" in codes(report, Severity.PROBLEM)
    assert "a firewall drops the way there" in text_of(report, "reach.timed_out")
    assert (report.is_reached, report.info) == (False, None)
    assert loop.time() - began < 30, "a wait without end"


async def test_a_name_that_cannot_be_one_is_told_apart_from_a_dead_address() -> None:
    assert bad(await examine("no..host", now=now, timeout=2)) == {"reach.name"}


def test_a_public_address_is_a_warning() -> None:
    assert [one.code for one in entrance.address("8.8.8.8")] == ["network.public"]
    assert not list(entrance.address("192.168.1.201"))
    assert not list(entrance.address("gate.example"))


@pytest.mark.parametrize(
    ("set_key", "given", "code", "severity"),
    [
        (0, 0, "key.none", Severity.WARNING),
        (0, KEY, "key.not_asked", Severity.PROBLEM),
        (KEY, 0, "key.required", Severity.PROBLEM),
        (KEY, KEY + 1, "key.wrong", Severity.PROBLEM),
        (KEY, KEY, "key.taken", Severity.OK),
    ],
)
async def test_what_the_comm_key_is_worth(
    start: Start, set_key: int, given: int, code: str, severity: Severity
) -> None:
    report = await report_on(await start(comm_key=set_key), comm_key=given)
    assert code in codes(report, severity)
    assert str(KEY) not in repr(report) + report.capture.to_text()


@pytest.mark.parametrize(
    ("drift", "code"),
    [(timedelta(seconds=600), "clock.drift"), (timedelta(seconds=-600), "clock.drift"), (timedelta(0), "clock.right")],
)
async def test_a_wrong_clock_is_found(start: Start, drift: timedelta, code: str) -> None:
    report = await report_on(await start(drift=drift, comm_key=1), comm_key=1)
    assert code in codes(report)
    assert report.drift_seconds is not None
    assert abs(report.drift_seconds - drift.total_seconds()) <= 2


async def test_a_clock_without_battery_is_found(start: Start) -> None:
    sim = await start()
    sim.clock.set(TerminalTime.of(2000, 1, 1, 0, 5))
    assert "clock.unset" in codes(await report_on(sim), Severity.PROBLEM)


async def test_odd_rows_are_counted(start: Start) -> None:
    odd = [
        StoredPunch(PINS[0], TerminalTime.of(2026, 2, 31, 8)),
        StoredPunch(PINS[0], TerminalTime.of(2000, 1, 1)),
        StoredPunch(PINS[1], TerminalTime.of(2060, 1, 1)),
    ]
    sim = await start(users=people(), punches=[*punches(), *odd])
    sim.memory.spoil()
    report = await report_on(sim)
    assert {
        "attendance.unreadable", "attendance.impossible", "attendance.unset_clock", "attendance.ahead",
    } <= bad(report)  # fmt: skip
    assert text_of(report, "attendance.impossible").startswith("1 of the first 44 rows")


async def test_a_count_that_lies_is_a_note(start: Start) -> None:
    sim = await start(users=people(), punches=punches())
    await sim.fault("count", value=7)
    assert "attendance.count" in codes(await report_on(sim), Severity.NOTE)


async def test_a_layout_that_the_count_rules_out_is_no_rival(start: Start) -> None:
    ids = [str(100_000 + place) for place in range(40)]
    sim = await start(profile="zk6", punches=[StoredPunch(pin, TerminalTime.of(2026, 1, 2, 8)) for pin in ids])
    assert "attendance.ambiguous" not in codes(await report_on(sim))


async def test_a_lying_length_inside_is_a_warning(start: Start) -> None:
    sim = await start(punches=punches())
    await sim.fault("lie", value="inner")
    assert "attendance.size" in bad(await report_on(sim))


async def test_names_in_another_encoding_are_told_with_the_one_that_fits(start: Start) -> None:
    sim = await start()
    sim.memory.enrol("7", UserRecord(1, "7", "x"))
    layout, user = sim.memory.profile.users, UserRecord(1, "7", "小明")
    sim.memory.user_rows = lambda: layout.encode(user, "gbk")  # type: ignore[method-assign]
    report = await report_on(sim)
    assert "gbk" in text_of(report, "users.encoding")
    assert "users.encoding" not in codes(await report_on(sim, encoding="gbk"))
    assert "小明".encode("gbk").hex() not in report.capture.to_text()


async def test_an_unknown_model_is_described_and_a_layout_that_its_family_has_not_is_a_warning(start: Start) -> None:
    sim = await start(profile="vl49", users=people(), punches=punches())
    sim.memory.options.update({"~DeviceName": "Zorg-9", "~Platform": "QQQ1"})
    unknown = await report_on(sim)
    assert "model Zorg-9, platform QQQ1" in text_of(unknown, "family.unknown")
    sim.memory.options["~Platform"] = "ZMM220_TFT"
    assert "iface" in repr(await report_on(sim))
    assert "attendance.unusual" in bad(await report_on(sim))


async def test_a_full_terminal_is_a_warning(start: Start) -> None:
    sim = await start()
    told = sim.memory.capacity()
    sim.memory.capacity = lambda: type(told)(users=4_900, users_capacity=5_000)  # type: ignore[method-assign]
    assert "capacity.users" in bad(await report_on(sim))


async def test_a_line_that_breaks_in_the_middle_is_one_finding_and_the_end(start: Start) -> None:
    sim = await start(punches=punches(400))
    await sim.fault("drop", value=100)
    report = await report_on(sim)
    assert "attendance.closed" in codes(report, Severity.PROBLEM)
    assert "events.ready" not in codes(report)
    assert report.is_reached


async def test_a_terminal_without_buffer_is_examined_all_the_same(start: Start) -> None:
    sim = await start(users=people(), punches=punches())
    await sim.fault("no_buffer")
    report = await report_on(sim)
    assert report.attendance_layouts[0].name == "40"
    assert_no_canary(report.capture.to_text())


async def test_an_old_terminal_is_examined_over_udp_and_its_capture_replays(start: Start) -> None:
    sim = await start(profile="zk6", transports=("udp",), users=people(), punches=punches(400), comm_key=KEY)
    report = await report_on(sim, comm_key=KEY)
    assert report.transport == Transport.UDP
    assert "reach.udp" in codes(report, Severity.NOTE)
    assert (report.attendance_layouts[0].name, report.attendance_layouts[0].rows) == ("16", 400)
    assert_no_canary(report.capture.to_text())
    async with ReplayedTerminal(Capture.from_text(report.capture.to_text())) as recorded:
        again = await examine(recorded.host, recorded.port, now=now, comm_key=KEY, timeout=2)
    assert again.attendance_layouts[0] == report.attendance_layouts[0]


async def test_a_touch_is_seen_or_missed(start: Start) -> None:
    sim = await start(users=people())
    touched: list[asyncio.Task[StoredPunch]] = []
    seen = await report_on(
        sim, touch_seconds=5, on_waiting=lambda: touched.append(asyncio.create_task(sim.punch(PINS[0])))
    )
    assert "events.seen" in codes(seen)
    assert_no_canary(seen.capture.to_text())
    assert "events.none" in bad(await report_on(sim, touch_seconds=0.1))


async def test_stale_answers_are_an_oddity(start: Start) -> None:
    sim = await start()
    await sim.fault("stale")
    assert "oddities.stale" in codes(await report_on(sim))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "at least one request"),
        ('{"capture": 2, "note": ""}', "line 1"),
        ('{"capture": 1, "note": ""}\n{"ask": 1000, "data": "zz"}', "line 2"),
        ('{"capture": 1, "note": ""}\n{"reply": 2000, "data": ""}', "line 2"),
        ('{"capture": 1, "note": ""}\n{"ask": 1000, "data": ""}\n{"reply": 99999, "data": ""}', "line 3"),
        ("[" * 100_000, "line 1"),
        ("\0\xff", "line 1"),
    ],
)
def test_a_file_that_is_no_capture_is_refused_by_line(text: str, complaint: str) -> None:
    with pytest.raises(CaptureUnreadable, match=complaint):
        Capture.from_text(text)


async def test_two_captures_of_one_terminal_give_a_person_different_stand_ins(start: Start) -> None:
    sim = await start(users=people(), punches=punches())
    exchanges = (await report_on(sim)).capture.exchanges
    texts = {Capture.masked(exchanges, {}, dice=random.Random(seed)).to_text() for seed in (1, 2)}
    assert len(texts) == 1  # what no layout explains has no stand-ins at all
    first, second = [(await report_on(sim)).capture.to_text() for _ in range(2)]
    assert first != second
