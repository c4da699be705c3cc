"""Every single bit of a place's file turned, one at a time: found by the product's own verify, or without any meaning.

`python -m tests.services.bits FOLDER [--first BYTE] [--last BYTE] [--every N] [--jobs N]` makes a ledger of a thousand
punches in FOLDER, or takes the one that is there, and goes through its bytes in pieces. What is done stands in
`done.jsonl`, so that a run that was stopped goes on. The file lies on a memory disk, one bit of it is turned in place,
and pure functions of the verify are remembered by their arguments: opening a sealed value, checking a leaf against its
head, reading a record. Everything else of `audit` runs anew for every bit.
"""

import argparse
import functools
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from biometric_flow.ledger import chain, events
from biometric_flow.ledger.errors import LedgerAltered
from biometric_flow.place import judge as judge_module
from biometric_flow.place.audit import audit
from biometric_flow.place.keys import PlaceKeys
from tests.services.stores import keys_of
from tests.services.test_place_audit import CAIRO, KEYS, ledger, told

PIECE: Final = 64
"""Bytes in one line of `done.jsonl`."""
PAGE: Final = 4096
HEADER: Final = 100


def remembering(keys: PlaceKeys) -> PlaceKeys:
    """The key store, which opens equal bytes once; what `audit` asks of pure functions is remembered too."""
    judge_module.check = functools.lru_cache(maxsize=20_000)(chain.check)
    judge_module.decode = functools.lru_cache(maxsize=20_000)(events.decode)
    for name in ("open", "opened", "derived"):
        setattr(keys, name, functools.lru_cache(maxsize=20_000)(getattr(keys, name)))
    return keys


def turn_every_bit(file: Path, truth: object, keys: PlaceKeys, places: Sequence[int]) -> Counter[str]:
    """Turn each bit of these bytes; how many were found, and where those lie that say nothing.

    Raises AssertionError for a bit that changes what is told and that nobody noticed.
    """
    count: Counter[str] = Counter()
    with file.open("r+b", buffering=0) as disk:
        for at in places:
            disk.seek(at)
            (before,) = disk.read(1)
            for bit in range(8):
                _write(disk, at, before ^ 1 << bit)
                try:
                    audit(file, CAIRO, KEYS, keys)
                except LedgerAltered:
                    count["found"] += 1
                else:
                    assert told(file) == truth, f"bit {bit} of byte {at} changed what is told, and nothing noticed"
                    count[meaning(file, at)] += 1
            _write(disk, at, before)
    return count


def meaning(file: Path, at: int) -> str:
    """Why a bit may be turned without anybody noticing: what of SQLite's format it lies in (sqlite.org/fileformat2)."""
    if at < HEADER:
        return "header of the file"
    number, offset = divmod(at, PAGE)
    page = file.read_bytes()[number * PAGE : (number + 1) * PAGE]
    start = HEADER if number == 0 else 0
    kind, cells = page[start], int.from_bytes(page[start + 3 : start + 5], "big")
    head = start + (12 if kind in (2, 5) else 8)
    content = int.from_bytes(page[start + 5 : start + 7], "big") or 65_536
    if kind not in (2, 5, 10, 13):
        return "rest of a page that is free or goes on from another"
    if offset < head:
        return "header of a page"
    if head + 2 * cells <= offset < content:
        return "between the pointers and the cells of a page"
    return "schema" if number == 0 else "free block, or a cell of no evidence"


def _write(disk: Any, at: int, value: int) -> None:
    disk.seek(at)
    disk.write(bytes([value]))


def _piece(work: tuple[str, int, int]) -> dict[str, Any]:
    """One piece, in a process of its own with a copy of its own."""
    folder, first, last = work
    truth_of, keys, copy = _prepared(folder)
    began = time.monotonic()
    count = turn_every_bit(copy, truth_of, keys, range(first, last))
    return {"first": first, "last": last, "seconds": round(time.monotonic() - began, 2), **count}


@functools.cache
def _prepared(folder: str) -> tuple[object, PlaceKeys, Path]:
    file = Path(folder) / "place.sqlite3"
    memory = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else None
    copy = Path(tempfile.mkdtemp(dir=memory, prefix="bf-bits-")) / file.name
    shutil.copy(file, copy)
    return told(file), remembering(keys_of(file)), copy


def _left(size: int, first: int, last: int | None, done: set[int]) -> Iterator[tuple[int, int]]:
    for start in range(first - first % PIECE, min(size, last or size), PIECE):
        if start not in done:
            yield start, min(start + PIECE, size)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--punches", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--last", type=int)
    parser.add_argument("--every", type=int, default=1, help="only every n-th piece, spread over the whole file")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    given = parser.parse_args(arguments)
    given.folder.mkdir(exist_ok=True)
    file, log = given.folder / "place.sqlite3", given.folder / "done.jsonl"
    if not file.exists():
        ledger(given.folder, given.punches)
    lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    pieces = list(_left(file.stat().st_size, given.first, given.last, {one["first"] for one in lines}))[:: given.every]
    with multiprocessing.get_context("fork").Pool(given.jobs) as pool, log.open("a") as out:
        for one in pool.imap_unordered(_piece, [(str(given.folder), *piece) for piece in pieces]):
            out.write(json.dumps(one) + "\n")
            out.flush()
            lines.append(one)
    total: Counter[str] = Counter()
    for one in lines:
        total.update({name: value for name, value in one.items() if name not in ("first", "last", "seconds")})
    sys.stdout.write(json.dumps({"bytes": file.stat().st_size, "bits": sum(total.values()), **total}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
