"""`/v1/imports/...`: people, their plans, holidays and leave from sheets; holidays from elsewhere."""

import asyncio
from datetime import date
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from biometric_flow.api.hours import ImportResult, PlanDocument, Strict
from biometric_flow.api.moments import Day
from biometric_flow.api.place import Slug
from biometric_flow.gateway.access import account_of, needs
from biometric_flow.gateway.people.calendars import Holidays, from_country, from_icalendar, merged
from biometric_flow.gateway.people.import_job import Job, SheetKind
from biometric_flow.gateway.people.imports import SHEETS, run_import
from biometric_flow.gateway.people.sheets import read_sheet
from biometric_flow.gateway.routes.documents import problems
from biometric_flow.gateway.routes.plans import store_documents
from biometric_flow.gateway.routes.queries import STRICT
from biometric_flow.gateway.store import plans
from biometric_flow.gateway.workdays.loader import Loader
from biometric_flow.identity.rbac import Permission
from biometric_flow.model.ids import TenantId
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.database import Database

_PERMISSIONS: Final = {
    "people": Permission.PERSON_WRITE,
    "assignments": Permission.PERSON_WRITE,
    "rosters": Permission.PERSON_WRITE,
    "departments": Permission.PERSON_WRITE,
    "shifts": Permission.PLAN_WRITE,
    "rotations": Permission.PLAN_WRITE,
    "holidays": Permission.PLAN_WRITE,
    "leave": Permission.CORRECTION_DECIDE,
}
_SHEET_TYPES: Final = {
    "requestBody": {
        "required": True,
        "content": {
            "text/csv": {"schema": {"type": "string", "format": "binary"}},
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": {
                "schema": {"type": "string", "format": "binary"}
            },
        },
    }
}
_CALENDAR_TYPE: Final = {
    "requestBody": {
        "required": True,
        "content": {"text/calendar": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class ImportQuery(BaseModel):
    """How to import."""

    model_config = ConfigDict(extra="forbid")

    dry_run: bool = Field(False, description="Only say what would happen, with every problem by row and cell.")


class CalendarQuery(BaseModel):
    """Which days of a calendar file."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    first: Day = Field(date(2000, 1, 1), alias="from", ge=date(1980, 1, 1))
    last: Day = Field(date(2049, 12, 31), alias="to", le=date(2199, 12, 31))


class CountryOrder(Strict):
    """Whose public holidays, and of which years."""

    country: str = Field(pattern="^[A-Z]{2,3}$", description="ISO 3166.", examples=["EG"])
    subdivision: str | None = Field(None, max_length=20, description="A part of the country with holidays of its own.")
    years: list[int] = Field(min_length=1, max_length=50)
    language: str | None = Field(None, max_length=10)


def imports_router(database: Database, loader: Loader, clock: Clock) -> APIRouter:
    """Operations of imports."""
    router = APIRouter(tags=["imports"], dependencies=STRICT)
    for name, kind in SHEETS.items():
        _add_sheet(router, name, kind, database, loader, clock)
    writes = needs(Permission.PLAN_WRITE)

    @router.post(
        "/v1/calendars/{name}/icalendar",
        openapi_extra={**writes, **_CALENDAR_TYPE},
        responses=problems(400, 401, 403, 413),
    )
    async def from_file(name: Slug, query: Annotated[CalendarQuery, Query()], request: Request) -> PlanDocument:
        """Add the all-day events of an iCalendar file (RFC 5545) to a calendar, also those that return every year."""
        content = await request.body()
        found = await asyncio.to_thread(from_icalendar, content, query.first, query.last)
        return await _merge(account_of(request).tenant, name, found)

    @router.post("/v1/calendars/{name}/country", openapi_extra=writes, responses=problems(400, 401, 403, 413))
    async def of_country(name: Slug, order: CountryOrder, request: Request) -> PlanDocument:
        """Add the public holidays of a country, as the `holidays` library knows them, to a calendar."""
        found = await asyncio.to_thread(from_country, order.country, order.subdivision, order.years, order.language)
        return await _merge(account_of(request).tenant, name, found)

    async def _merge(tenant: TenantId, name: str, found: Holidays) -> PlanDocument:
        async with database.tenant(tenant) as connection:
            await plans.lock(connection, tenant)
            row = await plans.document(connection, "calendar", name)
            body = merged(row.body if row else None, found)
            [stored] = await store_documents(connection, tenant, "calendar", {name: body}, loader, clock.now())
        return stored

    return router


def _add_sheet(router: APIRouter, name: str, kind: SheetKind, database: Database, loader: Loader, clock: Clock) -> None:
    about = f"Import {name} from CSV or XLSX. Columns: {', '.join(kind.required)}; may be: {', '.join(kind.optional)}."

    @router.post(
        f"/v1/imports/{name}",
        openapi_extra={**needs(_PERMISSIONS[name]), **_SHEET_TYPES},
        responses=problems(400, 401, 403, 413),
        summary=about,
    )
    async def take(query: Annotated[ImportQuery, Query()], request: Request) -> ImportResult:
        """All rows or, with one problem, none. The same file again changes nothing."""
        principal = account_of(request)
        sheet = await asyncio.to_thread(read_sheet, await request.body())
        async with database.tenant(principal.tenant) as connection:
            job = Job(connection, principal.tenant, principal.account, loader, clock.now(), sheet, query.dry_run)
            return await run_import(kind, job)
