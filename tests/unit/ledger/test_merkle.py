"""RFC 6962 with the reference tree that its implementations test against, and the laws that hold for every tree."""

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biometric_flow.ledger.chain import leaf_hash
from biometric_flow.ledger.errors import TreeIncomplete
from biometric_flow.ledger.merkle import (
    EMPTY_ROOT,
    TILE_WIDTH,
    Frontier,
    Span,
    Tile,
    consistency,
    fold,
    full_tiles,
    hash_of,
    inclusion,
    tile_path,
    tiles_of,
    verifies_consistency,
    verifies_inclusion,
)

LEAVES = [bytes.fromhex(text) for text in ("", "00", "10", "2021", "3031", "40414243")] + [
    bytes(range(0x50, 0x58)),
    bytes(range(0x60, 0x70)),
]
HASHES = [leaf_hash(leaf) for leaf in LEAVES]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION = {
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
}
CONSISTENCY = {
    (1, 8): INCLUSION[0, 8],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


def reference_root(leaves: Sequence[bytes]) -> bytes:
    """Section 2.1 of RFC 6962 word by word."""
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha256().digest()
    middle = 1
    while middle * 2 < len(leaves):
        middle *= 2
    left, right = reference_root(leaves[:middle]), reference_root(leaves[middle:])
    return hashlib.sha256(b"\x01" + left + right).digest()


def tiles(hashes: Sequence[bytes], wanted: Sequence[Tile]) -> dict[tuple[int, int], list[bytes]]:
    """Each tile made anew from the leaves, as its definition says."""
    found = {}
    for tile in wanted:
        step = TILE_WIDTH**tile.level
        starts = [(tile.index * TILE_WIDTH + number) * step for number in range(tile.width)]
        assert starts[-1] + step <= len(hashes), "a tile holds only full subtrees"
        found[tile.level, tile.index] = [reference_root(hashes[start : start + step]) for start in starts]
    return found


def prove(hashes: Sequence[bytes], spans: Sequence[Span]) -> list[bytes]:
    held = tiles(hashes, tiles_of(spans, len(hashes)))
    return [hash_of(span, held) for span in spans]


def made(count: int) -> list[bytes]:
    return [leaf_hash(number.to_bytes(4, "big")) for number in range(count)]


def flipped(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.parametrize("size", range(9))
def test_roots_of_the_reference_tree(size: int) -> None:
    assert fold(HASHES[:size]).hex() == ROOTS[size]
    assert prove(HASHES[:size], [Span(0, size)]) == [bytes.fromhex(ROOTS[size])]


@pytest.mark.parametrize(("index", "size"), INCLUSION)
def test_inclusion_proofs_of_the_reference_tree(index: int, size: int) -> None:
    proof = prove(HASHES[:size], inclusion(index, size))
    assert [one.hex() for one in proof] == INCLUSION[index, size]
    assert verifies_inclusion(HASHES[index], index, size, proof, bytes.fromhex(ROOTS[size]))


@pytest.mark.parametrize(("old", "new"), CONSISTENCY)
def test_consistency_proofs_of_the_reference_tree(old: int, new: int) -> None:
    proof = prove(HASHES[:new], consistency(old, new))
    assert [one.hex() for one in proof] == CONSISTENCY[old, new]
    assert verifies_consistency(old, new, proof, bytes.fromhex(ROOTS[old]), bytes.fromhex(ROOTS[new]))


def test_every_proof_of_every_small_tree_verifies() -> None:
    for size in range(1, 34):
        hashes = made(size)
        root = reference_root(hashes)
        for index in range(size):
            assert verifies_inclusion(hashes[index], index, size, prove(hashes, inclusion(index, size)), root)
        for old in range(size + 1):
            proof = prove(hashes, consistency(old, size))
            assert verifies_consistency(old, size, proof, reference_root(hashes[:old]), root)


@given(st.integers(1, 700), st.data())
def test_proofs_of_larger_trees_verify_and_no_altered_one_does(size: int, data: st.DataObject) -> None:
    hashes = made(size)
    root = fold(hashes)
    index = data.draw(st.integers(0, size - 1))
    proof = prove(hashes, inclusion(index, size))
    assert verifies_inclusion(hashes[index], index, size, proof, root)
    bit = data.draw(st.integers(0, 255))
    assert not verifies_inclusion(flipped(hashes[index], bit), index, size, proof, root)
    assert not verifies_inclusion(hashes[index], index, size, proof, flipped(root, bit))
    assert not verifies_inclusion(hashes[index], index, size, [*proof, root], root)
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        bad = [*proof[:at], flipped(proof[at], bit), *proof[at + 1 :]]
        assert not verifies_inclusion(hashes[index], index, size, bad, root)
        assert not verifies_inclusion(hashes[index], index, size, proof[:-1], root)
        other = data.draw(st.integers(0, size - 1).filter(lambda number: number != index))
        assert not verifies_inclusion(hashes[index], other, size, proof, root)


@given(st.integers(1, 700), st.data())
def test_no_altered_consistency_proof_verifies(size: int, data: st.DataObject) -> None:
    hashes = made(size)
    root, old = fold(hashes), data.draw(st.integers(0, size))
    proof, old_root = prove(hashes, consistency(old, size)), fold(hashes[:old])
    assert verifies_consistency(old, size, proof, old_root, root)
    bit = data.draw(st.integers(0, 255))
    assert not verifies_consistency(old, size, [*proof, root], old_root, root)
    assert not verifies_consistency(old, size, proof, flipped(old_root, bit), root)
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        bad = [*proof[:at], flipped(proof[at], bit), *proof[at + 1 :]]
        assert not verifies_consistency(old, size, bad, old_root, root)
        assert not verifies_consistency(old, size, proof[1:], old_root, root)
        assert not verifies_consistency(old, size, proof, old_root, flipped(root, bit))


@given(st.lists(st.binary(max_size=40), max_size=12), st.integers(-3, 40), st.integers(-3, 40))
def test_no_nonsense_breaks_the_verifiers(proof: list[bytes], one: int, other: int) -> None:
    assert not verifies_inclusion(bytes(32), one, other, proof, b"x" * 32)
    assert not verifies_consistency(one, other, proof, bytes(32), b"x" * 32)


def test_a_tree_of_seventy_thousand_has_the_tiles_of_the_specification() -> None:
    """C2SP tlog-tiles: 273 full tiles and a partial one of 112, one full and one of 17 above, one of width 1."""
    filled = full_tiles(0, 70_000)
    assert [sum(tile.level == level for tile in filled) for level in (0, 1, 2)] == [273, 1, 0]
    assert set(tiles_of([Span(0, 70_000)], 70_000)) == {Tile(0, 273, 112), Tile(1, 1, 17), Tile(2, 0, 1)}
    assert {*full_tiles(0, 300), *full_tiles(300, 70_000)} == set(filled)


@pytest.mark.parametrize(
    ("tile", "kind", "path"),
    [
        (Tile(0, 0), None, "0/000"),
        (Tile(1, 1_234_067), None, "1/x001/x234/067"),
        (Tile(0, 273, 112), None, "0/273.p/112"),
        (Tile(0, 1000, 5), "entries", "entries/x001/000.p/5"),
    ],
)
def test_tile_paths(tile: Tile, kind: str | None, path: str) -> None:
    assert tile_path(tile, kind) == path


def test_a_growing_tree_knows_its_root_and_what_it_filled_at_every_size() -> None:
    frontier, hashes = Frontier(), made(70)
    for size, leaf in enumerate(hashes, 1):
        filled = frontier.append(leaf)
        assert frontier.root() == reference_root(hashes[:size])
        assert filled == [
            (height, reference_root(hashes[size - (1 << height) : size]))
            for height in range(1, 8)
            if size % (1 << height) == 0
        ]


def test_a_tree_without_leaves_has_the_empty_root() -> None:
    assert fold([]) == Frontier().root() == EMPTY_ROOT == hash_of(Span(0, 0), {})


def test_impossible_wishes_are_refused() -> None:
    with pytest.raises(ValueError, match="below the size 3"):
        inclusion(3, 3)
    with pytest.raises(ValueError, match="do not fall"):
        consistency(4, 3)
    with pytest.raises(TreeIncomplete):
        hash_of(Span(0, 3), {(0, 0): [bytes(32)] * 2})
