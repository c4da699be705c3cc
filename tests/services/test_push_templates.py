"""Templates at terminals that dial: they move and are destroyed like those of pulled ones, and stand in no file."""

import asyncio
import base64
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from biometric_flow.place.roster import TerminalConfig
from biometric_flow.place.wording import Wording
from biometric_flow.zk.push.people import TemplateLine
from biometric_flow.zk.simulator.memory import TerminalMemory
from biometric_flow.zk.simulator.push import PushLink
from biometric_flow.zk.simulator.terminal import SimulatedTerminal
from biometric_flow.zk.wire.users import UserRecord
from tests.services.places import configured, until
from tests.services.pushes import SECRET, PushPlace, push_place, pushing
from tests.services.stores import subjects_of
from tests.services.test_biometrics import _open_at, agree, end
from tests.services.test_push_data import nowhere
from tests.services.test_template_copies import V9, V10, copy, ended, held, machine

FACE = b"CANARY-OF-A-FACE" * 60
CANARIES = (b"CANARY-OF-A",)
SOURCES = {"door": "PUSH0001", "back": "PUSH0002"}


def line(data: bytes, tag: str = "FP", number: int = 3, pin: str = "7", **more: object) -> TemplateLine:
    content = base64.b64encode(data).decode()
    values = {"type": 1, **more}
    return TemplateLine(tag, pin, number, size=len(content), content=content, **values)  # type: ignore[arg-type]


def face() -> TemplateLine:
    return line(FACE, "BIODATA", 0, type=9, version="58.12")


def dialler(key: str, *templates: TemplateLine, profile: str = "tft") -> SimulatedTerminal:
    made = SimulatedTerminal(serial=SOURCES[key], profile=profile)
    if templates:
        made.memory.enrol("7", UserRecord(0, "7", "Amina Hassan", 14, "4711", card=77))
    keep(made.memory, *templates)
    return made


def keep(memory: TerminalMemory, *templates: TemplateLine) -> None:
    for one in templates:
        memory.extras.pushed_templates[one.tag, one.pin, one.type, one.number, one.index] = one


def pushed(terminal: SimulatedTerminal, pin: str = "7") -> dict[tuple[str, int], bytes]:
    found = terminal.memory.extras.pushed_templates.values()
    return {(one.tag, one.number): one.data for one in found if one.pin == pin}


@contextlib.asynccontextmanager
async def dialling(
    folder: Path, protocol: str, roster: Sequence[TerminalConfig] = (), /, **machines: SimulatedTerminal
) -> AsyncIterator[tuple[PushPlace, dict[str, PushLink]]]:
    terminals = [*roster, *(pushing(SOURCES[key], key, f"{SECRET}-{key}") for key in machines)]
    async with contextlib.AsyncExitStack() as stack:
        settings = {"destruction_look_seconds": 0.1, "push_answer_seconds": 5}
        place = await stack.enter_async_context(push_place(folder, terminals, **settings))
        links = {}
        for key, one in machines.items():
            await stack.enter_async_context(one)
            url = f"{place.push}/p/{SECRET}-{key}"
            links[key] = await stack.enter_async_context(PushLink(one, url, protocol, poll=0.05))
            await until(lambda key=key: is_online(place, key))
        for entry in roster:
            await until(lambda key=entry.key: is_online(place, key))
        yield place, links


async def is_online(place: PushPlace, key: str) -> bool:
    return (await place.terminal(key))["state"] == "online"


@pytest.mark.parametrize("protocol", ["att", "acc"])
async def test_fingers_and_faces_move_between_terminals_that_dial_and_stand_in_no_file(
    tmp_path: Path, protocol: str, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = dialler("door", line(V10), line(V10 + b"9", number=9, is_duress=True), face()), dialler("back")
    async with dialling(tmp_path, protocol, door=source, back=target) as (place, _):
        await agree(place, allows_keeping=False)
        jobs = await ended(place, await copy(place, "door", "back"), "door", "back")
        nowhere(tmp_path, *CANARIES)
        assert await place.get("/v1/people/7/biometrics") == []
    assert {key: one["state"] for key, one in jobs.items()} == {"door": "confirmed", "back": "confirmed"}, jobs
    assert jobs["back"]["detail"] == "3 templates read back as written"
    assert {one["channel"] for one in jobs.values()} == {"push"}
    assert pushed(target) == pushed(source) == {("FP", 3): V10, ("FP", 9): V10 + b"9", ("BIODATA", 0): FACE}
    (new,) = target.memory.users
    assert (new.name, new.card, new.privilege, new.password) == ("Amina Hassan", 77, 0, "")
    nowhere(tmp_path, *CANARIES)
    assert base64.b64encode(V10).decode()[:40] not in "".join(capsys.readouterr())


@pytest.mark.parametrize("protocol", ["att", "acc"])
async def test_fingers_move_from_a_pulled_terminal_to_one_that_dials_and_back(tmp_path: Path, protocol: str) -> None:
    pulled, dialled = machine("PULL0001", fingers={3: V10}), dialler("door")
    async with pulled, dialling(tmp_path, protocol, [configured(pulled, "near")], door=dialled) as (place, _):
        await agree(place)
        there = await ended(place, await copy(place, "near", "door"), "near", "door")
        assert {one["state"] for one in there.values()} == {"confirmed"}, there
        assert {key: one["channel"] for key, one in there.items()} == {"near": "pull", "door": "push"}
        assert pushed(dialled) == {("FP", 3): V10}
        keep(dialled.memory, line(V10 + b"again", number=5))
        back = await ended(place, await copy(place, "door", "near"), "door", "near")
        assert {one["state"] for one in back.values()} == {"confirmed"}, back
    assert held(pulled) == {3: V10, 5: V10 + b"again"}
    nowhere(tmp_path, *CANARIES)


@pytest.mark.parametrize("protocol", ["att", "acc"])
async def test_a_destruction_is_confirmed_by_a_terminal_that_dials_once_it_tells_none(
    tmp_path: Path, protocol: str
) -> None:
    door = dialler("door", line(V10), face(), line(FACE, "BIOPHOTO", 0, type=9))
    keep(door.memory, line(b"of somebody else", pin="8"))
    async with dialling(tmp_path, protocol, door=door) as (place, links):
        await agree(place)
        links["door"].fault("push_hollow", 1)  # the first deletion does nothing
        await end(place)
        await until(lambda: _open_at(place, set()))
        (task,) = await place.get("/v1/biometrics/destructions")
        jobs = await place.get("/v1/terminals/door/jobs")
    assert [(one["order"]["kind"], one["state"]) for one in jobs] == [
        ("delete_templates", "confirmed"),
        ("delete_templates", "failed"),
    ]
    assert "the terminal still tells 1" in jobs[1]["detail"]
    assert task["confirmed_at"]
    assert "no template is left" in task["detail"]
    assert pushed(door) == {}
    assert pushed(door, "8") == {("FP", 3): b"of somebody else"}
    assert [user.user_id for user in door.memory.users] == ["7"]


async def test_a_terminal_that_says_yes_and_keeps_nothing_is_no_success(tmp_path: Path) -> None:
    source, target = dialler("door", line(V10)), dialler("back")
    async with dialling(tmp_path, "att", door=source, back=target) as (place, links):
        await agree(place)
        links["back"].fault("push_hollow", 1)
        jobs = await ended(place, await copy(place, "door", "back"), "back")
        assert (jobs["back"]["state"], "1 were not" in jobs["back"]["detail"]) == ("failed", True), jobs
    assert pushed(target) == {}


async def test_fingers_of_another_version_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    source, target = dialler("door", line(V9)), dialler("back")
    async with dialling(tmp_path, "att", door=source, back=target) as (place, links):
        await agree(place)
        jobs = await ended(place, await copy(place, "door", "back"), "back")
    assert jobs["back"]["state"] == "failed"
    assert "versions do not convert, enrol the finger again" in jobs["back"]["detail"]
    assert (pushed(target), target.memory.users) == ({}, [])
    assert not any(one.startswith("DATA UPDATE") for one in links["back"].done)


async def test_faces_without_a_form_in_a_protocol_are_named_and_the_rest_goes_through(tmp_path: Path) -> None:
    door = dialler("door")
    async with push_place(tmp_path, [pushing()], biometrics_are_kept=True) as place:
        await agree(place)
        for one in (line(V10), line(FACE, "FACE", 0, type=2)):
            await place.upload("OPERLOG", one.line().encode())
        await place.dial("GET", "cdata?options=all&DeviceType=acc")
        async with door, PushLink(door, f"{place.push}/p/{SECRET}", "acc", poll=0.05):
            jobs = await ended(place, await copy(place, "", "door"), "door")
    assert jobs["door"]["state"] == "failed"
    assert "1 templates read back as written; FACE cannot travel" in jobs["door"]["detail"]
    assert pushed(door) == {("FP", 3): V10}


async def test_a_template_that_was_on_its_way_at_a_restart_is_sent_no_more_and_the_job_says_so(tmp_path: Path) -> None:
    source, target = dialler("door", line(V10)), dialler("back")
    async with dialling(tmp_path, "att", door=source, back=target) as (place, links):
        await agree(place)
        links["back"].fault("push_offline")
        transfer = await copy(place, "door", "back")
        await ended(place, transfer, "door")
        await place.dial("GET", "cdata?options=all", secret=f"{SECRET}-back", serial="PUSH0002")
        handed = await until_handed(place, tmp_path)
        job = (await place.get("/v1/terminals/back/jobs"))[0]["number"]
    with closing(sqlite3.connect(tmp_path / "place.sqlite3")) as disk:
        (sealed,) = disk.execute("SELECT body FROM push_command WHERE id = ?", (handed,)).fetchone()
        file = tmp_path / "place.sqlite3"
        body = Wording(subjects_of(file, disk)).open("push_command", "body", handed, sealed)
    assert body == "DATA UPDATE FINGERTMP PIN=7\tFID=3\tSize=0\tValid=1\tTMP="
    nowhere(tmp_path, *CANARIES)
    async with dialling(tmp_path, "att", back=target) as (place, links):
        path = f"/v1/terminals/back/jobs/{job}"

        async def has_failed() -> bool:
            return bool((await place.get(path))["state"] == "failed")

        await until(has_failed)
        assert "in memory only" in (await place.get(path))["detail"]
    assert not any("FINGERTMP" in one and "UPDATE" in one for one in links["back"].done)
    assert pushed(target) == {}


async def until_handed(place: PushPlace, folder: Path) -> int:
    """Answer, as the terminal `back`, everything up to the template; the number of its command."""
    while True:
        _, text = await place.dial("GET", "getrequest", secret=f"{SECRET}-back", serial="PUSH0002")
        for told in text.splitlines():
            number = told.split(":")[1] if told.startswith("C:") else ""
            if "DATA UPDATE FINGERTMP" in told:
                assert base64.b64encode(V10).decode() in told
                return int(number)
            if number:
                result = f"ID={number}&Return=0&CMD=DATA".encode()
                await place.dial("POST", "devicecmd", result, secret=f"{SECRET}-back", serial="PUSH0002")
        await asyncio.sleep(0.05)
