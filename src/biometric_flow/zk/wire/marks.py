"""How far an attendance log was read, so that the next read can begin behind it."""

from dataclasses import dataclass
from typing import Final, Self

from biometric_flow.zk.wire.rows import Blob

TAIL_ROWS: Final = 16
"""Rows that tell a place in a log; a person who punches twice in a second makes single rows look alike."""


@dataclass(frozen=True, slots=True)
class LogMark:
    """The rows a log had when it was read, and the last of them as they came."""

    layout: str
    """The name of the rows' layout."""
    row_size: int
    rows: int
    tail: bytes

    @classmethod
    def behind(cls, layout: str, row_size: int, skipped: int, blob: Blob) -> Self | None:
        """The mark at the end of `blob`, which has `skipped` rows before it; None for no rows or a torn last one."""
        if not blob or len(blob) % row_size:
            return None
        return cls(layout, row_size, skipped + len(blob) // row_size, bytes(blob[-TAIL_ROWS * row_size :]))

    @property
    def offset(self) -> int:
        """Where the tail began in the log."""
        return self.rows * self.row_size - len(self.tail)

    def moved(self, skipped: int, newer: Blob) -> Self | None:
        """The mark at the end of rows that follow this one; it stands behind `skipped` rows now."""
        known = len(self.tail) // self.row_size
        return self.behind(self.layout, self.row_size, skipped - known, self.tail + newer)

    def end_in(self, blob: bytearray, begin: int = 0, end: int | None = None) -> int | None:
        """Where the rows behind the mark begin, in bytes: at the last place where its tail stands whole rows apart."""
        at = blob.rfind(self.tail, begin, len(blob) if end is None else end)
        while at >= 0 and at % self.row_size:
            at = blob.rfind(self.tail, begin, at + len(self.tail) - 1)
        return None if at < 0 else at + len(self.tail)
