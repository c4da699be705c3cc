"""How often a read is asked again: growing pauses with jitter, under a budget that a failing place cannot exceed."""

from typing import Final

TRIES: Final = 3
FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 1.0
SHARE: Final = 0.1
"""Retries per call, in the long run: when all fails, the load grows by a tenth and not threefold."""
SAVED: Final = 10.0
"""Retries that may be saved up."""


class RetryBudget:
    """Each call pays in a tenth of a retry; each retry takes one out."""

    def __init__(self, share: float = SHARE, saved: float = SAVED) -> None:
        self._share, self._most, self._left = share, saved, saved

    def called(self) -> None:
        """A call was made that is no retry."""
        self._left = min(self._most, self._left + self._share)

    def take(self) -> bool:
        """May one retry be made?"""
        if self._left < 1:
            return False
        self._left -= 1
        return True


def pause(attempt: int, chance: float) -> float:
    """Seconds before try number `attempt` + 1; `chance` in [0, 1) spreads callers over the whole pause."""
    return float(min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** max(0, attempt - 1))) * (0.5 + chance / 2)
