"""Failures, nonces and attacks, counted by this process alone or, where instances share a store, by all of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from weakref import WeakValueDictionary

from biometric_flow.gateway.errors import TooManyFailures
from biometric_flow.gateway.shared import SharedAway
from biometric_flow.gateway.shared_counts import SharedCounts
from biometric_flow.gateway.traffic.attacks import Attacks
from biometric_flow.gateway.traffic.limits import FailureLimiter
from biometric_flow.gateway.traffic.nonces import Nonces
from biometric_flow.runtime.clock import Clock

_CLOSED: Final = (
    "signing in waits until the store that instances of the gateway share answers again (SHARED_URL): without it,"
    " failed attempts would count at one of them only"
)


class Failures:
    """How often something secret may be tried. Where instances share it, they fail closed (security-design A8)."""

    def __init__(self, kind: str, clock: Clock, shared: SharedCounts | None = None) -> None:
        self._kind, self._clock, self._shared = kind, clock, shared
        self._own = FailureLimiter()
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def turn(self, key: str) -> AsyncIterator[None]:
        """One guess of a key after the other, so that guesses sent together do not pass before the first one counts.

        Raises SharedAway, and TooManyFailures when the key has to wait; nothing may be tried then.
        """
        async with self._turns.setdefault(key, asyncio.Lock()):
            wait = await self.wait(key)
            if wait > 0:
                raise TooManyFailures(wait)
            yield

    async def wait(self, key: str) -> float:
        """Seconds until this key may try again; 0 when it may now. Raises SharedAway."""
        if self._shared is None:
            return self._own.wait(key, self._clock.monotonic())
        try:
            return await self._shared.wait(self._kind, key)
        except SharedAway:
            raise SharedAway(_CLOSED) from None

    async def failed(self, key: str) -> None:
        """Count one failure. Raises SharedAway."""
        if self._shared is None:
            self._own.failed(key, self._clock.monotonic())
            return
        try:
            await self._shared.failed(self._kind, key)
        except SharedAway:
            raise SharedAway(_CLOSED) from None

    async def succeeded(self, key: str) -> None:
        """Forget a key's failures. Raises SharedAway."""
        if self._shared is None:
            self._own.succeeded(key)
            return
        try:
            await self._shared.succeeded(self._kind, key)
        except SharedAway:
            raise SharedAway(_CLOSED) from None


class SeenNonces:
    """Which signed requests came already. While the shared store is away, those that came to this process."""

    def __init__(self, seconds: float, clock: Clock, shared: SharedCounts | None = None) -> None:
        self._seconds, self._clock, self._shared = seconds, clock, shared
        self._own = Nonces(seconds)

    async def is_new(self, key: str, nonce: str) -> bool:
        """Take a nonce of a key; False when it came before."""
        if not self._own.is_new(key, nonce, self._clock.monotonic()):
            return False
        try:
            return self._shared is None or await self._shared.is_new(key, nonce, self._seconds)
        except SharedAway:
            return True


class SeenAttacks:
    """Failed sign-ins of the last five minutes. While the shared store is away, those at this process."""

    def __init__(self, clock: Clock, shared: SharedCounts | None = None) -> None:
        self._clock, self._shared = clock, shared
        self._own = Attacks()

    async def failed(self, tenant: str) -> None:
        """Somebody failed to sign in; `tenant` is empty for an account that there is not."""
        self._own.failed(tenant, self._clock.monotonic())
        if self._shared is not None:
            try:
                await self._shared.attacked(tenant)
            except SharedAway:
                return

    async def count(self, tenant: str) -> int:
        """Failures of a tenant's accounts and of unknown ones."""
        own = self._own.count(tenant, self._clock.monotonic())
        try:
            return own if self._shared is None else max(own, await self._shared.attacks(tenant))
        except SharedAway:
            return own
