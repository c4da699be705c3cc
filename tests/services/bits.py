"""Every single bit of a place's file turned, one at a time: found by the product's own verify, or without any meaning.

`python -m tests.services.bits FOLDER [--check N] [--jobs N]` makes a ledger of a thousand punches in FOLDER, or takes
the one that is there, and goes through it page by page. What is done stands in `done.jsonl`, so that a run that was
stopped goes on. Each bit is judged as `bits_by_row.py` says; `--check` turns N bits more, of every kind of place alike,
and has the whole `audit` of the product say whether they are found and what is named first.
"""

import argparse
import functools
import json
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from biometric_flow.ledger import chain, events
from biometric_flow.ledger.errors import LedgerAltered
from biometric_flow.place import judge as judge_module
from biometric_flow.place.audit import audit
from biometric_flow.runtime.key_store import KeyStore
from tests.services.bits_by_row import PAGE, Remembered
from tests.services.stores import keys_of
from tests.services.test_place_audit import CAIRO, KEYS, ledger, told

CHECKED_AT_ONCE: Final = 50


def remembering(keys: KeyStore) -> KeyStore:
    """The key store, which opens equal bytes once; what `audit` asks of pure functions is remembered too."""
    judge_module.check = functools.lru_cache(maxsize=20_000)(chain.check)
    judge_module.decode = functools.lru_cache(maxsize=20_000)(events.decode)
    for name in ("open", "opened", "derived"):
        setattr(keys, name, functools.lru_cache(maxsize=20_000)(getattr(keys, name)))
    return keys


def turn_every_bit(file: Remembered, places: Sequence[int]) -> Counter[str]:
    """Turn each bit of these bytes; how many were found, and where those lie that say nothing.

    Raises AssertionError for a bit that changes what is told and that nobody noticed, and for one among the values of
    an entry or its row for which another one is named.
    """
    count: Counter[str] = Counter()
    for at in places:
        where, entry = file.where(at)
        for bit in range(8):
            is_found, named = file.verdict(at, bit)
            assert entry is None or f"entry {entry}:" in named, f"bit {bit} of byte {at}: {where} {entry}, got {named}"
            count[f"{'found' if is_found else 'silent'} in {where}"] += 1
    return count


def compare(file: Remembered, path: Path, keys: KeyStore, bits: Sequence[tuple[int, int]]) -> Counter[str]:
    """Turn these bits, and have the whole verify of the product look; it says what was judged by the row alone."""
    count: Counter[str] = Counter()
    truth = told(path)
    for at, bit in bits:
        where, entry = file.where(at)
        is_found, named = file.verdict(at, bit)
        with path.open("r+b", buffering=0) as disk:
            before = os.pread(disk.fileno(), 1, at)
            os.pwrite(disk.fileno(), bytes([before[0] ^ 1 << bit]), at)
            try:
                audit(path, CAIRO, KEYS, keys)
                message = ""
                assert told(path) == truth, f"bit {bit} of byte {at} changed what is told, and nothing noticed"
            except LedgerAltered as error:
                message = str(error)
            finally:
                os.pwrite(disk.fileno(), before, at)
        assert bool(message) == is_found, (
            f"bit {bit} of byte {at} in {where}: judged {named!r}, verify says {message!r}"
        )
        if entry is not None:
            assert f"entry {entry}:" in message, f"bit {bit} of byte {at}: {where} {entry}, got {message}"
        if where == "indexes of punch: values":
            assert message.startswith("the database file: index "), message
        count[f"checked: {where}"] += 1
    return count


def of_every_kind(file: Remembered, size: int, wanted: int, chance: random.Random) -> list[tuple[int, int]]:
    """Bits of every kind of place in the file, as many of each as there are, up to `wanted` of all."""
    kinds: dict[str, list[int]] = {}
    for at in chance.sample(range(size), size):
        kinds.setdefault(file.where(at)[0], []).append(at)
    found: list[tuple[int, int]] = []
    left = sorted(kinds.values(), key=len)
    for number, places in enumerate(left):
        share = (wanted - len(found)) // (len(left) - number)
        found += [(at, chance.randrange(8)) for at in places[:share]]
    return found


def _page(work: tuple[str, int]) -> dict[str, Any]:
    """One page, in a process of its own with a copy of its own."""
    folder, number = work
    began = time.process_time()
    count = turn_every_bit(_prepared(folder)[0], range(number * PAGE, (number + 1) * PAGE))
    return {"page": number, "seconds": round(time.process_time() - began, 2), "bits": count}


def _checked(work: tuple[str, list[tuple[int, int]]]) -> dict[str, Any]:
    file, path, keys = _prepared(work[0])
    return {"bits": compare(file, path, keys, work[1])}


@functools.cache
def _prepared(folder: str) -> tuple[Remembered, Path, KeyStore]:
    source = Path(folder) / "place.sqlite3"
    keys = remembering(keys_of(source))
    memory = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else None
    copies = Path(tempfile.mkdtemp(dir=memory, prefix="bf-bits-"))
    judged, verified = (Path(shutil.copy(source, copies / name)) for name in ("judged.sqlite3", "place.sqlite3"))
    return Remembered(judged, keys), verified, keys


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--punches", type=int, default=1000)
    parser.add_argument("--every", type=int, default=1, help="only every n-th page, spread over the whole file")
    parser.add_argument("--check", type=int, default=0, help="bits that the whole verify is asked about")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    given = parser.parse_args(arguments)
    given.folder.mkdir(exist_ok=True)
    file, log = given.folder / "place.sqlite3", given.folder / "done.jsonl"
    if not file.exists():
        ledger(given.folder, given.punches)
    size, folder = file.stat().st_size, str(given.folder)
    lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    done = {one.get("page") for one in lines}
    pages = [(folder, page) for page in range(0, size // PAGE, given.every) if page not in done]
    sample = of_every_kind(_prepared(folder)[0], size, given.check, random.Random()) if given.check else []
    checks = [(folder, sample[at : at + CHECKED_AT_ONCE]) for at in range(0, len(sample), CHECKED_AT_ONCE)]
    _prepared.cache_clear()
    with multiprocessing.get_context("fork").Pool(given.jobs) as pool, log.open("a") as out:
        for runs in (pool.imap_unordered(_page, pages), pool.imap_unordered(_checked, checks)):
            for one in runs:
                out.write(json.dumps(one) + "\n")
                out.flush()
                lines.append(one)
    total: Counter[str] = Counter()
    for one in lines:
        total.update(one["bits"])
    bits = sum(count for name, count in total.items() if not name.startswith("checked"))
    sums = {
        word: sum(n for name, n in total.items() if name.startswith(word)) for word in ("found", "silent", "checked")
    }
    sys.stdout.write(json.dumps({"bytes": size, "bits": bits, **sums, **dict(sorted(total.items()))}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
