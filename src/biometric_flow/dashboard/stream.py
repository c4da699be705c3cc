"""GET /live/stream: the gateway's events of this login's account, shaped for the screen, as server-sent events."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from contextlib import aclosing
from typing import Any, Final

import structlog
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from biometric_flow.api.clients import GatewayProblem, GatewayUnreachable, StreamEvent
from biometric_flow.api.gateway import GatewayPunch, Kpis, TerminalStatus
from biometric_flow.dashboard.login import Login, Logins, SignedOut
from biometric_flow.dashboard.views.devices import device
from biometric_flow.dashboard.views.feed import feed_row
from biometric_flow.dashboard.views.overview import shared_weekday, tiles
from biometric_flow.dashboard.words import _
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.web import dumps

log = structlog.get_logger()

MAX_STREAMS: Final = 8
"""Open streams of one login; a browser tab needs one, and only while it is visible."""
BEAT_SECONDS: Final = 5.0
"""At least this often the browser hears that the gateway is there; its pill counts from the last word."""


class LiveStream:
    """The route, bound to one store of logins."""

    def __init__(self, logins: Logins, clock: Clock) -> None:
        self._logins, self._clock = logins, clock

    async def respond(self, request: Request) -> Response:
        """Open the gateway's stream first, so that its refusal becomes our status and not an empty stream."""
        login: Login = request.state.login
        if login.streams >= MAX_STREAMS:
            return PlainTextResponse(_("Too many open pages"), 429)
        last_id = request.headers.get("last-event-id", "")[:40]
        try:
            token = await self._logins.token(login)
            places = await self._logins.client.places(token)
        except SignedOut:
            return PlainTextResponse(_("Signed out"), 401)
        except GatewayProblem as error:
            return PlainTextResponse(error.code, 401 if error.status == 401 else 503)
        except GatewayUnreachable:
            return PlainTextResponse(_("The gateway does not answer"), 503)
        shape = Shaper({place.id: place.name for place in places}, {place.zone for place in places})
        events = self._logins.client.stream(token, last_id or None)
        return StreamingResponse(
            self._lines(login, events, shape), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
        )

    async def _lines(
        self, login: Login, events: AsyncGenerator[StreamEvent, None], shape: "Shaper"
    ) -> AsyncIterator[str]:
        login.streams += 1
        try:
            async with aclosing(events):
                yield ": hello\n\n"
                beaten = -BEAT_SECONDS
                while (event := await self._next(login, events)) is not None:
                    view = shape(event)
                    now = self._clock.monotonic()
                    if view is not None:
                        name = f"id: {event.id}\n" if event.id else ""
                        yield f"{name}event: {event.event}\ndata: {dumps(view)}\n\n"
                    elif now - beaten >= BEAT_SECONDS:
                        yield "event: beat\ndata: {}\n\n"
                    beaten = now
        except (GatewayProblem, GatewayUnreachable) as error:
            log.info("live_stream_ended", reason=str(error))
        finally:
            login.streams -= 1

    async def _next(self, login: Login, events: AsyncGenerator[StreamEvent, None]) -> StreamEvent | None:
        """The next event; None at the end of the stream or of the login."""
        following = asyncio.ensure_future(anext(events, None))
        ended = asyncio.ensure_future(login.ended.wait())
        try:
            await asyncio.wait((following, ended), return_when=asyncio.FIRST_COMPLETED)
            return None if ended.done() else following.result()
        finally:
            ended.cancel()
            if not following.done():
                following.cancel()
                await asyncio.wait((following,))


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
            case _:
                return None
