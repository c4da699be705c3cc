"""Places that are dead, slow, flapping or lying: what callers of the gateway get, and that nobody else suffers."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import cbor2
import httpx2
import pytest
from starlette.types import Receive, Scope, Send
from websockets.asyncio.client import ClientConnection, connect

from biometric_flow.place.link import SocketChannel
from biometric_flow.runtime.link import Link
from tests.services.gateways import ADMIN, PASSWORD, SECRETS, RunningGateway, TestDatabase, running_gateway
from tests.services.places import until

Answering = Callable[[Scope, Receive, Send], Awaitable[None]]
HEALTH = "/v1/places/cairo/health"
TERMINALS = "/v1/places/cairo/terminals"


@pytest.fixture
async def gateway(database: TestDatabase, tmp_path: Path) -> AsyncIterator[RunningGateway]:
    patience = {"place_failures": 3, "place_wait_seconds": 0.3, "place_outstanding": 4, "capacity": 64}
    async with running_gateway(tmp_path / "gateway", database, **patience) as running:
        yield running


class BadPlace:
    """A place's end of a link that answers as it is told; the real gateway holds the other end."""

    def __init__(self) -> None:
        self.asked = 0
        self.answer: Answering = well

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked += 1
        await self.answer(scope, receive, send)


@contextlib.asynccontextmanager
async def linked(gateway: RunningGateway, place: str = "cairo") -> AsyncIterator[BadPlace]:
    bad = BadPlace()
    async with _dialled(gateway, place) as socket:
        link = Link(SocketChannel(socket), bad, "", lambda _request: {})
        running = asyncio.create_task(link.run())
        await until(lambda: _status(gateway, f"/v1/places/{place}/health", 200))
        try:
            yield bad
        finally:
            await link.close()
            await running


async def well(_scope: Scope, _receive: Receive, send: Send) -> None:
    await _say(send, 200, b'{"status":"ok"}')


async def test_a_place_that_never_answers_is_left_alone_until_it_is_well_and_another_place_is_not(
    gateway: RunningGateway,
) -> None:
    async def never(_scope: Scope, receive: Receive, _send: Send) -> None:
        await receive()
        await receive()

    async with linked(gateway) as cairo, linked(gateway, "leeds"):
        cairo.answer = never
        slow = asyncio.gather(*(_get(gateway, HEALTH) for _ in range(3)))
        await until(lambda: _has_asked(cairo, 4))
        assert (await _get(gateway, "/v1/places/leeds/health")).status_code == 200
        assert [(one.status_code, one.json()["code"]) for one in await slow] == [(504, "place.too_slow")] * 3
        asked = cairo.asked
        left_alone = await _get(gateway, HEALTH)
        assert (left_alone.status_code, left_alone.json()["code"]) == (503, "place.unreachable")
        assert "has not answered since 20" in left_alone.json()["detail"]
        assert int(left_alone.headers["retry-after"]) >= 1
        assert cairo.asked == asked, "it was asked although it is left alone"
        cairo.answer = well
        await until(lambda: _status(gateway, HEALTH, 200))


async def test_more_questions_than_may_wait_for_a_slow_place_are_turned_away(gateway: RunningGateway) -> None:
    gate = asyncio.Event()

    async def slow(_scope: Scope, _receive: Receive, send: Send) -> None:
        await gate.wait()
        await _say(send, 200, b"[]")

    async with linked(gateway) as place:
        place.answer = slow
        waiting = asyncio.gather(*(_get(gateway, TERMINALS) for _ in range(4)))
        await until(lambda: _has_asked(place, 5))
        refused = await _get(gateway, TERMINALS)
        gate.set()
        assert (refused.status_code, refused.json()["code"]) == (503, "place.busy")
        assert [one.status_code for one in await waiting] == [200] * 4


async def test_an_impatient_caller_is_answered_in_time_and_costs_the_place_nothing(gateway: RunningGateway) -> None:
    async with linked(gateway) as place:
        gone = 0

        async def slow(_scope: Scope, receive: Receive, send: Send) -> None:
            nonlocal gone
            await receive()
            assert (await receive())["type"] == "http.disconnect"
            gone += 1

        place.answer = slow
        for _ in range(5):
            answer = await _get(gateway, HEALTH, **{"X-Request-Timeout-Ms": "200"})
            assert answer.status_code == 504
        await until(lambda: _true(lambda: gone == 5))
        place.answer = well
        assert (await _get(gateway, HEALTH)).status_code == 200, "impatience opened the breaker"


async def test_a_flapping_place_is_asked_again_for_reads_and_never_for_writes(gateway: RunningGateway) -> None:
    async with linked(gateway) as place:
        turn = 0

        async def lies_every_other_time(_scope: Scope, _receive: Receive, send: Send) -> None:
            nonlocal turn
            turn += 1
            if turn % 2:
                await _say(send, 200, b"<html>", kind=b"text/html")
            else:
                await _say(send, 200, b"[]")

        place.answer = lies_every_other_time
        assert (await _get(gateway, TERMINALS)).status_code == 200
        assert turn == 2
        ordered = await gateway.http.post(
            f"{TERMINALS}/gate/jobs", json={"kind": "restart"}, headers={"Authorization": f"Bearer {gateway.token}"}
        )
        assert (ordered.status_code, ordered.json()["code"]) == (502, "place.answer_broken")
        assert turn == 3


@pytest.mark.parametrize(
    ("status", "kind", "body"),
    [(200, b"text/html", b"<script>"), (401, b"application/json", b"{}"), (200, b"application/json", b"x" * 3_000_000)],
    ids=["a page", "a refusal", "more than anybody reads"],
)
async def test_what_a_lying_place_says_reaches_no_caller(
    gateway: RunningGateway, status: int, kind: bytes, body: bytes
) -> None:
    async def lie(_scope: Scope, _receive: Receive, send: Send) -> None:
        await _say(send, status, body, kind)

    async with linked(gateway) as place:
        place.answer = lie
        answer = await _get(gateway, HEALTH)
        assert answer.status_code in (502, 503)
        assert answer.headers["content-type"] == "application/problem+json"
        assert body[:100] not in answer.content


@pytest.mark.parametrize(
    "message",
    [b"rubbish", cbor2.dumps([2, 1, 200, [["a", "b\r\nc: d"]]]), cbor2.dumps([1, 1, "GET", "no path", [], b""])],
    ids=["rubbish", "a header of two lines", "no path"],
)
async def test_a_place_that_sends_no_frames_loses_its_link_and_nothing_else(
    gateway: RunningGateway, message: bytes
) -> None:
    async with linked(gateway, "leeds"), _dialled(gateway, "cairo") as socket:
        await socket.send(message)
        await asyncio.wait_for(socket.wait_closed(), 20)
        assert (await _get(gateway, HEALTH)).status_code == 503
        assert (await _get(gateway, "/v1/places/leeds/health")).status_code == 200


async def test_a_link_is_no_way_around_the_doors(gateway: RunningGateway) -> None:
    """Requests on a link pass authentication one by one: none, another place's or an account's path is refused."""
    async with _dialled(gateway, "cairo") as socket:

        async def nothing(_scope: Scope, _receive: Receive, _send: Send) -> None:
            raise AssertionError("nobody asks")

        link = Link(SocketChannel(socket), nothing, "", lambda _request: {})
        running = asyncio.create_task(link.run())
        own = (("authorization", f"Bearer bfp_{SECRETS['cairo']}"),)
        cases = (
            ((), "/v1/places/cairo/position", 401),
            (own, "/v1/places/leeds/position", 404),
            (own, "/v1/people", 403),
        )
        for headers, target, status in cases:
            answer = await link.ask("GET", target, headers)
            assert (answer.status, json.loads(await answer.read(10_000))["status"]) == (status, status)
        answer = await link.ask("GET", "/v1/places/cairo/position", own)
        assert answer.status == 200
        answer.close()
        await link.close()
        await running


async def test_a_crowd_is_let_go_while_health_and_sign_in_answer(gateway: RunningGateway) -> None:
    head = (
        "POST /v1/people HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {gateway.token}\r\nContent-Length: 100\r\n\r\n"
    )
    writers = []
    try:
        # The gateway waits for bodies that do not come: each is a request under way.
        for _ in range(64):
            _reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rsplit(":", 1)[1]))
            writers.append(writer)
            writer.write(head.encode())
        await until(lambda: _status(gateway, "/v1/places", 503))
        refused = await _get(gateway, "/v1/places")
        assert (refused.json()["code"], refused.headers["retry-after"]) == ("request.shed", "1")
        assert (await gateway.http.get("/health")).status_code == 200
        assert (await gateway.client.sign_in(ADMIN, PASSWORD)).access_token
    finally:
        for writer in writers:
            writer.transport.abort()
    await until(lambda: _status(gateway, "/v1/places", 200))


@contextlib.asynccontextmanager
async def _dialled(gateway: RunningGateway, place: str) -> AsyncIterator[ClientConnection]:
    url = f"{gateway.url.replace('http', 'ws', 1)}/v1/places/{place}/link"
    headers = {"Authorization": f"Bearer bfp_{SECRETS[place]}"}
    async with connect(url, additional_headers=headers, proxy=None, max_size=None) as socket:
        yield socket


async def _say(send: Send, status: int, body: bytes, kind: bytes = b"application/json") -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind)]})
    await send({"type": "http.response.body", "body": body})


async def _get(gateway: RunningGateway, path: str, **headers: str) -> httpx2.Response:
    return await gateway.http.get(path, headers={"Authorization": f"Bearer {gateway.token}", **headers})


async def _status(gateway: RunningGateway, path: str, status: int) -> bool:
    return (await _get(gateway, path)).status_code == status


async def _has_asked(place: BadPlace, count: int) -> bool:
    return place.asked >= count


async def _true(fact: Callable[[], bool]) -> bool:
    return fact()
