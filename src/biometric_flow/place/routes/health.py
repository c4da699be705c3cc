"""Health: the one operation that needs no key."""

from fastapi import APIRouter

from biometric_flow import __version__
from biometric_flow.api.place import PlaceHealth
from biometric_flow.model.terminal import TerminalState
from biometric_flow.place.state import State

router = APIRouter(tags=["health"])


@router.get("/health")
async def health(state: State) -> PlaceHealth:
    """Is this place well?"""
    views = [view for view in state.terminal_views() if view.is_enabled]
    online = sum(view.state is TerminalState.ONLINE for view in views)
    link, since, acknowledged = state.link
    halted, examined = state.halted, state.examined
    altered = examined.altered if examined else ""
    is_well = (
        not halted
        and not altered
        and not state.writer.is_failing
        and online == len(views)
        and link in ("connected", "not_configured")
        and not state.gateway_reason
        and not state.backup_trouble
    )
    return PlaceHealth(
        status="ok" if is_well else "degraded",
        place=state.place.id,
        version=__version__,
        started_at=state.started_at,
        head=state.reader.head(),
        acknowledged=acknowledged,
        backlog=state.reader.backlog(),
        gateway=link,
        gateway_since=since,
        gateway_reason=state.gateway_reason,
        backup=state.backup_trouble,
        read_only=halted,
        examined_at=examined.at if examined else None,
        altered=altered,
        storage="failing" if state.writer.is_failing else "ok",
        terminals_online=online,
        terminals_total=len(views),
    )
