"""`/v1/privacy/...`: how long which data of the tenant stay, and legal holds; and what a place has to know of them."""

import secrets
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from biometric_flow.api.biometrics import Consent, ConsentReport, ConsentText
from biometric_flow.api.erasures import GatewayErasure, GatewayErasureWanted, NobodyThere
from biometric_flow.api.place import Slug
from biometric_flow.api.retention import (
    Hold,
    HoldEnded,
    HoldWanted,
    PrivacyOrders,
    RetentionPolicy,
    RetentionWanted,
)
from biometric_flow.gateway import erasures
from biometric_flow.gateway.access import account_of, needs, place_of
from biometric_flow.gateway.retention import HoldUnknown, RetentionTask
from biometric_flow.gateway.routes.documents import problems
from biometric_flow.gateway.store import consents, holds, privacy, register
from biometric_flow.gateway.store import erasures as erasure_rows
from biometric_flow.identity.rbac import Permission
from biometric_flow.model.ids import PIN_MAX
from biometric_flow.runtime.acting import becomes, replaces
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.database import Database


class ConsentQuery(BaseModel):
    """Whose releases."""

    model_config = ConfigDict(extra="forbid")

    place: Slug | None = None
    pin: str | None = Field(None, min_length=1, max_length=PIN_MAX, pattern="^[^\\x00]*$")
    limit: int = Field(100, ge=1, le=1000)


def privacy_router(database: Database, task: RetentionTask, clock: Clock) -> APIRouter:
    """Operations of retention."""
    router = APIRouter(tags=["privacy"])
    reads, writes = needs(Permission.PRIVACY_READ), needs(Permission.PRIVACY_WRITE)

    @router.get("/v1/privacy/retention", openapi_extra=reads, responses=problems(401, 403))
    async def list_policies(request: Request) -> list[RetentionPolicy]:
        """How long which data stay: every policy there was, oldest first."""
        async with database.tenant(account_of(request).tenant) as connection:
            return await privacy.policies(connection)

    @router.post("/v1/privacy/retention", openapi_extra=writes, responses=problems(400, 401, 403), status_code=201)
    async def save_policy(wanted: RetentionWanted, request: Request) -> RetentionPolicy:
        """The next policy; the gateway and all places carry it out by themselves from its day on."""
        tenant = account_of(request).tenant
        async with database.tenant(tenant) as connection:
            await register.lock(connection, tenant)
            before = await privacy.policies(connection)
            policy = RetentionPolicy(**wanted.model_dump(), number=len(before) + 1, saved_at=clock.now())
            await privacy.add_policy(connection, tenant, policy)
            becomes(policy)
        task.look_now()
        return policy

    @router.get("/v1/privacy/holds", openapi_extra=reads, responses=problems(401, 403))
    async def list_holds(request: Request) -> list[Hold]:
        """Legal holds, newest first."""
        async with database.tenant(account_of(request).tenant) as connection:
            return await holds.every(connection)

    @router.post("/v1/privacy/holds", openapi_extra=writes, responses=problems(400, 401, 403, 404), status_code=201)
    async def place_hold(wanted: HoldWanted, request: Request) -> Hold:
        """Hold back what there is about a person (employee number), a department or everybody, here and at places."""
        tenant = account_of(request).tenant
        hold = Hold(**wanted.model_dump(), id=secrets.token_hex(8), placed_at=clock.now())
        async with database.tenant(tenant) as connection:
            if hold.scope == "person" and not await privacy.people_of(connection, hold):
                raise HoldUnknown("expected the number of somebody who works or worked here, nobody has it")
            if hold.scope == "department" and hold.who not in await register.below(connection, hold.who):
                raise HoldUnknown("expected the id of a department, there is none with this")
            await holds.put(connection, tenant, hold)
            becomes(hold)
        return hold

    @router.post("/v1/privacy/holds/{hold}/end", openapi_extra=writes, responses=problems(400, 401, 403, 404))
    async def end_hold(hold: str, ended: HoldEnded, request: Request) -> Hold:
        """End a hold."""
        tenant = account_of(request).tenant
        async with database.tenant(tenant) as connection:
            await register.lock(connection, tenant)
            found = [one for one in await holds.every(connection) if one.id == hold and one.ended_at is None]
            if not found:
                raise HoldUnknown("expected the id of a hold that has not ended, there is none with this")
            replaces(found[0])
            over = found[0].model_copy(update={"ended_at": clock.now(), "ended_by": ended.by})
            await holds.put(connection, tenant, over)
            becomes(over)
        task.look_now()
        return over

    @router.get("/v1/privacy/erasures", openapi_extra=reads, responses=problems(401, 403))
    async def list_erasures(request: Request) -> list[GatewayErasure]:
        """Who asked for which erasure, and how far it is; newest first, at most 1,000."""
        async with database.tenant(account_of(request).tenant) as connection:
            return await erasures.every(connection, clock.now())

    @router.post("/v1/privacy/erasures", openapi_extra=writes, responses=problems(400, 401, 403, 404, 409))
    async def erase_person(wanted: GatewayErasureWanted, request: Request) -> GatewayErasure:
        """Erase a person: here at once, at their places when these are heard of next. Whatever must stay makes it wait.

        Leaves, proofs and receipts of what was recorded stay valid and say nothing of whom it was about.
        """
        tenant = account_of(request).tenant
        async with database.tenant(tenant) as connection:
            said = await erasures.ask(connection, tenant, wanted, task.marks, clock.now())
            becomes(said)
        task.look_now()
        return said

    @router.post(
        "/v1/places/{place}/privacy/nobody",
        openapi_extra=needs(Permission.LEDGER_WRITE),
        responses=problems(400, 401, 403, 404),
        status_code=204,
    )
    async def nobody(place: Slug, said: NobodyThere, request: Request) -> None:
        """This place knows nobody with a PIN that it was to erase: it never did, or erased them before."""
        caller = place_of(request)
        async with database.tenant(caller.tenant) as connection:
            key = bytes.fromhex(said.erasure)
            await erasure_rows.carried_out(connection, caller.place, key, clock.now(), said.pin)

    @router.get(
        "/v1/places/{place}/privacy",
        openapi_extra=needs(Permission.LEDGER_WRITE),
        responses=problems(401, 403, 404),
    )
    async def orders(place: Slug, request: Request) -> PrivacyOrders:
        """What a place has to know: policies, holds with the PINs they are about there, and whose employment ended."""
        caller = place_of(request)
        async with database.tenant(caller.tenant) as connection:
            return await privacy.orders(connection, caller.place, clock.now().date())

    @router.put(
        "/v1/places/{place}/consent",
        openapi_extra=needs(Permission.LEDGER_WRITE, trail="a copy of what the place keeps and records itself"),
        responses=problems(400, 401, 403, 404, 413),
        status_code=204,
    )
    async def told(place: Slug, report: ConsentReport, request: Request) -> None:
        """What people signed at a place, and in which words; the copy that the gateway shows."""
        caller = place_of(request)
        async with database.tenant(caller.tenant) as connection:
            await consents.take(connection, caller.tenant, caller.place, report)

    @router.get("/v1/privacy/consents", openapi_extra=reads, responses=problems(400, 401, 403))
    async def list_consents(query: Annotated[ConsentQuery, Query()], request: Request) -> list[Consent]:
        """Releases for templates at all places: who signed what, when, for how long, and how it ended. Newest first."""
        async with database.tenant(account_of(request).tenant) as connection:
            return await consents.page(connection, query.place, query.pin, query.limit, clock.now())

    @router.get("/v1/privacy/consent-texts", openapi_extra=reads, responses=problems(401, 403))
    async def list_texts(request: Request, place: Slug | None = None) -> list[ConsentText]:
        """The wordings that people signed, by version and language."""
        async with database.tenant(account_of(request).tenant) as connection:
            return await consents.texts(connection, place)

    return router
