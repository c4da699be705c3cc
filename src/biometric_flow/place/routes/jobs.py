"""Jobs: what a terminal is told to do, and what became of it."""

from typing import Annotated

from fastapi import APIRouter, Body, Query

from biometric_flow.api.jobs import JobOrder, JobView
from biometric_flow.place.channels import channel_for
from biometric_flow.place.routes.push import Push
from biometric_flow.place.state import State

router = APIRouter(prefix="/v1/terminals/{key}/jobs", tags=["jobs"])


@router.post("", status_code=202)
async def add_job(key: str, order: Annotated[JobOrder, Body()], state: State, push: Push) -> JobView:
    """Queue a job: done over the connection to the terminal as soon as there is one, or when the terminal polls."""
    entry = state.roster.get(key)
    channel = channel_for(entry, order.kind, push.desk.jobs.protocol(key) if entry.push_secret else None)
    job = await state.writer.call(state.jobs.add, key, order, state.clock.now(), channel)
    if channel == "pull":
        state.collectors.wake(key)
    else:
        await push.desk.jobs.wake(key)
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
