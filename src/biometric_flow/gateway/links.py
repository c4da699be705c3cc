"""The links that places keep to this gateway: taken at the door, found again by whoever asks a place."""

import asyncio
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from biometric_flow.api.link import RequestFrame
from biometric_flow.gateway.access import PlacePrincipal
from biometric_flow.gateway.peers import Peers
from biometric_flow.gateway.place_proofs import PlaceProofs
from biometric_flow.model.errors import BiometricFlowError
from biometric_flow.model.ids import PlaceId, TenantId
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.database import DatabaseUnavailable
from biometric_flow.runtime.link import Link, LinkClosed
from biometric_flow.runtime.web import Guard, NotFound

log = structlog.get_logger()

LINKS_OF_A_PLACE: Final = 4
"""More than one while a place comes back before its last link was given up; the oldest goes."""
UNPROVED_SECONDS: Final = 60.0
"""A link on which no request of the place was let in for this long is cut (security-design D2); reports are oftener."""
LOOK_SECONDS: Final = 5.0
"""How often is looked at whether the key of a link still counts."""
_PATH: Final = re.compile(r"^/v1/places/[^/]+/link$")
_REFUSED: Final = 4403
_CLOSED: Final = 1001


@dataclass(eq=False, slots=True)
class OpenLink:
    """One link that is held now."""

    tenant: TenantId
    place: PlaceId
    link: Link
    since: datetime
    proved_at: float
    """When the place was last let in by a request on it, on the monotonic clock."""


class Links:
    """All links of this process."""

    def __init__(self) -> None:
        self._open: dict[tuple[TenantId, PlaceId], list[OpenLink]] = {}

    def of(self, tenant: TenantId, place: PlaceId) -> list[Link]:
        """Those of a place that are open, the newest first."""
        return [one.link for one in reversed(self._open.get((tenant, place), ())) if one.link.is_open]

    async def add(self, opened: OpenLink) -> None:
        """A place has come; the oldest of too many goes."""
        held = self._open.setdefault((opened.tenant, opened.place), [])
        held.append(opened)
        if len(held) > LINKS_OF_A_PLACE:
            await held[0].link.close()

    def remove(self, gone: OpenLink) -> None:
        """A link has ended."""
        held = self._open.get((gone.tenant, gone.place), [])
        if gone in held:
            held.remove(gone)
        if not held:
            self._open.pop((gone.tenant, gone.place), None)


class LinkDoor:
    """ASGI middleware: takes the WebSockets of places; each request on one passes the same doors as any other."""

    def __init__(
        self,
        app: ASGIApp,
        guard: Guard,
        proofs: PlaceProofs,
        links: Links,
        clock: Clock,
        peers: Peers | None = None,
    ) -> None:
        self.app, self._guard, self._proofs, self._links, self._clock = app, guard, proofs, links, clock
        self._peers = peers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request or one link."""
        if scope["type"] != "websocket":
            await self.app(scope, receive, send)
            return
        if (await receive())["type"] != "websocket.connect":
            return
        try:
            place, address = await self._let_in(scope)
        except BiometricFlowError as error:
            log.info("link_refused", code=error.code, path=scope["path"][:200])
            await send({"type": "websocket.close", "code": _REFUSED, "reason": error.code})
            return
        await send({"type": "websocket.accept"})
        await self._hold(place, address, receive, send)

    async def _let_in(self, scope: Scope) -> tuple[PlacePrincipal, str]:
        """The handshake is a GET like any other to the guard. Raises what the guard raises."""
        if not _PATH.match(scope["path"]):
            raise NotFound("no WebSocket is taken at this path")
        asked = {**scope, "type": "http", "method": "GET", "state": {}}
        await self._guard(asked)
        place = asked["state"].get("principal")
        if not isinstance(place, PlacePrincipal) or scope["path"] != f"/v1/places/{place.place}/link":
            raise NotFound("a place's credential opens only that place's link")
        return place, asked["state"].get("address", "")

    async def _hold(self, place: PlacePrincipal, address: str, receive: Receive, send: Send) -> None:
        link = Link(_Socket(receive, send), self.app, address, _nothing)
        opened = OpenLink(place.tenant, place.place, link, self._clock.now(), self._clock.monotonic())

        def answered(_request: RequestFrame, status: int) -> None:
            if status not in (401, 403):
                opened.proved_at = self._clock.monotonic()

        link.on_answered = answered
        await self._links.add(opened)
        log.info("link_opened", tenant=place.tenant, place=place.place)
        watch = asyncio.create_task(self._watch(opened, place), name=f"link {place.place}")
        try:
            await link.run()
        except asyncio.CancelledError:
            # The server stops: the place hears it and comes back to the next one.
            log.debug("link_cut")
        finally:
            watch.cancel()
            self._links.remove(opened)
            if self._peers is not None and not self._links.of(place.tenant, place.place):
                await self._peers.gone(place.tenant, place.place)

    async def _watch(self, opened: OpenLink, place: PlacePrincipal) -> None:
        while opened.link.is_open:
            if self._peers is not None:
                await self._peers.holds(opened.tenant, opened.place, opened.since)
            await self._clock.sleep(LOOK_SECONDS)
            if not await self._is_believed(place):
                log.warning("link_revoked", place=opened.place)
                await opened.link.close()
            elif self._clock.monotonic() - opened.proved_at > UNPROVED_SECONDS:
                log.warning("link_unproved", place=opened.place)
                await opened.link.close()

    async def _is_believed(self, place: PlacePrincipal) -> bool:
        """While nobody can say, the link stays: what is asked on it proves itself anyway."""
        try:
            return await self._proofs.is_believed(place)
        except DatabaseUnavailable:
            return True


def _nothing(_request: RequestFrame) -> dict[str, Any]:
    """Each request on a link proves itself, as on any other connection."""
    return {}


class _Socket:
    """An accepted WebSocket as a Channel."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send, self._is_closed = receive, send, False

    async def send(self, message: bytes) -> None:
        try:
            await self._send({"type": "websocket.send", "bytes": message})
        except (OSError, RuntimeError) as error:
            self._is_closed = True
            raise LinkClosed(f"the WebSocket ended: {error}") from None

    async def receive(self) -> bytes:
        message = await self._receive()
        if message["type"] == "websocket.receive":
            return message.get("bytes") or b""
        self._is_closed = True
        raise LinkClosed("the place closed its link")

    async def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            try:
                await self._send({"type": "websocket.close", "code": _CLOSED})
            except (OSError, RuntimeError) as error:
                log.debug("link_close_failed", reason=str(error))
