"""RFC 6962 Merkle trees over leaf hashes: roots, proofs and their verification; hashes lie in C2SP tlog-tiles.

A proof is made in three steps, so that nothing here reads a disk: which spans of leaves it is made of, which tiles hold
their hashes, and, once these are read, the hashes themselves.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from biometric_flow.ledger.errors import TreeIncomplete

HASH_BYTES: Final = 32
TILE_HEIGHT: Final = 8
TILE_WIDTH: Final = 1 << TILE_HEIGHT
EMPTY_ROOT: Final = hashlib.sha256().digest()
"""The root of a tree without leaves."""

_PATH: Final = re.compile(r"(entries|[0-9]{1,2})/((?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/([0-9]{1,3}))?")


@dataclass(frozen=True, slots=True)
class Span:
    """Leaves from `begin` up to but not `end`, counted from 0: one subtree of RFC 6962 section 2.1."""

    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Tile:
    """Consecutive hashes of one level: level 0 are leaf hashes, each level above the roots of full tiles below."""

    level: int
    index: int
    width: int = TILE_WIDTH


Tiles = Mapping[tuple[int, int], Sequence[bytes]]
"""(level, index) of a tile -> its hashes."""


class Frontier:
    """A tree that only grows, as the roots of its full subtrees: enough to know its root at any moment."""

    def __init__(self) -> None:
        self.size = 0
        self._roots: list[bytes] = []

    def append(self, leaf: bytes) -> list[tuple[int, bytes]]:
        """Add a leaf hash. Returns the subtrees that it filled as (height, root), lowest first, from height 1."""
        filled: list[tuple[int, bytes]] = []
        rest, total = self.size, leaf
        while rest & 1:
            total = node_hash(self._roots.pop(), total)
            filled.append((len(filled) + 1, total))
            rest >>= 1
        self._roots.append(total)
        self.size += 1
        return filled

    def root(self) -> bytes:
        """The root over all leaves so far."""
        if not self._roots:
            return EMPTY_ROOT
        total = self._roots[-1]
        for left in self._roots[-2::-1]:
            total = node_hash(left, total)
        return total


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node: SHA-256 over 0x01 and both children."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def fold(hashes: Sequence[bytes]) -> bytes:
    """The root over consecutive hashes of one level, any number of them."""
    if not hashes:
        return EMPTY_ROOT
    row = list(hashes)
    while len(row) > 1:
        # A last one without a partner rises unchanged; that is where RFC 6962 puts it too.
        above = [node_hash(row[at], row[at + 1]) for at in range(0, len(row) - 1, 2)]
        row = above if len(row) % 2 == 0 else [*above, row[-1]]
    return row[0]


def inclusion(index: int, size: int) -> list[Span]:
    """What an inclusion proof of a leaf is made of, from the leaf's sibling to the root's child."""
    if not 0 <= index < size:
        raise ValueError(f"expected a leaf below the size {size}, got {index}")
    path: list[Span] = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            path.append(Span(middle, end))
            end = middle
        else:
            path.append(Span(begin, middle))
            begin = middle
    return path[::-1]


def consistency(old: int, new: int) -> list[Span]:
    """What a consistency proof is made of; empty from an empty tree and between equal sizes."""
    if not 0 <= old <= new:
        raise ValueError(f"expected sizes that do not fall, got {old} and {new}")
    if old in (0, new):
        return []
    path: list[Span] = []
    begin, end = 0, new
    while old != end:
        middle = begin + _split(end - begin)
        if old <= middle:
            path.append(Span(middle, end))
            end = middle
        else:
            path.append(Span(begin, middle))
            begin = middle
    # The old tree itself is a subtree of the new one: its root is known to the verifier and left out.
    return ([Span(begin, end)] if begin else []) + path[::-1]


def tiles_of(spans: Iterable[Span], size: int) -> list[Tile]:
    """The tiles that hold what is needed for the hashes of these spans in a tree of this size."""
    found = {
        (height // TILE_HEIGHT, (number << height % TILE_HEIGHT) // TILE_WIDTH)
        for span in spans
        for height, number in _nodes(span)
    }
    return [
        Tile(level, index, min(TILE_WIDTH, (size >> TILE_HEIGHT * level) - index * TILE_WIDTH))
        for level, index in sorted(found)
    ]


def hash_of(span: Span, tiles: Tiles) -> bytes:
    """The root over the leaves of a span. Raises TreeIncomplete when `tiles` lack what `tiles_of` names."""
    total = b""
    for height, number in reversed(_nodes(span)):
        first = number << height % TILE_HEIGHT
        start = first % TILE_WIDTH
        held = tiles.get((height // TILE_HEIGHT, first // TILE_WIDTH), ())
        hashes = held[start : start + (1 << height % TILE_HEIGHT)]
        if len(hashes) < 1 << height % TILE_HEIGHT:
            raise TreeIncomplete(f"expected hashes of all leaves from {span.begin} to {span.end}, some are missing")
        own = fold(hashes)
        total = node_hash(own, total) if total else own
    return total or EMPTY_ROOT


def verifies_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether a leaf hash stands at this index of the tree with this size and root (RFC 9162 section 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    at, last, total = index, size - 1, leaf
    for sibling in proof:
        if last == 0 or len(sibling) != HASH_BYTES:
            return False
        if at & 1 or at == last:
            total = node_hash(sibling, total)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            total = node_hash(total, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and total == root


def verifies_consistency(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> bool:
    """Whether the old tree is the beginning of the new one (RFC 9162 section 2.1.4.2)."""
    if old == new or old == 0:
        return 0 <= old <= new and not proof and (old_root == new_root if old == new else old_root == EMPTY_ROOT)
    if not 0 < old < new or any(len(one) != HASH_BYTES for one in proof):
        return False
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    path = list(proof) if at else [old_root, *proof]
    if not path:
        return False
    was = now = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            was, now = node_hash(sibling, was), node_hash(sibling, now)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            now = node_hash(now, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and was == old_root and now == new_root


def full_tiles(old: int, new: int) -> list[Tile]:
    """The tiles that a tree fills when it grows, lower levels first; each becomes one hash of the level above."""
    filled: list[Tile] = []
    level, below, above = 0, old, new
    while above >= TILE_WIDTH:
        below, above = below // TILE_WIDTH, above // TILE_WIDTH
        filled += [Tile(level, index) for index in range(below, above)]
        level += 1
    return filled


def tile_path(tile: Tile, kind: str | None = None) -> str:
    """A tile's path below `tile/` as C2SP tlog-tiles writes it; `kind` replaces the level (`entries`)."""
    groups = [f"{tile.index % 1000:03d}"]
    rest = tile.index // 1000
    while rest:
        groups.insert(0, f"x{rest % 1000:03d}")
        rest //= 1000
    partial = f".p/{tile.width}" if tile.width < TILE_WIDTH else ""
    return f"{tile.level if kind is None else kind}/{'/'.join(groups)}{partial}"


def read_tile_path(path: str) -> tuple[Tile, bool]:
    """The tile that a path below `tile/` names, and whether its entries are meant. Raises ValueError."""
    if not (found := _PATH.fullmatch(path)):
        raise ValueError(f"expected a tile's path such as 0/x001/234 or entries/000.p/17, got {path[:80]!r}")
    level, number, width = found.groups()
    digits = number.replace("x", "").replace("/", "")
    tile = Tile(0 if level == "entries" else int(level), int(digits), int(width) if width else TILE_WIDTH)
    if not 0 < tile.width <= TILE_WIDTH or tile_path(tile, "entries" if level == "entries" else None) != path:
        raise ValueError(f"expected the path of a tile in its one spelling, got {path[:80]!r}")
    return tile, level == "entries"


def is_within(tile: Tile, size: int) -> bool:
    """Whether a tree of this size has all hashes of the tile."""
    return tile.index * TILE_WIDTH + tile.width <= size >> TILE_HEIGHT * tile.level


def bundle(leaves: Iterable[bytes]) -> bytes:
    """An entry bundle of C2SP tlog-tiles: each leaf behind its length in two bytes."""
    return b"".join(len(leaf).to_bytes(2, "big") + leaf for leaf in leaves)


def _split(count: int) -> int:
    """The largest power of two below a number of leaves."""
    return 1 << (count - 1).bit_length() - 1


def _nodes(span: Span) -> list[tuple[int, int]]:
    """The full subtrees that a span is made of, left to right, as (height, number within the height)."""
    nodes: list[tuple[int, int]] = []
    begin = span.begin
    while begin < span.end:
        height = (span.end - begin).bit_length() - 1
        nodes.append((height, begin >> height))
        begin += 1 << height
    return nodes
