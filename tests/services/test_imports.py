"""Sheets of people, plans and leave: every problem by row and cell, all or none, and a second time nothing."""

import io
from datetime import date, timedelta
from typing import Any

from openpyxl import Workbook

from tests.services.gateways import RunningGateway
from tests.services.hours import MONDAY, Desk, worked_week

PEOPLE = """number,name,place,employed_from,pin,pin_from,department
E1,أمينة حسن,cairo,2026-11-01,7,2026-11-01,plant
E2,নাসরিন,cairo,2026-11-01,8,2026-11-01,
E2,নাসরিন,cairo,2026-11-01,108,2026-11-01,
"""


async def send(desk: Desk, kind: str, content: str | bytes, status: int = 200, dry: bool = False) -> Any:
    data = content.encode() if isinstance(content, str) else content
    params = {"dry_run": str(dry).lower()}
    return await desk.ask("POST", f"/v1/imports/{kind}", status, params=params, content=data)


async def test_a_sheet_of_people_is_taken_once_and_the_second_time_changes_nothing(gateway: RunningGateway) -> None:
    desk = Desk(gateway)
    await desk.plan()
    await send(desk, "departments", "id,name,parent\nplant,Plant,\nhall,Hall 2,plant\n")
    promised = await send(desk, "people", PEOPLE, dry=True)
    assert (promised["created"], promised["problems"]) == (2, [])
    assert (await desk.ask("GET", "/v1/people"))["items"] == []
    assert (await send(desk, "people", PEOPLE))["created"] == 2
    again = await send(desk, "people", PEOPLE)
    assert (again["created"], again["changed"], again["unchanged"]) == (0, 0, 2)
    people = (await desk.ask("GET", "/v1/people", params={"department": "plant"}))["items"]
    assert [one["name"] for one in people] == ["أمينة حسن"]
    second = (await desk.ask("GET", "/v1/people", params={"q": "নাসরিন"}))["items"][0]
    assert [held["pin"] for held in second["pins"]] == ["8", "108"]
    assert second["version"] == 1

    sheet = "number,from,schedule,policy\nE1,2026-11-01,week,house\nE2,2026-11-01,week,house\n"
    assert (await send(desk, "assignments", sheet))["changed"] == 2
    assert (await send(desk, "assignments", sheet))["unchanged"] == 2
    await desk.punches(*worked_week("7"), *worked_week("108"))
    await desk.settled()
    days = await desk.days(**{"from": str(MONDAY), "to": str(MONDAY)})
    assert [day["worked"] for day in days] == [480, 480]


async def test_every_problem_of_a_sheet_is_told_by_row_and_cell_and_nothing_is_taken(gateway: RunningGateway) -> None:
    desk = Desk(gateway)
    sheet = (
        "number;name;place;employed_from;pin;department\n"
        "E1;Amina;cairo;2026-11-01;7;\n"
        "E2;;cairo;2026-11-01;8;\n"
        "E3;Karim;atlantis;tomorrow;9;\n"
        "E4;Sara;cairo;2026-11-01;7;sales\n"
    )
    told = await send(desk, "people", sheet)
    assert [(one["row"], one["cell"]) for one in told["problems"]] == [
        (3, "B3"), (4, "C4"), (4, "D4"), (5, "E5"), (5, "F5")
    ]  # fmt: skip
    assert told["problems"][3]["expected"] == "a PIN that nobody holds in these days"
    assert (await desk.ask("GET", "/v1/people"))["items"] == []
    shifts = "id,start,end,unpaid_break_min\nday,09:00,25:00,0\nBad Id,09:00,17:00,soon\n"
    told = await send(desk, "shifts", shifts)
    assert {one["cell"] for one in told["problems"]} == {"C2", "A3", "D3"}
    wrong = await desk.raw("POST", "/v1/imports/people", content=b"number,colour\nE1,red\n")
    assert (wrong.status_code, wrong.json()["code"]) == (422, "import.unreadable")
    assert "nobody knows colour" in wrong.json()["detail"]


async def test_a_workbook_says_the_same_as_a_csv(gateway: RunningGateway) -> None:
    desk = Desk(gateway)
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["Number", "Name", "Place", "Employed from", "PIN"])
    sheet.append(["E1", "José", "cairo", date(2026, 11, 1), 7])
    content = io.BytesIO()
    book.save(content)
    assert (await send(desk, "people", content.getvalue()))["created"] == 1
    csv = "number,name,place,employed_from,pin\nE1,José,cairo,2026-11-01,7\n"
    assert (await send(desk, "people", csv))["unchanged"] == 1


async def test_imported_leave_shows_in_workdays_and_comes_once(gateway: RunningGateway) -> None:
    desk = Desk(gateway)
    await desk.plan()
    who = await desk.hire()
    sheet = f"number,from,to,reason\nE1,{MONDAY},{MONDAY + timedelta(days=1)},holiday\n"
    assert (await send(desk, "leave", sheet))["created"] == 1
    assert (await send(desk, "leave", sheet))["unchanged"] == 1
    await desk.settled()
    days = await desk.days(person=who, **{"from": str(MONDAY), "to": str(MONDAY + timedelta(days=2))})
    assert [(day["status"], day["leave"]) for day in days] == [("leave", 480), ("leave", 480), ("absent", 0)]


async def test_holidays_come_from_a_calendar_file_and_from_a_country(gateway: RunningGateway) -> None:
    desk = Desk(gateway)
    file = (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//y//EN\r\n"
        "BEGIN:VEVENT\r\nUID:1\r\nDTSTART;VALUE=DATE:20260101\r\nSUMMARY:New Year\r\nRRULE:FREQ=YEARLY\r\n"
        "END:VEVENT\r\n"
        "BEGIN:VEVENT\r\nUID:2\r\nDTSTART;VALUE=DATE:20261103\r\nDTEND;VALUE=DATE:20261105\r\nSUMMARY:Feast\r\n"
        "END:VEVENT\r\nBEGIN:VEVENT\r\nUID:3\r\nDTSTART:20261110T090000Z\r\nSUMMARY:A meeting\r\nEND:VEVENT\r\n"
        "END:VCALENDAR\r\n"
    )
    asked = {"from": "2026-01-01", "to": "2028-12-31"}
    made = await desk.ask("POST", "/v1/calendars/house/icalendar", params=asked, content=file.encode())
    days = ["2026-01-01", "2026-11-03", "2026-11-04", "2027-01-01", "2028-01-01"]
    assert [one["date"] for one in made["body"]["holidays"]] == days
    again = await desk.ask("POST", "/v1/calendars/house/icalendar", params=asked, content=file.encode())
    assert (made["version"], again["version"]) == (1, 1)
    order = {"country": "EG", "years": [2026], "language": "en_US"}
    country = await desk.ask("POST", "/v1/calendars/eg/country", json=order)
    assert {"date": "2026-07-23", "name": "July 23 Revolution Day"} in country["body"]["holidays"]
    unknown = await desk.raw("POST", "/v1/calendars/eg/country", json={"country": "QQ", "years": [2026]})
    assert (unknown.status_code, unknown.json()["code"]) == (422, "plan.invalid")
    nonsense = await desk.raw("POST", "/v1/calendars/eg/icalendar", content=b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND")
    assert nonsense.json()["code"] == "import.unreadable"
