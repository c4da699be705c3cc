"""Every column that a place or the gateway keeps says what it holds; the register of processing follows from that."""

import importlib
import pkgutil
import re
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from biometric_flow.cli import main
from biometric_flow.commands.register import register
from biometric_flow.gateway import store as gateway_store
from biometric_flow.gateway.store import classification as of_gateway
from biometric_flow.gateway.store import tables
from biometric_flow.place import classification as of_place
from biometric_flow.place.push.archive import UploadArchive
from biometric_flow.runtime.classification import PROCESSING, Data
from tests.services.stores import opened_store


def columns_of(file: Path) -> dict[str, set[str]]:
    connection = sqlite3.connect(file)
    names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    found = {
        table: {row[1] for row in connection.execute(f"PRAGMA table_info({table})")} for (table,) in names.fetchall()
    }
    connection.close()
    return found


def test_every_column_of_a_place_is_tagged_and_nothing_else(tmp_path: Path) -> None:
    store, connection = opened_store(tmp_path / "place.sqlite3")
    connection.close()
    UploadArchive(tmp_path / "archive.sqlite3", store.subjects.keys, 1000, timedelta(days=1))
    found: dict[str, set[str]] = {}
    for file in (tmp_path / "place.sqlite3", tmp_path / "archive.sqlite3", tmp_path / "keys" / "keys.sqlite3"):
        found |= columns_of(file)
    assert {table: set(kinds) for table, kinds in of_place.COLUMNS.items()} == found


def test_every_column_of_the_gateway_is_tagged_and_nothing_else() -> None:
    for module in pkgutil.iter_modules(gateway_store.__path__):
        if module.name != "migrations":
            importlib.import_module(f"{gateway_store.__name__}.{module.name}")
    found = {table.name: {column.name for column in table.columns} for table in tables.metadata.sorted_tables}
    assert {table: set(kinds) for table, kinds in of_gateway.COLUMNS.items()} == found


def test_the_register_has_every_kind_of_data_about_people_and_names_each_column_once() -> None:
    lines = register()
    assert {line["data"] for line in lines} == {str(data) for data in PROCESSING}
    assert len({(line["data"], line["columns"].partition(":")[0]) for line in lines}) == len(lines)
    text = " ".join(line["columns"] for line in lines)
    assert "subject (pin)" in text
    assert "password_hash" not in text
    assert all(kind in PROCESSING or kind in (Data.TECHNICAL, Data.SECRET) for kind in Data)


def test_the_impact_assessment_speaks_of_every_kind_of_data_and_of_commands_that_exist(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = (Path(__file__).parents[2] / "docs" / "dpia.md").read_text()
    assert all(f"| {kind} |" in told for kind in PROCESSING)
    for command in set(
        re.findall(r"`(?:biometric-flow )?((?:privacy|ledger|receipt|backup|keys|access) [a-z]+)", told)
    ):
        with pytest.raises(SystemExit) as ended:
            main([*command.split(), "--help"])
        assert ended.value.code == 0, command
    assert capsys.readouterr().out
