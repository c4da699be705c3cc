"""Templates and pictures: nothing without the switch and a release, nothing in the clear, and all of it gone."""

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from biometric_flow.zk.wire.templates import Template
from tests.services.places import configured, until
from tests.services.pushes import PushPlace, push_place, pushing
from tests.services.test_push import dialling, terminal
from tests.services.test_push_data import BLOB, everything, finger, has_told, nowhere

CANARIES = (b"CANARY-OF-A", BLOB.encode()[:40])
ALL_SLOTS = {
    "ATTPHOTO/0/0/0/20260302080000", "BIODATA/8/1/0/", "BIOPHOTO/9/0/0/", "FACE/2/0/0/", "FP/1/3/0/", "USERPIC/0/0/0/",
}  # fmt: skip


def signed(**changes: object) -> dict[str, Any]:
    given = datetime.now(UTC) - timedelta(hours=1)
    body = {
        "purpose": "attendance", "text_version": "2026-01 ar", "given_at": given.isoformat(),
        "until": (given + timedelta(days=365)).isoformat(), "recorded_by": "Mona, HR",
    }  # fmt: skip
    return {**body, **changes}


async def agree(place: PushPlace, pin: str = "7", **changes: object) -> None:
    answer = await place.http.put(f"/v1/people/{pin}/release", json=signed(**changes))
    assert answer.status_code == 201, answer.text
    assert answer.json()["is_in_force"]


async def end(place: PushPlace, pin: str = "7", reason: str = "withdrawn") -> dict[str, Any]:
    answer = await place.http.post(f"/v1/people/{pin}/release/end", json={"reason": reason, "recorded_by": "Mona, HR"})
    assert answer.status_code == 202, answer.text
    result: dict[str, Any] = answer.json()
    return result


async def slots(place: PushPlace, pin: str = "7") -> set[str]:
    return {one["slot"] for one in await place.get(f"/v1/people/{pin}/biometrics")}


async def counts(place: PushPlace) -> dict[str, int]:
    return {one["outcome"]: one["count"] for one in (await place.get("/v1/biometrics"))["counts"]}


async def upload_all(place: PushPlace, protocol: str = "att") -> None:
    async with terminal(users=[]) as machine, dialling(place, machine, protocol) as link:
        link.tell(*everything())
        await until(lambda: has_told(link))


@pytest.mark.parametrize("protocol", ["att", "acc"])
async def test_where_templates_are_off_no_file_of_the_place_holds_one_even_with_a_release(
    tmp_path: Path, protocol: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with push_place(tmp_path, [pushing()]) as place:
        await agree(place)
        await upload_all(place, protocol)
        assert await slots(place) == set()
        assert await counts(place) == {"switched_off": 6}
        assert "EnrollFP" not in (await place.dial("GET", "cdata?options=all&DeviceType=att"))[1]
    nowhere(tmp_path, *CANARIES)
    assert BLOB[:40] not in "".join(capsys.readouterr())


async def test_where_templates_are_on_nothing_is_kept_of_people_without_a_release(tmp_path: Path) -> None:
    async with push_place(tmp_path, [pushing()], biometrics_are_kept=True) as place:
        await upload_all(place)
        assert await slots(place) == set()
        assert await counts(place) == {"no_release": 6}
    nowhere(tmp_path, *CANARIES)


@pytest.mark.parametrize("protocol", ["att", "acc"])
async def test_where_both_are_there_templates_are_kept_as_ciphertext_only(
    tmp_path: Path, protocol: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with push_place(tmp_path, [pushing()], biometrics_are_kept=True) as place:
        assert "EnrollFP" in (await place.dial("GET", "cdata?options=all&DeviceType=att"))[1]
        await agree(place)
        await upload_all(place, protocol)
        kept = await slots(place)
        assert await counts(place) == {"kept": 6}
        vault = place.caretaker.vault
        opened = {one.slot: one.data for one in vault.open("7")}  # type: ignore[arg-type]
        answers = [await place.http.get(path) for path in ("/v1/people/7/biometrics", "/v1/uploads", "/metrics")]
    assert len(kept) == 6
    assert protocol == "acc" or kept == ALL_SLOTS
    assert opened["FP/1/3/0/"] == b"CANARY-OF-A-TEMPLATE" * 40
    assert all(b"CANARY" not in one.content and BLOB.encode()[:40] not in one.content for one in answers)
    nowhere(tmp_path, *CANARIES)
    assert BLOB[:40] not in "".join(capsys.readouterr())
    with sqlite3.connect(tmp_path / "place.sqlite3") as database:
        rows = database.execute("SELECT subject, content FROM biometric_sample").fetchall()
    assert len({subject for subject, _ in rows}) == 1
    assert "7" not in {subject for subject, _ in rows}


async def test_who_signed_and_whose_templates_were_destroyed_names_nobody_in_the_files(tmp_path: Path) -> None:
    pin, recorder = "8765432109", "Canary Nightingale"
    async with push_place(tmp_path, [pushing()], biometrics_are_kept=True) as place:
        await agree(place, pin, recorded_by=recorder)
        await place.upload("OPERLOG", finger(pin=pin).line().encode())
        answer = await place.http.post(
            f"/v1/people/{pin}/release/end", json={"reason": "withdrawn", "recorded_by": recorder}
        )
        (task,) = answer.json()["tasks"]
        (release,) = await place.get(f"/v1/people/{pin}/release")
    assert (task["pin"], task["reason"]) == (pin, f"withdrawn, recorded by {recorder}")
    assert (release["recorded_by"], release["end_reason"]) == (recorder, f"withdrawn, recorded by {recorder}")
    with sqlite3.connect(tmp_path / "place.sqlite3") as database:
        tables = ("biometric_release", "biometric_subject", "biometric_sample", "biometric_destruction")
        kept = repr([database.execute(f"SELECT * FROM {table}").fetchall() for table in tables])
    assert pin not in kept
    assert recorder not in kept


async def test_a_ciphertext_that_was_moved_to_another_person_does_not_open(tmp_path: Path) -> None:
    async with push_place(tmp_path, [pushing()], biometrics_are_kept=True) as place:
        for pin in ("7", "8"):
            await agree(place, pin)
            await place.upload("OPERLOG", finger(pin=pin).line().encode())
        with sqlite3.connect(tmp_path / "place.sqlite3") as database:
            rows = database.execute("SELECT subject, content FROM biometric_sample").fetchall()
            for (subject, _), (_, content) in zip(rows, reversed(rows), strict=True):
                database.execute("UPDATE biometric_sample SET content = ? WHERE subject = ?", (content, subject))
        database.close()
        for pin in ("7", "8"):
            with pytest.raises(Exception, match="sealed for somebody"):
                place.caretaker.vault.open(pin)  # type: ignore[arg-type]


async def test_a_newer_template_of_a_finger_replaces_the_older_one(tmp_path: Path) -> None:
    async with push_place(tmp_path, [pushing()], biometrics_are_kept=True) as place:
        await agree(place)
        for content in (BLOB, "QUJD" * 20):
            await place.upload("OPERLOG", finger(content).line().encode())
        (sample,) = place.caretaker.vault.open("7")  # type: ignore[arg-type]
        assert sample.data == b"ABC" * 20


async def test_a_withdrawn_release_destroys_templates_and_their_key_at_once(tmp_path: Path) -> None:
    async with push_place(tmp_path, [pushing()], biometrics_are_kept=True) as place:
        await agree(place)
        await upload_all(place)
        copy = _envelopes(tmp_path)
        result = await end(place)
        assert result["destroyed_here"] == 6
        assert await slots(place) == set()
        assert [(one["is_in_force"], one["end_reason"]) for one in await place.get("/v1/people/7/release")] == [
            (False, "withdrawn, recorded by Mona, HR")
        ]
        for envelope in copy:  # a backup of the data opens for nobody any more
            owner = place.keys.owner_of(envelope)
            assert not place.keys.has(owner)
        await upload_all(place)
        assert await slots(place) == set()
        assert (await place.http.post("/v1/people/7/release/end", json={"reason": "withdrawn", "recorded_by": "x"})
                ).status_code == 404  # fmt: skip
    assert len(copy) == 6
    nowhere(tmp_path, *CANARIES)


async def test_a_key_that_outlived_its_person_in_a_kill_is_destroyed_at_the_next_start(tmp_path: Path) -> None:
    async with push_place(tmp_path, [pushing()], biometrics_are_kept=True) as place:
        await agree(place)
        await place.upload("OPERLOG", finger().line().encode())
        (envelope,) = _envelopes(tmp_path)
    with sqlite3.connect(tmp_path / "place.sqlite3") as database:  # as a kill between the rows and the key leaves it
        database.execute("UPDATE biometric_release SET ended_at = '2026-01-01T00:00:00+00:00'")
        database.execute("DELETE FROM biometric_sample")
    database.close()
    async with push_place(tmp_path, [pushing()], biometrics_are_kept=True) as place:
        owner = place.keys.owner_of(envelope)

        async def is_gone() -> bool:
            return not place.keys.has(owner)

        await until(is_gone)


async def test_a_release_that_is_over_destroys_what_it_allowed(tmp_path: Path) -> None:
    async with push_place(tmp_path, [pushing()], biometrics_are_kept=True, destruction_look_seconds=0.1) as place:
        await agree(place)
        await place.upload("OPERLOG", finger().line().encode())
        assert len(await slots(place)) == 1
        with sqlite3.connect(tmp_path / "place.sqlite3", timeout=30) as database:  # a year passes
            database.execute("UPDATE biometric_release SET until = ?", (datetime.now(UTC).isoformat(),))
        database.close()

        async def is_empty() -> bool:
            return await slots(place) == set()

        await until(is_empty)
        (release,) = await place.get("/v1/people/7/release")
    assert "period" in release["end_reason"]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"until": "2050-01-01T00:00:00Z"}, 422),
        ({"given_at": "2024-01-01T00:00:00"}, 422),
        ({"purpose": "  "}, 422),
        ({"given_at": "2049-01-01T00:00:00Z", "until": "2049-06-01T00:00:00Z"}, 422),
        ({"extra": 1}, 422),
    ],
)
async def test_a_release_without_a_period_purpose_or_time_is_none(
    tmp_path: Path, changes: dict[str, Any], status: int
) -> None:
    async with push_place(tmp_path) as place:
        assert (await place.http.put("/v1/people/7/release", json=signed(**changes))).status_code == status
        assert await place.get("/v1/people/7/release") == []
        await agree(place)
        assert (await place.http.put("/v1/people/7/release", json=signed())).status_code == 409


async def test_a_terminal_confirms_that_fingers_are_gone_and_one_that_is_away_keeps_the_task_open(
    tmp_path: Path,
) -> None:
    async with terminal(serial="PULL0001") as near, terminal(serial="PULL0002") as far:
        for machine in (near, far):
            uid = machine.memory.enrol("7").uid
            machine.memory.templates[uid, 3] = Template(uid, 3, b"CANARY-OF-A-TEMPLATE" * 40)
            other = machine.memory.enrol("8").uid
            machine.memory.templates[other, 3] = Template(other, 3, b"of somebody else" * 40)
        roster = [configured(near, "near"), configured(far, "far")]
        await far.power_off()
        async with push_place(tmp_path, roster, destruction_look_seconds=0.1) as place:
            await until(lambda: _is_online(place, "near"))
            await agree(place)
            tasks = (await end(place, reason="employment_ended"))["tasks"]
            assert {one["terminal"] for one in tasks} == {"near", "far"}
            await until(lambda: _open_at(place, {"far"}))
            assert [finger for _, finger in near.memory.templates] == [3]
            assert len(near.memory.users) == len(far.memory.users)
            assert (await place.get("/v1/biometrics"))["open_destructions"] == 1
            assert len(far.memory.templates) == 2
        async with push_place(tmp_path, roster, destruction_look_seconds=0.1) as place:
            await far.power_on()
            await until(lambda: _open_at(place, set()))
            assert len(far.memory.templates) == 1
            log = await place.get("/v1/biometrics/destructions")
    assert all(one["confirmed_at"] and "1 fingers are gone" in one["detail"] for one in log)


async def test_a_pulled_terminal_with_faces_confirms_its_fingers_and_the_task_says_what_stays_open(
    tmp_path: Path,
) -> None:
    async with terminal(serial="PULL0001", profile="iface") as near:
        uid = near.memory.enrol("7").uid
        near.memory.templates[uid, 3] = Template(uid, 3, b"CANARY-OF-A-TEMPLATE" * 40)
        near.memory.extras.faces = 1
        async with push_place(tmp_path, [configured(near, "near")], destruction_look_seconds=0.05) as place:
            await until(lambda: _is_online(place, "near"))
            await agree(place)
            await end(place)

            async def says_what_stays() -> bool:
                (task,) = await place.get("/v1/biometrics/destructions", is_open=True)
                return "1 fingers are gone, none is left; this terminal holds faces" in task["detail"]

            await until(says_what_stays)
            assert near.memory.templates == {}
            for _ in range(10):
                await place.caretaker.advance()
            assert len(await place.get("/v1/terminals/near/jobs")) == 1


async def _open_at(place: PushPlace, terminals: set[str]) -> bool:
    tasks = await place.get("/v1/biometrics/destructions", is_open=True)
    return {one["terminal"] for one in tasks} == terminals


async def _is_online(place: PushPlace, key: str) -> bool:
    return (await place.terminal(key))["state"] == "online"


def _envelopes(folder: Path) -> list[bytes]:
    with sqlite3.connect(folder / "place.sqlite3") as database:
        found = [row[0] for row in database.execute("SELECT content FROM biometric_sample")]
    database.close()
    return found
