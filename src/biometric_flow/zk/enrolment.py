"""Enrolling a finger from afar: the terminal asks, the person touches three times, events tell (zk-protocol 7.3)."""

import asyncio
from collections.abc import Callable

from biometric_flow.zk.errors import TerminalTimedOut
from biometric_flow.zk.requests import Requests
from biometric_flow.zk.wire.commands import Command, EventMask
from biometric_flow.zk.wire.events import EnrolmentEnded, Event, encode_enrol_request

_EVENTS = EventMask.FINGER | EventMask.FINGER_FEATURE | EventMask.ENROLL_FINGER


class Enrolment(Requests):
    """What a client can do about enrolling at the terminal."""

    async def start_enrol(self, user_id: str, finger: int, *, flag: int = 1, old: bool = False) -> None:
        """Make the terminal ask this user for a finger; `listen` first, its events tell how it goes.

        `old` is for black-and-white terminals, whose user ids are numbers. Raises ValueError.
        """
        request = encode_enrol_request(user_id, finger, flag, old=old, encoding=self._encoding)
        async with self._operation("starting an enrolment"):
            await self._begin(request)

    async def cancel_enrol(self) -> None:
        """Stop asking, back to normal."""
        async with self._operation("cancelling an enrolment"):
            await self._ask(Command.CANCEL_CAPTURE)
            await self._ask(Command.START_VERIFY)

    async def enrol(
        self,
        user_id: str,
        finger: int,
        *,
        flag: int = 1,
        old: bool = False,
        deadline: float = 60.0,
        told: Callable[[Event], None] | None = None,
    ) -> EnrolmentEnded:
        """Enrol a finger and wait for the end of it, whatever that is; `told` hears every event on the way.

        Takes the events of this connection, so use one that nobody listens on. Raises TerminalTimedOut after
        `deadline` seconds, with the terminal back to normal; ValueError.
        """
        request = encode_enrol_request(user_id, finger, flag, old=old, encoding=self._encoding)
        async with self._operation("enrolling a finger", deadline + self._timeout):
            await self._ask(Command.REGISTER_EVENTS, _EVENTS.to_bytes(4, "little"))
            try:
                async with asyncio.timeout(deadline):
                    await self._begin(request)
                    while True:
                        event = await self._channel.next_event()
                        if told:
                            told(event)
                        if isinstance(event, EnrolmentEnded):
                            return event
            except TimeoutError:
                raise TerminalTimedOut(f"expected user {user_id} to enrol a finger in {deadline:g} seconds") from None
            finally:
                if self.is_open:
                    await self._ask(Command.REGISTER_EVENTS, bytes(4))
                    await self._try(Command.CANCEL_CAPTURE)
                    await self._try(Command.START_VERIFY)

    async def _begin(self, request: bytes) -> None:
        await self._try(Command.CANCEL_CAPTURE)
        await self._ask(Command.START_ENROL, request)
        await self._ask(Command.START_VERIFY)
