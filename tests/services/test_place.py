"""A place and its terminals: the real app, real SQLite, the simulator on real sockets."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from biometric_flow.zk.simulator.memory import StoredPunch
from biometric_flow.zk.simulator.terminal import SimulatedTerminal
from biometric_flow.zk.wire.timecode import TerminalTime
from biometric_flow.zk.wire.users import UserRecord
from tests.services.places import configured, running_place, seen_in, truth_of, until

CAIRO = ZoneInfo("Africa/Cairo")
PEOPLE = [UserRecord(0, str(pin), f"Person {pin}") for pin in range(1, 21)]


def past(count: int) -> list[StoredPunch]:
    start = datetime(2026, 3, 2, 8, 0)
    times = (start + timedelta(hours=3 * number) for number in range(count))
    return [
        StoredPunch(str(1 + number % 20), TerminalTime.from_datetime(time), 1, number % 2)
        for number, time in enumerate(times)
    ]


@pytest.mark.parametrize("profile", ["tft", "zk6", "vl49", "ma300", "zk6-8"])
async def test_every_punch_of_a_terminal_is_collected_once(tmp_path: Path, profile: str) -> None:
    async with SimulatedTerminal(profile=profile, users=PEOPLE, punches=past(300), zone=CAIRO) as terminal:
        async with running_place(tmp_path, [configured(terminal)]) as place:
            await until(lambda: _holds(place, 300))
            for number in range(20):
                await terminal.punch(str(1 + number), state=number % 2)
            await until(lambda: _holds(place, 320))
            seen = seen_in(await place.punches())
        assert len(seen) == len(set(seen))
        assert set(seen) == truth_of(terminal)


async def test_a_restarted_place_adds_nothing_and_misses_nothing(tmp_path: Path) -> None:
    async with SimulatedTerminal(users=PEOPLE, punches=past(50), zone=CAIRO) as terminal:
        async with running_place(tmp_path, [configured(terminal)]) as place:
            await until(lambda: _holds(place, 50))
        await terminal.punch("3")
        async with running_place(tmp_path, [configured(terminal)]) as place:
            await until(lambda: _holds(place, 51))
            assert set(seen_in(await place.punches())) == truth_of(terminal)


async def test_a_live_punch_tells_time_zone_drift_and_channel(tmp_path: Path) -> None:
    drift = timedelta(seconds=90)
    async with SimulatedTerminal(users=PEOPLE, zone=CAIRO, drift=drift) as terminal:
        async with running_place(tmp_path, [configured(terminal)]) as place:
            await until(lambda: _is(place, "online"))
            made = await terminal.punch("5", state=1, verify=15)
            await until(lambda: _holds(place, 1))
            (punch,) = await place.punches()
    local = datetime.fromisoformat(punch["local_time"])
    assert local == made.time.to_datetime()
    assert datetime.fromisoformat(punch["instant"]) == local.replace(tzinfo=CAIRO).astimezone(UTC)
    assert abs(punch["drift_ms"] - 90_000) < 2_500
    assert (punch["channel"], punch["verify"], punch["state"]) == ("live", 15, 1)


async def test_a_dead_or_slow_terminal_never_delays_another(tmp_path: Path) -> None:
    async with (
        SimulatedTerminal(serial="GOOD0001", users=PEOPLE, zone=CAIRO) as good,
        SimulatedTerminal(serial="SLOW0001", users=PEOPLE, zone=CAIRO) as slow,
        SimulatedTerminal(serial="DEAD0001", users=PEOPLE, zone=CAIRO) as dead,
    ):
        await slow.fault("silent")
        terminals = [configured(good, "good"), configured(slow, "slow"), configured(dead, "dead")]
        await dead.power_off()
        # Whoever waited for the silent one would wait far longer than this test does.
        async with running_place(tmp_path, terminals, connect_seconds=100) as place:
            await until(lambda: _is(place, "online", "good"))
            await good.punch("4")
            await until(lambda: _holds(place, 1))
            await until(lambda: _is(place, "offline", "slow"))
            await until(lambda: _is(place, "offline", "dead"))
            assert "127.0.0.1" in (await place.terminal("dead"))["reason"]
            await dead.power_on()
            await until(lambda: _is(place, "online", "dead"))


async def test_punches_made_while_the_line_is_cut_arrive_after(tmp_path: Path) -> None:
    async with SimulatedTerminal(users=PEOPLE, zone=CAIRO) as terminal:
        async with running_place(tmp_path, [configured(terminal)]) as place:
            await until(lambda: _is(place, "online"))
            for round_number in range(5):
                await terminal.fault("cut")
                await terminal.punch(str(1 + round_number))
                await until(lambda expected=round_number + 1: _holds(place, expected))
            assert set(seen_in(await place.punches())) == truth_of(terminal)


async def test_one_impossible_date_costs_nothing_else(tmp_path: Path) -> None:
    bad = StoredPunch("2", TerminalTime.of(2026, 2, 31, 8, 0, 0))
    async with SimulatedTerminal(users=PEOPLE, punches=[*past(10), bad, *past(30)[10:]], zone=CAIRO) as terminal:
        async with running_place(tmp_path, [configured(terminal)]) as place:
            await until(lambda: _holds(place, 30))
            (aside,) = await place.get("/v1/quarantine")
            counters = (await place.terminal("gate"))["counters"]
    assert aside["reason"] == "impossible_time"
    assert "2026-02-31T08:00:00" in aside["detail"]
    assert counters["received"] == counters["accepted"] + counters["quarantined"] + counters["duplicate"]
    assert (counters["accepted"], counters["quarantined"]) == (30, 1)


async def test_a_wrong_comm_key_is_said_and_mended_through_the_api(tmp_path: Path) -> None:
    async with SimulatedTerminal(users=PEOPLE, punches=past(5), comm_key=1234, zone=CAIRO) as terminal:
        async with running_place(tmp_path, [configured(terminal, comm_key="9999")]) as place:
            await until(lambda: _is(place, "blocked"))
            assert "comm key" in (await place.terminal("gate"))["reason"]
            answer = await place.http.patch("/v1/terminals/gate", json={"comm_key": "1234"})
            assert "1234" not in answer.text
            await until(lambda: _holds(place, 5))
        async with running_place(tmp_path, [configured(terminal, comm_key="9999")]) as place:
            await until(lambda: _is(place, "online"))


async def test_an_exchanged_terminal_is_not_read_until_confirmed(tmp_path: Path) -> None:
    async with SimulatedTerminal(serial="FIRST001", users=PEOPLE, punches=past(3), zone=CAIRO) as first:
        port = first.port
        async with running_place(tmp_path, [configured(first)]) as place:
            await until(lambda: _holds(place, 3))
    async with SimulatedTerminal(serial="OTHER002", users=PEOPLE, punches=past(9), zone=CAIRO, port=port) as other:
        async with running_place(tmp_path, [configured(other)]) as place:
            await until(lambda: _is(place, "blocked"))
            assert "FIRST001" in (await place.terminal("gate"))["reason"]
            assert len(await place.punches()) == 3
            await place.http.patch("/v1/terminals/gate", json={"serial": "OTHER002"})
            await until(lambda: _holds(place, 12))


async def test_terminals_are_added_and_switched_off_at_run_time_and_survive_a_restart(tmp_path: Path) -> None:
    async with SimulatedTerminal(users=PEOPLE, punches=past(7), zone=CAIRO) as terminal:
        new = {"key": "added", "name": "Added", "host": "127.0.0.1", "port": terminal.port}
        async with running_place(tmp_path) as place:
            assert (await place.http.post("/v1/terminals", json=new)).status_code == 201
            await until(lambda: _holds(place, 7))
            twice = await place.http.post("/v1/terminals", json=new)
            assert (twice.status_code, twice.json()["code"]) == (409, "terminal.exists")
        async with running_place(tmp_path) as place:
            await until(lambda: _is(place, "online", "added"))
            await place.http.patch("/v1/terminals/added", json={"is_enabled": False})
            await until(lambda: _is(place, "disabled", "added"))
            await terminal.punch("1")
        async with running_place(tmp_path) as place:
            assert (await place.terminal("added"))["state"] == "disabled"
            assert len(await place.punches()) == 7


async def test_people_are_shown_with_their_names_and_last_punch(tmp_path: Path) -> None:
    names = [UserRecord(0, "1", "أمينة حسن"), UserRecord(0, "2", "রহিমা")]
    async with SimulatedTerminal(users=names, zone=CAIRO) as terminal:
        async with running_place(tmp_path, [configured(terminal)]) as place:
            await until(lambda: _is(place, "online"))
            await terminal.punch("2")
            await until(lambda: _holds(place, 1))
            people = await place.get("/v1/people")
    assert [(person["pin"], person["name"]) for person in people] == [("1", "أمينة حسن"), ("2", "রহিমা")]
    assert people[0]["last_punch"] is None
    assert people[1]["last_punch"] is not None


async def test_the_stream_resumes_after_the_last_event_without_loss_or_repeat(tmp_path: Path) -> None:
    async with SimulatedTerminal(users=PEOPLE, zone=CAIRO) as terminal:
        async with running_place(tmp_path, [configured(terminal)]) as place:
            await until(lambda: _is(place, "online"))
            for number in range(3):
                await terminal.punch(str(1 + number))
            await until(lambda: _holds(place, 3))
            first = await _stream(place, 0, 2)
            await terminal.punch("9")
            rest = await _stream(place, first[-1][0], 2)
    assert [pin for _, pin in first + rest] == ["1", "2", "3", "9"]


@pytest.mark.parametrize("path", ["/v1/terminals", "/v1/punches", "/v1/ledger/entries", "/v1/stream", "/openapi.json"])
async def test_a_stranger_learns_nothing(tmp_path: Path, path: str) -> None:
    async with running_place(tmp_path) as place:
        for headers in ({"Authorization": ""}, {"Authorization": "Bearer wrong"}):
            answer = await place.http.get(path, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (401, "access.unauthenticated")
        malformed = await place.http.post("/v1/terminals", content=b"{", headers={"Authorization": ""})
        assert malformed.status_code == 401


async def test_health_needs_no_key_and_names_what_is_wrong(tmp_path: Path) -> None:
    async with SimulatedTerminal(users=PEOPLE, zone=CAIRO) as terminal:
        async with running_place(tmp_path, [configured(terminal)]) as place:
            await until(lambda: _is(place, "online"))
            health = (await place.http.get("/health", headers={"Authorization": ""})).json()
            assert (health["status"], health["terminals_online"]) == ("ok", 1)
            await terminal.power_off()
            await until(lambda: _is(place, "offline"))
            health = (await place.http.get("/health")).json()
            assert (health["status"], health["terminals_online"], health["terminals_total"]) == ("degraded", 0, 1)


async def test_hostile_bytes_on_the_port_change_nothing(tmp_path: Path) -> None:
    async with running_place(tmp_path) as place:
        host, port = place.url.removeprefix("http://").split(":")
        attacks = [
            b"\x00\xff" * 5000,
            b"GET / HTTP/1.1\r\n" + b"X: " + b"a" * 200_000 + b"\r\n\r\n",
            b"POST /v1/terminals HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999999\r\n\r\n",
            b"POST /v1/terminals HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
            b"GET /v1/punches HTTP/1.1\r\nHost: x\r\n",
        ]
        for attack in attacks:
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(attack)
            await writer.drain()
            writer.write_eof()
            answer = await asyncio.wait_for(reader.read(2000), 5)
            assert b" 200 " not in answer.split(b"\r\n")[0]
            writer.close()
        huge = await place.http.post("/v1/terminals", content=b"x" * 3_000_000)
        assert (huge.status_code, huge.json()["code"]) == (413, "request.too_large")
        assert (await place.get("/health"))["status"] == "ok"


async def _holds(place, count: int) -> bool:  # type: ignore[no-untyped-def]
    return len(await place.punches()) >= count


async def _is(place, state: str, key: str = "gate") -> bool:  # type: ignore[no-untyped-def]
    return (await place.terminal(key))["state"] == state


async def _stream(place, last: int, count: int) -> list[tuple[int, str]]:  # type: ignore[no-untyped-def]
    found: list[tuple[int, str]] = []
    identity = 0
    async with asyncio.timeout(10):
        async with place.http.stream("GET", "/v1/stream", headers={"Last-Event-ID": str(last)}) as answer:
            async for line in answer.aiter_lines():
                if line.startswith("id: "):
                    identity = int(line[4:])
                if line.startswith("data: ") and "pin" in line:
                    found.append((identity, json.loads(line[6:])["pin"]))
                    if len(found) == count:
                        return found
    return found
