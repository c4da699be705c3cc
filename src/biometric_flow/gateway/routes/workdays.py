"""`/v1/workdays` and `/v1/irregularities`: what punches amount to, why, and what a person should look at."""

from datetime import date, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row

from biometric_flow.api.hours import (
    Irregularity,
    IrregularityPage,
    Ordered,
    Progress,
    RecomputeOrder,
    WorkdayExplained,
    WorkdayPage,
    WorkdayView,
)
from biometric_flow.api.moments import Day
from biometric_flow.api.place import Slug
from biometric_flow.api.problems import FieldProblem
from biometric_flow.gateway.access import account_of, needs
from biometric_flow.gateway.people.errors import PlanInvalid
from biometric_flow.gateway.routes.cursors import CursorInvalid, read_cursor, write_cursor
from biometric_flow.gateway.routes.documents import problems
from biometric_flow.gateway.routes.queries import STRICT
from biometric_flow.gateway.store import register, workday_pages, workdays
from biometric_flow.gateway.store.words import Said
from biometric_flow.gateway.store.workday_pages import WorkdayFilter
from biometric_flow.gateway.workdays.errors import WorkdayUnknown
from biometric_flow.gateway.workdays.loader import Loader
from biometric_flow.gateway.workdays.records import to_workday
from biometric_flow.identity.rbac import Permission
from biometric_flow.policy.explain import explain, headline
from biometric_flow.policy.rules import Policy
from biometric_flow.policy.zones import home_zone
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.database import Database

Names = dict[UUID, tuple[str, str]]


class WorkdayQuery(BaseModel):
    """Which workdays, and which page of them; both dates are included."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    person: UUID | None = None
    department: Slug | None = Field(None, description="With all below it.")
    place: Slug | None = Field(None, description="The home place of the person.")
    first: Day | None = Field(None, alias="from")
    last: Day | None = Field(None, alias="to")
    status: str | None = Field(None, pattern="^[a-z_]{1,40}$")
    irregularity: str | None = Field(None, pattern="^[A-Z_]{1,40}$")
    limit: int = Field(100, ge=1, le=1000)
    cursor: str | None = Field(None, min_length=1, max_length=400)

    def wanted(self) -> WorkdayFilter:
        """The same for the store."""
        return WorkdayFilter(**self.model_dump(exclude={"limit", "cursor"}))


def workdays_router(database: Database, loader: Loader, clock: Clock) -> APIRouter:
    """Operations of workdays and irregularities."""
    router = APIRouter(tags=["workdays"], dependencies=STRICT)
    reads, remembered = needs(Permission.WORKDAY_READ), needs(Permission.WORKDAY_READ, shows="workday")

    @router.get("/v1/workdays", openapi_extra=remembered, responses=problems(400, 401, 403))
    async def page(query: Annotated[WorkdayQuery, Query()], request: Request) -> WorkdayPage:
        """Workdays by date and person; those of closed periods as they were closed."""
        after = None
        if query.cursor is not None:
            day, person = map(str, read_cursor(query.cursor, str, str))
            after = _key(day, person)
        async with database.tenant(account_of(request).tenant) as connection:
            rows = await workday_pages.page(connection, query.wanted(), after, query.limit + 1)
            names = await register.names(connection, {row.person_id for row in rows})
        shown = rows[: query.limit]
        is_last = len(rows) <= query.limit
        return WorkdayPage(
            items=[workday_view(row, names) for row in shown if row.person_id in names and not row.is_erased],
            next_cursor=None if is_last else write_cursor(shown[-1].day.isoformat(), str(shown[-1].person_id)),
        )

    @router.get("/v1/workdays/progress", openapi_extra=reads, responses=problems(401, 403))
    async def progress(request: Request) -> Progress:
        """How far workdays are behind the punches: nobody is due when they are up to date."""
        tenant = account_of(request).tenant
        async with database.tenant(tenant) as connection:
            row = await workday_pages.progress(connection, tenant)
        return Progress(
            people_due=row.people,
            oldest_mark=row.oldest,
            feed_position=row.position,
            feed_end=row.feed_end,
            workdays=row.workdays,
        )

    @router.post(
        "/v1/workdays/recompute",
        openapi_extra=needs(Permission.WORKDAY_ORDER),
        responses=problems(400, 401, 403),
        status_code=202,
    )
    async def again(order: RecomputeOrder, request: Request) -> Ordered:
        """Compute workdays again in the background; it goes on after a restart. What is right stays as it is.

        An order stands behind everything that just happened: it never delays the day of a fresh punch.
        """
        if order.last < order.first:
            told = [FieldProblem(field="to", expected=f"a date from {order.first} on")]
            raise PlanInvalid(f"to: expected a date from {order.first} on, came {order.last}", told)
        tenant, now = account_of(request).tenant, clock.now()
        tomorrow = now.date() + timedelta(days=1)
        async with database.tenant(tenant) as connection:
            spans = await register.employed(connection, order.people, order.first, min(order.last, tomorrow))
            await workdays.mark(connection, tenant, spans, now, is_order=True)
        return Ordered(people=len(spans))

    @router.get("/v1/workdays/{person}/{day}/explain", openapi_extra=reads, responses=problems(401, 403, 404))
    async def told(person: UUID, day: Day, request: Request, response: Response) -> WorkdayExplained:
        """Why a workday is what it is: a sentence per rule, in the order it happened, with rule and pack."""
        tenant = account_of(request).tenant
        async with database.tenant(tenant) as connection:
            row = await workday_pages.one(connection, person, day)
            record = (await register.get(connection, [person])).get(person)
            if row is None or record is None:
                raise WorkdayUnknown("there is no workday of this person on that date")
            known = await loader.catalogue(connection, tenant)
            later = await workday_pages.adjustments(connection, person, day)
        packs = {pack.label: pack.policy for pack in known.packs}
        stored, zone = to_workday(row.body), home_zone(record.zone or "UTC")
        return WorkdayExplained(
            workday=workday_view(row, {person: (record.number, record.name)}),
            headline=headline(stored, packs.get(stored.pack, Policy())),
            because=list(explain(stored, zone)),
            adjustments=[{"paid_in": one.paid_in or None, "delta": one.delta} for one in later],
        )

    @router.get("/v1/irregularities", openapi_extra=remembered, responses=problems(400, 401, 403))
    async def inbox(query: Annotated[WorkdayQuery, Query()], request: Request) -> IrregularityPage:
        """The inbox: every guess and every flag of every workday, newest first, with a count of each code."""
        after = None
        if query.cursor is not None:
            day, person, code = map(str, read_cursor(query.cursor, str, str, str))
            after = (*_key(day, person), code)
        wanted = query.wanted()
        async with database.tenant(account_of(request).tenant) as connection:
            rows = await workday_pages.irregularities(connection, wanted, after, query.limit + 1)
            counts = await workday_pages.irregularity_counts(connection, wanted)
            names = await register.names(connection, {row.person_id for row in rows})
        shown = rows[: query.limit]
        is_last = len(rows) <= query.limit
        last = None if is_last else shown[-1]
        return IrregularityPage(
            items=[_irregularity(row, names) for row in shown if row.person_id in names],
            counts=counts,
            next_cursor=last and write_cursor(last.day.isoformat(), str(last.person_id), last.code),
        )

    return router


def workday_view(row: Said, names: Names) -> WorkdayView:
    """One stored workday as the API shows it."""
    number, name = names[row.person_id]
    return WorkdayView.model_validate(
        {**row.body, "person": row.person_id, "number": number, "name": name, "is_locked": row.is_locked}
    )


def _irregularity(row: Row[Any], names: Names) -> Irregularity:
    number, name = names[row.person_id]
    return Irregularity(
        person=row.person_id,
        number=number,
        name=name,
        date=row.day,
        code=row.code,
        status=row.status,
        is_locked=row.is_locked,
        requests=row.requests,
    )


def _key(day: str, person: str) -> tuple[date, UUID]:
    try:
        return date.fromisoformat(day), UUID(person)
    except ValueError:
        raise CursorInvalid("expected a `next_cursor` of the page before, unchanged") from None
