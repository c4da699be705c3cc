"""Alarms of pulled terminals: told live or found in the log, each is one event, one finding, one count."""

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from biometric_flow.zk.simulator.terminal import SimulatedTerminal
from biometric_flow.zk.wire.events import AlarmKind
from biometric_flow.zk.wire.oplog import OperationRecord
from biometric_flow.zk.wire.timecode import TerminalTime
from tests.services.places import RunningPlace, configured, running_place, until

CAIRO = ZoneInfo("Africa/Cairo")
SOURCES = [(True, True), (True, False), (False, True)]


@pytest.mark.parametrize(("is_logged", "is_told"), SOURCES)
@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_an_alarm_is_one_event_however_it_is_told(
    tmp_path: Path, transport: str, is_logged: bool, is_told: bool
) -> None:
    async with SimulatedTerminal(zone=CAIRO, transports=(transport,)) as terminal:
        async with running_place(tmp_path, [configured(terminal)]) as place:
            await until(lambda: _online(place))
            terminal.ring(AlarmKind.TAMPER, is_logged=is_logged, is_told=is_told)
            await until(lambda: _has(place, "tamper"))
            expected = {(True, True): "told live and in its log", (True, False): "in its log"}
            wanted = f"tamper, {expected.get((is_logged, is_told), 'told live')}"
            await until(lambda: _told(place, [("alarm", 55, wanted)]))
            assert 'alarms_total{kind="tamper",terminal="gate"} 1.0' in (await place.http.get("/metrics")).text
        async with running_place(tmp_path, [configured(terminal)]) as place:
            await until(lambda: _online(place))
            assert len(await _events(place)) == 1
            assert (await place.http.delete("/v1/terminals/gate/findings/tamper")).status_code == 204


async def test_two_alarms_in_a_moment_are_two_and_a_door_is_no_finding(tmp_path: Path) -> None:
    async with SimulatedTerminal(zone=CAIRO) as terminal:
        async with running_place(tmp_path, [configured(terminal)]) as place:
            await until(lambda: _online(place))
            terminal.ring(AlarmKind.TAMPER, is_told=False)
            rows = terminal.memory.extras.operations
            rows.append(rows[0]._replace(time=TerminalTime(rows[0].time + 5)))
            terminal.ring(AlarmKind.EXIT_BUTTON)
            await until(lambda: _count(place, 3))
            assert sorted(event["kind"] for event in await _events(place)) == ["alarm", "alarm", "door"]
            codes = {finding["code"] for finding in (await place.terminal("gate"))["findings"]}
            assert codes == {"tamper", "no_comm_key"}


async def test_alarms_of_long_ago_are_kept_and_ring_no_bell(tmp_path: Path) -> None:
    async with SimulatedTerminal(zone=CAIRO) as terminal:
        old = OperationRecord(0, 3, TerminalTime.of(2024, 2, 28, 8, 0, 0), (55, 0, 0, 0), b"")
        impossible = old._replace(time=TerminalTime.of(2024, 2, 31, 8, 0, 0))
        menu = old._replace(operation=4)
        terminal.memory.extras.operations += [impossible, old, menu]
        async with running_place(tmp_path, [configured(terminal)]) as place:
            await until(lambda: _count(place, 1))
            [event] = await _events(place)
            assert (event["local_time"], event["detail"]) == ("2024-02-28T08:00:00", "tamper, in its log")
            assert not await _has(place, "tamper")


async def _events(place: RunningPlace) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await place.get("/v1/terminals/gate/events")
    return found


async def _told(place: RunningPlace, expected: list[tuple[str, int, str]]) -> bool:
    return [(event["kind"], event["code"], event["detail"]) for event in await _events(place)] == expected


async def _count(place: RunningPlace, count: int) -> bool:
    return len(await _events(place)) == count


async def _has(place: RunningPlace, code: str) -> bool:
    return code in {finding["code"] for finding in (await place.terminal("gate"))["findings"]}


async def _online(place: RunningPlace) -> bool:
    return bool((await place.terminal("gate"))["state"] == "online")
