"""`/v1/accounts/...`: invitations, passwords and API keys. What is secret is answered once and stored as a digest."""

from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.api.access import AcceptBody, InviteBody, Invited, KeyBody, KeyMade, KeyView, PasswordBody
from biometric_flow.gateway.access import account_of, needs
from biometric_flow.gateway.errors import AccountExists, AccountUnknown, KeyUnknown
from biometric_flow.gateway.keys import INVITATION_PREFIX, KEY_PREFIX, make, tenant_of
from biometric_flow.gateway.routes.documents import problems
from biometric_flow.gateway.standing import Standings
from biometric_flow.gateway.store import accounts, credentials, grants
from biometric_flow.identity.errors import BadCredentials, GrantRefused
from biometric_flow.identity.password_rules import check_password
from biometric_flow.identity.passwords import Passwords
from biometric_flow.identity.rbac import NARROWEST, Narrowest, Permission
from biometric_flow.identity.tokens import digest
from biometric_flow.model.ids import TenantId
from biometric_flow.runtime.acting import acting, becomes
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.database import Database

INVITED_FOR: Final = timedelta(days=7)


def credentials_router(database: Database, passwords: Passwords, standings: Standings, clock: Clock) -> APIRouter:
    """Operations of invitations, passwords and API keys."""
    router = APIRouter(tags=["access"])
    writes = needs(Permission.ACCESS_WRITE)
    refusals = problems(400, 401, 403, 404, 409, 413)

    @router.post("/v1/accounts", openapi_extra=writes, responses=refusals, status_code=201)
    async def invite(body: InviteBody, request: Request) -> Invited:
        """Add an account that holds nothing yet; a person gets an invitation to set a password with, within a week."""
        principal, account, now = account_of(request), uuid4(), clock.now()
        email = body.email.lower()
        async with database.tenant(principal.tenant) as connection:
            if await accounts.has_email(connection, email):
                raise AccountExists("there is an account with this address; change that one")
            await accounts.add(
                connection,
                tenant_id=principal.tenant,
                account_id=account,
                email=email,
                name=body.name,
                role="",
                password_hash="",
                is_enabled=True,
                created_at=now,
                kind=body.kind,
            )
            becomes({"account": account, "kind": body.kind})
            return await _invite(connection, principal.tenant, account) if body.kind == "person" else _made(account)

    @router.post("/v1/accounts/{account}/invitation", openapi_extra=writes, responses=refusals, status_code=201)
    async def invite_again(account: UUID, request: Request) -> Invited:
        """Let somebody who forgot the password set another; all sign-ins of the account end."""
        tenant = account_of(request).tenant
        async with database.tenant(tenant) as connection:
            row = await accounts.get(connection, account)
            if row is None or row.kind != "person":
                raise AccountUnknown("there is no such account of a person")
            await grants.revoke_all(connection, account, clock.now())
            await credentials.set_password(connection, account, "")
            made = await _invite(connection, tenant, account)
        standings.forget(tenant, account)
        return made

    @router.post(
        "/v1/auth/invitation",
        openapi_extra=needs(Permission.PUBLIC),
        responses=problems(400, 401, 413, 429),
        status_code=204,
    )
    async def accept(body: AcceptBody) -> None:
        """Set the password of an account that was invited; the invitation is used up."""
        secret = body.invitation.get_secret_value()
        refused = BadCredentials("the invitation is not valid (any more); ask for another")
        tenant = tenant_of(secret, INVITATION_PREFIX)
        if tenant is None:
            raise refused
        check_password(body.password.get_secret_value())
        async with database.tenant(tenant) as connection:
            account = await credentials.accept(connection, digest(secret), clock.now())
            row = None if account is None else await accounts.get(connection, account)
            if row is None or not row.is_enabled:
                raise refused
            if (action := acting()) is not None:
                action.actor, action.tenant = f"account:{account}", tenant
            check_password(body.password.get_secret_value(), [row.email, row.name])
            hashed = await passwords.hash(body.password.get_secret_value())
            await credentials.set_password(connection, row.account_id, hashed)

    @router.put(
        "/v1/me/password",
        openapi_extra=needs(Permission.SELF_WRITE),
        responses=problems(400, 401, 413),
        status_code=204,
    )
    async def change_password(body: PasswordBody, request: Request) -> None:
        """Set another password; every sign-in of the account ends, this one too."""
        principal = account_of(request)
        account = UUID(principal.account)
        async with database.tenant(principal.tenant) as connection:
            row = await accounts.get(connection, account)
            if row is None or not await passwords.verify(row.password_hash or None, body.old.get_secret_value()):
                raise BadCredentials("expected the password that the account has now")
            check_password(body.new.get_secret_value(), [row.email, row.name])
            await credentials.set_password(connection, account, await passwords.hash(body.new.get_secret_value()))
            await grants.revoke_all(connection, account, clock.now())
        standings.forget(principal.tenant, account)

    @router.get(
        "/v1/accounts/{account}/keys", openapi_extra=needs(Permission.ACCESS_READ), responses=problems(401, 403)
    )
    async def list_keys(account: UUID, request: Request) -> list[KeyView]:
        """An account's API keys, newest first, without their secrets."""
        async with database.tenant(account_of(request).tenant) as connection:
            rows = await credentials.keys(connection, account)
        return [
            KeyView(
                id=row.key_id,
                name=row.name,
                permissions=row.permissions,
                created_at=row.created_at,
                expires_at=row.expires_at,
                last_used=row.last_used,
            )
            for row in rows
        ]

    @router.post("/v1/accounts/{account}/keys", openapi_extra=writes, responses=refusals, status_code=201)
    async def add_key(account: UUID, body: KeyBody, request: Request) -> KeyMade:
        """Make an API key of an account. It may do what is named here as far as the account may, until it ends."""
        principal, now = account_of(request), clock.now()
        known = {one.value for one in Permission if NARROWEST[one] not in (Narrowest.OWN_PLACE, Narrowest.EVERYONE)}
        for permission in sorted(body.permissions):
            if permission not in known - {Permission.SELF_WRITE.value}:
                raise GrantRefused(f"expected permissions that a key can have, got {permission!r}")
            held = principal.standing.reach(Permission(permission), now)
            if held is None or not held.is_everywhere:
                raise GrantRefused(f"nobody makes a key for what they do not hold: {permission}")
        made = KeyMade(
            id=uuid4(),
            name=body.name,
            permissions=sorted(set(body.permissions)),
            created_at=now,
            expires_at=now + timedelta(days=body.days),
            last_used=None,
            secret=make(principal.tenant, KEY_PREFIX),
        )
        async with database.tenant(principal.tenant) as connection:
            if await accounts.get(connection, account) is None:
                raise AccountUnknown("there is no such account")
            await credentials.add_key(
                connection,
                tenant_id=principal.tenant,
                key_id=made.id,
                account_id=account,
                created_by=principal.account,
                digest=digest(made.secret),
                **made.model_dump(include={"name", "permissions", "created_at", "expires_at"}),
            )
            becomes(made.model_dump(mode="json", exclude={"secret"}))
        return made

    @router.delete("/v1/accounts/{account}/keys/{key}", openapi_extra=writes, responses=refusals, status_code=204)
    async def remove_key(account: UUID, key: UUID, request: Request) -> None:
        """Take an API key away; it is refused within five seconds everywhere."""
        async with database.tenant(account_of(request).tenant) as connection:
            if not await credentials.remove_key(connection, account, key):
                raise KeyUnknown("this account has no such key")

    async def _invite(connection: AsyncConnection, tenant: TenantId, account: UUID) -> Invited:
        secret, ends = make(tenant, INVITATION_PREFIX), clock.now() + INVITED_FOR
        await credentials.invite(
            connection, tenant_id=tenant, digest=digest(secret), account_id=account, expires_at=ends
        )
        return Invited(account=account, invitation=secret, expires_at=ends)

    return router


def _made(account: UUID) -> Invited:
    return Invited(account=account, invitation=None, expires_at=None)
