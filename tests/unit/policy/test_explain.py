"""Why a day is what it is, in sentences."""

from uuid import UUID
from zoneinfo import ZoneInfo

from biometric_flow.policy.engine import evaluate
from biometric_flow.policy.explain import explain, headline, sentence
from biometric_flow.policy.trace import Step
from biometric_flow.policy.zones import HomeZone
from tests.unit.policy.payroll_clerk import VECTORS, cases_of

CASES = {case.id: case for path in VECTORS.glob("*.json") for case in cases_of(path.name)}


def told(name: str, number: int = 0) -> list[str]:
    given = CASES[name].given
    day = evaluate(given).days[number]
    return [headline(day, given.policy), *explain(day, given.zone)]


def test_a_day_with_a_deducted_meal_and_overtime_is_told_in_order() -> None:
    assert told("pub-015") == [
        "Monday 2024-01-08: 8:30 worked (8:00 regular, 0:30 ot1 (1.5x)), present",
        "Punch p1 at 08:00 belongs to unscheduled work. [rule 5.1 unscheduled, case]",
        "Punch p2 at 17:30 belongs to unscheduled work. [rule 5 R2, case]",
        "Worked from 08:00 to 17:30. [rule 6 session, case]",
        "Irregularity: UNSCHEDULED. [rule 7 irregularity, case]",
        "The automatic break (always, over 360 min) took 9:30 to 8:30. [rule 9.3 auto_deduct, case]",
        "0:30 at ot1: beyond the hours of the day. [rule 12.2 daily, case]",
        "So the day is: present. [rule 11 status, case]",
    ]


def test_drift_rounding_and_dropped_reads_are_told() -> None:
    assert "The terminal's clock was wrong: punch p1 at 09:15 was really at 09:00. [rule 2.2 drift, case]" in told(
        "pub-041"
    )
    assert "The start 08:07 was rounded to 08:00. [rule 8.3 rounding.in, case]" in told("pub-011")
    assert any("p2 at 08:01 came too soon" in line for line in told("pub-005"))


def test_an_unpaid_window_and_a_paid_rest_are_told() -> None:
    window = next(name for name, case in CASES.items() if case.title.startswith("a break window takes"))
    assert "Unpaid break time took 7:40 to 7:00. [rule 9.2 break.window, case]" in told(window)
    assert "Of a break of 0:15, 0:15 are paid. [rule 9.1 paid_gap, case]" in told("pub-016")


def test_every_step_of_every_case_has_words() -> None:
    for case in CASES.values():
        for day in evaluate(case.given).days:
            assert day.trace
            for line in explain(day, case.given.zone):
                assert "{" not in line
                assert "None" not in line


def test_ids_of_punches_and_corrections_are_told_by_eight_digits() -> None:
    punch, correction = "8778843ec1e21b4c488e52bc95a0642613ef1f12d882ab5dc6e0b821c158c45e", str(UUID(int=7))
    placed = Step("5.1 unscheduled", None, 480, f"{punch} to unscheduled work", is_time=True)
    voided = Step("2.4 correction.void", 480, None, f"{punch} by {correction}", is_time=True)
    zone = HomeZone(ZoneInfo("UTC"))
    assert sentence(placed, zone) == "Punch 8778843e at 08:00 belongs to unscheduled work."
    assert sentence(voided, zone) == "Punch 8778843e by 00000000 at 08:00 was voided by an approved correction."
