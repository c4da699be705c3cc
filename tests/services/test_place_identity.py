"""A terminal that is not what was enrolled is not read, and loses nothing; comm keys that a place sets itself (D3)."""

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from biometric_flow.place.schema import open_database
from biometric_flow.place.sealing import seal_secret
from biometric_flow.zk.simulator.terminal import SimulatedTerminal
from tests.services.places import RunningPlace, configured, running_place, until
from tests.services.stores import keys_of
from tests.services.test_place_jobs import do

CAIRO = ZoneInfo("Africa/Cairo")
OPTION = {"serial": "~SerialNumber", "platform": "~Platform", "mac": "MAC"}


@pytest.mark.parametrize("field", ["serial", "platform", "mac"])
@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_a_changed_terminal_is_read_again_only_after_it_was_confirmed(
    tmp_path: Path, field: str, transport: str
) -> None:
    async with SimulatedTerminal(zone=CAIRO, transports=(transport,)) as terminal:
        async with running_place(tmp_path, [configured(terminal)], reconcile_seconds=60) as place:
            await terminal.punch("1")
            await until(lambda: _holds(place, 1))
            terminal.memory.options[OPTION[field]] = "OTHER001"
            await _reconnected(terminal, transport)
            await until(lambda: _is(place, "blocked"))
            await terminal.punch("2")
            view = await place.terminal("gate")
            assert (f"{field}_changed", "alarm") in [(one["code"], one["severity"]) for one in view["findings"]]
            assert view["unconfirmed"][field] == "OTHER001".lower() if field == "mac" else "OTHER001"
            assert len(await place.punches()) == 1
            wrong = {**view["unconfirmed"], "firmware": "another"}
            refused = await place.http.post("/v1/terminals/gate/confirm", json=wrong)
            assert (refused.status_code, refused.json()["code"]) == (409, "terminal.not_as_seen")
            answer = await place.http.post("/v1/terminals/gate/confirm", json=view["unconfirmed"])
            assert answer.status_code == 200, answer.text
            await until(lambda: _is(place, "online"))
            assert {punch["pin"] for punch in await place.punches()} == {"1", "2"}
            after = await place.terminal("gate")
            assert after["unconfirmed"] is None
            assert not [one for one in after["findings"] if one["code"].endswith("_changed")]


async def test_new_firmware_stops_reading_and_survives_a_restart_of_the_place(tmp_path: Path) -> None:
    async with SimulatedTerminal(zone=CAIRO) as terminal:
        await terminal.punch("1")
        async with running_place(tmp_path, [configured(terminal)]) as place:
            await until(lambda: _holds(place, 1))
        port = terminal.port
        history = terminal.truth()
    async with SimulatedTerminal(zone=CAIRO, profile="iface", port=port, punches=history) as terminal:
        await terminal.punch("2")
        async with running_place(tmp_path, [configured(terminal)]) as place:
            await until(lambda: _is(place, "blocked"))
            assert len(await place.punches()) == 1
        async with running_place(tmp_path, [configured(terminal)]) as place:
            await until(lambda: _is(place, "blocked"))
            codes = [finding["code"] for finding in (await place.terminal("gate"))["findings"]]
            assert codes.count("firmware_changed") == 1
            seen = (await place.terminal("gate"))["unconfirmed"]
            assert (await place.http.post("/v1/terminals/gate/confirm", json=seen)).status_code == 200
            await until(lambda: _holds(place, 2))


async def test_a_place_gives_a_terminal_a_comm_key_in_one_step(tmp_path: Path) -> None:
    async with SimulatedTerminal(zone=CAIRO) as terminal:
        async with running_place(tmp_path, [configured(terminal)]) as place:
            await until(lambda: _has(place, "no_comm_key"))
            state, detail = await do(place, "set_comm_key")
            assert state == "confirmed", detail
            assert 100_000 <= terminal.comm_key <= 999_999
            await until(lambda: _is(place, "online"))
            await until(lambda: _lacks(place, "no_comm_key"))
            jobs = (await place.http.get("/v1/terminals/gate/jobs")).text
            assert str(terminal.comm_key) not in jobs + (await place.http.get("/v1/terminals/gate")).text
        async with running_place(tmp_path, [configured(terminal)]) as place:
            await terminal.punch("1")
            await until(lambda: _holds(place, 1))


async def test_a_key_that_the_terminal_took_before_the_place_died_is_not_lost(tmp_path: Path) -> None:
    async with SimulatedTerminal(zone=CAIRO) as terminal:
        async with running_place(tmp_path, [configured(terminal)]) as place:
            await until(lambda: _is(place, "online"))
        connection = open_database(tmp_path / "place.sqlite3")
        sealed = seal_secret(keys_of(tmp_path / "place.sqlite3"), "gate", "comm_key_next", "424242")
        connection.execute("UPDATE terminal SET comm_key_next = ?", (sealed,))
        connection.close()
        terminal.comm_key = 424242
        async with running_place(tmp_path, [configured(terminal)]) as place:
            await terminal.punch("1")
            await until(lambda: _holds(place, 1))


async def test_a_terminal_that_drops_its_new_key_fails_the_job_and_is_read_on(tmp_path: Path) -> None:
    async with SimulatedTerminal(zone=CAIRO) as terminal:
        async with running_place(tmp_path, [configured(terminal)]) as place:
            await until(lambda: _is(place, "online"))
            await terminal.fault("forget")
            state, detail = await do(place, "set_comm_key")
            assert (state, "asks for no comm key" in detail) == ("failed", True)
            await terminal.punch("1")
            await until(lambda: _holds(place, 1))


async def test_a_pinned_layout_and_unlock_unit_are_used(tmp_path: Path) -> None:
    async with SimulatedTerminal(zone=CAIRO) as terminal:
        async with running_place(tmp_path, [configured(terminal)]) as place:
            await until(lambda: _is(place, "online"))
            change = {"attlog_layout": "40", "unlock_unit": "seconds"}
            view = (await place.http.patch("/v1/terminals/gate", json=change)).json()
            assert (view["attlog_layout"], view["unlock_unit"]) == ("40", "seconds")
            await until(lambda: _is(place, "online"))
            assert (await do(place, "unlock", seconds=7))[0] == "confirmed"
            assert terminal.memory.extras.unlocked_for == [7]
            await terminal.punch("1")
            await until(lambda: _holds(place, 1))
            wrong = await place.http.patch("/v1/terminals/gate", json={"attlog_layout": "41"})
            assert wrong.status_code == 422


async def _reconnected(terminal: SimulatedTerminal, transport: str) -> None:
    if transport == "tcp":
        await terminal.fault("cut")
    else:
        await terminal.power_off()
        await terminal.power_on()


async def _codes(place: RunningPlace) -> set[str]:
    view: dict[str, Any] = await place.terminal("gate")
    return {finding["code"] for finding in view["findings"]}


async def _has(place: RunningPlace, code: str) -> bool:
    return code in await _codes(place)


async def _lacks(place: RunningPlace, code: str) -> bool:
    return code not in await _codes(place)


async def _holds(place: RunningPlace, count: int) -> bool:
    return len(await place.punches()) >= count


async def _is(place: RunningPlace, state: str) -> bool:
    return bool((await place.terminal("gate"))["state"] == state)
