"""Blobs, and orders for several terminals: one first, then the rest, stopped at the first failure."""

from typing import Annotated

from fastapi import APIRouter, Body, Query

from biometric_flow.api.rollouts import BlobCreate, BlobView, RolloutCreate, RolloutView
from biometric_flow.place.channels import channel_for
from biometric_flow.place.errors import RolloutRefused
from biometric_flow.place.routes.push import Push
from biometric_flow.place.state import State

router = APIRouter(prefix="/v1", tags=["rollouts"])


@router.post("/blobs", status_code=201)
async def register_blob(new: BlobCreate, state: State) -> BlobView:
    """Register a file by its size and SHA-256; its bytes follow."""
    return await state.writer.call(state.blobs.register, new, state.clock.now())


@router.put("/blobs/{identity}/{position}")
async def add_piece(
    identity: str,
    position: int,
    state: State,
    body: Annotated[bytes, Body(media_type="application/octet-stream")],
) -> BlobView:
    """The next bytes of a file, 1 MiB at most; sending a piece again changes nothing."""
    return await state.writer.call(state.blobs.add_piece, identity, position, body)


@router.get("/blobs")
async def list_blobs(state: State) -> list[BlobView]:
    """All files, newest first."""
    return await state.writer.call(state.blobs.listed)


@router.delete("/blobs/{identity}", status_code=204)
async def delete_blob(identity: str, state: State) -> None:
    """Forget a file; terminals keep what they fetched."""
    await state.writer.call(state.blobs.delete, identity)


@router.post("/rollouts", status_code=202)
async def start_rollout(new: RolloutCreate, state: State, push: Push) -> RolloutView:
    """Tell the first terminal; the others follow one by one, each after the one before has confirmed."""
    if len(set(new.terminals)) != len(new.terminals):
        raise RolloutRefused("expected each terminal once")
    entries = [state.roster.get(key) for key in new.terminals]
    for entry in entries:
        # Said now rather than at the terminal's turn, when others have it already.
        channel_for(entry, new.order.kind, push.desk.jobs.protocol(entry.key) if entry.push_secret else None)
    blob = getattr(new.order, "blob", None)
    if blob is not None and not (await state.writer.call(state.blobs.get, blob)).is_whole:
        raise RolloutRefused("expected a blob that is whole, bytes of it are missing")
    started = await state.writer.call(state.rollouts.start, new.order, new.terminals, state.clock.now())
    state.rollout_runner.wake()
    return started


@router.get("/rollouts")
async def list_rollouts(state: State, limit: Annotated[int, Query(ge=1, le=200)] = 50) -> list[RolloutView]:
    """Newest first."""
    return await state.writer.call(state.rollouts.listed, limit)


@router.get("/rollouts/{number}")
async def get_rollout(number: int, state: State) -> RolloutView:
    """One roll-out and how far it is."""
    return await state.writer.call(state.rollouts.get, number)


@router.post("/rollouts/{number}/stop")
async def stop_rollout(number: int, state: State) -> RolloutView:
    """Tell no further terminal."""
    return await state.writer.call(state.rollouts.stop, number, state.clock.now())


@router.post("/rollouts/{number}/resume")
async def resume_rollout(number: int, state: State) -> RolloutView:
    """Go on where it stopped; what was not confirmed is told again."""
    resumed = await state.writer.call(state.rollouts.resume, number, state.clock.now())
    state.rollout_runner.wake()
    return resumed
