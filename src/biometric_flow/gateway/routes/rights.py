"""`/v1/accounts`, `/v1/roles`: who holds what, why, and what a tenant changes about it (security-design A9)."""

from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.api.access import (
    AccountState,
    AccountView,
    GrantBody,
    GrantReason,
    GrantView,
    RoleBody,
    RoleName,
    RoleView,
    ScopeBody,
    Why,
)
from biometric_flow.api.place import Slug
from biometric_flow.gateway.access import AccountPrincipal, account_of, needs
from biometric_flow.gateway.errors import AccountUnknown, GrantUnknown, OwnAccount, RoleInUse, RoleUnknown
from biometric_flow.gateway.routes.documents import problems
from biometric_flow.gateway.standing import Standings
from biometric_flow.gateway.store import accounts, grants
from biometric_flow.identity.errors import GrantRefused, RoleInvalid
from biometric_flow.identity.grants import Grant, Scope, ScopeKind, check_grant, check_role, why
from biometric_flow.identity.rbac import Permission
from biometric_flow.identity.roles import BUILT_IN, Role, Roles
from biometric_flow.runtime.acting import becomes, replaces
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.database import Database


class WhyQuery(BaseModel):
    """A permission, and where."""

    model_config = ConfigDict(extra="forbid")

    permission: Permission
    place: Slug | None = None
    department: Slug | None = Field(None, description="Neither: in the whole tenant.")

    def scope(self) -> Scope:
        """Where."""
        if self.department is not None:
            return Scope(ScopeKind.DEPARTMENT, self.department)
        return Scope(ScopeKind.PLACE, self.place) if self.place is not None else Scope(ScopeKind.TENANT)


def rights_router(database: Database, standings: Standings, clock: Clock) -> APIRouter:
    """Operations of accounts, roles and grants."""
    router = APIRouter(tags=["access"])
    reads, writes = needs(Permission.ACCESS_READ), needs(Permission.ACCESS_WRITE)
    refusals = problems(400, 401, 403, 404, 409, 413)

    @router.get("/v1/accounts", openapi_extra=reads, responses=problems(401, 403))
    async def list_accounts(request: Request) -> list[AccountView]:
        """All accounts by e-mail address, each with its grants."""
        async with database.tenant(account_of(request).tenant) as connection:
            rows = await grants.accounts(connection)
            held: dict[UUID, list[Row[Any]]] = {}
            for one in await grants.all_grants(connection):
                held.setdefault(one.account_id, []).append(one)
        return [account_view(row, held.get(row.account_id, [])) for row in rows]

    @router.put("/v1/accounts/{account}/state", openapi_extra=writes, responses=refusals, status_code=204)
    async def set_state(account: UUID, state: AccountState, request: Request) -> None:
        """Let an account in, or keep it out: all its sign-ins end, its open streams too, within five seconds."""
        principal = account_of(request)
        _not_oneself(principal, account)
        async with database.tenant(principal.tenant) as connection:
            row = await _account(connection, account)
            replaces({"is_enabled": row.is_enabled})
            await grants.set_enabled(connection, account, is_enabled=state.is_enabled)
            if not state.is_enabled:
                await grants.revoke_all(connection, account, clock.now())
            becomes(state)
        standings.forget(principal.tenant, account)

    @router.get("/v1/accounts/{account}/grants", openapi_extra=reads, responses=problems(401, 403, 404))
    async def list_grants(account: UUID, request: Request) -> list[GrantView]:
        """What an account was granted, oldest first."""
        async with database.tenant(account_of(request).tenant) as connection:
            await _account(connection, account)
            return [grant_view(row) for row in await grants.of_account(connection, account)]

    @router.post("/v1/accounts/{account}/grants", openapi_extra=writes, responses=refusals, status_code=201)
    async def add_grant(account: UUID, body: GrantBody, request: Request) -> GrantView:
        """Grant a role somewhere for a time; nobody grants what they do not hold, nor anything to themselves."""
        principal, now = account_of(request), clock.now()
        _not_oneself(principal, account)
        scope = Scope(ScopeKind(body.scope.kind), body.scope.id or "")
        new = Grant(str(uuid4()), body.role, scope, body.valid_from or now, body.valid_to)
        async with database.tenant(principal.tenant) as connection:
            await _account(connection, account, is_locked=True)
            if not await grants.has_scope(connection, scope):
                raise GrantRefused(f"expected a {scope.kind} that exists, got {scope.id!r}")
            own = [grants.grant_of(row) for row in await grants.of_account(connection, UUID(principal.account))]
            theirs = [grants.grant_of(row) for row in await grants.of_account(connection, account)]
            roles = Roles(await grants.roles(connection))
            check_grant(roles, own, theirs, new, await grants.parents(connection), now)
            await grants.add(connection, principal.tenant, account, new, principal.account, now)
            view = GrantView(
                id=UUID(new.id),
                role=new.role,
                scope=body.scope,
                valid_from=new.valid_from,
                valid_to=new.valid_to,
                granted_by=principal.account,
                granted_at=now,
            )
            becomes(view)
        standings.forget(principal.tenant, account)
        return view

    @router.delete("/v1/accounts/{account}/grants/{grant}", openapi_extra=writes, responses=refusals, status_code=204)
    async def remove_grant(account: UUID, grant: UUID, request: Request) -> None:
        """Take a grant away; within five seconds it counts for nothing."""
        principal = account_of(request)
        _not_oneself(principal, account)
        async with database.tenant(principal.tenant) as connection:
            for row in await grants.of_account(connection, account):
                if row.grant_id == grant:
                    replaces(grant_view(row))
            if not await grants.remove(connection, account, grant):
                raise GrantUnknown("this account has no such grant")
        standings.forget(principal.tenant, account)

    @router.get("/v1/accounts/{account}/why", openapi_extra=reads, responses=problems(401, 403, 404))
    async def explain(account: UUID, query: Annotated[WhyQuery, Query()], request: Request) -> Why:
        """May this account use a permission there, and what each of its grants has to do with that."""
        async with database.tenant(account_of(request).tenant) as connection:
            row = await _account(connection, account)
            held = [grants.grant_of(one) for one in await grants.of_account(connection, account)]
            roles, parents = Roles(await grants.roles(connection)), await grants.parents(connection)
        scope = query.scope()
        allowed, reasons = why(roles, held, query.permission, scope, parents, clock.now())
        return Why(
            allowed=allowed and row.is_enabled,
            permission=query.permission,
            scope=_scope_body(scope.kind.value, scope.id),
            reasons=[GrantReason(grant=UUID(one.grant.id), counts=one.counts, text=one.text) for one in reasons],
        )

    @router.get("/v1/roles", openapi_extra=reads, responses=problems(401, 403))
    async def list_roles(request: Request) -> list[RoleView]:
        """The built-in roles and the tenant's own."""
        async with database.tenant(account_of(request).tenant) as connection:
            roles = Roles(await grants.roles(connection))
        return [role_view(roles, role) for role in roles.known.values()]

    @router.put("/v1/roles/{role}", openapi_extra=writes, responses=refusals)
    async def put_role(role: RoleName, body: RoleBody, request: Request) -> RoleView:
        """Define or change a role of the tenant's own; nobody defines one with what they do not hold."""
        principal = account_of(request)
        unknown = sorted(set(body.permissions) - {one.value for one in Permission})
        if unknown:
            raise RoleInvalid(f"expected permissions of `biometric-flow access table`, got {', '.join(unknown)}")
        made = Role(role, frozenset(map(Permission, body.permissions)), tuple(body.inherits), body.about)
        async with database.tenant(principal.tenant) as connection:
            before = await grants.roles(connection)
            replaces([one.name for one in before])
            roles = Roles([*(one for one in before if one.name != role), made])
            own = [grants.grant_of(row) for row in await grants.of_account(connection, UUID(principal.account))]
            check_role(roles, own, role, clock.now())
            await grants.put_role(connection, principal.tenant, made)
            view = role_view(roles, made)
            becomes(view)
        return view

    @router.delete("/v1/roles/{role}", openapi_extra=writes, responses=refusals, status_code=204)
    async def remove_role(role: RoleName, request: Request) -> None:
        """Take one of the tenant's own roles away, once nobody holds it and no other role inherits from it."""
        async with database.tenant(account_of(request).tenant) as connection:
            if await grants.is_granted(connection, role):
                raise RoleInUse("somebody holds this role; take the grants away first")
            if any(role in one.inherits for one in await grants.roles(connection)):
                raise RoleInUse("another role inherits from this one; change that first")
            if not await grants.remove_role(connection, role):
                raise RoleUnknown("there is no role of your own with this name")

    return router


def account_view(row: Row[Any], held: list[Row[Any]]) -> AccountView:
    """One account as the API shows it."""
    return AccountView(
        id=row.account_id,
        email=row.email,
        name=row.name,
        kind=row.kind,
        is_enabled=row.is_enabled,
        created_at=row.created_at,
        grants=[grant_view(one) for one in held],
    )


def grant_view(row: Row[Any]) -> GrantView:
    """One grant as the API shows it."""
    return GrantView(
        id=row.grant_id,
        role=row.role,
        scope=_scope_body(row.scope, row.scope_id),
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        granted_by=row.granted_by,
        granted_at=row.granted_at,
    )


def role_view(roles: Roles, role: Role) -> RoleView:
    """One role as the API shows it."""
    return RoleView(
        name=role.name,
        about=role.about,
        is_built_in=role.name in BUILT_IN,
        permissions=sorted(role.permissions),
        inherits=list(role.inherits),
        gives=sorted(roles.permissions(role.name)),
    )


async def _account(connection: AsyncConnection, account: UUID, *, is_locked: bool = False) -> Row[Any]:
    row = await accounts.get(connection, account, is_locked=is_locked)
    if row is None:
        raise AccountUnknown("there is no such account")
    return row


def _not_oneself(principal: AccountPrincipal, account: UUID) -> None:
    if UUID(principal.account) == account:
        raise OwnAccount("nobody changes what they may do themselves; ask somebody else who may")


def _scope_body(kind: str, name: str) -> ScopeBody:
    return ScopeBody.model_validate({"kind": kind, "id": name or None})
