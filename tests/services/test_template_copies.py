"""A person's templates move from one terminal to others: read back, through memory only, never without a release."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from biometric_flow.zk.simulator.terminal import SimulatedTerminal
from biometric_flow.zk.wire.templates import Template
from biometric_flow.zk.wire.users import UserRecord
from tests.services.places import configured, until
from tests.services.pushes import PushPlace, push_place
from tests.services.test_biometrics import agree, end
from tests.services.test_push_data import nowhere

V10 = b"M\x00SS21" + b"CANARY-OF-A-TEMPLATE" * 40
V9 = b"old " + b"CANARY-OF-A-TEMPLATE" * 20


def machine(serial: str, profile: str = "tft", fingers: dict[int, bytes] | None = None) -> SimulatedTerminal:
    made = SimulatedTerminal(serial=serial, profile=profile)
    if fingers:
        uid = made.memory.enrol("7", UserRecord(0, "7", "Amina Hassan", 14, card=77, password="4711")).uid
        for finger, data in fingers.items():
            made.memory.templates[uid, finger] = Template(uid, finger, data, 3 if finger == 9 else 1)
    return made


def held(terminal: SimulatedTerminal, pin: str = "7") -> dict[int, bytes]:
    uids = {user.uid for user in terminal.memory.users if user.user_id == pin}
    return {finger: one.data for (uid, finger), one in terminal.memory.templates.items() if uid in uids}


@contextlib.asynccontextmanager
async def place_with(folder: Path, **terminals: SimulatedTerminal) -> AsyncIterator[PushPlace]:
    async with contextlib.AsyncExitStack() as stack:
        for one in terminals.values():
            await stack.enter_async_context(one)
        roster = [configured(one, key) for key, one in terminals.items()]
        async with push_place(folder, roster) as place:
            for key in terminals:
                await until(lambda key=key: is_online(place, key))
            yield place


async def is_online(place: PushPlace, key: str) -> bool:
    return (await place.terminal(key))["state"] == "online"


async def copy(place: PushPlace, source: str, *targets: str, status: int = 202) -> dict[str, Any]:
    answer = await place.http.post("/v1/people/7/templates/copies", json={"source": source, "targets": list(targets)})
    assert answer.status_code == status, answer.text
    result: dict[str, Any] = answer.json()
    return result


async def ended(place: PushPlace, transfer: dict[str, Any], *keys: str) -> dict[str, dict[str, Any]]:
    """The jobs of a transfer at these terminals, once each has ended."""
    found: dict[str, dict[str, Any]] = {}

    async def all_ended() -> bool:
        view = await place.get(f"/v1/people/7/templates/copies/{transfer['id']}")
        for key in keys:
            if key in view["jobs"]:
                found[key] = await place.get(f"/v1/terminals/{key}/jobs/{view['jobs'][key]}")
        return set(found) == set(keys) and all(one["state"] not in ("queued", "sent") for one in found.values())

    await until(all_ended)
    return found


async def test_fingers_move_to_several_terminals_and_are_kept_nowhere(tmp_path: Path) -> None:
    source, near, far = (
        machine("PULL0001", fingers={3: V10, 9: V10 + b"9"}),
        machine("PULL0002"),
        machine("PULL0003", "iface"),
    )
    known = far.memory.enrol("7", UserRecord(0, "7", "Name here", 0))
    async with place_with(tmp_path, source=source, near=near, far=far) as place:
        await agree(place, allows_keeping=False)
        jobs = await ended(place, await copy(place, "source", "near", "far"), "source", "near", "far")
        kept = await place.get("/v1/people/7/biometrics")
    assert {key: one["state"] for key, one in jobs.items()} == {
        "source": "confirmed",
        "near": "confirmed",
        "far": "confirmed",
    }
    assert "2 fingers read back as written" in jobs["near"]["detail"]
    assert held(near) == held(far) == {3: V10, 9: V10 + b"9"}
    (new,) = near.memory.users
    assert (new.name, new.card, new.privilege, new.password) == ("Amina Hassan", 77, 0, "")
    assert [(user.uid, user.name) for user in far.memory.users] == [(known.uid, "Name here")]
    assert kept == []
    nowhere(tmp_path, b"CANARY-OF-A")


async def test_templates_of_another_version_are_refused_in_plain_words_and_nothing_is_written(tmp_path: Path) -> None:
    source, old = machine("PULL0001", fingers={3: V10}), machine("PULL0002", "zk6-8")
    async with place_with(tmp_path, source=source, old=old) as place:
        await agree(place)
        jobs = await ended(place, await copy(place, "source", "old"), "old")
    assert jobs["old"]["state"] == "failed"
    assert "versions do not convert, enrol the finger again" in jobs["old"]["detail"]
    assert held(old) == {}


async def test_old_templates_move_between_old_terminals(tmp_path: Path) -> None:
    source, old = machine("PULL0001", "zk6-8", {0: V9}), machine("PULL0002", "zk6-8")
    async with place_with(tmp_path, source=source, old=old) as place:
        await agree(place)
        jobs = await ended(place, await copy(place, "source", "old"), "old")
    assert (jobs["old"]["state"], held(old)) == ("confirmed", {0: V9})


async def test_a_terminal_that_says_ok_and_holds_nothing_is_no_success(tmp_path: Path) -> None:
    source, deaf = machine("PULL0001", fingers={3: V10}), machine("PULL0002")
    async with place_with(tmp_path, source=source, deaf=deaf) as place:
        await agree(place)
        await deaf.fault("forget", times=1)
        jobs = await ended(place, await copy(place, "source", "deaf"), "deaf")
        assert jobs["deaf"]["state"] == "failed"
        jobs = await ended(place, await copy(place, "source", "deaf"), "deaf")
    assert (jobs["deaf"]["state"], held(deaf)) == ("confirmed", {3: V10})


async def test_nothing_moves_without_a_release_from_nowhere_or_to_nobody(tmp_path: Path) -> None:
    source, near = machine("PULL0001", fingers={3: V10}), machine("PULL0002")
    async with place_with(tmp_path, source=source, near=near) as place:
        assert (await copy(place, "source", "near", status=404))["code"] == "release.unknown"
        await agree(place)
        assert (await copy(place, "", "near", status=409))["code"] == "templates.not_there"
        assert (await copy(place, "source", "nobody", status=404))["code"] == "terminal.unknown"
        order = {"kind": "take_templates", "pin": "7", "transfer": "0" * 32}
        forged = await place.http.post("/v1/terminals/near/jobs", json=order)
        assert forged.status_code == 202
        path = f"/v1/terminals/near/jobs/{forged.json()['number']}"

        async def has_failed() -> bool:
            return bool((await place.get(path))["state"] == "failed")

        await until(has_failed)
    assert held(near) == {}


async def test_a_release_that_ends_stops_what_is_on_its_way(tmp_path: Path) -> None:
    source, away = machine("PULL0001", fingers={3: V10}), machine("PULL0002")
    async with place_with(tmp_path, source=source, away=away) as place:
        await agree(place)
        await away.power_off()
        transfer = await copy(place, "source", "away")
        await ended(place, transfer, "source")
        await end(place)
        await away.power_on()
        path = "/v1/terminals/away/jobs?limit=10"

        async def all_done() -> bool:
            return all(one["state"] not in ("queued", "sent") for one in await place.get(path))

        await until(all_done)
        states = {one["order"]["kind"]: one["state"] for one in await place.get(path)}
    assert states == {"take_templates": "failed", "delete_templates": "confirmed"}
    assert held(away) == {}
    assert held(source) == {}


async def test_a_person_who_has_no_finger_at_the_source_is_told(tmp_path: Path) -> None:
    source, near = machine("PULL0001"), machine("PULL0002")
    async with place_with(tmp_path, source=source, near=near) as place:
        await agree(place)
        jobs = await ended(place, await copy(place, "source", "near"), "source")
    assert jobs["source"]["state"] == "failed"
    assert "there is nobody" in jobs["source"]["detail"]


@pytest.mark.parametrize("body", [{"source": "source", "targets": []}, {"source": "source"}, {"to": ["near"]}])
async def test_a_copy_needs_a_target(tmp_path: Path, body: dict[str, Any]) -> None:
    async with place_with(tmp_path) as place:
        await agree(place)
        assert (await place.http.post("/v1/people/7/templates/copies", json=body)).status_code == 422
