"""Retention policies and legal holds at a place."""

from fastapi import APIRouter

from biometric_flow.api.moments import Day
from biometric_flow.api.retention import (
    Hold,
    HoldEnded,
    HoldWanted,
    RetentionPolicy,
    RetentionWanted,
)
from biometric_flow.place.state import State

router = APIRouter(prefix="/v1", tags=["privacy"])


@router.get("/retention")
async def list_policies(state: State) -> list[RetentionPolicy]:
    """How long which data stay: every policy there was, oldest first."""
    return await state.writer.call(state.retention.retention.policies)


@router.post("/retention", status_code=201)
async def save_policy(wanted: RetentionWanted, state: State) -> RetentionPolicy:
    """The next policy; it is carried out by itself from its day on. At a place with a gateway, save it there."""
    return await state.writer.call(state.retention.retention.save, wanted, state.clock.now())


@router.get("/holds")
async def list_holds(state: State, on: Day | None = None) -> list[Hold]:
    """Legal holds, newest first; with `on` those in force on a day."""
    found = await state.writer.call(state.retention.retention.holds)
    return [one for one in found if on is None or one.is_in_force(on)]


@router.post("/holds", status_code=201)
async def place_hold(wanted: HoldWanted, state: State) -> Hold:
    """Hold back what there is about a person or everybody: it wins over erasure and retention, never over templates."""
    return await state.writer.call(state.retention.retention.hold, wanted, state.clock.now())


@router.post("/holds/{hold}/end")
async def end_hold(hold: str, ended: HoldEnded, state: State) -> Hold:
    """End a hold; what was asked for meanwhile is done within the next look."""
    return await state.writer.call(state.retention.retention.end, hold, ended.by, state.clock.now())
