"""What places send: `/v1/places/{place}/entries`, `/position` and `/report`, with that place's credential only."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from biometric_flow.api.corrections import CorrectionOrders
from biometric_flow.api.gateway import Acknowledged, EntriesUpload, PlaceReport
from biometric_flow.api.place import Slug
from biometric_flow.gateway.access import needs, place_of
from biometric_flow.gateway.intake import Intake
from biometric_flow.gateway.people import corrections
from biometric_flow.gateway.routes.documents import problems
from biometric_flow.identity.rbac import Permission
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.database import Database

PAGE: Final = 200
"""Corrections in one answer."""


class WaitingQuery(BaseModel):
    """Behind which position."""

    model_config = ConfigDict(extra="forbid")

    after: int = Field(0, ge=0, lt=2**63)


def intake_router(intake: Intake, database: Database, clock: Clock) -> APIRouter:
    """Operations of places."""
    router = APIRouter(tags=["intake"])
    declared = needs(Permission.LEDGER_WRITE)
    of_ledger = needs(Permission.LEDGER_WRITE, trail="the entries are the place's own ledger")
    of_state = needs(Permission.LEDGER_WRITE, trail="a measurement that takes the place of the last one")

    @router.get("/v1/places/{place}/position", openapi_extra=declared, responses=problems(401, 403, 404))
    async def position(
        place: Slug,
        request: Request,
        log: Annotated[int, Query(ge=1, le=10_000, description="Which of the place's logs.")] = 1,
    ) -> Acknowledged:
        """How far the gateway holds a log of this place; an upload continues there."""
        caller = place_of(request)
        return Acknowledged(position=await intake.position(caller.tenant, caller.place, log))

    @router.post(
        "/v1/places/{place}/entries", openapi_extra=of_ledger, responses=problems(400, 401, 403, 404, 409, 413)
    )
    async def upload(place: Slug, entries: EntriesUpload, request: Request) -> Acknowledged:
        """Store ledger entries that follow the position held; the answer comes once they are durable.

        Repeating an upload whose answer was lost is safe: entries that are held already are skipped.
        """
        caller = place_of(request)
        held = await intake.take(caller.tenant, caller.place, entries.after, entries.entries, clock.now(), entries.log)
        return Acknowledged(position=held)

    @router.put(
        "/v1/places/{place}/report",
        openapi_extra=of_state,
        responses=problems(400, 401, 403, 404, 413),
        status_code=204,
    )
    async def report(place: Slug, said: PlaceReport, request: Request) -> None:
        """Say how the place and its terminals are; without a word for some seconds the place counts as silent."""
        caller = place_of(request)
        await intake.report(caller.tenant, caller.place, said, clock.now())

    @router.get("/v1/places/{place}/corrections", openapi_extra=declared, responses=problems(400, 401, 403, 404))
    async def waiting(place: Slug, query: Annotated[WaitingQuery, Query()], request: Request) -> CorrectionOrders:
        """Approved corrections and withdrawals that this place is to record and has not yet, by position."""
        caller = place_of(request)
        async with database.tenant(caller.tenant) as connection:
            items = await corrections.waiting(connection, caller.tenant, caller.place, query.after, PAGE)
        return CorrectionOrders(items=items)

    return router
