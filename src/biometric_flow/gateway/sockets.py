"""Live events over a WebSocket: the stream of `/v1/stream` for clients that cannot read server-sent events."""

import asyncio
from contextlib import suppress
from typing import Final

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger()

PATH: Final = "/v1/stream"
PROTOCOL: Final = "biometric-flow.events"
TOKEN: Final = "bearer."  # noqa: S105 - begins the protocol that carries the token
"""Browsers can send no header with a WebSocket: they offer `biometric-flow.events` and `bearer.<token>`."""
LAST_SECONDS: Final = 1.0
_OVER: Final = 1000
_COME_BACK: Final = 1013
_REFUSED: Final = 4000
"""Added to the HTTP status of the refusal: 4401, 4403, 4422, 4429."""


class EventDoor:
    """ASGI middleware: a WebSocket is asked for as the stream is, at the same doors, and gets the same events.

    Each event is one text, `{"event": ..., "id": ..., "data": ...}`. It is closed with 1013 when the listener was
    too slow, and with 1000 when the access token ended; both come back with `last_event_id`.
    """

    def __init__(self, app: ASGIApp, streams: ASGIApp) -> None:
        self.app, self._streams = app, streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one WebSocket of a listener; everything else passes through."""
        if scope["type"] != "websocket" or scope["path"] != PATH:
            await self.app(scope, receive, send)
            return
        if (await receive())["type"] != "websocket.connect":
            return
        listener = _Listener(send, is_named=PROTOCOL in scope.get("subprotocols", ()))
        try:
            await self._streams(_as_request(scope), _left(receive), listener)
        except asyncio.CancelledError:
            # The server stops: the listener hears it and comes back to the next instance.
            log.debug("socket_cut")
        finally:
            with suppress(TimeoutError, OSError, RuntimeError):
                await asyncio.wait_for(listener.end(), LAST_SECONDS)


class _Listener:
    """What the stream sends, as messages of a WebSocket."""

    def __init__(self, send: Send, *, is_named: bool) -> None:
        self._send, self._is_named = send, is_named
        self._status = 500
        self._is_over = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            if self._status == 200:
                await self._send({"type": "websocket.accept", "subprotocol": PROTOCOL if self._is_named else None})
            return
        if self._status != 200:
            return
        for block in message.get("body", b"").split(b"\n\n"):
            if text := _text(block):
                await self._send({"type": "websocket.send", "text": text})
        self._is_over = not message.get("more_body", False)

    async def end(self) -> None:
        """Close, and say why."""
        code = _REFUSED + self._status if self._status != 200 else _OVER if self._is_over else _COME_BACK
        await self._send({"type": "websocket.close", "code": code})


def _as_request(scope: Scope) -> Scope:
    """The request that a WebSocket stands for; a token among its protocols becomes its header."""
    headers = [(name, value) for name, value in scope["headers"] if name != b"sec-websocket-protocol"]
    offered = [one for one in scope.get("subprotocols", ()) if one.startswith(TOKEN)]
    if offered and "authorization" not in Headers(scope=scope):
        headers.append((b"authorization", b"Bearer " + offered[0].removeprefix(TOKEN).encode()))
    return {**scope, "type": "http", "method": "GET", "headers": headers, "state": {}}


def _left(receive: Receive) -> Receive:
    """Listeners say nothing; what they say all the same is passed over."""

    async def until_left() -> Message:
        while (await receive())["type"] != "websocket.disconnect":
            pass
        return {"type": "http.disconnect"}

    return until_left


def _text(block: bytes) -> str:
    """One server-sent event as JSON, nothing for a comment. Its data is JSON already."""
    fields = dict(line.partition(": ")[::2] for line in block.decode().splitlines() if not line.startswith(":"))
    if "event" not in fields:
        return ""
    place = f'"id":{_value(fields["id"])},' if "id" in fields else ""
    return f'{{"event":"{fields["event"]}",{place}"data":{fields["data"]}}}'


def _value(position: str) -> str:
    """The position of a punch is a number; with versions of topics beside it, it is a text."""
    return position if position.isdecimal() else f'"{position}"'
