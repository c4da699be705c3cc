"""Somebody else's simulated terminal (django-fingerprint-attendance, a black box) at our push port."""

import asyncio
import importlib.util
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.requires import require
from tests.services.places import seen_in, until
from tests.services.pushes import SECRET, PushPlace, push_place, pushing

FIRST = datetime(2026, 3, 2, 8, 0)


class Line:
    """What the peer takes for its HTTP client, over a real socket."""

    def __init__(self, place: PushPlace) -> None:
        self._http = httpx2.Client(base_url=place.push, timeout=10)

    def get(self, path: str, params: dict[str, Any], **_: object) -> httpx2.Response:
        return self._http.get(path, params={name: value for name, value in params.items() if value is not None})

    def post(self, path: str, data: bytes, **_: object) -> httpx2.Response:
        return self._http.post(path, content=data)


def peer(place: PushPlace, firmware: str) -> Any:
    require(
        importlib.util.find_spec("fingerprint_attendance") is not None,
        "django-fingerprint-attendance",
        "pip install django-fingerprint-attendance",
    )
    from fingerprint_attendance.testing.simulator import ADMSDeviceSimulator

    return ADMSDeviceSimulator(Line(place), serial="PUSH0001", firmware=firmware, prefix=f"/p/{SECRET}/iclock/")


async def doing(action: Callable[[], object]) -> Any:
    return await asyncio.to_thread(action)


@pytest.mark.parametrize("firmware", ["legacy", "push2", "biodata"])
async def test_a_foreign_terminal_delivers_each_punch_once_through_an_outage(tmp_path: Path, firmware: str) -> None:
    async with push_place(tmp_path, [pushing()]) as place:
        device = peer(place, firmware)
        await doing(device.handshake)
        for number in range(5):
            when = FIRST + timedelta(hours=number)
            await doing(lambda when=when, number=number: device.punch("1001", when, status=number % 2))
        device.go_offline()
        device.punch("1002", FIRST + timedelta(days=1))
        await doing(device.go_online)
        device.uploaded = 0
        await doing(lambda: device.upload_pending(batch_size=4))
        punches = await place.punches()
        counters = (await place.terminal("door"))["counters"]
    assert len(punches) == len(set(seen_in(punches))) == 6
    assert counters["received"] == counters["accepted"] + counters["duplicate"]
    assert {punch["pin"] for punch in punches} == {"1001", "1002"}


async def test_a_foreign_terminal_keeps_the_neighbours_of_a_bad_line(tmp_path: Path) -> None:
    async with push_place(tmp_path, [pushing()]) as place:
        device = peer(place, "push2")
        await doing(device.handshake)
        for number in range(3):
            device.punch("7", FIRST + timedelta(hours=number), upload=False)
        (answer,) = await doing(lambda: device.upload_pending(corrupt_line=1))
        assert answer.status == 200
        assert (len(await place.punches()), len(await place.get("/v1/quarantine"))) == (2, 1)


@pytest.mark.parametrize("firmware", ["push2", "biodata"])
async def test_a_foreign_terminal_does_our_commands_and_tells_its_people(tmp_path: Path, firmware: str) -> None:
    async with push_place(tmp_path, [pushing()]) as place:
        device = peer(place, firmware)
        await doing(device.handshake)
        await place.http.put("/v1/enrolments/door/99", json={"name": "Amina Hassan"})
        numbers = [
            (await place.http.post("/v1/terminals/door/jobs", json={"kind": kind})).json()["number"]
            for kind in ("restart", "info", "push_users")
        ]

        async def is_done() -> bool:
            await doing(device.run_commands)
            views = [await place.get(f"/v1/terminals/door/jobs/{number}") for number in numbers]
            return all(view["state"] not in ("queued", "sent") for view in views)

        await until(is_done)
        ended = [await place.get(f"/v1/terminals/door/jobs/{number}") for number in numbers]
        # It says yes to a question for its people and tells none: what cannot be read back is never called done.
        assert [job["state"] for job in ended] == ["confirmed", "confirmed", "failed"]
        assert "were told; try again" in ended[2]["detail"]
        assert device.users["99"]["name"] == "Amina Hassan"
        await doing(lambda: device.enroll_at_device("55", 1, name="Rahim"))
        people = {person["pin"]: person["name"] for person in await place.get("/v1/people")}
        view = await place.terminal("door")
    assert people["55"] == "Rahim"
    assert view["model"] == f"SIM-{firmware}"
