"""`ledger verify` and `receipt verify` on the files of a place that ran."""

import json
import sqlite3
from pathlib import Path

import pytest

from biometric_flow.cli import main
from tests.services.gateways import places_file
from tests.services.test_place_ledger import place_with_punches


async def test_a_place_that_ran_verifies_and_one_altered_row_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, receipt = tmp_path / "places" / "cairo", tmp_path / "mine.tlog-proof"
    async with place_with_punches(folder, 4) as place:
        key = (await place.http.get("/v1/ledger/key")).text.strip()
        last = (await place.punches())[-1]
        receipt.write_text((await place.http.get(f"/v1/punches/{last['id']}/receipt")).text, encoding="utf-8")
    (tmp_path / "places.json").write_text(places_file().model_dump_json(), encoding="utf-8")
    command = ["ledger", "verify", "--place", "cairo", "--config", str(tmp_path), "--data", str(tmp_path)]
    capsys.readouterr()
    assert main([*command, "--place-key", key, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["is_whole"], said["punches"], said["signed up to"]) == (True, 4, said["entries"])
    assert main(command) == 0
    assert main(["receipt", "verify", str(receipt), "--place-key", key]) == 0
    assert last["id"] in capsys.readouterr().out
    connection = sqlite3.connect(folder / "place.sqlite3")
    connection.execute("UPDATE punch SET state = state + 1 WHERE sequence = (SELECT max(sequence) FROM punch)")
    connection.commit()
    connection.close()
    assert main(command) == 1
    assert "the row of table punch is not what the entry says" in capsys.readouterr().err
    receipt.write_text(receipt.read_text(encoding="utf-8").replace("index ", "index 1"), encoding="utf-8")
    assert main(["receipt", "verify", str(receipt), "--place-key", key]) == 1


def test_a_folder_without_a_ledger_is_said_and_nothing_is_made_in_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "places.json").write_text(places_file().model_dump_json(), encoding="utf-8")
    assert main(["ledger", "verify", "--place", "cairo", "--config", str(tmp_path), "--data", str(tmp_path)]) == 2
    assert "there is none" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["places.json"]
