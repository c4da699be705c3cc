"""Every operation of the gateway that writes or takes something out, done with success: one leaf, with who and what."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from biometric_flow.identity.place_requests import prove
from biometric_flow.ledger.note import Signer
from biometric_flow.place.joined import public_text
from tests.services.gateways import PASSWORD, SECRETS, TestDatabase, running_gateway
from tests.services.hours import MONDAY, OFFICE, PACK, WEEK, Desk, person, touch
from tests.services.ledgers import OTHER_KEY, SignedChain
from tests.services.places import until
from tests.services.test_alerts import Receiver
from tests.services.test_archive import months_since_november
from tests.services.test_gateway_audit import recorded
from tests.services.test_pay import CODES, another
from tests.services.test_place_joining import signed
from tests.services.test_second_factor import SENTENCE, App

ELSEWHERE = {
    "GET /v1/punches/{punch}/receipt/witnesses",
    "POST /v1/places/{place}/terminals/{key}/jobs",
    "DELETE /v1/places/{place}/terminals/{key}/findings/{code}",
}
"""What somebody outside has to sign first, and what travels to a place: test_outside_witness.py, test_place_link.py."""
SUNDAY = MONDAY + timedelta(days=6)
OLD = date(2026, 3, 2)
FEAST = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//y//EN\r\nEND:VCALENDAR\r\n"


@dataclass
class Walk:
    """Uses operations, and looks at the audit log after each."""

    admin: Desk
    seen: int = 0
    walked: set[str] = field(default_factory=set)

    async def leaves(self) -> list[dict[str, Any]]:
        """What was recorded since the last look, without what the gateway does by itself."""
        page = await self.admin.ask("GET", "/v1/audit", params={"after": self.seen, "limit": 1000})
        found: list[dict[str, Any]] = page["items"]
        self.seen = max([self.seen, *(one["sequence"] for one in found)])
        return [one for one in found if not one["actor"].startswith("process:")]

    async def do(self, operation: str, status: int = 200, desk: Desk | None = None, **more: Any) -> Any:
        """Use an operation with success; `at` fills its path in."""
        await self.leaves()
        method, path = operation.split()
        answer = await (desk or self.admin).raw(method, path.format(**more.pop("at", {})), **more)
        assert answer.status_code == status, (operation, answer.text)
        made = await self.leaves()
        assert [one["operation"] for one in made] == [operation], (operation, made)
        assert (made[0]["result"], made[0]["request"]) == (str(status), answer.headers["x-request-id"]), made
        assert made[0]["actor"], (operation, made)
        self.walked.add(operation)
        is_document = answer.content and answer.headers.get("content-type") == "application/json"
        return answer.json() if is_document else None

    async def tag(self, path: str) -> dict[str, str]:
        return {"If-Match": (await self.admin.raw("GET", path)).headers["ETag"]}


async def accounts(walk: Walk) -> None:
    made = await walk.do("POST /v1/accounts", 201, json={"email": "amina@example.com", "name": "Amina"})
    whose = {"account": made["account"]}
    again = await walk.do("POST /v1/accounts/{account}/invitation", 201, at=whose)
    body = {"invitation": again["invitation"], "password": SENTENCE}
    await walk.do("POST /v1/auth/invitation", 204, json=body)
    await walk.do("PUT /v1/roles/{role}", at={"role": "reader"}, json={"permissions": ["punch:read"]})
    given = await walk.do("POST /v1/accounts/{account}/grants", 201, at=whose, json={"role": "reader"})
    await walk.do("DELETE /v1/accounts/{account}/grants/{grant}", 204, at={**whose, "grant": given["id"]})
    await walk.do("DELETE /v1/roles/{role}", 204, at={"role": "reader"})
    grant = {"grant_type": "password", "email": "amina@example.com", "password": SENTENCE}
    tokens = await walk.do("POST /v1/auth/token", json=grant)
    amina = Desk(walk.admin.gateway, token=tokens["access_token"])
    factor = await walk.do("POST /v1/me/factor", 201, amina, json={"password": SENTENCE})
    app = App(factor["secret"])
    await walk.do("POST /v1/me/factor/confirmation", desk=amina, json={"code": app.fresh()})
    await walk.do("POST /v1/me/factor/recovery-codes", desk=amina, json={"code": app.fresh()})
    await walk.do("POST /v1/me/factor/removal", 204, amina, json={"code": app.fresh()})
    again = await amina.ask("POST", "/v1/me/factor", 201, json={"password": SENTENCE})
    await amina.ask("POST", "/v1/me/factor/confirmation", json={"code": App(again["secret"]).fresh()})
    await walk.do("DELETE /v1/accounts/{account}/factor", 204, at=whose)
    tokens = await walk.do("POST /v1/auth/token", json=grant)
    amina = Desk(walk.admin.gateway, token=tokens["access_token"])
    words = {"old": SENTENCE, "new": "seven geese and a lantern"}
    await walk.do("PUT /v1/me/password", 204, amina, json=words)
    tokens = await walk.do("POST /v1/auth/token", json={**grant, "password": words["new"]})
    await walk.do("POST /v1/auth/sign-out", 204, Desk(walk.admin.gateway, token=tokens["access_token"]))
    await walk.do("PUT /v1/accounts/{account}/state", 204, at=whose, json={"is_enabled": False})
    machine = {"email": "payroll@example.com", "name": "Payroll", "kind": "service"}
    whose = {"account": (await walk.do("POST /v1/accounts", 201, json=machine))["account"]}
    await walk.admin.ask("POST", "/v1/accounts/{account}/grants".format(**whose), 201, json={"role": "auditor"})
    body = {"name": "nightly", "permissions": ["punch:read"]}
    key = await walk.do("POST /v1/accounts/{account}/keys", 201, at=whose, json=body)
    await walk.do("DELETE /v1/accounts/{account}/keys/{key}", 204, at={**whose, "key": key["id"]})
    operator = await another(walk.admin.gateway, "operator@example.com", "platform_operator")
    asked = await walk.do("POST /v1/break-glass", 201, operator, json={"reason": "doors of hall 2 stay shut"})
    opening = {"opening": asked["id"]}
    await walk.do("POST /v1/break-glass/{opening}/approval", at=opening)
    await walk.do("POST /v1/break-glass/{opening}/end", desk=operator, at=opening)
    await walk.do("POST /v1/break-glass/{opening}/review", at=opening, json={"text": "two doors were opened"})
    await walk.do("PUT /v1/sign-in-rule", json={"is_factor_for_all": False})


async def plans(walk: Walk) -> str:
    documents = {"shifts": OFFICE, "schedules": WEEK, "calendars": {"holidays": []}, "payroll-mappings": CODES}
    documents["clock-corrections"] = {
        "device": "CAI0001", "from": f"{MONDAY}T00:00:00Z", "to": f"{MONDAY}T10:00:00Z", "offset_s": 600,
        "reason": "fast",
    }  # fmt: skip
    await walk.admin.ask("PUT", "/v1/shifts/day", json=OFFICE)
    for kind, body in documents.items():
        path = f"/v1/{kind}/{{name}}"
        await walk.do(f"PUT {path}", at={"name": "one"}, json=body)
        await walk.do(f"DELETE {path}", 204, at={"name": "one"}, headers=await walk.tag(f"/v1/{kind}/one"))
        await walk.do(f"POST /v1/{kind}/bulk", json={"items": {"two": body}})
    await walk.admin.ask("PUT", "/v1/payroll-mappings/default", json=CODES)
    asked = {"from": "2026-01-01", "to": "2026-12-31"}
    await walk.do("POST /v1/calendars/{name}/icalendar", at={"name": "eg"}, params=asked, content=FEAST.encode())
    order = {"country": "EG", "years": [2026]}
    await walk.do("POST /v1/calendars/{name}/country", at={"name": "country"}, json=order)
    await walk.admin.ask("PUT", "/v1/schedules/week", json=WEEK)
    await walk.do("POST /v1/policies", 201, json=PACK)
    await walk.do("POST /v1/policies/bulk", 201, json={"items": [{**PACK, "id": "other"}]})
    days = {"from": str(MONDAY), "to": str(SUNDAY)}
    await walk.do("POST /v1/policies/try", json={"pack": PACK, **days})
    await walk.do("PUT /v1/departments/{department}", at={"department": "plant"}, json={"name": "Plant"})
    rules = [{"from": "2026-01-01", "schedule": "week", "policy": "house"}]
    body = person("E1", "7", assignments=rules) | {"employed_from": "2026-01-01"}
    who = str((await walk.do("POST /v1/people", 201, json=body))["id"])
    tag = await walk.tag(f"/v1/people/{who}")
    await walk.do("PUT /v1/people/{person}", at={"person": who}, json=body | {"name": "Amina"}, headers=tag)
    await walk.do("POST /v1/people/bulk", json={"items": [person("E2", "8")]})
    return who


async def sheets(walk: Walk) -> None:
    for kind, sheet in {
        "people": "number,name,place,employed_from,pin\nE3,Sara,cairo,2026-11-01,9\n",
        "departments": "id,name,parent\nhall,Hall 2,plant\n",
        "shifts": "id,start,end\nlate,14:00,22:00\n",
        "rotations": f"id,anchor,pattern,rest_weekdays\nturns,{MONDAY},day late off,6;7\n",
        "holidays": f"calendar,date,name\nmx,{MONDAY},Feast\n",
        "assignments": f"number,from,schedule,calendar,policy\nE3,{MONDAY},turns,mx,house\n",
        "rosters": f"number,from,to,shifts,weekdays\nE3,{MONDAY},,day,\n",
        "leave": f"number,from,to,reason\nE3,{SUNDAY},{SUNDAY},holiday\n",
    }.items():
        await walk.do(f"POST /v1/imports/{kind}", content=sheet.encode())


async def hours(walk: Walk, who: str, boss: Desk) -> None:
    days = {"from": str(MONDAY), "to": str(SUNDAY)}
    await walk.do("POST /v1/workdays/recompute", 202, json=days)
    for kind, wanted in {
        "leave": {"person": who, "from": str(SUNDAY), "to": str(SUNDAY)},
        "regularisations": {
            "person": who,
            "operation": "overtime",
            "date": str(MONDAY),
            "minutes": 30,
            "reason": "late lorry",
        },
    }.items():
        made = (await walk.do(f"POST /v1/{kind}", 201, json={"items": [wanted]}))["items"]
        decided = {"ids": [one["id"] for one in made], "decision": "approved", "reason": "seen"}
        await walk.do(f"POST /v1/{kind}/decisions", desk=boss, json=decided)
    await walk.admin.settled()
    which, why = {"period": "w1"}, {"force": True, "reason": "checked"}
    await walk.do("PUT /v1/periods/{period}", at=which, json=days)
    later = {"from": str(SUNDAY + timedelta(days=1)), "to": str(SUNDAY + timedelta(days=7))}
    await walk.do("POST /v1/periods/bulk", json={"items": {"w2": later}})
    for action in ("close", "approve"):
        await walk.do(f"POST /v1/periods/{{period}}/{action}", at=which, json=why, desk=boss)
    await walk.do("GET /v1/periods/{period}/export", at=which)
    await walk.do("POST /v1/periods/{period}/reopen", at=which, json=why, desk=boss)


async def places(walk: Walk, chain: SignedChain) -> None:
    gateway, where = walk.admin.gateway, {"place": "leeds"}
    token = (await walk.do("POST /v1/places/{place}/join-token", 201, at=where))["token"]
    first, second = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    joined = {**where, "token": token, "key": public_text(first), "proof": prove(first, f"leeds\n{token}")}
    await walk.do("POST /v1/auth/place", 201, json=joined)
    change = {"key": public_text(second), "proof": prove(second, "demo/leeds")}
    content = str(change).replace("'", '"').encode()
    signature = signed(first, "POST", "/v1/places/leeds/keys", content, place="leeds")
    await walk.do("POST /v1/places/{place}/keys", 201, at=where, content=content, headers=signature)
    await walk.do("DELETE /v1/places/{place}/keys", 204, at=where)
    await chain.show(gateway.uplink())
    [punch, *_] = (await walk.admin.ask("GET", "/v1/punches"))["items"]
    await walk.do("GET /v1/punches/{punch}/receipt", at={"punch": punch["id"]})
    following = Signer("biometric-flow/demo/cairo#2", OTHER_KEY).public
    body = {"key": str(following), "reason": "the disk was lost"}
    await walk.do("POST /v1/places/{place}/logs", at={"place": "cairo"}, json=body)


async def alarms(walk: Walk, receiver: Receiver) -> None:
    which = {"name": "hook"}
    await walk.do("PUT /v1/alert-channels/{name}", at=which, json={"url": receiver.url})
    await walk.do("POST /v1/alert-channels/{name}/test", at=which)
    await walk.do("DELETE /v1/alert-channels/{name}", 204, at=which)
    wrong = {"grant_type": "password", "email": "nobody@example.com", "password": f"not {PASSWORD}"}
    for _ in range(25):
        await walk.admin.gateway.http.post("/v1/auth/token", json=wrong)
    found: list[dict[str, Any]] = []

    async def is_raised() -> bool:
        found[:] = await walk.admin.ask("GET", "/v1/alerts")
        return bool(found)

    await until(is_raised)
    await walk.do("POST /v1/alerts/{alert}/acknowledge", at={"alert": found[0]["id"]})


async def privacy(walk: Walk) -> None:
    months = {"months": months_since_november()}
    files = (await walk.do("POST /v1/archive/files", json=months))["files"]
    await walk.do("POST /v1/archive/files/{file}/restore", at={"file": files[0]["id"]})
    await walk.do("POST /v1/privacy/retention", 201, json={"valid_from": str(MONDAY), "by": "officer", "rules": []})
    hold = {"scope": "person", "who": "E2", "reason": "claim", "by": "counsel", "first_day": str(MONDAY)}
    held = await walk.do("POST /v1/privacy/holds", 201, json=hold)
    await walk.do("POST /v1/privacy/holds/{hold}/end", at={"hold": held["id"]}, json={"by": "counsel"})
    wanted = {"number": "E1", "reason": "request", "by": "officer"}
    erasure = (await walk.do("POST /v1/privacy/erasures", json=wanted))["erasure"]
    credential = {"Authorization": f"Bearer bfp_{SECRETS['cairo']}"}
    told, where = {"erasure": erasure, "pin": "7"}, {"place": "cairo"}
    await walk.do("POST /v1/places/{place}/privacy/nobody", 204, at=where, json=told, headers=credential)


async def test_every_write_and_export_that_succeeds_leaves_one_leaf_with_its_actor_and_its_answer(
    database: TestDatabase, tmp_path: Path
) -> None:
    receiver, archive = Receiver(), str(tmp_path / "archive")
    more: dict[str, Any] = {"archive": archive, "alert_seconds": 0.1, "alert_private": True}
    async with running_gateway(tmp_path / "gateway", database, **more) as gateway:
        walk, chain = Walk(Desk(gateway, SignedChain())), SignedChain()
        walk.admin.chain = chain
        boss = await another(gateway)
        await accounts(walk)
        who = await plans(walk)
        await sheets(walk)
        old = (touch(pin, OLD, clock) for pin in "78" for clock in ("09:00", "17:00"))
        await walk.admin.punches(*old, touch("7", MONDAY, "09:00"), touch("7", MONDAY, "17:30"))
        await hours(walk, who, boss)
        await places(walk, chain)
        await privacy(walk)
        await alarms(walk, receiver)
        document = (await gateway.http.get("/openapi.json")).json()
    receiver.server.shutdown()
    receiver.server.server_close()
    writing = {
        f"{method.upper()} {path}"
        for path, methods in document["paths"].items()
        for method, said in methods.items()
        if method in recorded(methods) and "x-trail" not in said
    }
    assert writing - walk.walked == ELSEWHERE, "an operation without data here: add a step that succeeds"
