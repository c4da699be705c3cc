"""The lists of people's hours behave alike: pages, cursors, filters, versions, and problems that say what is wrong."""

from datetime import timedelta
from typing import Any

from tests.services.gateways import RunningGateway
from tests.services.hours import MONDAY, OFFICE, Desk, touch

LISTS = (
    "/v1/workdays", "/v1/schedules", "/v1/shifts", "/v1/policies", "/v1/calendars", "/v1/leave", "/v1/irregularities",
    "/v1/regularisations", "/v1/periods",
)  # fmt: skip


async def filled(desk: Desk) -> str:
    """Two of everything."""
    await desk.plan()
    who = await desk.hire()
    await desk.ask("PUT", "/v1/shifts/late", json={**OFFICE, "start": "14:00", "end": "22:00"})
    await desk.ask("PUT", "/v1/schedules/free", json={"mode": "none"})
    pack = (await desk.ask("GET", "/v1/policies/house"))["body"]
    await desk.ask("POST", "/v1/policies", 201, json={**pack, "version": 2})
    asked: dict[str, list[dict[str, Any]]] = {"leave": [], "regularisations": []}
    for number in range(2):
        day = str(MONDAY + timedelta(days=number))
        later = [str(MONDAY + timedelta(days=7 * number + far)) for far in (0, 6)]
        holidays = {"holidays": [{"date": day, "name": "A feast"}]}
        await desk.ask("PUT", f"/v1/calendars/c{number}", json=holidays)
        await desk.ask("PUT", f"/v1/periods/p{number}", json={"from": later[0], "to": later[1]})
        asked["leave"].append({"person": who, "from": day, "to": day, "reason": "family"})
        at = f"{day}T17:00:00+02:00"
        asked["regularisations"].append({"person": who, "operation": "add", "at": at, "reason": "forgot"})
    for name, items in asked.items():
        await desk.ask("POST", f"/v1/{name}", 201, json={"items": items})
    await desk.punches(*(touch("7", MONDAY + timedelta(days=number), "09:00") for number in range(2)))
    await desk.settled()
    return who


async def test_every_list_pages_by_cursor_and_names_what_is_wrong_with_a_question(gateway: RunningGateway) -> None:
    desk = Desk(gateway)
    who = await filled(desk)
    for path in LISTS:
        whole = (await desk.ask("GET", path, params={"limit": 200}))["items"]
        assert len(whole) >= 2, path
        seen: list[Any] = []
        cursor = None
        while len(seen) <= len(whole):
            page = await desk.ask("GET", path, params={"limit": 1} | ({"cursor": cursor} if cursor else {}))
            seen += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert seen == whole, path
        for wrong in ({"colour": "red"}, {"cursor": "nonsense"}, {"limit": "0"}, {"limit": "many"}):
            refused = await desk.raw("GET", path, params=wrong)
            assert refused.status_code in (400, 422), (path, wrong, refused.text)
            assert refused.headers["content-type"] == "application/problem+json"
            told = refused.json()
            assert told["code"], (path, wrong)
            assert next(iter(wrong)) in refused.text, (path, wrong, told)
    told = await desk.ask("GET", f"/v1/workdays/{who}/{MONDAY}/explain")
    assert told["because"]


async def test_what_can_be_changed_has_a_version_that_a_change_must_name(gateway: RunningGateway) -> None:
    desk = Desk(gateway)
    await filled(desk)
    for path in ("/v1/shifts/late", "/v1/schedules/free", "/v1/calendars/c0", "/v1/periods/p0"):
        stored = await desk.raw("GET", path)
        assert stored.headers["etag"] == '"1"', path
        sent = stored.json()
        body = sent.get("body") or {"from": sent["from"], "to": sent["to"], "approvers": 2}
        assert (await desk.raw("PUT", path, json=body)).status_code == 428, path
        assert (await desk.raw("PUT", path, json=body, headers={"If-Match": '"7"'})).status_code == 412, path
    assert (await desk.raw("GET", "/v1/policies/house")).headers["etag"] == '"2"'
    page = await desk.raw("GET", "/v1/workdays")
    assert page.headers["etag"]
    again = await desk.raw("GET", "/v1/workdays", headers={"If-None-Match": page.headers["etag"]})
    assert again.status_code == 304
