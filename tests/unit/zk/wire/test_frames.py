"""Frames: any segmentation gives the same packets, and nothing unbounded is kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biometric_flow.zk.errors import NotATerminal, ProtocolViolation
from biometric_flow.zk.wire.checksum import checksum, is_intact
from biometric_flow.zk.wire.frame import FRAME_MAX, FrameReader, Packet, decode_packet, encode_frame, encode_packet

U16 = st.integers(0, 0xFFFF)
PACKETS = st.builds(Packet, U16, U16, U16, st.binary(max_size=300), st.just(True))


@given(st.lists(PACKETS, max_size=6), st.data())
def test_packets_survive_any_segmentation(packets: list[Packet], data: st.DataObject) -> None:
    stream = b"".join(map(encode_frame, packets))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    reader, got = FrameReader(), []
    for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        got += [decode_packet(payload) for payload in reader.feed(stream[begin:end])]
    assert got == packets
    assert reader.held == 0


@given(PACKETS, st.data())
def test_a_flipped_byte_is_seen(packet: Packet, data: st.DataObject) -> None:
    payload = bytearray(encode_packet(packet))
    position = data.draw(st.integers(0, len(payload) - 1))
    payload[position] ^= data.draw(st.integers(1, 255))
    # 0x0000 and 0xFFFF are the same value in one's complement; no other single change goes unseen.
    word = bytes(payload[position & ~1 : (position & ~1) + 2])
    original = encode_packet(packet)[position & ~1 : (position & ~1) + 2]
    if {word, original} != {b"\0\0", b"\xff\xff"}:
        assert not decode_packet(bytes(payload)).intact


@given(st.binary(max_size=200))
def test_the_checksum_is_the_folded_sum_of_words(payload: bytes) -> None:
    padded = payload + b"\0" * (len(payload) % 2)
    total = sum(int.from_bytes(padded[i : i + 2], "little") for i in range(0, len(padded), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    assert checksum(payload) % 0xFFFF == (~total & 0xFFFF) % 0xFFFF


def test_an_odd_payload_pads_itself() -> None:
    assert is_intact(bytes.fromhex("d007296af38d0a0009"))


@pytest.mark.parametrize("length", [0, 7, FRAME_MAX + 1, 0x7FFF_FFFF, 0xFFFF_FFFF])
def test_a_lying_length_is_refused_before_its_bytes_come(length: int) -> None:
    with pytest.raises(ProtocolViolation, match=str(length)):
        FrameReader().feed(bytes.fromhex("5050827d") + length.to_bytes(4, "little"))


@pytest.mark.parametrize("noise", [b"HTTP/1.1 400 Bad Request", b"\0" * 8, b"P", b"\xff"])
def test_bytes_that_are_no_frame_are_refused_at_the_first_wrong_byte(noise: bytes) -> None:
    reader = FrameReader()
    if noise == b"P":
        assert reader.feed(noise) == []
        noise = b"X"
    with pytest.raises(ProtocolViolation, match="5050827d"):
        reader.feed(noise)


def test_an_access_panel_is_named() -> None:
    with pytest.raises(NotATerminal, match="access panel"):
        FrameReader().feed(bytes.fromhex("aa01c80000d9a955"))


def test_a_payload_too_short_for_its_header_is_refused() -> None:
    with pytest.raises(ProtocolViolation, match="8 bytes"):
        decode_packet(b"1234567")
