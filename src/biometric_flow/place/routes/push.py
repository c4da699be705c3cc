"""Terminals that push: strangers, who may push, commands, events, files carried over."""

from typing import Annotated, cast

from fastapi import APIRouter, Body, Depends, Query, Request

from biometric_flow.api.place import TerminalView
from biometric_flow.api.push import (
    EventView,
    ImportResult,
    PushAccessChange,
    StrangerView,
)
from biometric_flow.model.ids import TerminalSerial
from biometric_flow.place.push.access import changed_access
from biometric_flow.place.push.errors import FileUnreadable
from biometric_flow.place.push.intake import Upload
from biometric_flow.place.push.server import PushServer
from biometric_flow.place.state import State
from biometric_flow.runtime.acting import replaces
from biometric_flow.zk.errors import ProtocolViolation

router = APIRouter(prefix="/v1/terminals", tags=["push"])


def _of_request(request: Request) -> PushServer:
    return cast("PushServer", request.app.state.push)


Push = Annotated[PushServer, Depends(_of_request)]


@router.get("/seen")
async def list_strangers(push: Push) -> list[StrangerView]:
    """Terminals that dialled the push port and were not let in, newest first. Kept in memory only, 200 at most."""
    return [StrangerView.model_validate(stranger, from_attributes=True) for stranger in push.seen]


@router.put("/{key}/push")
async def change_push_access(key: str, change: PushAccessChange, state: State, push: Push) -> TerminalView:
    """Let a terminal push, or forbid it. The secret is kept as a digest and never shown again."""
    entry = state.roster.get(key)
    replaces(entry)
    changed = await state.writer.call(lambda: state.roster.change(key, **changed_access(entry, change)))
    push.doorkeeper.forget(changed.serial)
    push.seen.forget(changed.serial)
    return state.terminal_view(changed)


@router.get("/{key}/events")
async def list_events(
    key: str, state: State, push: Push, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> list[EventView]:
    """What happened at a terminal and is no punch: refused attempts, alarms, operations. Newest first."""
    events = push.desk.reader.events(TerminalSerial(state.roster.get(key).serial), limit)
    return [
        EventView(
            kind=event.kind.value,
            code=event.code,
            pin=event.pin,
            local_time=event.local_time,
            detail=event.detail,
            first_seen=seen,
        )
        for event, seen in events
    ]


@router.post("/{key}/import")
async def import_file(
    key: str, state: State, push: Push, file: Annotated[bytes, Body(media_type="application/octet-stream")]
) -> ImportResult:
    """Punches of an attlog.dat from this terminal's USB stick, 2 MiB at a time; what is known already is recognised."""
    entry = state.roster.get(key)
    if not entry.serial:
        raise FileUnreadable(f"expected a terminal whose serial number is known, {key!r} was never reached")
    try:
        kept = await push.desk.intake.usb_file(Upload(entry, file, {}))
    except ProtocolViolation as problem:
        raise FileUnreadable(str(problem)) from None
    return ImportResult(
        received=kept.received, accepted=len(kept.accepted), quarantined=kept.quarantined, duplicate=kept.duplicate
    )
