"""`/v1/me/factor`, `/v1/accounts/{account}/factor`, `/v1/sign-in-rule`: second factors and who has to have one."""

from uuid import UUID

from fastapi import APIRouter, Request

from biometric_flow.api.access import CodeBody, FactorBody, FactorMade, FactorView, RecoveryCodes, SignInRule
from biometric_flow.gateway.access import account_of, needs
from biometric_flow.gateway.errors import AccountUnknown, FactorAsked, FactorUnknown, OwnAccount, RoleUnknown
from biometric_flow.gateway.factors import Factors
from biometric_flow.gateway.routes.documents import problems
from biometric_flow.gateway.standing import Standings
from biometric_flow.gateway.store import accounts, factors, grants
from biometric_flow.identity.errors import BadCredentials
from biometric_flow.identity.factors import picture, provisioning, spelled
from biometric_flow.identity.passwords import Passwords
from biometric_flow.identity.rbac import Permission
from biometric_flow.identity.roles import Roles
from biometric_flow.runtime.acting import becomes, replaces
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.database import Database


def factors_router(
    database: Database, passwords: Passwords, seconds: Factors, standings: Standings, clock: Clock
) -> APIRouter:
    """Operations of second factors."""
    router = APIRouter(tags=["access"])
    own_read, own_write = needs(Permission.SELF_READ), needs(Permission.SELF_WRITE)
    reads, writes = needs(Permission.ACCESS_READ), needs(Permission.ACCESS_WRITE)
    refusals = problems(400, 401, 403, 404, 409, 413, 429)

    @router.get("/v1/me/factor", openapi_extra=own_read, responses=problems(401))
    async def show(request: Request) -> FactorView:
        """Is there a second factor, does the tenant ask for one, and how many recovery codes are left?"""
        principal = account_of(request)
        account = UUID(principal.account)
        async with database.tenant(principal.tenant) as connection:
            return FactorView(
                is_on=await factors.is_confirmed(connection, account),
                is_asked=principal.standing.is_asked_for_factor(clock.now()),
                recovery_codes=await factors.recovery_left(connection, account),
            )

    @router.post("/v1/me/factor", openapi_extra=own_write, responses=refusals, status_code=201)
    async def begin(body: FactorBody, request: Request) -> FactorMade:
        """A new secret for an authenticator app; it counts once a code of it was sent for confirmation."""
        principal = account_of(request)
        account = UUID(principal.account)
        async with database.tenant(principal.tenant) as connection:
            row = await accounts.get(connection, account)
            if row is None or not await passwords.verify(row.password_hash or None, body.password.get_secret_value()):
                raise BadCredentials("expected the password that the account has now")
            secret = await seconds.begin(connection, principal.tenant, account)
        uri = provisioning(secret, row.email, principal.tenant)
        return FactorMade(secret=spelled(secret), uri=uri, picture=picture(uri))

    @router.post("/v1/me/factor/confirmation", openapi_extra=own_write, responses=refusals)
    async def confirm(body: CodeBody, request: Request) -> RecoveryCodes:
        """Show that the app has the secret: from now on signing in takes a code. The recovery codes are told once."""
        principal = account_of(request)
        account = UUID(principal.account)
        async with database.tenant(principal.tenant) as connection:
            codes = await seconds.confirm(connection, principal.tenant, account, body.code.get_secret_value())
        standings.forget(principal.tenant, account)
        return RecoveryCodes(codes=list(codes))

    @router.post("/v1/me/factor/recovery-codes", openapi_extra=own_write, responses=refusals)
    async def renew(body: CodeBody, request: Request) -> RecoveryCodes:
        """New recovery codes; all earlier ones are worth nothing from then on."""
        principal = account_of(request)
        account = UUID(principal.account)
        async with database.tenant(principal.tenant) as connection:
            await seconds.prove(connection, principal.tenant, account, body.code.get_secret_value())
            return RecoveryCodes(codes=list(await seconds.recovery(connection, principal.tenant, account)))

    @router.post("/v1/me/factor/removal", openapi_extra=own_write, responses=refusals, status_code=204)
    async def remove(body: CodeBody, request: Request) -> None:
        """Sign in with the password alone again, where the tenant lets the account."""
        principal = account_of(request)
        account = UUID(principal.account)
        if principal.standing.is_asked_for_factor(clock.now()):
            raise FactorAsked("your organisation asks for a second factor; an administrator can reset it for another")
        async with database.tenant(principal.tenant) as connection:
            await seconds.prove(connection, principal.tenant, account, body.code.get_secret_value())
            await factors.remove(connection, account)
        standings.forget(principal.tenant, account)

    @router.delete("/v1/accounts/{account}/factor", openapi_extra=writes, responses=refusals, status_code=204)
    async def reset(account: UUID, request: Request) -> None:
        """Take somebody's second factor away, who lost it with all recovery codes; all their sign-ins end."""
        principal = account_of(request)
        if UUID(principal.account) == account:
            raise OwnAccount("nobody resets their own second factor; remove it with a code, or ask somebody else")
        async with database.tenant(principal.tenant) as connection:
            if await accounts.get(connection, account) is None:
                raise AccountUnknown("there is no such account")
            if not await factors.remove(connection, account):
                raise FactorUnknown("this account has no second factor")
            await grants.revoke_all(connection, account, clock.now())
        standings.forget(principal.tenant, account)

    @router.get("/v1/sign-in-rule", openapi_extra=reads, responses=problems(401, 403))
    async def rule(request: Request) -> SignInRule:
        """Who has to have a second factor."""
        async with database.tenant(account_of(request).tenant) as connection:
            held = await factors.rule(connection)
        return SignInRule(is_factor_for_all=held.is_for_all, factor_roles=list(held.roles))

    @router.put("/v1/sign-in-rule", openapi_extra=writes, responses=refusals)
    async def put_rule(body: SignInRule, request: Request) -> SignInRule:
        """Ask all accounts of people, or those that hold certain roles, for a second factor; within five seconds."""
        tenant = account_of(request).tenant
        async with database.tenant(tenant) as connection:
            replaces(await factors.rule(connection))
            known = Roles(await grants.roles(connection)).known
            unknown = sorted(set(body.factor_roles) - set(known))
            if unknown:
                raise RoleUnknown(f"expected roles that exist, got {', '.join(unknown)}")
            await factors.put_rule(connection, tenant, factors.Rule(body.is_factor_for_all, tuple(body.factor_roles)))
            becomes(body)
        return body

    return router
