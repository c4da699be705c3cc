"""Every operation of a place that writes leaves exactly one entry in the place's ledger, done or refused."""

import base64
from pathlib import Path
from typing import Any

import httpx2
import pytest

from biometric_flow.ledger.decisions import OperationDone
from biometric_flow.ledger.events import decode
from tests.services.places import RunningPlace, running_place
from tests.services.test_gateway_audit import recorded

NEW = {"key": "gate", "name": "Gate", "host": "127.0.0.1", "port": 9, "is_enabled": False}
NOTHING = {"key": "gate", "terminal": "gate", "pin": "7", "number": "1", "code": "clock_reset"}


async def head(place: RunningPlace) -> int:
    at: int = (await place.get("/v1/ledger/entries", limit=1))["head"]
    return at


async def operations(place: RunningPlace, after: int = 0) -> list[OperationDone]:
    page = await place.get("/v1/ledger/entries", after=after, limit=1000)
    events = [decode(base64.b64decode(entry["record"])) for entry in page["entries"] if entry["record"]]
    return [event for event in events if isinstance(event, OperationDone)]


async def test_every_operation_that_writes_leaves_exactly_one_entry(tmp_path: Path) -> None:
    async with running_place(tmp_path) as place:
        await place.http.post("/v1/terminals", json=NEW)
        document: dict[str, Any] = (await place.http.get("/openapi.json")).json()
        walked = set()
        for path, methods in document["paths"].items():
            for method in recorded(methods):
                url = path
                for name, value in NOTHING.items():
                    url = url.replace(f"{{{name}}}", value)
                url = url.replace("{punch}", "0" * 64).replace("{row}", "0" * 64)
                for headers in ({}, {"Authorization": "Bearer nonsense"}):
                    before = await head(place)
                    answer = await place.http.request(method, url, json={}, headers=headers)
                    made = await operations(place, before)
                    assert len(made) == 1, (method, path, answer.text)
                    assert made[0].operation == f"{method.upper()} {path}"
                    assert made[0].result.startswith(str(answer.status_code)), made[0]
                walked.add(made[0].operation)
        assert len(walked) >= 9


async def test_what_was_changed_is_told_with_hashes_of_before_and_after_and_the_person_as_a_commitment(
    tmp_path: Path,
) -> None:
    async with running_place(tmp_path) as place:
        await place.http.post("/v1/terminals", json=NEW)
        await place.http.patch("/v1/terminals/gate", json={"name": "Front gate"})
        await place.http.patch("/v1/terminals/gate", json={"name": "Gate"})
        for _ in range(2):
            wish = {"name": "Amina Hassan"}
            assert (await place.http.put("/v1/enrolments/gate/4711", json=wish)).status_code == 200
        added, renamed, back, first, second = await operations(place)
        assert (added.result, renamed.result, added.actor) == ("201", "200", "api-key")
        assert added.before == b""
        assert renamed.before != renamed.after
        assert (back.before, back.after) == (renamed.after, renamed.before)
        assert first.scope == second.scope
        assert dict(first.scope)["terminal"] == "gate"
        assert "4711" not in str(first)
        assert (await place.get("/health"))["head"] == 5


async def test_what_leaves_the_place_is_recorded_and_what_is_only_looked_at_is_not(tmp_path: Path) -> None:
    async with running_place(tmp_path) as place:
        await place.http.post("/v1/terminals", json=NEW)
        await place.http.put("/v1/enrolments/gate/4711", json={"name": "Amina Hassan"})
        before = len(await operations(place))
        for path in ("/v1/terminals", "/v1/people", "/v1/enrolments?terminal=gate", "/v1/punches", "/health"):
            answer = await place.http.get(path)
            assert answer.status_code == 200, answer.text
        assert (await place.http.get("/v1/people/4711/export")).status_code == 200
        [export] = (await operations(place))[before:]
        assert (export.operation, export.result, export.actor) == ("GET /v1/people/{pin}/export", "200", "api-key")
        assert "4711" not in str(export)


async def test_a_change_that_the_disk_does_not_take_is_neither_done_nor_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_place(tmp_path) as place:
        await place.http.post("/v1/terminals", json=NEW)
        app = place.app.app.app
        connection = app.state.place.writer._store._connection
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")  # SQLite's own full disk
        refused: httpx2.Response | None = None
        for number in range(200):
            answer = await place.http.patch("/v1/terminals/gate", json={"name": f"Gate {number}" * 5})
            if answer.status_code != 200:
                refused = answer
                break
        assert refused is not None
        assert refused.json()["code"] == "ledger.storage_unavailable"
        shown = (await place.terminal("gate"))["name"]
        connection.execute("PRAGMA max_page_count = 1000000")
        (kept,) = connection.execute("SELECT name FROM terminal").fetchone()
        assert shown == kept == f"Gate {number - 1}" * 5
        assert (await place.http.patch("/v1/terminals/gate", json={"name": "Gate"})).status_code == 200
