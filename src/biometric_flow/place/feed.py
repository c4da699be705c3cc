"""The place's live stream: what was just recorded or has just changed, to everyone who listens now."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

BACKLOG: Final = 1000
"""Messages kept for one listener; a slower one is cut off and resumes by its last id."""


@dataclass(frozen=True, slots=True)
class Message:
    """One stream event. `id` is the ledger sequence, None for what cannot be resumed."""

    event: str
    data: str
    id: int | None = None


class Feed:
    """Fan-out inside one event loop. Publishing never waits for a listener."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[Message | None]] = set()

    @property
    def has_listeners(self) -> bool:
        """Is anyone there to publish for?"""
        return bool(self._listeners)

    def publish(self, message: Message) -> None:
        """Hand a message to every listener; one whose backlog is full is cut off."""
        for queue in list(self._listeners):
            if queue.qsize() >= BACKLOG:
                self._listeners.discard(queue)
                queue.get_nowait()
                queue.put_nowait(None)
            else:
                queue.put_nowait(message)

    @contextmanager
    def listen(self) -> Iterator[AsyncIterator[Message]]:
        """Messages from now on; the iterator ends when this listener was too slow."""
        queue: asyncio.Queue[Message | None] = asyncio.Queue()
        self._listeners.add(queue)
        try:
            yield self._messages(queue)
        finally:
            self._listeners.discard(queue)

    async def _messages(self, queue: asyncio.Queue[Message | None]) -> AsyncIterator[Message]:
        while (message := await queue.get()) is not None:
            yield message
