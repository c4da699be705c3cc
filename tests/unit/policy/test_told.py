"""Whole days told step by step, with the times and amounts that a person can check."""

from dataclasses import replace
from typing import Any

from biometric_flow.policy.cases import read_case
from biometric_flow.policy.engine import evaluate
from biometric_flow.policy.explain import explain
from biometric_flow.policy.fields import Fields
from biometric_flow.policy.trace import Step

CASE = {"id": "told", "tz": "Africa/Cairo", "range": {"from": "2024-01-08", "to": "2024-01-08"}}


def lines(case: dict[str, Any], number: int = 0) -> list[str]:
    given = read_case(Fields({**CASE, **case}, "", [])).given
    return [line.removesuffix(", case]") for line in explain(evaluate(given).days[number], given.zone)]


def corrected() -> dict[str, Any]:
    """Two hours east of Greenwich: a fast clock, a door, a double read, and all kinds of corrections."""
    return {
        "devices": {"t": {"tz": "Africa/Cairo", "direction": "in"}},
        "clock_corrections": [
            {"device": "t", "from": "2024-01-08T00:00:00Z", "to": "2024-01-09T00:00:00Z", "offset_s": 600}
        ],
        "punches": [
            {"id": "a", "at": "2024-01-08T06:10:00Z", "code": 1, "device": "t"},
            {"id": "again", "at": "2024-01-08T06:10:00Z", "code": 1, "device": "t"},
            {"id": "soon", "at": "2024-01-08T06:10:30Z", "device": "t"},
            {"id": "wrong", "at": "2024-01-08T09:00:00Z"},
            {"id": "late", "at": "2024-01-08T14:00:00Z", "code": 1},
        ],
        "corrections": [
            {"seq": 1, "id": "c1", "op": "void", "punch": "wrong"},
            {"seq": 2, "id": "c2", "op": "add", "at": "2024-01-08T10:00:00Z"},
            {"seq": 3, "id": "c3", "op": "add", "at": "2024-01-08T10:30:00Z"},
            {"seq": 4, "id": "c4", "op": "replace", "punch": "late", "at": "2024-01-08T15:00:00Z"},
        ],
    }


def moved() -> dict[str, Any]:
    """A shift in which everything moves: a paid rest, snapping, rounding, clamping, a break, the total."""
    return {
        "shifts": {"D": {"start": "08:00", "end": "16:00"}},
        "schedule": {"mode": "assigned", "weekly": {"1": ["D"]}},
        "policy": {
            "tiers": {"ot1": 1.5},
            "snap": {"in_before": 20, "in_after": 10},
            "rounding": {
                "in": {"mode": "up", "interval": 15},
                "out": {"mode": "down", "interval": 15},
                "total": {"mode": "down", "interval": 30},
            },
            "clamp_late_out": True,
            "breaks": {
                "paid_gap": {"max_min": 10},
                "windows": [{"from": "12:00", "to": "12:20"}],
                "auto_deduct": [{"after_min": 360, "deduct_min": 45, "mode": "top_up"}],
            },
            "grace_in_min": 5,
            "overtime": {"daily": [{"after": 360, "tier": "ot1"}]},
        },
        "punches": [
            {"id": f"p{number}", "at": f"2024-01-08T{at}:00Z"}
            for number, at in enumerate(("06:07", "08:00", "08:08", "11:02", "11:14", "14:37"), 1)
        ],
    }


def nights() -> dict[str, Any]:
    """A night that counts on the day it ends; the way out was forgotten and filled."""
    return {
        "range": {"from": "2024-01-08", "to": "2024-01-09"},
        "shifts": {"N": {"start": "20:00", "end": "06:00"}},
        "schedule": {"mode": "assigned", "weekly": {"1": ["N"]}},
        "policy": {
            "missing": {"out": "shift_end"},
            "day_attribution": "shift_end",
            "night": {"from": "22:00", "to": "06:00"},
        },
        "punches": [{"id": "p1", "at": "2024-01-08T18:30:00Z"}],
    }


def test_a_corrected_day_is_told_from_the_first_record_to_the_status() -> None:
    assert lines(corrected()) == [
        "The terminal's clock was wrong: punch a at 08:10 was really at 08:00. [rule 2.2 drift",
        "Punch a was made at a door of one direction, so key 1 counts as 0. [rule 2.3 direction",
        "The record again at 08:00 was sent twice and counts once. [rule 3 duplicate.same",
        "Punch soon at 08:00 came too soon after the one before and does not count. [rule 3 duplicate.window",
        "Punch a at 08:00 belongs to unscheduled work. [rule 5.1 unscheduled",
        "Approved correction c2 added a punch at 12:00. [rule 2.4 correction.add",
        "Punch c2 at 12:00 belongs to unscheduled work. [rule 5 R2",
        "Approved correction c3 added a punch at 12:30. [rule 2.4 correction.add",
        "Punch c3 at 12:30 belongs to unscheduled work. [rule 5.1 unscheduled",
        "Punch late by c4, an approved correction: 16:00 became 17:00. [rule 2.4 correction.replace",
        "Punch late at 17:00 belongs to unscheduled work. [rule 5 R2",
        "Worked from 08:00 to 12:00. [rule 6 session",
        "Worked from 12:30 to 17:00. [rule 6 session",
        "Irregularity: UNSCHEDULED. [rule 7 irregularity",
        "Punch wrong by c1 at 11:00 was voided by an approved correction. [rule 2.4 correction.void",
        "So the day is: present. [rule 11 status",
    ]


def test_a_day_on_which_everything_moves_is_told_in_order() -> None:
    assert lines(moved()) == [
        "Punch p1 at 08:07 belongs to shift D. [rule 5 R1",
        "Punch p2 at 10:00 belongs to shift D. [rule 5 R1",
        "Punch p3 at 10:08 belongs to shift D. [rule 5 R1",
        "Punch p4 at 13:02 belongs to shift D. [rule 5 R1",
        "Punch p5 at 13:14 belongs to shift D. [rule 5 R1",
        "Punch p6 at 16:37 belongs to shift D. [rule 5 R1",
        "Worked from 08:07 to 10:00. [rule 6 session",
        "Worked from 10:08 to 13:02. [rule 6 session",
        "Worked from 13:14 to 16:37. [rule 6 session",
        "Of a break of 0:08, 0:08 are paid. [rule 9.1 paid_gap",
        "The start 08:07 is near the start of the shift and counts as 08:00. [rule 8.2 snap.in",
        "The end 13:02 was rounded to 13:00. [rule 8.3 rounding.out",
        "The start 13:14 was rounded to 13:15. [rule 8.3 rounding.in",
        "The end 16:37 was rounded to 16:30. [rule 8.3 rounding.out",
        "Time after the shift is not counted: 16:30 became 16:00. [rule 8.4 clamp_late_out",
        "Unpaid break time took 7:45 to 7:25. [rule 9.2 break.window",
        "The automatic break (top_up, over 360 min) took 7:25 to 6:55. [rule 9.3 auto_deduct",
        "0:07 late. [rule 11 late",
        "The day's 6:55 were rounded to 6:30. [rule 8.7 rounding.total",
        "0:30 at ot1: beyond the hours of the day. [rule 12.2 daily",
        "So the day is: present. [rule 11 status",
    ]


def test_a_filled_night_is_told_as_a_guess_and_where_it_counts() -> None:
    assert lines(nights(), 1) == [
        "Punch p1 at 20:30 belongs to shift N. [rule 5 R1",
        "A punch is missing; by the policy work counts from 20:30 to 06:00. [rule 7 fill",
        "Irregularity: MISSING_OUT. [rule 7 irregularity",
        "0:30 late. [rule 11 late",
        "It counts on 2024-01-09 instead of 2024-01-08. [rule 10 day_attribution",
        "8:00 of it at night. [rule 13 night",
        "So the day is: present. [rule 11 status",
    ]


def test_a_missed_meal_is_one_penalty_of_the_day_however_many_shifts_owe_it() -> None:
    meal = {"if_work_over_min": 300, "start_within_work_min": 300, "min_meal_min": 30}
    punches = [{"id": at, "at": f"2024-01-08T{at}:00Z"} for at in ("06:00", "12:00")]
    given = read_case(Fields({**CASE, "policy": {"meal_penalty": [meal]}, "punches": punches}, "", [])).given
    (day,) = evaluate(given).days
    assert day.meal_penalty == 1
    assert Step("9.5 meal_penalty", None, 1) in day.trace
    (allowed,) = evaluate(replace(given, punches=(given.punches[0], replace(given.punches[1], second=1704711600)))).days
    assert (allowed.worked, allowed.meal_penalty) == (300, 0), "five hours are not over five hours"


def test_work_over_midnight_counts_where_most_of_it_is_and_the_first_day_of_two_halves() -> None:
    for came, left, number in (("20:00", "00:00", 0), ("20:01", "00:00", 1), ("19:59", "00:00", 0)):
        punches = [{"id": "a", "at": f"2024-01-08T{came}:00Z"}, {"id": "b", "at": f"2024-01-09T{left}:00Z"}]
        body = {**CASE, "range": {"from": "2024-01-08", "to": "2024-01-09"}, "punches": punches}
        given = read_case(Fields({**body, "policy": {"day_attribution": "majority"}}, "", [])).given
        assert evaluate(given).days[number].worked > 0, came
