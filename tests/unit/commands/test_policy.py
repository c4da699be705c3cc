"""`biometric-flow policy ...` on the real files."""

import json
from pathlib import Path
from typing import Any

import pytest

from biometric_flow.cli import main
from biometric_flow.commands.policy import presets
from tests.unit.policy.payroll_clerk import VECTORS

PUBLIC = str(VECTORS / "public.json")
FIELDS = {
    *("date", "status", "worked", "pay", "scheduled", "leave", "short", "late", "early_out", "break", "night"),
    *("meal_penalty", "exceptions", "ot_approved", "ot_pending", "holiday_credit"),
}


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["policy", *arguments])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def test_every_day_of_every_case_has_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(capsys, "evaluate", PUBLIC, "--json")
    results: list[dict[str, Any]] = json.loads(out)["results"]
    assert (code, err, len(results)) == (0, "", 50)
    for result in results:
        assert set(result) == {"id", "days", "adjustments", "totals"}
        assert all(set(day) == FIELDS for day in result["days"])
    lock = next(result for result in results if result["id"] == "pub-043")
    assert lock["adjustments"] == [{"date": "2024-01-08", "delta": {"worked": 60, "regular": 60}}]


def test_the_public_cases_come_out_as_expected(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(capsys, "evaluate", PUBLIC, "--json", "--check")
    assert (code, err) == (0, "50 cases, 0 differences\n")
    assert len(json.loads(out)["results"]) == 50


def test_a_difference_is_told_as_a_payroll_clerk_reads_it(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    document = json.loads(Path(PUBLIC).read_text(encoding="utf-8"))
    case = next(case for case in document["cases"] if case["id"] == "pub-015")
    day = {"date": "2024-01-08", "worked": 540, "pay": {"regular": 480, "ot1": 60}, "status": "absent", "lunch": 5}
    case["expect"] = {"days": [day, {"date": "2024-02-01"}], "totals": {"worked": 540}, "adjustments": [1]}
    file = tmp_path / "changed.json"
    file.write_text(json.dumps({"schema": 1, "cases": [case]}))
    code, _, err = said(capsys, "evaluate", str(file), "--check")
    assert (code, err.splitlines()) == (
        1,
        [
            "pub-015, 2024-01-08: worked: expected 9:00 (540 min), came 8:30 (510 min)",
            "pub-015, 2024-01-08: ot1: expected 1:00 (60 min), came 0:30 (30 min)",
            "pub-015, 2024-01-08: status: expected absent, came present",
            "pub-015, 2024-01-08: expected lunch, no workday has such a field",
            "pub-015, 2024-02-01: expected a workday, the range has none",
            "pub-015, adjustments: expected [1], came []",
            "pub-015, total worked: expected 9:00 (540 min), came 8:30 (510 min)",
            "1 cases, 7 differences",
        ],
    )
    case["expect"] = {"days": ["Monday"]}
    file.write_text(json.dumps({"schema": 1, "cases": [case]}))
    assert "expected a list of days" in said(capsys, "evaluate", str(file), "--check")[2]
    assert said(capsys, "evaluate", str(file))[0] == 0, "without --check nothing is compared"


def test_people_get_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, "evaluate", PUBLIC)
    assert code == 0
    assert "2024-01-08  present" in out
    assert "total 8:45 = regular 8:45" in out


def test_a_day_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, "explain", PUBLIC, "--id", "pub-021", "--date", "2024-11-02")
    assert code == 0
    assert out.startswith("Saturday 2024-11-02: 9:00 worked (9:00 regular), present\n")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("explain", PUBLIC, "--id", "pub-999"), "expected the id of one of its 50 cases, came 'pub-999'"),
        (("explain", PUBLIC, "--id", "pub-001", "--date", "2025-01-01"), "expected a date from 2024-01-08"),
        (
            ("explain", PUBLIC, "--id", "pub-001", "--date", "soon"),
            "--date: expected a date YYYY-MM-DD between 1980 and 2199, came 'soon'",
        ),
        (("evaluate", "no-such-file.json"), "no-such-file.json: expected a file that can be read"),
        (("check", PUBLIC), "policy: expected an object of rules, came nothing"),
    ],
)
def test_bad_input_is_one_line_and_code_2(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], line: str
) -> None:
    code, out, err = said(capsys, *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert line in err


def test_a_file_that_is_not_json_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_bytes(b"\xff\xfe{")
    code, _, err = said(capsys, "evaluate", str(file))
    assert (code, err.count("\n")) == (2, 1)
    assert "expected JSON" in err


@pytest.mark.parametrize("name", presets())
def test_a_preset_is_told_rule_by_rule(capsys: pytest.CaptureFixture[str], name: str) -> None:
    code, out, err = said(capsys, "check", name)
    assert (code, err) == (0, "")
    assert out.startswith(f"{name} v1: ")
