"""Live events over a WebSocket: the same events at the same doors, and a deaf listener hurts nobody."""

import asyncio
import json
import socket
from typing import Any

import pytest
import websockets
from websockets.asyncio.client import ClientConnection, connect

from tests.services.gateways import Chain, RunningGateway, touches
from tests.services.places import until
from tests.services.test_access_matrix import Cast
from tests.services.test_gateway_stream import Watcher


def address(gateway: RunningGateway, query: str = "") -> str:
    return f"{gateway.url.replace('http', 'ws')}/v1/stream{query}"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def heard(listener: ClientConnection, event: str) -> Any:
    """The next event of a kind, with what it came with."""
    async with asyncio.timeout(60):
        while True:
            said = json.loads(await listener.recv())
            if said["event"] == event:
                return said


async def test_a_socket_hears_what_the_stream_says_and_goes_on_where_it_was(gateway: RunningGateway) -> None:
    chain, uplink = Chain(), gateway.uplink()
    async with connect(address(gateway), additional_headers=bearer(gateway.token)) as listener:
        await heard(listener, "kpi")
        await uplink.upload(0, chain.add(*touches(3)))
        first = [await heard(listener, "punch") for _ in range(3)]
        assert [one["id"] for one in first] == [one["data"]["position"] for one in first] == [1, 2, 3]
    await uplink.upload(3, chain.add(*touches(2, first=3)))
    query = "?last_event_id=2&topics=punches"
    async with connect(address(gateway, query), additional_headers=bearer(gateway.token)) as listener:
        said = [json.loads(await asyncio.wait_for(listener.recv(), 60)) for _ in range(3)]
        assert [(one["event"], one["id"]) for one in said] == [("punch", 3), ("punch", 4), ("punch", 5)]


async def test_a_browser_brings_its_token_among_the_protocols(gateway: RunningGateway) -> None:
    protocols = [websockets.Subprotocol("biometric-flow.events"), websockets.Subprotocol(f"bearer.{gateway.token}")]
    async with connect(address(gateway), subprotocols=protocols) as listener:
        assert listener.subprotocol == "biometric-flow.events"
        assert (await heard(listener, "kpi"))["data"]["people"] == 0


async def test_a_socket_is_refused_as_any_other_question(gateway: RunningGateway) -> None:
    cast = Cast(gateway)
    technician = cast.token(await cast.account("device_technician"))
    for query, token in (("", "nonsense"), ("", technician), ("?topics=moons", gateway.token), ("?x=1", gateway.token)):
        with pytest.raises(websockets.InvalidStatus):
            async with connect(address(gateway, query), additional_headers=bearer(token)):
                pass
    await cast.close()


async def test_changed_workdays_are_told(gateway: RunningGateway) -> None:
    async with connect(address(gateway, "?topics=workdays"), additional_headers=bearer(gateway.token)) as listener:
        version = (await heard(listener, "workdays"))["data"]["version"]
        made = await gateway.http.put("/v1/departments/north", json={"name": "North"}, headers=bearer(gateway.token))
        assert made.is_success, made.text
        while (said := (await heard(listener, "workdays"))["data"]["version"]) == version:
            pass
        assert said > version


async def test_a_socket_that_is_never_read_is_dropped_and_others_hear_all(gateway: RunningGateway) -> None:
    chain, uplink = Chain(), gateway.uplink()
    host, port = gateway.url.removeprefix("http://").split(":")
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.connect((host, int(port)))
    deaf.sendall(
        f"GET /v1/stream HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
        f"Authorization: Bearer {gateway.token}\r\n\r\n".encode()
    )

    async def listeners() -> int:
        text = (await gateway.http.get("/metrics", headers=bearer(gateway.token))).text
        [line] = [one for one in text.splitlines() if one.startswith("biometric_flow_gateway_stream_listeners ")]
        return int(float(line.split()[1]))

    async def both_listen() -> bool:
        return await listeners() == 2

    async with Watcher(gateway) as watcher:
        await until(both_listen)
        sent = 0
        while await listeners() == 2:
            assert sent < 40_000, "the deaf listener was never dropped"
            await uplink.upload(sent, chain.add(*touches(500, first=sent)))
            sent += 500
            await until(watcher.has("punch", sent))
        assert watcher.positions() == list(range(1, sent + 1))
    deaf.close()
