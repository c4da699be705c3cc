"""The demo's year: the same workdays in one piece and in parts, in order and in any order, again and after an end."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from biometric_flow.ledger.events import PunchRecorded
from biometric_flow.model.ids import Pin, TenantId, TerminalSerial
from biometric_flow.model.punch import Channel, Punch, clock_text, punch_id
from biometric_flow.runtime.postgres import EmbeddedPostgres
from biometric_flow.supervisor.company import PACK, SHIFTS, Company, Worker, company
from biometric_flow.supervisor.history import Row, parse
from tests.services.gateways import RunningGateway, fresh_database, running_gateway
from tests.services.hours import CAIRO, Desk

YEAR = Path(__file__).parents[2] / "src/biometric_flow/supervisor/demo_data/attlog-year-2015.dat"
MOVED = timedelta(weeks=52 * 10)
"""2015 becomes 2024/25, which is over."""


def workers(pins: int, days: int) -> list[Worker]:
    rows = [replace(row, time=row.time + MOVED) for row in parse(YEAR.read_text(encoding="utf-8"))]
    end = rows[0].time + timedelta(days=days)
    mine = {str(pin): [row for row in rows if row.pin == str(pin) and row.time < end] for pin in range(1, pins + 1)}
    return [Worker("cairo", pin, f"Person {pin}", found) for pin, found in mine.items()]


def recorded(row: Row) -> PunchRecorded:
    terminal, pin, state = TerminalSerial("CAI0001"), Pin(row.pin), int(row.state)
    return PunchRecorded(
        Punch(
            id=punch_id(TenantId("demo"), terminal, pin, clock_text(row.time), state),
            terminal=terminal,
            pin=pin,
            local_time=row.time,
            instant=row.time.replace(tzinfo=CAIRO).astimezone(UTC),
            state=state,
            verify=1,
            work_code=0,
            drift=None,
            received_at=datetime(2026, 1, 1, tzinfo=UTC),
            channel=Channel.PULL,
        )
    )


async def settle_in(desk: Desk, found: Company) -> None:
    await desk.ask("POST", "/v1/shifts/bulk", json={"items": SHIFTS})
    await desk.ask("POST", "/v1/schedules/bulk", json={"items": found.schedules})
    await desk.ask("POST", "/v1/calendars/bulk", json={"items": found.calendars})
    await desk.ask("POST", "/v1/policies", 201, json=PACK)
    for kind in ("departments", "people", "assignments", "leave"):
        told = await desk.ask("POST", f"/v1/imports/{kind}", content=getattr(found, kind).encode())
        assert told["problems"] == []


async def dump(desk: Desk, until: str) -> dict[tuple[str, str], dict[str, Any]]:
    await desk.settled()
    days = await desk.days(to=until)
    return {(day["number"], day["date"]): {**day, "person": ""} for day in days}


async def in_order_and_piece_by_piece(
    gateway: RunningGateway, found: Company, punches: Sequence[PunchRecorded], parts: int, until: str
) -> dict[tuple[str, str], dict[str, Any]]:
    desk = Desk(gateway, patience=900)
    await settle_in(desk, found)
    size = -(-len(punches) // parts)
    for start in range(0, len(punches), size):
        await desk.punches(*punches[start : start + size])
        await desk.settled()
    held = await dump(desk, until)
    before = await desk.ask("GET", "/v1/workdays/progress")
    await desk.ask("POST", "/v1/workdays/recompute", 202, json={"from": "2020-01-01", "to": until})
    assert await dump(desk, until) == held
    after = await desk.ask("GET", "/v1/workdays/progress")
    assert after["workdays"] == before["workdays"]
    return held


async def in_random_order_and_one_piece(
    gateway: RunningGateway, found: Company, punches: Sequence[PunchRecorded], until: str
) -> dict[tuple[str, str], dict[str, Any]]:
    desk, shuffled = Desk(gateway, patience=900), list(punches)
    random.Random(5).shuffle(shuffled)
    # Nobody knows yet whose punches these are: everything becomes due at once, when people are mapped.
    await desk.punches(*shuffled)
    await settle_in(desk, found)
    return await dump(desk, until)


async def the_same_either_way(
    cluster: EmbeddedPostgres, folder: Path, pins: int, days: int, parts: int
) -> dict[tuple[str, str], dict[str, Any]]:
    people = workers(pins, days)
    found = company(people, {"cairo": "Cairo plant"})
    punches = [
        recorded(row) for row in sorted((row for one in people for row in one.punches), key=lambda row: row.time)
    ]
    until = str(punches[-1].punch.local_time.date())
    with fresh_database(cluster) as one:
        async with running_gateway(folder / "one", one) as gateway:
            held = await in_order_and_piece_by_piece(gateway, found, punches, parts, until)
    with fresh_database(cluster) as other:
        async with running_gateway(folder / "other", other) as gateway:
            assert await in_random_order_and_one_piece(gateway, found, punches, until) == held
    return held


async def test_workdays_are_the_same_in_parts_and_in_one_piece_in_order_and_in_any_order(
    cluster: EmbeddedPostgres, tmp_path: Path
) -> None:
    held = await the_same_either_way(cluster, tmp_path, pins=6, days=60, parts=4)
    present = [day for day in held.values() if day["status"] == "present"]
    assert len(held) == 6 * 60
    assert len(present) > 200
    assert any("overtime" in day["pay"] for day in present)


async def test_what_was_due_when_the_gateway_ended_is_computed_by_the_next_one(
    cluster: EmbeddedPostgres, tmp_path: Path
) -> None:
    people = workers(2, 60)
    found = company(people, {"cairo": "Cairo plant"})
    with fresh_database(cluster) as database:
        async with running_gateway(tmp_path / "gateway", database) as gateway:
            desk = Desk(gateway)
            await desk.punches(*(recorded(row) for one in people for row in one.punches))
            await settle_in(desk, found)
            assert (await desk.ask("GET", "/v1/workdays/progress"))["people_due"] >= 1
        async with running_gateway(tmp_path / "gateway", database) as gateway:
            desk = Desk(gateway)
            await desk.settled()
            assert len(await desk.days(to="2025-02-17")) == 2 * 60


@pytest.mark.drill
async def test_the_whole_year_of_fifty_people_is_the_same_however_it_came(
    cluster: EmbeddedPostgres, tmp_path: Path
) -> None:
    held = await the_same_either_way(cluster, tmp_path, pins=50, days=366, parts=12)
    assert len(held) > 18_000
