"""Every rule of a policy in words, with the numbers it has."""

from typing import Any

from biometric_flow.policy.fields import Fields
from biometric_flow.policy.reading import read_policy
from biometric_flow.policy.sentences import sentences


def told(**document: Any) -> dict[str, str]:
    return dict(sentences(read_policy(Fields({"tiers": {"ot": 1.5}, **document}, "policy", []))))


def test_the_plain_policy_is_told_in_seven_sentences() -> None:
    assert told() == {
        "duplicate": "A punch less than 1 min after the last one that counted is dropped as read twice.",
        "pairing.mode": "Punches alternate: in, out, in, out.",
        "missing.out": "A missing check-out is reported and counts nothing.",
        "day_attribution": "Work counts on the day on which the shift starts.",
        "grace_in_min": "Every minute after the start is late.",
        "grace_out_min": "Every minute before the end is early.",
    }


def test_a_missing_punch_is_told_as_it_is_filled() -> None:
    assert told(missing={"out": "shift_end"})["missing.out"].startswith("A missing check-out is taken to be the end of")
    assert told(missing={"out": "cap", "cap_min": 90})["missing.out"].endswith("taken to be 1:30 after the check-in.")
    assert "missing.in" not in told(missing={"out": "cap", "cap_min": 90})
    assert "start of the shift" in told(missing={"in": "shift_start"})["missing.in"]


def test_rounding_is_told_once_where_both_ends_are_alike() -> None:
    up, down = {"mode": "up", "interval": 15, "grace": 3}, {"mode": "down", "interval": 5}
    assert told(rounding={"in": up, "out": up}) | {"rounding.in": ""} == told() | {"rounding.in": ""}
    every = told(rounding={"in": up, "out": up})["rounding.in"]
    assert every == "Every check-in and check-out is rounded up to the next 15 minutes, 3 min forgiven."
    assert told(rounding={"in": up, "out": up, "scope": "outer"})["rounding.in"].startswith("The first check-in and")
    apart = told(rounding={"in": up, "out": down, "total": {"mode": "nearest", "interval": 6, "grace": 2}})
    assert apart["rounding.in"] == "The time of a check-in is rounded up to the next 15 minutes, 3 min forgiven."
    assert apart["rounding.out"] == "The time of a check-out is rounded down to the last 5 minutes."
    assert apart["rounding.total"] == "The minutes of a day are rounded to the nearest 6 minutes."
    assert "rounding.in" not in told(rounding={"out": down})
    assert "rounding.out" not in told(rounding={"in": up})


def test_breaks_are_told_with_their_limits() -> None:
    assert told(breaks={"paid_gap": {"max_min": 20}})["breaks.paid_gap"].startswith("A break of at most 20 min is paid")
    credit = told(breaks={"paid_gap": {"max_min": 20, "mode": "credit"}})["breaks.paid_gap"]
    assert credit == "The first 20 min of every break are paid."
    windows = told(breaks={"windows": [{"from": "12:00", "to": "12:30"}]})
    assert windows["breaks.windows[0]"] == "From 12:00 to 12:30 nothing is paid."
    rule = {"after_min": 360, "deduct_min": 30}
    floored = {**rule, "inclusive": True, "not_below_threshold": True}
    assert [told(breaks={"auto_deduct": [one]})["breaks.auto_deduct[0]"] for one in (rule, floored)] == [
        "Over 6:00 of work 30 min are deducted as a break.",
        "From 6:00 of work 30 min are deducted as a break, but never below 6:00.",
    ]
    meal: dict[str, Any] = {"if_work_over_min": 300, "start_within_work_min": 240, "min_meal_min": 30}
    waived = {**meal, "waived": True, "waive_if_total_le": 360}
    meals = told(meal_penalty=[meal, waived, {**meal, "waived": True}, {**meal, "waive_if_total_le": 360}])
    assert [(f"meal {n}" in meals[f"meal_penalty[{n - 1}]"]) for n in (1, 2, 3, 4)] == [True] * 4
    assert ["waived up to 6:00" in meals[f"meal_penalty[{n}]"] for n in range(4)] == [False, True, False, False]


def test_punctuality_overtime_and_what_is_watched_are_told_where_there_is_a_rule() -> None:
    found = told(grace_in_min=5, grace_out_min=1, thresholds={"absent_below_min": 60, "half_day_below_min": 240})
    assert found["grace_in_min"] == "Coming up to 5 min late is on time; then all minutes count."
    assert found["grace_out_min"] == "Leaving up to 1 min early is forgiven; then all minutes count."
    assert "only the minutes beyond" in told(grace_in_min=5, late_counting="excess")["grace_in_min"]
    assert found["thresholds.absent_below_min"] == "Less than 1:00 of work is an absence."
    assert found["thresholds.half_day_below_min"] == "Less than 4:00 of work is half a day."
    steps = [{"after": 2400, "tier": "ot"}, {"after": "scheduled", "tier": "regular"}]
    week = told(overtime={"weekly": steps, "daily_cap_min": 0, "min_daily_ot_min": 15, "approval_required": True})
    assert week["overtime.weekly[0]"] == "Work of a week after 40:00 is paid as ot (1.5 times)."
    assert week["overtime.weekly[1]"] == "Work of a week after the scheduled hours is paid as regular."
    assert week["overtime.daily_cap_min"] == "Overtime beyond 0:00 a day is shown as over the cap."
    assert week["overtime.min_daily_ot_min"] == "Daily overtime under 15 min is no overtime."
    assert "overtime.approval_required" in week
    period = {"anchor": "2024-01-01", "days": 14}
    assert "of a period" in told(overtime={"weekly": steps, "period": period})["overtime.weekly[0]"]
    night = {"from": "22:00", "to": "06:00"}
    assert told(night=night)["night"] == "Work from 22:00 to 06:00 is night work."
    assert told(night={**night, "min_minutes": 1})["night"].endswith("night work, if at least 1 min.")
    watched = told(compliance={"daily_rest_min": 0, "max_span_min": 0, "max_consecutive_min": 0})
    assert [name for name in watched if name.startswith("compliance")] == [
        "compliance.daily_rest_min", "compliance.max_span_min", "compliance.max_consecutive_min",
    ]  # fmt: skip
    assert "day_start" in told(day_start="04:00")
    assert "holiday.credit" in told(holiday={"credit": "scheduled"})
    assert not {"clamp_early_in", "clamp_late_out", "snap", "holiday.credit", "day_start"} & set(told())
