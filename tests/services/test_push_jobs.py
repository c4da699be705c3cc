"""Jobs and the desired state over push: the same table as over pull, confirmed by the terminal alone."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from biometric_flow.place.channels import PULLED, kinds, protocols_for
from biometric_flow.zk.push.text import PushProtocol
from biometric_flow.zk.simulator.memory import TerminalMemory
from biometric_flow.zk.simulator.push import PushLink
from biometric_flow.zk.simulator.terminal import SimulatedTerminal
from biometric_flow.zk.wire.users import UserRecord
from tests.services.places import configured, until
from tests.services.pushes import SECRET, PushPlace, push_place, pushing
from tests.services.test_place_jobs import ALLOWED, WITNESS, cosign
from tests.services.test_push import CAIRO, dialling, holds, is_in, past

WEEK = [None, *[{"start": "08:30", "end": "17:00"}] * 5, None]
BOTH, ATT, ACC = ("att", "acc"), ("att",), ("acc",)


def machine_of(*people: UserRecord, **more: Any) -> SimulatedTerminal:
    return SimulatedTerminal(**{"serial": "PUSH0001", "users": people, "zone": CAIRO, **more})


async def order(place: PushPlace, kind: str, **more: object) -> int:
    answer = await place.http.post("/v1/terminals/door/jobs", json={"kind": kind, **more})
    assert answer.status_code == 202, answer.text
    return int(answer.json()["number"])


async def outcome(place: PushPlace, number: int) -> tuple[str, str]:
    async def ended() -> bool:
        return (await place.get(f"/v1/terminals/door/jobs/{number}"))["state"] not in ("queued", "sent")

    await until(ended)
    job = await place.get(f"/v1/terminals/door/jobs/{number}")
    return job["state"], job["detail"]


async def do(place: PushPlace, kind: str, **more: object) -> tuple[str, str]:
    return await outcome(place, await order(place, kind, **more))


JOBS: list[tuple[tuple[str, ...], dict[str, Any], Any, str]] = [
    (BOTH, {"kind": "set_times", "number": 2, "days": WEEK}, lambda held: held.extras.zones[2].days[1][:2], (8, 30)),
    (ATT, {"kind": "unlock"}, lambda held: held.extras.opened, [(1, 0)]),
    (ACC, {"kind": "unlock", "seconds": 7, "door": 2}, lambda held: held.extras.opened, [(2, 7)]),
    (BOTH, {"kind": "cancel_alarm"}, lambda held: held.extras.alarm_is_on, False),
    (ATT, {"kind": "set_access_group", "number": 3, "times": [2, 0, 0]},
     lambda held: held.extras.groups[3].zones, (2, 0, 0)),
    (ATT, {"kind": "set_combination", "number": 1, "groups": [1, 3]},
     lambda held: held.extras.combinations[1].groups, (1, 3)),
    (ATT, {"kind": "set_holiday", "number": 1, "name": "Eid", "start": "03-20", "end": "03-22", "times": 2},
     lambda held: held.extras.holidays[1].start, (3, 20)),
    (ACC, {"kind": "set_holiday_date", "day": "2026-03-20"}, lambda held: len(held.extras.holiday_dates), 1),
    (ATT, {"kind": "show_message", "number": 5, "text": "مرحبا", "start": "2026-03-02T08:00:00", "pins": ["7"]},
     lambda held: (held.extras.messages[5].text, len(held.extras.given)), ("مرحبا", 1)),
    (BOTH, {"kind": "set_option", "name": "VOLUME", "value": "33"}, lambda held: held.options["VOLUME"], "33"),
    (ATT, {"kind": "enrol_finger", "pin": "7", "finger": 3}, lambda held: len(held.extras.pushed_templates), 1),
    (ATT, {"kind": "enrol_biometric", "pin": "7"}, lambda held: held.extras.enrol_result, 0),
    (ATT, {"kind": "enrol_card", "pin": "7"}, lambda held: held.extras.enrol_result, 0),
    (BOTH, {"kind": "restart"}, lambda held: True, True),
    (BOTH, {"kind": "check"}, lambda held: True, True),
    (BOTH, {"kind": "send_new"}, lambda held: True, True),
    (BOTH, {"kind": "query_punches", "start": "2026-03-01T00:00:00", "end": "2026-03-31T00:00:00"},
     lambda held: True, True),
]  # fmt: skip


@pytest.mark.parametrize("protocol", ["att", "acc"])
async def test_every_kind_of_job_is_done_by_the_terminal_and_confirmed_by_it(tmp_path: Path, protocol: str) -> None:
    machine = machine_of(UserRecord(0, "7", "Amina"), punches=past(4), drift=timedelta(minutes=-9))
    async with push_place(tmp_path, [pushing()]) as place, machine:
        machine.memory.extras.alarm_is_on = True
        async with dialling(place, machine, protocol):
            await until(lambda: holds(place, 4))
            for protocols, body, held, expected in JOBS:
                if protocol in protocols:
                    assert (await do(place, **body))[0] == "confirmed", body
                    assert _seen(held, machine.memory) == expected, body
            assert await do(place, "pull_again") == ("confirmed", "5 people and 4 rows were read")
            assert await do(place, "count_punches") == ("confirmed", "4 punches")
            assert await do(place, "read_options", names=["VOLUME"]) == ("confirmed", "VOLUME=33")
            assert "~DeviceName=" in (await do(place, "info"))[1]
            assert (await do(place, "sync_time"))[0] == "confirmed"
            assert abs(machine.clock.drift) < timedelta(seconds=3)
            if protocol == "att":
                assert (await do(place, "delete_message", number=5))[0] == "confirmed"
                assert await do(place, "delete_message", number=5) == (
                    "failed",
                    "the terminal said no: -4, no record matches",
                )
            assert len(await place.punches()) == 4


def _seen(held: Any, memory: TerminalMemory) -> Any:
    return held(memory)


@pytest.mark.parametrize("protocol", ["att", "acc"])
async def test_what_a_channel_cannot_do_is_refused_with_the_name_of_the_one_that_can(
    tmp_path: Path, protocol: str
) -> None:
    bodies: dict[str, dict[str, Any]] = {body["kind"]: body for _, body, _, _ in JOBS}
    bodies |= {"set_comm_key": {"kind": "set_comm_key"}, "clear_all": {"kind": "clear_all"}}
    bodies |= {"clear_photos": {"kind": "clear_photos"}, "delete_message": {"kind": "delete_message", "number": 1}}
    copy = {"pin": "7", "transfer": "0" * 32}
    bodies |= {kind: {"kind": kind, **copy} for kind in ("give_templates", "take_templates")}
    bodies |= {"delete_templates": {"kind": "delete_templates", "pin": "7"}}
    bodies |= {"install_file": {"kind": "install_file", "blob": "b" * 22, "name": "x.tgz"}}
    bodies |= {"install_firmware": {"kind": "install_firmware", "blob": "b" * 22}}
    refused = {}
    async with push_place(tmp_path, [pushing()]) as place, machine_of() as machine, dialling(place, machine, protocol):
        assert (await do(place, "check"))[0] == "confirmed"
        for kind in sorted(kinds()):
            if PushProtocol(protocol) in protocols_for(kind):
                continue
            answer = await place.http.post("/v1/terminals/door/jobs", json=bodies[kind])
            assert (answer.status_code, answer.json()["code"]) == (409, "job.not_possible"), kind
            refused[kind] = answer.json()["detail"]
        assert len(await place.get("/v1/terminals/door/jobs")) == 1
    assert "it is over pull (port 4370)" in refused["set_comm_key"]
    assert "install_firmware" not in refused
    other, mine = ("Security", "set_holiday_date") if protocol == "att" else ("Attendance", "enrol_finger")
    assert f"it is over {other} PUSH" in refused[mine]


async def test_a_pulled_terminal_that_pushes_too_does_each_job_on_the_channel_that_can(tmp_path: Path) -> None:
    async with machine_of(UserRecord(0, "7", "Amina")) as machine:
        both = configured(machine, "door").model_dump() | {"serial": "PUSH0001", "push_secret": SECRET}
        only = configured(machine, "other").model_dump() | {"port": 1, "serial": "PUSH0009"}
        terminals = [type(pushing()).model_validate(one) for one in (both, only)]
        async with push_place(tmp_path, terminals) as place, dialling(place, machine):
            await until(lambda: is_in(place, "online"))
            assert (await do(place, "set_times", number=2, days=WEEK))[0] == "confirmed"
            assert (await do(place, "enrol_finger", pin="7", finger=1))[0] == "confirmed"
            jobs = await place.get("/v1/terminals/door/jobs")
            assert [(job["order"]["kind"], job["channel"]) for job in jobs] == [
                ("enrol_finger", "push"),
                ("set_times", "pull"),
            ]
            answer = await place.http.post("/v1/terminals/other/jobs", json={"kind": "check"})
            assert answer.json()["code"] == "job.not_possible"
            assert "it is over Attendance PUSH and Security PUSH" in answer.json()["detail"]
    assert {"set_comm_key"} <= PULLED <= kinds()


async def test_a_job_without_an_answer_is_tried_three_times_and_a_door_once(tmp_path: Path) -> None:
    async with push_place(tmp_path, [pushing()], push_answer_seconds=0.2) as place, machine_of() as machine:
        async with dialling(place, machine) as link:
            await until(lambda: is_in(place, "online"))
            link.fault("push_deaf")
            number, door = await order(place, "info"), await order(place, "unlock")
            assert await outcome(place, door) == ("timed_out", "no result after 1 deliveries")
            assert await outcome(place, number) == ("timed_out", "no result after 3 deliveries")
    assert (link.done.count("INFO"), link.done.count("AC_UNLOCK")) == (3, 1)


async def test_a_door_does_not_wait_in_line_and_never_opens_late(tmp_path: Path) -> None:
    async with push_place(tmp_path, [pushing()], push_answer_seconds=30) as place, machine_of() as machine:
        async with dialling(place, machine) as link:
            await until(lambda: is_in(place, "online"))
            link.fault("push_deaf", 1)
            await order(place, "info")
            await until(lambda: _said(link, "INFO"))
            assert (await do(place, "unlock"))[0] == "confirmed"
            link.fault("push_offline")
            late = await order(place, "unlock")
            with closing(sqlite3.connect(tmp_path / "place.sqlite3", isolation_level=None)) as disk:
                await until(lambda: _queued(disk, late))
                disk.execute("UPDATE job SET expires_at = created_at WHERE number = ?", (late,))
                disk.execute("UPDATE push_command SET expires_at = created_at WHERE job = ?", (late,))
            link.fault("push_clear")
            assert (await outcome(place, late))[0] == "timed_out"
    assert link.done.count("AC_UNLOCK") == 1


async def test_a_job_whose_command_was_handed_over_before_a_restart_ends_with_the_terminals_word(
    tmp_path: Path,
) -> None:
    async with push_place(tmp_path, [pushing()], push_answer_seconds=60) as place:
        await place.dial("GET", "cdata?options=all")
        number, waiting = await order(place, "unlock"), await order(place, "info")
        line = ""
        while "AC_UNLOCK" not in line:
            line = (await place.dial("GET", "getrequest"))[1]
        identity = next(one for one in line.splitlines() if "AC_UNLOCK" in one).split(":")[1]
    async with push_place(tmp_path, [pushing()], push_answer_seconds=25) as place:
        assert (await place.get(f"/v1/terminals/door/jobs/{number}"))["state"] == "sent"
        await place.dial("POST", "devicecmd", f"ID={identity}&Return=0&CMD=AC_UNLOCK".encode())
        assert (await outcome(place, number))[0] == "confirmed"
        assert (await place.get(f"/v1/terminals/door/jobs/{waiting}"))["state"] in ("queued", "sent")
        async with machine_of() as machine, dialling(place, machine):
            assert (await outcome(place, waiting))[0] in ("confirmed", "timed_out")
    assert machine.memory.extras.opened == []


@pytest.mark.parametrize("protocol", ["att", "acc"])
async def test_people_and_their_times_are_put_on_a_terminal_only_when_asked_and_read_back(
    tmp_path: Path, protocol: str
) -> None:
    async with push_place(tmp_path, [pushing()]) as place, machine_of(UserRecord(0, "99", "Guest")) as machine:
        async with dialling(place, machine, protocol) as link:
            unread = await place.http.get("/v1/terminals/door/differences")
            assert (unread.status_code, "pull_again" in unread.json()["detail"]) == (409, True)
            for pin, name in (("7", "أمينة حسن"), ("8", "রহিমা")):
                wish = {"name": name, "card": int(pin) * 1000, "password": "4711", "zones": [2]}
                assert (await place.http.put(f"/v1/enrolments/door/{pin}", json=wish)).json()["zones"] == [2]
            assert (await do(place, "pull_again"))[0] == "confirmed"
            assert await _differences(place) == {"7": "missing", "8": "missing", "99": "foreign"}
            assert [user.user_id for user in machine.memory.users] == ["99"]
            assert await do(place, "push_users") == ("confirmed", "2 written, 0 deleted")
            held = {user.user_id: user for user in machine.memory.users}
            assert (held["7"].name, held["7"].card, held["7"].password) == ("أمينة حسن", 7000, "4711")
            times = machine.memory.extras.authorized if protocol == "acc" else {"7": held["7"].timezones[:1]}
            assert times["7"][0] == 2
            assert await _differences(place) == {"99": "foreign"}
            link.fault("push_forgetful", 1)
            await place.http.delete("/v1/enrolments/door/8")
            state, detail = await do(place, "push_users")
            assert state == "failed", detail
            assert await do(place, "push_users") == ("confirmed", "0 written, 1 deleted")
            assert [one["pin"] for one in await place.get("/v1/enrolments", terminal="door")] == ["7"]
            await place.http.put("/v1/enrolments/door/7", json={"name": "أمينة حسن", "card": 7000, "zones": []})
            assert await do(place, "push_users") == ("confirmed", "1 written, 0 deleted")
            assert machine.memory.extras.authorized == {}
            assert {user.user_id for user in machine.memory.users} == {"99", "7"}
            assert await do(place, "push_users", delete_foreign=True) == ("confirmed", "0 written, 1 deleted")
            assert [user.user_id for user in machine.memory.users] == ["7"]


@pytest.mark.parametrize("protocol", ["att", "acc"])
async def test_a_password_that_is_not_managed_and_not_told_is_left_as_it_is(tmp_path: Path, protocol: str) -> None:
    machine = machine_of(UserRecord(0, "7", "Old name", 0, "4711"), UserRecord(0, "8", "Rahima", 0, "1234"))
    machine.memory.extras.hides_passwords = True
    async with push_place(tmp_path, [pushing()]) as place, machine, dialling(place, machine, protocol) as link:
        await until(lambda: is_in(place, "online"))
        await place.http.put("/v1/enrolments/door/7", json={"name": "Amina", "group": 1})
        await place.http.put("/v1/enrolments/door/8", json={"name": "Rahima", "group": 1, "password": "99"})
        assert await do(place, "push_users") == ("confirmed", "2 written, 0 deleted")
        assert await _differences(place) == {}
    held = {user.user_id: (user.name, user.password) for user in machine.memory.users}
    assert held == {"7": ("Amina", "4711"), "8": ("Rahima", "99")}
    assert not any("PIN=7" in one.upper() and "PASSW" in one.upper() for one in link.done)


async def test_writing_people_begins_anew_after_a_restart_in_the_middle(tmp_path: Path) -> None:
    async with machine_of() as machine:
        async with push_place(tmp_path, [pushing()]) as place:
            for pin in range(1, 31):
                await place.http.put(f"/v1/enrolments/door/{pin}", json={"name": f"Person {pin}"})
            async with dialling(place, machine) as link:
                number = await order(place, "push_users")
                await until(lambda: _said(link, "DATA UPDATE USERINFO PIN=1\t"))
                link.fault("push_deaf")
        async with push_place(tmp_path, [pushing()]) as place, dialling(place, machine):
            assert (await outcome(place, number))[0] == "confirmed"
            assert len(machine.memory.users) == 30


@pytest.mark.parametrize(("protocol", "kind"), [("att", "clear_log"), ("acc", "clear_log"), ("att", "clear_all")])
async def test_a_list_is_cleared_only_when_every_row_is_safe_and_it_is_allowed(
    tmp_path: Path, protocol: str, kind: str
) -> None:
    async with machine_of(punches=past(40)) as machine:
        async with push_place(tmp_path, [pushing()]) as place, dialling(place, machine, protocol):
            await until(lambda: holds(place, 40))
            state, detail = await do(place, kind)
            assert (state, "not allowed" in detail) == ("failed", True)
        async with push_place(tmp_path, [pushing()], **ALLOWED) as place, dialling(place, machine, protocol):
            state, detail = await do(place, kind)
            assert (state, "has not cosigned" in detail) == ("failed", True), detail
            assert len(machine.truth()) == 40
        cosign(tmp_path, WITNESS)
        async with push_place(tmp_path, [pushing()], **ALLOWED) as place, dialling(place, machine, protocol):
            assert await do(place, kind) == ("confirmed", "its list of punches was cleared")
            assert machine.memory.attlog_rows() == b""
            await machine.punch("1", at=None)
            await until(lambda: holds(place, 41))


async def test_pictures_are_cleared_over_attendance_push_where_clearing_is_allowed(tmp_path: Path) -> None:
    async with machine_of(punches=past(3)) as machine:
        machine.memory.extras.photos = 4
        async with push_place(tmp_path, [pushing()]) as place, dialling(place, machine):
            state, detail = await do(place, "clear_photos")
            assert (state, "not allowed" in detail, machine.memory.extras.photos) == ("failed", True, 4)
        async with push_place(tmp_path, [pushing()], **ALLOWED) as place, dialling(place, machine):
            assert (await do(place, "clear_photos"))[0] == "confirmed"
            assert (machine.memory.extras.photos, len(machine.truth())) == (0, 3)


async def _differences(place: PushPlace) -> dict[str, str]:
    page = await place.get("/v1/terminals/door/differences")
    return {one["pin"]: one["kind"] for one in page["differences"]}


async def _said(link: PushLink, text: str) -> bool:
    return any(one.startswith(text) for one in link.done)


async def _queued(disk: sqlite3.Connection, job: int) -> bool:
    return disk.execute("SELECT 1 FROM push_command WHERE job = ?", (job,)).fetchone() is not None
