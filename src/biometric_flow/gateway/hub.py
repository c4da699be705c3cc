"""Live events: one pump per tenant reads what is new once and fans it out; each listener resumes by position."""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

import psycopg
import structlog
from psycopg import sql
from pydantic import BaseModel

from biometric_flow.gateway.intake import CHANNEL
from biometric_flow.gateway.marks import Mark, resumed
from biometric_flow.gateway.overview import Overviews
from biometric_flow.gateway.registry import Registry
from biometric_flow.gateway.store import data_versions, places, punches, terminals
from biometric_flow.gateway.views import punch_view, terminal_view
from biometric_flow.identity.grants import Reach
from biometric_flow.model.ids import TenantId
from biometric_flow.runtime.acting import unattended
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.database import Database, DatabaseUnavailable
from biometric_flow.runtime.reach import limit, reached

log = structlog.get_logger()

BATCH: Final = 500
MAX_MISSED: Final = 5000
"""A listener that missed more is told to start afresh instead."""
MAX_QUEUED: Final = 1000
"""Events that wait for one slow listener; one more and it is dropped, to come back with its last id."""
TICK_SECONDS: Final = 2.0
KPI_SECONDS: Final = 1.0
KPI_RENEWED_SECONDS: Final = 60.0
"""Tiles change with the time of day as well."""
HEARTBEAT_SECONDS: Final = 10.0
HEARTBEAT: Final = b": still here\n\n"


TOPICS: Final = {
    "punch": "punches",
    "terminal": "terminals",
    "kpi": "tiles",
    "workdays": "workdays",
    "alerts": "alerts",
}
"""Event -> the topic that a listener chooses. What is of no topic goes to everybody."""
VERSIONED: Final = {"workdays": "workday", "alerts": "alert"}
"""Topics of which is told that they changed -> the topic of data. Who shows some asks again."""
USUAL: Final = frozenset({"punches", "terminals", "tiles"})
"""What a listener hears who chose nothing."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """An event as it goes over the wire, once for all listeners; punches carry their position, states their version."""

    data: bytes
    position: int | None = None
    topic: str | None = None
    version: int | None = None

    def marked(self, mark: Mark) -> bytes:
        """With the id of one listener, who hears more than punches."""
        return f"id: {mark.text()}\n".encode() + self.data[self.data.index(b"event: ") :]


@dataclass(eq=False, slots=True)
class Listener:
    """One open stream."""

    topics: frozenset[str] = USUAL
    queue: asyncio.Queue[Encoded] = field(default_factory=lambda: asyncio.Queue(MAX_QUEUED))
    dropped: asyncio.Event = field(default_factory=asyncio.Event)

    def offer(self, event: Encoded) -> None:
        """Hand over without waiting."""
        if event.topic is not None and event.topic not in self.topics:
            return
        try:
            self.queue.put_nowait(event)
        except asyncio.QueueFull:
            self.dropped.set()

    def waiting(self) -> Iterator[Encoded]:
        """Take out all that is there now."""
        while not self.queue.empty():
            yield self.queue.get_nowait()

    def told(self, mark: Mark, event: Encoded) -> bytes:
        """The event as this listener gets it, nothing when it was told before; its mark goes along."""
        if event.position is not None:
            is_new = mark.reaches(event.position)
        elif event.version is not None and event.topic is not None:
            is_new = mark.learns(event.topic, event.version)
        else:
            return event.data
        if not is_new:
            return b""
        return event.marked(mark) if mark.versions else event.data


@dataclass(eq=False)
class Topic:
    """The listeners of one tenant who reach the same, and how far they have been told."""

    tenant: TenantId
    reach: Reach | None
    position: int
    listeners: set[Listener] = field(default_factory=set)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    terminals_due: bool = True
    kpi_due: bool = False
    kpi_at: float = float("-inf")
    kpi: Encoded | None = None
    kpi_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    silent: frozenset[str] = frozenset()
    states: dict[tuple[str, str], tuple[str, bool]] | None = None
    versions: dict[str, int] = field(default_factory=dict)
    task: asyncio.Task[None] | None = None

    def is_heard(self, topic: str) -> bool:
        """Does anybody listen to it?"""
        return any(topic in listener.topics for listener in self.listeners)

    def publish(self, event: Encoded) -> None:
        """To everyone who listens."""
        for listener in self.listeners:
            listener.offer(event)


@dataclass(frozen=True, slots=True)
class OpenStream:
    """A listener's chunks, and the sign that it was too slow for them."""

    chunks: AsyncGenerator[bytes, None]
    dropped: asyncio.Event


class Hub:
    """All topics of this process."""

    def __init__(self, database: Database, registry: Registry, overviews: Overviews, clock: Clock) -> None:
        self._database, self._registry, self._overviews, self._clock = database, registry, overviews, clock
        self._topics: dict[tuple[TenantId, Reach | None], Topic] = {}
        self._opening = asyncio.Lock()

    async def run(self) -> None:
        """Until cancelled: hear from the database which tenant has something new, and wake its pump."""
        while True:
            try:
                await self._listen()
            except (psycopg.Error, OSError):
                await self._clock.sleep(0.5)
            except Exception:
                log.exception("hub_failed")
                await self._clock.sleep(1.0)

    async def open(self, tenant: TenantId, last: Mark | None, topics: frozenset[str] = USUAL) -> OpenStream:
        """The stream of one listener, after `last` or from now on; of states first those that it does not hold.

        Raises DatabaseUnavailable before it begins.
        """
        listener = Listener(topics)
        topic = await self._join(tenant, listener)
        try:
            async with self._database.tenant(tenant) as connection:
                end = await punches.feed_end(connection, tenant)
            opening = [(await self._kpi(topic)).data] if "tiles" in topics else []
            versions = await self._versions(tenant, topics)
        except BaseException:
            self._leave(topic, listener)
            raise
        mark, is_lost = resumed(last, end, versions, topics, MAX_MISSED)
        opening += [listener.told(mark, _changed(*one)) for one in versions.items()]
        if is_lost:
            opening.append(encode("reset", json.dumps({"position": end}), end).marked(mark))
        return OpenStream(self._events(topic, listener, opening, mark), listener.dropped)

    def listeners(self, tenant: TenantId) -> tuple[int, int]:
        """How many streams of a tenant are open, and how many events wait for the slowest of them."""
        topics = [topic for topic in self._topics.values() if topic.tenant == tenant]
        waiting = [listener.queue.qsize() for topic in topics for listener in topic.listeners]
        return len(waiting), max(waiting, default=0)

    async def _events(
        self, topic: Topic, listener: Listener, opening: list[bytes], mark: Mark
    ) -> AsyncGenerator[bytes, None]:
        try:
            for data in filter(None, opening):
                yield data
            while "punches" in listener.topics and (missed := await self._missed(topic.tenant, mark.position)):
                for event in missed:
                    yield listener.told(mark, event)
            while not listener.dropped.is_set():
                try:
                    event = await asyncio.wait_for(listener.queue.get(), HEARTBEAT_SECONDS)
                except TimeoutError:
                    yield HEARTBEAT
                    continue
                # All that waits goes out as one chunk: a step of the loop per event would make listeners fall behind.
                ready = [event, *listener.waiting()]
                yield b"".join([listener.told(mark, one) for one in ready])
        except DatabaseUnavailable:
            log.info("stream_ended", tenant=topic.tenant)
        finally:
            self._leave(topic, listener)

    async def _missed(self, tenant: TenantId, position: int) -> list[Encoded]:
        async with self._database.tenant(tenant) as connection:
            rows = await punches.feed(connection, position, BATCH)
        return [encode("punch", punch_view(row), row.position) for row in rows]

    async def _join(self, tenant: TenantId, listener: Listener) -> Topic:
        """A listener joins before it learns where the feed ends, so nothing falls between the two."""
        async with self._opening:
            key = tenant, reached()
            topic = self._topics.get(key)
            if topic is None:
                async with self._database.tenant(tenant) as connection:
                    topic = Topic(*key, await punches.feed_end(connection, tenant))
                self._topics[key] = topic
                topic.task = unattended(self._pump(topic), f"pump {tenant}")
            topic.listeners.add(listener)
            return topic

    def _leave(self, topic: Topic, listener: Listener) -> None:
        topic.listeners.discard(listener)
        key = topic.tenant, topic.reach
        if not topic.listeners and self._topics.get(key) is topic:
            del self._topics[key]
            if topic.task is not None:
                topic.task.cancel()

    async def _pump(self, topic: Topic) -> None:
        limit(topic.reach)
        while True:
            try:
                await self._publish_punches(topic)
                await self._publish_terminals(topic)
                await self._publish_versions(topic)
                await self._publish_kpi(topic)
            except DatabaseUnavailable:
                await self._clock.sleep(0.5)
            except Exception:
                log.exception("pump_failed", tenant=topic.tenant)
                await self._clock.sleep(1.0)
            with suppress(TimeoutError):
                await asyncio.wait_for(topic.wake.wait(), KPI_SECONDS if topic.kpi_due else TICK_SECONDS)
            topic.wake.clear()

    async def _publish_punches(self, topic: Topic) -> None:
        while new := await self._missed(topic.tenant, topic.position):
            for event in new:
                topic.publish(event)
                topic.position = event.position or topic.position
            topic.kpi_due = True

    async def _publish_terminals(self, topic: Topic) -> None:
        """Terminals whose state changed, and all of a place that fell silent or speaks again."""
        now = self._clock.now()
        async with self._database.tenant(topic.tenant) as connection:
            silent = self._registry.silent(await places.heard(connection), now)
            if silent == topic.silent and not topic.terminals_due:
                return
            rows = await terminals.listed(connection)
        topic.silent, topic.terminals_due = silent, False
        views = [terminal_view(row, is_stale=row.place_id in silent) for row in rows]
        before = topic.states
        topic.states = {(view.place, view.key): (str(view.state), view.is_stale) for view in views}
        if before is None:
            return
        topic.kpi_due = True
        for view in views:
            if before.get((view.place, view.key)) != topic.states[view.place, view.key]:
                topic.publish(encode("terminal", view))

    async def _publish_versions(self, topic: Topic) -> None:
        """That workdays or alerts changed, not which: who shows some asks again, each within their own reach."""
        heard = frozenset(name for name in VERSIONED if topic.is_heard(name))
        now = await self._versions(topic.tenant, heard)
        for name, version in now.items():
            if topic.versions.get(name) != version:
                topic.publish(_changed(name, version))
        topic.versions = now

    async def _versions(self, tenant: TenantId, topics: frozenset[str]) -> dict[str, int]:
        wanted = {name: data for name, data in VERSIONED.items() if name in topics}
        if not wanted:
            return {}
        async with self._database.tenant(tenant) as connection:
            known = await data_versions.current(connection)
        return {name: known.get(data, 0) for name, data in wanted.items()}

    async def _publish_kpi(self, topic: Topic) -> None:
        age = self._clock.monotonic() - topic.kpi_at
        if (topic.kpi_due and age >= KPI_SECONDS) or age >= KPI_RENEWED_SECONDS:
            topic.kpi_due = False
            topic.publish(await self._kpi(topic))

    async def _kpi(self, topic: Topic) -> Encoded:
        """The tiles, computed at most once a second for all listeners of the tenant."""
        async with topic.kpi_lock:
            now = self._clock.monotonic()
            if topic.kpi is None or now - topic.kpi_at >= KPI_SECONDS:
                topic.kpi = encode("kpi", (await self._overviews.of(topic.tenant)).kpis)
                topic.kpi_at = now
            return topic.kpi

    async def _listen(self) -> None:
        async with await self._database.connect() as connection:
            await connection.set_autocommit(True)
            await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(CHANNEL)))
            for topic in self._topics.values():
                topic.terminals_due = True
                topic.wake.set()
            async for note in connection.notifies():
                self._heard(note.payload)

    def _heard(self, payload: str) -> None:
        try:
            message = json.loads(payload)
            tenant, kind = TenantId(message["tenant"]), message["kind"]
        except (ValueError, TypeError, KeyError):
            log.warning("notification_unreadable")
            return
        for topic in self._topics.values():
            if topic.tenant == tenant:
                topic.terminals_due |= kind == "terminal"
                topic.wake.set()


def encode(event: str, data: BaseModel | str, position: int | None = None) -> Encoded:
    """One server-sent event. JSON has no line ends, so it is one `data` line."""
    text = data if isinstance(data, str) else data.model_dump_json()
    name = "" if position is None else f"id: {position}\n"
    return Encoded(f"{name}event: {event}\ndata: {text}\n\n".encode(), position, TOPICS.get(event))


def _changed(topic: str, version: int) -> Encoded:
    return replace(encode(topic, json.dumps({"version": version})), version=version)
