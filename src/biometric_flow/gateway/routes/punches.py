"""`/v1/punches` and `/v1/punches/count`."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from biometric_flow.api.gateway import GatewayPunchPage, PunchCount
from biometric_flow.api.moments import Instant, WallClock
from biometric_flow.api.place import Slug
from biometric_flow.gateway.access import account_of, needs
from biometric_flow.gateway.archive import across
from biometric_flow.gateway.archive.reader import Archive
from biometric_flow.gateway.routes.cursors import CursorInvalid, read_cursor, write_cursor
from biometric_flow.gateway.routes.documents import problems
from biometric_flow.gateway.store import punches
from biometric_flow.gateway.views import punch_view
from biometric_flow.identity.rbac import Permission
from biometric_flow.model.ids import PIN_MAX, SERIAL
from biometric_flow.runtime.database import Database


class PunchQuery(BaseModel):
    """Which punches. `from` and `to` are instants; `local_from` and `local_to` are terminals' wall-clock times."""

    model_config = ConfigDict(extra="forbid")

    place: Slug | None = None
    terminal: str | None = Field(None, pattern=f"^{SERIAL.pattern}$", description="Serial number.")
    pin: str | None = Field(None, min_length=1, max_length=PIN_MAX, pattern="^[^\\x00]*$")
    instant_from: Instant | None = Field(None, alias="from", description="Not before this instant.")
    instant_to: Instant | None = Field(None, alias="to", description="Before this instant.")
    local_from: WallClock | None = Field(None, description="Not before this time on the place's own clock.")
    local_to: WallClock | None = Field(None, description="Before this time on the place's own clock.")

    def wanted(self) -> punches.PunchFilter:
        """The same for the store."""
        return punches.PunchFilter(**self.model_dump(include=set(PunchQuery.model_fields)))


class PunchPageQuery(PunchQuery):
    """Which punches, in which order, and which page of them."""

    order: Literal["newest", "oldest"] = "newest"
    limit: int = Field(100, ge=1, le=1000)
    cursor: str | None = Field(None, min_length=1, max_length=200)


def punches_router(database: Database, archive: Archive) -> APIRouter:
    """Operations of punches."""
    router = APIRouter(tags=["punches"])
    declared = needs(Permission.PUNCH_READ, shows="punch")

    @router.get("/v1/punches", openapi_extra=declared, responses=problems(400, 401, 403))
    async def page(query: Annotated[PunchPageQuery, Query()], request: Request) -> GatewayPunchPage:
        """Punches by instant. Pages neither repeat nor miss a punch when others arrive between them."""
        after = None if query.cursor is None else _after(query.cursor)
        principal = account_of(request)
        async with database.tenant(principal.tenant) as connection:
            rows = await across.page(
                *(connection, principal.tenant, archive, query.wanted(), after, query.limit + 1),
                newest_first=query.order == "newest",
            )
        shown = rows[: query.limit]
        is_last = len(rows) <= query.limit
        return GatewayPunchPage(
            items=[punch_view(row) for row in shown],
            next_cursor=None if is_last else write_cursor(shown[-1].instant.isoformat(), shown[-1].position),
        )

    @router.get("/v1/punches/count", openapi_extra=declared, responses=problems(401, 403))
    async def count(query: Annotated[PunchQuery, Query()], request: Request) -> PunchCount:
        """How many punches match, and per place."""
        principal = account_of(request)
        async with database.tenant(principal.tenant) as connection:
            places = await across.counts(connection, principal.tenant, archive, query.wanted())
        return PunchCount(count=sum(places.values()), places=places)

    return router


def _after(cursor: str) -> punches.After:
    instant, position = read_cursor(cursor, str, int)
    try:
        moment = datetime.fromisoformat(str(instant))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise CursorInvalid("expected a `next_cursor` of the page before, unchanged")
    return punches.After(moment, int(position))
