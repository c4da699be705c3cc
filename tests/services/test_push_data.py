"""Everything a pushing terminal uploads beside punches, and the archive of what it sent."""

import base64
import sqlite3
import zlib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from biometric_flow.zk.push.operlog import Operation
from biometric_flow.zk.push.people import TemplateLine
from biometric_flow.zk.push.photo import AttendancePhoto, encode_photo
from biometric_flow.zk.push.realtime import DoorState
from biometric_flow.zk.push.reports import IdentityCard, TerminalFault, WorkCode
from biometric_flow.zk.simulator.push import PushLink
from biometric_flow.zk.wire.timecode import TerminalTime
from tests.services.places import until
from tests.services.pushes import PushPlace, push_place, pushing
from tests.services.test_push import ROWS, dialling, holds, past, terminal

AT = TerminalTime.of(2026, 3, 2, 8)
BLOB = base64.b64encode(b"CANARY-OF-A-TEMPLATE" * 40).decode()


def finger(content: str = BLOB, pin: str = "7") -> TemplateLine:
    return TemplateLine("FP", pin, 3, type=1, size=len(content), content=content)


def everything() -> list[Any]:
    palm = TemplateLine("BIODATA", "7", 1, type=8, version="32.2", size=len(BLOB), content=BLOB)
    face = TemplateLine("FACE", "7", 0, type=2, size=len(BLOB), content=BLOB)
    picture = TemplateLine("USERPIC", "7", size=len(BLOB), content=BLOB, file_name="7.jpg")
    compare = TemplateLine("BIOPHOTO", "7", type=9, size=len(BLOB), content=BLOB, file_name="7.jpg")
    photo = AttendancePhoto("20260302080000", "7", "PUSH0001", "uploadphoto", b"\xff\xd8 CANARY-OF-A-PHOTO" * 40)
    return [
        Operation(6, "14", AT, ("7", "0", "3", "0")),
        TerminalFault("D01E0006", "extraction failed", "cmd", "17"),
        WorkCode("120", "Night cleaning", 3),
        WorkCode("WELD", "Welding"),
        IdentityCard("7"),
        DoorState(AT, ("open", "none", "none", "none"), (False,) * 8, (("tamper",),)),
        *(finger(), face, palm, picture, compare, photo),
    ]


async def has_told(link: PushLink) -> bool:
    return not link.telling


@pytest.mark.parametrize("protocol", ["att", "acc"])
async def test_everything_a_terminal_reports_is_taken_and_does_what_it_is_for(tmp_path: Path, protocol: str) -> None:
    async with push_place(tmp_path, [pushing()]) as place, terminal() as machine:
        async with dialling(place, machine, protocol) as link:
            link.tell(*everything())
            await until(lambda: has_told(link))
        events = {(one["kind"], one["code"]): one["detail"] for one in await place.get("/v1/terminals/door/events")}
        codes = {one["code"]: one["name"] for one in await place.get("/v1/work-codes")}
        aside = await place.get("/v1/quarantine")
    assert "D01E0006 extraction failed (command 17)" in events["fault", 0]
    assert "door 1: tamper" in events["alarm", 0]
    assert aside == []
    if protocol == "att":  # Security PUSH has no public form for these two
        assert events["operation", 6] == "7, 0, 3, 0"
        assert codes == {"120": "Night cleaning", "WELD": "Welding"}
    nowhere(tmp_path, b"CANARY-OF-A", BLOB.encode()[:40])


async def test_a_renamed_work_code_has_its_new_name(tmp_path: Path) -> None:
    async with push_place(tmp_path, [pushing()]) as place:
        for name in ("Cleaning", "Night cleaning"):
            await place.upload("OPERLOG", f"WORKCODE PIN=1\tCODE=120\tNAME={name}\n".encode())
        (code,) = await place.get("/v1/work-codes", terminal="PUSH0001")
        assert (code["code"], code["name"]) == ("120", "Night cleaning")
        assert await place.get("/v1/work-codes", terminal="OTHER001") == []


async def test_a_place_names_work_codes_for_terminals_that_cannot_tell_theirs(tmp_path: Path) -> None:
    async with push_place(tmp_path, [pushing()]) as place:
        named = await place.http.put("/v1/work-codes/120", json={"name": "Night cleaning"})
        assert named.status_code == 200
        await place.upload("ATTLOG", b"7\t2026-03-02 08:00:00\t0\t1\t120\t0\t0\n")
        (punch,) = await place.punches()
        (code,) = await place.get("/v1/work-codes", terminal="PUSH0001")
        assert (code["terminal"], code["code"], code["name"]) == ("", str(punch["work_code"]), "Night cleaning")
        assert (await place.http.put("/v1/work-codes/1%202", json={"name": "x"})).status_code == 422
        assert (await place.http.put("/v1/work-codes/1", json={"name": ""})).status_code == 422


async def test_what_cannot_be_read_goes_aside_without_its_template_and_its_neighbours_arrive(tmp_path: Path) -> None:
    body = (
        f"USER PIN=7\tName=Amina\nFP PIN=\tFID=1\tTMP={BLOB}\nFP PIN=8\tFID=1\tSize=5\tTMP={BLOB}\n"
        f"NOTHING KNOWN={BLOB}\nOPLOG 4\t0\t2026-03-02 08:00:00\n"
    )
    photo = b"PIN=7.jpg\nSN=PUSH0001\nsize=900\nCMD=uploadphoto\0" + b"\xff\xd8 CANARY-OF-A-PHOTO" * 40
    async with push_place(tmp_path, [pushing()]) as place:
        assert await place.upload("OPERLOG", body.encode()) == (200, "OK: 5")
        assert (await place.upload("ATTPHOTO", photo))[0] == 200
        aside = await place.get("/v1/quarantine")
        assert [one["name"] for one in await place.get("/v1/people")] == ["Amina"]
        assert [one["code"] for one in await place.get("/v1/terminals/door/events")] == [4]
    assert len(aside) == 4
    assert all(0 < len(bytes.fromhex(one["raw"])) <= 1024 for one in aside)
    nowhere(tmp_path, b"CANARY-OF-A", BLOB.encode()[:40])


async def uploads(place: PushPlace, **query: object) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await place.get("/v1/uploads", **query)
    return found


async def body_of(place: PushPlace, number: int) -> bytes:
    answer = await place.http.get(f"/v1/uploads/{number}/body")
    assert answer.status_code == 200, answer.text
    return answer.content


async def replayed(place: PushPlace, number: int) -> dict[str, Any]:
    answer = await place.http.post(f"/v1/uploads/{number}/replay")
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


async def test_an_upload_is_kept_as_it_came_and_says_what_became_of_it(tmp_path: Path) -> None:
    async with push_place(tmp_path, [pushing()]) as place:
        await place.upload("ATTLOG", ROWS + b"no line\n", "3")
        await place.upload("ATTLOG", ROWS + b"no line\n", "3")
        (one,) = await uploads(place)
        assert await body_of(place, one["number"]) == ROWS + b"no line\n"
        entries = await place.get("/v1/ledger/entries")
        punches = await place.punches()
    assert (one["table"], one["query"], one["times"], one["is_whole"]) == ("ATTLOG", "stamp=3", 2, True)
    assert (one["accepted"], one["duplicate"], one["quarantined"]) == (2, 0, 1)
    assert one["entries"] == [[2, 3]]
    assert len(entries["entries"]) == 5, "a generation, two punches, a row put aside, and that the body was handed out"
    assert len(punches) == 2


@pytest.mark.parametrize("table", ["OPERLOG", "ATTPHOTO", "USERPIC", "FROM_TOMORROW", "IDCARD"])
async def test_what_the_archive_holds_of_a_body_has_no_template_once_it_is_opened(tmp_path: Path, table: str) -> None:
    photo = AttendancePhoto("20260302080000", "7", "PUSH0001", "uploadphoto", b"\xff\xd8 CANARY-OF-A-PHOTO" * 40)
    body = f"USER PIN=7\tPasswd=hushhush\n{finger().line()}\nIDCARD PIN=7\tIDNum=29001011234567\n".encode()
    async with push_place(tmp_path, [pushing()]) as place:
        assert (await place.upload(table, encode_photo(photo) if table == "ATTPHOTO" else body))[0] == 200
        (one,) = await uploads(place)
        opened = await body_of(place, one["number"])
    assert one["is_whole"] is False
    assert b"PIN=" in opened
    for secret in (b"CANARY", BLOB.encode()[:40], b"hushhush", b"29001011234567"):
        assert secret not in opened


async def test_the_archive_names_nobody_to_whoever_has_its_file_alone(tmp_path: Path) -> None:
    rows = b"8765432109\t2026-03-02 08:00:00\t0\t1\t0\t0\t0\n"
    async with push_place(tmp_path, [pushing()]) as place:
        await place.upload("ATTLOG", rows)
        await place.upload("OPERLOG", b"USER PIN=8765432109\tName=Canary Nightingale\n")
        assert await body_of(place, 1) == rows
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("archive.sqlite3*"))
    assert b"Nightingale" not in kept
    assert b"8765432109" not in kept
    with sqlite3.connect(tmp_path / "archive.sqlite3") as archive:
        for (body,) in archive.execute("SELECT body FROM upload"):
            with pytest.raises(zlib.error):
                zlib.decompress(body[4:])


@pytest.mark.parametrize("protocol", ["att", "acc"])
async def test_a_replay_of_everything_archived_gives_the_same_punches_and_nothing_new(
    tmp_path: Path, protocol: str
) -> None:
    async with push_place(tmp_path, [pushing()]) as place, terminal(punches=past(30)) as machine:
        async with dialling(place, machine, protocol) as link:
            link.tell(*everything())
            link.fault("push_garbage", 1)
            await until(lambda: holds(place, 30))
            await until(lambda: has_told(link))
        await place.upload("OPERLOG", b"USER PIN=7\tName=Old\n")
        await place.upload("OPERLOG", b"USER PIN=7\tName=New\n")
        before = {one["id"] for one in await place.punches()}
        people, rows = await place.get("/v1/people"), await place.get("/v1/quarantine", limit=1000)
        events = await place.get("/v1/terminals/door/events", limit=1000)
        results = [await replayed(place, one["number"]) for one in await uploads(place, limit=1000)]
        assert {one for result in results for one in result["punches"]} == before
        assert sum(result["accepted"] + result["quarantined"] for result in results) == 0
        assert {one["id"] for one in await place.punches()} == before
        assert await place.get("/v1/people") == people
        assert await place.get("/v1/quarantine", limit=1000) == rows
        assert await place.get("/v1/terminals/door/events", limit=1000) == events


async def test_an_archive_brings_back_punches_that_the_database_lost(tmp_path: Path) -> None:
    async with push_place(tmp_path, [pushing()]) as place:
        await place.upload("ATTLOG", ROWS)
        lost = {one["id"] for one in await place.punches()}
    for file in tmp_path.glob("place.sqlite3*"):
        file.unlink()
    async with push_place(tmp_path, [pushing()]) as place:
        (one,) = await uploads(place)
        assert (await replayed(place, one["number"]))["accepted"] == 2
        assert {one["id"] for one in await place.punches()} == lost


async def test_a_failing_archive_costs_no_punch_and_is_seen(tmp_path: Path) -> None:
    async with push_place(tmp_path, [pushing()]) as place:
        disk = sqlite3.connect(tmp_path / "archive.sqlite3", isolation_level=None)
        disk.execute("CREATE TRIGGER full BEFORE INSERT ON upload BEGIN SELECT raise(FAIL, 'no space'); END")
        assert await place.upload("ATTLOG", ROWS) == (200, "OK: 2")
        assert len(await place.punches()) == 2
        assert await uploads(place) == []
        assert place.server.desk.archive.failures == 1
        disk.close()


async def test_an_upload_that_was_not_kept_is_not_in_the_archive_either(tmp_path: Path) -> None:
    async with push_place(tmp_path, [pushing()]) as place:
        disk = sqlite3.connect(tmp_path / "place.sqlite3", isolation_level=None)
        disk.execute("CREATE TRIGGER broken BEFORE INSERT ON punch BEGIN SELECT raise(FAIL, 'no space'); END")
        assert (await place.upload("ATTLOG", ROWS))[0] == 503
        assert await uploads(place) == []
        disk.close()


async def test_the_archive_keeps_to_its_bytes_oldest_first_and_terminal_by_terminal(tmp_path: Path) -> None:
    other = pushing("PUSH0002", "other", "another-push-secret-of-random-bits")
    async with push_place(tmp_path, [pushing(), other], archive_bytes=20_000) as place:
        await place.dial("POST", "cdata?table=ATTLOG", ROWS, "another-push-secret-of-random-bits", "PUSH0002")
        start = datetime(2026, 1, 1)
        for number in range(40):
            rows = "".join(f"{number}\t{start + timedelta(seconds=n * 7919 + number)}\t0\t1\n" for n in range(300))
            assert await place.upload("ATTLOG", rows.encode()) == (200, "OK: 300")
        mine = await uploads(place, terminal="PUSH0001")
        assert 0 < sum(one["stored"] for one in mine) <= 20_000
        assert mine[0]["number"] == 41
        assert [one["number"] for one in mine] == sorted((one["number"] for one in mine), reverse=True)
        assert len(await uploads(place, terminal="PUSH0002")) == 1
        gone = await place.http.get("/v1/uploads/2/body")
        assert (gone.status_code, gone.json()["code"]) == (404, "upload.unknown")


async def test_the_archive_forgets_what_is_too_old_and_can_be_switched_off(tmp_path: Path) -> None:
    async with push_place(tmp_path, [pushing()], archive_days=30) as place:
        await place.upload("ATTLOG", ROWS)
        archive, (one,) = place.server.desk.archive, await uploads(place)
        at = datetime.fromisoformat(one["last_at"])
        assert await archive.prune(at + timedelta(days=29)) == 0
        assert await archive.prune(at + timedelta(days=31)) == 1
        assert await uploads(place) == []
    async with push_place(tmp_path, [pushing()], archive_bytes=0) as place:
        assert await place.upload("ATTLOG", ROWS) == (200, "OK: 2")
        assert await uploads(place) == []


def nowhere(folder: Path, *canaries: bytes) -> None:
    """No file of the place holds any of these bytes, nor their base64 or hexadecimal digits."""
    kept = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    for canary in canaries:
        assert canary not in kept
        assert base64.b64encode(canary)[:-4] not in kept
        assert canary.hex().encode() not in kept
