"""A clock that was off is corrected in workdays only by a document that somebody saved, and can take back (I6)."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from biometric_flow.cli import main
from biometric_flow.ledger.events import PunchRecorded
from biometric_flow.model.punch import Channel
from biometric_flow.place.store import Batch
from tests.builders import GATE, MOMENT
from tests.services.gateways import RunningGateway
from tests.services.hours import MONDAY, Desk, at, touch
from tests.services.stores import opened_store

FAST = timedelta(minutes=10)


def measured(clock: str) -> PunchRecorded:
    told = touch("7", MONDAY, clock, channel=Channel.LIVE)
    return replace(told, punch=replace(told.punch, drift=FAST))


EVENTS = [
    measured("09:10"),
    measured("17:12"),
    touch("7", MONDAY + timedelta(days=1), "09:10"),
    touch("7", MONDAY + timedelta(days=1), "17:00"),
]


async def test_a_clock_that_was_measured_to_be_fast_is_corrected_with_a_trace_and_back_again(
    gateway: RunningGateway, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = Desk(gateway)
    await desk.plan()
    who = await desk.hire()
    await desk.punches(*EVENTS)

    async def late() -> list[int]:
        await desk.settled()
        return [day["late"] for day in await desk.days(person=who, **{"from": str(MONDAY), "to": str(tuesday)})]

    tuesday = MONDAY + timedelta(days=1)
    assert await late() == [10, 10]
    (told,) = (await desk.ask("GET", "/v1/clock-drift", params={"from": str(MONDAY), "to": str(tuesday)}))["items"]
    assert (told["device"], told["offset_s"], told["punches"], told["date"]) == (GATE, 600, 2, str(MONDAY))
    assert await late() == [10, 10]  # what is measured changes nothing by itself

    body = {name: told[name] for name in ("device", "from", "to", "offset_s")} | {"reason": "measured 600 s fast"}
    first = await desk.raw("PUT", "/v1/clock-corrections/gate-monday", json=body)
    assert first.status_code == 200, first.text
    assert await late() == [0, 10]
    day = await desk.day(who, MONDAY)
    assert day is not None
    assert day["worked"] == 482
    because = (await desk.ask("GET", f"/v1/workdays/{who}/{MONDAY}/explain"))["because"]
    assert because[0].startswith("The terminal's clock was wrong: punch")
    assert because[0].endswith("at 09:10 was really at 09:00. [rule 2.2 drift, house v1]")

    plan, file = tmp_path / "plan.json", tmp_path / "place.sqlite3"
    plan.write_text(json.dumps(await desk.ask("GET", "/v1/plans/cairo")), encoding="utf-8")
    store, connection = opened_store(file)
    store.record([Batch(GATE, MOMENT, rows=[event.punch for event in EVENTS])])
    connection.close()
    span = ["--from", str(MONDAY), "--to", str(tuesday), "--json"]
    assert await asyncio.to_thread(main, ["policy", "days", str(plan), "--database", str(file), *span]) == 0
    assert [one["late"] for one in json.loads(capsys.readouterr().out)["days"]] == [0, 10]

    gone = {"headers": {"If-Match": first.headers["ETag"]}}
    await desk.ask("DELETE", "/v1/clock-corrections/gate-monday", 204, **gone)
    assert await late() == [10, 10]
    because = (await desk.ask("GET", f"/v1/workdays/{who}/{MONDAY}/explain"))["because"]
    assert not any("clock was wrong" in line for line in because)


async def test_a_correction_of_a_clock_that_cannot_be_meant_is_refused(gateway: RunningGateway) -> None:
    desk = Desk(gateway)
    right = {"device": GATE, "from": "2026-11-02T00:00:00Z", "to": "2026-11-03T00:00:00Z", "offset_s": 60}
    for wrong, field in (
        ({"reason": "?"}, "reason"),
        ({}, "reason"),
        ({"reason": "measured", "to": right["from"]}, "to"),
        ({"reason": "measured", "offset_s": 0}, "offset_s"),
        ({"reason": "measured", "offset_s": 12 * 3600 + 1}, "offset_s"),
        ({"reason": "measured", "until": "x"}, "until"),
    ):
        answer = await desk.raw("PUT", "/v1/clock-corrections/one", json=right | wrong)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == field
    answer = await desk.raw("GET", "/v1/clock-drift", params={"from": str(MONDAY), "to": str(at(MONDAY, "09:00"))})
    assert answer.status_code == 422
