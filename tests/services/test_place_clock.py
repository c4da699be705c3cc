"""Clocks and findings: what a place notices about its terminals, and what it sets right."""

from base64 import b64decode
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from biometric_flow.ledger.events import ClockCorrected, decode
from biometric_flow.zk.simulator.terminal import SimulatedTerminal
from tests.services.places import RunningPlace, configured, running_place, until

CAIRO = ZoneInfo("Africa/Cairo")


async def test_a_clock_above_its_limit_is_set_and_every_correction_recorded(tmp_path: Path) -> None:
    async with SimulatedTerminal(zone=CAIRO, drift=timedelta(minutes=-7)) as terminal:
        entry = configured(terminal).model_copy(update={"clock": "above", "clock_above_seconds": 60})
        async with running_place(tmp_path, [entry]) as place:
            await until(lambda: _corrected(place))
            await until(lambda: _drift_below(place, 2_000))
            [event] = await _corrections(place)
            assert event.terminal == "SIM0000001"
            assert abs(event.drift + timedelta(minutes=7)) < timedelta(seconds=3)
            true = datetime.now(CAIRO).replace(tzinfo=None)
            assert abs(terminal.clock.read().to_datetime() - true) < timedelta(seconds=3)
            assert "clock_jumped" not in await _codes(place)


async def test_a_clock_is_left_alone_by_default_and_its_drift_is_a_finding(tmp_path: Path) -> None:
    async with SimulatedTerminal(zone=CAIRO, drift=timedelta(minutes=7)) as terminal:
        async with running_place(tmp_path, [configured(terminal)]) as place:
            await until(lambda: _online(place))
            assert "clock_drift" in await _codes(place)
            assert await _corrections(place) == []
            assert terminal.clock.drift == timedelta(minutes=7)


async def test_jumps_and_resets_stay_until_a_person_has_seen_them(tmp_path: Path) -> None:
    async with SimulatedTerminal(zone=CAIRO) as terminal:
        async with running_place(tmp_path, [configured(terminal)]) as place:
            await until(lambda: _online(place))
            terminal.clock.drift = timedelta(hours=1)
            await until(lambda: _has(place, "clock_jumped"))
            terminal.clock.drift = datetime(2000, 1, 1, 0, 5) - datetime.now(CAIRO).replace(tzinfo=None)
            await until(lambda: _has(place, "clock_reset"))
            terminal.clock.drift = timedelta()
        async with running_place(tmp_path, [configured(terminal)]) as place:
            assert {"clock_jumped", "clock_reset"} <= await _codes(place)
            for code in ("clock_jumped", "clock_reset"):
                assert (await place.http.delete(f"/v1/terminals/gate/findings/{code}")).status_code == 204
            assert not {"clock_jumped", "clock_reset"} & await _codes(place)
            again = await place.http.delete("/v1/terminals/gate/findings/clock_reset")
            assert (again.status_code, again.json()["code"]) == (404, "finding.unknown")


async def test_missing_and_unasked_comm_keys_are_findings(tmp_path: Path) -> None:
    async with SimulatedTerminal(zone=CAIRO) as terminal:
        async with running_place(tmp_path / "a", [configured(terminal)]) as place:
            await until(lambda: _has(place, "no_comm_key"))
        async with running_place(tmp_path / "b", [configured(terminal, comm_key="1234")]) as place:
            await until(lambda: _online(place))
            [finding] = [one for one in await _findings(place) if one["code"] == "comm_key_not_asked"]
            assert finding["severity"] == "alarm"


async def _findings(place: RunningPlace) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await place.terminal("gate"))["findings"]
    return found


async def _codes(place: RunningPlace) -> set[str]:
    return {finding["code"] for finding in await _findings(place)}


async def _has(place: RunningPlace, code: str) -> bool:
    return code in await _codes(place)


async def _online(place: RunningPlace) -> bool:
    return bool((await place.terminal("gate"))["state"] == "online")


async def _drift_below(place: RunningPlace, limit: int) -> bool:
    return abs((await place.terminal("gate"))["drift_ms"]) < limit


async def _corrected(place: RunningPlace) -> bool:
    return bool(await _corrections(place))


async def _corrections(place: RunningPlace) -> list[ClockCorrected]:
    page = await place.get("/v1/ledger/entries", limit=1000)
    events = [decode(b64decode(entry["record"])) for entry in page["entries"]]
    return [event for event in events if isinstance(event, ClockCorrected)]
