"""What the gateway counts for Prometheus; labels are operations and the caller's own places."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from biometric_flow.gateway.place_calls import PlaceCalls
from biometric_flow.gateway.quotas import Used
from biometric_flow.gateway.traffic.remembered import Memory
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.places import Quota

_PREFIX: Final = "biometric_flow_gateway_"
_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_STATES: Final = ("closed", "half_open", "open")
_NOWHERE: Final = "none"
"""The operation of a request that no operation answered: refused at a door, or a path that does not exist."""


class Meter:
    """ASGI middleware: rate, errors and duration of each operation; streams are measured to their first byte."""

    def __init__(self, app: ASGIApp, clock: Clock) -> None:
        self.app, self._clock = app, clock
        self.registry = CollectorRegistry()
        self._requests = Counter(
            f"{_PREFIX}requests", "Requests answered.", ["operation", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            f"{_PREFIX}request_duration_seconds",
            "From the head of a request to the head of its answer.",
            ["operation"],
            buckets=_BUCKETS,
            registry=self.registry,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = self._clock.monotonic()

        async def measured(message: Message) -> None:
            if message["type"] == "http.response.start":
                operation = _operation(scope)
                self._requests.labels(operation, f"{message['status'] // 100}xx").inc()
                self._seconds.labels(operation).observe(self._clock.monotonic() - began)
            await send(message)

        await self.app(scope, receive, measured)


def _operation(scope: Scope) -> str:
    path = getattr(scope.get("route"), "path_format", None)
    return _NOWHERE if path is None else f"{scope['method']} {path}"


@dataclass(frozen=True, slots=True)
class PlaceMeasured:
    """One place of the caller's tenant at one moment."""

    place: str
    last_heard: datetime | None
    held: int
    """Entries of its ledger that are held here."""
    head: int | None
    """Entries that it has, as it said last."""
    links: int


@dataclass(frozen=True, slots=True)
class ProcessMeasured:
    """The process at one moment."""

    under_way: int
    capacity: int
    shed: int
    listeners: int
    """Open live streams of the caller's tenant."""
    listeners_waiting: int
    """Events that wait for the slowest of them."""
    memory: Memory
    """Remembered answers of the process."""
    backups_wrong: int = 0
    """Things that are wrong with backups and drills."""


@dataclass(frozen=True, slots=True)
class QuotaMeasured:
    """What the caller's tenant takes up, and what it may."""

    used: Used
    limit: Quota


def exposition(
    meter: Meter,
    process: ProcessMeasured,
    places: Sequence[PlaceMeasured],
    calls: PlaceCalls,
    share: QuotaMeasured,
    now: datetime,
    second: float,
) -> bytes:
    """The text form of Prometheus; `second` is on the monotonic clock."""
    registry = CollectorRegistry()
    own = {one.place for one in places}
    families = [*_of_process(process), *_of_places(places, now), *_of_calls(calls, own, second), *_of_quota(share)]
    registry.register(_Once(families))
    return generate_latest(meter.registry) + generate_latest(registry)


class _Once(Collector):
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _of_process(process: ProcessMeasured) -> Iterator[Metric]:
    yield _plain("requests_under_way", "Requests that are worked on.", process.under_way)
    yield _plain("requests_capacity", "Requests under way beyond which reads are let go.", process.capacity)
    yield CounterMetricFamily(f"{_PREFIX}requests_shed", "Requests that were let go unanswered.", value=process.shed)
    yield _plain("stream_listeners", "Open live streams of this tenant.", process.listeners)
    yield from _of_memory(process.memory)
    yield _plain("backups_wrong", "Things that are wrong with backups; /health/full names them.", process.backups_wrong)
    yield _plain("stream_queue_depth", "Events that wait for the slowest listener.", process.listeners_waiting)


def _of_memory(memory: Memory) -> Iterator[Metric]:
    answers = CounterMetricFamily(
        f"{_PREFIX}cache_answers", "Questions, by whether they were remembered.", labels=["found"]
    )
    answers.add_metric(["yes"], memory.hits)
    answers.add_metric(["no"], memory.misses)
    yield answers
    yield _plain("cache_bytes", "Memory that remembered answers fill.", memory.used)
    yield _plain("cache_capacity_bytes", "Memory that they may fill.", memory.capacity)


def _of_places(places: Sequence[PlaceMeasured], now: datetime) -> Iterator[Metric]:
    age = _by_place("place_last_heard_age_seconds", "Seconds since a place was heard last.")
    held = _by_place("place_ledger_held", "Entries of a place's ledger that are held here.")
    lag = _by_place("place_ledger_lag", "Entries that a place has and the gateway has not.")
    links = _by_place("place_links", "Links that a place holds to this process.")
    for one in places:
        if one.last_heard is not None:
            age.add_metric([one.place], max(0.0, (now - one.last_heard).total_seconds()))
        held.add_metric([one.place], one.held)
        if one.head is not None:
            lag.add_metric([one.place], max(0, one.head - one.held))
        links.add_metric([one.place], one.links)
    yield from (age, held, lag, links)


def _of_calls(calls: PlaceCalls, own: set[str], second: float) -> Iterator[Metric]:
    state = _by_place("place_breaker_state", "1 for the state that a breaker is in.", "kind", "state")
    waiting = _by_place("place_questions_waiting", "Questions that a place has not answered yet.")
    retried = CounterMetricFamily(
        f"{_PREFIX}place_retries", "Questions that were asked again.", labels=["place", "kind"]
    )
    for (place, kind), line in calls.lines.items():
        if place in own:
            for possible in _STATES:
                state.add_metric([place, kind, possible], float(line.breaker.state(second) == possible))
            retried.add_metric([place, kind], line.retried)
    for place, count in calls.outstanding.items():
        if place in own:
            waiting.add_metric([place], count)
    yield from (state, waiting, retried)


def _of_quota(share: QuotaMeasured) -> Iterator[Metric]:
    taken = GaugeMetricFamily(f"{_PREFIX}quota_used", "What this tenant takes up.", labels=["of"])
    limits = GaugeMetricFamily(f"{_PREFIX}quota_limit", "What it may; nothing where there is no limit.", labels=["of"])
    for what in ("places", "terminals", "entries"):
        taken.add_metric([what], getattr(share.used, what))
        limit = getattr(share.limit, what)
        if limit is not None:
            limits.add_metric([what], limit)
    yield from (taken, limits)


def breakers(calls: PlaceCalls, place: str, second: float) -> Mapping[str, str]:
    """State of a place's breakers by class of operation; those that nothing went through are not there."""
    return {kind: line.breaker.state(second) for (known, kind), line in calls.lines.items() if known == place}


def _plain(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(_PREFIX + name, text, value=value)


def _by_place(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(_PREFIX + name, text, labels=["place", *labels])
