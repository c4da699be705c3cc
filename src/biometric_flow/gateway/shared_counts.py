"""What several instances of the gateway count together in Redis or Valkey: requests, failures, nonces (ADR 166).

The moment is that of the shared store, so clocks of instances need not agree. Names lie there as keyed hashes: whoever
holds a copy of the store learns of no address, account or place.
"""

import asyncio
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from biometric_flow.gateway.shared import SharedAway, SharedStore
from biometric_flow.gateway.traffic import attacks, limits
from biometric_flow.runtime.acting import unattended

BATCH: Final = 128
"""Questions about rates that travel as one."""
_SECOND: Final = 1_000_000

_NOW: Final = "local clock = redis.call('TIME') local now = clock[1] * 1000000 + clock[2] "

_TAKE: Final = (
    _NOW
    + """
local waits, key, at = {}, 0, 1
while at <= #ARGV do
  local count, longest, owed = tonumber(ARGV[at]), 0, {}
  for number = 1, count do
    local cost, most = tonumber(ARGV[at + 2 * number - 1]), tonumber(ARGV[at + 2 * number])
    local held = tonumber(redis.call('GET', KEYS[key + number]) or now)
    owed[number] = math.min(math.max(held, now), now + most) + cost
    local wait = math.max(0, math.ceil(owed[number] - now - most))
    waits[#waits + 1] = wait
    longest = math.max(longest, wait)
  end
  for number = 1, longest == 0 and count or 0 do
    redis.call('SET', KEYS[key + number], string.format('%.0f', owed[number]),
      'PX', math.ceil((owed[number] - now) / 1000) + 1)
  end
  key, at = key + count, at + 2 * count + 1
end
return waits
"""
)
"""Token buckets, each as the moment at which it is full again (GCRA); a request that one refuses costs none of them."""

_WAIT: Final = _NOW + "return math.max(0, math.ceil((tonumber(redis.call('HGET', KEYS[1], 'until')) or now) - now))"

_FAILED: Final = (
    _NOW
    + """
local excess = redis.call('HINCRBY', KEYS[1], 'failures', 1) - ARGV[1]
if excess >= 0 then
  local wait = math.min(tonumber(ARGV[3]), ARGV[2] * 2 ^ math.min(excess, 30))
  redis.call('HSET', KEYS[1], 'until', string.format('%.0f', now + wait * 1000000))
end
redis.call('EXPIRE', KEYS[1], math.ceil(10 * ARGV[3]))
return excess
"""
)

_ATTACKED: Final = (
    _NOW
    + """
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2] * 1000000)
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - ARGV[3])
redis.call('EXPIRE', KEYS[1], math.ceil(ARGV[2]) + 1)
return 1
"""
)

_ATTACKS: Final = (
    _NOW
    + """
local count = 0
for number = 1, #KEYS do
  count = count + redis.call('ZCOUNT', KEYS[number], string.format('(%.0f', now - ARGV[1] * 1000000), '+inf')
end
return count
"""
)


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one key may ask: `rate` requests a second, and `burst` at once."""

    key: str
    rate: float
    burst: float


@dataclass(eq=False, slots=True)
class _Question:
    asked: Sequence[Allowance]
    answer: asyncio.Future[Sequence[float]]

    def tell(self, waits: Sequence[float]) -> None:
        """Unless it was told, or nobody waits for it any more."""
        if not self.answer.done():
            self.answer.set_result(waits)


class SharedCounts:
    """Counters in one Redis or Valkey. Each call ends within what `SharedStore` allows; `secret` is of 256 bits."""

    def __init__(self, store: SharedStore, secret: bytes) -> None:
        self._store, self._secret = store, secret
        self._take, self._wait, self._failed, self._attacked, self._attacks = (
            store.redis.register_script(script) for script in (_TAKE, _WAIT, _FAILED, _ATTACKED, _ATTACKS)
        )
        self._waiting: list[_Question] = []
        self._asking: asyncio.Task[None] | None = None

    async def take(self, asked: Sequence[Allowance]) -> Sequence[float]:
        """Seconds until each of these allows one more request; all 0, and counted, when it may go on now.

        Who asks while an answer is under way goes with the next, so that many requests cost few messages. Nothing is
        returned while the store is away.
        """
        question = _Question(asked, asyncio.get_running_loop().create_future())
        self._waiting.append(question)
        if self._asking is None:
            self._asking = unattended(self._ask(), "shared rates")
        return await question.answer

    async def wait(self, kind: str, key: str) -> float:
        """Seconds until this key may try again. Raises SharedAway."""
        name = self._name(kind, key)
        return float(await self._store.do(lambda: self._wait(keys=[name]), insists=True)) / _SECOND

    async def failed(self, kind: str, key: str) -> None:
        """Count one failure by the rule of `FailureLimiter`. Raises SharedAway."""
        name, rule = self._name(kind, key), [limits.FREE_TRIES, limits.FIRST_WAIT, limits.LONGEST_WAIT]
        await self._store.do(lambda: self._failed(keys=[name], args=rule), insists=True)

    async def succeeded(self, kind: str, key: str) -> None:
        """Forget a key's failures. Raises SharedAway."""
        name = self._name(kind, key)
        await self._store.do(lambda: self._store.redis.delete(name), insists=True)

    async def attacked(self, tenant: str) -> None:
        """Count a failed sign-in for the alert about them. Raises SharedAway."""
        name = self._name("attack", tenant)
        rule: list[str | float] = [secrets.token_hex(8), attacks.WINDOW, attacks.REMEMBERED]
        await self._store.do(lambda: self._attacked(keys=[name], args=rule))

    async def attacks(self, tenant: str) -> int:
        """Failed sign-ins of a tenant and of nobody within the window. Raises SharedAway."""
        names = [self._name("attack", whose) for whose in ("", tenant)]
        return int(await self._store.do(lambda: self._attacks(keys=names, args=[attacks.WINDOW])))

    async def is_new(self, key: str, nonce: str, seconds: float) -> bool:
        """Take a nonce of a key for some seconds; False when it came before, to any instance. Raises SharedAway."""
        name = self._name("nonce", f"{key}\n{nonce}")
        return bool(await self._store.do(lambda: self._store.redis.set(name, b"1", nx=True, ex=int(seconds))))

    async def _ask(self) -> None:
        batch: Sequence[_Question] = ()
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
                waits = await self._waits_of(batch)
                for question in batch:
                    own, waits = waits[: len(question.asked)], waits[len(question.asked) :]
                    question.tell(own)
        finally:
            self._asking = None
            for question in (*batch, *self._waiting):
                question.tell(())
            self._waiting.clear()

    async def _waits_of(self, batch: Sequence[_Question]) -> Sequence[float]:
        keys = [self._name("rate", one.key) for question in batch for one in question.asked]
        args: list[float] = []
        for question in batch:
            args.append(len(question.asked))
            for one in question.asked:
                args += [_SECOND / one.rate, _SECOND / one.rate * one.burst]
        try:
            return [wait / _SECOND for wait in await self._store.do(lambda: self._take(keys=keys, args=args))]
        except SharedAway:
            return ()

    def _name(self, kind: str, key: str) -> str:
        digest = hmac.digest(self._secret, f"{kind}\n{key}".encode("utf-8", "surrogatepass"), "sha256")
        return f"biometric-flow:{kind}:{digest.hex()[:32]}"
