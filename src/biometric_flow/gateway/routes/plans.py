"""`/v1/shifts`, `/v1/schedules`, `/v1/calendars` and others like them: documents by id, each with its version."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.api.hours import Drift, DriftPage, PlanDocument, PlanDocumentPage
from biometric_flow.api.moments import Day
from biometric_flow.api.place import Slug
from biometric_flow.gateway.access import account_of, needs
from biometric_flow.gateway.people.errors import PlanInUse, PlanUnknown
from biometric_flow.gateway.people.plans import Kind, Touched, check_document, touched, touched_by_clock, uses
from biometric_flow.gateway.routes.cursors import read_cursor, write_cursor
from biometric_flow.gateway.routes.documents import problems
from biometric_flow.gateway.routes.queries import STRICT
from biometric_flow.gateway.routes.versions import expect, is_known, tag
from biometric_flow.gateway.store import holdings, plans, workdays
from biometric_flow.gateway.workdays.loader import Loader
from biometric_flow.identity.rbac import Permission
from biometric_flow.model.ids import TenantId
from biometric_flow.runtime.acting import replaces
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.database import Database

KINDS: Final[dict[Kind, str]] = {
    "shift": "shifts",
    "schedule": "schedules",
    "calendar": "calendars",
    "clock": "clock-corrections",
    "payroll": "payroll-mappings",
}
DRIFTS_MAX: Final = 1000
Document = Annotated[dict[str, Any], Body()]


class PageQuery(BaseModel):
    """Which page."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(100, ge=1, le=1000)
    cursor: str | None = Field(None, min_length=1, max_length=400)


class DocumentQuery(PageQuery):
    """Which documents, and which page of them."""

    begins: Slug | None = Field(None, description="Those only whose id begins so.")


class DriftQuery(BaseModel):
    """Which days, in UTC, both included; and from how many seconds on it is told."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    first: Day = Field(alias="from", ge=date(1980, 1, 1), le=date(2199, 12, 31))
    last: Day = Field(alias="to", ge=date(1980, 1, 1), le=date(2199, 12, 31))
    above_seconds: int = Field(30, ge=1, le=86_400)


class DocumentOrders(BaseModel):
    """Documents by id, all or none: they take the place of what is there."""

    model_config = ConfigDict(extra="forbid")

    items: dict[Slug, dict[str, Any]] = Field(min_length=1, max_length=500)


def plans_router(database: Database, loader: Loader, clock: Clock) -> APIRouter:
    """Operations of all kinds of documents."""
    router = APIRouter(tags=["plans"], dependencies=STRICT)
    for kind, path in KINDS.items():
        _add_kind(router, kind, f"/v1/{path}", database, loader, clock)
    _add_drift(router, database)
    return router


def _add_drift(router: APIRouter, database: Database) -> None:
    @router.get("/v1/clock-drift", openapi_extra=needs(Permission.PLAN_READ), responses=problems(400, 401, 403))
    async def drift(query: Annotated[DriftQuery, Query()], request: Request) -> DriftPage:
        """Clocks that were measured to be off while people punched, by terminal and day. Nothing is corrected.

        `PUT /v1/clock-corrections/{id}` with `device`, `from`, `to`, `offset_s` and a reason corrects workdays, and
        `DELETE` takes it back.
        """
        since = datetime.combine(query.first, time(), UTC)
        until = datetime.combine(query.last, time(), UTC) + timedelta(days=1)
        above = timedelta(seconds=query.above_seconds)
        async with database.tenant(account_of(request).tenant) as connection:
            rows = await holdings.drifts(connection, since, until, above, DRIFTS_MAX)
        return DriftPage(
            items=[
                Drift.model_validate(
                    {
                        "place": row.place_id,
                        "device": row.terminal,
                        "date": row.day,
                        "from": row.first,
                        "to": row.last + timedelta(seconds=1),
                        "offset_s": round(row.drift_ms / 1000),
                        "punches": row.punches,
                    }
                )
                for row in rows
            ]
        )


def _add_kind(router: APIRouter, kind: Kind, path: str, database: Database, loader: Loader, clock: Clock) -> None:
    reads, writes = needs(Permission.PLAN_READ), needs(Permission.PLAN_WRITE)
    name = path.rpartition("/")[2]

    @router.get(path, openapi_extra=reads, responses=problems(400, 401, 403), summary=f"List {name} by id.")
    async def page(query: Annotated[DocumentQuery, Query()], request: Request) -> PlanDocumentPage:
        after = "" if query.cursor is None else str(read_cursor(query.cursor, str)[0])
        async with database.tenant(account_of(request).tenant) as connection:
            rows = await plans.page(connection, kind, after, query.limit + 1, query.begins)
        shown = rows[: query.limit]
        is_last = len(rows) <= query.limit
        return PlanDocumentPage(
            items=[PlanDocument(id=row.document_id, version=row.version, body=row.body) for row in shown],
            next_cursor=None if is_last else write_cursor(shown[-1].document_id),
        )

    @router.get(path + "/{name}", openapi_extra=reads, responses=problems(401, 403, 404), summary=f"One of the {name}.")
    async def read(name: Slug, request: Request, response: Response) -> PlanDocument:
        async with database.tenant(account_of(request).tenant) as connection:
            row = await plans.document(connection, kind, name)
        if row is None:
            raise PlanUnknown(f"there is no {kind} {name}")
        tag(response, row.version)
        if is_known(request, row.version):
            response.status_code = 304
        return PlanDocument(id=name, version=row.version, body=row.body)

    @router.put(
        path + "/{name}",
        openapi_extra=writes,
        responses=problems(400, 401, 403, 412, 413, 428),
        summary=f"Add or change one of the {name}; If-Match names the version it is based on.",
    )
    async def put(name: Slug, body: Document, request: Request, response: Response) -> PlanDocument:
        tenant = account_of(request).tenant
        async with database.tenant(tenant) as connection:
            await plans.lock(connection, tenant)
            row = await plans.document(connection, kind, name)
            expect(request, row.version if row else None)
            replaces(row.body if row else None)
            [stored] = await store_documents(connection, tenant, kind, {name: body}, loader, clock.now())
        tag(response, stored.version)
        return stored

    @router.post(
        path + "/bulk",
        openapi_extra=writes,
        responses=problems(400, 401, 403, 413),
        summary=f"Add or change many {name} at once, all or none.",
    )
    async def bulk(orders: Annotated[DocumentOrders, Body()], request: Request) -> PlanDocumentPage:
        tenant = account_of(request).tenant
        async with database.tenant(tenant) as connection:
            await plans.lock(connection, tenant)
            return PlanDocumentPage(
                items=await store_documents(connection, tenant, kind, orders.items, loader, clock.now())
            )

    @router.delete(
        path + "/{name}",
        openapi_extra=writes,
        responses=problems(401, 403, 404, 409, 412, 428),
        status_code=204,
        summary=f"Remove one of the {name} that nobody uses.",
    )
    async def remove(name: Slug, request: Request) -> None:
        tenant = account_of(request).tenant
        async with database.tenant(tenant) as connection:
            await plans.lock(connection, tenant)
            row = await plans.document(connection, kind, name)
            if row is None:
                raise PlanUnknown(f"there is no {kind} {name}")
            expect(request, row.version)
            replaces(row.body)
            named = uses(kind, name, await plans.documents(connection))
            people = await touched(connection, kind, name, clock.now())
            if named or people:
                users = f"schedules {', '.join(named)}" if named else f"{len(people)} people"
                raise PlanInUse(f"{kind} {name} is used by {users}; change these first")
            await plans.remove(connection, kind, name)
            if kind == "clock":
                await _mark(connection, tenant, await touched_by_clock(connection, [row.body]), clock.now())


async def _mark(connection: AsyncConnection, tenant: TenantId, people: Iterable[Touched], now: datetime) -> None:
    await workdays.mark(connection, tenant, {one.person: (one.first, one.last) for one in people}, now, is_order=True)


async def store_documents(
    connection: AsyncConnection,
    tenant: TenantId,
    kind: Kind,
    bodies: dict[str, dict[str, Any]],
    loader: Loader,
    now: datetime,
) -> list[PlanDocument]:
    """Check and store documents, and mark whose workdays they touch; those that are the same already are left alone."""
    known = await loader.catalogue(connection, tenant)
    stored = []
    for name, body in bodies.items():
        check_document(kind, name, body, known)
        row = await plans.document(connection, kind, name)
        if row is not None and row.body == body:
            stored.append(PlanDocument(id=name, version=row.version, body=body))
            continue
        version = row.version + 1 if row else 1
        await plans.put(connection, tenant, kind, name, body, version)
        people = await touched(connection, kind, name, now)
        if kind == "clock":
            people = await touched_by_clock(connection, [body, *([row.body] if row else [])])
        await _mark(connection, tenant, people, now)
        stored.append(PlanDocument(id=name, version=version, body=body))
    return stored
