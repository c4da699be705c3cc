"""Who sends nothing, or a byte now and then, loses the connection; who listens for long keeps it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from biometric_flow.runtime import patience
from tests.services.gateways import TestDatabase, running_gateway
from tests.services.places import API_KEY, running_place
from tests.services.pushes import SECRET, push_place, pushing

HEAD, BODY = 0.6, 1.2
Port = Callable[[Path, TestDatabase], AbstractAsyncContextManager[tuple[str, bytes]]]


@contextlib.asynccontextmanager
async def push_port(folder: Path, _: TestDatabase) -> AsyncIterator[tuple[str, bytes]]:
    async with push_place(folder, [pushing()]) as place:
        path = f"/p/{SECRET}/iclock/cdata?SN=PUSH0001&table=ATTLOG&Stamp=1"
        yield place.push, f"POST {path} HTTP/1.1\r\nHost: x\r\n".encode()


@contextlib.asynccontextmanager
async def place_api(folder: Path, _: TestDatabase) -> AsyncIterator[tuple[str, bytes]]:
    async with running_place(folder, []) as place:
        head = f"POST /v1/terminals HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {API_KEY}\r\n"
        yield place.url, head.encode()


@contextlib.asynccontextmanager
async def gateway(folder: Path, database: TestDatabase) -> AsyncIterator[tuple[str, bytes]]:
    async with running_gateway(folder, database) as running:
        yield running.url, b"POST /v1/auth/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.fixture(params=[push_port, place_api, gateway], ids=lambda port: port.__name__)
async def port(
    request: pytest.FixtureRequest, passable: Path, database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[str, bytes]]:
    monkeypatch.setattr(patience, "HEAD_SECONDS", HEAD)
    monkeypatch.setattr(patience, "BODY_SECONDS", BODY)
    opened: Port = request.param
    async with opened(passable / "data", database) as found:
        yield found


async def test_a_port_has_patience_with_nobody_for_ever(port: tuple[str, bytes]) -> None:
    url, head = port
    slow = (
        slowly(url, b"", b""),
        slowly(url, b"", b"\r\n" * 2000),
        slowly(url, b"", head + b"X-Slow: " + b"x" * 2000),
        slowly(url, head + b"Content-Length: 2000\r\n\r\n", b"x" * 2000),
        slowly(url, head + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 2000),
        slowly(url, head + b"Content-Length: 1\r\n\r\nx", b"\r\n" * 2000, reads=True),
        slowly(url, head + b"Content-Length: 1\r\n\r\nx", head + b"X-Slow: " + b"x" * 2000, reads=True),
    )
    async with asyncio.timeout(60):
        await asyncio.gather(*slow)
    assert (await answered(url, head + b"Content-Length: 1\r\n\r\nx")).startswith(b"HTTP/1.1 ")


async def test_who_listens_for_long_is_not_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "HEAD_SECONDS", 0.1)
    monkeypatch.setattr(patience, "BODY_SECONDS", 0.1)
    async with running_place(tmp_path, []) as place:
        reader, writer = await connected(place.url)
        writer.write(f"GET /v1/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {API_KEY}\r\n\r\n".encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        ended = asyncio.create_task(until_the_end(reader))
        assert not (await asyncio.wait([ended], timeout=1))[0]
        writer.close()
        await ended


async def test_who_waits_for_its_turn_is_not_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "BODY_SECONDS", 1.0)
    lines = b"".join(b"%d\t2026-03-02 08:00:00\t0\t1\n" % pin for pin in range(1, 9000))
    async with push_place(tmp_path, [pushing()]) as place:
        head = f"POST /p/{SECRET}/iclock/cdata?SN=PUSH0001&table=ATTLOG&Stamp=1 HTTP/1.1\r\nHost: x\r\n".encode()
        slow = asyncio.create_task(slowly(place.push, head + b"Content-Length: 9\r\n\r\n", b""))
        await asyncio.sleep(0.2)
        assert await place.upload("ATTLOG", lines) == (200, "OK: 8999")
        await slow


async def slowly(url: str, at_once: bytes, rest: bytes, *, reads: bool = False) -> None:
    """Send `rest` byte by byte; returns when the server has ended the connection."""
    reader, writer = await connected(url)
    with contextlib.suppress(ConnectionError):
        writer.write(at_once)
        if reads:
            await reader.readuntil(b"\r\n\r\n")
        ended = asyncio.create_task(until_the_end(reader))
        for byte in rest:
            if ended.done():
                break
            writer.write(bytes((byte,)))
            await asyncio.sleep(0.03)
        await ended
    writer.close()


async def until_the_end(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(ConnectionError):
        while await reader.read(4096):
            pass


async def answered(url: str, request: bytes) -> bytes:
    reader, writer = await connected(url)
    writer.write(request)
    try:
        return await reader.readline()
    finally:
        writer.close()


async def connected(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    where = urlsplit(url)
    return await asyncio.open_connection(where.hostname, where.port)
