"""`/v1/policies`: policy packs, versioned and dated, never changed; and what one would change before it is saved."""

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Body, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.api.hours import PackPage, PackTrial, PackView, Preview
from biometric_flow.api.moments import Day
from biometric_flow.api.place import Slug
from biometric_flow.api.problems import FieldProblem
from biometric_flow.gateway.access import AccountPrincipal, account_of, needs
from biometric_flow.gateway.people.errors import PlanInvalid, PlanUnknown
from biometric_flow.gateway.people.plans import Touched, check_pack, in_force, touched
from biometric_flow.gateway.routes.cursors import read_cursor, write_cursor
from biometric_flow.gateway.routes.documents import problems
from biometric_flow.gateway.routes.plans import PageQuery
from biometric_flow.gateway.routes.queries import STRICT
from biometric_flow.gateway.routes.versions import tag
from biometric_flow.gateway.store import plans, workdays
from biometric_flow.gateway.workdays.loader import Loader
from biometric_flow.gateway.workdays.records import to_date
from biometric_flow.gateway.workdays.trials import try_out
from biometric_flow.identity.rbac import Permission
from biometric_flow.policy.packs import PolicyPack, read_pack, warnings
from biometric_flow.policy.sentences import sentences
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.database import Database

TRIAL_DAYS: Final = 366
TRIAL_PEOPLE: Final = 1000


class PackQuery(PageQuery):
    """Which packs, and which page of them."""

    id: Slug | None = Field(None, description="Versions of this pack only.")
    on: Day | None = Field(None, description="Versions only that are valid on this day.")


class PackOrders(BaseModel):
    """Packs to be saved in this order, all or none."""

    model_config = ConfigDict(extra="forbid")

    items: list[dict[str, Any]] = Field(min_length=1, max_length=100)


def policies_router(database: Database, loader: Loader, clock: Clock) -> APIRouter:
    """Operations of policy packs."""
    router = APIRouter(tags=["policies"], dependencies=STRICT)
    reads, writes = needs(Permission.PLAN_READ), needs(Permission.PLAN_WRITE)

    @router.get("/v1/policies", openapi_extra=reads, responses=problems(400, 401, 403))
    async def page(query: Annotated[PackQuery, Query()], request: Request) -> PackPage:
        """All versions of all packs, by id and version."""
        after = ("", 0)
        if query.cursor is not None:
            name, version = read_cursor(query.cursor, str, int)
            after = str(name), int(version)
        async with database.tenant(account_of(request).tenant) as connection:
            rows = await plans.pack_page(connection, after, query.limit + 1, query.id, query.on)
        shown = rows[: query.limit]
        is_last = len(rows) <= query.limit
        return PackPage(
            items=[_view(row, whole=False) for row in shown],
            next_cursor=None if is_last else write_cursor(shown[-1].pack_id, shown[-1].version),
        )

    @router.get("/v1/policies/{name}", openapi_extra=reads, responses=problems(401, 403, 404))
    async def newest(name: Slug, request: Request, response: Response) -> PackView:
        """The newest version of a pack, with a sentence per rule."""
        return await _read(request, response, name, None)

    @router.get("/v1/policies/{name}/{version}", openapi_extra=reads, responses=problems(401, 403, 404))
    async def one(name: Slug, version: int, request: Request, response: Response) -> PackView:
        """One version of a pack, with a sentence per rule."""
        return await _read(request, response, name, version)

    @router.post("/v1/policies", openapi_extra=writes, responses=problems(400, 401, 403, 413), status_code=201)
    async def save(body: Annotated[dict[str, Any], Body()], request: Request, response: Response) -> PackView:
        """Save a pack as the next version of its id; workdays since its `valid_from` follow."""
        principal, pack = account_of(request), check_pack(body)
        async with database.tenant(principal.tenant) as connection:
            await plans.lock(connection, principal.tenant)
            row = await _saved(connection, principal, pack, body, clock.now())
        tag(response, pack.version)
        return _view(row, whole=True)

    @router.post("/v1/policies/bulk", openapi_extra=writes, responses=problems(400, 401, 403, 413), status_code=201)
    async def bulk(orders: Annotated[PackOrders, Body()], request: Request) -> PackPage:
        """Save packs, or versions of one, all or none; each is the next version of its id."""
        principal, now, rows = account_of(request), clock.now(), []
        async with database.tenant(principal.tenant) as connection:
            await plans.lock(connection, principal.tenant)
            for number, body in enumerate(orders.items):
                try:
                    rows.append(await _saved(connection, principal, check_pack(body), body, now))
                except PlanInvalid as error:
                    raise error.within(str(number)) from None
        return PackPage(items=[_view(row, whole=False) for row in rows])

    @router.post("/v1/policies/try", openapi_extra=reads, responses=problems(400, 401, 403, 413))
    async def trial(order: PackTrial, request: Request) -> Preview:
        """What a pack would change, for whom, before it is saved. At most a year, and a thousand people."""
        pack = check_pack(order.pack)
        if not 0 <= (order.last - order.first).days < TRIAL_DAYS:
            told = [FieldProblem(field="to", expected=f"a date from {order.first} on, {TRIAL_DAYS} days at most")]
            raise PlanInvalid(f"to: expected a date from {order.first} on, came {order.last}", told)
        tenant, now = account_of(request).tenant, clock.now()
        async with database.tenant(tenant) as connection:
            people = await touched(connection, "policy", pack.id, now)
        wanted: set[UUID] | None = None if order.people is None else set(order.people)
        chosen = [
            Touched(one.person, max(one.first, order.first), min(one.last, order.last))
            for one in in_force(people, pack)
            if wanted is None or one.person in wanted
        ]
        chosen = [one for one in chosen if one.first <= one.last][:TRIAL_PEOPLE]
        return await try_out(database, loader, clock, tenant, chosen, packs=[pack])

    async def _read(request: Request, response: Response, name: str, version: int | None) -> PackView:
        async with database.tenant(account_of(request).tenant) as connection:
            row = await plans.pack(connection, name, version)
        if row is None:
            raise PlanUnknown(f"there is no such policy pack {name}")
        tag(response, row.version)
        return _view(row, whole=True)

    return router


async def _saved(
    connection: AsyncConnection, principal: AccountPrincipal, pack: PolicyPack, body: dict[str, Any], now: datetime
) -> Row[Any]:
    """Store a pack as the next version of its id, and mark whose workdays it touches. Raises PlanInvalid."""
    _next_version(pack.version, await plans.pack(connection, pack.id))
    await plans.add_pack(connection, principal.tenant, pack.id, pack.version, body, by=principal.account, at=now)
    due = in_force(await touched(connection, "policy", pack.id, now), pack)
    spans = {one.person: (one.first, one.last) for one in due}
    await workdays.mark(connection, principal.tenant, spans, now, is_order=True)
    row = await plans.pack(connection, pack.id)
    assert row is not None
    return row


def _next_version(version: int, last: Row[Any] | None) -> None:
    expected = 1 if last is None else last.version + 1
    if version != expected:
        told = [FieldProblem(field="version", expected=str(expected))]
        raise PlanInvalid(f"version: expected {expected}, the one after the last that was saved, came {version}", told)


def _view(row: Row[Any], *, whole: bool) -> PackView:
    pack = read_pack(row.body)
    return PackView(
        id=pack.id,
        version=pack.version,
        name=pack.name,
        valid_from=to_date(pack.valid_from),
        valid_to=None if pack.valid_to is None else to_date(pack.valid_to),
        saved_by=row.saved_by,
        saved_at=row.saved_at,
        warnings=warnings(pack),
        rules=[words for _, words in sentences(pack.policy)] if whole else [],
        body=row.body if whole else None,
    )
