"""Roll-outs: one terminal first, the rest after it confirmed, stopped at the first failure, kept across restarts."""

import contextlib
import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from biometric_flow.zk.simulator.push import PushLink
from biometric_flow.zk.simulator.terminal import SimulatedTerminal
from tests.services.places import RunningPlace, configured, running_place, until
from tests.services.pushes import SECRET, push_place, pushing

CAIRO = ZoneInfo("Africa/Cairo")
KEYS = ("gate", "hall", "yard")


@contextlib.asynccontextmanager
async def terminals(transport: str = "tcp") -> AsyncIterator[dict[str, SimulatedTerminal]]:
    async with contextlib.AsyncExitStack() as stack:
        yield {
            key: await stack.enter_async_context(
                SimulatedTerminal(
                    zone=CAIRO, drift=timedelta(minutes=9), serial=f"SIM{place:07}", transports=(transport,)
                )
            )
            for place, key in enumerate(KEYS)
        }


async def test_one_terminal_goes_first_and_the_rest_follow(tmp_path: Path) -> None:
    async with terminals() as sims, running_place(tmp_path, _configured(sims)) as place:
        await until(lambda: _all_online(place))
        await sims["gate"].power_off()
        await until(lambda: _is(place, "gate", "offline"))
        number = await _start(place, {"kind": "sync_time"})
        await until(lambda: _step_is(place, number, 0, "queued"))
        assert [step["state"] for step in (await _rollout(place, number))["steps"]] == ["queued", "waiting", "waiting"]
        assert sims["hall"].clock.drift > timedelta(minutes=8)
        await sims["gate"].power_on()
        await until(lambda: _ended(place, number))
        rollout = await _rollout(place, number)
        assert (rollout["state"], {step["state"] for step in rollout["steps"]}) == ("done", {"confirmed"})
        assert all(abs(sim.clock.drift) < timedelta(seconds=2) for sim in sims.values())


async def test_the_first_failure_stops_it_and_a_person_may_resume(tmp_path: Path) -> None:
    async with terminals() as sims, running_place(tmp_path, _configured(sims)) as place:
        await until(lambda: _all_online(place))
        await sims["hall"].fault("forget")
        number = await _start(place, {"kind": "set_comm_key"})
        await until(lambda: _ended(place, number))
        rollout = await _rollout(place, number)
        assert [step["state"] for step in rollout["steps"]] == ["confirmed", "failed", "waiting"]
        assert (rollout["state"], "hall" in rollout["detail"]) == ("stopped", True)
        assert (sims["gate"].comm_key > 0, sims["hall"].comm_key, sims["yard"].comm_key) == (True, 0, 0)
        sims["hall"].faults.clear()
        first_key = sims["gate"].comm_key
        await until(lambda: _all_online(place))
        await place.http.post(f"/v1/rollouts/{number}/resume")
        await until(lambda: _ended(place, number))
        assert (await _rollout(place, number))["state"] == "done"
        assert sims["gate"].comm_key == first_key, "a terminal that confirmed is not told again"
        assert all(sim.comm_key for sim in sims.values())


async def test_a_rollout_goes_on_after_the_place_was_away(tmp_path: Path) -> None:
    async with terminals() as sims:
        async with running_place(tmp_path, _configured(sims)) as place:
            await until(lambda: _all_online(place))
            await sims["gate"].power_off()
            number = await _start(place, {"kind": "sync_time"})
            await until(lambda: _step_is(place, number, 0, "queued"))
        await sims["gate"].power_on()
        async with running_place(tmp_path, _configured(sims)) as place:
            await until(lambda: _ended(place, number))
            rollout = await _rollout(place, number)
            assert rollout["state"] == "done"
            jobs = [await place.get(f"/v1/terminals/{key}/jobs") for key in KEYS]
            assert [len(told) for told in jobs] == [1, 1, 1], "nobody is told twice"


async def test_a_file_is_registered_in_pieces_and_only_under_its_digest(tmp_path: Path) -> None:
    data = bytes(range(256)) * 8000
    async with running_place(tmp_path) as place:
        new = {"title": "logo.png", "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        blob = (await place.http.post("/v1/blobs", json=new)).json()
        assert len(blob["id"]) == 32
        assert (blob["held"], blob["is_whole"]) == (0, False)
        half = 1024 * 1024
        path = f"/v1/blobs/{blob['id']}"
        assert (await place.http.put(f"{path}/5", content=b"x")).json()["code"] == "blob.refused"
        await place.http.put(f"{path}/0", content=data[:half])
        again = (await place.http.put(f"{path}/0", content=data[:half])).json()
        assert (again["held"], again["is_whole"]) == (half, False)
        wrong = await place.http.put(f"{path}/{half}", content=bytes(len(data) - half))
        assert (wrong.status_code, wrong.json()["code"]) == (409, "blob.refused")
        assert [(one["held"], one["is_whole"]) for one in await place.get("/v1/blobs")] == [(half, False)]
        whole = (await place.http.put(f"{path}/{half}", content=data[half:])).json()
        assert (whole["held"], whole["is_whole"]) == (len(data), True)
        assert (await place.http.post("/v1/blobs", json={**new, "path": "/etc/passwd"})).status_code == 422
        assert (await place.http.delete(path)).status_code == 204
        assert (await place.http.put(f"{path}/0", content=b"x")).json()["code"] == "blob.unknown"


@contextlib.asynccontextmanager
async def dialling(folder: Path, firmware: bytes) -> AsyncIterator[tuple[RunningPlace, list[SimulatedTerminal], str]]:
    """A place, three terminals that dial it, and firmware that it knows."""
    async with contextlib.AsyncExitStack() as stack:
        configured_doors = [pushing(f"PUSH{number:04}", key) for number, key in enumerate(KEYS)]
        place = await stack.enter_async_context(push_place(folder, configured_doors, push_answer_seconds=20))
        sims = []
        for number in range(len(KEYS)):
            sim = await stack.enter_async_context(SimulatedTerminal(zone=CAIRO, serial=f"PUSH{number:04}"))
            await stack.enter_async_context(PushLink(sim, f"{place.push}/p/{SECRET}", "att"))
            sims.append(sim)
        yield place, sims, await _registered(place, firmware)


async def _registered(place: RunningPlace, data: bytes) -> str:
    new = {"title": "firmware", "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    blob: str = (await place.http.post("/v1/blobs", json=new)).json()["id"]
    await place.http.put(f"/v1/blobs/{blob}/0", content=data)
    return blob


async def test_firmware_reaches_terminals_that_dial_one_after_the_other(tmp_path: Path) -> None:
    data = bytes(range(256)) * 2000
    async with dialling(tmp_path, data) as (place, sims, blob):
        await until(lambda: _all_online(place))
        number = await _start(place, {"kind": "install_firmware", "blob": blob})
        await until(lambda: _ended(place, number))
        rollout = await _rollout(place, number)
        assert rollout["state"] == "done", rollout
        assert [sim.memory.extras.files for sim in sims] == [{"firmware": data}] * 3
        number = await _start(place, {"kind": "install_file", "blob": blob, "name": "logo.png"})
        await until(lambda: _ended(place, number))
        assert all(sim.memory.extras.files["logo.png"] == data for sim in sims)


async def test_firmware_that_one_terminal_cannot_fetch_reaches_no_other(tmp_path: Path) -> None:
    async with dialling(tmp_path, bytes(5000)) as (place, sims, blob):
        await until(lambda: _all_online(place))
        sims[1].memory.extras.refuses_files = True
        number = await _start(place, {"kind": "install_firmware", "blob": blob})
        await until(lambda: _ended(place, number))
        rollout = await _rollout(place, number)
        assert [step["state"] for step in rollout["steps"]] == ["confirmed", "failed", "waiting"]
        assert rollout["state"] == "stopped"
        assert [bool(sim.memory.extras.files) for sim in sims] == [True, False, False]


async def test_firmware_over_pull_is_refused_before_anybody_is_told(tmp_path: Path) -> None:
    async with terminals("udp") as sims, running_place(tmp_path, _configured(sims)) as place:
        new = {"title": "firmware", "size": 5000, "sha256": hashlib.sha256(bytes(5000)).hexdigest()}
        blob = (await place.http.post("/v1/blobs", json=new)).json()["id"]
        order = {"kind": "install_firmware", "blob": blob}
        answer = await place.http.post("/v1/rollouts", json={"order": order, "terminals": ["gate"]})
        assert (answer.status_code, "not possible over pull" in answer.json()["detail"]) == (409, True)
        assert "Attendance PUSH" in answer.json()["detail"]


async def test_a_blob_that_is_not_whole_reaches_nobody(tmp_path: Path) -> None:
    async with push_place(tmp_path, [pushing()]) as place:
        new = {"title": "firmware", "size": 5000, "sha256": hashlib.sha256(bytes(5000)).hexdigest()}
        blob = (await place.http.post("/v1/blobs", json=new)).json()["id"]
        order = {"kind": "install_firmware", "blob": blob}
        early = await place.http.post("/v1/rollouts", json={"order": order, "terminals": ["door"]})
        assert early.json()["code"] == "rollout.refused"


async def test_what_cannot_be_rolled_out_is_refused(tmp_path: Path) -> None:
    async with terminals() as sims, running_place(tmp_path, _configured(sims)) as place:
        for keys, code in (
            (["gate", "gate"], "rollout.refused"),
            (["nowhere"], "terminal.unknown"),
            ([], "request.invalid"),
        ):
            answer = await place.http.post("/v1/rollouts", json={"order": {"kind": "restart"}, "terminals": keys})
            assert answer.json()["code"] == code
        assert (await place.http.get("/v1/rollouts/7")).json()["code"] == "rollout.unknown"
        path = {"kind": "install_file", "blob": "x" * 32, "name": "../../etc/passwd"}
        answer = await place.http.post("/v1/rollouts", json={"order": path, "terminals": ["gate"]})
        assert answer.json()["code"] == "request.invalid"


def _configured(sims: dict[str, SimulatedTerminal]) -> list[Any]:
    return [configured(sim, key) for key, sim in sims.items()]


async def _start(place: RunningPlace, order: dict[str, object]) -> int:
    answer = await place.http.post("/v1/rollouts", json={"order": order, "terminals": list(KEYS)})
    assert answer.status_code == 202, answer.text
    return int(answer.json()["number"])


async def _rollout(place: RunningPlace, number: int) -> dict[str, Any]:
    found: dict[str, Any] = await place.get(f"/v1/rollouts/{number}")
    return found


async def _ended(place: RunningPlace, number: int) -> bool:
    return bool((await _rollout(place, number))["state"] != "running")


async def _step_is(place: RunningPlace, number: int, position: int, state: str) -> bool:
    return bool((await _rollout(place, number))["steps"][position]["state"] == state)


async def _is(place: RunningPlace, key: str, state: str) -> bool:
    return bool((await place.terminal(key))["state"] == state)


async def _all_online(place: RunningPlace) -> bool:
    return all([await _is(place, key, "online") for key in KEYS])
