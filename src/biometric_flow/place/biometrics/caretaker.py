"""Sees to it that nothing stays longer than it may, on the server and on every terminal (security-design E4)."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final

import structlog

from biometric_flow.api.jobs import DeleteTemplates
from biometric_flow.ledger.errors import StorageUnavailable
from biometric_flow.model.ids import Pin
from biometric_flow.place.biometrics.at_terminal import FACES_LEFT
from biometric_flow.place.biometrics.courier import Courier, QueueJob
from biometric_flow.place.biometrics.destruction import Destruction, Destructions, JobOutcome
from biometric_flow.place.biometrics.vault import Vault
from biometric_flow.place.errors import JobNotPossible, JobsFull, JobUnknown, TerminalNotPulled, TerminalUnknown
from biometric_flow.place.findings import Incident
from biometric_flow.place.incidents import Incidents
from biometric_flow.place.jobs import Jobs
from biometric_flow.place.roster import Roster
from biometric_flow.place.writer import Writer
from biometric_flow.runtime.clock import Clock

log = structlog.get_logger()

LOOK_EVERY: Final = timedelta(seconds=30)
"""Time between two looks at what terminals have confirmed."""


LEFT: Final = "templates_left"
"""The finding of a terminal that has not confirmed for longer than LATE that templates are gone from it."""
LATE: Final = timedelta(days=1)

FACES_AGAIN: Final = timedelta(days=1)
"""Time after which a terminal that is pulled and holds faces is asked again."""


class Caretaker:
    """Ends releases that are over and pursues what is to be destroyed, until every terminal has confirmed."""

    def __init__(
        self,
        vault: Vault,
        destructions: Destructions,
        jobs: Jobs,
        roster: Roster,
        writer: Writer,
        clock: Clock,
        courier: Courier,
        queue: QueueJob,
        wake: Callable[[str], Awaitable[None]],
        incidents: Incidents,
        look_every: timedelta = LOOK_EVERY,
    ) -> None:
        self.vault = vault
        self._incidents = incidents
        self.destructions = destructions
        self._jobs = jobs
        self._roster = roster
        self._writer = writer
        self._clock = clock
        self._courier = courier
        self._queue = queue
        self._wake = wake
        self._look_every = look_every

    async def end(self, pin: Pin, reason: str) -> tuple[int, list[Destruction]]:
        """End a person's release now. Raises ReleaseUnknown, StorageUnavailable."""
        self._courier.transfers.withdraw(pin)
        terminals = [entry.key for entry in self._roster]
        now = self._clock.now()
        gone, _ = await self._writer.call(self.destructions.begin, pin, reason, terminals, now)
        await self._writer.call(self.vault.destroy_keys)
        log.info("release_ended", destroyed=gone, terminals=len(terminals))
        return gone, [one for one in await self.advance() if one.pin == pin]

    async def run(self) -> None:
        """Look after everything that is due, for ever."""
        while True:
            try:
                await self._writer.call(self.vault.destroy_keys)
                for pin in await self._writer.call(self.vault.overdue, self._clock.now()):
                    await self.end(pin, "its period is over")
                await self.advance()
            except StorageUnavailable as error:
                log.error("destruction_waits", reason=str(error))
            await self._clock.sleep(self._look_every.total_seconds())

    async def advance(self) -> list[Destruction]:
        """Order what is due on terminals, take note of what they confirmed; what is left. Raises StorageUnavailable."""
        woken: set[str] = set()

        def order(task: Destruction) -> int | None:
            number = self._order(task)
            if number is not None:
                woken.add(task.terminal)
            return number

        left = await self._writer.call(self.destructions.advance, self._clock.now(), order, self._outcome)
        await self._writer.call(self._show, left)
        for key in woken:
            await self._wake(key)
        return left

    def _show(self, left: Sequence[Destruction]) -> None:
        """Make what a terminal has not destroyed for a day a finding of it, until it has."""
        now = self._clock.now()
        for key in (entry.key for entry in self._roster):
            mine = [task for task in left if task.terminal == key]
            is_shown = any(one.code == LEFT for one in self._incidents.of(key))
            if is_shown and not mine:
                self._incidents.dismiss(key, LEFT)
            elif not is_shown and any(now - task.asked_at > LATE for task in mine):
                since = min(task.asked_at for task in mine)
                text = (
                    f"It has not confirmed yet that templates of {len(mine)} people are gone from it; it is told again"
                    " until it does. Connect it."
                )
                self._incidents.note(key, Incident(LEFT, text, since))

    def _order(self, task: Destruction) -> int | None:
        try:
            self._roster.get(task.terminal)
            order = DeleteTemplates(kind="delete_templates", pin=task.pin)
            return self._queue(task.terminal, order, self._clock.now())
        except (JobsFull, JobNotPossible, TerminalNotPulled, TerminalUnknown):
            return None

    def _outcome(self, task: Destruction) -> JobOutcome:
        self._jobs.expire(self._clock.now())
        try:
            job = self._jobs.get(task.terminal, task.job or 0)
        except JobUnknown:
            return JobOutcome(False, "the job is not known any more; ordered again")
        if job.state == "confirmed":
            return JobOutcome(True, job.detail)
        if job.state in ("queued", "sent"):
            return JobOutcome(None)
        # What its channel cannot do it cannot do in half a minute either.
        waits = FACES_LEFT in job.detail and self._clock.now() - job.changed_at < FACES_AGAIN
        return JobOutcome(None if waits else False, job.detail)
