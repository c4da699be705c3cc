"""`/v1/people` and `/v1/departments`: who works here, and where they belong."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from biometric_flow.api.hours import (
    DepartmentBody,
    DepartmentView,
    PersonBody,
    PersonRecord,
    PersonRecordPage,
)
from biometric_flow.api.moments import Day
from biometric_flow.api.place import Slug
from biometric_flow.api.plan_file import PlanFile
from biometric_flow.api.problems import FieldProblem
from biometric_flow.gateway.access import account_of, needs
from biometric_flow.gateway.people.errors import FieldsInvalid, PersonUnknown
from biometric_flow.gateway.people.saving import Given, Wrong, check, save, surroundings
from biometric_flow.gateway.routes.cursors import CursorInvalid, read_cursor, write_cursor
from biometric_flow.gateway.routes.documents import problems
from biometric_flow.gateway.routes.queries import STRICT
from biometric_flow.gateway.routes.versions import expect, is_known, tag
from biometric_flow.gateway.store import departments, register
from biometric_flow.gateway.store.plan_files import plan_of
from biometric_flow.gateway.workdays.loader import Loader
from biometric_flow.identity.rbac import Permission
from biometric_flow.runtime.acting import replaces
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.database import Database


class PeopleQuery(BaseModel):
    """Which people, and which page of them."""

    model_config = ConfigDict(extra="forbid")

    q: str | None = Field(None, max_length=80, pattern="^[^\\x00]*$", description="A part of the name or number.")
    department: Slug | None = Field(None, description="With all below it.")
    place: Slug | None = None
    employed_on: Day | None = None
    limit: int = Field(100, ge=1, le=1000)
    cursor: str | None = Field(None, min_length=1, max_length=400)


class PeopleOrders(BaseModel):
    """People by employee number, all or none: who is there already is changed, who is not is added."""

    model_config = ConfigDict(extra="forbid")

    items: list[PersonBody] = Field(min_length=1, max_length=1000)


class PeopleSaved(BaseModel):
    """What became of them."""

    created: int
    changed: int
    unchanged: int
    items: list[PersonRecord]


def people_router(database: Database, loader: Loader, clock: Clock) -> APIRouter:
    """Operations of people and departments."""
    router = APIRouter(tags=["people"], dependencies=STRICT)
    reads, writes = needs(Permission.PERSON_READ), needs(Permission.PERSON_WRITE)

    @router.get("/v1/people", openapi_extra=reads, responses=problems(400, 401, 403))
    async def list_people(query: Annotated[PeopleQuery, Query()], request: Request) -> PersonRecordPage:
        """People by employee number."""
        after = None
        if query.cursor is not None:
            number, person = map(str, read_cursor(query.cursor, str, str))
            after = number, _uuid(person)
        async with database.tenant(account_of(request).tenant) as connection:
            found = await register.page(
                connection, query.q, query.department, query.place, query.employed_on, after, query.limit + 1
            )
        shown = found[: query.limit]
        is_last = len(found) <= query.limit
        return PersonRecordPage(
            items=shown, next_cursor=None if is_last else write_cursor(shown[-1].number, str(shown[-1].id))
        )

    @router.post("/v1/people", openapi_extra=writes, responses=problems(400, 401, 403, 413), status_code=201)
    async def add(body: PersonBody, request: Request, response: Response) -> PersonRecord:
        """Add a person; their workdays follow within seconds, also for punches that came before."""
        [record] = (await _save(request, [body], by_number=False)).items
        tag(response, record.version)
        return record

    @router.post("/v1/people/bulk", openapi_extra=writes, responses=problems(400, 401, 403, 413))
    async def bulk(orders: Annotated[PeopleOrders, Body()], request: Request) -> PeopleSaved:
        """Add or change up to a thousand people at once, by employee number."""
        return await _save(request, orders.items, by_number=True)

    @router.get("/v1/people/{person}", openapi_extra=reads, responses=problems(401, 403, 404))
    async def read(person: UUID, request: Request, response: Response) -> PersonRecord:
        """One person."""
        async with database.tenant(account_of(request).tenant) as connection:
            record = (await register.get(connection, [person])).get(person)
        if record is None:
            raise PersonUnknown("there is no such person")
        tag(response, record.version)
        if is_known(request, record.version):
            response.status_code = 304
        return record

    @router.put("/v1/people/{person}", openapi_extra=writes, responses=problems(400, 401, 403, 404, 412, 413, 428))
    async def change(person: UUID, body: PersonBody, request: Request, response: Response) -> PersonRecord:
        """Put what is given in the place of what was; `If-Match` names the version it is based on."""
        principal = account_of(request)
        async with database.tenant(principal.tenant) as connection:
            await register.lock(connection, principal.tenant)
            before = (await register.get(connection, [person])).get(person)
            if before is None:
                raise PersonUnknown("there is no such person")
            expect(request, before.version)
            replaces(before)
            around = await surroundings(connection, principal.tenant, loader)
            given = [Given(body, before)]
            _refuse(await check(connection, given, around))
            [record] = (await save(connection, principal.tenant, given, around, clock.now())).records
        tag(response, record.version)
        return record

    @router.get("/v1/plans/{place}", openapi_extra=reads, responses=problems(401, 403))
    async def plan(place: Slug, request: Request) -> PlanFile:
        """The plan of a place's people as one file, from which `biometric-flow policy days` computes offline."""
        async with database.tenant(account_of(request).tenant) as connection:
            return await plan_of(connection, place, clock.now())

    @router.get("/v1/departments", openapi_extra=reads, responses=problems(401, 403))
    async def list_departments(request: Request) -> list[DepartmentView]:
        """All departments, by id; `parent` makes the tree."""
        async with database.tenant(account_of(request).tenant) as connection:
            rows = await register.departments(connection)
        return [
            DepartmentView(id=row.department_id, name=row.name, parent=row.parent_id, version=row.version)
            for row in rows
        ]

    @router.put(
        "/v1/departments/{department}", openapi_extra=writes, responses=problems(400, 401, 403, 409, 412, 413, 428)
    )
    async def put_department(
        department: Slug, body: DepartmentBody, request: Request, response: Response
    ) -> DepartmentView:
        """Add or change a department."""
        tenant = account_of(request).tenant
        async with database.tenant(tenant) as connection:
            await register.lock(connection, tenant)
            version = await departments.version(connection, department)
            expect(request, version)
            if body.parent is not None and await departments.would_circle(connection, department, body.parent):
                told = FieldProblem(field="parent", expected="a department that exists and is not below this one")
                raise FieldsInvalid("expected a tree of departments; see `errors`", [told])
            await departments.put(connection, tenant, department, body, (version or 0) + 1)
        tag(response, (version or 0) + 1)
        return DepartmentView(id=department, name=body.name, parent=body.parent, version=(version or 0) + 1)

    async def _save(request: Request, bodies: list[PersonBody], *, by_number: bool) -> PeopleSaved:
        tenant = account_of(request).tenant
        async with database.tenant(tenant) as connection:
            await register.lock(connection, tenant)
            known = await register.by_numbers(connection, {body.number for body in bodies}) if by_number else {}
            given = [Given(body, known.get(body.number)) for body in bodies]
            around = await surroundings(connection, tenant, loader)
            _refuse(await check(connection, given, around))
            saved = await save(connection, tenant, given, around, clock.now())
        return PeopleSaved(created=saved.created, changed=saved.changed, unchanged=saved.unchanged, items=saved.records)

    return router


def _refuse(wrong: list[Wrong]) -> None:
    if wrong:
        fields = [FieldProblem(field=f"{one.index}.{one.field}", expected=one.expected) for one in wrong]
        first = wrong[0]
        raise FieldsInvalid(f"{first.field}: expected {first.expected}, came {first.came!r}; see `errors`", fields)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise CursorInvalid("expected a `next_cursor` of the page before, unchanged") from None
