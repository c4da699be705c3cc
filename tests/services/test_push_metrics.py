"""What push terminals tell beside punches: alarms that need a person, and numbers for Prometheus."""

import asyncio
from datetime import datetime
from pathlib import Path

from tests.services.places import until
from tests.services.pushes import PushPlace, push_place, pushing
from tests.services.test_push import CAIRO, ROWS, dialling, is_in, terminal
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


async def test_rows_that_a_terminal_counted_and_the_place_does_not_hold_are_told_until_they_came(
    tmp_path: Path,
) -> None:
    async def unread(place: PushPlace, count: int) -> bool:
        wanted = f'biometric_flow_terminal_rows_unread{{terminal="door"}} {count}.0'
        return wanted in (await place.http.get("/metrics")).text

    settings = {"push_reconcile_seconds": 0.5, "push_answer_seconds": 60}
    async with push_place(tmp_path, [pushing()], **settings) as place:
        today = datetime.now(CAIRO).strftime("%Y-%m-%d")
        await place.dial("GET", "cdata?options=all")
        assert not await unread(place, 0)
        for held, told, left in (("", 1, 1), (f"7\t{today} 00:00:01\t0\t1\n", 1, 0)):
            if held:
                await place.upload("ATTLOG", held.encode())
            await answer_counts(place, today, told)
            await until(lambda left=left: unread(place, left))


async def answer_counts(place: PushPlace, today: str, told: int) -> None:
    """Say that today holds so many punches, and other days none, once it is asked."""
    while True:
        _, text = await place.dial("GET", "getrequest")
        asked = [line for line in text.splitlines() if line.startswith("C:")]
        for line in asked:
            count = told if f"StartTime={today}" in line else 0
            result = f"ID={line.split(':')[1]}&Return=0&CMD=VERIFY SUM&AttlogSum={count}"
            await place.dial("POST", "devicecmd", result.encode())
        if any(f"StartTime={today}" in line and "VERIFY" in line for line in asked):
            return
        await asyncio.sleep(0.05)


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
    (latency,) = (line for line in text.splitlines() if line.startswith("biometric_flow_terminal_latency_seconds{"))
    assert 0 <= float(latency.rpartition(" ")[2]) < 60
    assert 'biometric_flow_push_refused_total{reason="unknown"} 1.0' in text
    assert "biometric_flow_push_archive_failures_total 0.0" in text
    assert 'biometric_flow_terminal_rows_total{outcome="accepted",terminal="door"} 2.0' in text
