"""The gateway keeps hours as long as the tenant's policy says, never what is held, and tells its places (E3, E4)."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.services.gateways import SECRETS, RunningGateway
from tests.services.hours import Desk, touch
from tests.services.places import until
from tests.services.pushes import push_place, pushing
from tests.services.test_biometrics import agree, end, signed

TODAY = datetime.now(UTC).date()
OLD = TODAY - timedelta(days=400)
SINCE = {"employed_from": str(OLD - timedelta(days=1))}


def pins(pin: str) -> list[dict[str, str]]:
    return [{"place": "cairo", "pin": pin, "from": str(OLD - timedelta(days=1))}]


async def hire(desk: Desk, number: str, pin: str, **more: Any) -> str:
    body = {"number": number, "name": f"Person {number}", "place": "cairo", "pins": pins(pin), **SINCE, **more}
    made = await desk.ask("POST", "/v1/people", 201, json=body)
    return str(made["id"])


def policy(data: str, days: int) -> dict[str, Any]:
    rule = {"data": data, "at_most_days": days, "because": "house rule"}
    return {"valid_from": str(OLD), "by": "privacy officer", "rules": [rule]}


async def test_hours_older_than_the_policy_go_and_those_of_held_people_stay(gateway: RunningGateway) -> None:
    desk = Desk(gateway)
    await desk.ask("PUT", "/v1/departments/court", json={"name": "Court"})
    for number, pin, more in (("E1", "7", {}), ("E2", "8", {}), ("E3", "9", {"department": "court"})):
        await hire(desk, number, pin, **more)
    await desk.punches(*(touch(pin, day, "09:00") for pin in ("7", "8", "9") for day in (OLD, TODAY)))
    await desk.settled()
    hold = {"reason": "claim 12", "by": "counsel", "first_day": str(TODAY)}
    person = await desk.ask("POST", "/v1/privacy/holds", 201, json={**hold, "scope": "person", "who": "E2"})
    await desk.ask("POST", "/v1/privacy/holds", 201, json={**hold, "scope": "department", "who": "court"})
    saved = await desk.ask("POST", "/v1/privacy/retention", 201, json=policy("attendance", 365))

    async def counted(wanted: int) -> bool:
        return await gateway.count() == wanted

    await until(lambda: counted(5))
    assert {pin: await gateway.count(pin=pin) for pin in ("7", "8", "9")} == {"7": 1, "8": 2, "9": 2}
    [place] = [one for one in await gateway.client.places(gateway.token) if one.id == "cairo"]
    assert place.id == "cairo"
    assert await desk.ask("GET", "/v1/privacy/retention") == [saved]
    ended = await desk.ask("POST", f"/v1/privacy/holds/{person['id']}/end", json={"by": "counsel"})
    assert ended["ended_by"] == "counsel"
    await until(lambda: counted(4))
    await desk.ask("POST", f"/v1/privacy/holds/{person['id']}/end", 404, json={"by": "counsel"})


async def test_people_who_left_long_ago_go_once_their_hours_are_gone_and_nobody_under_a_hold_of_everybody(
    gateway: RunningGateway,
) -> None:
    desk = Desk(gateway)
    await hire(desk, "E1", "7", employed_to=str(OLD + timedelta(days=1)))
    await hire(desk, "E2", "8")
    await desk.punches(touch("7", OLD, "09:00"))
    await desk.settled()
    everybody = {"scope": "everybody", "reason": "audit", "by": "counsel", "first_day": str(TODAY)}
    hold = await desk.ask("POST", "/v1/privacy/holds", 201, json=everybody)
    rules = [*policy("attendance", 30)["rules"], *policy("identity", 30)["rules"]]
    await desk.ask("POST", "/v1/privacy/retention", 201, json={**policy("identity", 30), "rules": rules})
    assert len((await desk.ask("GET", "/v1/people"))["items"]) == 2
    await desk.ask("POST", f"/v1/privacy/holds/{hold['id']}/end", json={"by": "counsel"})

    async def one_is_left() -> bool:
        return [one["number"] for one in (await desk.ask("GET", "/v1/people"))["items"]] == ["E2"]

    await until(one_is_left)


async def test_holds_of_nobody_are_refused_and_readers_cannot_place_any(gateway: RunningGateway) -> None:
    desk = Desk(gateway)
    hold = {"scope": "person", "who": "E9", "reason": "x", "by": "y", "first_day": str(TODAY)}
    for body in (hold, {**hold, "scope": "department"}):
        answer = await desk.raw("POST", "/v1/privacy/holds", json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "privacy.hold_unknown")
    other = Desk(gateway, token=await gateway.sign_in_of_other_tenant())
    await desk.ask("POST", "/v1/privacy/holds", 201, json={**hold, "scope": "everybody", "who": ""})
    assert await other.ask("GET", "/v1/privacy/holds") == []


async def test_a_place_hears_of_holds_policies_and_ended_employment_from_its_gateway(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    desk = Desk(gateway)
    await hire(desk, "E1", "7")
    await hire(desk, "E2", "8", employed_to=str(TODAY - timedelta(days=2)))
    hold = {"scope": "person", "who": "E1", "reason": "claim 12", "by": "counsel", "first_day": str(TODAY)}
    await desk.ask("POST", "/v1/privacy/holds", 201, json=hold)
    await desk.ask("POST", "/v1/privacy/retention", 201, json=policy("attendance", 3650))
    link = {"gateway_url": gateway.url, "gateway_credential": SECRETS["cairo"], "retention_look_seconds": 0.2}
    async with push_place(tmp_path, [pushing()], biometrics_are_kept=True, **link) as place:
        await place.upload("ATTLOG", f"7\t{TODAY} 08:00:00\t0\t1\n".encode())
        await agree(place, "7")
        await agree(place, "8")

        async def has_heard() -> bool:
            (release,) = await place.get("/v1/people/8/release")
            return bool(await place.get("/v1/holds")) and not release["is_in_force"]

        await until(has_heard)
        (release,) = await place.get("/v1/people/7/release")
        assert release["is_in_force"]
        assert [one["rules"][0]["at_most_days"] for one in await place.get("/v1/retention")] == [3650]
        erased = await place.http.post("/v1/erasures", json={"pin": "7", "reason": "asked", "by": "officer"})
        assert {one["why"] for one in erased.json()["stays"]} == {"claim 12"}
        refused = await place.http.post("/v1/retention", json=policy("attendance", 1))
        assert (refused.status_code, refused.json()["code"]) == (409, "privacy.retention_from_gateway")


async def test_what_was_signed_is_known_by_its_words_in_the_export_and_through_the_gateway(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    desk = Desk(gateway)
    link = {"gateway_url": gateway.url, "gateway_credential": SECRETS["cairo"], "retention_look_seconds": 0.2}
    words = {"en": "I agree that my fingerprint is kept ...", "ar": "أوافق على حفظ بصمتي ..."}
    async with push_place(tmp_path, [pushing()], biometrics_are_kept=True, **link) as place:
        await place.upload("ATTLOG", f"7\t{TODAY} 08:00:00\t0\t1\n".encode())
        path = "/v1/consent/texts/2026-01"
        for language, body in words.items():
            saved = await place.http.put(f"{path}/{language}", json={"body": body, "by": "counsel"})
            assert saved.json()["sha256"] == hashlib.sha256(body.encode()).hexdigest()
        again = await place.http.put(f"{path}/ar", json={"body": words["ar"], "by": "somebody else"})
        assert again.json()["by"] == "counsel"
        other = await place.http.put(f"{path}/ar", json={"body": "something else", "by": "counsel"})
        assert (other.status_code, other.json()["code"]) == (409, "consent.text_exists")
        missing = signed(text_version="2026-01", text_language="fr")
        refused = await place.http.put("/v1/people/7/release", json=missing)
        assert (refused.status_code, refused.json()["code"]) == (404, "consent.text_unknown")
        await agree(place, text_version="2026-01", text_language="ar")
        [copy] = (await place.get("/v1/people/7/export"))["releases"]
        digest = hashlib.sha256(words["ar"].encode()).hexdigest()
        assert (copy["text"], copy["text_sha256"], copy["is_in_force"]) == (words["ar"], digest, True)
        assert (copy["purpose"], copy["recorded_by"], copy["ended_at"]) == ("attendance", "Mona, HR", None)

        async def is_known(in_force: bool) -> bool:
            found = await desk.ask("GET", "/v1/privacy/consents", params={"pin": "7"})
            return [(one["place"], one["text_sha256"], one["is_in_force"]) for one in found] == [
                ("cairo", digest, in_force)
            ]

        await until(lambda: is_known(True))
        told = await desk.ask("GET", "/v1/privacy/consent-texts")
        assert {one["language"]: one["body"] for one in told} == words
        await end(place)
        await until(lambda: is_known(False))
        [ended] = await desk.ask("GET", "/v1/privacy/consents", params={"pin": "7"})
        assert ended["end_reason"] == "withdrawn, recorded by Mona, HR"
    other_tenant = Desk(gateway, token=await gateway.sign_in_of_other_tenant())
    assert await other_tenant.ask("GET", "/v1/privacy/consents") == []
