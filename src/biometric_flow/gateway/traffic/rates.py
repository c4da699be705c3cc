"""How many requests a key may make: token buckets, a state machine without a clock."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

REMEMBERED: Final = 20_000


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class RateLimiter:
    """Each key may make `burst` requests at once and `rate` a second for ever.

    Memory is bounded: the keys that were quiet longest are forgotten first, and a forgotten key is a full bucket, so
    what is forgotten may be forgiven, never punished.
    """

    def __init__(self, rate: float, burst: float) -> None:
        self.rate, self.burst = rate, burst
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, key: str, now: float) -> float:
        """Count one request: 0 when it may go on, else the seconds until one may. A refused one costs nothing."""
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(self.burst, now)
            if len(self._buckets) > REMEMBERED:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        bucket.tokens = min(self.burst, bucket.tokens + max(0.0, now - bucket.at) * self.rate)
        bucket.at = now
        if bucket.tokens < 1.0:
            return (1.0 - bucket.tokens) / self.rate
        bucket.tokens -= 1.0
        return 0.0
