"""Who asks, how often, and may they? Decided from a request's head, before its body is read (security-design A1)."""

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from starlette.datastructures import Headers
from starlette.types import Scope

from biometric_flow.gateway.access import AccountPrincipal, Operations, PlacePrincipal
from biometric_flow.gateway.errors import FactorNeeded
from biometric_flow.gateway.keys import KEY_PREFIX, ApiKeys
from biometric_flow.gateway.place_proofs import PlaceProofs, is_signed
from biometric_flow.gateway.shared_counts import Allowance, SharedCounts
from biometric_flow.gateway.standing import Standings
from biometric_flow.gateway.traffic.addresses import Network, client_address
from biometric_flow.gateway.traffic.rates import RateLimiter
from biometric_flow.identity.rbac import Permission
from biometric_flow.identity.tokens import AccessTokens, Claims
from biometric_flow.model.errors import BiometricFlowError
from biometric_flow.model.ids import PlaceId, TenantId
from biometric_flow.runtime.acting import WATCHED
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.logging import bind_request
from biometric_flow.runtime.places import PlaceConfig
from biometric_flow.runtime.reach import limit
from biometric_flow.runtime.web import Forbidden, Unauthenticated, bearer

PLACE_PREFIX: Final = "bfp_"
"""Begins every place credential; what follows is the secret whose SHA-256 stands in places.json."""

BURST_SECONDS: Final = 5.0
"""How many seconds' worth of requests may come at once."""
_CACHED_TOKENS: Final = 10_000
_WITHOUT_FACTOR: Final = frozenset({Permission.SELF_READ, Permission.SELF_WRITE})
"""What an account that has to have a second factor may do until it has one: look at itself and set one up."""


class TooManyRequests(BiometricFlowError):
    """An account, place, tenant or address asks more often than it may."""

    code = "access.too_many"
    retryable = True

    def __init__(self, whose: str, rate: float, seconds: float) -> None:
        self.retry_after = max(1, round(seconds + 0.5))
        super().__init__(f"expected at most {rate:g} requests a second of one {whose}; go on in {self.retry_after} s")


class PlaceCredentials:
    """Finds the place of a shared secret, in the same time whether it exists or not; in a demo only."""

    def __init__(self, places: Iterable[PlaceConfig], *, is_demo: bool) -> None:
        self._is_demo = is_demo
        self._known = [
            (bytes.fromhex(place.credential_sha256), PlacePrincipal(TenantId(place.tenant), PlaceId(place.id)))
            for place in places
            if place.credential_sha256
        ]

    def find(self, token: str) -> PlacePrincipal:
        """The place that holds this credential. Raises Unauthenticated."""
        if not self._is_demo:
            raise Unauthenticated("a place signs its requests here: let it join with `biometric-flow join`")
        given = hashlib.sha256(token.removeprefix(PLACE_PREFIX).encode()).digest()
        found = None
        for known, principal in self._known:
            if hmac.compare_digest(known, given):
                found = principal
        if found is None:
            raise Unauthenticated("this place credential is not known; compare it with places.json")
        return found


@dataclass(frozen=True, slots=True)
class _Limit:
    whose: str
    limiter: RateLimiter
    key: str

    @property
    def allowance(self) -> Allowance:
        return Allowance(f"{self.whose} {self.key}", self.limiter.rate, self.limiter.burst)


class Limits:
    """Requests a second of one address, one account or place, and one tenant, all together (security-design A8).

    Instances that share a store count together; while it is away, each for itself. What this process alone has to
    refuse, all together have to: they are not asked about it.
    """

    def __init__(
        self,
        address: float,
        identity: float,
        tenant: float,
        trusted: Sequence[Network],
        clock: Clock,
        shared: SharedCounts | None = None,
    ) -> None:
        self._address, self._identity, self._tenant = (
            RateLimiter(rate, rate * BURST_SECONDS) for rate in (address, identity, tenant)
        )
        self._trusted, self._clock, self._shared = trusted, clock, shared

    async def of_address(self, scope: Scope) -> None:
        """Count a request by where it comes from, and remember that. Raises TooManyRequests."""
        peer = scope["client"][0] if scope.get("client") else ""
        address = client_address(peer, Headers(scope=scope).getlist("x-forwarded-for"), self._trusted)
        scope["state"]["address"] = address
        await self._count(_Limit("address", self._address, address))

    async def of_identity(self, tenant: TenantId, actor: str) -> None:
        """Count a request of somebody who proved who they are. Raises TooManyRequests."""
        await self._count(
            _Limit("account, key or place", self._identity, f"{tenant}/{actor}"),
            _Limit("tenant", self._tenant, tenant),
        )

    async def _count(self, *limits: _Limit) -> None:
        now = self._clock.monotonic()
        for one in limits:
            _refuse(one, one.limiter.take(one.key, now))
        if self._shared is not None:
            for one, seconds in zip(limits, await self._shared.take([one.allowance for one in limits]), strict=False):
                _refuse(one, seconds)


class AccessGuard:
    """The gateway's guard: puts the principal into `scope["state"]`, or refuses.

    The order is fixed: address limit, authentication, identity limits, authorization.
    """

    def __init__(
        self,
        operations: Operations,
        credentials: PlaceCredentials,
        proofs: PlaceProofs,
        tokens: AccessTokens,
        standings: Standings,
        keys: ApiKeys,
        limits: Limits,
        clock: Clock,
    ) -> None:
        self._operations, self._tokens = operations, tokens
        self._credentials, self._proofs = credentials, proofs
        self._standings, self._keys, self._limits, self._clock = standings, keys, limits, clock
        self._verified: OrderedDict[str, Claims] = OrderedDict()

    async def __call__(self, scope: Scope) -> None:
        """Decide about one request from its head."""
        limit(None)
        permission = self._operations.permission(scope["method"], scope["path"])
        await self._limits.of_address(scope)
        if permission is None or permission is Permission.PUBLIC:
            return
        if is_signed(scope):
            await self._let_place_in(scope, await self._proofs.find(scope), permission)
            return
        token = bearer(scope)
        if token.startswith(PLACE_PREFIX):
            await self._let_place_in(scope, self._credentials.find(token), permission)
        elif token.startswith(KEY_PREFIX):
            await self._let_key_in(scope, token, permission)
        else:
            await self._let_account_in(scope, token, permission)

    async def _let_place_in(self, scope: Scope, place: PlacePrincipal, permission: Permission) -> None:
        _known(scope, f"place:{place.place}", place.tenant)
        bind_request(place=place.place)
        await self._limits.of_identity(place.tenant, f"place:{place.place}")
        if permission is not Permission.LEDGER_WRITE:
            raise Forbidden("a place's credential opens only that place's ledger")
        scope["state"]["principal"] = place

    async def _let_account_in(self, scope: Scope, token: str, permission: Permission) -> None:
        claims = self._claims(token)
        tenant = TenantId(claims.tenant)
        _known(scope, f"account:{claims.account}", tenant)
        await self._limits.of_identity(tenant, f"account:{claims.account}")
        standing = await self._standings.of(tenant, _uuid(claims.account))
        if not standing.lets_in(claims.session):
            raise Unauthenticated("this sign-in was ended; sign in again")
        principal = AccountPrincipal(claims.account, tenant, claims.session, claims.expires_at, standing)
        if permission not in _WITHOUT_FACTOR and standing.needs_factor(self._clock.now()):
            raise FactorNeeded("your organisation asks for a second factor: set one up at /v1/me/factor, then go on")
        self._authorize(scope, principal, permission)

    async def _let_key_in(self, scope: Scope, secret: str, permission: Permission) -> None:
        key = await self._keys.find(secret)
        _known(scope, f"key:{key.id}", key.tenant)
        await self._limits.of_identity(key.tenant, f"key:{key.id}")
        standing = await self._standings.of(key.tenant, key.account)
        if not standing.is_enabled:
            raise Unauthenticated("the account of this key is disabled")
        if not key.gives(permission):
            raise Forbidden(f"this key was not made for {permission}")
        principal = AccountPrincipal(str(key.account), key.tenant, "", key.expires_at, standing, key.permissions)
        self._authorize(scope, principal, permission)

    def _authorize(self, scope: Scope, principal: AccountPrincipal, permission: Permission) -> None:
        """Admit an account within its reach. Raises Forbidden."""
        if permission is Permission.LEDGER_WRITE:
            raise Forbidden("expected a place's own credential")
        now, standing = self._clock.now(), principal.standing
        if opening := standing.opening(now):
            scope["state"][WATCHED] = opening
        reach = standing.reach(permission, now)
        if reach is None:
            held = ", ".join(standing.role_names(now)) or "nothing"
            raise Forbidden(f"expected a grant with {permission} that is wide enough, this account holds {held}")
        limit(reach)
        scope["state"]["principal"] = principal

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


def _known(scope: Scope, actor: str, tenant: TenantId) -> None:
    scope["state"] |= {"actor": actor, "tenant": tenant}
    bind_request(tenant=tenant)


def _refuse(limit: _Limit, seconds: float) -> None:
    if seconds > 0:
        raise TooManyRequests(limit.whose, limit.limiter.rate, seconds)


def _uuid(account: str) -> UUID:
    try:
        return UUID(account)
    except ValueError:
        raise Unauthenticated("the access token is not valid here; sign in again") from None
