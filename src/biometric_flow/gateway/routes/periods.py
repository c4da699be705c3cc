"""`/v1/periods`: pay periods, whether they are complete, closing, approving, reopening, and their files."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.api.hours import (
    Completeness,
    PeriodAction,
    PeriodBody,
    PeriodEvent,
    PeriodPage,
    PeriodView,
)
from biometric_flow.api.moments import Day
from biometric_flow.api.place import Slug
from biometric_flow.gateway.access import account_of, needs
from biometric_flow.gateway.pay import periods as acts
from biometric_flow.gateway.pay.errors import PeriodInvalid
from biometric_flow.gateway.pay.layouts import Period, write
from biometric_flow.gateway.pay.rows import decimal_hours, summed, totals
from biometric_flow.gateway.registry import Registry
from biometric_flow.gateway.routes.cursors import CursorInvalid, read_cursor, write_cursor
from biometric_flow.gateway.routes.documents import problems
from biometric_flow.gateway.routes.plans import PageQuery
from biometric_flow.gateway.routes.queries import STRICT
from biometric_flow.gateway.routes.versions import expect, tag
from biometric_flow.gateway.store import periods
from biometric_flow.identity.rbac import Permission
from biometric_flow.runtime.acting import becomes, replaces, takes_out
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.database import Database

LayoutName = Literal[
    "csv",
    "xlsx",
    "adp",
    "adp-epip",
    "paychex-spi",
    "paychex-preview",
    "paychex-online",
    "quickbooks-iif",
    "surepayroll",
    "millennium",
    "ceridian-insync",
]


class PeriodQuery(PageQuery):
    """Which periods, and which page of them; both dates are included."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    status: Literal["open", "closed", "locked"] | None = None
    first: Day | None = Field(None, alias="from", description="Those only that have a day from this one on.")
    last: Day | None = Field(None, alias="to", description="Those only that have a day up to this one.")


class PeriodOrders(BaseModel):
    """Periods by id, all or none; those that are there and open are changed."""

    model_config = ConfigDict(extra="forbid")

    items: dict[Slug, PeriodBody] = Field(min_length=1, max_length=200)


class MappingQuery(BaseModel):
    """By which payroll mapping."""

    model_config = ConfigDict(extra="forbid")

    mapping: Slug = Field("default", description="Id of a payroll mapping.")


class ExportQuery(MappingQuery):
    """Which file."""

    layout: LayoutName = "csv"


class CodeTotal(BaseModel):
    """One earning code over the whole period."""

    code: str
    minutes: int
    hours: Decimal = Field(description="What the rows of the payroll layouts add up to.")
    residue: Decimal = Field(description="Those hours minus the minutes as hours: what rounding each row did.")


class PeriodTotals(BaseModel):
    """What a file of the period would add up to."""

    rows: int
    minutes: int
    adjustments: int = Field(description="Minutes of earlier periods that this one pays, included above.")
    codes: list[CodeTotal]


def periods_router(database: Database, registry: Registry, clock: Clock) -> APIRouter:
    """Operations of pay periods."""
    router = APIRouter(tags=["periods"], dependencies=STRICT)
    reads, closes = needs(Permission.PERIOD_READ), needs(Permission.PERIOD_CLOSE)
    refusals = problems(400, 401, 403, 404, 409)

    @router.get("/v1/periods", openapi_extra=reads, responses=problems(400, 401, 403))
    async def page(query: Annotated[PeriodQuery, Query()], request: Request) -> PeriodPage:
        """Pay periods, newest first."""
        before = None
        if query.cursor is not None:
            try:
                before = date.fromisoformat(str(read_cursor(query.cursor, str)[0]))
            except ValueError:
                raise CursorInvalid("expected a `next_cursor` of the page before, unchanged") from None
        async with database.tenant(account_of(request).tenant) as connection:
            rows = await periods.page(connection, before, query.limit + 1, query.status, query.first, query.last)
        shown = rows[: query.limit]
        is_last = len(rows) <= query.limit
        return PeriodPage(
            items=[_view(row) for row in shown],
            next_cursor=None if is_last else write_cursor(shown[-1].first_day.isoformat()),
        )

    @router.get("/v1/periods/{period}", openapi_extra=reads, responses=problems(401, 403, 404))
    async def read(period: Slug, request: Request, response: Response) -> PeriodView:
        """One period with all that was done to it."""
        async with database.tenant(account_of(request).tenant) as connection:
            return await _shown(connection, period, response)

    @router.put("/v1/periods/{period}", openapi_extra=closes, responses=problems(400, 401, 403, 409, 412, 428))
    async def put(period: Slug, body: PeriodBody, request: Request, response: Response) -> PeriodView:
        """Make a period, or change one that is open."""
        principal = account_of(request)
        async with database.tenant(principal.tenant) as connection:
            await periods.lock(connection, principal.tenant)
            row = await periods.get(connection, period)
            expect(request, row.version if row else None)
            await acts.put(connection, principal.tenant, period, body, row)
            action = "changed" if row else "made"
            await periods.note(connection, principal.tenant, period, clock.now(), principal.account, action, "")
            return await _shown(connection, period, response)

    @router.post("/v1/periods/bulk", openapi_extra=closes, responses=problems(400, 401, 403, 409, 413))
    async def bulk(orders: Annotated[PeriodOrders, Body()], request: Request) -> PeriodPage:
        """Make or change many periods at once, all or none; one that is the same already is left alone."""
        principal, now = account_of(request), clock.now()
        async with database.tenant(principal.tenant) as connection:
            await periods.lock(connection, principal.tenant)
            before = {name: await periods.get(connection, name) for name in orders.items}
            changed = acts.changed(orders.items, before)
            acts.refuse_overlaps(orders.items)
            for name, body in changed.items():
                try:
                    await acts.put(connection, principal.tenant, name, body, before[name], orders.items)
                except PeriodInvalid as error:
                    raise error.within(name) from None
                action = "changed" if before[name] else "made"
                await periods.note(connection, principal.tenant, name, now, principal.account, action, "")
            views = [_view(await acts.known(connection, name)) for name in orders.items]
            becomes([view.model_dump(mode="json") for view in views])
        return PeriodPage(items=views)

    @router.get("/v1/periods/{period}/completeness", openapi_extra=reads, responses=problems(401, 403, 404))
    async def complete(period: Slug, request: Request) -> Completeness:
        """Everything that is still missing: per place and terminal, workdays, irregularities, requests."""
        tenant = account_of(request).tenant
        async with database.tenant(tenant) as connection:
            row = await acts.known(connection, period)
            found = await acts.obstacles(connection, tenant, registry, row, clock.now())
        return Completeness(is_complete=not found, obstacles=found)

    @router.post("/v1/periods/{period}/close", openapi_extra=closes, responses=refusals)
    async def close(period: Slug, action: PeriodAction, request: Request, response: Response) -> PeriodView:
        """Let the workdays stand; later knowledge becomes adjustments. Refused while something is missing."""
        principal, now = account_of(request), clock.now()
        async with database.tenant(principal.tenant) as connection:
            row = await _begin(connection, principal.tenant, period)
            found = await acts.obstacles(connection, principal.tenant, registry, row, now)
            await acts.close(
                connection, principal.tenant, row, found, principal.account, action.reason, now, force=action.force
            )
            return await _shown(connection, period, response)

    @router.post("/v1/periods/{period}/approve", openapi_extra=needs(Permission.PERIOD_APPROVE), responses=refusals)
    async def approve(period: Slug, action: PeriodAction, request: Request, response: Response) -> PeriodView:
        """Approve a closed period; with as many different accounts as it asks for it is locked."""
        principal = account_of(request)
        async with database.tenant(principal.tenant) as connection:
            row = await _begin(connection, principal.tenant, period)
            await acts.approve(connection, principal.tenant, row, principal.account, action.reason, clock.now())
            return await _shown(connection, period, response)

    @router.post("/v1/periods/{period}/reopen", openapi_extra=closes, responses=refusals)
    async def reopen(period: Slug, action: PeriodAction, request: Request, response: Response) -> PeriodView:
        """Open the newest closed period again, with a reason."""
        principal = account_of(request)
        async with database.tenant(principal.tenant) as connection:
            row = await _begin(connection, principal.tenant, period)
            await acts.reopen(connection, principal.tenant, row, principal.account, action.reason, clock.now())
            return await _shown(connection, period, response)

    exports = needs(Permission.PERIOD_EXPORT)

    @router.get("/v1/periods/{period}/totals", openapi_extra=exports, responses=refusals)
    async def dry_run(period: Slug, query: Annotated[MappingQuery, Query()], request: Request) -> PeriodTotals:
        """What a file of a locked period adds up to, by earning code, with the residue of rounding."""
        async with database.tenant(account_of(request).tenant) as connection:
            row = await acts.known(connection, period)
            rows, _ = await acts.rows_of(connection, row, query.mapping)
        codes = totals(summed(rows, row.last_day))
        return PeriodTotals(
            rows=len(rows),
            minutes=sum(one.minutes for one in rows),
            adjustments=sum(one.minutes for one in rows if one.adjusts),
            codes=[
                CodeTotal(code=code, minutes=minutes, hours=hours, residue=hours - decimal_hours(minutes))
                for code, (minutes, hours) in codes.items()
            ],
        )

    @router.get(
        "/v1/periods/{period}/export",
        openapi_extra=exports | takes_out(),
        responses={**refusals, 200: {"content": {"application/octet-stream": {}}, "description": "The file."}},
        response_class=Response,
    )
    async def export(period: Slug, query: Annotated[ExportQuery, Query()], request: Request) -> Response:
        """A file of a locked period; the same bytes each time."""
        async with database.tenant(account_of(request).tenant) as connection:
            row = await acts.known(connection, period)
            rows, mapping = await acts.rows_of(connection, row, query.mapping)
        name, media_type, content = write(query.layout, rows, mapping, Period(period, row.first_day, row.last_day))
        safe = "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in name)
        return Response(
            content, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{safe}"'}
        )

    async def _begin(connection: AsyncConnection, tenant: Any, period: str) -> Row[Any]:
        await periods.lock(connection, tenant)
        row = await acts.known(connection, period)
        replaces(_view(row))
        return row

    async def _shown(connection: AsyncConnection, period: str, response: Response) -> PeriodView:
        row = await acts.known(connection, period)
        tag(response, row.version)
        view = _view(row, await periods.events(connection, period))
        becomes(view)
        return view

    return router


def _view(row: Row[Any], events: Any = ()) -> PeriodView:
    return PeriodView.model_validate(
        {
            "id": row.period_id,
            "from": row.first_day,
            "to": row.last_day,
            **{name: getattr(row, name) for name in ("approvers", "status", "approved_by", "locked_at", "version")},
            "events": [
                PeriodEvent(at=one.at, account=one.account, action=one.action, reason=one.reason) for one in events
            ],
        }
    )
