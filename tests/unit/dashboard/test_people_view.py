"""What the People and Exceptions pages say."""

from datetime import date
from typing import Any
from uuid import UUID

import pytest

from biometric_flow.api.hours import Irregularity, IrregularityPage, PersonRecord, WorkdayExplained, WorkdayView
from biometric_flow.dashboard.views.people import (
    IRREGULARITIES,
    STATUSES,
    hours,
    inbox,
    kinds,
    month_view,
    people_table,
)

AMINA = UUID(int=7)
FIRST = date(2026, 2, 1)


def person(**more: Any) -> PersonRecord:
    fields = {
        "id": AMINA,
        "version": 1,
        "number": "E-7",
        "name": "أمينة حسن",
        "place": "cairo",
        "employed_from": "2026-01-01",
    }
    return PersonRecord.model_validate({**fields, **more})


def workday(day: int, **more: Any) -> WorkdayView:
    fields = {
        "person": AMINA, "number": "E-7", "name": "Amina", "date": date(2026, 2, day), "status": "present",
        "worked": 450, "pay": {"regular": 450}, "scheduled": 450, "leave": 0, "short": 0, "late": 0, "early_out": 0,
        "break": 30, "night": 0,
        "meal_penalty": 0, "exceptions": [], "ot_approved": 0, "ot_pending": 0, "holiday_credit": 0, "pack": "eg@1",
        "is_locked": False,
    }  # fmt: skip
    return WorkdayView.model_validate({**fields, **more})


def explained(day: WorkdayView) -> WorkdayExplained:
    return WorkdayExplained(workday=day, headline="Monday: 7:30", because=["Worked from 9 to 17."], adjustments=[])


@pytest.mark.parametrize(("minutes", "text"), [(0, "0:00"), (462, "7:42"), (-5, "−0:05"), (6000, "100:00")])
def test_minutes_are_read_as_hours(minutes: int, text: str) -> None:
    assert hours(minutes) == text


def test_a_month_adds_up_what_its_days_say() -> None:
    days = [
        workday(2),
        workday(3, worked=540, pay={"regular": 480, "overtime": 60}, late=12),
        workday(4, status="absent", worked=0, pay={}),
        workday(5, exceptions=["MISSING_OUT"], status="incomplete", worked=0, pay={}),
    ]
    told = month_view(person(), days, FIRST, None)
    assert {total["label"]: total["value"] for total in told["totals"]} == {
        "Worked": "16:30", "Paid above regular": "1:00", "Late": "0:12", "Absent": "1", "To look at": "1",
    }  # fmt: skip
    assert [row["cells"][0] for row in told["rows"]] == ["7:30", "9:00", "–", "–"]
    assert told["rows"][3]["flags"] == "Check-out missing"


def test_the_calendar_has_every_day_of_the_month_under_its_weekday() -> None:
    told = month_view(person(), [workday(2)], FIRST, explained(workday(2)))
    assert len(told["calendar"]) == 28
    assert told["indent"] == FIRST.weekday()
    second = told["calendar"][1]
    assert (second["letter"], second["is_chosen"]) == ("P", True)
    assert second["href"].endswith("month=2026-02&day=2026-02-02")
    assert told["calendar"][2]["href"] == ""
    assert told["why"]["because"] == ["Worked from 9 to 17."]


def test_somebody_at_work_is_nothing_to_look_at() -> None:
    running = workday(2, exceptions=["IN_PROGRESS"], status="in_progress")
    told = month_view(person(), [running], FIRST, None)
    assert told["totals"][-1]["value"] == "0"
    assert not told["calendar"][1]["is_flagged"]
    assert kinds({"IN_PROGRESS": 3}) == {}


@pytest.mark.parametrize(
    ("first", "before", "after"), [(date(2026, 1, 1), "2025-12", "2026-02"), (date(2026, 12, 1), "2026-11", "2027-01")]
)
def test_months_lead_to_their_neighbours_over_the_year(first: date, before: str, after: str) -> None:
    told = month_view(person(), [], first, None)
    assert told["previous"]["href"].endswith(f"month={before}")
    assert told["next"]["href"].endswith(f"month={after}")


def test_people_lead_to_their_month_and_keep_their_names_as_they_are() -> None:
    told = people_table([person()], {"cairo": "Cairo plant"}, "2026-02", more=False)
    (row,) = told["rows"]
    assert row["name"] == "أمينة حسن"
    assert row["cells"][1] == "Cairo plant"
    assert row["href"] == f"/people?id={AMINA}&month=2026-02"


def test_the_inbox_counts_everything_and_leads_to_the_day() -> None:
    one = Irregularity(
        person=AMINA, number="E-7", name="Amina", date=date(2026, 2, 5), code="MISSING_OUT", status="incomplete",
        is_locked=False, requests=1,
    )  # fmt: skip
    told = inbox(IrregularityPage(items=[one], counts={"MISSING_OUT": 41, "DOUBLE_IN": 1}, next_cursor="x"))
    assert told["count"] == "42 things to look at"
    assert told["rows"][0]["href"] == f"/people?id={AMINA}&month=2026-02&day=2026-02-05"
    assert told["rows"][0]["note"] == "1 request waits"
    assert kinds({"MISSING_OUT": 41}) == {"MISSING_OUT": "Check-out missing (41)"}


def test_every_status_and_irregularity_of_the_engine_has_a_word() -> None:
    from biometric_flow.policy import irregularities

    source = irregularities.__loader__.get_source(irregularities.__name__)  # type: ignore[union-attr]
    words = {line.split('"')[1] for line in source.splitlines() if "return \"" in line} | {
        "holiday", "holiday_worked", "absent", "off", "half_day", "present", "incomplete", "rest",
    }  # fmt: skip
    assert words <= STATUSES.keys()
    assert IRREGULARITIES.keys() >= irregularities.MISSING
