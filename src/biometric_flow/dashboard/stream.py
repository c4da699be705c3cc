"""GET /live/stream: the gateway's events of this login's account, shaped for the screen, as server-sent events."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from typing import Any, Final

import structlog
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from biometric_flow.api.alerts import AlertView
from biometric_flow.api.clients import GatewayClient, GatewayError, StreamEvent
from biometric_flow.api.gateway import GatewayPunch, Kpis, TerminalStatus
from biometric_flow.dashboard.login import Login, Logins, SignedOut
from biometric_flow.dashboard.views.alerts import bell
from biometric_flow.dashboard.views.devices import device
from biometric_flow.dashboard.views.feed import feed_row
from biometric_flow.dashboard.views.overview import shared_weekday, tiles
from biometric_flow.dashboard.words import _
from biometric_flow.runtime.web import dumps

log = structlog.get_logger()

MAX_STREAMS: Final = 8
"""Open streams of one login; a browser tab needs one, and only while it is visible."""
MAX_ALL_STREAMS: Final = 90
"""Of all logins: the stream client's pool holds a hundred connections."""
BEAT_SECONDS: Final = 5.0
"""This often the browser hears that the line to the gateway stands; its pill counts from the last word."""


class LiveStream:
    """The route. Its client is not the one that pages ask with, so open streams never use up the pages' connections."""

    def __init__(self, logins: Logins, client: GatewayClient) -> None:
        self._logins, self._client = logins, client
        self._open = 0

    async def respond(self, request: Request) -> Response:
        """The stream, or a status that says why not: 401 signed out, 429 too many, 503 try again."""
        login: Login = request.state.login
        if login.streams >= MAX_STREAMS or self._open >= MAX_ALL_STREAMS:
            return PlainTextResponse(_("Too many open pages"), 429)
        # Only the position of punches: the bell is asked for anew with each line, it may have failed on the last one.
        last_id = request.headers.get("last-event-id", "").partition(".")[0][:20]
        try:
            token = await self._logins.token(login)
            places = await self._client.places(token)
        except SignedOut:
            return PlainTextResponse(_("Signed out"), 401)
        except GatewayError as error:
            log.info("live_stream_refused", reason=str(error))
            return PlainTextResponse(_("The gateway does not answer"), 503)
        shape = Shaper({place.id: place.name for place in places}, {place.zone for place in places})
        topics = "punches,terminals,tiles" + (",alerts" if "alerts" in login.me.pages else "")
        events = self._client.stream(token, last_id if last_id.isdecimal() else None, topics)
        hello = {"is_resumed": last_id.isdecimal()}
        lines = self._lines(login, events, shape, hello)
        return StreamingResponse(lines, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})

    async def _lines(
        self, login: Login, events: AsyncGenerator[StreamEvent, None], shape: "Shaper", hello: dict[str, bool]
    ) -> AsyncIterator[str]:
        """Server-sent events; the first says when the stream began, so that the page can tell a gap before it."""
        login.streams += 1
        self._open += 1
        ended = asyncio.ensure_future(login.ended.wait())
        following = asyncio.ensure_future(anext(events, None))
        try:
            while True:
                await asyncio.wait((following, ended), timeout=BEAT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                if ended.done():
                    return
                if not following.done():
                    yield "event: beat\ndata: {}\n\n"
                    continue
                event = following.result()
                if event is None:
                    return
                if hello:
                    # The gateway's first word (the tiles) comes after it has joined us to the feed: no punch is missed.
                    yield f"event: hello\ndata: {dumps({**hello, 'at': self._logins.moment()})}\n\n"
                    hello = {}
                if event.event == "terminal":
                    login.cache.clear()
                view = await self._bell(login) if event.event == "alerts" else shape(event)
                if view is not None:
                    name = f"id: {event.id}\n" if event.id else ""
                    yield f"{name}event: {event.event}\ndata: {dumps(view)}\n\n"
                following = asyncio.ensure_future(anext(events, None))
        except GatewayError as error:
            log.info("live_stream_ended", reason=str(error))
        finally:
            login.streams -= 1
            self._open -= 1
            ended.cancel()
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            await events.aclose()

    async def _bell(self, login: Login) -> dict[str, Any] | None:
        """What the bell says now; None when it cannot be known. The event says only that alerts changed."""
        try:
            token = await self._logins.token(login)
            return bell(await self._client.ask(list[AlertView], "GET", "/v1/alerts", token, {"limit": 1000}))
        except (SignedOut, GatewayError) as error:
            log.info("bell_not_told", reason=str(error))
            return None


class Shaper:
    """Gateway events to what a region draws, so that words and rules stand once, in Python."""

    def __init__(self, places: Mapping[str, str], zones: Collection[str]) -> None:
        self._places, self._zones = places, zones

    def __call__(self, event: StreamEvent) -> dict[str, Any] | None:
        """The view for one event; None for kinds that no region draws."""
        match event.event:
            case "kpi":
                kpis = Kpis.model_validate_json(event.data)
                return tiles(kpis, shared_weekday(kpis.as_of, self._zones))
            case "punch":
                punch = GatewayPunch.model_validate_json(event.data)
                return feed_row(punch, self._places.get(punch.place, punch.place))
            case "terminal":
                return device(TerminalStatus.model_validate_json(event.data), self._places)
            case "reset":
                return {}
            case _:
                return None
