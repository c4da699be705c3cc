"""Replaces root, tenant or terminal keys while the place works on; a restart goes on with what is left (K3)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Literal, get_args

import structlog

from biometric_flow.api.privacy import KeyCount, KeysView, RotationView
from biometric_flow.identity.errors import IdentityError
from biometric_flow.identity.keyring import ROOT, KeyKind, Owner
from biometric_flow.identity.rotation import Rewrap
from biometric_flow.ledger.errors import StorageUnavailable
from biometric_flow.place.errors import RotationRunning
from biometric_flow.place.keys import PlaceKeys
from biometric_flow.runtime.clock import Clock

log = structlog.get_logger()

Level = Literal["root", "tenant", "terminals"]
RETRY_SECONDS: Final = 10.0


class KeyRotation:
    """One task of a place. Each step is durable by itself; what is sealed meanwhile is sealed with the newest key."""

    def __init__(self, keys: PlaceKeys, clock: Clock, reseal: Callable[[], Awaitable[None]]) -> None:
        self._keys, self._clock, self._reseal = keys, clock, reseal
        self._owners: dict[Level, Owner] = {"root": ROOT, "tenant": keys.tenant_owner}
        self._wanted = asyncio.Event()

    async def begin(self, level: Level) -> RotationView:
        """Begin one: the new key is durable when this returns. Raises RotationRunning, StorageUnavailable."""
        if self._view(level).is_running:
            raise RotationRunning(f"expected no rotation of the {level} key under way, there is one; wait for its end")
        if level == "terminals":
            await asyncio.to_thread(self._keys.turn, KeyKind.DEVICE)
        else:
            step = self._keys.rotation(self._owners[level], begin=True)[0]
            await asyncio.to_thread(self._keys.take, step)
        self._wanted.set()
        return self._view(level)

    async def run(self) -> None:
        """Finish what is under way, for ever."""
        self._wanted.set()
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            for level, owner in self._owners.items():
                await self._finish(level, owner)
            await self._finish_terminals()

    def view(self) -> KeysView:
        """The state of all keys."""
        counted = sorted(self._keys.counts().items())
        keys = [KeyCount(kind=kind, state=state, count=count) for (kind, state), count in counted]
        return KeysView(keys=keys, rotations=[self._view(level) for level in get_args(Level)])

    async def _finish(self, level: Level, owner: Owner) -> None:
        while steps := self._keys.rotation(owner):
            try:
                await asyncio.to_thread(self._keys.take, steps[0])
            except (StorageUnavailable, IdentityError) as error:
                log.error("rotation_waits", level=level, reason=str(error))
                await self._clock.sleep(RETRY_SECONDS)
                continue
            if len(steps) == 1:
                log.info("rotation_done", level=level)

    async def _finish_terminals(self) -> None:
        """What the old keys sealed is sealed anew and durable before they are destroyed."""
        while self._keys.retiring(KeyKind.DEVICE):
            try:
                await self._reseal()
                await asyncio.to_thread(self._keys.retire, KeyKind.DEVICE)
            except (StorageUnavailable, IdentityError) as error:
                log.error("rotation_waits", level="terminals", reason=str(error))
                await self._clock.sleep(RETRY_SECONDS)
                continue
            log.info("rotation_done", level="terminals")

    def _view(self, level: Level) -> RotationView:
        if level == "terminals":
            old = self._keys.retiring(KeyKind.DEVICE)
            return RotationView(level=level, is_running=bool(old), left=len(old))
        steps = self._keys.rotation(self._owners[level])
        left = sum(step.left for step in steps if isinstance(step, Rewrap))
        return RotationView(level=level, is_running=bool(steps), left=left)
