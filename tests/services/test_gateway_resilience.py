"""The gateway when its database dies, when it is killed itself, and when strangers send rubbish."""

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import psutil
import psycopg
import pytest

from biometric_flow.api.clients import GatewayClient, GatewayProblem, GatewayUnreachable
from biometric_flow.runtime.postgres import SUPERUSER, EmbeddedPostgres
from tests.services.gateways import (
    ADMIN,
    PASSWORD,
    Chain,
    RunningGateway,
    TestDatabase,
    places_file,
    running_gateway,
    touches,
)
from tests.services.places import until


async def test_a_killed_database_comes_back_by_itself_and_nothing_is_lost_or_doubled(passable: Path) -> None:
    async with running_gateway(passable / "data", None) as gateway:
        chain, uplink = Chain(), gateway.uplink()
        server = EmbeddedPostgres(passable / "data" / "postgres")
        refused: set[tuple[str, bool]] = set()
        slowest = 0.0
        for round_number in range(12):
            new = chain.add(*touches(25, first=25 * round_number))
            if round_number in (3, 8):
                pid = server.pid()
                assert pid is not None
                os.kill(pid, signal.SIGKILL)
            while True:
                began = time.perf_counter()
                try:
                    held = await uplink.upload(len(chain.entries) - 25, new)
                except GatewayProblem as problem:
                    refused.add((problem.code, problem.retryable))
                    slowest = max(slowest, time.perf_counter() - began)
                    await asyncio.sleep(0.05)
                    continue
                assert held == len(chain.entries)
                break
        assert refused <= {("database.unavailable", True)}
        assert slowest < 12
        await until(gateway.is_well)
        assert await gateway.count() == 300


def set_read_only(database: TestDatabase, is_read_only: bool) -> None:
    """What an administrator or a failover does to a database: its new sessions may write, or may not."""
    with psycopg.connect(database.server.dsn(SUPERUSER, SUPERUSER), autocommit=True) as connection:
        word = "on" if is_read_only else "off"
        connection.execute(f'ALTER DATABASE "{database.name}" SET default_transaction_read_only = {word}')
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [database.name])


async def test_a_database_that_refuses_writes_acknowledges_nothing_and_takes_each_punch_once_afterwards(
    gateway: RunningGateway,
) -> None:
    assert gateway.database is not None
    chain, uplink = Chain(), gateway.uplink()
    await uplink.upload(0, chain.add(*touches(25)))
    new = chain.add(*touches(25, first=25))
    set_read_only(gateway.database, True)
    try:
        for _ in range(3):
            with pytest.raises(GatewayProblem) as caught:
                await uplink.upload(25, new)
            assert (caught.value.code, caught.value.retryable) == ("database.unavailable", True)
    finally:
        set_read_only(gateway.database, False)

    async def is_taken() -> bool:
        try:
            return await uplink.upload(25, new) == 50
        except GatewayProblem as problem:
            if problem.code != "database.unavailable":
                raise
            return False

    await until(is_taken)
    assert await uplink.upload(25, new) == 50, "sent again, as after an answer that was lost"
    assert await gateway.count() == 50


@pytest.mark.drill
async def test_a_database_that_hangs_is_told_within_a_bounded_time(passable: Path) -> None:
    async with running_gateway(passable / "data", None) as gateway:
        server = EmbeddedPostgres(passable / "data" / "postgres")
        postmaster = psutil.Process(server.pid())
        processes = [postmaster, *postmaster.children(recursive=True)]
        for process in processes:
            process.suspend()
        try:
            began = time.perf_counter()
            answer = await gateway.http.get(
                "/v1/punches/count", headers={"Authorization": f"Bearer {gateway.token}"}, timeout=40
            )
            assert (answer.status_code, answer.json()["code"]) == (503, "database.unavailable")
            assert time.perf_counter() - began < 25
        finally:
            for process in processes:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.resume()
        await until(gateway.is_well)


@contextlib.asynccontextmanager
async def gateway_process(config: Path, data: Path, port: int) -> AsyncIterator[subprocess.Popen[bytes]]:
    environment = {
        **os.environ,
        "BIOMETRIC_FLOW_GATEWAY_DATA": str(data),
        "BIOMETRIC_FLOW_GATEWAY_ADMIN_EMAIL": ADMIN,
        "BIOMETRIC_FLOW_GATEWAY_ADMIN_PASSWORD": PASSWORD,
        "BIOMETRIC_FLOW_GATEWAY_PORT": str(port),
        "BIOMETRIC_FLOW_GATEWAY_DEMO": "true",
    }
    program = (
        "import os, pathlib, sys; from biometric_flow.gateway.app import run;"
        "sys.exit(run(pathlib.Path(sys.argv[1]), os.environ))"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(config)], env=environment)
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=5) as http:

            async def is_well() -> bool:
                assert process.poll() is None
                with contextlib.suppress(httpx2.HTTPError):
                    return bool((await http.get("/health")).json()["status"] == "ok")
                return False

            await until(is_well, 40)
            yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


async def test_a_killed_gateway_finds_its_living_database_again_and_a_stopped_one_leaves_none(passable: Path) -> None:
    config = passable / "config"
    config.mkdir()
    (config / "places.json").write_text(places_file().model_dump_json())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = passable / ("long-" * 30)
    server = EmbeddedPostgres(data / "postgres")
    async with gateway_process(config, data, port) as process:
        first = server.pid()
        assert first is not None
        process.kill()
        process.wait()
    assert server.pid() == first
    async with gateway_process(config, data, port) as process:
        assert server.pid() == first
        process.terminate()
        assert await asyncio.to_thread(process.wait, 10) in (0, -signal.SIGTERM)
    assert server.pid() is None
    assert not (data / "postgres" / "cluster" / "postmaster.pid").exists()


async def test_a_stale_lock_file_that_names_another_program_does_not_stop_the_database(passable: Path) -> None:
    server = EmbeddedPostgres(passable / "postgres")
    await asyncio.to_thread(server.start)
    await asyncio.to_thread(server.stop)
    (passable / "postgres" / "cluster" / "postmaster.pid").write_text(f"{os.getpid()}\n{passable}\n1\n5432\n\n\n\n")
    assert server.pid() is None
    await asyncio.to_thread(server.start)
    assert server.pid() not in (None, os.getpid())
    await asyncio.to_thread(server.stop)


def _hostile_requests() -> list[bytes]:
    random.seed(7)
    head = b"POST /v1/places/cairo/entries HTTP/1.1\r\nHost: x\r\n"
    return [
        random.randbytes(5000),
        b"\x00" * 100_000,
        b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 1_000_000,
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n\r\n",
        head + b"Content-Length: 99999999999999999999\r\n\r\n",
        head + b"Content-Length: -1\r\n\r\n",
        head + b"Content-Length: 10000000\r\n\r\n" + b"x" * 100_000,
        head + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n",
        b"GET /v1/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + b"\xff" * 3000 + b"\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + random.randbytes(500),
        b"GET /health HTTP/1.1\r\n" + b"".join(b"H%d: v\r\n" % number for number in range(20_000)) + b"\r\n",
        b"G",
    ]


async def test_rubbish_on_the_port_leaves_the_service_standing(gateway: RunningGateway) -> None:
    host, port = gateway.url.removeprefix("http://").split(":")
    before = psutil.Process().memory_info().rss
    for _ in range(3):
        for rubbish in _hostile_requests():
            reader, writer = await asyncio.open_connection(host, int(port))
            with contextlib.suppress(ConnectionError, TimeoutError):
                writer.write(rubbish)
                await asyncio.wait_for(writer.drain(), 1)
                answer = await asyncio.wait_for(reader.read(65536), 0.3)
                assert b" 200 " not in answer[:20] or b"/health" in rubbish
                assert b"Traceback" not in answer
            writer.close()
        assert await gateway.is_well()
    assert psutil.Process().memory_info().rss - before < 100 * 1024 * 1024


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 422),
        (b'{"after": 0, "entries": [{"sequence": 1, "leaf": "AA==", "record": "AA==", "opening": "AA=="}]}', 409),
        (b'{"after": 0, "entries": [], "more": 1}', 422),
        (b'{"after": -1, "entries": []}', 422),
        (b'{"after": 99999999999999999999999, "entries": []}', 409),
        (b'{"after": 0, "entries": ' + b"[" * 100_000, 400),
        (json.dumps({"after": 0, "entries": [{}] * 1001}).encode(), 422),
        (b"\xff\xfe", 400),
        (b"x" * (3 * 1024 * 1024), 413),
    ],
)
async def test_a_place_that_sends_rubbish_is_told_so(gateway: RunningGateway, body: bytes, status: int) -> None:
    headers = {"Authorization": f"Bearer bfp_{'cairo-secret-'.ljust(43, 'x')}", "Content-Type": "application/json"}
    answer = await gateway.http.post("/v1/places/cairo/entries", content=body, headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert await gateway.uplink().position() == 0


async def test_a_port_without_a_gateway_is_said_to_be_unreachable() -> None:
    client = GatewayClient("http://127.0.0.1:9")
    with pytest.raises(GatewayUnreachable):
        await client.health()
    await client.close()
