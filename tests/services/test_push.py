"""Terminals that dial the place: the real app, real SQLite, real sockets, terminals made of software."""

import asyncio
import os
import sqlite3
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from biometric_flow.place.push import intake as intake_module
from biometric_flow.zk.push.commands import Command, QueryAttlog
from biometric_flow.zk.push.text import Fields
from biometric_flow.zk.simulator.memory import StoredPunch
from biometric_flow.zk.simulator.push import PushLink
from biometric_flow.zk.simulator.terminal import SimulatedTerminal
from biometric_flow.zk.wire.timecode import TerminalTime
from biometric_flow.zk.wire.users import UserRecord
from tests.services.places import configured, seen_in, truth_of, until
from tests.services.pushes import SECRET, PushPlace, push_place, pushing, raw_answer

CAIRO = ZoneInfo("Africa/Cairo")
PEOPLE = [UserRecord(0, str(pin), f"Person {pin}") for pin in range(1, 21)]
ROWS = b"7\t2026-03-02 08:00:00\t0\t1\t0\t0\t0\n8\t2026-03-02 08:01:00\t0\t15\t0\t0\t0\n"


def past(count: int, start: datetime | None = None) -> list[StoredPunch]:
    first = start or datetime(2026, 3, 2, 8, 0)
    times = (first + timedelta(minutes=7 * number) for number in range(count))
    return [
        StoredPunch(str(1 + number % 20), TerminalTime.from_datetime(time), 1, number % 2)
        for number, time in enumerate(times)
    ]


def terminal(**more: Any) -> SimulatedTerminal:
    return SimulatedTerminal(**{"serial": "PUSH0001", "users": PEOPLE, "zone": CAIRO, **more})


def dialling(place: PushPlace, machine: SimulatedTerminal, protocol: str = "att", **more: Any) -> PushLink:
    return PushLink(machine, f"{place.push}/p/{SECRET}", protocol, poll=0.05, **more)


class SpanlessLink(PushLink):
    """An access terminal whose firmware knows no question for a span of time."""

    refused: list[str]

    async def _do(self, number: str, command: Command) -> tuple[int, Fields]:
        if isinstance(command, QueryAttlog):
            self.refused.append(number)
            return -22, Fields({})
        return await super()._do(number, command)


def spanless(place: PushPlace, machine: SimulatedTerminal) -> SpanlessLink:
    link = SpanlessLink(machine, f"{place.push}/p/{SECRET}", "acc", poll=0.05)
    link.refused = []
    return link


async def holds(place: PushPlace, count: int) -> bool:
    return len(await place.punches()) == count


async def is_in(place: PushPlace, state: str, key: str = "door") -> bool:
    return (await place.terminal(key))["state"] == state


async def command(place: PushPlace, **body: object) -> int:
    answer = await place.http.post("/v1/terminals/door/jobs", json=body)
    assert answer.status_code == 202, answer.text
    assert (answer.json()["state"], answer.json()["channel"]) == ("queued", "push")
    return int(answer.json()["number"])


async def became(place: PushPlace, number: int) -> str:
    return str((await place.get(f"/v1/terminals/door/jobs/{number}"))["state"])


async def test_an_uploaded_punch_is_recorded_once_however_often_it_comes(tmp_path: Path) -> None:
    async with push_place(tmp_path, [pushing()]) as place:
        for _ in range(3):
            assert await place.upload("ATTLOG", ROWS, "2") == (200, "OK: 2")
        punches = await place.punches()
        counters = (await place.terminal("door"))["counters"]
    assert [(one["pin"], one["channel"], one["verify"]) for one in punches] == [("7", "push", 1), ("8", "push", 15)]
    assert counters == {"received": 6, "accepted": 2, "quarantined": 0, "duplicate": 4}


@pytest.mark.parametrize("protocol", ["att", "acc"])
async def test_every_punch_arrives_once_through_cuts_repeats_and_garbage(tmp_path: Path, protocol: str) -> None:
    async with push_place(tmp_path, [pushing()]) as place, terminal(punches=past(250)) as machine:
        async with dialling(place, machine, protocol) as link:
            link.fault("push_cut", 1)
            link.fault("push_repeat", 2)
            await until(lambda: holds(place, 250))
            for fault in ("push_cut", "push_torn", "push_repeat", "push_garbage"):
                link.fault(fault, 1)
                await machine.punch("3", state=1, at=TerminalTime.of(2026, 4, 1, 8, len(fault)))
                await until(lambda: _confirmed(link))
            await until(lambda: holds(place, 254))
            seen, people = seen_in(await place.punches()), await place.get("/v1/people")
        counters = (await place.terminal("door"))["counters"]
    assert len(seen) == len(set(seen))
    assert set(seen) == truth_of(machine)
    assert counters["received"] == counters["accepted"] + counters["quarantined"] + counters["duplicate"]
    assert counters["quarantined"] == 1
    assert [person["name"] for person in people][:2] == ["Person 1", "Person 2"]


async def test_punches_made_while_the_place_is_away_arrive_after(tmp_path: Path) -> None:
    async with terminal() as machine:
        async with push_place(tmp_path, [pushing()]) as place:
            async with dialling(place, machine) as link:
                await until(lambda: is_in(place, "online"))
                link.fault("push_offline")
                await until(lambda: is_in(place, "offline"))
                assert "none for" in (await place.terminal("door"))["reason"]
                for pin in ("1", "2", "3"):
                    await machine.punch(pin)
                assert link.waiting == 3
                link.fault("push_clear")
                await until(lambda: holds(place, 3))
                await until(lambda: is_in(place, "online"))


async def test_a_failed_disk_gets_no_yes_and_the_terminal_sends_again(tmp_path: Path) -> None:
    async with push_place(tmp_path, [pushing()]) as place, terminal() as machine:
        async with dialling(place, machine) as link:
            await until(lambda: is_in(place, "online"))
            disk = sqlite3.connect(tmp_path / "place.sqlite3", isolation_level=None)
            disk.execute("CREATE TRIGGER broken BEFORE INSERT ON punch BEGIN SELECT raise(FAIL, 'no space'); END")
            await machine.punch("5")
            assert await place.upload("ATTLOG", ROWS) == (503, "Storage failed")
            assert link.waiting == 1
            assert await place.punches() == []
            disk.execute("DROP TRIGGER broken")
            disk.close()
            await until(lambda: holds(place, 1))
            await until(lambda: _confirmed(link))


async def test_strangers_get_one_answer_cost_no_write_and_wait_to_be_approved(tmp_path: Path) -> None:
    async with push_place(tmp_path, [pushing(push_networks=["127.0.0.0/8"])]) as place:
        before = _all_rows(tmp_path)
        answers = {
            await place.dial("POST", "cdata?table=ATTLOG&Stamp=1", ROWS, secret=secret, serial=serial)
            for secret, serial in [
                (SECRET, "STRANGER1"),
                ("wrong-secret-of-the-same-length-000", "PUSH0001"),
                ("", "PUSH0001"),
                ("", "STRANGER2"),
            ]
        }
        assert answers == {(403, "Forbidden")}
        assert _all_rows(tmp_path) == before
        seen = {one["serial"]: one["reason"] for one in await place.get("/v1/terminals/seen")}
        assert seen == {"PUSH0001": "wrong_secret", "STRANGER1": "unknown", "STRANGER2": "unknown"}
        approval = {"key": "new", "name": "New", "protocol": "push", "serial": "STRANGER1", "push_secret": "s" * 43}
        added = await place.http.post("/v1/terminals", json=approval)
        assert (added.status_code, added.json()["may_push"]) == (201, True)
        assert "s" * 43 not in added.text
        assert (await place.dial("POST", "cdata?table=ATTLOG", ROWS, "s" * 43, "STRANGER1"))[0] == 200
        assert {one["serial"] for one in await place.get("/v1/terminals/seen")} == {"PUSH0001", "STRANGER2"}
        assert {punch["terminal"] for punch in await place.punches()} == {"STRANGER1"}


async def test_the_list_of_strangers_is_bounded(tmp_path: Path) -> None:
    async with push_place(tmp_path) as place:
        for number in range(230):
            request = f"GET /iclock/cdata?SN=FLOOD{number:04} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            assert b" 403 " in await raw_answer(place.push, request.encode())
        seen = await place.get("/v1/terminals/seen")
    assert len(seen) == 200
    assert seen[0]["serial"] == "FLOOD0229"


async def test_a_terminal_outside_of_its_networks_is_not_let_in(tmp_path: Path) -> None:
    async with push_place(tmp_path, [pushing(push_networks=["192.0.2.0/24"])]) as place:
        assert await place.upload("ATTLOG", ROWS) == (403, "Forbidden")
        changed = await place.http.put("/v1/terminals/door/push", json={"networks": ["127.0.0.1"]})
        assert changed.status_code == 200
        assert await place.upload("ATTLOG", ROWS) == (200, "OK: 2")
        await place.http.put("/v1/terminals/door/push", json={"secret": None})
        assert await place.upload("ATTLOG", ROWS) == (403, "Forbidden")


async def test_a_terminal_that_can_be_given_a_key_only_proves_itself_in_its_handshake(tmp_path: Path) -> None:
    async with push_place(tmp_path, [pushing()]) as place:
        assert (await place.dial("POST", "cdata?table=ATTLOG", ROWS, secret=""))[0] == 403
        assert (await place.dial("GET", "cdata?options=all&pushcommkey=wrong", secret=""))[0] == 403
        status, text = await place.dial("GET", f"cdata?options=all&pushcommkey={SECRET}", secret="")
        assert (status, text.splitlines()[0]) == (200, "GET OPTION FROM: PUSH0001")
        assert (await place.dial("POST", "cdata?table=ATTLOG", ROWS, secret=""))[0] == 200


async def test_refused_attempts_and_alarms_are_events_and_no_punches(tmp_path: Path) -> None:
    lines = [
        "time=2026-03-02 08:00:00\tpin=7\teventaddr=1\tevent=3\tinoutstatus=0\tverifytype=0000000000000010\tindex=1",
        "time=2026-03-02 08:00:05\tpin=7\tcardno=0\teventaddr=1\tevent=23\tinoutstatus=0\tverifytype=1\tindex=2",
        "time=2026-03-02 08:00:06\tpin=0\tcardno=0\teventaddr=1\tevent=101\tinoutstatus=2\tverifytype=200\tindex=3",
        "time=2026-03-02 08:00:07\tpin=0\tcardno=0\teventaddr=1\tevent=8\tinoutstatus=2\tverifytype=200\tindex=4",
    ]
    state = b"time=2026-03-02 08:01:00\tsensor=02\trelay=00\talarm=02"
    async with push_place(tmp_path, [pushing()]) as place:
        for _ in range(2):
            assert await place.upload("rtlog", "\n".join(lines).encode()) == (200, "OK")
            assert await place.upload("rtstate", state) == (200, "OK")
        (punch,) = await place.punches()
        events = await place.get("/v1/terminals/door/events")
        drift = (await place.terminal("door"))["drift_ms"]
    assert (punch["pin"], punch["state"], punch["verify"]) == ("7", 0, 0x1_0002)
    assert [(one["kind"], one["code"], one["pin"]) for one in events] == [
        ("alarm", 0, ""),
        ("door", 8, ""),
        ("alarm", 101, ""),
        ("refused", 23, "7"),
    ]
    assert "tamper" in events[0]["detail"]
    assert drift is not None
    assert drift < 0


@pytest.mark.parametrize("protocol", ["att", "acc"])
async def test_pull_live_push_and_a_usb_file_of_one_terminal_store_each_punch_once(
    tmp_path: Path, protocol: str
) -> None:
    async with terminal(punches=past(60)) as machine:
        pulled = configured(machine, "door").model_dump() | {"serial": "PUSH0001", "push_secret": SECRET}
        async with push_place(tmp_path, [type(pushing()).model_validate(pulled)]) as place:
            async with dialling(place, machine, protocol) as link:
                await until(lambda: holds(place, 60))
                await machine.punch("4", state=1, verify=15)
                await until(lambda: _confirmed(link))
                query = {"kind": "query_punches", "start": "2026-01-01T00:00:00", "end": "2027-01-01T00:00:00"}
                again = await command(place, **query)
                await until(lambda: _is_state(place, again, "confirmed"))
                await until(lambda: is_in(place, "online"))
            rows = machine.truth()
            new = "".join(f"{one.pin:>9}\t{_text(one)}\t1\t{one.state}\t1\t0\r\n" for one in rows)
            old = "".join(f"{one.pin}\tPerson {one.pin}\t{_text(one)}\t1\t{one.state}\t1\n" for one in rows)
            results = [
                (await place.http.post("/v1/terminals/door/import", content=file.encode())).json()
                for file in (new, old)
            ]
            await until(lambda: holds(place, 61))
            channels = {one["channel"] for one in await place.punches()}
            counters = (await place.terminal("door"))["counters"]
            seen = seen_in(await place.punches())
    assert [(one["received"], one["duplicate"]) for one in results] == [(61, 61), (61, 61)]
    assert len(seen) == len(set(seen)) == 61
    assert set(seen) == truth_of(machine)
    assert channels <= {"push", "pull", "live"}
    assert counters["accepted"] == 61
    assert counters["duplicate"] >= 3 * 61  # both files and the query, besides pull or push


async def test_a_usb_file_alone_becomes_punches_and_its_bad_lines_are_kept_aside(tmp_path: Path) -> None:
    file = "        7\t2026-03-02 08:00:00\t1\t0\t1\t0\r\n8\tAmina\t2026-03-02 08:01:00\t1\t1\t1\r\nno line\r\n"
    async with push_place(tmp_path, [pushing()]) as place:
        answer = await place.http.post("/v1/terminals/door/import", content=file.encode())
        assert answer.json() == {"received": 3, "accepted": 2, "quarantined": 1, "duplicate": 0}
        punches, aside = await place.punches(), await place.get("/v1/quarantine")
    assert [(one["pin"], one["state"], one["channel"]) for one in punches] == [("7", 0, "import"), ("8", 1, "import")]
    assert bytes.fromhex(aside[0]["raw"]) == b"no line"


async def test_results_count_for_open_commands_of_their_own_terminal_only(tmp_path: Path) -> None:
    other = pushing("PUSH0002", "other", "another-push-secret-of-random-bits")
    async with push_place(tmp_path, [pushing(), other], push_answer_seconds=60) as place:
        await place.dial("GET", "cdata?options=all")
        info = await command(place, kind="info")

        async def fetched() -> str:
            line = (await place.dial("GET", "getrequest"))[1]
            return line if line.startswith("C:") else ""

        number = (await _first(fetched)).split(":")[1]
        forged = f"ID={number}&Return=0&CMD=INFO\nID=99999&Return=0&CMD=INFO\nID=x&Return=0".encode()
        await place.dial("POST", "devicecmd", forged, "another-push-secret-of-random-bits", "PUSH0002")
        assert await became(place, info) == "sent"
        told = f"ID={number}&Return=0&CMD=INFO\n~DeviceName=SpeedFace\n~MaxAttLogCount=20"
        await place.dial("POST", "devicecmd", told.encode())
        await until(lambda: _is_state(place, info, "confirmed"))
        view = await place.terminal("door")
    assert (view["model"], view["capacity"]["punches_limit"]) == ("SpeedFace", 200_000)


async def _first(fact: Callable[[], Awaitable[str]]) -> str:
    found: list[str] = []

    async def look() -> bool:
        found.append(await fact())
        return bool(found[-1])

    await until(look)
    return found[-1]


async def test_a_gap_is_found_by_counting_and_asked_for_again(tmp_path: Path) -> None:
    today = datetime.now(CAIRO).replace(tzinfo=None, microsecond=0, hour=0, minute=0, second=0)
    async with push_place(tmp_path, [pushing()], push_reconcile_seconds=0.3) as place:
        async with terminal(punches=past(3, today - timedelta(days=1))) as machine:
            async with dialling(place, machine) as link:
                await until(lambda: holds(place, 3))
                link.fault("push_lose", 1)
                await machine.punch("9", at=TerminalTime.from_datetime(today - timedelta(hours=1)))
                await until(lambda: _confirmed(link))
                await until(lambda: holds(place, 4))
            assert any(text.startswith("DATA QUERY ATTLOG") for text in link.done)
            seen = seen_in(await place.punches())
    assert set(seen) == truth_of(machine)
    assert len(seen) == 4


async def test_a_terminal_of_the_security_protocol_is_asked_for_its_whole_table(tmp_path: Path) -> None:
    async with push_place(tmp_path, [pushing()], push_reconcile_seconds=0.3) as place, terminal() as machine:
        async with dialling(place, machine, "acc") as link:
            await until(lambda: is_in(place, "online"))
            link.fault("push_lose", 1)
            await machine.punch("9")
            await until(lambda: _confirmed(link))
            await until(lambda: holds(place, 1))
            link.refuse("9")
            await until(lambda: _has_event(place, "refused"))
        assert set(seen_in(await place.punches())) == truth_of(machine)


async def test_a_gap_at_a_terminal_that_refuses_spans_of_time_is_closed_by_its_whole_table(tmp_path: Path) -> None:
    async with push_place(tmp_path, [pushing()], push_reconcile_seconds=0.3) as place:
        async with terminal(punches=past(3)) as machine, spanless(place, machine) as link:
            await until(lambda: holds(place, 3))
            link.fault("push_lose", 1)
            await machine.punch("9")
            await until(lambda: _confirmed(link))
            await until(lambda: holds(place, 4))
            assert set(seen_in(await place.punches())) == truth_of(machine)
            asked = len(link.refused)
            link.fault("push_lose", 1)
            await machine.punch("10")
            await until(lambda: holds(place, 5))
            assert len(link.refused) == asked > 0, "spans are not asked for again"


async def test_what_a_terminal_sends_proves_its_protocol_when_its_handshake_does_not(tmp_path: Path) -> None:
    event = b"time=2026-03-02 08:00:00\tpin=7\tevent=0\tinoutstatus=0\tverifytype=1\tindex=1"
    async with push_place(tmp_path, [pushing()]) as place:
        await place.dial("GET", "cdata?options=all")

        async def fetched() -> str:
            line = (await place.dial("GET", "getrequest"))[1]
            return line if line.startswith("C:") else ""

        await command(place, kind="unlock")
        assert "AC_UNLOCK" in await _first(fetched)
        await place.upload("rtlog", event)
        await command(place, kind="unlock")
        assert "CONTROL DEVICE 01010105" in await _first(fetched)
        status, answer = await place.dial("GET", "cdata?options=all&DeviceType=att")
        assert (status, answer.splitlines()[0]) == (200, "GET OPTION FROM: PUSH0001")


async def test_a_log_that_was_cleared_at_the_terminal_begins_a_new_life(tmp_path: Path) -> None:
    async with push_place(tmp_path, [pushing()]) as place:
        for punches in (120, 121, 4):
            await place.dial("GET", f"getrequest?INFO=Ver%208,20,30,{punches},192.0.2.9,10,7,0,0,11000")
        entries = await place.get("/v1/ledger/entries")
        view = await place.terminal("door")
    assert len(entries["entries"]) == 1
    assert (view["capacity"]["punches"], view["capacity"]["users"], view["firmware"]) == (4, 20, "Ver 8")


async def test_a_terminal_resumes_by_its_stamp_after_a_restart_of_both(tmp_path: Path) -> None:
    async with terminal(punches=past(30)) as machine:
        async with push_place(tmp_path, [pushing()]) as place:
            async with dialling(place, machine):
                await until(lambda: holds(place, 30))
        await machine.punch("2")
        async with push_place(tmp_path, [pushing()]) as place:
            async with dialling(place, machine):
                await until(lambda: holds(place, 31))
            counters = (await place.terminal("door"))["counters"]
    assert counters == {"received": 31, "accepted": 31, "quarantined": 0, "duplicate": 0}


@pytest.mark.parametrize(
    ("zone", "told"), [("Africa/Cairo", None), ("Asia/Kolkata", "330"), ("Asia/Kathmandu", "345"), ("UTC", "0")]
)
async def test_a_terminal_that_takes_our_time_shows_the_time_of_its_place(
    tmp_path: Path, zone: str, told: str | None
) -> None:
    async with push_place(tmp_path, [pushing()], zone=zone) as place, terminal(zone=ZoneInfo(zone)) as machine:
        async with dialling(place, machine, sets_clock=True) as link:
            await until(lambda: _is_greeted(link))
        away = machine.clock.read().to_datetime() - datetime.now(ZoneInfo(zone)).replace(tzinfo=None)
        assert abs(away) < timedelta(seconds=3)
        assert told in (None, link.options["TimeZone"])


async def test_when_the_clocks_of_the_place_changed_the_terminal_is_told_its_new_zone(tmp_path: Path) -> None:
    async with push_place(tmp_path, [pushing()], zone="Asia/Dubai") as place:
        assert "TimeZone=4" in (await place.dial("GET", "cdata?options=all"))[1]
    async with push_place(tmp_path, [pushing()], zone="Asia/Kolkata") as place:
        _, lines = await place.dial("GET", "getrequest")
        assert [line.split(":", 2)[2] for line in lines.splitlines()] == ["SET OPTION TimeZone=330", "CHECK"]


async def test_templates_passwords_and_pictures_are_not_kept_anywhere(tmp_path: Path) -> None:
    body = (
        b"USER PIN=7\tName=Amina\tPri=0\tPasswd=hushhush\tCard=[15CD5B07]\n"
        b"USER PIN=\tPasswd=hushhush\n"
        b"FP PIN=7\tFID=1\tSize=12\tValid=1\tTMP=SECRETSECRET\n"
        b"FP PIN=7\tFID=1\tSize=13\tValid=1\tTMP=SECRETSECRET\n"
        b"BIODATA Pin=7\tNo=0\tIndex=0\tValid=1\tType=9\tMajorVer=58\tMinorVer=12\tTmp=SECRETSECRET\n"
    )
    photo = b"PIN=20260302080000-7.jpg\nSN=PUSH0001\nsize=12\nCMD=uploadphoto\0SECRETSECRET"
    async with push_place(tmp_path, [pushing()]) as place:
        assert await place.upload("OPERLOG", body, "5") == (200, "OK: 5")
        assert (await place.upload("ATTPHOTO", photo))[0] == 200
        assert (await place.upload("BIOPHOTO_OF_TOMORROW", b"content=SECRETSECRET"))[0] == 200
        assert (await place.dial("POST", "fdata?table=ATTPHOTO", photo))[0] == 200
        (person,) = await place.get("/v1/people")
        assert person["name"] == "Amina"
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert b"SECRETSECRET" not in kept
    assert b"hushhush" not in kept


async def test_tables_get_exactly_the_answer_that_ends_them(tmp_path: Path) -> None:
    users = b"user uid=1\tcardno=\tpin=7\tpassword=\tgroup=1\tname=Ann\tprivilege=0\nuser uid=2\tpin=8\tname=Bo\n"
    async with push_place(tmp_path, [pushing()]) as place:
        assert await place.dial("POST", "cdata?table=tabledata&tablename=user&count=2", users) == (200, "user=2")
        page = "querydata?type=tabledata&cmdid=1&tablename=user&count=2&packcnt=1&packidx=1"
        assert await place.dial("POST", page, users) == (200, "user=2")
        assert {one["pin"] for one in await place.get("/v1/people")} == {"7", "8"}


async def test_both_spellings_of_the_path_work_and_unknown_paths_do_not(tmp_path: Path) -> None:
    async with push_place(tmp_path, [pushing()]) as place:
        assert (await place.dial("GET", "iclock/cdata?options=all"))[0] == 200
        assert (await place.dial("GET", "cdata.aspx?options=all"))[0] == 200
        for path in ("exchange?type=publickey", "file?url=x", "nothing", "../../etc/passwd"):
            assert (await place.dial("POST", path))[0] == 404, path
        assert (await place.dial("GET", "rtdata?type=time"))[1].startswith("DateTime=")
        assert (await place.dial("GET", "cdata?type=time"))[1].startswith("Time=20")
        answer = await raw_answer(
            place.push, f"GET /p/{SECRET}/iclock/ping?sn=PUSH0001 HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        )
        assert b"200 OK" in answer
        assert b"\r\ndate:" in answer.lower()
        assert b"content-length: 2" in answer.lower()


async def test_hostile_bytes_on_the_port_cost_nobody_anything(tmp_path: Path) -> None:
    upload = f"POST /p/{SECRET}/iclock/cdata?SN=PUSH0001&table=ATTLOG HTTP/1.1\r\nHost: x\r\n".encode()
    hostile = [
        os.urandom(2000),
        b"GET " + b"/" * 70_000 + b" HTTP/1.1\r\n\r\n",
        b"POST /iclock/cdata?" + b"a=b&" * 500 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        upload + b"Content-Length: 99999999\r\n\r\n",
        upload + b"Content-Length: 50\r\n\r\n1\t2",
        f"GET /p/{SECRET}/iclock/cdata?SN=PUSH0001&Stamp=1%0aEncrypt=1 HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
    ]
    async with push_place(tmp_path, [pushing()]) as place:
        answers = [await raw_answer(place.push, request) for request in hostile]
        assert b" 413 " in answers[3]
        assert b"Encrypt=1" not in answers[5]
        assert await place.upload("ATTLOG", os.urandom(5000)) != (500, "Error")
        assert await place.upload("ATTLOG", ROWS, "1%0aEncrypt=1") == (200, "OK: 2")
        assert "Encrypt=1" not in (await place.dial("GET", "cdata?options=all"))[1]
        assert (await place.upload("OPERLOG", b"\x1f\x8b no archive", ContentType="tgz"))[0] == 200
        assert len(await place.punches()) == 2


async def test_one_terminal_with_a_slow_body_delays_no_other(tmp_path: Path) -> None:
    other = pushing("PUSH0002", "other", "another-push-secret-of-random-bits")
    async with push_place(tmp_path, [pushing(), other]) as place:
        host, _, port = place.push.rpartition("/")[2].partition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        head = f"POST /p/{SECRET}/iclock/cdata?SN=PUSH0001&table=ATTLOG HTTP/1.1\r\nHost: x\r\n"
        writer.write(head.encode() + b"Content-Length: 500\r\n\r\n1")
        await writer.drain()
        async with asyncio.timeout(5):
            answer = await place.dial(
                "POST", "cdata?table=ATTLOG", ROWS, "another-push-secret-of-random-bits", "PUSH0002"
            )
        assert answer == (200, "OK: 2")
        writer.close()


async def test_a_whole_log_of_one_upload_is_kept_in_pieces_and_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake_module, "CHUNK", 7)
    rows = past(100)
    body = "".join(f"{one.pin}\t{_text(one)}\t{one.state}\t1\n" for one in rows).encode()
    async with push_place(tmp_path, [pushing()]) as place:
        assert await place.upload("ATTLOG", body, "100") == (200, "OK: 100")
        assert len(await place.punches()) == 100


async def test_the_channel_can_be_encrypted_with_a_given_certificate(tmp_path: Path) -> None:
    certificate, key = _self_signed(tmp_path)
    data = tmp_path / "data"
    async with push_place(data, [pushing()], push_tls_certificate=certificate, push_tls_key=key) as place:
        async with terminal(punches=past(5)) as machine, dialling(place, machine):
            await until(lambda: holds(place, 5))


async def _confirmed(link: PushLink) -> bool:
    return link.waiting == 0


async def _is_greeted(link: PushLink) -> bool:
    return len(link.options) > 0


async def _is_state(place: PushPlace, number: int, state: str) -> bool:
    return await became(place, number) == state


async def _knows(place: PushPlace, pin: str) -> bool:
    return any(person["pin"] == pin for person in await place.get("/v1/people"))


async def _has_event(place: PushPlace, kind: str) -> bool:
    return any(event["kind"] == kind for event in await place.get("/v1/terminals/door/events"))


def _text(punch: StoredPunch) -> str:
    return punch.time.text().replace("T", " ")


def _all_rows(folder: Path) -> list[str]:
    with sqlite3.connect(f"file:{folder / 'place.sqlite3'}?mode=ro", uri=True) as connection:
        return list(connection.iterdump())


def _self_signed(folder: Path) -> tuple[Path, Path]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(ZoneInfo("UTC"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths
