"""Jobs: what a terminal is told to do, and what became of it."""

from typing import Annotated

from fastapi import APIRouter, Body, Query

from biometric_flow.api.jobs import JobOrder, JobView
from biometric_flow.place.errors import TerminalNotPulled
from biometric_flow.place.state import State

router = APIRouter(prefix="/v1/terminals/{key}/jobs", tags=["jobs"])


@router.post("", status_code=202)
async def add_job(key: str, order: Annotated[JobOrder, Body()], state: State) -> JobView:
    """Queue a job; it is done over the connection that listens to the terminal, as soon as there is one."""
    entry = state.roster.get(key)
    if entry.protocol != "pull" or not entry.is_enabled:
        raise TerminalNotPulled(f"expected a terminal that this place dials and that is switched on, {key!r} is not")
    job = await state.writer.call(state.jobs.add, key, order, state.clock.now())
    state.collectors.wake(key)
    return job


@router.get("")
async def list_jobs(key: str, state: State, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> list[JobView]:
    """The jobs of a terminal, newest first."""
    entry = state.roster.get(key)
    await state.writer.call(state.jobs.expire, state.clock.now())
    return await state.writer.call(state.jobs.listed, entry.key, limit)


@router.get("/{number}")
async def get_job(key: str, number: int, state: State) -> JobView:
    """One job."""
    entry = state.roster.get(key)
    await state.writer.call(state.jobs.expire, state.clock.now())
    return await state.writer.call(state.jobs.get, entry.key, number)
