"""Counts failed sign-ins of a tenant within a while: a state machine without a clock."""

from collections import deque
from typing import Final

WINDOW: Final = 300.0
THRESHOLD: Final = 20
REMEMBERED: Final = 10_000


class Attacks:
    """Failures of the last five minutes. Those of unknown accounts, which are of no tenant, count for every one."""

    def __init__(self) -> None:
        self._failed: deque[tuple[float, str]] = deque(maxlen=REMEMBERED)

    def failed(self, tenant: str, now: float) -> None:
        """Somebody failed to sign in; `tenant` is empty for an account that there is not."""
        self._failed.append((now, tenant))

    def count(self, tenant: str, now: float) -> int:
        """Failures of a tenant's accounts and of unknown ones."""
        while self._failed and self._failed[0][0] <= now - WINDOW:
            self._failed.popleft()
        return sum(whose in ("", tenant) for _at, whose in self._failed)
