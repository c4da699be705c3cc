"""The client's reading of server-sent events and its size of uploads; no socket."""

from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biometric_flow.api.clients import MAX_EVENT, GatewayUnreachable, StreamEvent, read_events, within
from biometric_flow.api.place import LedgerEntry

STREAM = 'id: 7\nevent: punch\ndata: {"name":"A\u2028B"}\n\n: still here\n\nevent: kpi\ndata: 1\ndata: 2\n\n'
EVENTS = [StreamEvent("7", "punch", '{"name":"A\u2028B"}'), StreamEvent("", "kpi", "1\n2")]


async def _read(chunks: list[bytes]) -> list[StreamEvent]:
    async def source() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    return [event async for event in read_events(source())]


@given(st.lists(st.integers(0, len(STREAM.encode())), max_size=12))
async def test_events_are_the_same_wherever_the_network_cuts_them(cuts: list[int]) -> None:
    raw, ends = STREAM.encode(), sorted({0, *cuts, len(STREAM.encode())})
    assert await _read([raw[start:end] for start, end in pairwise(ends)]) == EVENTS


async def test_an_event_without_end_is_given_up() -> None:
    with pytest.raises(GatewayUnreachable):
        await _read([b"data: " + b"x" * (MAX_EVENT // 2)] * 3)


@given(st.lists(st.integers(1, 300), max_size=20), st.integers(1, 1000))
def test_an_upload_is_a_beginning_that_fits_and_never_empty(sizes: list[int], limit: int) -> None:
    entries = [
        LedgerEntry.model_construct(sequence=number, leaf=b"x" * size, record=b"", opening=b"")
        for number, size in enumerate(sizes, 1)
    ]
    sent = within(entries, limit)
    assert list(sent) == entries[: len(sent)]
    assert len(sent) >= min(1, len(entries))
    assert len(sent) <= 1 or sum(len(entry.leaf) for entry in sent) <= limit
    if len(sent) < len(entries):
        assert sum(len(entry.leaf) for entry in entries[: len(sent) + 1]) > limit
