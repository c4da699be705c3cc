"""What holds where nothing is said, and how minutes are spelled."""

from datetime import date

from biometric_flow.policy.cases import read_cases
from biometric_flow.policy.fields import EPOCH, Fields
from biometric_flow.policy.inputs import Correction, Leave, Schedule, Shift
from biometric_flow.policy.reading import read_policy
from biometric_flow.policy.rules import Policy
from biometric_flow.policy.sentences import hours


def test_a_pack_that_says_nothing_is_the_plain_policy() -> None:
    assert read_policy(Fields({}, "policy", [])) == Policy()


def test_shifts_corrections_and_schedules_have_the_defaults_of_the_contract() -> None:
    shift = Shift("day", 540, 1020)
    assert (shift.unpaid_break_min, shift.pre_min, shift.post_min, shift.detect_after_min) == (0, None, None, 240)
    assert not shift.is_flexible
    assert Correction(1, "a", "void").is_approved
    assert Schedule().mode == "none"


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
