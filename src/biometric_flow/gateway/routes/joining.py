"""`/v1/places/{place}/join-token`, `.../keys`, `/v1/auth/place`: places join, change their key, and are revoked."""

import base64
from datetime import datetime, timedelta
from typing import Final

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.api.joining import JoinBody, Joined, JoinToken, KeyChange, LinkKeyView
from biometric_flow.api.place import Slug
from biometric_flow.gateway.access import account_of, needs, place_of
from biometric_flow.gateway.keys import make, tenant_of
from biometric_flow.gateway.place_proofs import KEY_OVERLAP, PlaceProofs
from biometric_flow.gateway.routes.documents import problems
from biometric_flow.gateway.store import link_keys, places
from biometric_flow.gateway.succession import PlaceUnknown
from biometric_flow.identity.errors import BadCredentials
from biometric_flow.identity.place_requests import check_proof, key_id_of
from biometric_flow.identity.rbac import Permission
from biometric_flow.identity.tokens import digest
from biometric_flow.model.ids import TenantId
from biometric_flow.runtime.acting import acting, becomes
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.database import Database

JOIN_PREFIX: Final = "bfj_"
TOKEN_LASTS: Final = timedelta(hours=1)


def joining_router(database: Database, proofs: PlaceProofs, clock: Clock) -> APIRouter:
    """Operations of keys of places."""
    router = APIRouter(tags=["places"])
    writes = needs(Permission.ACCESS_WRITE)
    refusals = problems(400, 401, 403, 404, 413)

    @router.post("/v1/places/{place}/join-token", openapi_extra=writes, responses=refusals, status_code=201)
    async def token(place: Slug, request: Request) -> JoinToken:
        """A token with which this place may join, once, within an hour; any earlier one is worth nothing."""
        tenant, now = account_of(request).tenant, clock.now()
        secret, ends = make(tenant, JOIN_PREFIX), now + TOKEN_LASTS
        async with database.tenant(tenant) as connection:
            await _known(connection, place)
            await link_keys.put_token(
                connection, now, tenant_id=tenant, digest=digest(secret), place_id=place, expires_at=ends
            )
        return JoinToken(token=secret, expires_at=ends)

    @router.post(
        "/v1/auth/place",
        openapi_extra=needs(Permission.PUBLIC),
        responses=problems(400, 401, 413, 429),
        status_code=201,
    )
    async def join(body: JoinBody) -> Joined:
        """Trade a token for the right to sign requests of a place with a key; the token is used up.

        Keys that the place had before are revoked: whoever holds the token takes the place over.
        """
        secret, now = body.token.get_secret_value(), clock.now()
        refused = BadCredentials("the token is not valid (any more) for this place; ask for another")
        tenant = tenant_of(secret, JOIN_PREFIX)
        if tenant is None:
            raise refused
        key = check_proof(base64.b64decode(body.key), body.proof, f"{body.place}\n{secret}")
        async with database.tenant(tenant) as connection:
            if not await link_keys.use_token(connection, digest(secret), body.place, now):
                raise refused
            if (action := acting()) is not None:
                action.actor, action.tenant = f"place:{body.place}", tenant
            name = key_id_of(key)
            await link_keys.revoke(connection, body.place, now)
            await _add(connection, tenant, body.place, name, key.public_bytes_raw(), now)
            becomes({"place": body.place, "key": name})
        proofs.forget(tenant, body.place)
        return Joined(tenant=tenant, place=body.place, key_id=name)

    @router.post(
        "/v1/places/{place}/keys", openapi_extra=needs(Permission.LEDGER_WRITE), responses=refusals, status_code=201
    )
    async def change(place: Slug, body: KeyChange, request: Request) -> Joined:
        """Go on with another key; the one that signed this request counts for one more day."""
        caller, now = place_of(request), clock.now()
        key = check_proof(base64.b64decode(body.key), body.proof, f"{caller.tenant}/{caller.place}")
        name = key_id_of(key)
        async with database.tenant(caller.tenant) as connection:
            await _add(connection, caller.tenant, caller.place, name, key.public_bytes_raw(), now)
            await link_keys.end_others(connection, caller.place, name, now + KEY_OVERLAP)
            becomes({"place": caller.place, "key": name})
        proofs.forget(caller.tenant, caller.place)
        return Joined(tenant=caller.tenant, place=caller.place, key_id=name)

    @router.get(
        "/v1/places/{place}/keys",
        openapi_extra=needs(Permission.ACCESS_READ),
        responses=problems(401, 403, 404),
    )
    async def listed(place: Slug, request: Request) -> list[LinkKeyView]:
        """The keys that a place has or had, newest first."""
        async with database.tenant(account_of(request).tenant) as connection:
            await _known(connection, place)
            rows = await link_keys.of_place(connection, place)
        return [
            LinkKeyView(id=row.key_id, made_at=row.made_at, ends_at=row.ends_at, revoked_at=row.revoked_at)
            for row in rows
        ]

    @router.delete("/v1/places/{place}/keys", openapi_extra=writes, responses=refusals, status_code=204)
    async def revoke(place: Slug, request: Request) -> None:
        """Believe a place nothing any more: requests end at once, an open link within ten seconds."""
        tenant = account_of(request).tenant
        async with database.tenant(tenant) as connection:
            await _known(connection, place)
            await link_keys.revoke(connection, place, clock.now())
        proofs.forget(tenant, place)

    return router


async def _known(connection: AsyncConnection, place: str) -> None:
    if not await places.is_listed(connection, place):
        raise PlaceUnknown("there is no such place")


async def _add(
    connection: AsyncConnection, tenant: TenantId, place: str, name: str, public: bytes, now: datetime
) -> None:
    await link_keys.add(connection, tenant_id=tenant, place_id=place, key_id=name, public_key=public, made_at=now)
