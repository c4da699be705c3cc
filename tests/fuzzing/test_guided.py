"""The long fuzzing: 10 million cases that look for new code, over all decoders; fewer by BIOMETRIC_FLOW_FUZZ_CASES."""

import importlib.util
import os
from pathlib import Path

import pytest

from tests.fuzzing import guided
from tests.fuzzing.decoders import DECODERS
from tests.requires import require

CASES = int(os.environ.get("BIOMETRIC_FLOW_FUZZ_CASES", "10000000"))
SECONDS = float(os.environ.get("BIOMETRIC_FLOW_FUZZ_SECONDS", "7200"))


def test_a_find_reads_as_an_entry_of_the_corpus(tmp_path: Path) -> None:
    guided.write_seeds("push-attlog", tmp_path / "corpus")
    assert len(list((tmp_path / "corpus").iterdir())) == len(DECODERS["push-attlog"].seeds)
    text = guided.entry("push-attlog", "x\n === Uncaught Python exception: ===\nIndexError: x\n", b"\x01a")
    assert text.startswith("#  === Uncaught Python exception: ===\n# IndexError: x\n[[case]]")
    assert 'parts = [{ hex = "0161" }]' in text


@pytest.mark.drill
@pytest.mark.timeout(SECONDS + 600)
def test_no_case_out_of_ten_million_breaks_a_decoder() -> None:
    require(
        importlib.util.find_spec("atheris") is not None, "atheris", "make drill on Linux, x86-64, Python below 3.14"
    )
    outcomes = guided.fuzz_all(list(DECODERS), CASES, SECONDS, seed=4370)
    assert not [outcome.found for outcome in outcomes if outcome.found]
    assert sum(outcome.cases for outcome in outcomes) >= CASES, "the time was over before the cases were"
