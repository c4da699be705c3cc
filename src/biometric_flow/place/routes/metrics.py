"""What Prometheus asks for, with the place's own key as bearer token."""

from fastapi import APIRouter
from fastapi.responses import Response

from biometric_flow.api.place import TerminalView
from biometric_flow.place.metrics import Measured, PushMeasured, exposition
from biometric_flow.place.routes.push import Push
from biometric_flow.place.state import PlaceState, State

router = APIRouter(tags=["health"])


@router.get("/metrics", response_class=Response)
async def metrics(state: State, push: Push) -> Response:
    """Terminals and ledger in the text exposition format of Prometheus."""
    measured = [_measured(state, push, view) for view in state.terminal_views()]
    commands = await state.writer.call(push.desk.queue.counts)
    pushed = PushMeasured(push.desk.uploads, commands, push.refused, push.desk.archive.failures)
    text = exposition(
        measured, state.reader.head(), state.reader.backlog(), state.clock.now(), pushed, bool(state.backup_trouble)
    )
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


def _measured(state: PlaceState, push: Push, view: TerminalView) -> Measured:
    condition = state.health.condition(view.key, state.clock.now())
    known = state.collectors.rows_known(view.key)
    unread = None if known is None or condition.last_contact is None else max(0, view.capacity.punches - known)
    if view.protocol == "push":
        unread = push.desk.upkeep.rows_unread(view.key)
    return Measured(view, condition.errors, condition.alarms, condition.latency, unread)
