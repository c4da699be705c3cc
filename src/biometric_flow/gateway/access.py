"""Who asks, and may they? Operation -> permission, request -> principal, before a body is read (security-design A1)."""

import hashlib
import hmac
import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from starlette.types import Scope

from biometric_flow.identity.rbac import Permission, allows
from biometric_flow.identity.tokens import AccessTokens, Claims
from biometric_flow.model.ids import PlaceId, TenantId
from biometric_flow.runtime.acting import TRAIL
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.errors import StartRefused
from biometric_flow.runtime.places import PlaceConfig
from biometric_flow.runtime.web import Forbidden, NotFound, Unauthenticated, bearer

PLACE_PREFIX: Final = "bfp_"
"""Begins every place credential; what follows is the secret whose SHA-256 stands in places.json."""

_FIELD: Final = "x-permission"
_CACHED_TOKENS: Final = 10_000


@dataclass(frozen=True, slots=True)
class AccountPrincipal:
    """A signed-in account."""

    account: str
    tenant: TenantId
    role: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class PlacePrincipal:
    """A place that proved itself."""

    tenant: TenantId
    place: PlaceId


class OperationUndeclared(StartRefused):
    """An operation declares no permission; a server with one does not start."""

    code = "start.operation_undeclared"


def needs(permission: Permission, trail: str = "") -> dict[str, Any]:
    """Declare an operation's permission: `@router.get(..., openapi_extra=needs(...))`.

    `trail` names what records an operation that only carries records; every other one that writes leaves an audit leaf.
    """
    described: dict[str, Any] = {_FIELD: permission.value}
    if trail:
        described[TRAIL] = trail
    if permission is Permission.PUBLIC:
        described["security"] = []
    return described


class Operations:
    """The table operation -> permission of everything that is served."""

    def __init__(self, routers: Iterable[APIRouter]) -> None:
        self._table: list[tuple[re.Pattern[str], dict[str, Permission]]] = []
        for router in routers:
            for route in router.routes:
                if not isinstance(route, APIRoute):
                    raise OperationUndeclared(f"expected an operation with a permission, got {route!r}")
                declared = (route.openapi_extra or {}).get(_FIELD)
                if declared is None:
                    raise OperationUndeclared(f"{route.methods} {route.path}: expected needs(<permission>), got none")
                permission = Permission(declared)
                self._table.append((route.path_regex, dict.fromkeys(route.methods or (), permission)))

    def permission(self, method: str, path: str) -> Permission | None:
        """What this request needs; None when the path exists and the method does not. Raises NotFound."""
        is_known = False
        for pattern, methods in self._table:
            if pattern.match(path):
                is_known = True
                if method in methods:
                    return methods[method]
        if not is_known:
            raise NotFound("nothing is served at this path; see /openapi.json")
        return None


class PlaceCredentials:
    """Finds the place of a credential, in the same time whether it exists or not."""

    def __init__(self, places: Iterable[PlaceConfig]) -> None:
        self._known = [
            (bytes.fromhex(place.credential_sha256), PlacePrincipal(TenantId(place.tenant), PlaceId(place.id)))
            for place in places
        ]

    def find(self, token: str) -> PlacePrincipal:
        """The place that holds this credential. Raises Unauthenticated."""
        given = hashlib.sha256(token.removeprefix(PLACE_PREFIX).encode()).digest()
        found = None
        for known, principal in self._known:
            if hmac.compare_digest(known, given):
                found = principal
        if found is None:
            raise Unauthenticated("this place credential is not known; compare it with places.json")
        return found


class AccessGuard:
    """The gateway's guard: puts the principal into `scope["state"]`, or refuses."""

    def __init__(
        self, operations: Operations, credentials: PlaceCredentials, tokens: AccessTokens, clock: Clock
    ) -> None:
        self._operations, self._credentials, self._tokens, self._clock = operations, credentials, tokens, clock
        self._verified: OrderedDict[str, Claims] = OrderedDict()

    async def __call__(self, scope: Scope) -> None:
        """Decide about one request from its head."""
        permission = self._operations.permission(scope["method"], scope["path"])
        if permission is None or permission is Permission.PUBLIC:
            return
        token = bearer(scope)
        if permission is Permission.LEDGER_WRITE:
            if not token.startswith(PLACE_PREFIX):
                raise Forbidden("expected a place's own credential")
            place = self._credentials.find(token)
            scope["state"] |= {"principal": place, "actor": f"place:{place.place}", "tenant": place.tenant}
            return
        if token.startswith(PLACE_PREFIX):
            place = self._credentials.find(token)
            scope["state"] |= {"actor": f"place:{place.place}", "tenant": place.tenant}
            raise Forbidden("a place's credential opens only that place's ledger")
        claims = self._claims(token)
        scope["state"] |= {"actor": f"account:{claims.account}", "tenant": claims.tenant}
        if not allows(claims.role, permission):
            raise Forbidden(f"expected a role with {permission}, this account is {claims.role}")
        scope["state"]["principal"] = AccountPrincipal(
            claims.account, TenantId(claims.tenant), claims.role, claims.expires_at
        )

    def _claims(self, token: str) -> Claims:
        """Verified claims; a signature costs 0.4 ms, so tokens that passed are remembered until they end."""
        now = self._clock.now()
        claims = self._verified.get(token)
        if claims is None:
            claims = self._tokens.verify(token, now)
            self._verified[token] = claims
            if len(self._verified) > _CACHED_TOKENS:
                self._verified.popitem(last=False)
        elif claims.expires_at <= now:
            del self._verified[token]
            raise Unauthenticated("the access token is over; get the next one with the refresh token")
        return claims


def account_of(request: Request) -> AccountPrincipal:
    """The signed-in account of a request that the guard let through."""
    principal = _state(request)["principal"]
    assert isinstance(principal, AccountPrincipal)
    return principal


def place_of(request: Request) -> PlacePrincipal:
    """The place of a request that the guard let through; one that asks for another place's path finds nothing."""
    principal = _state(request)["principal"]
    assert isinstance(principal, PlacePrincipal)
    if request.path_params["place"] != principal.place:
        raise NotFound("a place's credential opens only that place's ledger")
    return principal


def _state(request: Request) -> Mapping[str, Any]:
    state: Mapping[str, Any] = request.scope["state"]
    return state
