"""The link of a place to its gateway: one outbound WebSocket that uploads travel up and questions come down."""

import asyncio
import random
from collections.abc import Callable
from typing import Any, Final

import httpx2
import structlog
from starlette.types import ASGIApp
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from biometric_flow.api.link import MAX_FRAME, RequestFrame
from biometric_flow.api.offered import ACTING_FOR_HEADER, REQUEST_ID_HEADER
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.link import AnswerTooSlowlyRead, Link, LinkClosed

log = structlog.get_logger()

LINKED: Final = "linked"
"""In `scope["state"]`: the request came over the link, from the gateway that this place itself dialled."""

OPEN_SECONDS: Final = 10.0
PING_SECONDS: Final = 5.0
PONG_SECONDS: Final = 10.0
RETRY_MAX_SECONDS: Final = 30.0
_ACTOR: Final = 100
_NAME: Final = 64
_MAX_ANSWER: Final = 4 * 1024 * 1024


class LinkKeeper:
    """Keeps the link open for ever; what asks for it while it is not gets None."""

    def __init__(self, gateway_url: str, place: str, headers: Callable[[str], dict[str, str]], clock: Clock) -> None:
        base = httpx2.URL(gateway_url)
        self._path = f"{base.path.rstrip('/')}/v1/places/{place}/link"
        scheme = "wss" if base.scheme == "https" else "ws"
        self._url = str(base.copy_with(scheme=scheme, path=self._path, query=None))
        self._headers, self._clock = headers, clock
        self.link: Link | None = None

    async def run(self, app: ASGIApp) -> None:
        """Until cancelled: dial, serve what the gateway asks from `app`, dial again with growing pauses."""
        attempt = 0
        while True:
            try:
                await self._hold(app)
                attempt = 0
            except (OSError, TimeoutError, WebSocketException) as error:
                attempt += 1
                log.info("link_not_open", reason=f"{type(error).__name__} {error}".strip())
            except Exception:
                attempt += 1
                log.exception("link_failed")
            pause = min(RETRY_MAX_SECONDS, 0.25 * 2.0 ** min(attempt, 10))
            await self._clock.sleep(pause * (0.5 + random.random() / 2))  # noqa: S311 - jitter, not a secret

    async def _hold(self, app: ASGIApp) -> None:
        async with connect(
            self._url,
            additional_headers=self._headers(self._path),
            open_timeout=OPEN_SECONDS,
            ping_interval=PING_SECONDS,
            ping_timeout=PONG_SECONDS,
            close_timeout=2,
            max_size=MAX_FRAME,
            compression=None,
            proxy=None,
        ) as socket:
            self.link = Link(SocketChannel(socket), app, "", _state)
            log.info("link_opened")
            try:
                await self.link.run()
            finally:
                self.link = None


def _state(request: RequestFrame) -> dict[str, Any]:
    """Who asks, as the gateway says: it holds the other end of a line that this place dialled."""
    headers = dict(request.headers)
    state: dict[str, Any] = {LINKED: True, "actor": f"gateway/{headers.get(ACTING_FOR_HEADER, '')[:_ACTOR]}"}
    if request_id := headers.get(REQUEST_ID_HEADER, "")[:_NAME]:
        state["request_id"] = request_id
    return state


class LinkTransport(httpx2.AsyncBaseTransport):
    """What the uplink sends goes over the link, or as plain HTTP while there is none: not every proxy knows one."""

    def __init__(self, keeper: LinkKeeper) -> None:
        self._keeper, self._plain = keeper, httpx2.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request. Raises httpx2.HTTPError."""
        link = self._keeper.link
        if link is None:
            return await self._plain.handle_async_request(request)
        seconds = request.extensions.get("timeout", {}).get("read") or OPEN_SECONDS
        headers = tuple((name.lower(), value) for name, value in request.headers.items())
        body = await request.aread()
        try:
            async with asyncio.timeout(seconds):
                answer = await link.ask(request.method, request.url.raw_path.decode(), headers, body)
                content = await answer.read(_MAX_ANSWER)
        except TimeoutError:
            raise httpx2.ReadTimeout(f"no answer over the link within {seconds:g} s", request=request) from None
        except (LinkClosed, AnswerTooSlowlyRead) as error:
            raise httpx2.ReadError(str(error), request=request) from None
        return httpx2.Response(answer.status, headers=list(answer.headers), content=content, request=request)

    async def aclose(self) -> None:
        """Close the plain connections."""
        await self._plain.aclose()


class SocketChannel:
    """A WebSocket of ours as a Channel."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    async def send(self, message: bytes) -> None:
        """Raises LinkClosed."""
        try:
            await self._socket.send(message)
        except ConnectionClosed as error:
            raise LinkClosed(str(error)) from None

    async def receive(self) -> bytes:
        """Raises LinkClosed."""
        try:
            message = await self._socket.recv(decode=False)
        except ConnectionClosed as error:
            raise LinkClosed(str(error)) from None
        return message if isinstance(message, bytes) else b""

    async def close(self) -> None:
        """Say goodbye, for two seconds at most."""
        await self._socket.close()
