"""The live stream of a place, as server-sent events."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Final

from fastapi import APIRouter, Header
from fastapi.responses import StreamingResponse

from biometric_flow.place.feed import Message
from biometric_flow.place.routes.punches import punch_view
from biometric_flow.place.state import PlaceState, State

router = APIRouter(prefix="/v1", tags=["stream"])

HEARTBEAT_SECONDS: Final = 10.0
REPLAY_STEP: Final = 500


@router.get("/stream", response_class=StreamingResponse)
async def stream(state: State, last_event_id: Annotated[int | None, Header(ge=0)] = None) -> StreamingResponse:
    """Events `punch` (id = ledger sequence) and `terminal`. With Last-Event-ID, everything since comes first."""
    events = _events(state, last_event_id)
    return StreamingResponse(events, media_type="text/event-stream", headers={"Cache-Control": "no-store"})


async def _events(state: PlaceState, last: int | None) -> AsyncIterator[str]:
    with state.feed.listen() as messages:
        yield ": connected\n\n"
        if last is not None:
            while missed := state.reader.punches_after(last, REPLAY_STEP):
                for last, punch in missed:
                    yield _text(Message("punch", punch_view(punch).model_dump_json(), last))
        upcoming = asyncio.ensure_future(anext(messages))
        try:
            while True:
                done, _ = await asyncio.wait({upcoming}, timeout=HEARTBEAT_SECONDS)
                if not done:
                    yield ": still here\n\n"
                    continue
                try:
                    message = upcoming.result()
                except StopAsyncIteration:
                    return
                # What was replayed above may have been published meanwhile as well.
                if message.id is None or last is None or message.id > last:
                    yield _text(message)
                upcoming = asyncio.ensure_future(anext(messages))
        finally:
            upcoming.cancel()


def _text(message: Message) -> str:
    identity = "" if message.id is None else f"id: {message.id}\n"
    return f"{identity}event: {message.event}\ndata: {message.data}\n\n"
