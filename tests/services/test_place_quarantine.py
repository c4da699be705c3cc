"""A person decides about a row that was put aside; the decision and the punch it becomes are entries of the ledger."""

import base64
from pathlib import Path
from zoneinfo import ZoneInfo

from biometric_flow.ledger.decisions import OperationDone, QuarantineDecided
from biometric_flow.ledger.events import PunchRecorded, decode
from biometric_flow.ledger.note import PublicKey
from biometric_flow.model.ids import PlaceId
from biometric_flow.place.audit import Keys, audit
from biometric_flow.zk.simulator.memory import StoredPunch
from biometric_flow.zk.simulator.terminal import SimulatedTerminal
from biometric_flow.zk.wire.timecode import TerminalTime
from biometric_flow.zk.wire.users import UserRecord
from tests.services.places import RunningPlace, configured, running_place, until
from tests.services.stores import keys_of

BAD = [StoredPunch("2", TerminalTime.of(2026, month, 31, 8, 0, 0)) for month in (2, 4)]
SAID = {"by": "Omar", "reason": "the clock was wrong, she was there at nine"}
TOUCH = {"pin": "2", "local_time": "2026-03-02T09:00:00", "state": 1}


async def test_an_accepted_row_becomes_one_punch_and_a_rejected_one_none_and_neither_comes_back(tmp_path: Path) -> None:
    people = [UserRecord(0, "2", "Amina")]
    async with SimulatedTerminal(users=people, zone=ZoneInfo("Africa/Cairo"), punches=BAD) as terminal:
        async with running_place(tmp_path, [configured(terminal)]) as place:
            await until(lambda: _aside(place, 2))
            first, second = [row["id"] for row in await place.get("/v1/quarantine")]
            for row, body in ((first, SAID | {"touch": TOUCH}), (second, SAID)):
                answer = await place.http.post(f"/v1/quarantine/{row}/decision", json=body)
                assert answer.status_code == 204, answer.text
                again = await place.http.post(f"/v1/quarantine/{row}/decision", json=body)
                assert (again.status_code, again.json()["code"]) == (409, "quarantine.decided")
            unknown = await place.http.post(f"/v1/quarantine/{'0' * 64}/decision", json=SAID)
            assert (unknown.status_code, unknown.json()["code"]) == (404, "quarantine.unknown")
            await place.http.post("/v1/terminals/gate/jobs", json={"kind": "pull_again"})
            await until(lambda: _read_again(place))
            [kept] = await place.punches()
            counters = (await place.terminal("gate"))["counters"]
            rows = {row["id"]: row["decision"] for row in await place.get("/v1/quarantine")}
            entries = (await place.get("/v1/ledger/entries", limit=1000))["entries"]
            key = PublicKey.parse((await place.http.get("/v1/ledger/key")).text)
    assert (kept["pin"], kept["local_time"], kept["state"], kept["channel"]) == (
        "2",
        "2026-03-02T09:00:00",
        1,
        "decision",
    )
    assert rows == {first: "accepted", second: "rejected"}
    assert (counters["accepted"], counters["quarantined"]) == (1, 1)
    assert counters["received"] == counters["accepted"] + counters["quarantined"] + counters["duplicate"]
    events = [decode(base64.b64decode(entry["record"])) for entry in entries]
    told = [event for event in events if isinstance(event, QuarantineDecided)]
    assert [(event.decision, event.by) for event in told] == [("accepted", "Omar"), ("rejected", "Omar")]
    assert sum(isinstance(event, PunchRecorded) for event in events) == 1
    assert sum(isinstance(event, OperationDone) and "decision" in event.operation for event in events) == 5
    assert (
        audit(tmp_path / "place.sqlite3", PlaceId("cairo"), Keys(key), keys_of(tmp_path / "place.sqlite3")).punches == 1
    )


async def _aside(place: RunningPlace, count: int) -> bool:
    return len(await place.get("/v1/quarantine")) == count


async def _read_again(place: RunningPlace) -> bool:
    return bool((await place.terminal("gate"))["counters"]["duplicate"] >= 2)
