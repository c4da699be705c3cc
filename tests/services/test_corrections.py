"""Approved corrections are entries of the ledger of the place they are about: once, with who and why (L4)."""

import json
import os
import sqlite3
import sys
from asyncio.subprocess import PIPE, create_subprocess_exec
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from biometric_flow.api.clients import UplinkClient
from biometric_flow.cli import main
from biometric_flow.ledger.decisions import Change, CorrectionMade, CorrectionRefused
from biometric_flow.ledger.errors import LedgerAltered
from biometric_flow.ledger.events import decode
from biometric_flow.ledger.note import Signer
from biometric_flow.model.ids import Pin, PlaceId
from biometric_flow.place.audit import Keys, audit
from biometric_flow.place.biometrics.vault import Vault
from biometric_flow.place.corrections import Corrections, CorrectionsTask
from biometric_flow.place.erasure import Erasures
from biometric_flow.place.reader import PlaceReader
from biometric_flow.place.store import Batch, PlaceStore
from biometric_flow.place.uplink import wire
from biometric_flow.place.writer import Writer
from biometric_flow.runtime.clock import SystemClock
from tests.builders import GATE, MOMENT
from tests.services.corrected_lives import orders
from tests.services.gateways import RunningGateway
from tests.services.hours import MONDAY, Desk, at, touch
from tests.services.stores import opened_reader, opened_store
from tests.services.test_pay import another

TUESDAY = MONDAY + timedelta(days=1)
DAY = [touch("7", MONDAY, "09:00"), touch("7", MONDAY, "15:00"), touch("7", MONDAY, "17:00")]


class Cairo:
    """The ledger of the place Cairo on a real file, and its uplink to a running gateway."""

    def __init__(self, store: PlaceStore, connection: sqlite3.Connection, reader: PlaceReader, link: UplinkClient):
        self.store, self.reader, self.link, self.connection = store, reader, link, connection
        self.corrections = Corrections(connection, store)
        self.task = CorrectionsTask(link, self.corrections, Writer(store, lambda _: None), SystemClock(), 1)

    async def upload(self) -> None:
        """Everything that the gateway does not hold yet."""
        position = await self.link.position()
        while entries := self.reader.entries(position, 100):
            position = await self.link.upload(position, [wire(entry) for entry in entries])

    def made(self) -> list[CorrectionMade]:
        events = [decode(entry.record) for entry in self.reader.entries(0, 1000)]
        return [event for event in events if isinstance(event, CorrectionMade)]

    def refused(self) -> list[CorrectionRefused]:
        events = [decode(entry.record) for entry in self.reader.entries(0, 1000) if not entry.is_erased]
        return [event for event in events if isinstance(event, CorrectionRefused)]


@asynccontextmanager
async def cairo_at(file: Path, gateway: RunningGateway) -> AsyncIterator[Cairo]:
    store, connection = opened_store(file)
    reader, reading = opened_reader(file, store)
    cairo = Cairo(store, connection, reader, gateway.uplink("cairo"))
    try:
        yield cairo
    finally:
        await cairo.link.close()
        reading.close()
        connection.close()


@asynccontextmanager
async def working(gateway: RunningGateway, file: Path) -> AsyncIterator[tuple[Desk, "Approver", Cairo, str]]:
    """Somebody with three punches on Monday, two clerks, and the place."""
    desk = Desk(gateway)
    await desk.plan()
    who = await desk.hire()
    async with cairo_at(file, gateway) as cairo:
        cairo.store.record([Batch(GATE, MOMENT, rows=[event.punch for event in DAY])])
        await cairo.upload()
        await desk.settled()
        yield desk, Approver(desk, await another(gateway), who), cairo, who


class Approver:
    def __init__(self, desk: Desk, boss: Desk, who: str) -> None:
        self.desk, self.boss, self.who = desk, boss, who

    async def approve(self, reason: str = "seen on the camera", **body: Any) -> str:
        asked = {"items": [{"person": self.who, "reason": reason, **body}]}
        made = await self.desk.ask("POST", "/v1/regularisations", 201, json=asked)
        name = str(made["items"][0]["id"])
        await self.boss.ask("POST", "/v1/regularisations/decisions", json={"ids": [name], "decision": "approved"})
        return name

    async def reject(self, name: str) -> None:
        said = {"ids": [name], "decision": "rejected", "reason": "it was another day"}
        await self.boss.ask("POST", "/v1/regularisations/decisions", json=said)

    async def recorded(self, name: str) -> list[tuple[str, str | None, int | None]]:
        page = await self.desk.ask("GET", "/v1/regularisations")
        (one,) = (item for item in page["items"] if item["id"] == name)
        return [(mark["operation"], mark["place"], mark["entry"]) for mark in one["recorded"]]


async def test_an_approved_correction_counts_at_once_and_its_place_in_the_ledger_is_told_when_it_is_recorded(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    async with working(gateway, tmp_path / "place.sqlite3") as (desk, clerk, cairo, who):
        punches = (await gateway.client.punches(gateway.token, order="oldest")).items
        voided = await clerk.approve(operation="void", punch=punches[1].id)
        moved = await clerk.approve(operation="replace", punch=punches[2].id, at=at(MONDAY, "18:00").isoformat())
        added = await clerk.approve(operation="add", at=at(TUESDAY, "09:00").isoformat(), state=0)
        again = await clerk.approve(operation="replace", punch=added, at=at(TUESDAY, "09:30").isoformat(), state=1)
        overtime = await clerk.approve(operation="overtime", date=str(MONDAY), minutes=45)
        await desk.settled()
        day = await desk.day(who, MONDAY)
        assert day is not None
        assert day["worked"] == 540  # it counts while its place has not said a word
        names = (voided, moved, added, again, overtime)
        operations = ("void", "replace", "add", "replace", "overtime")
        for name, operation in zip(names, operations, strict=True):
            assert await clerk.recorded(name) == [(operation, "cairo", None)]

        await cairo.task.fetch()
        await cairo.upload()
        for number, (name, operation) in enumerate(zip(names, operations, strict=True), 4):
            assert await clerk.recorded(name) == [(operation, "cairo", number)]
        clocks = [at(MONDAY, "15:00"), at(MONDAY, "17:00"), at(MONDAY, "18:00"), at(TUESDAY, "09:00")]
        three, five, six, nine = (moment.isoformat() for moment in clocks)
        assert [(one.entry, one.changes) for one in cairo.made()] == [
            (2, (Change("instant", three, ""), Change("state", "255", ""))),
            (3, (Change("instant", five, six),)),
            (0, (Change("instant", "", nine), Change("state", "", "0"))),
            (6, (Change("instant", nine, at(TUESDAY, "09:30").isoformat()), Change("state", "0", "1"))),
            (0, (Change(f"overtime {MONDAY}", "0", "45"),)),
        ]
        first = cairo.made()[0]
        assert (first.reason, first.pin) == ("seen on the camera", "7")
        assert first.target == DAY[1].punch.id  # by the identity that its place gave it
        assert first.by
        assert first.approved_by not in ("", first.by)
        cairo.store.ledger.verify()
    assert b"seen on the camera" not in (tmp_path / "place.sqlite3").read_bytes()


async def test_a_correction_is_recorded_once_however_often_either_side_starts_again(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    file = tmp_path / "place.sqlite3"
    async with working(gateway, file) as (_desk, clerk, cairo, _who):
        added = await clerk.approve(operation="add", at=at(TUESDAY, "09:00").isoformat())
        await cairo.task.fetch()
        await cairo.task.fetch()  # the gateway lost what it was told, or was never told
        assert len(cairo.made()) == 1
        async with cairo_at(file, gateway) as restarted:  # the place was killed between entry and upload
            await restarted.task.fetch()
            await restarted.upload()
            await restarted.task.fetch()
            assert len(restarted.made()) == 1
        assert await clerk.recorded(added) == [("add", "cairo", 4)]


async def test_an_approval_that_is_taken_back_is_a_further_entry(gateway: RunningGateway, tmp_path: Path) -> None:
    async with working(gateway, tmp_path / "place.sqlite3") as (desk, clerk, cairo, who):
        added = await clerk.approve(operation="add", at=at(MONDAY, "19:00").isoformat())
        await cairo.task.fetch()
        await clerk.reject(added)
        await desk.settled()
        day = await desk.day(who, MONDAY)
        assert day is not None
        assert day["exceptions"] == ["MISSING_OUT"]  # three punches again
        assert await clerk.recorded(added) == [("add", "cairo", None), ("withdraw", "cairo", None)]
        await cairo.task.fetch()
        await cairo.upload()
        assert await clerk.recorded(added) == [("add", "cairo", 4), ("withdraw", "cairo", 5)]
        taken_back = cairo.made()[1]
        assert (taken_back.entry, taken_back.reason) == (4, "it was another day")
        assert taken_back.changes == (Change("status", "approved", "withdrawn"),)
        assert taken_back.correction == cairo.made()[0].correction == taken_back.target


async def test_a_place_hears_of_its_own_corrections_only(gateway: RunningGateway, tmp_path: Path) -> None:
    async with working(gateway, tmp_path / "place.sqlite3") as (_desk, clerk, cairo, _who):
        await clerk.approve(operation="add", at=at(TUESDAY, "09:00").isoformat())
        leeds = gateway.uplink("leeds")
        assert await leeds.corrections(0) == []
        assert [one.pin for one in await cairo.link.corrections(0)] == ["7"]
        await leeds.close()
        refused = await clerk.desk.raw("GET", "/v1/places/cairo/corrections")
        assert refused.status_code == 403


async def test_an_entry_that_says_otherwise_than_what_was_approved_is_not_taken_for_it(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    async with working(gateway, tmp_path / "place.sqlite3") as (_desk, clerk, cairo, _who):
        added = await clerk.approve(operation="add", at=at(TUESDAY, "09:00").isoformat())
        (order,) = await cairo.link.corrections(0)
        forged = order.model_copy(update={"changes": [("instant", "", at(TUESDAY, "06:00").isoformat())]})
        cairo.corrections.record([forged], MOMENT)
        await cairo.upload()
        assert await clerk.recorded(added) == [("add", "cairo", None)]


async def test_whoever_holds_no_pin_has_their_correction_recorded_once_they_hold_one(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    async with working(gateway, tmp_path / "place.sqlite3") as (desk, clerk, cairo, _who):
        who = await desk.hire("E2", None)
        clerk.who = who
        added = await clerk.approve(operation="add", at=at(TUESDAY, "09:00").isoformat())
        assert await clerk.recorded(added) == [("add", None, None)]
        await cairo.task.fetch()
        answer = await desk.raw("GET", f"/v1/people/{who}")
        body = {name: value for name, value in answer.json().items() if name not in ("id", "version")}
        body["pins"] = [{"place": "cairo", "pin": "8", "from": "2026-01-01"}]
        await desk.ask("PUT", f"/v1/people/{who}", json=body, headers={"If-Match": answer.headers["ETag"]})
        await cairo.task.fetch()
        await cairo.upload()
        assert await clerk.recorded(added) == [("add", "cairo", 4)]


async def test_what_a_place_can_never_record_is_refused_by_an_entry_that_says_why(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    file = tmp_path / "place.sqlite3"
    async with working(gateway, file) as (desk, clerk, cairo, _who):
        punches = (await gateway.client.punches(gateway.token, order="oldest")).items
        voided = await clerk.approve(operation="void", punch=punches[1].id)
        added = await clerk.approve(operation="add", at=at(TUESDAY, "09:00").isoformat())
        first, second = await cairo.link.corrections(0)
        lost = first.model_copy(update={"target": "ab" * 32})  # as a place that was set up anew does not know it
        cairo.corrections.record([lost], first.at + timedelta(hours=23))
        assert cairo.refused() == [], "it may be reading its terminals again"
        cairo.corrections.record([lost], first.at + timedelta(hours=25))
        erasures = Erasures(
            cairo.connection, cairo.store, Vault(cairo.connection, cairo.store.subjects.keys, is_on=False), False
        )
        erasures.erase(Pin("7"), "officer", "asked", second.at)
        erasures.finish()
        await cairo.task.fetch()
        await cairo.task.fetch()
        assert [one.why for one in cairo.refused()] == ["target_unknown", "erased"]
        assert await clerk.recorded(added) == [("add", "cairo", None)]
        await cairo.upload()
        assert await cairo.link.corrections(0) == [], "it is not offered any more"
        page = await desk.ask("GET", "/v1/regularisations?refused=true&status=approved")
        told = {one["id"]: [(mark["refused"], mark["entry"]) for mark in one["recorded"]] for one in page["items"]}
        assert told == {voided: [("target_unknown", 4)], added: [("erased", 6)]}
        assert (await desk.ask("GET", "/v1/regularisations?refused=false"))["items"] == []
        cairo.store.ledger.verify()
        key = Keys(Signer("biometric-flow/demo/cairo", Ed25519PrivateKey.generate()).public)
        assert audit(file, PlaceId("cairo"), key, cairo.store.subjects.keys).entries == 6
        cairo.connection.execute("DELETE FROM correction WHERE sequence = 4")
        with pytest.raises(LedgerAltered, match="entry 4: the row of table correction"):
            audit(file, PlaceId("cairo"), key, cairo.store.subjects.keys)


async def test_a_place_alone_computes_with_the_corrections_in_its_own_ledger(
    gateway: RunningGateway, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, plan = tmp_path / "place.sqlite3", tmp_path / "plan.json"
    async with working(gateway, file) as (desk, clerk, cairo, who):
        gone = await clerk.approve(operation="add", at=at(MONDAY, "21:00").isoformat())
        plan.write_text(json.dumps(await desk.ask("GET", "/v1/plans/cairo")), encoding="utf-8")
        punches = (await gateway.client.punches(gateway.token, order="oldest")).items
        await clerk.approve(operation="void", punch=punches[1].id)
        added = await clerk.approve(operation="add", at=at(TUESDAY, "09:00").isoformat())
        await clerk.approve(operation="add", at=at(TUESDAY, "16:00").isoformat())
        await clerk.approve(operation="replace", punch=added, at=at(TUESDAY, "10:00").isoformat())
        await clerk.approve(operation="overtime", date=str(TUESDAY), minutes=30)
        await clerk.reject(gone)
        await cairo.task.fetch()
        await desk.settled()
        stored = await desk.days(person=who, **{"from": str(MONDAY), "to": str(TUESDAY)})
    span = ["--from", str(MONDAY), "--to", str(TUESDAY), "--json"]
    assert main(["policy", "days", str(plan), "--database", str(file), *span]) == 0
    alone = json.loads(capsys.readouterr().out)["days"]
    assert [day["worked"] for day in alone] == [480, 360]
    assert alone == [{name: value for name, value in day.items() if name in alone[0]} for day in stored]


async def test_killed_before_any_statement_a_place_has_recorded_all_of_a_correction_or_nothing(tmp_path: Path) -> None:
    process = await create_subprocess_exec(
        sys.executable, "-m", "tests.services.corrected_lives", str(tmp_path), stdout=PIPE, env=dict(os.environ)
    )
    said, _ = await process.communicate()
    found = json.loads(said)
    assert found["wrong"] == []
    assert found["lives"] > 10
    store, connection = opened_store(tmp_path / "place.sqlite3")
    events = [decode(entry.record) for entry in opened_reader(tmp_path / "place.sqlite3", store)[0].entries(0, 100)]
    made = [event for event in events if isinstance(event, CorrectionMade)]
    assert [(one.correction, one.operation) for one in made] == [(o.correction.bytes, o.operation) for o in orders()]
    store.ledger.verify()
    connection.close()
