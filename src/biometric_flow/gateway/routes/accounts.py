"""`/v1/auth/token` and `/v1/me`."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Request

from biometric_flow.api.gateway import CodeGrant, Me, PasswordGrant, Token, TokenRequest
from biometric_flow.gateway.access import account_of, needs
from biometric_flow.gateway.routes.documents import problems
from biometric_flow.gateway.sign_in import SignIn
from biometric_flow.gateway.standing import Standings
from biometric_flow.gateway.store import accounts, grants, places
from biometric_flow.identity.rbac import Permission
from biometric_flow.identity.tokens import AccessTokens
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.database import Database
from biometric_flow.runtime.web import Unauthenticated


def accounts_router(
    database: Database, sign_in: SignIn, tokens: AccessTokens, standings: Standings, clock: Clock
) -> APIRouter:
    """Operations of accounts."""
    router = APIRouter(tags=["accounts"])

    @router.get("/.well-known/jwks.json", openapi_extra=needs(Permission.PUBLIC))
    async def jwks() -> dict[str, Any]:
        """The public keys that verify access tokens (RFC 7517): the one that signs, and the one before for a day."""
        return tokens.published()

    @router.post("/v1/auth/token", openapi_extra=needs(Permission.PUBLIC), responses=problems(400, 401, 413, 429))
    async def token(grant: Annotated[TokenRequest, Body()], request: Request) -> Token:
        """Sign in with e-mail and password, or trade a refresh token, once, for the next pair of tokens.

        An account with a second factor is answered `access.code_needed` and a `ticket`; send that with the code.
        """
        if isinstance(grant, PasswordGrant):
            return await sign_in.with_password(grant, request.state.address)
        if isinstance(grant, CodeGrant):
            return await sign_in.with_code(grant)
        return await sign_in.with_refresh_token(grant)

    @router.get("/v1/me", openapi_extra=needs(Permission.SELF_READ), responses=problems(401))
    async def me(request: Request) -> Me:
        """Who is signed in, and the dashboard pages that this account may open."""
        principal = account_of(request)
        async with database.tenant(principal.tenant) as connection:
            account = await accounts.get(connection, UUID(principal.account))
            tenant_name = await places.tenant_name(connection, principal.tenant)
        if account is None:
            raise Unauthenticated("this account is gone")
        now = clock.now()
        roles = principal.standing.role_names(now)
        return Me(
            account=principal.account,
            email=account.email,
            name=account.name,
            tenant=principal.tenant,
            tenant_name=tenant_name,
            role=next(iter(roles), ""),
            roles=roles,
            needs_factor=principal.standing.needs_factor(now),
            pages=principal.standing.pages(now),
            permissions=principal.standing.permissions(now),
        )

    @router.post(
        "/v1/auth/sign-out", openapi_extra=needs(Permission.SELF_WRITE), responses=problems(401), status_code=204
    )
    async def sign_out(request: Request) -> None:
        """End this sign-in: its refresh tokens at once, its access tokens within five seconds everywhere."""
        principal = account_of(request)
        account = UUID(principal.account)
        async with database.tenant(principal.tenant) as connection:
            await grants.revoke_session(connection, account, UUID(principal.session), clock.now())
        standings.forget(principal.tenant, account)

    return router
