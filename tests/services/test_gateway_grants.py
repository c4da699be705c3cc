"""Grants at a running gateway: what they let an account reach, and how soon a change counts."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from biometric_flow.api.clients import GatewayProblem
from biometric_flow.cli import main
from tests.services.gateways import ADMIN, PASSWORD, Chain, RunningGateway, touches
from tests.services.hours import MONDAY, Desk, person, worked_week
from tests.services.places import until
from tests.services.test_pay import another

SOON = 5
"""Seconds within which a change has to count (security-design A3)."""


async def account_of(desk: Desk) -> str:
    return str((await desk.ask("GET", "/v1/me"))["account"])


async def only(admin: Desk, holder: Desk, role: str, kind: str, name: str) -> str:
    """The holder's one grant from now on."""
    account = await account_of(holder)
    for grant in await admin.ask("GET", f"/v1/accounts/{account}/grants"):
        await admin.ask("DELETE", f"/v1/accounts/{account}/grants/{grant['id']}", 204)
    body = {"role": role, "scope": {"kind": kind, "id": name}}
    await admin.ask("POST", f"/v1/accounts/{account}/grants", 201, json=body)
    return account


async def staffed(gateway: RunningGateway) -> tuple[Desk, dict[str, str]]:
    """Punches at two places, and three people: two in Cairo, one of them a welder, and one in Leeds."""
    admin = Desk(gateway)
    await admin.plan()
    for name, parent in (("works", None), ("welding", "works"), ("office", None)):
        await admin.ask("PUT", f"/v1/departments/{name}", json={"name": name, "parent": parent})
    plan = [{"from": "2026-11-01", "schedule": "week", "policy": "house"}]
    people = {}
    for number, place, department in (("E1", "cairo", "welding"), ("E2", "cairo", "office"), ("E3", "leeds", "office")):
        body = person(number, assignments=plan) | {"place": place, "department": department}
        body["pins"] = [{"place": place, "pin": number[1:], "from": "2026-01-01"}]
        people[number] = (await admin.ask("POST", "/v1/people", 201, json=body))["id"]
    await admin.punches(*worked_week("1"))
    leeds = Chain("leeds")
    leeds.add(*touches(2, pin="3"))
    await gateway.uplink("leeds").upload(0, leeds.entries)
    await admin.settled()
    return admin, people


def numbers(page: Any) -> set[str]:
    return {one["number"] for one in page["items"]}


async def test_a_place_manager_reaches_one_place_and_a_department_head_their_people(gateway: RunningGateway) -> None:
    admin, people = await staffed(gateway)
    manager = await another(gateway, "manager@example.com", "employee")
    await only(admin, manager, "place_manager", "place", "cairo")
    head = await another(gateway, "head@example.com", "employee")
    await only(admin, head, "department_head", "department", "works")

    assert numbers(await manager.ask("GET", "/v1/people")) == {"E1", "E2"}
    assert numbers(await manager.ask("GET", "/v1/workdays")) == {"E1", "E2"}
    assert [one["id"] for one in await manager.ask("GET", "/v1/places")] == ["cairo"]
    assert set((await manager.ask("GET", "/v1/punches/count"))["places"]) == {"cairo"}
    assert [one["id"] for one in (await manager.ask("GET", "/v1/overview"))["places"]] == ["cairo"]
    assert {one["place"] for one in (await manager.ask("GET", "/v1/pins"))["items"]} == {"cairo"}
    pages = ["overview", "live", "devices", "alerts", "exceptions", "people", "punches", "workdays", "requests"]
    assert (await manager.ask("GET", "/v1/me"))["pages"] == pages

    assert numbers(await head.ask("GET", "/v1/people")) == {"E1"}
    assert numbers(await head.ask("GET", "/v1/workdays")) == {"E1"}
    assert (await head.raw("GET", "/v1/punches")).status_code == 403
    assert (await head.raw("GET", f"/v1/people/{people['E2']}")).json()["code"] == "person.unknown"
    assert (await head.raw("GET", f"/v1/workdays/{people['E3']}/{MONDAY}/explain")).status_code == 404
    for one in (manager, head):
        assert (await one.raw("GET", f"/v1/people/{people['E3']}")).json()["code"] == "person.unknown"
        assert (await one.raw("POST", "/v1/people", json=person("E9"))).status_code == 403
        assert (await one.raw("GET", "/v1/audit")).status_code == 403


async def test_corrections_are_asked_for_and_decided_within_reach_and_count_all_the_same(
    gateway: RunningGateway,
) -> None:
    admin, people = await staffed(gateway)
    head = await another(gateway, "head@example.com", "employee")
    await only(admin, head, "department_head", "department", "works")
    ask = {"operation": "add", "at": f"{MONDAY}T18:00:00Z", "reason": "gate was open"}
    for preview in (True, False):
        body = {"items": [{"person": people["E1"], **ask}], "preview": preview}
        told = await head.ask("POST", "/v1/regularisations", 201, json=body)
    body = {"items": [{"person": people["E3"], **ask}]}
    refused = await head.raw("POST", "/v1/regularisations", json=body)
    assert (refused.status_code, refused.json()["code"]) == (422, "regularisation.invalid")
    theirs = await admin.ask("POST", "/v1/regularisations", 201, json=body)
    wanted = {"ids": [theirs["items"][0]["id"]], "decision": "approved", "reason": "seen"}
    assert (await head.raw("POST", "/v1/regularisations/decisions", json=wanted)).status_code == 404
    await admin.ask("POST", "/v1/regularisations/decisions", json={**wanted, "ids": [told["items"][0]["id"]]})
    leave = {"from": "2026-11-05", "to": "2026-11-05"}
    assert (await head.raw("POST", "/v1/leave", json={"items": [{"person": people["E2"], **leave}]})).status_code == 422
    mine = await admin.ask("POST", "/v1/leave", 201, json={"items": [{"person": people["E1"], **leave}]})
    decided = {"ids": [mine["items"][0]["id"]], "decision": "approved", "reason": ""}
    await head.ask("POST", "/v1/leave/decisions", json=decided)


async def test_a_stream_tells_what_its_listener_reaches_and_ends_when_that_changes(gateway: RunningGateway) -> None:
    admin = Desk(gateway)
    manager = await another(gateway, "manager@example.com", "employee")
    account = await only(admin, manager, "place_manager", "place", "cairo")
    seen: list[str] = []

    async def listen() -> None:
        async for event in gateway.client.stream(manager.token):
            seen.append(event.data if event.event == "punch" else event.event)

    listening = asyncio.create_task(listen())
    await until(lambda: _true(seen))
    leeds, cairo = Chain("leeds"), Chain("cairo")
    leeds.add(*touches(2, pin="3"))
    cairo.add(*touches(1, pin="7"))
    await gateway.uplink("leeds").upload(0, leeds.entries)
    await gateway.uplink("cairo").upload(0, cairo.entries)
    await until(lambda: _true([one for one in seen if '"place":"cairo"' in one]))
    assert not [one for one in seen if '"place":"leeds"' in one]
    await admin.ask("PUT", f"/v1/accounts/{account}/state", 204, json={"is_enabled": False})
    await asyncio.wait_for(asyncio.gather(listening, return_exceptions=True), SOON + 5)


async def _true(value: object) -> bool:
    return bool(value)


async def test_a_sign_out_ends_the_refresh_family_and_the_access_token(gateway: RunningGateway) -> None:
    token, other = [await gateway.client.sign_in(ADMIN, PASSWORD) for _ in range(2)]
    await gateway.client.sign_out(token.access_token)
    for attempt in (gateway.client.refresh(token.refresh_token), gateway.client.me(token.access_token)):
        with pytest.raises(GatewayProblem) as refused:
            await attempt
        assert refused.value.status == 401
    assert (await gateway.client.me(other.access_token)).email == ADMIN
    assert (await gateway.client.refresh(other.refresh_token)).access_token


async def test_a_change_at_one_gateway_counts_at_another_within_five_seconds(
    gateway: RunningGateway, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from tests.services.gateways import running_gateway

    admin = Desk(gateway)
    clerk = await another(gateway, "clerk@example.com", "auditor")
    account = await account_of(clerk)
    folder = tmp_path_factory.mktemp("second")
    for name in ("token-key.pem", "witness-key.pem"):
        source = gateway.folder / name
        (folder / name).write_bytes(source.read_bytes())
        (folder / name).chmod(0o600)
    async with running_gateway(folder, gateway.database, keys=gateway.folder / "keys") as second:
        elsewhere = replace(clerk, gateway=second)
        await elsewhere.ask("GET", "/v1/punches/count")
        [grant] = await admin.ask("GET", f"/v1/accounts/{account}/grants")
        await admin.ask("DELETE", f"/v1/accounts/{account}/grants/{grant['id']}", 204)
        await _within(SOON, elsewhere, 403)
        await admin.ask("PUT", f"/v1/accounts/{account}/state", 204, json={"is_enabled": False})
        await _within(SOON, elsewhere, 401)


async def _within(seconds: float, desk: Desk, status: int) -> None:
    async with asyncio.timeout(seconds):
        while (await desk.raw("GET", "/v1/punches/count")).status_code != status:
            await asyncio.sleep(0.1)


async def test_nobody_grants_more_than_they_hold_nor_anything_to_themselves(gateway: RunningGateway) -> None:
    admin = Desk(gateway)
    officer = await another(gateway, "officer@example.com", "security_officer")
    clerk = await another(gateway, "clerk@example.com", "hr_manager")
    theirs, own = await account_of(clerk), await account_of(officer)

    async def refused(desk: Desk, account: str, **body: Any) -> tuple[int, str]:
        answer = await desk.raw("POST", f"/v1/accounts/{account}/grants", json=body)
        return answer.status_code, answer.json()["code"]

    assert await refused(officer, theirs, role="tenant_admin") == (403, "grant.refused")
    assert await refused(officer, own, role="security_officer") == (409, "account.own")
    assert await refused(admin, theirs, role="payroll") == (403, "grant.refused")
    assert await refused(admin, theirs, role="auditor", scope={"kind": "place", "id": "tokyo"}) == (
        403,
        "grant.refused",
    )
    assert await refused(admin, theirs, role="auditor", scope={"kind": "place"}) == (422, "request.invalid")
    assert await refused(admin, theirs, role="auditor", colour="red") == (422, "request.invalid")
    assert await refused(clerk, own, role="auditor") == (403, "access.forbidden")
    missing = await refused(admin, str(UUID(int=0)), role="auditor")
    assert missing == (404, "account.unknown")
    other = Desk(gateway, token=await gateway.sign_in_of_other_tenant())
    assert await refused(other, theirs, role="auditor") == (404, "account.unknown")
    assert [one["email"] for one in await other.ask("GET", "/v1/accounts")] == ["other@example.com"]


async def test_a_role_of_ones_own_gives_what_it_says_until_nobody_holds_it(gateway: RunningGateway) -> None:
    admin = Desk(gateway)
    guard = await another(gateway, "guard@example.com", "employee")
    body = {"about": "gates", "permissions": ["terminal:read"], "inherits": ["employee"]}
    made = await admin.ask("PUT", "/v1/roles/gate_guard", json=body)
    assert made["gives"] == ["terminal:read"]
    account = await account_of(guard)
    grant = await admin.ask("POST", f"/v1/accounts/{account}/grants", 201, json={"role": "gate_guard"})
    await guard.ask("GET", "/v1/terminals")
    assert (await admin.raw("DELETE", "/v1/roles/gate_guard")).json()["code"] == "role.in_use"
    await admin.ask("DELETE", f"/v1/accounts/{account}/grants/{grant['id']}", 204)
    await admin.ask("DELETE", "/v1/roles/gate_guard", 204)
    for name, more in (
        ("auditor", {}),
        ("pilot", {"permissions": ["terminal:fly"]}),
        ("itself", {"inherits": ["itself"]}),
    ):
        assert (await admin.raw("PUT", f"/v1/roles/{name}", json=more)).json()["code"] == "role.invalid", name


async def test_why_is_told_by_the_api_and_by_the_command(
    gateway: RunningGateway, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = Desk(gateway)
    manager = await another(gateway, "manager@example.com", "employee")
    account = await only(admin, manager, "place_manager", "place", "cairo")
    asked = {"permission": "punch:read", "place": "cairo"}
    told = await admin.ask("GET", f"/v1/accounts/{account}/why", params=asked)
    assert told["allowed"] is True
    assert told["reasons"][0]["text"] == "place_manager gives punch:read in place cairo"
    monkeypatch.setenv("BIOMETRIC_FLOW_EMAIL", ADMIN)
    monkeypatch.setenv("BIOMETRIC_FLOW_PASSWORD", PASSWORD)
    line = ["access", "why", "--account", "manager@example.com", "--permission", "punch:read", "--gateway", gateway.url]
    assert await asyncio.to_thread(main, [*line, "--place", "leeds"]) == 1
    assert "it is for place cairo, not for place leeds" in capsys.readouterr().out
    assert await asyncio.to_thread(main, [*line, "--place", "cairo"]) == 0
