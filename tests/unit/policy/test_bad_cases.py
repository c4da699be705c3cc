"""What is said about a case file that cannot be read."""

from typing import Any

import pytest

from biometric_flow.policy.cases import read_cases
from biometric_flow.policy.errors import CaseInvalid, PolicyInvalid

GOOD = {"id": "a", "tz": "Africa/Cairo", "range": {"from": "2024-01-08", "to": "2024-01-08"}, "punches": []}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tz": "Mars/Olympus"}, "case a: tz: expected a zone of the IANA database"),
        ({"tz": "../etc/passwd"}, "case a: tz: expected a zone of the IANA database"),
        ({"range": None}, "case a: range: expected an object with from and to, came nothing"),
        ({"range": {"from": "2024-01-08", "to": "2024-01-07"}}, "case a: range.to: expected a date from 2024-01-08 on"),
        ({"punches": [{"id": "p", "at": "2024-01-08T09:00:00"}]}, "case a: punches[0].at: expected an instant"),
        (
            {"punches": [{"id": "p", "at_local": "2024-01-08T09:00:00Z"}]},
            "case a: punches[0].at_local: expected a wall",
        ),
        ({"punches": [{"id": "p", "at": "2024-01-08T09:00:00Z", "code": 256}]}, "case a: punches[0].code: expected"),
        ({"punches": [7]}, "case a: punches[0]: expected an object, came 7"),
        ({"schedule": {"mode": "assigned", "weekly": {"1": ["Q"]}}}, "case a: schedule.weekly.1: expected one of the"),
        (
            {"schedule": {"mode": "assigned", "weekly": {"8": []}}},
            'case a: schedule.weekly.8: expected a weekday from "1"',
        ),
        (
            {"schedule": {"rotation": {"anchor": "2024-01-01", "pattern": []}}},
            "schedule.rotation.pattern: expected a list",
        ),
        (
            {"shifts": {"D": {"start": "9", "end": "17:00"}}},
            "case a: shifts.D.start: expected a wall time HH:MM, came '9'",
        ),
        ({"corrections": [{"seq": 1, "id": "c", "op": "add"}]}, "case a: corrections[0].at: expected an instant"),
        ({"policy": {"pairing": {"mode": "magic"}}}, "case a: policy.pairing.mode: expected one of alternating"),
        (
            {"policy": {"overtime": {"period": {"anchor": "2024-01-01", "days": 367}}}},
            "case a: policy.overtime.period.days: expected",
        ),
        (
            {"punches": [{"id": "p", "at": "2024-01-08T09:00:00Z", "seq": (1 << 53) + 1}]},
            "case a: punches[0].seq: expected",
        ),
        (
            {"corrections": [{"seq": (1 << 53) + 1, "id": "c", "op": "void", "punch": "p"}]},
            "case a: corrections[0].seq: expected",
        ),
        (
            {"corrections": [{"seq": 1, "id": "c", "op": "add", "at": "2024-01-08T09:00:00Z", "code": 256}]},
            "case a: corrections[0].code: expected",
        ),
        ({"as_of": "later"}, "case a: as_of: expected an instant"),
        ({"policy": {"day_start": "²²:²²"}}, "case a: policy.day_start: expected a wall time HH:MM"),
        (
            {"as_of": "9999-12-31T23:59:59Z"},
            "case a: as_of: expected an instant such as 2024-01-08T09:00:00Z between 1980",
        ),
    ],
)
def test_one_line_names_case_and_field(change: dict[str, Any], said: str) -> None:
    with pytest.raises(CaseInvalid) as refused:
        read_cases({"schema": 1, "cases": [{**GOOD, **change}]})
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("document", [[], {"schema": 2, "cases": []}, {"schema": 1}, {"cases": {}}, None])
def test_a_document_that_is_no_case_file_is_refused(document: object) -> None:
    with pytest.raises(PolicyInvalid):
        read_cases(document)


def test_a_field_nobody_knows_is_told() -> None:
    plan = {
        "shifts": {"D": {"start": "09:00", "end": "17:00", "pause": 30}},
        "schedule": {"mode": "assigned", "weekend": [6, 7]},
    }
    case = {**GOOD, **plan, "policy": {"grace_min": 5, "overtime": {"dayly": []}}, "punchs": []}
    _, unknown = read_cases({"schema": 1, "cases": [case]})
    assert sorted(unknown) == [
        "case a: policy.grace_min",
        "case a: policy.overtime.dayly",
        "case a: punchs",
        "case a: schedule.weekend",
        "case a: shifts.D.pause",
    ]


def test_what_is_missing_came_as_nothing() -> None:
    for document, said in (({"schema": 1}, "cases: expected a list of cases, came nothing"),):
        with pytest.raises(PolicyInvalid) as refused:
            read_cases(document)
        assert str(refused.value) == said
    with pytest.raises(CaseInvalid, match=r"shifts\.D: expected a shift, came nothing"):
        read_cases({"cases": [{**GOOD, "shifts": {"D": None}}]})
    with pytest.raises(CaseInvalid, match=r"map: expected an object of tier names, came nothing"):
        read_cases({"cases": [{**GOOD, "policy": {"overtime": {"window_remap": [{"from": "00:00", "to": "01:00"}]}}}]})
