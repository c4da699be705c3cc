"""Which place signed a request: its key, its time, and that it came once (security-design D1, D2)."""

import hashlib
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from biometric_flow.gateway.access import PlacePrincipal
from biometric_flow.gateway.counts import SeenNonces
from biometric_flow.gateway.shared_counts import SharedCounts
from biometric_flow.gateway.standing import KNOWN_SECONDS
from biometric_flow.gateway.store import link_keys
from biometric_flow.identity.errors import SignatureRefused, SignatureRepeated
from biometric_flow.identity.place_requests import SCHEME, WINDOW_SECONDS, check, read_head, target_of
from biometric_flow.model.ids import PlaceId, TenantId
from biometric_flow.runtime.acting import acting_as
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.database import Database
from biometric_flow.runtime.reach import limited_to

BODY: Final = "signed_body"
"""In `scope["state"]`: the SHA-256 that the body of a signed request has to have."""
KEY_OVERLAP: Final = timedelta(days=1)
"""How long a key is believed after the place changed to the next one."""
_REMEMBERED: Final = 10_000

_Name = tuple[TenantId, str, str]


class PlaceProofs:
    """Believes what it read of a key for two seconds; a revoked place is refused at once here, within 5 s elsewhere."""

    def __init__(self, database: Database, clock: Clock, shared: SharedCounts | None = None) -> None:
        self._database, self._clock = database, clock
        self._known: OrderedDict[_Name, tuple[float, Ed25519PublicKey | None]] = OrderedDict()
        self._nonces = SeenNonces(2 * WINDOW_SECONDS, clock, shared)

    async def find(self, scope: Scope) -> PlacePrincipal:
        """The place that signed a request's head. Raises SignatureRefused, SignatureRepeated, DatabaseUnavailable."""
        head = read_head(Headers(scope=scope).get("authorization", ""))
        path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        target = target_of(path, scope.get("query_string", b"").decode("latin-1"))
        public = await self._key(TenantId(head.tenant), head.place, head.key_id)
        check(head, public, scope["method"], target, self._clock.now())
        if not await self._nonces.is_new(f"{head.tenant}/{head.place}", head.nonce):
            raise SignatureRepeated("this request came before; sign each one anew")
        scope["state"][BODY] = head.body
        return PlacePrincipal(TenantId(head.tenant), PlaceId(head.place), head.key_id)

    async def is_believed(self, place: PlacePrincipal) -> bool:
        """Does the key by which a place was let in still count? Raises DatabaseUnavailable."""
        return not place.key_id or await self._key(place.tenant, place.place, place.key_id) is not None

    def forget(self, tenant: TenantId, place: str) -> None:
        """Its keys were changed here just now."""
        for name in [name for name in self._known if name[:2] == (tenant, place)]:
            del self._known[name]

    async def _key(self, tenant: TenantId, place: str, key_id: str) -> Ed25519PublicKey | None:
        name, asked = (tenant, place, key_id), self._clock.monotonic()
        known = self._known.get(name)
        if known is None or asked - known[0] >= KNOWN_SECONDS:
            known = asked, await self._read(tenant, place, key_id, self._clock.now())
            self._known[name] = known
            self._known.move_to_end(name)
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return known[1]

    async def _read(self, tenant: TenantId, place: str, key_id: str, now: datetime) -> Ed25519PublicKey | None:
        with limited_to(None), acting_as(None):
            async with self._database.tenant(tenant) as connection:
                row = await link_keys.living(connection, place, key_id, now)
        return None if row is None else Ed25519PublicKey.from_public_bytes(row.public_key)


def is_signed(scope: Scope) -> bool:
    """Does a request say that a place signed it?"""
    return Headers(scope=scope).get("authorization", "").lower().startswith(f"{SCHEME.lower()} ")


class SignedBodies:
    """ASGI middleware: the body of a signed request reaches the app only if it is the one that was signed."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request. Raises SignatureRefused."""
        signed = scope.get("state", {}).get(BODY) if scope["type"] == "http" else None
        if signed is None:
            await self.app(scope, receive, send)
            return
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return
            body += message.get("body", b"")
            if not message.get("more_body", False):
                break
        if hashlib.sha256(body).digest() != signed:
            raise SignatureRefused("the body is not the one that the place signed")
        given = False

        async def once() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": bytes(body), "more_body": False}

        await self.app(scope, once, send)
