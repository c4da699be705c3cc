"""What holds where nothing is said, and how minutes are spelled."""

from dataclasses import asdict
from datetime import date

import pytest

from biometric_flow.policy import cases, fields, planning
from biometric_flow.policy.cases import read_cases
from biometric_flow.policy.errors import PolicyInvalid
from biometric_flow.policy.fields import EPOCH, Fields
from biometric_flow.policy.inputs import Correction, GivenPunch, Leave, Schedule, Shift
from biometric_flow.policy.reading import read_policy
from biometric_flow.policy.rules import AutoDeduct, Grid, MealRule, Night, PaidGap, Policy, Snap
from biometric_flow.policy.sentences import hours


def test_a_pack_that_says_nothing_is_the_plain_policy() -> None:
    assert read_policy(Fields({}, "policy", [])) == Policy()


def test_shifts_corrections_and_schedules_have_the_defaults_of_the_contract() -> None:
    shift = Shift("day", 540, 1020)
    assert (shift.unpaid_break_min, shift.pre_min, shift.post_min, shift.detect_after_min) == (0, None, None, 240)
    assert not shift.is_flexible
    assert Correction(1, "a", "void").is_approved
    assert Schedule().mode == "none"


def test_what_a_policy_does_not_say_is_as_the_contract_has_it() -> None:
    """Every default, in the order of sections 3 to 13."""
    plain = asdict(Policy())
    assert plain == {
        "duplicates": {"window_min": 1, "by_code": False},
        "window": {"pre_min": 120, "post_min": 240},
        "pairing": {"mode": "alternating", "extends_double_out": False, "ot_code_tier": None},
        "max_session_min": 960,
        "new_shift_gap_min": 240,
        "missing": {"out": "exception", "into": "exception", "cap_min": 0},
        "snap": None,
        "rounding": {"into": None, "out": None, "total": None, "is_outer": False},
        "clamp_early_in": False,
        "clamp_late_out": False,
        "breaks": {"paid_gap": None, "windows": (), "auto_deduct": ()},
        "meal_penalty": (),
        "day_attribution": "shift_start",
        "day_start": 0,
        "lateness": {"grace_in_min": 0, "grace_out_min": 0, "counts_excess": False, "from_rounded": False},
        "absent_below_min": 0,
        "half_day_below_min": 0,
        "tiers": {},
        "overtime": {
            "daily": (), "weekly": (), "holiday": (), "rest": (), "weekday": {}, "seventh_day": None,
            "min_daily_ot_min": 0, "premium_counts_weekly": False, "window_remap": (), "daily_cap_min": None,
            "approval_required": False, "anchor": -3, "period_days": 7,
        },
        "night": None,
        "compliance": {
            "daily_rest_min": None, "max_span_min": None, "max_consecutive_min": None, "break_min_len": 1,
        },
        "credits_holiday": False,
    }  # fmt: skip
    assert asdict(Snap()) == dict.fromkeys(("in_before", "in_after", "out_before", "out_after"), 0)
    assert Grid("up", 5).grace == 0
    assert not PaidGap(20).is_credit
    deduct, meal = AutoDeduct(360, 30), MealRule(300, 300, 30)
    assert (deduct.mode, deduct.is_inclusive, deduct.is_floored) == ("always", False, False)
    assert (meal.is_waived, meal.waive_if_total_le) == (False, None)
    assert Night((0, 1)).min_minutes == 0
    assert Leave(0, "full").minutes == 0
    assert GivenPunch("a", 0).code == 255


def test_minutes_are_spelled_as_hours() -> None:
    assert [hours(minutes) for minutes in (0, 1, -1, 59, 60, 75, -75, 600)] == [
        "0:00", "0:01", "-0:01", "0:59", "1:00", "1:15", "-1:15", "10:00",
    ]  # fmt: skip


def test_leave_may_be_given_in_hours_or_in_minutes() -> None:
    said = [
        {"date": "2024-01-08", "kind": "hours", "hours": 1.5},
        {"date": "2024-01-09", "kind": "hours", "minutes": 7},
    ]
    span = {"from": "2024-01-08", "to": "2024-01-09"}
    body = {"id": "x", "tz": "UTC", "range": span, "policy": {}, "calendar": {"leaves": said}, "punches": []}
    (case,), unknown = read_cases({"schema": 1, "cases": [body]})
    day = date(2024, 1, 8).toordinal() - EPOCH
    assert unknown == []
    assert case.given.leaves == (Leave(day, "hours", 90), Leave(day + 1, "hours", 7))


def test_limits_are_those_of_the_documents() -> None:
    assert (fields.LIST_MAX, fields.TEXT_MAX, fields.MINUTES_MAX) == (200_000, 400, 366 * 1440)
    assert cases.DAYS_MAX == 3700
    assert planning.MARGIN == 4


def test_a_wall_time_is_written_with_five_characters_and_midnight_may_be_24_00() -> None:
    said = {"a": "00:00", "b": "23:59", "c": "24:00", "d": "09:05"}
    assert [fields.Fields(said, "", []).clock(name) for name in said] == [0, 1439, 0, 545]
    for wrong in ("24:01", "23:60", "9:00", "25:00", "0900", "09-00", "09:a5", "09:5a", "a9:05", "9a:05", "24:00:"):
        with pytest.raises(PolicyInvalid, match="HH:MM"):
            fields.Fields({"a": wrong}, "", []).clock("a")
