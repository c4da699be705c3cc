"""Every bit of a place's file, turned one at a time, is found or means nothing; see `bits.py` for the whole."""

import json
import random
import sys
from pathlib import Path

import pytest

from biometric_flow.place import judge as judge_module
from biometric_flow.runtime.errors import FolderUnusable
from biometric_flow.runtime.key_file import FILE_NAME, KEYS_FOLDER
from biometric_flow.runtime.key_store import open_keys, read_keys
from biometric_flow.runtime.root_home import root_keys
from tests.builders import TENANT
from tests.services import bits
from tests.services.bits_beside import RESERVED, Beside, some_of
from tests.services.bits_by_row import PAGE, Remembered
from tests.services.test_place_audit import ledger


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ledger of a hundred punches; what `bits` remembers is forgotten after the test."""
    for name in ("check", "decode"):
        monkeypatch.setattr(judge_module, name, getattr(judge_module, name))
    return ledger(tmp_path, 100)


def prepared(file: Path) -> tuple[Remembered, Path]:
    bits._prepared.cache_clear()
    judged, verified, _ = bits._prepared(str(file.parent))
    return judged, verified


def test_every_bit_of_some_bytes_is_found_or_means_nothing_and_verify_says_the_same(small: Path) -> None:
    judged, verified = prepared(small)
    size, chance = small.stat().st_size, random.Random(20261123)
    count = bits.turn_every_bit(judged, chance.sample(range(PAGE, size), 1500))
    assert sum(count.values()) == 12_000
    assert sum(number for name, number in count.items() if name.startswith("found")) > 2000
    sample = bits.of_every_kind(judged, size, 150, chance)
    assert sum(bits.compare(judged, verified, bits._prepared(str(small.parent))[2], sample).values()) == 150


def test_an_index_whose_order_a_turned_bit_broke_is_told_from_an_altered_row(small: Path) -> None:
    judged, verified = prepared(small)
    of_index = [judged.where(at)[0] == "indexes of punch: values" for at in range(small.stat().st_size)]
    first = [at for at, is_value in enumerate(of_index) if is_value and not of_index[at - 1]]
    sample = [(at, 7) for at in random.Random(20261123).sample(first, 40)]
    count = bits.compare(judged, verified, bits._prepared(str(small.parent))[2], sample)
    assert count["checked: indexes of punch: values"] == 40


@pytest.mark.parametrize(("word", "bit"), [(b"subject", 0), (b"active", 5), (b"CREATE UNIQUE", 7)])
def test_a_turned_bit_in_a_word_of_the_key_store_refuses_it_by_name(small: Path, word: bytes, bit: int) -> None:
    folder = small.parent / KEYS_FOLDER
    file = folder / FILE_NAME
    content = bytearray(file.read_bytes())
    content[content.index(word, 0 if word.isupper() else PAGE)] ^= 1 << bit  # in the schema, or in the table
    file.write_bytes(content)
    for opening in (open_keys, read_keys):
        with pytest.raises(FolderUnusable, match=r"the key store .*keys\.sqlite3"):
            opening(folder, TENANT, root_keys(folder))


@pytest.mark.parametrize("share", [150, pytest.param(0, marks=[pytest.mark.drill, pytest.mark.timeout(7200)])])
def test_every_bit_of_the_files_beside_the_database_is_named_or_changes_no_key(tmp_path: Path, share: int) -> None:
    place, chance = Beside(tmp_path, 100 if share else 1000), random.Random(20261123)
    for file in place.files:
        size = file.stat().st_size
        bits = list(some_of(file, share, chance)) if share else range(size * 8)
        count = place.turn(file, bits, every=50)
        sys.stdout.write(f"{file.name}: {size} bytes, {json.dumps(count)}\n")
        assert set(count) <= {"found", "silent", RESERVED}
        assert sum(count.values()) == len(bits)
        assert count["found"] > len(bits) // 20


@pytest.mark.drill
@pytest.mark.timeout(7200)
def test_every_bit_of_the_file_of_a_thousand_punches_is_found_or_means_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bits.main([str(tmp_path / "run"), "--check", "2000"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["bits"], told["checked"]) == (told["bytes"] * 8, 2000)
