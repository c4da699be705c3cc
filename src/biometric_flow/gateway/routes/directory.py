"""`/v1/places`, `/v1/terminals` and `/v1/pins`: what stands where, and which PINs are known there."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from biometric_flow.api.gateway import PersonPage, PlaceView, TerminalStatus
from biometric_flow.api.place import Slug
from biometric_flow.gateway.access import account_of, needs
from biometric_flow.gateway.registry import Registry
from biometric_flow.gateway.routes.cursors import read_cursor, write_cursor
from biometric_flow.gateway.routes.documents import problems
from biometric_flow.gateway.store import people, places, terminals
from biometric_flow.gateway.views import person_view, place_view, terminal_view
from biometric_flow.identity.rbac import Permission
from biometric_flow.model.terminal import TerminalState
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.database import Database


class NoQuery(BaseModel):
    """No parameter: one that is given is refused."""

    model_config = ConfigDict(extra="forbid")


class TerminalQuery(BaseModel):
    """Which terminals."""

    model_config = ConfigDict(extra="forbid")

    place: Slug | None = None
    state: TerminalState | None = None


class PinQuery(BaseModel):
    """Which PINs, and which page of them."""

    model_config = ConfigDict(extra="forbid")

    q: str | None = Field(None, max_length=80, pattern="^[^\\x00]*$", description="A part of the name or of the PIN.")
    place: Slug | None = None
    unheld: bool = Field(False, description="Only PINs that no person holds: they wait for a mapping.")
    limit: int = Field(100, ge=1, le=1000)
    cursor: str | None = Field(None, min_length=1, max_length=400)


def directory_router(database: Database, registry: Registry, clock: Clock) -> APIRouter:
    """Operations of places, terminals and PINs."""
    router = APIRouter(tags=["directory"])

    @router.get("/v1/places", openapi_extra=needs(Permission.PLACE_READ), responses=problems(401, 403))
    async def list_places(query: Annotated[NoQuery, Query()], request: Request) -> list[PlaceView]:
        """All places of the tenant, and how fresh what is known of each is."""
        async with database.tenant(account_of(request).tenant) as connection:
            rows = await places.listed(connection)
        now = clock.now()
        return [place_view(row, is_reporting=registry.is_reporting(row.last_heard, now)) for row in rows]

    @router.get("/v1/terminals", openapi_extra=needs(Permission.TERMINAL_READ), responses=problems(401, 403))
    async def list_terminals(query: Annotated[TerminalQuery, Query()], request: Request) -> list[TerminalStatus]:
        """All terminals as their places last reported them."""
        async with database.tenant(account_of(request).tenant) as connection:
            rows = await terminals.listed(connection, query.place, query.state)
        now = clock.now()
        return [terminal_view(row, is_stale=not registry.is_reporting(row.last_heard, now)) for row in rows]

    @router.get("/v1/pins", openapi_extra=needs(Permission.PERSON_READ), responses=problems(400, 401, 403))
    async def list_pins(query: Annotated[PinQuery, Query()], request: Request) -> PersonPage:
        """PINs that punched or are enrolled, by place, with the terminals that know them and the name there."""
        after = None
        if query.cursor is not None:
            place_id, pin = map(str, read_cursor(query.cursor, str, str))
            after = place_id, pin
        async with database.tenant(account_of(request).tenant) as connection:
            rows = await people.page(connection, query.q, query.place, after, query.limit + 1, unheld=query.unheld)
        shown = rows[: query.limit]
        is_last = len(rows) <= query.limit
        return PersonPage(
            items=[person_view(row) for row in shown],
            next_cursor=None if is_last else write_cursor(shown[-1].place_id, shown[-1].pin),
        )

    return router
