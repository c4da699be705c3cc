"""Answers to reads: remembered by tenant, reach, question and version of the data; tagged, and left out when known.

A remembered answer is given only at the version that the data have after the question came (`freshness.py`), so it is
never older than the last punch that was acknowledged before, whichever instance took it.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from biometric_flow.gateway.access import SHOWS
from biometric_flow.gateway.freshness import DataVersions
from biometric_flow.gateway.traffic.remembered import Answer, Memory
from biometric_flow.identity.grants import Reach
from biometric_flow.model.ids import TenantId
from biometric_flow.runtime.reach import reached

LARGEST_TAGGED: Final = 4 * 1024 * 1024
_LENGTH: Final = b"content-length"
_STAYING: Final = frozenset({b"etag", b"cache-control", b"x-request-id"})

Question = tuple[str, str, Reach | None, int]
"""Path, parameters in one order, reach, version."""


class SecondLevel(Protocol):
    """Answers that several instances share. It may forget, and it may be away; it never raises for that."""

    async def find(self, tenant: TenantId, question: Question) -> Answer | None:
        """An answer at exactly this version."""
        ...

    async def keep(self, tenant: TenantId, question: Question, answer: Answer) -> None:
        """Remember an answer for a while."""
        ...


@dataclass(frozen=True, slots=True)
class _Said:
    """What the app answered, whole."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


class Answers:
    """ASGI middleware behind the guard."""

    def __init__(
        self,
        app: ASGIApp,
        routers: Iterable[APIRouter],
        versions: DataVersions,
        memory: Memory,
        second: SecondLevel | None = None,
    ) -> None:
        self.app, self._versions, self.memory, self._second = app, versions, memory, second
        self._flights: dict[tuple[str, Question], asyncio.Task[_Said | Answer]] = {}
        self._shown = [
            (route, topic)
            for router in routers
            for route in router.routes
            if isinstance(route, APIRoute) and (topic := (route.openapi_extra or {}).get(SHOWS))
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; what does not read passes through."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self.app(scope, receive, send)
            return
        for route, topic in self._shown:
            if route.path_regex.match(scope["path"]) and "tenant" in scope["state"]:
                await self._remembered(scope, receive, send, route, topic)
                return
        await self.app(scope, receive, _Tagging(Headers(scope=scope), send))

    async def _remembered(self, scope: Scope, receive: Receive, send: Send, route: APIRoute, topic: str) -> None:
        tenant: TenantId = scope["state"]["tenant"]
        version = await self._versions.of(tenant, topic)
        asked = b"&".join(sorted(scope["query_string"].split(b"&"))).decode("latin-1")
        question = (scope["path"], asked, reached(), version)
        answer: Answer | _Said | None = self.memory.find(tenant, question[:3], version)
        is_own = False
        if answer is None:
            flight = self._flights.get((tenant, question))
            if flight is None:
                is_own = True
                flight = asyncio.create_task(self._find(scope, tenant, question), name=f"answer {route.path}")
                self._flights[tenant, question] = flight
                flight.add_done_callback(lambda _done: self._flights.pop((tenant, question), None))
            answer = await asyncio.shield(flight)
        scope["route"] = route
        if isinstance(answer, Answer):
            await _give(answer, Headers(scope=scope), send)
        elif is_own:
            await send({"type": "http.response.start", "status": answer.status, "headers": list(answer.headers)})
            await send({"type": "http.response.body", "body": answer.body})
        else:
            # A refusal carries the id of the request that it was given to; each gets their own.
            await self.app(scope, receive, send)

    async def _find(self, scope: Scope, tenant: TenantId, question: Question) -> _Said | Answer:
        """The one computation of a question; it goes on when the request that began it leaves."""
        if self._second is not None and (known := await self._second.find(tenant, question)) is not None:
            self.memory.keep(tenant, question[:3], known)
            return known
        said = await _whole(self.app, scope)
        if said.status != 200:
            return said
        answer = Answer(question[3], said.headers, _tag(said.body), said.body)
        self.memory.keep(tenant, question[:3], answer)
        if self._second is not None:
            await self._second.keep(tenant, question, answer)
        return answer


class _Tagging:
    """Gives complete answers without a tag one, and leaves the body out for who has it. Streams pass."""

    def __init__(self, asked: Headers, send: Send) -> None:
        self._asked, self._send = asked, send
        self._start: Message | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == 200:
            self._start = message
            return
        start, self._start = self._start, None
        if start is None:
            await self._send(message)
            return
        body = message.get("body", b"")
        is_whole = not message.get("more_body", False) and len(body) <= LARGEST_TAGGED
        if not is_whole or any(name == b"etag" for name, _ in start["headers"]):
            await self._send(start)
            await self._send(message)
            return
        await _give(Answer(0, tuple(start["headers"]), _tag(body), body), self._asked, self._send)


async def _give(answer: Answer, asked: Headers, send: Send) -> None:
    tag = (b"etag", answer.etag)
    if _has(asked.get("if-none-match", ""), answer.etag.decode()):
        kept = [(name, value) for name, value in answer.headers if name in _STAYING]
        await send({"type": "http.response.start", "status": 304, "headers": [*kept, tag]})
        await send({"type": "http.response.body", "body": b""})
        return
    await send({"type": "http.response.start", "status": 200, "headers": [*answer.headers, tag]})
    await send({"type": "http.response.body", "body": answer.body})


def _has(known: str, tag: str) -> bool:
    """Whether `If-None-Match` names a tag; weak ones compare alike (RFC 9110, 13.1.2)."""
    return known.strip() == "*" or any(one.strip().removeprefix("W/") == tag for one in known.split(","))


def _tag(body: bytes) -> bytes:
    return b'"' + hashlib.sha256(body).hexdigest()[:32].encode() + b'"'


async def _whole(app: ASGIApp, scope: Scope) -> _Said:
    """Ask an app for one answer, apart from the connection that the question came on."""
    status, headers, body = 500, (), bytearray()
    forever: Callable[[], Awaitable[bool]] = asyncio.Event().wait
    is_asked = False

    async def receive() -> Message:
        nonlocal is_asked
        if is_asked:
            await forever()
        is_asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status, headers
        if message["type"] == "http.response.start":
            status, headers = message["status"], tuple(message["headers"])
        else:
            body.extend(message.get("body", b""))

    await app({**scope, "state": dict(scope["state"])}, receive, send)
    return _Said(status, headers, bytes(body))
