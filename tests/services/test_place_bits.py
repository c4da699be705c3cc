"""Every bit of a place's file, turned one at a time, is found or means nothing; see `bits.py` for the whole."""

import random
from pathlib import Path

import pytest

from biometric_flow.place import judge as judge_module
from tests.services import bits
from tests.services.stores import keys_of
from tests.services.test_place_audit import ledger, told


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ledger of a hundred punches; what `bits` remembers is forgotten after the test."""
    for name in ("check", "decode"):
        monkeypatch.setattr(judge_module, name, getattr(judge_module, name))
    return ledger(tmp_path, 100)


def test_every_bit_of_some_bytes_is_found_or_means_nothing(small: Path) -> None:
    places = random.Random(20261123).sample(range(small.stat().st_size), 50)
    count = bits.turn_every_bit(small, told(small), bits.remembering(keys_of(small)), places)
    assert count["found"] > 50
    assert sum(count.values()) == 400


@pytest.mark.drill
@pytest.mark.timeout(3600)
def test_every_bit_of_one_byte_in_a_hundred_of_a_thousand_punches_is_found_or_means_nothing(tmp_path: Path) -> None:
    """The whole, all bits of all bytes, takes days on one core: `python -m tests.services.bits`."""
    assert bits.main([str(tmp_path / "run"), "--every", "100"]) == 0
