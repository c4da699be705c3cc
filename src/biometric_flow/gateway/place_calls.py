"""Asks a place for a caller of the gateway's API, over whichever way leads to it."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from biometric_flow.api.link import Headers
from biometric_flow.api.offered import (
    ACTING_FOR_HEADER,
    REQUEST_ID_HEADER,
    TIMEOUT_HEADER,
    Offer,
    OperationClass,
)
from biometric_flow.gateway.links import Links
from biometric_flow.gateway.peers import Peers
from biometric_flow.gateway.registry import Registry
from biometric_flow.gateway.traffic import retries
from biometric_flow.gateway.traffic.breaker import Breaker
from biometric_flow.gateway.traffic.retries import RetryBudget
from biometric_flow.model.errors import BiometricFlowError
from biometric_flow.model.ids import PlaceId, TenantId
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.link import Answer, AnswerTooSlowlyRead, LinkClosed

MAX_ANSWER: Final = 2 * 1024 * 1024
HEAD_SECONDS: Final = 10.0
"""How long the head of a stream may take."""
_PASSED_ON: Final = frozenset({"content-type", "etag", "retry-after", "cache-control", "content-language"})
_REFUSALS: Final = frozenset({401, 403})
_KINDS: Final = frozenset({"application/json", "application/problem+json", "text/event-stream"})


class PlaceUnreachable(BiometricFlowError):
    """No way leads to the place now."""

    code = "place.unreachable"
    retryable = True


class PlaceTooSlow(BiometricFlowError):
    """The place did not answer within the time of the operation, or of the caller."""

    code = "place.too_slow"
    retryable = True


class PlaceAnswerBroken(BiometricFlowError):
    """What came is no answer that can be passed on."""

    code = "place.answer_broken"
    retryable = True


class PlaceLeftAlone(PlaceUnreachable):
    """The place failed too often of late; it is asked again after a pause."""

    def __init__(self, place: PlaceId, since: datetime, seconds: float) -> None:
        self.retry_after = max(1, round(seconds + 0.5))
        super().__init__(
            f"place {place} has not answered since {since:%Y-%m-%dT%H:%M:%SZ}; next try in {self.retry_after} s"
        )


class PlaceBusy(BiometricFlowError):
    """As many questions wait for the place as may."""

    code = "place.busy"
    retryable = True
    retry_after = 1


@dataclass(frozen=True, slots=True)
class PlaceRequest:
    """What a place is asked, and for whom."""

    tenant: TenantId
    place: PlaceId
    offer: Offer
    target: str
    """Path and query at the place."""
    body: bytes
    headers: Headers
    actor: str
    request_id: str
    caller_waits: float | None
    """Seconds, where the caller says so."""

    @property
    def seconds(self) -> float:
        """How long the answer may take: the operation's time, or less if the caller waits less."""
        own = self.offer.seconds or HEAD_SECONDS
        return own if self.caller_waits is None else min(own, self.caller_waits)

    @property
    def is_patient(self) -> bool:
        """Does the caller give the place all the time that the operation has?"""
        return self.seconds >= (self.offer.seconds or HEAD_SECONDS)

    def sent_headers(self, seconds: float) -> Headers:
        """What the place is told beside the question; a stream has no deadline."""
        told = [*self.headers, (REQUEST_ID_HEADER, self.request_id), (ACTING_FOR_HEADER, self.actor)]
        if self.offer.kind != "stream":
            told.append((TIMEOUT_HEADER, str(max(1, int(seconds * 1000)))))
        return tuple(told)


@dataclass(frozen=True, slots=True)
class Patience:
    """How much is put up with from a place."""

    failures: int = 5
    """That open its breaker, within half a minute."""
    first_wait: float = 5.0
    """Seconds for which an opened breaker leaves it alone at first."""
    outstanding: int = 32
    """Questions that may wait for one place, so that a slow one holds up nobody else."""


@dataclass(frozen=True, slots=True)
class PlaceAnswer:
    """A place's answer, whole."""

    status: int
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class PlaceStream:
    """A place's stream, as it comes."""

    status: int
    headers: Headers
    chunks: AsyncIterator[bytes]


@dataclass(eq=False, slots=True)
class Line:
    """What is known of one class of operations at one place."""

    breaker: Breaker
    budget: RetryBudget
    clock: Clock
    failing_since: datetime | None = None
    retried: int = 0

    @asynccontextmanager
    async def attempt(self, request: PlaceRequest) -> AsyncIterator[None]:
        """One try: refused while the breaker is open, its outcome told to the breaker. Raises PlaceUnreachable."""
        wait = self.breaker.take(self.clock.monotonic())
        if wait > 0:
            raise PlaceLeftAlone(request.place, self.failing_since or self.clock.now(), wait)
        try:
            yield
        except (LinkClosed, AnswerTooSlowlyRead) as error:
            self._failed()
            raise PlaceUnreachable(f"the line to place {request.place} broke: {error}") from None
        except (PlaceUnreachable, PlaceAnswerBroken):
            self._failed()
            raise
        except (TimeoutError, asyncio.CancelledError):
            # Impatient callers say nothing about a place.
            if request.is_patient:
                self._failed()
            else:
                self.breaker.gave_up()
            raise
        else:
            self.failing_since = None
            self.breaker.succeeded(self.clock.monotonic())

    def _failed(self) -> None:
        self.failing_since = self.failing_since or self.clock.now()
        self.breaker.failed(self.clock.monotonic())


class PlaceCalls:
    """The way to every place: a breaker by class of operation, retries of reads, a bound on what waits."""

    def __init__(
        self,
        registry: Registry,
        links: Links,
        clock: Clock,
        patience: Patience | None = None,
        peers: Peers | None = None,
    ) -> None:
        self._known = {(TenantId(one.tenant), PlaceId(one.id)) for one in registry.file.places}
        self._links, self._clock, self._patience = links, clock, patience or Patience()
        self._peers = peers
        self.lines: dict[tuple[PlaceId, OperationClass], Line] = {}
        """By place and class of operation, once one was asked."""
        self.outstanding: Counter[PlaceId] = Counter()
        """Questions that each place has not answered yet; streams are not counted."""

    def knows(self, tenant: TenantId, place: PlaceId) -> bool:
        """Is this a place of that tenant?"""
        return (tenant, place) in self._known

    async def ask(self, request: PlaceRequest) -> PlaceAnswer:
        """A whole answer of at most MAX_ANSWER bytes, within the time of the operation and of its caller.

        Raises PlaceUnreachable, PlaceTooSlow, PlaceAnswerBroken or PlaceBusy. Only reads are asked again.
        """
        if self.outstanding[request.place] >= self._patience.outstanding:
            raise PlaceBusy(f"{self._patience.outstanding} questions wait for place {request.place}; try again soon")
        self.outstanding[request.place] += 1
        try:
            async with asyncio.timeout(request.seconds):
                return await self._insist(request)
        except TimeoutError:
            raise _too_slow(request) from None
        finally:
            self.outstanding[request.place] -= 1

    async def stream(self, request: PlaceRequest) -> PlaceStream:
        """An answer without an end. Raises PlaceUnreachable, PlaceTooSlow or PlaceAnswerBroken before it begins."""
        line = self._line(request)
        try:
            async with line.attempt(request), asyncio.timeout(request.seconds):
                answer = await self._begin(request, request.seconds)
        except TimeoutError:
            raise _too_slow(request) from None
        return PlaceStream(answer.status, passed_on(answer.headers), _until_it_breaks(answer))

    async def _insist(self, request: PlaceRequest) -> PlaceAnswer:
        line, until = self._line(request), self._clock.monotonic() + request.seconds
        line.budget.called()
        attempt = 1
        while True:
            try:
                async with line.attempt(request):
                    answer = await self._begin(request, until - self._clock.monotonic())
                    body = await answer.read(MAX_ANSWER)
                    return PlaceAnswer(answer.status, passed_on(answer.headers), body)
            except (PlaceUnreachable, PlaceAnswerBroken) as error:
                pause = retries.pause(attempt, random.random())  # noqa: S311 - jitter, not a secret
                is_last = attempt == retries.TRIES or self._clock.monotonic() + pause >= until
                if isinstance(error, PlaceLeftAlone) or request.offer.kind != "read" or is_last:
                    raise
                if not line.budget.take():
                    raise
            line.retried += 1
            attempt += 1
            await self._clock.sleep(pause)

    async def _begin(self, request: PlaceRequest, seconds: float) -> Answer:
        answer = await self._asked(request, request.sent_headers(seconds))
        kinds = [value.partition(";")[0] for name, value in answer.headers if name == "content-type"]
        if answer.status in _REFUSALS or any(kind not in _KINDS for kind in kinds):
            answer.close()
            raise PlaceAnswerBroken(f"place {request.place} answered with what cannot be passed on; compare versions")
        return answer

    async def _asked(self, request: PlaceRequest, headers: Headers) -> Answer:
        """Over a link that ends here, or else where one does. Raises PlaceUnreachable or LinkClosed."""
        links = self._links.of(request.tenant, request.place)
        if links:
            link = min(links, key=lambda one: one.outstanding)
            return await link.ask(request.offer.method, request.target, headers, request.body)
        if self._peers is None:
            raise PlaceUnreachable(
                f"place {request.place} has no link to this gateway now; what it uploaded is still answered. Where"
                " several instances run, each needs BIOMETRIC_FLOW_GATEWAY_PEER_URL and ..._SHARED_URL to find the link"
            )
        answer = await self._peers.ask(
            request.tenant, request.place, request.offer.method, request.target, headers, request.body
        )
        if answer is None:
            raise PlaceUnreachable(
                f"place {request.place} has no link to any instance now; what it uploaded is still answered"
            )
        return answer

    def _line(self, request: PlaceRequest) -> Line:
        key = request.place, request.offer.kind
        if key not in self.lines:
            breaker = Breaker(self._patience.failures, self._patience.first_wait)
            self.lines[key] = Line(breaker, RetryBudget(), self._clock)
        return self.lines[key]


def passed_on(headers: Headers) -> Headers:
    """What of a place's headers its caller gets."""
    return tuple(pair for pair in headers if pair[0] in _PASSED_ON)


async def _until_it_breaks(answer: Answer) -> AsyncIterator[bytes]:
    """A stream that breaks just ends: its reader comes back with its last id."""
    chunks = answer.chunks()
    try:
        async for chunk in chunks:
            yield chunk
    except (LinkClosed, AnswerTooSlowlyRead):
        return
    finally:
        answer.close()


def _too_slow(request: PlaceRequest) -> PlaceTooSlow:
    return PlaceTooSlow(f"place {request.place} did not answer within {request.seconds:g} s; try again later")
