"""Every operation of a place that writes or takes something out, done with success: one entry, with who and what."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from biometric_flow.zk.simulator.terminal import SimulatedTerminal
from biometric_flow.zk.wire.events import AlarmKind
from tests.services.places import configured, until
from tests.services.pushes import PushPlace, push_place, pushing
from tests.services.test_biometrics import signed
from tests.services.test_gateway_audit import recorded
from tests.services.test_place_trail import NEW, head, operations
from tests.services.test_push import ROWS
from tests.services.test_retention import TODAY, holding, rule, rules
from tests.services.test_template_copies import V10, is_online, machine

FILE = b"        7\t2026-03-03 08:00:00\t1\t0\t1\t0\r\nno line\r\n"
ENDED = {"reason": "withdrawn", "recorded_by": "Mona, HR"}


@dataclass
class Walk:
    """Uses operations, and looks at the ledger after each."""

    place: PushPlace
    walked: set[str] = field(default_factory=set)

    async def do(self, operation: str, status: int = 200, at: dict[str, str] | None = None, **more: Any) -> Any:
        """Use an operation with success; `at` fills its path in."""
        before = await head(self.place)
        method, path = operation.split()
        answer = await self.place.http.request(method, path.format(**at or {}), **more)
        assert answer.status_code == status, (operation, answer.text)
        made = [one for one in await operations(self.place, before) if one.actor != "process:place"]
        assert [one.operation for one in made] == [operation], (operation, made)
        assert (made[0].actor, made[0].result) == ("api-key", str(status)), made
        assert made[0].request == answer.headers["x-request-id"], made
        assert {name for name, _ in made[0].scope} >= set(at or {}), made
        self.walked.add(operation)
        is_document = answer.content and answer.headers.get("content-type") == "application/json"
        return answer.json() if is_document else None


async def terminals(walk: Walk) -> None:
    where, gate = {"key": "yard"}, {"key": "gate"}
    await walk.do("POST /v1/terminals", 201, json=NEW | where)
    await walk.do("PATCH /v1/terminals/{key}", at=where, json={"name": "Yard"})
    await walk.do("PUT /v1/terminals/{key}/push", at={"key": "door"}, json={"networks": ["127.0.0.1"]})
    whose = {"terminal": "yard", "pin": "4711"}
    await walk.do("PUT /v1/enrolments/{terminal}/{pin}", at=whose, json={"name": "Amina"})
    await walk.do("DELETE /v1/enrolments/{terminal}/{pin}", at=whose)
    await walk.do("POST /v1/terminals/{key}/jobs", 202, at=gate, json={"kind": "sync_time"})


async def files(walk: Walk) -> None:
    content = b"a logo"
    new = {"title": "logo.png", "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    blob = {"identity": (await walk.do("POST /v1/blobs", 201, json=new))["id"]}
    await walk.do("PUT /v1/blobs/{identity}/{position}", at=blob | {"position": "0"}, content=content)
    await walk.do("DELETE /v1/blobs/{identity}", 204, at=blob)
    order = {"order": {"kind": "restart"}, "terminals": ["door"]}
    number = {"number": str((await walk.do("POST /v1/rollouts", 202, json=order))["number"])}
    await walk.do("POST /v1/rollouts/{number}/stop", at=number)
    await walk.do("POST /v1/rollouts/{number}/resume", at=number)


async def punches(walk: Walk) -> None:
    place = walk.place
    await walk.do("POST /v1/terminals/{key}/import", at={"key": "door"}, content=FILE)
    [punch], [row] = await place.punches(), await place.get("/v1/quarantine")
    said = {"by": "Omar", "reason": "torn file"}
    await walk.do("POST /v1/quarantine/{row}/decision", 204, at={"row": row["id"]}, json=said)
    which = {"punch": punch["id"]}

    async def is_signed() -> bool:
        return (await place.http.get(f"/v1/punches/{punch['id']}/receipt")).status_code == 200

    await until(is_signed)
    await walk.do("GET /v1/punches/{punch}/receipt", at=which)
    await place.upload("ATTLOG", ROWS)
    [upload, *_] = await place.get("/v1/uploads")
    number = {"number": str(upload["number"])}
    await walk.do("GET /v1/uploads/{number}/body", at=number)
    await walk.do("POST /v1/uploads/{number}/replay", at=number)
    await walk.do("PUT /v1/work-codes/{code}", at={"code": "120"}, json={"name": "Night cleaning"})


async def people(walk: Walk) -> None:
    wording = {"body": "I agree.", "by": "Omar"}
    text = {"version": "2026-01", "language": "en"}
    await walk.do("PUT /v1/consent/texts/{version}/{language}", 201, at=text, json=wording)
    who = {"pin": "7"}
    await walk.do("PUT /v1/people/{pin}/release", 201, at=who, json=signed(text_version="2026-01"))
    wanted = {"source": "gate", "targets": ["hall"]}
    await walk.do("POST /v1/people/{pin}/templates/copies", 202, at=who, json=wanted)
    await walk.do("POST /v1/people/{pin}/release/end", 202, at=who, json=ENDED)
    await walk.do("GET /v1/people/{pin}/export", at=who)
    await walk.do("POST /v1/retention", 201, json=rules(rule("attendance", at_most_days=3650)))
    hold = (await walk.do("POST /v1/holds", 201, json=holding(who="8", first_day=str(TODAY))))["id"]
    await walk.do("POST /v1/holds/{hold}/end", at={"hold": hold}, json={"by": "counsel"})
    await walk.do("POST /v1/erasures", json={"pin": "8", "reason": "request", "by": "officer"})
    await walk.do("POST /v1/keys/rotations", 202, json={"level": "tenant"})


async def alarms(walk: Walk, gate: SimulatedTerminal) -> None:
    place, where = walk.place, {"key": "gate"}
    gate.ring(AlarmKind.TAMPER)

    async def is_told() -> bool:
        return any(one["code"] == "tamper" for one in (await place.terminal("gate"))["findings"])

    await until(is_told)
    await walk.do("DELETE /v1/terminals/{key}/findings/{code}", 204, at=where | {"code": "tamper"})
    gate.memory.options["MAC"] = "00:17:61:0a:0b:0c"
    await gate.fault("cut")

    async def is_another() -> bool:
        return (await place.terminal("gate"))["unconfirmed"] is not None

    await until(is_another)
    seen = (await place.terminal("gate"))["unconfirmed"]
    await walk.do("POST /v1/terminals/{key}/confirm", at=where, json=seen)


async def test_every_write_and_export_that_succeeds_leaves_one_entry_with_its_actor_and_its_answer(
    tmp_path: Path,
) -> None:
    async with machine("GATE0001", fingers={3: V10}) as gate, machine("HALL0001") as hall:
        roster = [configured(gate, "gate"), configured(hall, "hall"), pushing()]
        quick = {"checkpoint_quiet_seconds": 0.05, "biometrics_are_kept": True}
        async with push_place(tmp_path, roster, **quick) as place:
            for key in ("gate", "hall"):
                await until(lambda key=key: is_online(place, key))
            walk = Walk(place)
            await terminals(walk)
            await files(walk)
            await punches(walk)
            await people(walk)
            await alarms(walk, gate)
            document = (await place.http.get("/openapi.json")).json()
    writing = {
        f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in recorded(methods)
    }
    assert walk.walked == writing, "an operation without data here: add a step that succeeds"
