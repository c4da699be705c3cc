"""How often a sign-in may fail: a state machine without a clock."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

FREE_TRIES: Final = 5
FIRST_WAIT: Final = 2.0
LONGEST_WAIT: Final = 300.0
REMEMBERED: Final = 20_000


@dataclass(slots=True)
class _Record:
    failures: int
    blocked_until: float
    last: float


class FailureLimiter:
    """After five failures a key waits 2 s, and twice as long after each further one, up to five minutes.

    A success, or ten times the longest wait without a failure, forgets the key. Memory is bounded: the keys that were
    quiet longest are forgotten first.
    """

    def __init__(self, free: int = FREE_TRIES, first_wait: float = FIRST_WAIT, longest: float = LONGEST_WAIT) -> None:
        self._free, self._first_wait, self._longest = free, first_wait, longest
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def wait(self, key: str, now: float) -> float:
        """Seconds until this key may try again; 0 when it may now."""
        record = self._records.get(key)
        return 0.0 if record is None else max(0.0, record.blocked_until - now)

    def failed(self, key: str, now: float) -> None:
        """Count one failure."""
        record = self._records.pop(key, None)
        if record is None or now - record.last > 10 * self._longest:
            record = _Record(0, 0.0, now)
        record.failures += 1
        record.last = now
        excess = record.failures - self._free
        if excess >= 0:
            record.blocked_until = now + min(self._longest, self._first_wait * 2 ** min(excess, 30))
        self._records[key] = record
        while len(self._records) > REMEMBERED:
            self._records.popitem(last=False)

    def succeeded(self, key: str) -> None:
        """Forget a key's failures."""
        self._records.pop(key, None)
