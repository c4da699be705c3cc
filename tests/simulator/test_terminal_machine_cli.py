"""`biometric-flow terminal access|messages|enrol|clear|upload|...` as a person uses them, against the simulator."""

from pathlib import Path

import pytest

from biometric_flow.zk.simulator.files import read_attlog
from biometric_flow.zk.simulator.memory import StoredPunch
from biometric_flow.zk.wire.templates import Template
from biometric_flow.zk.wire.timecode import TerminalTime
from biometric_flow.zk.wire.users import UserRecord
from tests.simulator.test_terminal_cli import PEOPLE, PUNCHES, Run, Start, at, run

__all__ = ["run"]

READS = ("info", "users", "attendance", "templates", "time", "options", "operations", "capacity", "messages",
         "work-codes")  # fmt: skip


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_reading_never_changes_a_terminal(start: Start, run: Run, transport: str) -> None:
    sim = await start(users=PEOPLE, punches=PUNCHES, transports=(transport,))
    sim.memory.templates[1, 0] = Template(1, 0, b"M\0SS21" + bytes(700))
    before = (sim.memory.user_rows(), sim.memory.attlog_rows(), sim.memory.template_rows(), dict(sim.memory.options))
    extras, drift = repr(sim.memory.extras), sim.clock.drift
    for what in READS:
        told = await run(*at(sim, what, "--json"))
        assert (told.code, told.error) == (0, ""), what
        assert told.json is not None
    for subject in (("zone", "1"), ("group", "1"), ("combination", "1"), ("user", "7")):
        assert (await run(*at(sim, "access", "--json", *subject))).code == 0, subject
    after = (sim.memory.user_rows(), sim.memory.attlog_rows(), sim.memory.template_rows(), dict(sim.memory.options))
    assert (after, repr(sim.memory.extras), sim.clock.drift, sim.is_held) == (before, extras, drift, False)


async def test_access_is_shown_and_what_no_flag_names_stays(start: Start, run: Run) -> None:
    sim = await start(users=PEOPLE)
    flags = ("--day", "mon=08:00-18:30", "--day", "sun=closed")
    zone = (await run(*at(sim, "access", "--json", "zone", "3", *flags))).json
    assert (zone["zone"], zone["sun"], zone["mon"], zone["tue"]) == (3, "closed", "08:00-18:30", "00:00-23:59")
    group = (await run(*at(sim, "access", "--json", "group", "5", "--zones", "3", "--holidays"))).json
    assert group == {"group": 5, "zones": [3, 0, 0], "verify_mode": 0, "holidays": True}
    group = (await run(*at(sim, "access", "--json", "group", "5", "--verify-mode", "9"))).json
    assert (group["zones"], group["holidays"], group["verify_mode"]) == ([3, 0, 0], True, 9)
    combination = (await run(*at(sim, "access", "--json", "combination", "2", "--groups", "1,5"))).json
    assert combination == {"combination": 2, "groups": [1, 5]}
    user = (await run(*at(sim, "access", "--json", "user", "12", "--group", "5", "--verify-mode", "137"))).json
    assert user == {"pin": "12", "uid": 3, "group": 5, "own_zones": False, "zones": [1, 0, 0], "verify_mode": 137}
    shown = await run(*at(sim, "access", "user", "12", "--zones", "3,4"))
    assert "own zones    yes\n" in shown.out
    assert "verify mode  137 (fingerprint and password)\n" in shown.out
    assert (await run(*at(sim, "access", "user", "999"))).code == 1


async def test_holidays_and_files_are_not_possible_on_this_channel(start: Start, run: Run, tmp_path: Path) -> None:
    sim = await start()
    refused = await run(*at(sim, "access", "holidays"))
    assert (refused.code, "not possible on this channel, use push" in refused.error) == (1, True)
    file = tmp_path / "firmware.bin"
    file.write_bytes(bytes(range(256)) * 9)
    sent = await run(*at(sim, "upload", str(file)))
    assert (sent.code, sent.out) == (1, "")
    assert "2304 bytes arrived whole twice, checksum" in sent.error
    assert "files: not possible on this channel, use push" in sent.error
    assert (await run(*at(sim, "upload", str(tmp_path / "none")))).code == 2


async def test_messages_are_written_given_taken_and_deleted(start: Start, run: Run) -> None:
    sim = await start(users=PEOPLE)
    write = ("--write", "4", "--text", "اجتماع", "--personal", "--start", "2026-01-31 08:00", "--minutes", "60")
    written = await run(*at(sim, "messages", *write, "--give", "12=4", "--json"))
    assert written.json["messages"] == [
        {"id": 4, "text": "اجتماع", "start": "2026-01-31T08:00:00", "minutes": 60, "personal": True, "uids": [3]}
    ]
    assert "uid 3" in (await run(*at(sim, "messages"))).out
    assert (await run(*at(sim, "messages", "--take", "12=4", "--delete", "4", "--json"))).code == 0
    assert (sim.memory.extras.messages, sim.memory.extras.given) == ({}, set())


async def test_work_codes_are_counted_from_the_log(start: Start, run: Run) -> None:
    codes = [StoredPunch("7", TerminalTime.of(2026, 1, 31, 8, 0, second), 1, 0, second % 3) for second in range(9)]
    sim = await start(profile="zk6", users=[UserRecord(1, "7", "Amina")], punches=codes)
    sim.memory.extras.work_codes = b"\x01\x00paint"
    told = (await run(*at(sim, "work-codes", "--json"))).json
    assert told["used"] == [{"work_code": 1, "rows": 3}, {"work_code": 2, "rows": 3}]
    assert told["table"] == b"\x01\x00paint".hex()


@pytest.mark.parametrize("profile", ["tft", "zk6"])
async def test_a_finger_is_enrolled_or_the_reason_told(start: Start, run: Run, profile: str) -> None:
    sim = await start(profile=profile, users=[UserRecord(1, "7", "Amina")])
    done = await run(*at(sim, "enrol", "7", "3", "--seconds", "5", "--json"))
    assert (done.code, done.json["done"]) == (0, "enrolled")
    assert (1, 3) in sim.memory.templates
    sim.memory.extras.enrol_result = 5
    again = await run(*at(sim, "enrol", "7", "4", "--seconds", "5"))
    assert (again.code, again.out) == (1, "duplicate finger, pin 7, finger 4, bytes 0\n")


async def test_it_speaks_shows_and_is_switched_off(start: Start, run: Run) -> None:
    sim = await start()
    assert (await run(*at(sim, "voice", "24"))).out == "played, number 24\n"
    assert (await run(*at(sim, "lcd", "--line", "2", "--text", "Welcome"))).out == "shown, line 2\n"
    assert (sim.memory.extras.voices, sim.memory.extras.lcd) == ([24], {2: " Welcome"})
    assert (await run(*at(sim, "lcd", "--clear"))).code == 0
    assert sim.memory.extras.lcd == {}
    refused = await run(*at(sim, "power-off"))
    assert (refused.code, "type power-off" in refused.error) == (2, True)
    assert (await run(*at(sim, "power-off", "--yes", "--json"))).json == {"done": "switched off", "acknowledged": True}


async def test_clearing_says_what_it_destroys_and_demands_the_serial(start: Start, run: Run, tmp_path: Path) -> None:
    sim = await start(serial="CAI0001", users=PEOPLE, punches=[PUNCHES[0]] * 3)
    keep = tmp_path / "attlog.dat"
    bare = await run(*at(sim, "clear", "attendance", "--confirm", "CAI0001"))
    assert (bare.code, "expected --keep FILE" in bare.error) == (2, True)
    unasked = await run(*at(sim, "clear", "attendance", "--keep", str(keep)))
    assert (unasked.code, "would destroy 3 punches of CAI0001; nothing was done" in unasked.error) == (2, True)
    other = await run(*at(sim, "clear", "attendance", "--keep", str(keep), "--confirm", "CAI0002"))
    assert (other.code, len(sim.truth()), keep.exists()) == (2, 3, False)
    done = await run(*at(sim, "clear", "attendance", "--keep", str(keep), "--confirm", "CAI0001", "--json"))
    assert (done.code, done.json["left"], sim.truth()) == (0, "0 punches", [])
    assert read_attlog(keep) == [PUNCHES[0]] * 3
    again = await run(*at(sim, "clear", "everything", "--keep", str(keep), "--confirm", "CAI0001"))
    assert (again.code, "name a new file" in again.error, len(sim.memory.users)) == (2, True, 3)


async def test_rows_that_cannot_be_kept_are_not_cleared(start: Start, run: Run, tmp_path: Path) -> None:
    sim = await start(serial="CAI0001", punches=PUNCHES)
    sim.memory.spoil()
    keep = ("--keep", str(tmp_path / "attlog.dat"), "--confirm", "CAI0001")
    refused = await run(*at(sim, "clear", "everything", *keep))
    assert (refused.code, len(sim.truth())) == (2, 2)
    assert "1 rows cannot be read and would be lost" in refused.error


@pytest.mark.parametrize("what", ["operations", "fingerprints", "users", "access", "admins"])
async def test_the_rest_is_cleared_one_kind_at_a_time(start: Start, run: Run, what: str) -> None:
    sim = await start(serial="CAI0001", users=PEOPLE, punches=PUNCHES)
    sim.memory.templates[1, 0] = Template(1, 0, b"M\0SS21" + bytes(700))
    done = await run(*at(sim, "clear", what, "--confirm", "CAI0001"))
    assert done.code == 0, done.error
    room = sim.memory.capacity()
    left = {"operations": room.oplog_rows, "fingerprints": room.fingers, "users": room.users, "admins": room.admins}
    assert left.get(what, 0) == 0
    assert room.attlog_rows == 2
