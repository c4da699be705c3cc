"""What is told where a workday is not what its case expects."""

from typing import Any

from biometric_flow.policy.cases import read_case
from biometric_flow.policy.differences import differences
from biometric_flow.policy.engine import evaluate
from biometric_flow.policy.fields import Fields


def told(**expect: Any) -> list[str]:
    """Eight hours on a Monday, two of them at `ot`, against what is expected."""
    body = {
        "id": "a",
        "tz": "UTC",
        "range": {"from": "2024-01-08", "to": "2024-01-08"},
        "policy": {"tiers": {"ot": 1.5}, "overtime": {"daily": [{"after": 360, "tier": "ot"}]}},
        "punches": [{"id": at, "at": f"2024-01-08T{at}:00Z"} for at in ("09:00", "17:00")],
        "expect": expect,
    }
    case = read_case(Fields(body, "", []))
    return list(differences(case, evaluate(case.given)))


def day(**said: Any) -> list[str]:
    return told(days=[{"date": "2024-01-08", **said}])


def test_what_is_as_expected_is_not_told() -> None:
    assert day(worked=480, pay={"regular": 360, "ot": 120}, status="present") == []
    assert told(totals={"worked": 480, "pay": {"regular": 360, "ot": 120}}, adjustments=[]) == []
    assert told() == []


def test_each_difference_is_one_line_with_minutes_as_hours() -> None:
    assert day(worked=400) == ["a, 2024-01-08: worked: expected 6:40 (400 min), came 8:00 (480 min)"]
    assert day(status="absent") == ["a, 2024-01-08: status: expected absent, came present"]
    (line,) = day(pay={"regular": 480})
    assert line.startswith("a, 2024-01-08: regular: expected 8:00 (480 min), came 6:00 (360 min); ")
    assert line.endswith("; ot: expected 0:00 (0 min), came 2:00 (120 min)")
    assert day(pay={"regular": 360, "ot": 120, "late": 7}) == [
        "a, 2024-01-08: late: expected 0:07 (7 min), came 0:00 (0 min)"
    ]
    assert day(pay={"regular": 360, "ot": 120, "late": 0})[0].startswith("a, 2024-01-08: pay: expected {")
    assert day(late="x") == ["a, 2024-01-08: late: expected 'x', came 0:00 (0 min)"]
    assert day(meal_penalty=1) == ["a, 2024-01-08: meal_penalty: expected 1, came 0"]
    assert told(totals={"worked": 1}) == ["a, total worked: expected 0:01 (1 min), came 8:00 (480 min)"]
    assert told(totals={"pay": {"ot": 120}}) == ["a, total regular: expected 0:00 (0 min), came 6:00 (360 min)"]
    assert told(adjustments=[1]) == ["a, adjustments: expected [1], came []"]


def test_what_cannot_be_compared_is_said() -> None:
    assert day(colour=1) == ["a, 2024-01-08: expected colour, no workday has such a field"]
    assert told(days=[{"date": "2024-01-09"}]) == ["a, 2024-01-09: expected a workday, the range has none"]
    for wrong in ({"days": 7}, {"days": [7]}, {"totals": [7]}):
        assert told(**wrong) == ["a: expect: expected a list of days and an object of totals, came something else"]
