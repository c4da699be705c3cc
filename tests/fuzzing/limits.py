"""What a decoder may do with a case: give a value or a declared error, within 10 ms and 4 MiB (security-design P3)."""

import contextlib
import time
import tracemalloc
from typing import Final

from tests.fuzzing.decoders import Decoder

SECONDS: Final = 0.010
"""Processor time of this thread: how busy the machine is does not count."""
BYTES: Final = 4 * 1024 * 1024
TEXT_MAX: Final = 1000
"""Characters of an error's text: it goes into logs."""
_TRIES: Final = 6


def feed(decoder: Decoder, data: bytes, seconds: float = SECONDS) -> None:
    """Give one case to a decoder. AssertionError for an undeclared error, a bad text, and more time than it may take.

    A case over the limit is tried again: page faults and caches that fill are not its own, and what is slow by
    itself is slow every time.
    """
    spent = _seconds(decoder, data)
    tries = 1
    while spent > seconds and tries < _TRIES:
        spent = min(spent, _seconds(decoder, data))
        tries += 1
    assert spent <= seconds, f"expected at most {seconds * 1000:g} ms of processor time, took {spent * 1000:.1f}"


def feed_measured(decoder: Decoder, data: bytes, limit: int = BYTES) -> None:
    """Give one case to a decoder while tracemalloc is on. AssertionError for more memory than it may take."""
    used = _memory(decoder, data)
    if used > limit:  # what is loaded at first use is not the case's own
        used = min(used, _memory(decoder, data))
    assert used <= limit, f"expected at most {limit} bytes of memory, took {used}"


def _seconds(decoder: Decoder, data: bytes) -> float:
    began = time.thread_time()
    try:
        decoder.read(data)
    except decoder.declared as error:
        spent = time.thread_time() - began
        text = str(error)
        assert "expected" in text, f"an error that does not say what was expected: {text!r}"
        assert len(text) <= TEXT_MAX, f"an error text of {len(text)} characters"
        code = getattr(error, "code", "terminal.")
        assert code.startswith("terminal."), code
        return spent
    return time.thread_time() - began


def _memory(decoder: Decoder, data: bytes) -> int:
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    with contextlib.suppress(*decoder.declared):
        decoder.read(data)
    return tracemalloc.get_traced_memory()[1] - before
