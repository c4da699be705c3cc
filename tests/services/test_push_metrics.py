"""What push terminals tell beside punches: alarms that need a person, and numbers for Prometheus."""

from pathlib import Path

from tests.services.places import until
from tests.services.pushes import push_place, pushing
from tests.services.test_push import ROWS, dialling, is_in, terminal
from tests.services.test_push_jobs import do

STATE = b"time=2026-03-02 08:01:00\tsensor=02\trelay=00\talarm=02"


async def test_an_alarm_of_a_door_is_a_finding_until_somebody_has_seen_it(tmp_path: Path) -> None:
    async with push_place(tmp_path, [pushing()]) as place:
        await place.upload("rtstate", STATE)
        first = (await place.terminal("door"))["findings"]
        await place.upload("rtstate", STATE.replace(b"08:01:00", b"08:01:05"))
        assert [one for one in (await place.terminal("door"))["findings"] if one["code"] == "tamper"] == [
            one for one in first if one["code"] == "tamper"
        ]
        assert ("tamper", "alarm") in {(one["code"], one["severity"]) for one in first}
        assert (await place.http.delete("/v1/terminals/door/findings/tamper")).status_code in (200, 204)
        assert "tamper" not in {one["code"] for one in (await place.terminal("door"))["findings"]}


async def test_uploads_commands_and_refusals_are_counted(tmp_path: Path) -> None:
    async with push_place(tmp_path, [pushing()]) as place, terminal() as machine:
        async with dialling(place, machine):
            await until(lambda: is_in(place, "online"))
            assert (await do(place, "check"))[0] == "confirmed"
        await place.upload("ATTLOG", ROWS)
        await place.dial("GET", "getrequest", serial="STRANGER1")
        text = (await place.http.get("/metrics")).text
    assert 'biometric_flow_terminal_push_uploads_total{table="attlog",terminal="door"} 1.0' in text
    assert 'biometric_flow_terminal_push_commands{state="confirmed",terminal="door"} 1.0' in text
    assert 'biometric_flow_push_refused_total{reason="unknown"} 1.0' in text
    assert 'biometric_flow_terminal_rows_total{outcome="accepted",terminal="door"} 2.0' in text
