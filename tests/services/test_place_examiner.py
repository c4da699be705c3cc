"""A place looks through its whole ledger by itself, and its health says what it found."""

import sqlite3
from pathlib import Path

from tests.services.places import RunningPlace, running_place, until
from tests.services.test_place_ledger import place_with_punches


async def test_the_daily_look_names_what_was_altered_while_the_place_runs(tmp_path: Path) -> None:
    async with place_with_punches(tmp_path, 4):
        pass
    async with running_place(tmp_path, examine_seconds=0.2) as place:
        await until(lambda: _examined(place))
        first = await place.get("/health")
        assert (first["altered"], first["status"]) == ("", "ok")
        with sqlite3.connect(tmp_path / "place.sqlite3") as connection:
            connection.execute("UPDATE punch SET state = state + 1 WHERE sequence = (SELECT max(sequence) FROM punch)")
        await until(lambda: _altered(place))
        told = await place.get("/health")
        assert "the row of table punch is not what the entry says" in told["altered"]
        assert told["status"] == "degraded"


async def _examined(place: RunningPlace) -> bool:
    return (await place.get("/health"))["examined_at"] is not None


async def _altered(place: RunningPlace) -> bool:
    return bool((await place.get("/health"))["altered"])
