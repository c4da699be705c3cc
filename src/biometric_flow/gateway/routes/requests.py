"""`/v1/leave` and `/v1/regularisations`: asked for by one account, decided by another, with a preview."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.api.corrections import RecordedCorrection
from biometric_flow.api.hours import (
    Decisions,
    LeaveOrders,
    LeavePage,
    LeaveView,
    Preview,
    RegularisationOrders,
    RegularisationPage,
    RegularisationView,
    RequestStatus,
)
from biometric_flow.api.moments import Day
from biometric_flow.api.problems import FieldProblem
from biometric_flow.gateway.access import account_of, needs
from biometric_flow.gateway.people import corrections
from biometric_flow.gateway.people.decisions import ask, check_decision, row_of, touched
from biometric_flow.gateway.people.errors import (
    FieldsInvalid,
    LeaveUnknown,
    RegularisationInvalid,
    RegularisationUnknown,
)
from biometric_flow.gateway.routes.cursors import CursorInvalid, read_cursor, write_cursor
from biometric_flow.gateway.routes.documents import problems
from biometric_flow.gateway.routes.queries import STRICT
from biometric_flow.gateway.store import corrections as store
from biometric_flow.gateway.store import register, requests, workdays
from biometric_flow.gateway.store.words import Said
from biometric_flow.gateway.workdays.loader import Loader
from biometric_flow.gateway.workdays.trials import try_out
from biometric_flow.identity.rbac import Permission
from biometric_flow.model.ids import TenantId
from biometric_flow.runtime.acting import becomes
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.database import Database
from biometric_flow.runtime.reach import limit, reached


class RequestQuery(BaseModel):
    """Which requests, and which page of them; both dates are included."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    person: UUID | None = None
    first: Day | None = Field(None, alias="from")
    last: Day | None = Field(None, alias="to")
    status: RequestStatus | None = None
    limit: int = Field(100, ge=1, le=1000)
    cursor: str | None = Field(None, min_length=1, max_length=400)


class RegularisationQuery(RequestQuery):
    """Which regularisations."""

    refused: bool | None = Field(None, description="Those that their place refused to record, or all but those.")


def leave_router(database: Database, clock: Clock) -> APIRouter:
    """Operations of leave."""
    router = APIRouter(tags=["leave"], dependencies=STRICT)

    @router.get("/v1/leave", openapi_extra=needs(Permission.WORKDAY_READ), responses=problems(400, 401, 403))
    async def page(query: Annotated[RequestQuery, Query()], request: Request) -> LeavePage:
        """Leave by its first day."""
        after = None
        if query.cursor is not None:
            day, name = map(str, read_cursor(query.cursor, str, str))
            try:
                after = date.fromisoformat(day), UUID(name)
            except ValueError:
                raise CursorInvalid("expected a `next_cursor` of the page before, unchanged") from None
        async with database.tenant(account_of(request).tenant) as connection:
            rows = await requests.leaves(
                connection, query.person, query.first, query.last, query.status, after, query.limit + 1
            )
        shown = rows[: query.limit]
        is_last = len(rows) <= query.limit
        return LeavePage(
            items=[leave_view(row) for row in shown],
            next_cursor=None if is_last else write_cursor(shown[-1].first_day.isoformat(), str(shown[-1].leave_id)),
        )

    @router.post(
        "/v1/leave",
        openapi_extra=needs(Permission.CORRECTION_REQUEST),
        responses=problems(400, 401, 403),
        status_code=201,
    )
    async def order(orders: LeaveOrders, request: Request) -> LeavePage:
        """Ask for leave, all or none; it counts once another account approves it."""
        principal, now = account_of(request), clock.now()
        async with database.tenant(principal.tenant) as connection:
            known = await register.get(connection, [one.person for one in orders.items])
            _refuse_leaves(orders, set(known))
            rows: list[dict[str, Any]] = [
                {
                    "tenant_id": principal.tenant,
                    "leave_id": uuid4(),
                    "person_id": one.person,
                    "first_day": one.first,
                    "last_day": one.last,
                    "kind": one.kind,
                    "minutes": one.minutes,
                    "status": "requested",
                    "reason": one.reason,
                    "requested_by": principal.account,
                    "requested_at": now,
                }
                for one in orders.items
            ]
            await requests.add_leaves(connection, rows)
            stored = await requests.leaves_by_id(connection, [row["leave_id"] for row in rows])
            views = [leave_view(row) for row in stored]
            becomes([view.model_dump(mode="json") for view in views])
        return LeavePage(items=views)

    @router.post(
        "/v1/leave/decisions",
        openapi_extra=needs(Permission.CORRECTION_DECIDE),
        responses=problems(400, 401, 403, 404, 409),
    )
    async def decide(decisions: Decisions, request: Request) -> LeavePage:
        """Decide many requests at once, all or none; never one's own. An approved leave can still be rejected."""
        principal, now = account_of(request), clock.now()
        async with database.tenant(principal.tenant) as connection:
            rows = await requests.leaves_by_id(connection, decisions.ids)
            if len(rows) < len(set(decisions.ids)):
                raise LeaveUnknown("one of these leaves is not there")
            check_decision(rows, principal.account, decisions.decision, is_revocable=True)
            await requests.decide_leaves(connection, decisions.ids, decisions.decision, principal.account, now)
            if decisions.decision != "withdrawn":
                due: dict[UUID, tuple[date, date]] = {}
                for row in rows:
                    first, last = due.get(row.person_id, (row.first_day, row.last_day))
                    due[row.person_id] = min(first, row.first_day), max(last, row.last_day)
                await workdays.mark(connection, principal.tenant, due, now)
            views = [leave_view(row) for row in await requests.leaves_by_id(connection, decisions.ids)]
            becomes([view.model_dump(mode="json") for view in views])
        return LeavePage(items=views)

    return router


def regularisations_router(database: Database, loader: Loader, clock: Clock) -> APIRouter:
    """Operations of regularisations."""
    router = APIRouter(tags=["regularisations"], dependencies=STRICT)

    @router.get("/v1/regularisations", openapi_extra=needs(Permission.WORKDAY_READ), responses=problems(400, 401, 403))
    async def page(query: Annotated[RegularisationQuery, Query()], request: Request) -> RegularisationPage:
        """Regularisations, newest first."""
        before = None if query.cursor is None else int(read_cursor(query.cursor, int)[0])
        async with database.tenant(account_of(request).tenant) as connection:
            rows = await requests.regularisations(
                connection,
                query.person,
                query.first,
                query.last,
                query.status,
                before,
                query.limit + 1,
                is_refused=query.refused,
            )
            items = await regularisation_views(connection, rows[: query.limit])
        shown = rows[: query.limit]
        return RegularisationPage(
            items=items,
            next_cursor=None if len(rows) <= query.limit else write_cursor(shown[-1].number),
        )

    @router.post(
        "/v1/regularisations",
        openapi_extra=needs(Permission.CORRECTION_REQUEST),
        responses=problems(400, 401, 403),
        status_code=201,
    )
    async def order(orders: RegularisationOrders, request: Request) -> Preview:
        """Ask for corrections with exact times, all or none; with `preview` only say what they would change."""
        principal, now = account_of(request), clock.now()
        await _reach_people(database, principal.tenant, orders)
        limit(None)
        async with database.tenant(principal.tenant) as connection:
            await register.lock(connection, principal.tenant)
            asked = await ask(connection, orders.items)
            people = await touched(connection, asked)
            if not orders.preview:
                rows = [row_of(one, principal.tenant, principal.account, now) for one in asked]
                await requests.add_regularisations(connection, rows)
                ids = [one.regularisation_id for one in asked]
                rows_now = await requests.regularisations_by_id(connection, ids)
                views = await regularisation_views(connection, rows_now)
                becomes([view.model_dump(mode="json") for view in views])
                return Preview(people=0, days=0, worked=0, pay={}, changes=[], items=views)
        return await try_out(database, loader, clock, principal.tenant, people, corrections=_by_person(asked))

    @router.post(
        "/v1/regularisations/decisions",
        openapi_extra=needs(Permission.CORRECTION_DECIDE),
        responses=problems(400, 401, 403, 404, 409),
    )
    async def decide(decisions: Decisions, request: Request) -> Preview:
        """Decide many requests at once, all or none; never one's own. With `preview` only say what would change.

        What is approved counts at once, and the place that it is about records it in its ledger; an approved one can
        still be rejected, which is recorded too.
        """
        principal, now = account_of(request), clock.now()
        async with database.tenant(principal.tenant) as connection:
            rows = await requests.regularisations_by_id(connection, decisions.ids)
            if len(rows) < len(set(decisions.ids)):
                raise RegularisationUnknown("one of these regularisations is not there")
        # Whose they are was checked; what they change depends on punches at every place.
        limit(None)
        async with database.tenant(principal.tenant) as connection:
            await register.lock(connection, principal.tenant)
            rows = await requests.regularisations_by_id(connection, decisions.ids)
            people = await touched(connection, rows)
            if not decisions.preview:
                check_decision(rows, principal.account, decisions.decision, is_revocable=True)
                ids, reason = decisions.ids, decisions.reason
                revoked = [row for row in rows if row.status == "approved"]
                await corrections.withdraw(connection, principal.tenant, revoked, principal.account, reason, now)
                await requests.decide_regularisations(
                    connection, rows, decisions.decision, principal.account, reason, now
                )
                decided = await requests.regularisations_by_id(connection, ids)
                if decisions.decision == "approved":
                    await corrections.order(connection, principal.tenant, decided)
                if decisions.decision == "approved" or revoked:
                    due = {one.person: (one.first, one.last) for one in people}
                    await workdays.mark(connection, principal.tenant, due, now)
                views = await regularisation_views(connection, decided)
                becomes([view.model_dump(mode="json") for view in views])
                return Preview(people=0, days=0, worked=0, pay={}, changes=[], items=views)
        return await try_out(database, loader, clock, principal.tenant, people, corrections=_by_person(rows))

    return router


async def _reach_people(database: Database, tenant: TenantId, orders: RegularisationOrders) -> None:
    """Whoever is not within the caller's reach is not here; what is asked for them depends on all their punches."""
    if reached() is None:
        return
    async with database.tenant(tenant) as connection:
        known = await register.get(connection, [one.person for one in orders.items])
    wrong = [
        FieldProblem(field=f"items.{index}.person", expected="a person who is here")
        for index, one in enumerate(orders.items)
        if one.person not in known
    ]
    if wrong:
        raise RegularisationInvalid(f"{wrong[0].field}: expected {wrong[0].expected}; see `errors`", wrong)


def leave_view(row: Said) -> LeaveView:
    """One leave as the API shows it."""
    return LeaveView.model_validate(
        {
            "id": row.leave_id,
            "person": row.person_id,
            "from": row.first_day,
            "to": row.last_day,
            **{name: getattr(row, name) for name in ("kind", "minutes", "reason", "status", "requested_by")},
            **{name: getattr(row, name) for name in ("requested_at", "decided_by", "decided_at")},
        }
    )


async def regularisation_views(connection: AsyncConnection, rows: Sequence[Said]) -> list[RegularisationView]:
    """Regularisations as the API shows them."""
    stands = await store.of(connection, [row.regularisation_id for row in rows])
    return [_regularisation(row, corrections.marks(stands.get(row.regularisation_id, ()))) for row in rows]


def _regularisation(row: Said, recorded: list[RecordedCorrection]) -> RegularisationView:
    return RegularisationView(
        id=row.regularisation_id,
        person=row.person_id,
        date=row.day,
        operation=row.operation,
        punch=row.target,
        at=row.instant,
        state=row.state,
        minutes=row.minutes,
        reason=row.reason,
        status=row.status,
        requested_by=row.requested_by,
        requested_at=row.requested_at,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        decision_reason=row.decision_reason,
        recorded=recorded,
    )


def _by_person(rows: Sequence[Any]) -> dict[UUID, list[Any]]:
    found: dict[UUID, list[Any]] = {}
    for row in rows:
        found.setdefault(row.person_id, []).append(row)
    return found


def _refuse_leaves(orders: LeaveOrders, known: set[UUID]) -> None:
    wrong = []
    for index, one in enumerate(orders.items):
        if one.person not in known:
            wrong.append(FieldProblem(field=f"items.{index}.person", expected="a person who is here"))
        if not 0 <= (one.last - one.first).days < 366:
            wrong.append(FieldProblem(field=f"items.{index}.to", expected=f"a date from {one.first} on, within a year"))
        if one.kind == "hours" and not one.minutes:
            wrong.append(FieldProblem(field=f"items.{index}.minutes", expected="the minutes of each day"))
    if wrong:
        raise FieldsInvalid(f"{wrong[0].field}: expected {wrong[0].expected}; see `errors`", wrong)
