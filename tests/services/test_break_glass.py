"""Break-glass at a running gateway: who asks is let in by somebody else, and whatever they do is told and recorded."""

import asyncio
from typing import Any

import pytest

from biometric_flow.cli import main
from tests.services.gateways import ADMIN, PASSWORD, RunningGateway
from tests.services.hours import Desk, person
from tests.services.places import until
from tests.services.test_pay import another


async def under(admin: Desk, opening: str) -> list[tuple[str, str]]:
    """What the audit trail tells of everything that was done under an opening."""
    page = await admin.ask("GET", "/v1/audit", params={"limit": 1000})
    found: list[dict[str, Any]] = page["items"]
    return [(one["operation"], one["result"]) for one in found if one["scope"].get("watched") == opening]


async def test_two_persons_open_it_and_everything_under_it_is_recorded(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    admin = Desk(gateway)
    operator = await another(gateway, "operator@example.com", "platform_operator")
    assert (await operator.raw("GET", "/v1/people")).status_code == 403
    wanted = {"reason": "the doors of hall 2 stay shut", "minutes": 20}
    asked = await operator.ask("POST", "/v1/break-glass", 201, json=wanted)
    assert (asked["status"], asked["reason"], asked["opened_by"]) == ("asked", wanted["reason"], "")
    path = f"/v1/break-glass/{asked['id']}"
    again = await operator.raw("POST", "/v1/break-glass", json=wanted)
    assert (again.status_code, again.json()["code"]) == (409, "break_glass.refused")
    assert (await operator.raw("POST", f"{path}/approval")).status_code == 403
    own = await admin.ask("POST", "/v1/break-glass", 201, json=wanted)
    assert "it takes two" in (await admin.raw("POST", f"/v1/break-glass/{own['id']}/approval")).text

    opened = await admin.ask("POST", f"{path}/approval")
    assert opened["status"] == "open"

    async def is_in() -> bool:
        return (await operator.raw("GET", "/v1/people")).status_code == 200

    await until(is_in)
    await operator.ask("POST", "/v1/people", 201, json=person("E1", "1"))
    assert (await operator.raw("GET", "/v1/accounts")).status_code == 403
    told = await under(admin, asked["id"])
    for one in ("GET /v1/people", "200"), ("POST /v1/people", "201"), ("GET /v1/accounts", "403 access.forbidden"):
        assert one in told, "who reads, writes or is refused leaves an entry"
    me = (await operator.ask("GET", "/v1/me"))["account"]
    why = await admin.ask("GET", f"/v1/accounts/{me}/why", params={"permission": "person:read"})
    assert why["allowed"]
    assert any(one["counts"] and "break_glass gives person:read" in one["text"] for one in why["reasons"])

    async def is_told() -> bool:
        alerts = await admin.ask("GET", "/v1/alerts")
        return any("operator@example.com, let in by " in one["text"] for one in alerts if one["kind"] == "break_glass")

    await until(is_told)
    ended = await operator.ask("POST", f"{path}/end")
    assert ended["status"] == "over"

    async def is_out() -> bool:
        return (await operator.raw("GET", "/v1/people")).status_code == 403

    await until(is_out)
    done = len(await under(admin, asked["id"]))
    await operator.raw("GET", "/v1/people")
    assert len(await under(admin, asked["id"])) == done, "what is refused afterwards is nothing that was done under it"
    reviewed = await admin.ask("POST", f"{path}/review", json={"text": "two doors were opened, nothing else"})
    assert (reviewed["status"], reviewed["review"]) == ("reviewed", "two doors were opened, nothing else")
    assert "sealed" in (await admin.raw("POST", f"/v1/accounts/{me}/grants", json={"role": "break_glass"})).text
    monkeypatch.setenv("BIOMETRIC_FLOW_EMAIL", ADMIN)
    monkeypatch.setenv("BIOMETRIC_FLOW_PASSWORD", PASSWORD)
    capsys.readouterr()
    assert await _command("access", "break-glass", "list", "--gateway", gateway.url) == 0
    shown = capsys.readouterr().out
    assert "operator@example.com" in shown
    assert "two doors were opened" in shown


async def _command(*words: str) -> int:
    return await asyncio.to_thread(main, list(words))
