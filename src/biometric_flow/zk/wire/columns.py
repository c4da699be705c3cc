"""Attendance rows as columns: one structured view of the bytes, times turned into moments all at once."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from biometric_flow.zk.wire.rows import Blob

_DTYPES: Final = {"B": "u1", "H": "<u2", "I": "<u4", "24s": "S24"}
_EPOCH_MONTH: Final = np.datetime64("2000-01", "M")
_BLOCK_ROWS: Final = 16_384
"""Rows looked at together: enough to be fast, few enough to need no memory to speak of."""


@dataclass(frozen=True, slots=True, eq=False)
class AttlogColumns:
    """Every readable row of a log, column by column. The arrays are views of the bytes that came: do not write."""

    table: npt.NDArray[np.void]
    """The rows as they are stored; its fields are those of the layout, such as `uid`, `pin`, `time`."""

    @classmethod
    def of(cls, blob: Blob, order: tuple[str, ...], form: str) -> Self:
        """Columns of whole rows. `form` is the row's struct format, `order` the names of its fields."""
        return cls(np.frombuffer(blob, dtype=row_type(order, form)))

    def __len__(self) -> int:
        return len(self.table)

    @property
    def time(self) -> npt.NDArray[np.uint32]:
        """The terminal's own numbers."""
        time: npt.NDArray[np.uint32] = self.table["time"]
        return time

    def moments(self) -> npt.NDArray[np.datetime64]:
        """The times by the calendar, to the second; NaT for a day that it does not know, such as 31 February."""
        result = np.empty(len(self.table), dtype="M8[s]")
        for start in range(0, len(result), _BLOCK_ROWS):
            piece = slice(start, start + _BLOCK_ROWS)
            result[piece] = _moments(np.ascontiguousarray(self.table["time"][piece]))
        return result


def row_type(order: tuple[str, ...], form: str) -> np.dtype[np.void]:
    """The structured type of a row whose struct format is `form`, such as `<H24sBIBB7x`."""
    names, formats, offsets, place = [], [], [], 0
    fields = iter(order)
    number = ""
    for letter in form.lstrip("<"):
        if letter.isdigit():
            number += letter
            continue
        if letter == "x":
            place += int(number or 1)
        else:
            kind = np.dtype(_DTYPES[number + letter])
            names.append(next(fields))
            formats.append(kind)
            offsets.append(place)
            place += kind.itemsize
        number = ""
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": place})


def suspicious_rows(blob: Blob, size: int, start: int, width: int) -> list[int]:
    """Offsets of rows whose text of `width` bytes at `start` holds anything but printable ASCII and NUL."""
    table = np.frombuffer(blob, dtype=np.uint8, count=len(blob) - len(blob) % size).reshape(-1, size)
    found: list[int] = []
    for first in range(0, len(table), _BLOCK_ROWS):
        text = np.ascontiguousarray(table[first : first + _BLOCK_ROWS, start : start + width])
        odd = ((text - 1) < 31) | (text > 126)
        if odd.any():
            found.extend((int(row) + first) * size for row in np.flatnonzero(odd.any(axis=1)))
    return found


def _moments(time: npt.NDArray[np.uint32]) -> npt.NDArray[np.datetime64]:
    days, seconds = time // 86_400, time % 86_400
    months, day = days // 31, days % 31
    first = (_EPOCH_MONTH + months.astype("m8[M]")).astype("M8[D]")
    date = first + day.astype("m8[D]")
    moments: npt.NDArray[np.datetime64] = date.astype("M8[s]") + seconds.astype("m8[s]")
    impossible = day > 27
    if impossible.any():
        wrong = np.flatnonzero(impossible)
        moved = date[wrong].astype("M8[M]") != first[wrong].astype("M8[M]")
        moments[wrong[moved]] = np.datetime64("NaT")
    return moments
