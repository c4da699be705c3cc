"""A re-sync moves what is new, and a list that is another is noticed."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog

from biometric_flow.zk.simulator.memory import StoredPunch
from biometric_flow.zk.simulator.profiles import PROFILES
from biometric_flow.zk.simulator.terminal import SimulatedTerminal
from biometric_flow.zk.wire.timecode import TerminalTime
from tests.services.places import RunningPlace, configured, running_place, seen_in, truth_of, until

CAIRO = ZoneInfo("Africa/Cairo")


def past(count: int, first: int = 0) -> list[StoredPunch]:
    start = datetime(2026, 3, 2, 8, 0)
    return [
        StoredPunch(str(1 + number % 20), TerminalTime.from_datetime(start + timedelta(minutes=7 * number)))
        for number in range(first, first + count)
    ]


async def test_missed_punches_are_fetched_without_the_log_before_them(tmp_path: Path) -> None:
    async with SimulatedTerminal(punches=past(500), zone=CAIRO) as terminal:
        with structlog.testing.capture_logs() as logs:
            async with running_place(tmp_path, [configured(terminal)]) as place:
                await until(lambda: _holds(place, 500))
            for punch in past(30, first=500):
                terminal.memory.remember(punch)
            async with running_place(tmp_path, [configured(terminal)]) as place:
                await until(lambda: _holds(place, 530))
                assert set(seen_in(await place.punches())) == truth_of(terminal)
    assert [entry["read"] for entry in logs if entry["event"] == "log_read"] == [500, 30]


async def test_a_full_list_that_forgets_its_oldest_rows_stays_the_same_list(tmp_path: Path) -> None:
    small = replace(PROFILES["tft"], attlog_capacity=300)
    async with SimulatedTerminal(profile=small, punches=past(300), zone=CAIRO) as terminal:
        size, everything = small.attlog.size, truth_of(terminal)
        async with running_place(tmp_path, [configured(terminal)]) as place:
            await until(lambda: _holds(place, 300))
            for punch in past(40, first=300):
                terminal.memory.remember(punch)
                del terminal.memory._rows[:size]
                del terminal.memory.punches[0]
            await terminal.fault("cut")
            await until(lambda: _holds(place, 340))
            assert set(seen_in(await place.punches())) == everything | truth_of(terminal)
            assert "generation_started" not in await _codes(place)


async def test_a_list_that_was_cleared_and_filled_again_is_noticed(tmp_path: Path) -> None:
    async with SimulatedTerminal(punches=past(100), zone=CAIRO) as terminal:
        before = truth_of(terminal)
        async with running_place(tmp_path, [configured(terminal)]) as place:
            await until(lambda: _holds(place, 100))
            terminal.memory._rows.clear()
            terminal.memory.punches.clear()
            for punch in past(150, first=5000):
                terminal.memory.remember(punch)
            await until(lambda: _holds(place, 250))
            assert set(seen_in(await place.punches())) == before | truth_of(terminal)
            assert "generation_started" in await _codes(place)


async def _holds(place: RunningPlace, count: int) -> bool:
    return len(await place.punches()) >= count


async def _codes(place: RunningPlace) -> set[str]:
    return {finding["code"] for finding in (await place.terminal("gate"))["findings"]}
