"""`biometric-flow terminal` and `discover` as a person uses them: what they read, and the exit code."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from biometric_flow.cli import main
from biometric_flow.zk.families import FAMILIES
from biometric_flow.zk.simulator.memory import StoredPunch
from biometric_flow.zk.simulator.profiles import PROFILES
from biometric_flow.zk.simulator.terminal import SimulatedTerminal
from biometric_flow.zk.wire.oplog import OperationRecord
from biometric_flow.zk.wire.templates import Template
from biometric_flow.zk.wire.timecode import TerminalTime
from biometric_flow.zk.wire.users import UserRecord

NET = f"127.{os.getpid() % 240 + 10}.{os.getpid() // 240 % 16 * 16 + 1}"
"""Loopback addresses of our own: other tests run beside this one."""

Start = Callable[..., Awaitable[SimulatedTerminal]]

PEOPLE = (
    UserRecord(1, "7", "Amina Hassan", 14, "s3cret", 123456),
    UserRecord(2, "1001", "小明", 0),
    UserRecord(3, "12", "أمينة", 1),
)
PUNCHES = (
    StoredPunch("7", TerminalTime.of(2026, 1, 31, 8, 0, 1), 1, 0),
    StoredPunch("1001", TerminalTime.of(2026, 2, 31, 17, 5), 15, 1),
)


class Ran:
    def __init__(self, code: int, out: str, error: str) -> None:
        self.code, self.out, self.error = code, out, error

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Awaitable[Ran]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run one command in a thread, beside the simulated terminal."""
    monkeypatch.delenv("BIOMETRIC_FLOW_COMM_KEY", raising=False)

    def call(arguments: tuple[str, ...]) -> int:
        try:
            return main(arguments)
        except SystemExit as left:
            return int(str(left.code))

    async def begin(*arguments: str) -> Ran:
        code = await asyncio.to_thread(call, arguments)
        return Ran(code, *capsys.readouterr())

    return begin


def at(terminal: SimulatedTerminal, what: str, *flags: str) -> tuple[str, ...]:
    return ("terminal", what, terminal.host, "--port", str(terminal.port), "--timeout", "2", *flags)


@pytest.mark.parametrize("profile", list(PROFILES))
async def test_info_tells_who_it_is(start: Start, run: Run, profile: str) -> None:
    sim = await start(profile=profile, serial="CAI0001")
    shown = await run(*at(sim, "info"))
    assert shown.code == 0
    assert "serial               CAI0001\n" in shown.out
    assert f"model                {PROFILES[profile].model}\n" in shown.out
    assert "comm key             none: whoever reaches it gets in\n" in shown.out
    told = (await run(*at(sim, "info", "--json"))).json
    assert (told["serial"], told["firmware"]) == ("CAI0001", PROFILES[profile].firmware)
    assert told["asked_for_comm_key"] is False
    assert told["family"]["name"] in FAMILIES


async def test_users_stand_under_each_other_and_no_password_is_shown(start: Start, run: Run) -> None:
    sim = await start(users=PEOPLE)
    shown = await run(*at(sim, "users"))
    assert shown.out.splitlines() == [
        "PIN   UID  PRIVILEGE       CARD    GROUP  PASSWORD  NAME",
        "7     1    admin           123456  -      yes       Amina Hassan",
        "1001  2    user            -       -      -         小明",
        "12    3    user, disabled  -       -      -         أمينة",
    ]
    told = await run(*at(sim, "users", "--json"))
    assert [user["name"] for user in told.json["users"]] == ["Amina Hassan", "小明", "أمينة"]
    assert told.json["users"][0]["has_password"] is True
    assert "s3cret" not in shown.out + told.out


async def test_an_old_terminal_is_asked_over_udp(start: Start, run: Run) -> None:
    sim = await start(profile="zk6", transports=("udp",), users=[UserRecord(1, "7", "Amina")])
    for flags in ((), ("--transport", "udp")):
        assert (await run(*at(sim, "users", *flags, "--json"))).json["users"][0]["name"] == "Amina"
    refused = await run(*at(sim, "users", "--transport", "tcp"))
    assert refused.code == 2
    assert "Connect call failed" in refused.error


async def test_a_hostile_name_does_not_reach_the_screen(start: Start, run: Run) -> None:
    sim = await start(users=[UserRecord(1, "7", "\x1b[2J\u202eevil\r\n9")])
    shown = await run(*at(sim, "users"))
    assert shown.out.splitlines()[1:] == ["7    1    user       -     -      -         \\x1b[2J\\u202eevil\\x0d\\x0a9"]
    told = await run(*at(sim, "users", "--json"))
    assert told.json["users"][0]["name"] == "\x1b[2J\u202eevil\r\n9"
    assert not {"\x1b", "\u202e", "\r"} & set(told.out)


async def test_json_keeps_letters_and_escapes_what_moves_a_screen(start: Start, run: Run) -> None:
    sim = await start(users=[UserRecord(1, "7", "小\x9b\U000e0041é\x7f")])
    told = await run(*at(sim, "users", "--json"))
    assert '"name":"小\\u009b\\udb40\\udc41é\\u007f"' in told.out
    assert told.json["users"][0]["name"] == "小\x9b\U000e0041é\x7f"


async def test_a_hostile_option_does_not_reach_the_screen(start: Start, run: Run) -> None:
    sim = await start()
    sim.memory.options["~DeviceName"] = "F18\x1b]0;x\x07"
    for what in (("info",), ("options", "--get", "~DeviceName")):
        shown = await run(*at(sim, what[0], *what[1:]))
        assert "\x1b" not in shown.out + shown.error
        assert "F18\\x1b]0;x\\x07" in shown.out


async def test_attendance_shows_every_row_as_the_terminal_has_it(start: Start, run: Run) -> None:
    sim = await start(users=PEOPLE, punches=PUNCHES)
    shown = await run(*at(sim, "attendance"))
    assert shown.out.splitlines() == [
        "TIME                 PIN   UID  STATE  VERIFY  WORK CODE",
        "2026-01-31T08:00:01  7       1  in     finger  -",
        "2026-02-31T17:05:00  1001    2  out    face    -",
    ]
    told = (await run(*at(sim, "attendance", "--json", "--last", "1"))).json
    assert (told["layout"], told["announced"], told["rejected"]) == ("40", 2, [])
    assert told["rows"] == [
        {
            "pin": "1001",
            "uid": 2,
            "time": "2026-02-31T17:05:00",
            "is_possible": False,
            "verify": 15,
            "state": 1,
            "work_code": 0,
        }
    ]


async def test_rows_that_cannot_be_read_are_told_beside_the_others(start: Start, run: Run) -> None:
    sim = await start(punches=PUNCHES)
    sim.memory.spoil()
    shown = await run(*at(sim, "attendance"))
    assert shown.code == 0
    assert len(shown.out.splitlines()) == 3
    assert "warning: 1 rows could not be read" in shown.error


async def test_an_empty_terminal_is_an_empty_list(start: Start, run: Run) -> None:
    sim = await start()
    assert (await run(*at(sim, "users", "--json"))).json == {"layout": None, "rejected": [], "users": []}
    assert (await run(*at(sim, "attendance"))).out == "TIME  PIN  UID  STATE  VERIFY  WORK CODE\n"


async def test_time_tells_the_drift_and_sets_the_clock(start: Start, run: Run) -> None:
    sim = await start()
    await run(*at(sim, "time", "--zone", "UTC", "--set"))
    sim.clock.drift += timedelta(seconds=90)
    assert (await run(*at(sim, "time", "--zone", "UTC", "--json"))).json["drift_seconds"] in range(88, 93)
    assert "drift     +9" in (await run(*at(sim, "time", "--zone", "UTC"))).out
    assert (await run(*at(sim, "time", "--zone", "UTC", "--set", "--json"))).json["drift_seconds"] in range(-2, 3)


async def test_options_are_read_by_name_and_written(start: Start, run: Run) -> None:
    sim = await start()
    sim.memory.options["VOLUME"] = "40"
    written = await run(*at(sim, "options", "--set", "VOLUME=60", "--get", "MAC"))
    assert written.out == f"VOLUME  60\nMAC     {sim.memory.options['MAC']}\n"
    assert sim.memory.options["VOLUME"] == "60"
    assert (await run(*at(sim, "options", "--json"))).json["~DeviceName"] == "F18"
    missing = await run(*at(sim, "options", "--get", "NoSuchThing"))
    assert (missing.code, missing.out) == (1, "")
    assert missing.error == "biometric-flow: expected option NoSuchThing, this terminal has none of that name\n"
    refused = await run(*at(sim, "options", "--set", "~Platform=x"))
    assert refused.code == 1
    assert "2001 (error)" in refused.error


async def test_capacity_is_told_with_its_share(start: Start, run: Run) -> None:
    sim = await start(users=PEOPLE, punches=PUNCHES)
    assert "attendance         2    100000    0%" in (await run(*at(sim, "capacity"))).out
    assert (await run(*at(sim, "capacity", "--json"))).json["users"] == 3


async def test_disabling_ends_by_itself_and_enabling_ends_it_at_once(start: Start, run: Run) -> None:
    sim = await start()
    assert (await run(*at(sim, "disable", "--seconds", "300"))).out == "disabled, seconds 300\n"
    assert sim.is_held
    assert (await run(*at(sim, "enable", "--json"))).json == {"done": "enabled"}
    assert not sim.is_held


async def test_watch_shows_a_punch_while_it_happens(start: Start, run: Run) -> None:
    sim = await start(users=PEOPLE)
    for flags in ((), ("--json",)):
        watching = asyncio.create_task(run(*at(sim, "watch", "--count", "1", *flags)))
        while not watching.done():
            await sim.punch("1001", state=1, at=TerminalTime.of(2026, 1, 31, 8, 0, 1))
            await asyncio.sleep(0.02)
        seen = watching.result()
        if flags:
            assert seen.json == {
                "event": "attendance",
                "pin": "1001",
                "uid": None,
                "time": "2026-01-31T08:00:01",
                "verify": 1,
                "state": 1,
            }
        else:
            assert seen.out == "2026-01-31T08:00:01  PIN 1001  out  finger\n"


async def test_somebody_is_added_then_changed_and_what_no_flag_names_stays(
    start: Start, run: Run, tmp_path: Path
) -> None:
    sim = await start(users=PEOPLE)
    secret = tmp_path / "password"
    secret.write_text("4711\n")
    added = await run(
        *at(sim, "set-user", "77", "--name", "Žofie 小", "--privilege", "manager", "--card", "4000000000")
    )
    assert (added.code, added.out) == (0, "added PIN 77 at uid 4: Žofie 小\n")
    changed = await run(*at(sim, "set-user", "77", "--group", "3", "--password-file", str(secret), "--json"))
    assert changed.json == {
        "done": "changed",
        "user": {
            "pin": "77",
            "uid": 4,
            "name": "Žofie 小",
            "privilege": 6,
            "is_enabled": True,
            "card": 4_000_000_000,
            "group": 3,
            "has_password": True,
        },
    }
    (stored,) = [user for user in sim.memory.users if user.user_id == "77"]
    assert stored.password == "4711"
    await run(*at(sim, "set-user", "12", "--privilege", "admin"))
    (blocked,) = [user for user in sim.memory.users if user.user_id == "12"]
    assert (blocked.privilege, blocked.name) == (15, "أمينة")


async def test_somebody_who_does_not_fit_is_refused(start: Start, run: Run) -> None:
    sim = await start(profile="zk6")
    failed = await run(*at(sim, "set-user", "A7"))
    assert failed.code == 2
    assert "numeric user ids only" in failed.error
    assert sim.memory.users == []


async def test_a_terminal_that_forgets_what_was_written_is_no_success(start: Start, run: Run) -> None:
    sim = await start(users=PEOPLE)
    await sim.fault("forget")
    failed = await run(*at(sim, "set-user", "77", "--name", "Žofie"))
    assert (failed.code, failed.out) == (1, "")
    assert "the terminal said ok and holds nobody; restart the terminal and write again" in failed.error


async def test_deleting_opening_and_restarting_need_a_yes(start: Start, run: Run) -> None:
    sim = await start(users=PEOPLE)
    for what, text in (
        (("delete-user", "12"), "expected --yes, or a person to type 12, before it would delete PIN 12"),
        (("unlock",), "expected --yes, or a person to type unlock, before it would open the door"),
        (("restart",), "expected --yes, or a person to type restart, before it would restart"),
    ):
        refused = await run(*at(sim, what[0], *what[1:]))
        assert (refused.code, refused.out) == (2, "")
        assert text in refused.error
    assert len(sim.memory.users) == 3
    assert sim.memory.extras.unlocked_for == []


async def test_with_a_yes_it_is_done(start: Start, run: Run) -> None:
    sim = await start(users=PEOPLE, punches=PUNCHES)
    deleted = await run(*at(sim, "delete-user", "12", "--yes"))
    assert (deleted.code, deleted.out) == (0, "deleted, pin 12, uid 3\n")
    assert [user.user_id for user in sim.memory.users] == ["7", "1001"]
    gone = await run(*at(sim, "delete-user", "12", "--yes"))
    assert gone.code == 1
    assert gone.error == "biometric-flow: expected somebody with PIN 12, this terminal knows nobody of it\n"
    assert (await run(*at(sim, "unlock", "--yes", "--seconds", "5"))).out == "unlocked, seconds 5.0\n"
    assert (await run(*at(sim, "unlock", "--yes", "--unit", "seconds"))).code == 0
    assert sim.memory.extras.unlocked_for == [50, 3]
    assert (await run(*at(sim, "restart", "--yes", "--json"))).json == {"done": "restarting", "acknowledged": True}


@pytest.mark.parametrize(("typed", "code", "left"), [("12", 0, 2), ("yes", 2, 3), ("", 2, 3)])
async def test_a_person_at_the_keyboard_types_what_it_is_about(start: Start, typed: str, code: int, left: int) -> None:
    sim = await start(users=PEOPLE)
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "biometric_flow.cli", *at(sim, "delete-user", "12")]
    process = await asyncio.to_thread(subprocess.Popen, command, stdin=theirs, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    asked = b""
    while b"to go on:" not in asked:
        asked += await asyncio.to_thread(read_screen, ours)
    assert b"this will delete PIN 12 and their fingerprints from 127.0.0.1; type 12 to go on:" in asked
    os.write(ours, typed.encode() + b"\n")
    while await asyncio.to_thread(read_screen, ours):
        pass
    assert await asyncio.to_thread(process.wait, 10) == code
    os.close(ours)
    assert len(sim.memory.users) == left


async def test_fingers_are_listed_and_templates_never_shown(start: Start, run: Run) -> None:
    sim = await start(users=PEOPLE)
    sim.memory.templates[1, 6] = Template(1, 6, b"M\0SS21" + b"canary" * 100)
    sim.memory.templates[2, 0] = Template(2, 0, b"canary" * 90, 3)
    shown = await run(*at(sim, "templates"))
    assert shown.out.splitlines() == [
        "UID  FINGER  KIND    VERSION  BYTES",
        "  1       6  valid        10    606",
        "  2       0  duress        9    540",
    ]
    told = await run(*at(sim, "templates", "--json"))
    assert told.json["templates"][1] == {"uid": 2, "finger": 0, "flag": 3, "version": 9, "bytes": 540}
    assert "canary" not in shown.out + told.out


async def test_the_operation_log_is_told_in_words(start: Start, run: Run) -> None:
    sim = await start()
    sim.memory.extras.operations.append(OperationRecord(7, 9, TerminalTime.of(2026, 1, 2, 3, 4, 5), (12, 0, 0, 0), b""))
    assert (await run(*at(sim, "operations"))).out.splitlines()[
        1
    ] == "2026-01-02T03:04:05       7  12 0 0 0  user deleted"
    assert (await run(*at(sim, "operations", "--json"))).json["operations"][0]["title"] == "user deleted"


@pytest.mark.parametrize(
    ("fault", "how", "code", "text"),
    [
        ("pull_refused", {}, 1, "got 6001: this firmware refuses to be read"),
        ("panel", {}, 2, "access panel (C3/inBio protocol)"),
        ("silent", {}, 2, "it did not; check address and network"),
        ("garbage", {}, 2, "check that a ZK terminal listens at this address and port"),
        ("refuse", {}, 2, "biometric-flow: expected"),
        ("off", {}, 2, "Connect call failed"),
        ("drop", {"value": 100}, 2, "it closed the connection; try again"),
        ("lie", {"value": "huge"}, 2, "the terminal announced 2147483647; restart the terminal"),
        ("short", {}, 2, "read again"),
    ],
)
async def test_every_fault_is_one_clear_line(
    start: Start, run: Run, fault: str, how: dict[str, object], code: int, text: str
) -> None:
    sim = await start(users=PEOPLE, punches=PUNCHES * 30)
    await sim.fault(fault, **how)  # type: ignore[arg-type]
    failed = await run(*at(sim, "attendance", "--timeout", "0.5"))
    assert failed.code == code
    assert failed.out == ""
    assert failed.error.startswith("biometric-flow: expected ")
    assert failed.error.count("\n") == 1
    assert text in failed.error


async def test_the_comm_key_comes_from_flag_file_or_environment(
    start: Start, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sim = await start(comm_key=4711)
    file = tmp_path / "key"
    file.write_text("4711\n")
    missing = await run(*at(sim, "info"))
    assert missing.code == 1
    assert "the terminal asks for one; configure it; give it with --comm-key-file" in missing.error
    assert (await run(*at(sim, "info", "--comm-key", "4712"))).code == 1
    for flags in (("--comm-key", "4711"), ("--comm-key-file", str(file))):
        entered = await run(*at(sim, "info", *flags))
        assert (entered.code, entered.error) == (0, "")
        assert "comm key             asked for" in entered.out
    monkeypatch.setenv("BIOMETRIC_FLOW_COMM_KEY", "4711")
    assert (await run(*at(sim, "info"))).code == 0


async def test_a_comm_key_that_nobody_asks_for_is_a_warning(start: Start, run: Run) -> None:
    sim = await start()
    entered = await run(*at(sim, "info", "--comm-key", "4711"))
    assert entered.code == 0
    assert entered.error.startswith("warning: this terminal did not ask for the comm key")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("terminal", "info"), "host"),
        (("terminal", "info", "h", "--port", "70000"), "expected a port from 1 to 65535"),
        (("terminal", "info", "h", "--comm-key", "abc"), "expected a comm key from 0 to"),
        (("terminal", "info", "h", "--comm-key-file", "no/such/file"), "cannot read the comm key from no/such/file"),
        (("terminal", "info", "h", "--timeout", "0"), "expected seconds"),
        (("terminal", "info", "127.0.0.1", "--encoding", "klingon"), "expected an encoding such as utf-8 or gbk"),
        (("terminal", "info", "no..host"), "expected a terminal at no..host port 4370"),
        (("terminal", "attendance", "h", "--layout", "41"), "--layout"),
        (("terminal", "time", "h", "--zone", "Mars/Phobos"), "expected a zone such as Africa/Cairo"),
        (("terminal", "options", "h", "--set", "VOLUME"), "expected NAME=VALUE"),
        (("discover", "10.0.0.0/8"), "expected at most 65536 addresses"),
        (("discover", "everywhere"), "expected a network such as 192.168.1.0/24"),
    ],
)
async def test_a_wrong_request_is_explained(run: Run, arguments: tuple[str, ...], text: str) -> None:
    failed = await run(*arguments)
    assert (failed.code, failed.out) == (2, "")
    assert text in failed.error
    assert "Traceback" not in failed.error


async def test_a_bad_comm_key_is_not_repeated_in_the_error(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("hunter2-canary")
    for flags in (("--comm-key", "hunter2-canary"), ("--comm-key-file", str(file))):
        failed = await run("terminal", "info", "127.0.0.1", *flags)
        assert failed.code == 2
        assert "canary" not in failed.error


async def test_discover_lists_exactly_who_is_there(start: Start, run: Run) -> None:
    first = await start(host=f"{NET}.3", serial="NET0003")
    await start(host=f"{NET}.9", port=first.port, comm_key=5, profile="vl49")
    flags = (f"{NET}.0/28", "--port", str(first.port), "--rate", "1000")
    shown = await run("discover", *flags)
    assert [line.split() for line in shown.out.splitlines()] == [
        ["ADDRESS", "SERIAL", "MODEL", "PLATFORM", "FIRMWARE", "WHAT"],
        [*f"{NET}.3 NET0003 F18 ZMM210_TFT Ver 6.60 Apr 26 2016 terminal without a comm key".split()],
        [*f"{NET}.9 - - - - wants a comm key; give it with --comm-key-file".split()],
    ]
    told = (await run("discover", *flags, "--json")).json
    assert [(one["host"], one["kind"]) for one in told["found"]] == [(f"{NET}.3", "terminal"), (f"{NET}.9", "locked")]
    assert (told["addresses"], told["asked"]) == (14, 14)


async def test_discover_of_an_empty_network_says_so(run: Run) -> None:
    empty = await run("discover", f"{NET}.0/30", "--port", "1", "--rate", "1000")
    assert (empty.code, empty.out) == (1, "")
    assert "nobody answered" in empty.error


async def test_the_doctor_says_what_is_wrong_and_writes_a_capture_that_replays(
    start: Start, run: Run, tmp_path: Path
) -> None:
    sim = await start(users=PEOPLE, punches=PUNCHES)
    file = tmp_path / "capture.jsonl"
    seen = await run(*at(sim, "doctor", "--zone", "UTC", "--capture", str(file)))
    assert seen.code == 0
    assert "WARNING  key.none               it has no comm key (0): whoever reaches its port" in seen.out
    assert "40          40     2  fits        100%" in seen.out
    assert "  2026-02-31T17:05:00 PIN #### state 1 verify 15\n" in seen.out
    assert f"wrote {file}: masked, nobody is named in it" in seen.error
    assert file.stat().st_mode & 0o777 == 0o600
    again = await run(*at(sim, "doctor", "--capture", str(file)))
    assert again.code == 2
    assert "File exists; name a new file" in again.error
    process = await asyncio.to_thread(
        subprocess.Popen,
        [sys.executable, "-m", "biometric_flow.cli", "terminal", "replay", str(file), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    port = (await asyncio.to_thread(process.stdout.readline)).strip().rpartition(":")[2]
    listed = (await run("terminal", "users", "127.0.0.1", "--port", port, "--json")).json
    assert [len(user["pin"]) for user in listed["users"]] == [1, 4, 2]
    process.send_signal(signal.SIGINT)
    _, error = await asyncio.to_thread(process.communicate, timeout=10)
    assert (process.returncode, error) == (130, "")


@pytest.mark.parametrize(("fault", "code"), [("pull_refused", 1), ("panel", 2), ("off", 2), ("silent", 2)])
async def test_the_doctor_ends_with_what_it_found(start: Start, run: Run, fault: str, code: int) -> None:
    sim = await start()
    await sim.fault(fault)
    seen = await run(*at(sim, "doctor", "--timeout", "0.4", "--json"))
    assert seen.code == code
    assert seen.json["severity"] == "problem"
    assert seen.error == ""


async def test_a_hostile_model_does_not_reach_the_screen_of_the_doctor(start: Start, run: Run) -> None:
    sim = await start()
    sim.memory.options["~DeviceName"] = "F18\x1b[2J\u202e"
    seen = await run(*at(sim, "doctor"))
    assert "F18\\x1b[2J\\u202e" in seen.out
    assert "\x1b" not in seen.out


async def test_a_file_that_is_no_capture_is_not_replayed(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "x"
    for content, text in ((None, "No such file"), (b"hello", "line 1 is none"), (b"\xff\xfe", "cannot replay")):
        if content is not None:
            file.write_bytes(content)
        failed = await run("terminal", "replay", str(file))
        assert failed.code == 2
        assert text in failed.error


async def as_process(sim: SimulatedTerminal, *arguments: str, **how: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "biometric_flow.cli", *at(sim, *arguments)]
    return await asyncio.to_thread(
        subprocess.Popen, command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **how
    )


async def test_ctrl_c_ends_watching_without_a_trace_and_says_goodbye(start: Start) -> None:
    sim = await start(users=PEOPLE)
    process = await as_process(sim, "watch")
    assert process.stdout is not None
    line = asyncio.create_task(asyncio.to_thread(process.stdout.readline))
    async with asyncio.timeout(20):
        while not line.done():
            await sim.punch("7")
            await asyncio.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, error = await asyncio.to_thread(process.communicate, timeout=10)
    assert process.returncode == 130
    assert error == ""
    async with asyncio.timeout(5):
        while sim.connections:
            await asyncio.sleep(0.01)


async def test_ctrl_c_in_the_middle_of_a_read_lets_people_punch_again(start: Start) -> None:
    sim = await start(users=PEOPLE, punches=PUNCHES * 3000)
    await sim.fault("slow", seconds=0.3)
    process = await as_process(sim, "attendance")
    async with asyncio.timeout(20):
        while not sim.is_held:
            await asyncio.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, error = await asyncio.to_thread(process.communicate, timeout=10)
    assert (process.returncode, out, error) == (130, "", "")
    sim.faults.clear()
    async with asyncio.timeout(5):
        while sim.is_held:
            await asyncio.sleep(0.02)


async def test_a_reader_that_goes_away_is_no_error(start: Start) -> None:
    sim = await start(users=PEOPLE, punches=PUNCHES * 3000)
    process = await as_process(sim, "attendance")
    assert process.stdout is not None
    await asyncio.to_thread(process.stdout.readline)
    process.stdout.close()
    assert process.stderr is not None
    error = await asyncio.to_thread(process.stderr.read)
    assert await asyncio.to_thread(process.wait, 10) == 0
    assert error == ""
    process.stderr.close()


async def test_a_bar_is_drawn_for_a_person_only(start: Start) -> None:
    sim = await start(users=PEOPLE, punches=PUNCHES * 3000)
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "biometric_flow.cli", *at(sim, "attendance", "--json")]
    process = await asyncio.to_thread(subprocess.Popen, command, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    drawn = b""
    while piece := await asyncio.to_thread(read_screen, ours):
        drawn += piece
    os.close(ours)
    assert await asyncio.to_thread(process.wait, 10) == 0
    assert b"reading attendance [##############################] 234/234 KiB" in drawn
    assert drawn.endswith(b"\r\x1b[K")


def read_screen(handle: int) -> bytes:
    try:
        return os.read(handle, 4096)
    except OSError:  # Linux says so when the other end is closed
        return b""
