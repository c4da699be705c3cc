"""Rows of a bulk answer: decoded when they are asked for, so that a long log stays as small as its bytes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar, overload

Row = TypeVar("Row")
Blob = bytes | bytearray | memoryview
"""Rows one after the other; never copied as a whole, since a long log is most of what a connection may hold."""

ROWS_MAX: Final = 500_000
"""Rows of one answer at most (security-design P1)."""


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that could not be read. It costs its neighbours nothing."""

    raw: bytes = field(repr=False)
    """The bytes as they came; they may hold a password, so no text shows them."""
    reason: str


class Rows(Sequence[Row]):
    """A sequence over equally long pieces of a blob. Every access decodes anew; keep `list(rows)` if that matters."""

    def __init__(self, blob: Blob, size: int, decode: Callable[[Blob], Iterator[Row]]) -> None:
        self._blob = memoryview(blob)
        self._size = size
        self._decode = decode

    @property
    def blob(self) -> memoryview:
        """The bytes of all rows."""
        return self._blob

    def __len__(self) -> int:
        return -(-len(self._blob) // self._size)

    def __iter__(self) -> Iterator[Row]:
        return self._decode(self._blob)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        size = self._size
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step == 1:
                return list(self._decode(self._blob[start * size : stop * size])) if start < stop else []
            return [self[i] for i in range(start, stop, step)]
        position = range(len(self))[index]
        return next(self._decode(self._blob[position * size : (position + 1) * size]))

    def __repr__(self) -> str:
        return f"<{len(self)} rows of {self._size} bytes>"


def split_rows(
    blob: Blob, size: int, is_rejected: Callable[[bytes], bool], suspects: Iterable[int] | None = None
) -> tuple[Blob, Blob]:
    """The rows that can be read, and those that cannot with a torn last row at their end; each joined.

    Only the rows at the offsets `suspects` are judged, all of them without.
    """
    view = memoryview(blob)
    whole = len(view) - len(view) % size
    offsets = range(0, whole, size) if suspects is None else suspects
    bad = [start for start in offsets if is_rejected(bytes(view[start : start + size]))]
    if not bad:
        return view[:whole], view[whole:]
    edges = [0, *(edge for start in bad for edge in (start, start + size)), whole]
    good = b"".join(view[begin:end] for begin, end in zip(edges[::2], edges[1::2], strict=True))
    return good, b"".join([*(view[start : start + size] for start in bad), view[whole:]])
