"""When to leave a place alone: a circuit breaker as a state machine without a clock."""

from collections import deque
from typing import Final, Literal

State = Literal["closed", "open", "half_open"]

WINDOW_SECONDS: Final = 30.0
OUTCOMES: Final = 100
"""Outcomes that are remembered at most."""
LONGEST_WAIT: Final = 60.0


class Breaker:
    """Opens after failures, waits, lets one call try, closes when that one succeeds.

    It opens when `failures` calls of the last half minute failed and they are at least half of all. The wait doubles
    with each try that fails, up to a minute. `now` is a monotonic second.
    """

    def __init__(self, failures: int, first_wait: float, longest: float = LONGEST_WAIT) -> None:
        self._failures, self._first_wait, self._longest = failures, first_wait, longest
        self._outcomes: deque[tuple[float, bool]] = deque(maxlen=OUTCOMES)
        self._open_until: float | None = None
        self._wait = first_wait
        self._trying_until: float | None = None
        """A call tries; if it says nothing by then, another may."""

    def state(self, now: float) -> State:
        """What it would do with a call now."""
        if self._open_until is None:
            return "closed"
        return "open" if now < self._open_until else "half_open"

    def take(self, now: float) -> float:
        """0 when a call may go out now, else the seconds after which one may; a half-open breaker lets out one."""
        if self._open_until is None:
            return 0.0
        waits_until = max(self._open_until, self._trying_until or 0.0)
        if now < waits_until:
            return waits_until - now
        self._trying_until = now + self._longest
        return 0.0

    def succeeded(self, now: float) -> None:
        """A call was answered."""
        if self._open_until is not None:
            self._outcomes.clear()
            self._open_until = self._trying_until = None
            self._wait = self._first_wait
        self._outcomes.append((now, True))

    def failed(self, now: float) -> None:
        """A call was not answered, or too late, or with what no answer is."""
        self._outcomes.append((now, False))
        if self._open_until is not None:
            if self._trying_until is not None:  # late failures of calls from before it opened change nothing
                self._trying_until = None
                self._wait = min(self._longest, self._wait * 2)
                self._open_until = now + self._wait
            return
        recent = [is_good for at, is_good in self._outcomes if now - at <= WINDOW_SECONDS]
        bad = recent.count(False)
        if bad >= self._failures and 2 * bad >= len(recent):
            self._open_until = now + self._wait

    def gave_up(self) -> None:
        """The call that tried was withdrawn by its caller; the next one may try."""
        self._trying_until = None
