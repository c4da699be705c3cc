"""`/v1/break-glass`: the sealed role, opened by two persons for an hour at most (security-design A11)."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter, Body, Request
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.api.break_glass import BreakGlassAsk, BreakGlassReview, BreakGlassView
from biometric_flow.gateway.access import AccountPrincipal, account_of, needs
from biometric_flow.gateway.errors import OpeningUnknown
from biometric_flow.gateway.routes.documents import problems
from biometric_flow.gateway.standing import Standings
from biometric_flow.gateway.store import accounts, break_glass, grants
from biometric_flow.gateway.store.words import Said
from biometric_flow.identity.break_glass import ROLE, Opening, check_ask
from biometric_flow.identity.errors import BreakGlassRefused
from biometric_flow.identity.grants import TENANT, Grant, check_conflicts
from biometric_flow.identity.rbac import Permission
from biometric_flow.identity.roles import Roles
from biometric_flow.runtime.acting import becomes, replaces
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.database import Database

SHOWN = 200


def break_glass_router(database: Database, standings: Standings, clock: Clock) -> APIRouter:
    """Operations of the sealed role."""
    router = APIRouter(tags=["access"])
    reads, asks, decides = (
        needs(one) for one in (Permission.ACCESS_READ, Permission.EMERGENCY_REQUEST, Permission.EMERGENCY_DECIDE)
    )
    refusals = problems(400, 401, 403, 404, 409, 413)

    @router.get("/v1/break-glass", openapi_extra=reads, responses=problems(401, 403))
    async def listed(request: Request) -> list[BreakGlassView]:
        """The newest uses of the sealed role, with why and what came of them."""
        async with database.tenant(account_of(request).tenant) as connection:
            rows = await break_glass.latest(connection, SHOWN)
        return [_view(row, clock) for row in rows]

    @router.post("/v1/break-glass", openapi_extra=asks, responses=problems(400, 401, 403, 409, 413), status_code=201)
    async def ask(body: Annotated[BreakGlassAsk, Body()], request: Request) -> BreakGlassView:
        """Ask that the sealed role is opened for oneself; somebody else has to, within the hour."""
        principal, now = _person(request), clock.now()
        asked, opening_id = Opening(principal.account, timedelta(minutes=body.minutes), now), uuid4()
        async with database.tenant(principal.tenant) as connection:
            await accounts.get(connection, UUID(principal.account), is_locked=True)
            before = await break_glass.of_account(connection, UUID(principal.account))
            check_ask([break_glass.opening_of(row) for row in before], now)
            await break_glass.ask(connection, principal.tenant, opening_id, asked, body.reason)
            row = await break_glass.get(connection, opening_id)
            assert row is not None
            view = _view(row, clock)
            becomes(view)
        return view

    @router.post("/v1/break-glass/{opening}/approval", openapi_extra=decides, responses=refusals)
    async def approve(opening: UUID, request: Request) -> BreakGlassView:
        """Open it for who asked: from now on, and everything they do is recorded, with what they read."""
        principal, now = _person(request), clock.now()
        async with database.tenant(principal.tenant) as connection:
            before = await _one(connection, opening)
            after = break_glass.opening_of(before).opened(principal.account, now)
            await accounts.get(connection, before.account_id, is_locked=True)
            grant = Grant(str(opening), ROLE, TENANT, now, after.ends_at)
            theirs = [grants.grant_of(row) for row in await grants.of_account(connection, before.account_id)]
            check_conflicts(Roles(await grants.roles(connection)), theirs, grant, now)
            await grants.add(connection, principal.tenant, before.account_id, grant, principal.account, now)
            view = await _changed(connection, opening, before, after, clock)
        standings.forget(principal.tenant, before.account_id)
        return view

    @router.post("/v1/break-glass/{opening}/end", openapi_extra=asks, responses=refusals)
    async def end(opening: UUID, request: Request) -> BreakGlassView:
        """End it before its time: whoever used it, and whoever may open it."""
        principal, now = account_of(request), clock.now()
        async with database.tenant(principal.tenant) as connection:
            before = await _one(connection, opening)
            is_own = str(before.account_id) == principal.account
            if not is_own and principal.reach(Permission.EMERGENCY_DECIDE, now) is None:
                raise OpeningUnknown("there is no such opening of yours")
            after = break_glass.opening_of(before).ended(now)
            await grants.remove(connection, before.account_id, opening)
            view = await _changed(connection, opening, before, after, clock)
        standings.forget(principal.tenant, before.account_id)
        return view

    @router.post("/v1/break-glass/{opening}/review", openapi_extra=decides, responses=refusals)
    async def review(opening: UUID, body: Annotated[BreakGlassReview, Body()], request: Request) -> BreakGlassView:
        """Say what was done under it, having looked at the audit trail; due within 24 h of its end."""
        principal, now = _person(request), clock.now()
        async with database.tenant(principal.tenant) as connection:
            before = await _one(connection, opening)
            after = break_glass.opening_of(before).reviewed(principal.account, now)
            await break_glass.review(connection, opening, after.reviewed_by, body.text, now)
            return await _changed(connection, opening, before, after, clock)

    return router


async def _one(connection: AsyncConnection, opening: UUID) -> Said:
    row = await break_glass.get(connection, opening)
    if row is None:
        raise OpeningUnknown("there is no such opening")
    return row


async def _changed(
    connection: AsyncConnection, opening: UUID, before: Said, after: Opening, clock: Clock
) -> BreakGlassView:
    replaces(_view(before, clock))
    await break_glass.put(connection, opening, after)
    view = _view(await _one(connection, opening), clock)
    becomes(view)
    return view


def _person(request: Request) -> AccountPrincipal:
    """Somebody who signed in. Raises BreakGlassRefused for a program with a key: it takes two persons."""
    principal = account_of(request)
    if principal.only is not None:
        raise BreakGlassRefused("expected a person who signed in, not an API key")
    return principal


def _view(row: Said, clock: Clock) -> BreakGlassView:
    opening = break_glass.opening_of(row)
    return BreakGlassView(
        id=row.opening_id,
        account=row.account_id,
        status=opening.status(clock.now()).value,
        reason=row.reason,
        minutes=round(row.lasts / timedelta(minutes=1)),
        asked_at=row.asked_at,
        opened_by=row.opened_by,
        ends_at=row.ends_at,
        review_due=opening.review_due,
        reviewed_by=row.reviewed_by,
        reviewed_at=row.reviewed_at,
        review=row.review,
    )
