"""Reading only the end of a log: the rows behind a mark, wherever the terminal lets us choose what we fetch."""

from dataclasses import dataclass

from biometric_flow.zk.bulk import prepare, read_bulk, read_window, windows
from biometric_flow.zk.channel import Channel
from biometric_flow.zk.errors import TerminalRefused, TransferIncomplete
from biometric_flow.zk.wire.commands import Command
from biometric_flow.zk.wire.marks import LogMark
from biometric_flow.zk.wire.transfer import CHUNK, BulkSource, Prepared, unwrap_rows

_LENGTH = 4
"""Bytes in front of the rows of a bulk answer."""


@dataclass(frozen=True, slots=True)
class Tail:
    """The end of a log, or all of it."""

    blob: bytearray
    skipped: int | None
    """Rows before these; None when the mark is not in the log, and the whole of it is here."""


async def read_after(channel: Channel, source: BulkSource, rows: int, mark: LogMark) -> Tail:
    """The rows behind a mark. A log that only grew moves its new rows; one that wrapped is read from its end backwards.

    Errors are those of `read_bulk`.
    """
    first = await prepare(channel, source, rows)
    if not isinstance(first, Prepared):
        unwrap_rows(first, source.title)
        return _cut(first, mark)
    try:
        return await _read_end(channel, source, first, mark)
    except TerminalRefused:
        # A terminal that gives out its buffer only from the start.
        await channel.ask(Command.FREE_DATA, b"", lambda packet: packet)
        return _cut(await read_bulk(channel, source, rows), mark)


async def _read_end(channel: Channel, source: BulkSource, prepared: Prepared, mark: LogMark) -> Tail:
    total = prepared.size - _LENGTH
    told = int.from_bytes(await read_window(channel, source, 0, _LENGTH), "little")
    if told != total:
        raise TransferIncomplete(f"expected {source.title} of {total} bytes, their own length says {told}; read again")
    low = mark.offset if mark.offset + len(mark.tail) <= total else total
    newest = await _read(channel, source, low, total)
    if newest.startswith(mark.tail):
        del newest[: len(mark.tail)]
        return Tail(newest, mark.rows)
    log = bytearray(total)
    log[low:] = newest
    del newest
    step = CHUNK - CHUNK % mark.row_size
    while low > 0:
        high, low = low, max(0, low - step)
        log[low:high] = await _read(channel, source, low, high)
        end = mark.end_in(log, low, min(total, high + len(mark.tail)))
        if end is not None:
            del log[:end]
            return Tail(log, end // mark.row_size)
    return Tail(log, None)


async def _read(channel: Channel, source: BulkSource, begin: int, end: int) -> bytearray:
    collected = bytearray()
    for offset, size in windows(begin + _LENGTH, end + _LENGTH):
        collected += await read_window(channel, source, offset, size)
    return collected


def _cut(log: bytearray, mark: LogMark) -> Tail:
    end = mark.end_in(log)
    if end is None:
        return Tail(log, None)
    del log[:end]
    return Tail(log, end // mark.row_size)
