"""Frames of a place's link."""

import contextlib

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biometric_flow.api.link import (
    MAX_FRAME,
    CancelFrame,
    ChunkFrame,
    EndFrame,
    FrameUnreadable,
    HeadFrame,
    RequestFrame,
    decode,
    encode,
)

FRAMES = [
    RequestFrame(7, "POST", "/v1/terminals/gate/jobs?limit=3", (("content-type", "application/json"),), b'{"a":1}'),
    HeadFrame(7, 202, (("etag", '"x"'),)),
    ChunkFrame(7, b"\x00" * 1000),
    EndFrame(7),
    CancelFrame(2**62),
]


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: type(frame).__name__)
def test_a_frame_comes_out_as_it_went_in(frame: object) -> None:
    assert decode(encode(frame)) == frame  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [1],
        7,
        [9, 1],
        [4, -1],
        [4, "1"],
        [4, 1, 2],
        [1, 1, "GET", "no-slash", [], b""],
        [1, 1, "GET" * 10, "/", [], b""],
        [1, 1, "GET", "/" + "x" * 9000, [], b""],
        [1, 1, "GET", "/", [["a", "b\r\nc: d"]], b""],
        [1, 1, "GET", "/", [["a", "b"]] * 65, b""],
        [1, 1, "GET", "/", [["a", "\u20ac"]], b""],
        [2, 1, 99, []],
        [3, 1, "text"],
    ],
    ids=repr,
)
def test_what_is_no_frame_is_refused(fields: object) -> None:
    with pytest.raises(FrameUnreadable):
        decode(cbor2.dumps(fields))


def test_a_frame_beyond_the_limit_is_refused_unread() -> None:
    with pytest.raises(FrameUnreadable, match="at most"):
        decode(encode(ChunkFrame(1, bytes(MAX_FRAME))))


@given(st.binary(max_size=300))
def test_any_bytes_are_a_frame_or_refused(data: bytes) -> None:
    with contextlib.suppress(FrameUnreadable):
        decode(data)
