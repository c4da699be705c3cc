"""`/v1/stream`: punches, terminals and tiles as they change, as server-sent events."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Annotated, Final
from uuid import UUID

import structlog
from fastapi import APIRouter, Header, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from biometric_flow.gateway.access import account_of, needs
from biometric_flow.gateway.hub import USUAL, Hub, OpenStream
from biometric_flow.gateway.marks import PATTERN, read
from biometric_flow.gateway.routes.documents import problems
from biometric_flow.gateway.standing import Standings
from biometric_flow.identity.rbac import Permission
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.database import DatabaseUnavailable
from biometric_flow.runtime.web import Forbidden

log = structlog.get_logger()

LAST_SECONDS: Final = 1.0
CHECK_SECONDS: Final = 2.5
"""How often an open stream asks whether its account may still listen; with what is remembered, within 5 s."""
_EXAMPLE: Final = 'id: 4711\nevent: punch\ndata: {"place":"cairo","pin":"42","position":4711}\n\n'


_TOPICS: Final = {
    "punches": Permission.PUNCH_READ,
    "terminals": Permission.TERMINAL_READ,
    "tiles": Permission.PUNCH_READ,
    "workdays": Permission.WORKDAY_READ,
    "alerts": Permission.ALERT_READ,
}
"""What a listener has to hold for each topic, besides reading punches."""


class StreamQuery(BaseModel):
    """Where to resume, for clients that cannot set the header."""

    model_config = ConfigDict(extra="forbid")

    last_event_id: str | None = Field(None, pattern=PATTERN)
    topics: str | None = Field(
        None,
        pattern=f"^(?:{'|'.join(_TOPICS)})(?:,(?:{'|'.join(_TOPICS)}))*$",
        max_length=100,
        description="Comma-separated; left out: punches,terminals,tiles.",
    )

    def chosen(self) -> frozenset[str]:
        """The topics."""
        return USUAL if self.topics is None else frozenset(self.topics.split(","))


class EventStream(Response):
    """Sends chunks until the source ends, the caller leaves or is too slow, or the time is over."""

    def __init__(self, stream: OpenStream, seconds: float, ended: Callable[[], Awaitable[None]]) -> None:
        super().__init__(headers={"X-Accel-Buffering": "no", "Content-Type": "text/event-stream; charset=utf-8"})
        self._stream, self._seconds, self._ended = stream, seconds, ended
        del self.headers["Content-Length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream; ends cleanly when the access token does, so that its holder must prove itself again."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        sending = asyncio.create_task(self._send_all(send))
        ends = (asyncio.create_task(_left(receive)), asyncio.create_task(self._stream.dropped.wait()))
        ended = asyncio.ensure_future(self._ended())
        try:
            await asyncio.wait((sending, ended, *ends), timeout=self._seconds, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            # The server stops and waits for nobody: the listener gets a clean end and comes back with its last id.
            log.debug("stream_cut")
        finally:
            is_cut = any(end.done() for end in ends)
            for task in (sending, ended, *ends):
                task.cancel()
            await asyncio.gather(sending, ended, *ends, return_exceptions=True)
            await self._stream.chunks.aclose()
        if not is_cut:
            with suppress(TimeoutError):
                await asyncio.wait_for(send({"type": "http.response.body", "body": b""}), LAST_SECONDS)

    async def _send_all(self, send: Send) -> None:
        async for chunk in self._stream.chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def stream_router(hub: Hub, standings: Standings, clock: Clock) -> APIRouter:
    """The operation of live events."""
    router = APIRouter(tags=["stream"])
    answers = {
        **problems(401, 403),
        200: {
            "description": "Events `punch` (GatewayPunch), `terminal` (TerminalStatus), `kpi` (Kpis), "
            "`workdays` and `alerts` (their version), and `reset` when more was missed than is sent again. "
            "The last id is where to resume. A WebSocket at the same path carries the same events as JSON.",
            "content": {"text/event-stream": {"example": _EXAMPLE}},
        },
    }

    @router.get(
        "/v1/stream",
        openapi_extra=needs(Permission.PUNCH_READ),
        responses=answers,
        response_class=Response,
    )
    async def stream(
        query: Annotated[StreamQuery, Query()],
        request: Request,
        last_event_id: Annotated[str | None, Header(pattern=PATTERN)] = None,
    ) -> EventStream:
        """Events as they happen, until the access token ends; resume with Last-Event-ID. A comment every 10 s."""
        principal = account_of(request)
        last = query.last_event_id if last_event_id is None else last_event_id
        for topic in query.chosen() - USUAL:
            if principal.standing.reach(_TOPICS[topic], clock.now()) is None:
                raise Forbidden(f"expected a grant with {_TOPICS[topic]} for events of {topic}")
        opened = await hub.open(principal.tenant, None if last is None else read(last), query.chosen())
        held = principal.standing.reach(Permission.PUNCH_READ, clock.now())

        async def ended() -> None:
            """Until the sign-in is ended or reaches something else than when the stream began."""
            is_same = True
            while is_same:
                await clock.sleep(CHECK_SECONDS)
                with suppress(DatabaseUnavailable):
                    now = await standings.of(principal.tenant, UUID(principal.account))
                    is_same = now.lets_in(principal.session) and now.reach(Permission.PUNCH_READ, clock.now()) == held

        return EventStream(opened, (principal.expires_at - clock.now()).total_seconds(), ended)

    return router
