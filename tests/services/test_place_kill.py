"""kill -9 of a place's writer under load, at random moments and at named points: nothing lost, nothing doubled."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from biometric_flow.ledger.events import PunchRecorded, decode
from biometric_flow.ledger.sqlite import SqliteLedgerStore
from biometric_flow.place.audit import Keys, audit
from biometric_flow.place.schema import open_reader
from tests.services.lives import CAIRO, POINTS, SIGNER, TERMINALS, WITNESS, punches_below, row
from tests.services.stores import keys_of, subjects_of

ROOT = Path(__file__).parents[2]


def test_two_hundred_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    drill(tmp_path, 200, seed=20261122, seconds=170)


@pytest.mark.drill
@pytest.mark.timeout(3600)
def test_ten_thousand_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    """In ten files, so that each start verifies a ledger of a size that a place has after some days."""
    for part in range(10):
        (tmp_path / str(part)).mkdir()
        said = drill(tmp_path / str(part), 1000, seed=part, seconds=3000)
        assert said["slowest_start"] < 2


def drill(folder: Path, lives: int, seed: int, seconds: float) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.services.lives", str(folder), str(lives), str(seed)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=True)
    said: dict[str, Any] = json.loads(ran.stdout)
    assert said["wrong"] == []
    assert all(said["promised"]), "nobody was served between the kills"
    assert set(said["ended"]) >= {"random moment", *POINTS}
    file = folder / "place.sqlite3"
    found = audit(file, CAIRO, Keys(SIGNER.public, WITNESS.public), keys_of(file))
    connection = open_reader(file)
    entries = SqliteLedgerStore(connection, subjects_of(file, connection)).read(0, 10_000_000)
    records = [decode(entry.record) for entry in entries]
    connection.close()
    kept = [event.punch.id for event in records if isinstance(event, PunchRecorded)]
    assert len(kept) == len(set(kept)) == found.punches
    promised = {
        row(terminal, number).id
        for terminal, held in zip(TERMINALS, said["promised"], strict=True)
        for number in range(held)
        if number % 11 != 10
    }
    assert promised <= set(kept), "a punch that was acknowledged is gone"
    assert len(promised) == sum(map(punches_below, said["promised"]))
    return said
