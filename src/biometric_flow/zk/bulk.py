"""Reading a bulk answer over a channel: buffered, and directly where the terminal has no buffer (zk-protocol 5)."""

from collections.abc import Callable
from typing import Final

from biometric_flow.zk.channel import Channel
from biometric_flow.zk.errors import CorruptFrame, NotSupported, ProtocolViolation, TerminalRefused, TransferIncomplete
from biometric_flow.zk.wire.commands import Command, Reply
from biometric_flow.zk.wire.transfer import (
    TRANSFER_MAX,
    BulkAnswer,
    BulkSource,
    Prepared,
    unwrap_rows,
    window_request,
    windows,
)

Progress = Callable[[int, int], None]
"""Told after each piece of a buffered read: bytes so far, bytes in all."""

__all__ = ["Progress", "prepare", "read_answer", "read_bulk", "read_window", "windows"]

_TRIES: Final = 3


async def read_bulk(channel: Channel, source: BulkSource, rows: int, progress: Progress | None = None) -> bytearray:
    """All rows of `source` without their leading length, exactly, or an error.

    `rows` is how many the terminal says it has; it only tells an empty log from a failure.
    """
    first = await prepare(channel, source, rows)
    answer = await _fetch(channel, source, first, progress) if isinstance(first, Prepared) else first
    unwrap_rows(answer, source.title)
    if not answer and rows > 0:
        raise TransferIncomplete(f"expected {rows} rows of {source.title}, got none; read again")
    return answer


async def read_answer(channel: Channel, title: str, command: Command, data: bytes) -> bytearray:
    """One answer of bulk size without a leading length; a corrupt or short one is asked for again, twice."""
    answer = await _ask(channel, title, command, data)
    if isinstance(answer, Prepared):
        raise ProtocolViolation(f"expected {title}, got an announcement; reconnect")
    return answer


async def prepare(channel: Channel, source: BulkSource, rows: int) -> bytearray | Prepared:
    """Ask for the buffer; refused twice, ask without one."""
    for _ in range(2):
        try:
            buffered = source.buffered_request()
            return await _ask(channel, source.title, Command.PREPARE_BUFFER, buffered, limit=source.limit)
        except NotSupported:
            break
        except TerminalRefused as no:
            if no.reply == Reply.ALLOCATION_FAILED and rows == 0:
                return bytearray()
            await channel.ask(Command.FREE_DATA, b"", lambda packet: packet)
    return await _ask(channel, source.title, source.command, source.direct_request(), limit=source.limit)


async def read_window(channel: Channel, source: BulkSource, offset: int, size: int) -> bytearray:
    """A piece of a prepared buffer, exactly."""
    collected = bytearray()
    for start in range(offset, offset + size, channel.window):
        step = min(channel.window, offset + size - start)
        piece = await _ask(channel, source.title, Command.READ_BUFFER, window_request(start, step), step)
        if isinstance(piece, Prepared):
            raise ProtocolViolation(f"expected {step} bytes of {source.title}, got an announcement; reconnect")
        collected += piece
    return collected


async def _fetch(channel: Channel, source: BulkSource, prepared: Prepared, progress: Progress | None) -> bytearray:
    """Every chunk of a prepared buffer, in order."""
    collected = bytearray()
    for offset, size in prepared.windows():
        collected += await read_window(channel, source, offset, size)
        if progress:
            progress(len(collected), prepared.size)
    return collected


async def _ask(
    channel: Channel,
    title: str,
    command: Command,
    data: bytes,
    size: int | None = None,
    limit: int = TRANSFER_MAX,
) -> bytearray | Prepared:
    """One bulk answer; a corrupt or short one is asked for again, twice."""
    for tries_left in reversed(range(_TRIES)):
        try:
            return await channel.ask(command, data, BulkAnswer(title, size=size, limit=limit).take)
        except (CorruptFrame, TransferIncomplete):
            if not tries_left:
                raise
    raise AssertionError("the last try returns or raises")
