"""Moves a person's templates: reads them at the source, hands them to each target, where they are read back."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from biometric_flow.api.jobs import GiveTemplates, JobOrder, TakeTemplates
from biometric_flow.model.ids import Pin
from biometric_flow.place.biometrics.errors import ReleaseUnknown, TemplatesNotThere
from biometric_flow.place.biometrics.transfers import Bundle, Transfer, Transfers
from biometric_flow.place.biometrics.vault import Vault
from biometric_flow.place.roster import Roster
from biometric_flow.place.writer import Writer
from biometric_flow.runtime.clock import Clock
from biometric_flow.zk.wire.users import UserRecord

QueueJob = Callable[[str, JobOrder, datetime], int]
"""Queues a job for a terminal on whatever channel it has, in the writer's thread; gives its number."""


class Courier:
    """Every step asks for the person's release again: it may have ended since."""

    def __init__(
        self,
        vault: Vault,
        roster: Roster,
        writer: Writer,
        clock: Clock,
        queue: QueueJob,
        wake: Callable[[str], Awaitable[None]],
    ) -> None:
        self.transfers = Transfers()
        self._vault = vault
        self._roster = roster
        self._writer = writer
        self._clock = clock
        self._queue = queue
        self._wake = wake

    async def copy(self, pin: Pin, source: str, targets: Sequence[str]) -> Transfer:
        """Begin: from a terminal, or with an empty `source` from what the place keeps.

        Raises ReleaseUnknown, TemplatesNotThere, TerminalUnknown, JobsFull, JobNotPossible.
        """
        for key in (*targets, *([source] if source else [])):
            self._roster.get(key)
        await self.check(pin)
        transfer = self.transfers.begin(
            pin, source, [key for key in dict.fromkeys(targets) if key != source], self._now
        )
        if source:
            order = GiveTemplates(kind="give_templates", pin=pin, transfer=transfer.id)
            await self._ordered(transfer, source, order)
            return transfer
        samples = tuple(await self._writer.call(self._vault.open, pin))
        if not samples:
            raise TemplatesNotThere("expected templates of this person at this place, it keeps none; name a terminal")
        await self.given(transfer, Bundle(UserRecord(0, pin), samples))
        return transfer

    async def given(self, transfer: Transfer, bundle: Bundle) -> None:
        """The source gave: hand it to every target. Raises TemplatesNotThere, ReleaseUnknown, JobsFull."""
        await self.check(transfer.pin)
        self.transfers.fill(transfer, bundle)
        for key in transfer.targets:
            await self._ordered(
                transfer, key, TakeTemplates(kind="take_templates", pin=transfer.pin, transfer=transfer.id)
            )

    async def open(self, identity: str, pin: str) -> Transfer:
        """The transfer that a job is for. Raises TemplatesNotThere, ReleaseUnknown."""
        transfer = self.transfers.get(identity, self._now)
        if transfer.pin != pin:
            raise TemplatesNotThere("expected a transfer of this person's templates, this one is somebody else's")
        await self.check(transfer.pin)
        return transfer

    async def check(self, pin: Pin) -> None:
        """Raises ReleaseUnknown unless the person's release is in force."""
        if not await self._writer.call(self._vault.is_allowed, pin, self._now):
            raise ReleaseUnknown("expected a written release of this person that is in force, there is none; record it")

    async def _ordered(self, transfer: Transfer, key: str, order: JobOrder) -> None:
        transfer.jobs[key] = await self._writer.call(self._queue, key, order, self._now)
        await self._wake(key)

    @property
    def _now(self) -> datetime:
        return self._clock.now()
