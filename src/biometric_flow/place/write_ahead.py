"""Is every transaction still in a write-ahead log that was once committed to it?

SQLite ends the log at the first frame that does not check and says nothing: what stood behind is gone, as the torn end
that a loss of power leaves. Ours syncs each transaction before the next one begins, so that only the last can be torn.
Where more is missing somebody or something altered it. Format: https://sqlite.org/fileformat2.html#the_write_ahead_log
and, of the index beside it, https://sqlite.org/walformat.html.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from biometric_flow.ledger.errors import LedgerAltered
from biometric_flow.runtime.errors import FolderUnusable

log = structlog.get_logger()

_MAGIC: Final = {0x377F0682: "<", 0x377F0683: ">"}
"""Which bytes come first in what is summed up."""
_VERSION: Final = 3_007_000
_HEAD, _FRAME_HEAD, _INDEX_HEAD = 32, 24, 48
_PAGES: Final = {512 << shift for shift in range(8)}
_KEPT: Final = "-wal.altered"
_KEPT_MOST: Final = 20
"""Logs that are kept of one place: whoever alters one at every start does not fill the disk."""

Sum = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Frame:
    """One frame: the page that it holds, as it stands in the file."""

    number: int
    summed: bytes
    """What its checksum is over, after the one before."""
    told: Sum
    """The checksum that it says."""
    salts: bytes

    @property
    def ends_transaction(self) -> bool:
        return self.summed[4:8] != bytes(4)


def missing_of(written: bytes, index: bytes = b"") -> str:
    """What is missing of a log, in words; empty when nothing is, or when it could be a loss of power.

    `index` is the file beside it as a process left it that was killed: it knows how much had been committed.
    """
    committed, salts = _indexed(index)
    if len(written) <= _HEAD:
        return f"{committed} frames were committed and it is empty" if committed else ""
    order, page = _MAGIC.get(int.from_bytes(written[:4])), int.from_bytes(written[8:12])
    said = struct.unpack(">II", written[24:32])
    head_sum = _sum(written[:24], (0, 0), order or "<")
    if order is None or int.from_bytes(written[4:8]) != _VERSION or page not in _PAGES or head_sum != said:
        return "its head does not check, and frames stand behind it" if any(written[_HEAD:]) else ""
    before, is_whole_until = head_sum, 0
    frames = _frames(written, page)
    for frame in frames:
        expected = _sum(frame.summed, before, order)
        if expected != frame.told:
            followed = _is_followed(
                frames, {expected, frame.told}, order, written[16:24], is_end=frame.ends_transaction
            )
            if followed and frame.salts == written[16:24]:
                return f"frame {frame.number} does not check, and what was committed after it does"
            break
        if frame.salts != written[16:24]:
            return f"frame {frame.number} checks, and says that it belongs to another log"
        before = expected
        if frame.ends_transaction:
            is_whole_until = frame.number
    if salts == written[16:24] and committed > is_whole_until:
        return f"{committed} frames were committed, and those after {is_whole_until} do not check"
    return ""


def check_log(file: Path, is_at_rest: bool = False) -> None:
    """Check the log beside a database. Raises LedgerAltered, also while one lies there that a start has put aside.

    With `is_at_rest`, which nobody may say while this process or another has the database open, the last transaction is
    looked at too.
    """
    kept = [one for one in _keeping(file) if one.exists()]
    if kept:
        others = f" and {len(kept) - 1} more" if kept[1:] else ""
        raise LedgerAltered(
            f"the write-ahead log: {kept[0].name}{others} was put aside at a start, since transactions that had been"
            " committed were missing in it; look at what the gateway and the terminals have, then move it away"
        )
    said = _said(file, is_at_rest)
    if said and not is_at_rest:
        # It was read while somebody wrote to it, perhaps; what was written by then stands still.
        again = _said(file, is_at_rest)
        said = said if said == again else ""
    if said:
        raise LedgerAltered(f"the write-ahead log: {said}")


def keep_altered(file: Path) -> None:
    """At a start, before the database is opened: keep a log beside it of which something is missing.

    SQLite goes on with the rest, and so does the place: what it lost, terminals may still have. Raises FolderUnusable.
    """
    said = _said(file, is_at_rest=True)
    if not said:
        return
    found = _read(_beside(file, "-wal"))
    free = next((one for one in _keeping(file) if not one.exists() or _read(one) == found), None)
    log.error("write_ahead_log_altered", missing=said, kept=free.name if free else "enough were kept before")
    if free is None:
        return
    try:
        free.write_bytes(found)
    except OSError as error:
        raise FolderUnusable(f"cannot keep {_beside(file, '-wal')}, in which {said}: {error}") from None


def _keeping(file: Path) -> list[Path]:
    """Where logs are kept that were altered, one after the other."""
    return [_beside(file, _KEPT), *(_beside(file, f"{_KEPT}.{number}") for number in range(2, _KEPT_MOST + 1))]


def _said(file: Path, is_at_rest: bool) -> str:
    # The index before the log: both grow. Closing it would end the locks of this process on the database.
    index = _read(_beside(file, "-shm")) if is_at_rest else b""
    return missing_of(_read(_beside(file, "-wal")), index)


def _indexed(index: bytes) -> tuple[int, bytes]:
    """Frames that were committed, and the salts of their log; none where a process was stopped as it wrote this."""
    head = index[:_INDEX_HEAD]
    if len(head) < _INDEX_HEAD or head != index[_INDEX_HEAD : 2 * _INDEX_HEAD]:
        return 0, b""
    order = "<" if head[:4] == _VERSION.to_bytes(4, "little") else ">"
    if struct.unpack(f"{order}II", head[40:48]) != _sum(head[:40], (0, 0), order):
        return 0, b""
    return struct.unpack(f"{order}I", head[16:20])[0], head[32:40]


def _frames(log: bytes, page: int) -> Iterator[_Frame]:
    for number, at in enumerate(range(_HEAD, len(log) - _FRAME_HEAD - page + 1, _FRAME_HEAD + page), 1):
        head = log[at : at + _FRAME_HEAD]
        told = struct.unpack(">II", head[16:24])
        yield _Frame(number, head[:8] + log[at + _FRAME_HEAD : at + _FRAME_HEAD + page], told, head[8:16])


def _is_followed(frames: Iterator[_Frame], before: set[Sum], order: str, salts: bytes, is_end: bool) -> bool:
    """Does another transaction follow one that has ended? Only frames count that were written behind each other."""
    for frame in frames:
        if frame.salts != salts or all(_sum(frame.summed, one, order) != frame.told for one in before):
            return False
        if is_end:
            return True
        before, is_end = {frame.told}, frame.ends_transaction
    return False


def _sum(content: bytes, before: Sum, order: str) -> Sum:
    """SQLite's checksum over pairs of 32-bit words."""
    one, two = before
    words = iter(struct.unpack(f"{order}{len(content) // 4}I", content))
    for first, second in zip(words, words, strict=True):
        one = (one + first + two) & 0xFFFFFFFF
        two = (two + second + one) & 0xFFFFFFFF
    return one, two


def _beside(file: Path, ending: str) -> Path:
    return file.with_name(file.name + ending)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return b""
