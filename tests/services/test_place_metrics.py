"""What Prometheus learns of a place, and what it does not."""

from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from prometheus_client.parser import text_string_to_metric_families

from biometric_flow.zk.simulator.terminal import SimulatedTerminal
from biometric_flow.zk.wire.users import UserRecord
from tests.services.places import RunningPlace, configured, running_place, until

CAIRO = ZoneInfo("Africa/Cairo")
Sample = tuple[str, tuple[tuple[str, str], ...]]


async def test_terminals_are_measured_and_nobody_is_named(tmp_path: Path) -> None:
    amina = UserRecord(0, "4711", "Amina Hassan")
    async with (
        SimulatedTerminal(zone=CAIRO, users=[amina], drift=timedelta(seconds=100)) as terminal,
        SimulatedTerminal(serial="GONE0001", zone=CAIRO) as gone,
    ):
        await gone.power_off()
        async with running_place(tmp_path, [configured(terminal), configured(gone, "gone")]) as place:
            await until(lambda: _online(place))
            await terminal.punch("4711")
            await until(lambda: _punched(place))
            text = (await place.http.get("/metrics")).text
            assert (await place.http.get("/metrics", headers={"Authorization": ""})).status_code == 401
    told = _samples(text)
    assert told[_sample("terminal_online")] == 1
    assert told[_sample("terminal_online", terminal="gone")] == 0
    assert abs(told[_sample("terminal_drift_seconds")] - 100) < 3
    assert told[_sample("terminal_rows_total", outcome="accepted")] == 1
    assert told[_sample("terminal_capacity_ratio", of="people")] == 1 / 5000
    assert told[_sample("terminal_findings", severity="warning")] == 2
    assert told[_sample("terminal_errors_total", terminal="gone", code="terminal.unreachable")] >= 1
    assert 0 <= told[_sample("terminal_latency_seconds")] < 2
    assert 0 <= told[_sample("terminal_last_contact_age_seconds")] < 10
    assert told[_sample("terminal_rows_unread")] == 0
    assert not any(word in text for word in ("Amina", "4711", "demo"))


def _sample(name: str, terminal: str = "gate", **labels: str) -> Sample:
    return f"biometric_flow_{name}", tuple(sorted({"terminal": terminal, **labels}.items()))


def _samples(text: str) -> dict[Sample, float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def _online(place: RunningPlace) -> bool:
    return bool((await place.terminal("gate"))["state"] == "online")


async def _punched(place: RunningPlace) -> bool:
    return bool(await place.punches())
