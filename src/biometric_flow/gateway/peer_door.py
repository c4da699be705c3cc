"""Where other instances of the gateway ask places whose link ends here; to everybody else nothing is (ADR 167)."""

import asyncio
import hashlib
from collections.abc import Coroutine
from typing import Any, Final
from uuid import uuid4

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from biometric_flow.api.link import MAX_FRAME, ChunkFrame, EndFrame, FrameUnreadable, HeadFrame, RequestFrame, decode
from biometric_flow.gateway.links import Links
from biometric_flow.gateway.peers import PATH, Peers, framed
from biometric_flow.gateway.traffic.nonces import Nonces
from biometric_flow.identity.errors import SignatureRefused
from biometric_flow.identity.peer_requests import WINDOW_SECONDS, PeerHead, check_peer
from biometric_flow.model.errors import BiometricFlowError
from biometric_flow.model.ids import PlaceId, TenantId
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.link import Answer, AnswerTooSlowlyRead, Link, LinkClosed
from biometric_flow.runtime.web import NotFound, problem_response

log = structlog.get_logger()

MOST: Final = 512
"""Questions of other instances that are under way, streams among them."""
_PROXIED: Final = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
"""Instances ask each other directly: what a proxy brought comes from outside."""


class PeerDoor:
    """ASGI middleware: answers other instances from the links of this one only, so no question goes round."""

    def __init__(self, app: ASGIApp, links: Links, peers: Peers, clock: Clock) -> None:
        self.app, self._links, self._peers, self._clock = app, links, peers, clock
        self._nonces = Nonces(2 * WINDOW_SECONDS)
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request of another instance; everything else passes through."""
        if scope["type"] != "http" or not scope["path"].startswith(PATH):
            await self.app(scope, receive, send)
            return
        self._under_way += 1
        try:
            question = await self._let_in(scope, receive)
            await _unless_left(_pass_on(self._link(scope["path"]), question, send), receive)
        except BiometricFlowError as error:
            log.info("peer_refused", code=error.code)
            await problem_response(error, str(uuid4()))(scope, receive, send)
        finally:
            self._under_way -= 1

    async def _let_in(self, scope: Scope, receive: Receive) -> RequestFrame:
        """The question of an instance that proved itself. Raises NotFound for anybody else."""
        headers = Headers(scope=scope)
        try:
            if scope["method"] != "POST" or any(name in headers for name in _PROXIED):
                raise SignatureRefused("expected another instance to ask by itself")
            head = check_peer(
                self._peers.secret,
                self._peers.address,
                scope["path"],
                headers.get("authorization", ""),
                self._clock.now(),
            )
            if not self._nonces.is_new("peer", head.nonce, self._clock.monotonic()):
                raise SignatureRefused("this request came before")
            return await _question(head, receive)
        except (SignatureRefused, FrameUnreadable):
            raise NotFound("nothing is here") from None

    def _link(self, path: str) -> Link:
        if self._under_way > MOST:
            raise LinkClosed(f"{MOST} questions of other instances are under way here")
        tenant, _, place = path.removeprefix(PATH).partition("/")
        links = self._links.of(TenantId(tenant), PlaceId(place))
        if not links:
            raise LinkClosed("the link ends here no more")
        return min(links, key=lambda one: one.outstanding)


def with_peers(app: ASGIApp, links: Links, peers: Peers | None, clock: Clock) -> ASGIApp:
    """The app behind this door, where there are other instances."""
    return app if peers is None else PeerDoor(app, links, peers, clock)


async def _question(head: PeerHead, receive: Receive) -> RequestFrame:
    """Raises SignatureRefused or FrameUnreadable for a body that is not the one that was signed."""
    body, is_more = bytearray(), True
    while is_more:
        message = await receive()
        if message["type"] != "http.request" or len(body) > MAX_FRAME:
            raise SignatureRefused("expected the body that was signed")
        body += message.get("body", b"")
        is_more = message.get("more_body", False)
    if hashlib.sha256(body).digest() != head.body:
        raise SignatureRefused("expected the body that was signed")
    question = decode(bytes(body))
    if not isinstance(question, RequestFrame):
        raise FrameUnreadable("expected a question")
    return question


async def _pass_on(link: Link, question: RequestFrame, send: Send) -> None:
    """Raises LinkClosed before the answer begins; one that breaks later ends without its last frame."""
    answer = await link.ask(question.method, question.target, question.headers, question.body)
    try:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/cbor")]})
        await _send(send, framed(HeadFrame(1, answer.status, answer.headers)))
        is_whole = await _chunks(answer, send)
        await send({"type": "http.response.body", "body": framed(EndFrame(1)) if is_whole else b""})
    finally:
        answer.close()


async def _chunks(answer: Answer, send: Send) -> bool:
    """Is the answer complete?"""
    try:
        async for chunk in answer.chunks():
            await _send(send, framed(ChunkFrame(1, chunk)))
    except (LinkClosed, AnswerTooSlowlyRead):
        return False
    return True


async def _send(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _unless_left(work: Coroutine[Any, Any, None], receive: Receive) -> None:
    """Do the work until it is done or the one who asked has left."""
    tasks = asyncio.ensure_future(work), asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    if not tasks[0].cancelled():
        tasks[0].result()


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
