"""Who may touch people, plans and hours, and that nobody overwrites what they have not seen."""

import re
from typing import Any
from uuid import UUID

from tests.services.gateways import RunningGateway
from tests.services.hours import MONDAY, OFFICE, Desk, person, worked_week
from tests.services.test_pay import another


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_a_change_names_the_version_that_it_is_based_on(gateway: RunningGateway) -> None:
    desk = Desk(gateway)
    await desk.ask("PUT", "/v1/shifts/day", json=OFFICE)
    assert code(await desk.raw("PUT", "/v1/shifts/day", json={**OFFICE, "end": "18:00"})) == (
        428,
        "request.version_missing",
    )
    first = {"If-Match": '"1"'}
    await desk.ask("PUT", "/v1/shifts/day", headers=first, json={**OFFICE, "end": "18:00"})
    assert code(await desk.raw("PUT", "/v1/shifts/day", headers=first, json=OFFICE)) == (412, "request.stale")
    same = await desk.raw("GET", "/v1/shifts/day", headers={"If-None-Match": '"2"'})
    assert (same.status_code, same.content) == (304, b"")
    made = await desk.ask("POST", "/v1/people", 201, json=person("E1"))
    moved = await desk.raw("PUT", f"/v1/people/{made['id']}", headers={"If-Match": '"7"'}, json=person("E1"))
    assert code(moved) == (412, "request.stale")


async def test_unknown_fields_and_parameters_are_refused_everywhere(gateway: RunningGateway) -> None:
    desk = Desk(gateway)
    for path, body in (
        ("/v1/people", {**person("E1"), "colour": "red"}),
        ("/v1/leave", {"items": [], "colour": "red"}),
        ("/v1/regularisations", {"items": [], "colour": "red"}),
        ("/v1/workdays/recompute", {"from": "2026-01-01", "to": "2026-01-02", "colour": "red"}),
        ("/v1/policies/try", {"pack": {}, "from": "2026-01-01", "to": "2026-01-02", "colour": "red"}),
    ):
        assert code(await desk.raw("POST", path, json=body)) == (422, "request.invalid"), path
    shift = await desk.raw("PUT", "/v1/shifts/day", json={**OFFICE, "unpaid_brake_min": 30})
    assert code(shift) == (422, "plan.invalid")
    assert shift.json()["errors"][0]["field"] == "unpaid_brake_min"
    for path in ("people", "pins", "workdays", "irregularities", "leave", "regularisations", "periods", "policies"):
        assert (await desk.raw("GET", f"/v1/{path}", params={"colour": "red"})).status_code == 422, path


async def test_roles_may_do_what_they_are_for_and_no_more(gateway: RunningGateway) -> None:
    desk = Desk(gateway)
    auditor = await another(gateway, "auditor@example.com", "auditor")
    payroll = await another(gateway, "payroll@example.com", "payroll")
    technician = await another(gateway, "tech@example.com", "device_technician")
    await desk.plan()
    for one in (auditor, payroll):
        await one.ask("GET", "/v1/workdays")
        assert (await one.raw("POST", "/v1/people", json=person("E1"))).status_code == 403
        assert (await one.raw("POST", "/v1/regularisations", json={})).status_code == 403
    assert (await technician.raw("GET", "/v1/workdays")).status_code == 403
    assert (await technician.raw("GET", "/v1/people")).status_code == 403
    period = {"from": str(MONDAY), "to": str(MONDAY)}
    assert (await auditor.raw("PUT", "/v1/periods/p1", json=period)).status_code == 403
    await payroll.ask("PUT", "/v1/periods/p1", json=period)


async def test_another_tenant_sees_and_finds_nothing(gateway: RunningGateway) -> None:
    desk = Desk(gateway)
    await desk.plan()
    who = await desk.hire()
    await desk.punches(*worked_week("7"))
    await desk.settled()
    other = Desk(gateway, token=await gateway.sign_in_of_other_tenant())
    assert (await other.ask("GET", "/v1/people"))["items"] == []
    assert (await other.ask("GET", "/v1/workdays"))["items"] == []
    assert code(await other.raw("GET", f"/v1/people/{who}")) == (404, "person.unknown")
    assert code(await other.raw("GET", f"/v1/workdays/{who}/{MONDAY}/explain")) == (404, "workday.unknown")
    assert code(await other.raw("GET", "/v1/policies/house")) == (404, "plan.unknown")
    taken = await other.raw(
        "POST", "/v1/leave", json={"items": [{"person": who, "from": "2026-11-02", "to": "2026-11-02"}]}
    )
    assert taken.status_code == 422


async def test_pages_of_workdays_neither_repeat_nor_miss_one(gateway: RunningGateway) -> None:
    desk = Desk(gateway)
    await desk.plan()
    for number in range(3):
        await desk.hire(f"E{number}", str(number + 1))
    await desk.settled()
    seen: list[tuple[str, str]] = []
    cursor: str | None = None
    while True:
        asked = {"limit": 7, "to": "2026-11-15"} | ({"cursor": cursor} if cursor else {})
        page = await desk.ask("GET", "/v1/workdays", params=asked)
        seen += [(day["date"], day["person"]) for day in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 3 * 15
    assert seen == sorted(seen)


async def test_a_query_parameter_that_an_operation_does_not_know_is_refused_everywhere(gateway: RunningGateway) -> None:
    document = (await gateway.http.get("/openapi.json")).json()
    families = ("workdays", "irregularities", "leave", "regularisations", "periods", "people", "departments", "pins")
    families += ("shifts", "schedules", "calendars", "clock-corrections", "clock-drift", "payroll-mappings", "policies")
    asked = 0
    for path, methods in document["paths"].items():
        if "get" in methods and path.removeprefix("/v1/").split("/")[0] in families:
            filled = path.replace("{person}", str(UUID(int=7))).replace("{day}", "2026-11-02").replace("{version}", "1")
            filled = re.sub("{[a-z_]+}", str(UUID(int=7)), filled)
            answer = await Desk(gateway).raw("GET", filled, params={"colour": "red"})
            assert (answer.status_code, "colour" in answer.text) == (422, True), (path, answer.text)
            asked += 1
    assert asked > 20
