"""Answers that are kept in memory within a bound of bytes: no clock, no I/O."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

OVERHEAD: Final = 1024
"""Bytes that an answer costs besides its body: key, headers, the entries of two tables."""
LARGEST_SHARE: Final = 16
"""An answer that would fill more than this part of the memory is not kept."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer of status 200, with the version of the data that it shows at least."""

    version: int
    headers: tuple[tuple[bytes, bytes], ...]
    etag: bytes
    body: bytes

    @property
    def size(self) -> int:
        """What it costs, in bytes."""
        return len(self.body) + OVERHEAD


class Memory:
    """Answers by tenant and question. Room is made by the tenant that fills most, at its answer that rested longest.

    So nobody can push out what others remember.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.used = 0
        self.hits = 0
        self.misses = 0
        self._kept: dict[str, OrderedDict[Hashable, Answer]] = {}
        self._used_by: dict[str, int] = {}

    def find(self, tenant: str, question: Hashable, version: int) -> Answer | None:
        """The answer to a question as it is at this version of the data."""
        kept = self._kept.get(tenant, OrderedDict())
        found = kept.get(question)
        if found is None or found.version != version:
            self.misses += 1
            return None
        self.hits += 1
        kept.move_to_end(question)
        return found

    def keep(self, tenant: str, question: Hashable, answer: Answer) -> None:
        """Remember an answer in the place of an older one to the same question."""
        if answer.size > self.capacity // LARGEST_SHARE:
            return
        if question in self._kept.get(tenant, {}):
            self._drop(tenant, question)
        self._kept.setdefault(tenant, OrderedDict())[question] = answer
        self._count(tenant, answer.size)
        while self.used > self.capacity:
            most = max(self._used_by, key=self._used_by.__getitem__)
            self._drop(most, next(iter(self._kept[most])))

    def _drop(self, tenant: str, question: Hashable) -> None:
        self._count(tenant, -self._kept[tenant].pop(question).size)
        if not self._kept[tenant]:
            del self._kept[tenant], self._used_by[tenant]

    def _count(self, tenant: str, size: int) -> None:
        self.used += size
        self._used_by[tenant] = self._used_by.get(tenant, 0) + size
