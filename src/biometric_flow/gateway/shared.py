"""What several instances of the gateway share in Redis or Valkey: the store, and remembered answers in it, sealed."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import cbor2
import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from biometric_flow import __version__
from biometric_flow.gateway.answers import Question, SecondLevel
from biometric_flow.gateway.key_store import TenantKeys
from biometric_flow.gateway.traffic.remembered import Answer
from biometric_flow.identity.envelope import PLAINTEXT_MAX, Binding
from biometric_flow.identity.keyring import PLACE
from biometric_flow.model.errors import BiometricFlowError
from biometric_flow.model.ids import TenantId
from biometric_flow.runtime.clock import Clock

log = structlog.get_logger()

WAIT_SECONDS: Final = 0.25
"""How long anything may take there; what is shared must never be slower than doing without."""
AWAY_SECONDS: Final = 5.0
"""For how long it is left alone after it failed."""
KEPT_SECONDS: Final = 60
CONNECTIONS: Final = 32

ResultT = TypeVar("ResultT")


class SharedAway(BiometricFlowError):
    """What instances share cannot be reached."""

    code = "shared.away"
    retryable = True
    retry_after = 1


class SharedStore:
    """One Redis or Valkey. After a failure it is not asked for five seconds, so that its end costs callers nothing."""

    def __init__(self, redis: Redis, clock: Clock) -> None:
        self.redis, self._clock = redis, clock
        self._away_until = float("-inf")

    async def do(self, work: Callable[[], Awaitable[ResultT]], *, insists: bool = False) -> ResultT:
        """Run commands, in WAIT_SECONDS at most. Who cannot do without insists, also while it is left alone.

        Raises SharedAway.
        """
        if self._clock.monotonic() < self._away_until and not insists:
            raise SharedAway("the shared store failed a moment ago and is left alone")
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                done = await work()
        except (RedisError, OSError, TimeoutError) as error:
            self._away_until = self._clock.monotonic() + AWAY_SECONDS
            log.warning("shared_store_away", reason=type(error).__name__)
            raise SharedAway("the shared store does not answer") from error
        self._away_until = float("-inf")
        return done

    async def close(self) -> None:
        """Close all connections."""
        await self.redis.aclose()


def shared_store(url: str, clock: Clock) -> SharedStore:
    """The store at an address; it is reached when it is first needed."""
    # Many at once wait for a connection instead of failing; nothing is sent twice, for what counts would count twice.
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=CONNECTIONS,
        timeout=WAIT_SECONDS,
        socket_timeout=WAIT_SECONDS,
        socket_connect_timeout=WAIT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
    return SharedStore(Redis.from_pool(pool), clock)


class SharedAnswers:
    """Answers in Redis, for a minute. Keys carry tenant, version of the data and version of this program.

    Answers name people, and Redis may write what it holds to a disk: they lie there under the tenant's own key.
    """

    def __init__(self, store: SharedStore, keys: TenantKeys) -> None:
        self._store, self._keys = store, keys

    async def find(self, tenant: TenantId, question: Question) -> Answer | None:
        """An answer at exactly this version; None when it is not there, unreadable, or the store is away."""
        name = _name(tenant, question)
        try:
            found = await self._store.do(lambda: self._store.redis.get(name))
        except SharedAway:
            return None
        if not isinstance(found, bytes):
            return None
        try:
            packed = await asyncio.to_thread(self._keys.of(tenant).open, PLACE, _binding(name), found)
            headers, etag, body = cbor2.loads(packed)
            return Answer(question[3], tuple((bytes(name), bytes(value)) for name, value in headers), etag, body)
        except (BiometricFlowError, cbor2.CBORDecodeError, ValueError, TypeError):
            log.warning("shared_answer_unreadable")
            return None

    async def keep(self, tenant: TenantId, question: Question, answer: Answer) -> None:
        """Remember an answer; nothing happens when the store is away, or the answer is too long to be sealed."""
        name, packed = _name(tenant, question), cbor2.dumps([answer.headers, answer.etag, answer.body])
        if len(packed) > PLAINTEXT_MAX:
            return
        sealed = await asyncio.to_thread(self._keys.of(tenant).seal, PLACE, _binding(name), packed)
        try:
            await self._store.do(lambda: self._store.redis.set(name, sealed, ex=KEPT_SECONDS))
        except SharedAway:
            return


def _binding(name: str) -> Binding:
    return Binding("shared_answer", "packed", name.encode())


def _name(tenant: str, question: Question) -> str:
    path, asked, reach, version = question
    limits = "" if reach is None else repr((sorted(reach.places), sorted(reach.departments)))
    digest = hashlib.sha256("\n".join((__version__, path, asked, limits, str(version))).encode()).hexdigest()
    return f"biometric-flow:{tenant}:answer:{digest}"


_: type[SecondLevel] = SharedAnswers
