"""Limits, failed sign-ins and nonces that two gateways count together in a real Redis, and what holds without it."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest
import redis

from biometric_flow.gateway import shared
from biometric_flow.gateway.counts import SeenAttacks
from biometric_flow.gateway.shared import shared_store
from biometric_flow.gateway.shared_counts import Allowance, SharedCounts
from biometric_flow.runtime.clock import SystemClock
from tests.services.gateways import ADMIN, PASSWORD, RunningGateway, TestDatabase, running_gateway
from tests.services.places import until
from tests.services.redises import running_redis
from tests.services.test_place_joining import joined, signed

WRONG = "a password that nobody has"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_redis(tmp_path_factory.mktemp("redis")) as (url, _process):
        yield url


@pytest.fixture
def store(address: str) -> str:
    """A store that is empty and whole."""
    with redis.Redis.from_url(address) as client:
        client.flushall()
    return address


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many tests share this machine: what is slow is not away. After a failure it is asked again soon."""
    monkeypatch.setattr(shared, "WAIT_SECONDS", 5.0)
    monkeypatch.setattr(shared, "AWAY_SECONDS", 0.5)


@contextlib.asynccontextmanager
async def instances(
    folder: Path, database: TestDatabase, url: str, **settings: object
) -> AsyncIterator[tuple[RunningGateway, RunningGateway]]:
    async with (
        running_gateway(folder, database, shared_url=url, **settings) as one,
        running_gateway(folder, database, shared_url=url, **settings) as two,
    ):
        yield one, two


@contextlib.asynccontextmanager
async def counted(url: str) -> AsyncIterator[tuple[SharedCounts, SharedCounts]]:
    """What two instances count with."""
    stores = [shared_store(url, SystemClock()) for _ in range(2)]
    try:
        yield SharedCounts(stores[0], bytes(32)), SharedCounts(stores[1], bytes(32))
    finally:
        for one in stores:
            await one.close()


async def me(gateway: RunningGateway, token: str) -> httpx2.Response:
    return await gateway.http.get("/v1/me", headers={"Authorization": f"Bearer {token}"})


async def tried(gateway: RunningGateway, password: str) -> tuple[int, str]:
    """Status and code of a sign-in."""
    body = {"grant_type": "password", "email": ADMIN, "password": password}
    answer = await gateway.http.post("/v1/auth/token", json=body)
    return answer.status_code, answer.json().get("code", "")


async def test_a_limit_is_one_limit_whichever_instance_is_asked(
    database: TestDatabase, tmp_path: Path, store: str
) -> None:
    async with instances(tmp_path, database, store, identity_rate=0.2) as (one, two):
        assert (await me(one, one.token)).status_code == 200
        refused = await me(two, one.token)
        assert (refused.status_code, refused.json()["code"]) == (429, "access.too_many")
        assert int(refused.headers["retry-after"]) >= 1
        with redis.Redis.from_url(store) as client:
            names = b" ".join(client.keys())
        assert b"127.0.0.1" not in names
        assert b"demo" not in names


async def test_captured_requests_of_a_place_and_failed_sign_ins_count_at_every_instance(
    database: TestDatabase, tmp_path: Path, store: str
) -> None:
    async with instances(tmp_path, database, store) as (one, two):
        key = await joined(one)
        captured = signed(key, "GET", "/v1/places/cairo/position")
        assert (await one.http.get("/v1/places/cairo/position", headers=captured)).status_code == 200
        again = await two.http.get("/v1/places/cairo/position", headers=captured)
        assert (again.status_code, again.json()["code"]) == (401, "access.repeated")
        await wrong_passwords_are_counted_together(one, two)


async def wrong_passwords_are_counted_together(one: RunningGateway, two: RunningGateway) -> None:
    for number in range(5):
        assert await tried((one, two)[number % 2], WRONG) == (401, "access.bad_credentials")
    assert await tried(one, PASSWORD) == (429, "access.too_many")
    assert await tried(two, PASSWORD) == (429, "access.too_many")


async def test_without_the_store_nobody_signs_in_others_go_on_and_what_is_limited_stays_so(
    database: TestDatabase, tmp_path: Path
) -> None:
    with running_redis(tmp_path) as (url, process):
        port = int(url.rsplit(":", 1)[1].partition("/")[0])
        async with instances(tmp_path, database, url, tenant_rate=4) as (one, two):
            key = await joined(one)
            process.kill()
            process.wait(10)
            body = {"grant_type": "password", "email": ADMIN, "password": PASSWORD}
            refused = await two.http.post("/v1/auth/token", json=body)
            assert (refused.status_code, refused.json()["code"]) == (503, "shared.away")
            assert "SHARED_URL" in refused.json()["detail"]
            assert int(refused.headers["retry-after"]) >= 1
            assert (await me(two, one.token)).status_code == 200

            captured = signed(key, "GET", "/v1/places/cairo/position")
            statuses = [
                (await one.http.get("/v1/places/cairo/position", headers=captured)).status_code for _ in range(2)
            ]
            assert statuses == [200, 401], "each instance still knows what came to itself"
            asked = await asyncio.gather(*(me(one, one.token) for _ in range(60)))
            assert {answer.status_code for answer in asked} == {200, 429}
            with running_redis(tmp_path, port):

                async def is_entered() -> bool:
                    return {await tried(gateway, PASSWORD) for gateway in (one, two)} == {(200, "")}

                await until(is_entered)
                await wrong_passwords_are_counted_together(one, two)


async def test_a_store_that_hangs_is_left_alone_and_requests_are_answered(
    database: TestDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "WAIT_SECONDS", 0.25)
    with running_redis(tmp_path) as (url, process):
        async with running_gateway(tmp_path, database, shared_url=url) as gateway:
            process.send_signal(signal.SIGSTOP)
            try:
                asked = await asyncio.gather(*(me(gateway, gateway.token) for _ in range(40)))
                assert {answer.status_code for answer in asked} == {200}
                assert await tried(gateway, PASSWORD) == (503, "shared.away")
            finally:
                process.send_signal(signal.SIGCONT)


async def test_what_one_bucket_refuses_costs_the_others_nothing(store: str) -> None:
    async with counted(store) as (one, two):
        slow, wide = Allowance("slow", 0.001, 2), Allowance("wide", 0.001, 100)
        for counts in (one, two):
            assert await counts.take([slow, wide]) == [0, 0]
        refused = await asyncio.gather(*(one.take([slow, wide]) for _ in range(300)))
        assert {(waits[0] > 900, waits[1]) for waits in refused} == {(True, 0)}
        allowed = await asyncio.gather(*((one, two)[number % 2].take([wide]) for number in range(300)))
        assert sum(waits == [0] for waits in allowed) == 98


async def test_the_alert_about_sign_ins_counts_those_of_all_instances(store: str) -> None:
    async with counted(store) as (one, two):
        here, there = SeenAttacks(SystemClock(), one), SeenAttacks(SystemClock(), two)
        for tenant in ("demo", "demo", "", "other"):
            await here.failed(tenant)
        await there.failed("demo")
        assert [await there.count(tenant) for tenant in ("demo", "other")] == [4, 2]


async def test_waits_of_failures_double_and_a_success_forgets_them(store: str) -> None:
    async with counted(store) as (one, two):
        for number in range(7):
            await (one, two)[number % 2].failed("code", "somebody")
        assert 6 < await one.wait("code", "somebody") <= 8
        assert await one.wait("password", "somebody") == 0
        await one.succeeded("code", "somebody")
        assert await two.wait("code", "somebody") == 0


async def test_more_questions_than_connections_wait_for_one_instead_of_giving_the_store_up(store: str) -> None:
    one = shared_store(store, SystemClock())
    try:
        found = await asyncio.gather(*(one.do(lambda: one.redis.get("nothing")) for _ in range(200)))
        assert found == [None] * 200
    finally:
        await one.close()
