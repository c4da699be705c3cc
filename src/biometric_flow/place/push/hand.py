"""One job at one terminal that dials: hands its commands over and waits until the terminal said what became of them.

The commands are kept, so that a job whose deciding command was handed over before a restart goes on where it was.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from biometric_flow.api.jobs import JobView
from biometric_flow.model.ids import TerminalSerial
from biometric_flow.place.errors import JobFailed
from biometric_flow.place.push.hearing import Hearings
from biometric_flow.place.push.intake import Intake
from biometric_flow.place.push.queue import ATTEMPTS_MAX, CommandQueue, Delivery
from biometric_flow.place.roster import RosterEntry
from biometric_flow.place.workplace import Workplace
from biometric_flow.zk.push.commands import Command
from biometric_flow.zk.push.results import RETURN_CODES, CommandResult
from biometric_flow.zk.push.text import PushProtocol

DECIDING: Final = "do"
"""The step that does what the job is for. Once it is kept it is never made a second time."""

_LOOK_SECONDS: Final = 5.0


class NoAnswer(JobFailed):
    """The terminal took a command again and again and never said what became of it, or did not fetch it in time."""


class Silent(JobFailed):
    """The terminal took a command and has not dialled since."""


class Signals:
    """Wakes those who wait for a terminal: something was handed over, or answered."""

    def __init__(self) -> None:
        self._events: dict[str, asyncio.Event] = {}

    def of(self, terminal: str) -> asyncio.Event:
        """The event that the next signal sets."""
        return self._events.setdefault(terminal, asyncio.Event())

    def give(self, terminal: str) -> None:
        """Wake everybody who waits for this terminal."""
        if (event := self._events.pop(terminal, None)) is not None:
            event.set()


@dataclass(frozen=True, slots=True)
class Hand:
    """What carries one job out."""

    at: Workplace
    entry: RosterEntry
    protocol: PushProtocol
    job: JobView
    queue: CommandQueue
    intake: Intake
    signals: Signals

    @property
    def serial(self) -> TerminalSerial:
        """Who the terminal is."""
        return TerminalSerial(self.entry.serial)

    @property
    def hearings(self) -> Hearings:
        """Where its answers are heard."""
        return self.intake.hearings

    @property
    def speaks_security(self) -> bool:
        """Whether it is an access terminal."""
        return self.protocol is PushProtocol.SECURITY

    async def do(self, command: Command, step: str = DECIDING, fine: frozenset[int] = frozenset()) -> CommandResult:
        """Have it done. Raises JobFailed with the terminal's reason, NoAnswer or Silent; NotSupported, ValueError.

        `fine` are codes that are an answer all the same.
        """
        return _done(await self._settled(await self._handed(command, step, 0)), fine)

    async def do_all(
        self, commands: Iterable[Command], step: str = DECIDING, fine: frozenset[int] = frozenset()
    ) -> list[CommandResult]:
        """Have several done, in their order. Raises as `do` for the first that was not."""
        numbers = [await self._handed(command, step, place) for place, command in enumerate(commands)]
        return [_done(await self._settled(number), fine) for number in numbers]

    async def resumed(self) -> CommandResult | None:
        """The result of the deciding step where it was begun before a restart; None where it was not."""
        delivery = await self.at.writer.call(self.queue.of_step, self.job.number, f"{DECIDING}-0")
        return None if delivery is None else _done(await self._settled(delivery.id))

    async def _handed(self, command: Command, step: str, place: int) -> int:
        return await self.at.writer.call(
            lambda: self.queue.add(
                self.entry.key,
                command,
                self.protocol,
                self.at.clock.now(),
                job=self.job.number,
                step=f"{step}-{place}",
                expires_at=self.job.expires_at,
            )
        )

    async def _settled(self, number: int) -> Delivery:
        while True:
            event = self.signals.of(self.entry.key)
            delivery = await self.at.writer.call(self.queue.get, number)
            if delivery is None:
                raise JobFailed("its command is gone; order the job again")
            if not delivery.is_open:
                return delivery
            left = (self._deadline(delivery) - self.at.clock.now()).total_seconds()
            if left <= 0:
                if delivery.state == "queued" and delivery.attempts == 0:
                    raise NoAnswer("the terminal could not be reached in time")
                raise Silent("the terminal took it and has not dialled since")
            try:
                async with asyncio.timeout(min(left, _LOOK_SECONDS) + 0.01):
                    await event.wait()
            except TimeoutError:
                continue

    def _deadline(self, delivery: Delivery) -> datetime:
        if delivery.state == "sent" and delivery.sent_at is not None:
            return delivery.sent_at + (ATTEMPTS_MAX + 1) * self.queue.answer_within
        return self.job.expires_at


def _done(delivery: Delivery, fine: frozenset[int] = frozenset()) -> CommandResult:
    result = delivery.result
    if result is not None and (delivery.state == "confirmed" or (delivery.state == "failed" and result.code in fine)):
        return result
    if delivery.state == "timed_out":
        raise NoAnswer(
            f"no result after {delivery.attempts} deliveries" if delivery.attempts else "not fetched in time"
        )
    code = delivery.result.code if delivery.result else 0
    raise JobFailed(f"the terminal said no: {code}, {RETURN_CODES.get(code, 'a code that is not published')}")
