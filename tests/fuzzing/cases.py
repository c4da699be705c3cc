"""Cases drawn from a seed: real bytes, damaged."""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Final

CASE_MAX: Final = 4096
"""Bytes of a case at most: the longest line that terminals send."""

_SPICE: Final = (
    b"\t", b"\n", b"\r", b"=", b" ", b"\0", b"&", b"ID=", b"\xff\xfe", b"9" * 30, b"-", b"[", b"\xd5\xc5", b"\xc2\x85",
    b"\x50\x50\x82\x7d", b"\xff\xff\xff\xff", b"\x00\x00\x00\x80", b"\xff\xff\xff\x7f", b"\xd0\x07", b"\xdc\x05",
    b"\xdd\x05", b"\xf4\x01", "٣".encode(), "\u202e".encode(), b"\xf4\x90\x80\x80", b"a=", b"\t=",
)  # fmt: skip
_EDGES: Final = (0, 1, 0x7F, 0x80, 0xFF)


def cases(seeds: Sequence[bytes], count: int, seed: int | str) -> Iterator[bytes]:
    """`count` cases of at most CASE_MAX bytes; the same for the same seed."""
    dice = random.Random(seed)
    for _ in range(count):
        raw = bytearray(dice.choice(seeds) * dice.choice((1, 1, 1, 2, 5)))
        for _ in range(dice.randrange(6)):
            dice.choice(_CHANGES)(raw, dice)
        if dice.randrange(100) == 0:
            _inflate(raw, dice)
        yield bytes(raw[:CASE_MAX])


def inflated(seeds: Sequence[bytes], size: int) -> Iterator[bytes]:
    """A few cases of `size` bytes that cost a lot where work is done again for every byte."""
    for part in (*_SPICE, b"(", b"a", b"a=\t", b" a", b"\n ", b"ID=1&\n", b"00"):
        run = part * (size // len(part))
        yield b"FP PIN=1" + run + b"!"
    for seed in seeds[::4]:
        if seed:
            yield (seed + b"\n") * (size // (len(seed) + 1))


def _edge(raw: bytearray, dice: random.Random) -> None:
    if raw:
        raw[dice.randrange(len(raw))] = dice.choice((*_EDGES, dice.randrange(256)))


def _spice(raw: bytearray, dice: random.Random) -> None:
    place = dice.randrange(len(raw) + 1)
    raw[place : place + dice.randrange(2)] = dice.choice(_SPICE)


def _write(raw: bytearray, dice: random.Random) -> None:
    spice = dice.choice(_SPICE)
    place = dice.randrange(len(raw) + 1)
    raw[place : place + len(spice)] = spice


def _cut(raw: bytearray, dice: random.Random) -> None:
    place = dice.randrange(len(raw) + 1)
    del raw[place : place + dice.randrange(12)]


def _trim(raw: bytearray, dice: random.Random) -> None:
    del raw[: dice.choice((0, 0, 8, dice.randrange(20)))]
    del raw[max(0, len(raw) - dice.choice((0, 0, 1, dice.randrange(30)))) :]


def _inflate(raw: bytearray, dice: random.Random) -> None:
    place = dice.randrange(len(raw) + 1)
    part = dice.choice((*_SPICE, bytes(raw[place : place + 3]) or b" "))
    raw[place:place] = part * (dice.randrange(CASE_MAX) // len(part))


_CHANGES: Final[tuple[Callable[[bytearray, random.Random], None], ...]] = (_edge, _edge, _spice, _write, _cut, _trim)
