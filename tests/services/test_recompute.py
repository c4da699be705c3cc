"""An order to compute everything again never delays what just happened, and a kill -9 in its middle costs nothing."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import httpx2
import psycopg
import pytest
from sqlalchemy import select

from biometric_flow.api.clients import GatewayClient
from biometric_flow.gateway.registry import Registry
from biometric_flow.gateway.store import schema, workdays
from biometric_flow.gateway.store.hours_tables import workday_due
from biometric_flow.gateway.workdays.loader import Loader
from biometric_flow.gateway.workdays.worker import WorkdayKeeper
from biometric_flow.model.ids import TenantId
from biometric_flow.runtime.clock import SystemClock
from biometric_flow.runtime.database import Database
from biometric_flow.runtime.postgres import SUPERUSER, EmbeddedPostgres
from tests.services.demos import free_ports
from tests.services.gateways import (
    ADMIN,
    PASSWORD,
    RunningGateway,
    TestDatabase,
    fresh_database,
    places_file,
    running_gateway,
    with_keys,
)
from tests.services.hours import MONDAY, Desk, worked_week
from tests.services.places import until
from tests.services.test_up import environment, is_ok
from tests.services.test_year import company, dump, recorded, settle_in, workers

DEMO = TenantId("demo")


@contextlib.asynccontextmanager
async def real_gateway(folder: Path, database: TestDatabase) -> AsyncIterator[tuple[Desk, asyncio.subprocess.Process]]:
    """A gateway as a process of its own."""
    config, port = folder / "config", free_ports().gateway
    (config / "environments").mkdir(parents=True, exist_ok=True)
    (config / "places.json").write_text(json.dumps(places_file().model_dump(mode="json")), encoding="utf-8")
    said = {"data": str(folder / "gateway"), "port": str(port), "admin_email": ADMIN, "admin_password": PASSWORD}
    environment(config, "gateway", "GATEWAY", **said, dsn=database.dsn, owner_dsn=database.owner_dsn)
    command = (sys.executable, "-m", "biometric_flow.cli", "gateway", "--config", str(config))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        await until(lambda: is_ok(f"{url}/health"))
        client = GatewayClient(url)
        async with httpx2.AsyncClient(base_url=url, timeout=20) as http:
            token = (await client.sign_in(ADMIN, PASSWORD)).access_token
            running = RunningGateway(url, http, client, database, lambda *_: None, token)  # type: ignore[arg-type, return-value]
            yield Desk(running, patience=900), process
        await client.close()
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()


async def killed_in_the_middle(cluster: EmbeddedPostgres, folder: Path, pins: int, days: int, kills: int) -> int:
    """Order all of it again with nothing stored, kill the process as often; how many times it was in the middle."""
    people = workers(pins, days)
    found = company(people, {"cairo": "Cairo plant"})
    punches = [recorded(row) for one in people for row in one.punches]
    last = str(max(one.punch.local_time.date() for one in punches))
    in_the_middle = 0
    with fresh_database(cluster) as database:
        async with running_gateway(folder / "gateway", database) as gateway:
            desk = Desk(gateway, patience=900)
            await settle_in(desk, found)
            await desk.punches(*punches)
            held = await dump(desk, last)
        with psycopg.connect(database.server.dsn(SUPERUSER, database.name), autocommit=True) as connection:
            connection.execute("DELETE FROM workday")
        for turn in range(kills):
            async with real_gateway(folder, database) as (desk, process):
                if turn == 0:
                    await desk.ask("POST", "/v1/workdays/recompute", 202, json={"from": "2020-01-01", "to": last})

                async def some_are_computed(desk: Desk = desk, wanted: int = (turn + 1) * len(held) // 20) -> bool:
                    return bool((await desk.ask("GET", "/v1/workdays/progress"))["workdays"] > wanted)

                await until(some_are_computed)
                in_the_middle += (await desk.ask("GET", "/v1/workdays/progress"))["people_due"] > 0
                os.kill(process.pid, signal.SIGKILL)
                await process.wait()
        async with real_gateway(folder, database) as (desk, _process):
            assert await dump(desk, last) == held
    return in_the_middle


async def test_a_recompute_whose_gateway_was_killed_goes_on_and_comes_out_the_same(
    cluster: EmbeddedPostgres, tmp_path: Path
) -> None:
    assert await killed_in_the_middle(cluster, tmp_path, pins=8, days=120, kills=1) == 1


@pytest.mark.drill
async def test_a_years_recompute_that_is_killed_again_and_again_comes_out_the_same(
    cluster: EmbeddedPostgres, tmp_path: Path
) -> None:
    assert await killed_in_the_middle(cluster, tmp_path, pins=50, days=366, kills=8) >= 6


async def test_a_fresh_punch_is_in_its_day_while_everybody_waits_for_a_full_recompute(
    cluster: EmbeddedPostgres, tmp_path: Path
) -> None:
    with fresh_database(cluster) as own:
        async with running_gateway(tmp_path / "gateway", own) as gateway:
            desk = Desk(gateway)
            await desk.plan()
            people = [UUID(await desk.hire(f"E{pin}", str(pin))) for pin in range(1, 7)]
            await desk.punches(*(event for pin in range(1, 7) for event in worked_week(str(pin))))
            await desk.settled()
        database, clock = with_keys(Database(own.dsn, schema.APPLICATION), tmp_path / "gateway"), SystemClock()
        database.is_ready = True
        keeper = WorkdayKeeper(database, Registry(places_file(), timedelta(seconds=30)), Loader(), clock)
        long_ago = clock.now() - timedelta(hours=1)
        async with database.tenant(DEMO) as connection:
            everything = {person: (MONDAY, MONDAY + timedelta(days=20)) for person in people}
            await workdays.mark(connection, DEMO, everything, long_ago, is_order=True)
            await workdays.mark(connection, DEMO, {people[-1]: (MONDAY, MONDAY)}, long_ago + timedelta(minutes=50))
        assert await keeper.turn(DEMO)
        async with database.tenant(DEMO) as connection:
            left = (await connection.execute(select(workday_due.c.is_order))).scalars().all()
        assert left == [True] * 5  # what just happened is done, and of the order one part
        while await keeper.turn(DEMO):
            pass
        async with database.tenant(DEMO) as connection:
            assert (await connection.execute(select(workday_due))).all() == []
        await database.close()
