"""What each operation asks for, and who was let through: operation -> permission -> scope (security-design A2)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.routing import APIRoute

from biometric_flow.gateway.standing import Standing
from biometric_flow.identity.grants import Reach
from biometric_flow.identity.rbac import NARROWEST, Permission
from biometric_flow.model.ids import PlaceId, TenantId
from biometric_flow.runtime.acting import TRAIL
from biometric_flow.runtime.errors import StartRefused
from biometric_flow.runtime.web import NotFound

_FIELD: Final = "x-permission"
_SCOPE: Final = "x-scope"
SHOWS: Final = "x-shows"
"""The topic of data that an answer is made of, and of nothing else but the question and the caller's reach."""


@dataclass(frozen=True, slots=True)
class AccountPrincipal:
    """A signed-in account."""

    account: str
    tenant: TenantId
    session: str
    expires_at: datetime
    standing: Standing
    only: frozenset[str] | None = None
    """The permissions that its API key was made for; None when a person signed in."""

    def reach(self, permission: Permission, now: datetime) -> Reach | None:
        """Where it holds a permission right now, as far as its key goes."""
        if self.only is not None and permission.value not in self.only:
            return None
        return self.standing.reach(permission, now)


@dataclass(frozen=True, slots=True)
class PlacePrincipal:
    """A place that proved itself."""

    tenant: TenantId
    place: PlaceId
    key_id: str = ""
    """Which of its keys signed; empty for the shared secret of a demo."""


class OperationUndeclared(StartRefused):
    """An operation declares no permission; a server with one does not start."""

    code = "start.operation_undeclared"


def needs(permission: Permission, trail: str = "", shows: str = "") -> dict[str, Any]:
    """Declare an operation's permission: `@router.get(..., openapi_extra=needs(...))`.

    `trail` names what records an operation that only carries records; every other one that writes leaves an audit leaf.
    `shows` lets its answers be remembered until data of that topic change (`data_version`).
    """
    described: dict[str, Any] = {_FIELD: permission.value, _SCOPE: NARROWEST[permission].value}
    if trail:
        described[TRAIL] = trail
    if shows:
        described[SHOWS] = shows
    if permission is Permission.PUBLIC:
        described["security"] = []
    return described


@dataclass(frozen=True, slots=True)
class Operation:
    """One line of the access table."""

    method: str
    path: str
    permission: Permission

    @property
    def narrowest(self) -> str:
        """The finest scope whose holder may still use it."""
        return NARROWEST[self.permission].value


class Operations:
    """The table operation -> permission -> scope of everything that is served."""

    def __init__(self, routers: Iterable[APIRouter]) -> None:
        self._table: list[tuple[re.Pattern[str], dict[str, Permission]]] = []
        self.listed: list[Operation] = []
        """All operations, by path and method."""
        for router in routers:
            for route in router.routes:
                if not isinstance(route, APIRoute):
                    raise OperationUndeclared(f"expected an operation with a permission, got {route!r}")
                declared = (route.openapi_extra or {}).get(_FIELD)
                if declared is None:
                    raise OperationUndeclared(f"{route.methods} {route.path}: expected needs(<permission>), got none")
                permission = Permission(declared)
                self._table.append((route.path_regex, dict.fromkeys(route.methods or (), permission)))
                self.listed += [Operation(method, route.path_format, permission) for method in route.methods or ()]
        self.listed.sort(key=lambda one: (one.path, one.method))

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
