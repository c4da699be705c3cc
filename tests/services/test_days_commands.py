"""A place computes its own people's days offline, and gets what the gateway gets; a pack is tried from a shell."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest

from biometric_flow.cli import main
from biometric_flow.place.store import Batch
from tests.builders import GATE, MOMENT
from tests.services.gateways import ADMIN, PASSWORD, RunningGateway
from tests.services.hours import MONDAY, Desk, touch, worked_week
from tests.services.stores import opened_store

FRIDAY = MONDAY + timedelta(days=4)
SPAN = ["--from", str(MONDAY), "--to", str(FRIDAY)]


async def test_a_place_alone_computes_what_the_gateway_computes(
    gateway: RunningGateway, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = Desk(gateway)
    await desk.plan()
    await desk.hire("E1", "7")
    await desk.hire("E2", "8")
    events = [*worked_week("7"), touch("7", MONDAY, "19:00"), touch("7", MONDAY, "20:30"), *worked_week("8", days=3)]
    await desk.punches(*events, touch("8", FRIDAY, "08:58"))
    leave = f"number,from\nE2,{MONDAY + timedelta(days=3)}\n"
    await desk.ask("POST", "/v1/imports/leave", content=leave.encode())
    await desk.settled()
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps(await desk.ask("GET", "/v1/plans/cairo")), encoding="utf-8")

    database = tmp_path / "place.sqlite3"
    store, connection = opened_store(database)
    rows = [event.punch for event in (*events, touch("8", FRIDAY, "08:58"))]
    store.record([Batch(GATE, MOMENT, rows=rows)])
    connection.close()
    command = ["policy", "days", str(plan), "--database", str(database), *SPAN, "--json"]
    assert await asyncio.to_thread(main, command) == 0
    alone = {(day["number"], day["date"]): day for day in json.loads(capsys.readouterr().out)["days"]}
    stored = await desk.days(**{"from": str(MONDAY), "to": str(FRIDAY)})
    assert len(alone) == len(stored) == 10
    for day in stored:
        mine = alone[day["number"], day["date"]]
        assert mine == {name: value for name, value in day.items() if name in mine}
    assert alone["E1", str(FRIDAY)]["pay"] == {"regular": 390, "ot": 90}
    assert alone["E2", str(FRIDAY)]["exceptions"] == ["MISSING_OUT"]


async def test_a_pack_is_tried_from_a_shell(
    gateway: RunningGateway, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(gateway)
    await desk.plan()
    await desk.hire()
    await desk.punches(*worked_week("7", times=("09:20", "17:00")))
    await desk.settled()
    pack = (await desk.ask("GET", "/v1/policies/house"))["body"]
    file = tmp_path / "pack.json"
    file.write_text(json.dumps({**pack, "version": 2, "policy": {**pack["policy"], "grace_in_min": 30}}))
    command = ["policy", "try", str(file), "--gateway", gateway.url, "--email", ADMIN, *SPAN]
    assert await asyncio.to_thread(main, command) == 2
    assert "BIOMETRIC_FLOW_PASSWORD" in capsys.readouterr().err
    monkeypatch.setenv("BIOMETRIC_FLOW_PASSWORD", PASSWORD)
    assert await asyncio.to_thread(main, command) == 0
    said = capsys.readouterr().out
    assert "1 people, 5 days, +0 minutes worked" in said
    assert "late" in said
    file.write_text("{}")
    assert await asyncio.to_thread(main, command) == 2
    assert "schema" in capsys.readouterr().err
