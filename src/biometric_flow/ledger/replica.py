"""Checks a log as it is served: checkpoint, tiles and leaves (C2SP tlog-tiles), from nothing but what was fetched."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from biometric_flow.ledger.chain import EMPTY, check, leaf_hash, link
from biometric_flow.ledger.errors import ChainBroken, LedgerError
from biometric_flow.ledger.merkle import TILE_HEIGHT, TILE_WIDTH, Frontier, Tile, tile_path
from biometric_flow.ledger.note import Checkpoint, Note, PublicKey
from biometric_flow.model.ids import PlaceId

HASH: Final = 32

Fetch = Callable[[str], bytes]
"""`checkpoint`, or a path below it such as `tile/0/000` -> what is served there."""


class ReplicaAltered(LedgerError):
    """What is served does not fit together; the message names the first tile or leaf that does not."""

    code = "ledger.altered"


@dataclass(frozen=True, slots=True)
class Checked:
    """A served log in which everything fits."""

    origin: str
    size: int
    root: bytes
    cosigned_at: int | None
    """When the witness saw it, in seconds since 1970; None when nobody asked for a witness."""


def check_replica(
    fetch: Fetch,
    key: PublicKey,
    witness: PublicKey | None,
    chained: PlaceId | None,
    earlier: Sequence[Note] = (),
) -> Checked:
    """Fetch and check all of a log. Raises ReplicaAltered or NoteRefused.

    `chained` names the place of leaves that hold the hash of the leaf before; None for a log whose leaves do not.
    `earlier` are checkpoints of this log that were fetched before, from here or from elsewhere: they must still hold.
    """
    note = Note.parse(fetch("checkpoint").decode("utf-8", "replace"))
    note.verified_by(key)
    cosigned_at = None if witness is None else note.verified_by(witness)
    said = Checkpoint.parse(note.text)
    if said.origin != key.name:
        raise ReplicaAltered(f"expected a checkpoint of {key.name}, got one of {said.origin[:120]}")
    before = _earlier(earlier, key, said.size)
    tree, head = Frontier(), EMPTY
    uppers: dict[tuple[int, int], bytes] = {}
    for index in range((said.size + TILE_WIDTH - 1) // TILE_WIDTH):
        width = min(TILE_WIDTH, said.size - index * TILE_WIDTH)
        tile = Tile(0, index, width)
        leaves = list(_leaves(fetch(f"tile/{tile_path(tile, 'entries')}"), tile))
        hashes = [leaf_hash(leaf) for leaf in leaves]
        if fetch(f"tile/{tile_path(tile)}") != b"".join(hashes):
            raise ReplicaAltered(f"tile {tile_path(tile)}: its hashes are not those of the leaves")
        for leaf, hashed in zip(leaves, hashes, strict=True):
            if chained is not None:
                try:
                    head, _ = link(chained, head, leaf)
                except ChainBroken as error:
                    raise ReplicaAltered(str(error)) from error
            for height, root in tree.append(hashed):
                level, rest = divmod(height, TILE_HEIGHT)
                if rest == 0:
                    uppers[level, (tree.size >> height) - 1] = root
            if tree.size in before and before[tree.size] != tree.root():
                raise ReplicaAltered(
                    f"the checkpoint over {tree.size} entries that was seen before is of another history than is served"
                )
    _check_uppers(fetch, said.size, uppers)
    if tree.root() != said.root:
        raise ReplicaAltered(f"the checkpoint over {said.size} leaves was signed over others than are served")
    return Checked(said.origin, said.size, said.root, cosigned_at)


def check_records(place: PlaceId, entries: Iterable[tuple[bytes, bytes, bytes]]) -> tuple[int, bytes]:
    """How many entries these are, each as leaf, record and opening from the first on, and the root over them.

    Raises ReplicaAltered for the first whose record is not what its leaf promises, or that does not continue the chain.
    """
    tree, head = Frontier(), EMPTY
    for leaf, record, opening in entries:
        try:
            head = check(place, head, leaf, record, opening)
        except ChainBroken as error:
            raise ReplicaAltered(str(error)) from error
        tree.append(head.hash)
    return tree.size, tree.root()


def _earlier(notes: Sequence[Note], key: PublicKey, size: int) -> dict[int, bytes]:
    """Size and root of checkpoints that were seen before. Raises ReplicaAltered when less is served than they cover."""
    found: dict[int, bytes] = {}
    for note in notes:
        note.verified_by(key)
        said = Checkpoint.parse(note.text)
        if said.size > size:
            raise ReplicaAltered(
                f"a checkpoint over {said.size} entries was seen before, the one that is served covers {size}: entries"
                " were taken away, or an older copy was put back"
            )
        found[said.size] = said.root
    return found


def _leaves(content: bytes, tile: Tile) -> Iterator[bytes]:
    where, at, count = f"tile {tile_path(tile, 'entries')}", 0, 0
    while at < len(content):
        length = int.from_bytes(content[at : at + 2], "big")
        if at + 2 + length > len(content):
            raise ReplicaAltered(f"{where}: it ends within a leaf")
        yield content[at + 2 : at + 2 + length]
        at, count = at + 2 + length, count + 1
    if count != tile.width:
        raise ReplicaAltered(f"{where}: expected {tile.width} leaves, got {count}")


def _check_uppers(fetch: Fetch, size: int, expected: dict[tuple[int, int], bytes]) -> None:
    level = 1
    while count := size >> TILE_HEIGHT * level:
        for index in range((count + TILE_WIDTH - 1) // TILE_WIDTH):
            tile = Tile(level, index, min(TILE_WIDTH, count - index * TILE_WIDTH))
            content = b"".join(expected[level, index * TILE_WIDTH + at] for at in range(tile.width))
            if fetch(f"tile/{tile_path(tile)}") != content:
                raise ReplicaAltered(f"tile {tile_path(tile)}: it is not what the tiles below it add up to")
        level += 1
