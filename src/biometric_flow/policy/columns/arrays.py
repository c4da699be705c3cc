"""What the columns are made of: whole numbers, a column of offsets, sums by place, running maxima."""

from typing import Final

import numpy as np
import numpy.typing as npt

from biometric_flow.policy.zones import DAY, HomeZone, Span

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

BIG: Final = 1 << 28
"""More minutes than a timeline has: the key of a minute of person p is p * BIG + minute."""
NEVER: Final = -BIG


class Offsets:
    """A zone's wall clock for any column of minutes within a span."""

    def __init__(self, zone: HomeZone, span: Span) -> None:
        pieces = list(zone.stretches(span))
        self._starts = np.array([start for start, _, _ in pieces], np.int64)
        self._shifts = np.array([shift for _, _, shift in pieces], np.int64)

    def wall(self, minutes: Ints) -> Ints:
        """What the wall clock shows, as minutes on the wall's line."""
        return minutes + self._shifts[np.searchsorted(self._starts, minutes, "right") - 1]


def column(values: list[int]) -> Ints:
    """A column of whole numbers."""
    return np.array(values, np.int64)


def summed(places: Ints, values: Ints, size: int) -> Ints:
    """The sum of the values at every place."""
    return np.bincount(places, values, size).astype(np.int64)


def marked(places: Ints, size: int) -> Bools:
    """Which places occur."""
    found = np.zeros(size, np.bool_)
    found[places] = True
    return found


def first_of_each(keys: Ints) -> Bools:
    """Where a new key begins in a column that is in order of keys."""
    begins = np.ones(len(keys), np.bool_)
    begins[1:] = keys[1:] != keys[:-1]
    return begins


def last_of_each(keys: Ints) -> Bools:
    """Where a key ends in a column that is in order of keys."""
    ends = np.ones(len(keys), np.bool_)
    ends[:-1] = keys[1:] != keys[:-1]
    return ends


def most_before(keys: Ints) -> Ints:
    """The greatest of all earlier keys; -1 before the first."""
    before = np.full(len(keys), -1, np.int64)
    before[1:] = np.maximum.accumulate(keys)[:-1]
    return before


def without_overlap(places: Ints, starts: Ints, ends: Ints) -> tuple[Ints, Ints, Ints]:
    """Pieces in order of place and start as runs: a minute that is in two counts once (contract 8.6)."""
    before = most_before(places * BIG + ends) - places * BIG
    starts = np.maximum(starts, before)
    kept = starts < ends
    return places[kept], starts[kept], ends[kept]


def inside(starts: Ints, ends: Ints, window: Span) -> Ints:
    """How many minutes of spans on the wall's line lie in a window of the day that may pass midnight."""
    low, high = window
    length = (high - low) % DAY or DAY

    def until(wall: Ints) -> Ints:
        day, rest = np.divmod(wall - low, DAY)
        return day * length + np.minimum(rest, length)

    return until(ends) - until(starts)
