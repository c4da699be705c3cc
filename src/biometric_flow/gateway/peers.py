"""The way to a place whose link another instance of the gateway holds: who holds it, and asking there (ADR 167)."""

import asyncio
import hmac
import secrets
import struct
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final

import httpx2

from biometric_flow.api.link import MAX_FRAME, Frame, FrameUnreadable, Headers, RequestFrame, decode, encode
from biometric_flow.gateway.shared import SharedAway, SharedStore
from biometric_flow.identity.peer_requests import NONCE_BYTES, Holder, open_holder, seal_holder, sign_peer
from biometric_flow.model.ids import PlaceId, TenantId
from biometric_flow.runtime.acting import unattended
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.link import Answer, LinkClosed

PATH: Final = "/peer/links/"
"""Where instances ask each other. What comes from outside finds nothing there."""
HELD_SECONDS: Final = 20
"""For how long it is believed that an instance holds a link; it says so again every five seconds."""
_TIMES: Final = httpx2.Timeout(30.0, connect=2.0)
"""A place says something on a stream every ten seconds; whole answers end with the time of their caller."""
_LIMITS: Final = httpx2.Limits(max_connections=1000, max_keepalive_connections=32)
_LENGTH: Final = struct.Struct(">I")

_Name = tuple[TenantId, PlaceId]


class Peers:
    """The other instances, found in the store that all share. `address` is how they reach this one."""

    def __init__(self, store: SharedStore, secret: bytes, address: str, clock: Clock) -> None:
        self.secret, self.address = secret, address
        self._store, self._clock = store, clock
        self._http = httpx2.AsyncClient(timeout=_TIMES, limits=_LIMITS, trust_env=False, follow_redirects=False)
        self._found: dict[_Name, Holder | None] = {}
        """What was found last, for while the store is away."""
        self._carried: set[asyncio.Task[None]] = set()

    async def holds(self, tenant: TenantId, place: PlaceId, since: datetime) -> None:
        """Tell the others that a link ends here; to be said again within HELD_SECONDS."""
        name, holder = self._name(tenant, place), Holder(self.address, int(since.timestamp() * 1000))
        said = seal_holder(self.secret, tenant, place, holder, self._clock.now())

        async def tell() -> None:
            async with self._store.redis.pipeline(transaction=True) as commands:
                commands.hset(name, self.address, said)
                commands.expire(name, HELD_SECONDS)
                await commands.execute()

        try:
            await self._store.do(tell)
        except SharedAway:
            return

    async def gone(self, tenant: TenantId, place: PlaceId) -> None:
        """Tell the others that the link is here no more."""
        name = self._name(tenant, place)
        try:
            await self._store.do(lambda: self._store.redis.hdel(name, self.address))
        except SharedAway:
            return

    async def ask(
        self, tenant: TenantId, place: PlaceId, method: str, target: str, headers: Headers, body: bytes
    ) -> Answer | None:
        """Ask a place where its link is; None when no instance holds one. Raises LinkClosed.

        It returns with the answer's head. Whoever gives up waiting has the other instance give up too.
        """
        holder = await self._holder(tenant, place)
        if holder is None:
            return None
        path, content = f"{PATH}{tenant}/{place}", encode(RequestFrame(1, method, target, headers, body))
        proof = sign_peer(
            self.secret, holder.address, path, content, self._clock.now(), secrets.token_bytes(NONCE_BYTES)
        )
        request = self._http.build_request(
            "POST",
            holder.address + path,
            content=content,
            headers={"Authorization": proof, "Content-Type": "application/cbor"},
        )
        try:
            response = await self._http.send(request, stream=True)
        except httpx2.HTTPError as error:
            raise LinkClosed(f"the instance that holds its link is not reached ({type(error).__name__})") from None
        return await self._begun(response)

    async def close(self) -> None:
        """End what is under way."""
        for task in self._carried:
            task.cancel()
        await self._http.aclose()

    async def _begun(self, response: httpx2.Response) -> Answer:
        def close(_answer: Answer) -> None:
            task.cancel()

        answer = Answer(close)
        task = unattended(_carry(response, answer), "answer of another instance")
        self._carried.add(task)
        task.add_done_callback(self._carried.discard)
        try:
            await answer.begin()
        except BaseException:
            answer.close()
            raise
        return answer

    async def _holder(self, tenant: TenantId, place: PlaceId) -> Holder | None:
        """The newest link's, or the one that was found last while the store is away."""
        name = self._name(tenant, place)

        async def look() -> list[object]:
            return list((await self._store.redis.hgetall(name)).values())

        try:
            said = await self._store.do(look)
        except SharedAway:
            return self._found.get((tenant, place))
        now = self._clock.now()
        opened = (open_holder(self.secret, tenant, place, one, now) for one in said if isinstance(one, bytes))
        others = [one for one in opened if one is not None and one.address != self.address]
        found = self._found[tenant, place] = max(others, key=lambda one: one.since, default=None)
        return found

    def _name(self, tenant: TenantId, place: PlaceId) -> str:
        digest = hmac.digest(self.secret, f"link\n{tenant}\n{place}".encode(), "sha256")
        return f"biometric-flow:link:{digest.hex()[:32]}"


def framed(frame: Frame) -> bytes:
    """A frame in a body that holds several: its length in four bytes before it."""
    content = encode(frame)
    return _LENGTH.pack(len(content)) + content


async def _frames(chunks: AsyncIterator[bytes]) -> AsyncIterator[Frame]:
    """Raises FrameUnreadable."""
    held = bytearray()
    async for chunk in chunks:
        held += chunk
        while len(held) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(held)
            if length > MAX_FRAME:
                raise FrameUnreadable(f"expected a frame of at most {MAX_FRAME} bytes")
            if len(held) < _LENGTH.size + length:
                break
            yield decode(bytes(held[_LENGTH.size : _LENGTH.size + length]))
            del held[: _LENGTH.size + length]


async def _carry(response: httpx2.Response, answer: Answer) -> None:
    """From the other instance into the answer, until that is complete or nobody wants it."""
    try:
        if response.status_code != 200:
            answer.take(LinkClosed(f"the instance that held its link has it no more ({response.status_code})"))
            return
        async for frame in _frames(response.aiter_raw()):
            answer.take(frame)
            if answer.is_over:
                return
        answer.take(LinkClosed("the link ended before the answer did"))
    except (httpx2.HTTPError, FrameUnreadable) as error:
        answer.take(LinkClosed(f"the line to the instance that holds its link broke ({type(error).__name__})"))
    finally:
        await response.aclose()
