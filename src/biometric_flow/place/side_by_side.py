"""Judges pieces of a ledger in processes beside this one, and hands them back in their order."""

import multiprocessing
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Final

from biometric_flow.ledger.chain import Head
from biometric_flow.place.judge import Judge, Piece, Row, Stored

Work = tuple[int, Head, list[Stored], Mapping[str, dict[int, Row]]]
"""The number of a log, the head before the piece, its entries, and the rows that follow from them."""

AHEAD: Final = 2
"""Pieces for each process that are read before the first of them is done: what bounds the memory."""

_judges: dict[int, Judge] = {}


class Judges:
    """Judges here, one piece after the other."""

    def __init__(self, judges: Mapping[int, Judge]) -> None:
        self._judges = judges

    def judged(self, work: Iterable[Work]) -> Iterator[tuple[Work, Piece]]:
        """Each piece with what was found, in order."""
        for one in work:
            yield one, self._judges[one[0]].piece(*one[1:])


class JudgesBeside(Judges):
    """Judges in other processes; the caller goes on with the pieces that are done."""

    def __init__(self, judges: Mapping[int, Judge], executor: ProcessPoolExecutor, ahead: int) -> None:
        super().__init__(judges)
        self._executor, self._ahead = executor, ahead

    def judged(self, work: Iterable[Work]) -> Iterator[tuple[Work, Piece]]:
        """Each piece with what was found, in order."""
        under_way: deque[tuple[Work, Future[Piece]]] = deque()
        for one in work:
            under_way.append((one, self._executor.submit(_piece, one)))
            if len(under_way) >= self._ahead:
                done, future = under_way.popleft()
                yield done, future.result()
        for done, future in under_way:
            yield done, future.result()


@contextmanager
def judges_of(judges: Mapping[int, Judge], jobs: int) -> Iterator[Judges]:
    """Judges in so many processes; with 1 in this one.

    More than 1 is for a process without threads of its own, whose keys are in its memory: the others are forked, so
    that no key ever passes through a pipe.
    """
    if jobs < 2:
        yield Judges(judges)
        return
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(jobs, context, initializer=_begin, initargs=(judges,)) as executor:
        try:
            yield JudgesBeside(judges, executor, AHEAD * jobs)
        finally:
            executor.shutdown(cancel_futures=True)


def _begin(judges: Mapping[int, Judge]) -> None:
    _judges.update(judges)


def _piece(work: Work) -> Piece:
    return _judges[work[0]].piece(*work[1:])
