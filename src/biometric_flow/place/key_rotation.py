"""Replaces root, tenant and owners' keys while the place works on; a restart goes on with what is left (K3)."""

import asyncio
from datetime import timedelta
from types import MappingProxyType
from typing import Final, get_args

import structlog

from biometric_flow.api.privacy import KeyCount, KeyLevel, KeysView, RotationView
from biometric_flow.identity.errors import IdentityError
from biometric_flow.identity.keyring import ROOT, KeyKind, Owner
from biometric_flow.identity.rotation import Rewrap
from biometric_flow.ledger.errors import LedgerError, StorageUnavailable
from biometric_flow.place.errors import RotationRunning
from biometric_flow.place.push.archive import UploadArchive
from biometric_flow.place.resealing import Resealing
from biometric_flow.place.writer import Writer
from biometric_flow.runtime.acting import Action, Trail
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.key_store import KeyStore

log = structlog.get_logger()

RETRY_SECONDS: Final = 10.0
DONE: Final = "replace keys and destroy the old ones"
OWNED: Final = MappingProxyType[KeyLevel, KeyKind](
    {"terminals": KeyKind.DEVICE, "people": KeyKind.SUBJECT, "place": KeyKind.PLACE}
)
"""Levels whose keys seal data: these are sealed anew before the old keys are destroyed."""


class KeyRotation:
    """One task of a place. Each step is durable by itself; what is sealed meanwhile is sealed with the newest key.

    `settle` is how long an old key stays when nothing in the file is under it any more: longer than anybody takes to
    open what they read, or to write what they sealed.
    """

    def __init__(
        self,
        keys: KeyStore,
        clock: Clock,
        writer: Writer,
        resealing: Resealing,
        uploads: UploadArchive,
        trail: Trail,
        settle: timedelta,
    ) -> None:
        self._keys, self._clock, self._writer, self._trail = keys, clock, writer, trail
        self._resealing, self._uploads = resealing, uploads
        self._settle = settle.total_seconds()
        self._wrapping: dict[KeyLevel, Owner] = {"root": ROOT, "tenant": keys.tenant_owner}
        self._wanted = asyncio.Event()

    async def begin(self, level: KeyLevel) -> RotationView:
        """Begin one: the new key is durable when this returns. Raises RotationRunning, StorageUnavailable."""
        if self._view(level).is_running:
            self._wanted.set()
            raise RotationRunning(f"expected no rotation of the {level} key under way, there is one; wait for its end")
        if level in OWNED:
            # In the writer's turn: an entry is committed and sealed with the same key.
            await self._writer.call(self._keys.turn, OWNED[level])
        else:
            step = self._keys.rotation(self._wrapping[level], begin=True)[0]
            await asyncio.to_thread(self._keys.take, step)
        self._wanted.set()
        return self._view(level)

    async def run(self) -> None:
        """Finish what is under way, for ever."""
        self._wanted.set()
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            for level, owner in self._wrapping.items():
                await self._finish(level, owner)
            for level, kind in OWNED.items():
                await self._finish_owned(level, kind)

    def view(self) -> KeysView:
        """The state of all keys."""
        counted = sorted(self._keys.counts().items())
        keys = [KeyCount(kind=kind, state=state, count=count) for (kind, state), count in counted]
        return KeysView(keys=keys, rotations=[self._view(level) for level in get_args(KeyLevel)])

    async def _finish(self, level: KeyLevel, owner: Owner) -> None:
        while steps := self._keys.rotation(owner):
            try:
                await asyncio.to_thread(self._keys.take, steps[0])
            except (StorageUnavailable, IdentityError) as error:
                log.error("rotation_waits", keys=level, reason=str(error))
                await self._clock.sleep(RETRY_SECONDS)
                continue
            if len(steps) == 1:
                await self._tell(level)

    async def _finish_owned(self, level: KeyLevel, kind: KeyKind) -> None:
        while self._keys.retiring(kind):
            try:
                await self._reseal(kind)
                await self._clock.sleep(self._settle)
                if await self._reseal(kind):
                    continue  # somebody wrote what they had sealed before
                await asyncio.to_thread(self._keys.retire, kind)
            except (StorageUnavailable, IdentityError) as error:
                log.error("rotation_waits", keys=level, reason=str(error))
                await self._clock.sleep(RETRY_SECONDS)
                continue
            await self._tell(level)

    async def _tell(self, level: KeyLevel) -> None:
        """The old key is destroyed: an entry of the ledger says since when; the order had its own."""
        log.info("rotation_done", keys=level)
        action = Action(DONE, self._clock.now(), actor="process:place")
        action.about("level", level)
        try:
            await self._trail.settle(action, action.expected)
        except LedgerError as error:
            log.error("rotation_not_recorded", keys=level, reason=str(error))

    async def _reseal(self, kind: KeyKind) -> int:
        """Seal anew what is under old keys, in small transactions between those of others; how much that was."""
        old, count = frozenset(one.id for one in self._keys.retiring(kind)), 0
        count += await self._uploads.reseal(old)
        for piece in self._resealing.pieces():
            after, done = await self._writer.call(piece, None, old)
            while after is not None:
                count += done
                after, done = await self._writer.call(piece, after, old)
        return count

    def _view(self, level: KeyLevel) -> RotationView:
        if level in OWNED:
            old = self._keys.retiring(OWNED[level])
            return RotationView(level=level, is_running=bool(old), left=len(old))
        steps = self._keys.rotation(self._wrapping[level])
        left = sum(step.left for step in steps if isinstance(step, Rewrap))
        return RotationView(level=level, is_running=bool(steps), left=left)
