"""What a listener comes back with decides what it is told, and that it is told nothing twice."""

import re

import pytest

from biometric_flow.gateway.marks import PATTERN, Mark, read, resumed

ALL = frozenset({"punches", "workdays", "alerts"})
NOW = {"workdays": 12, "alerts": 3}


@pytest.mark.parametrize("mark", [Mark(0), Mark(2**63 - 1, {"workdays": 0}), Mark(4711, dict(NOW))])
def test_an_id_says_where_to_go_on(mark: Mark) -> None:
    assert re.search(PATTERN, mark.text())
    assert read(mark.text()) == mark


@pytest.mark.parametrize("wrong", ["", "-1", "x", "9" * 30, "1.", "1.w", "1.2", ".w2", "1.w2 ", "1;w2", "1.w-2"])
def test_other_ids_are_none(wrong: str) -> None:
    assert not re.search(PATTERN, wrong)


def test_who_comes_back_goes_on_after_its_id() -> None:
    assert resumed(Mark(90, {"workdays": 12, "alerts": 2}), 100, NOW, ALL, 50) == (
        Mark(90, {"workdays": 12, "alerts": 2}),
        False,
    )


@pytest.mark.parametrize(
    "last", [Mark(40, dict(NOW)), Mark(101, dict(NOW)), Mark(100, {"alerts": 4}), Mark(100, {"workdays": 13})]
)
def test_an_id_that_is_too_old_or_of_another_database_begins_afresh(last: Mark) -> None:
    assert resumed(last, 100, NOW, ALL, 50) == (Mark(100), True)


def test_who_hears_no_punches_misses_none() -> None:
    assert resumed(Mark(1, {"alerts": 3}), 100, {"alerts": 3}, {"alerts"}, 50) == (Mark(100, {"alerts": 3}), False)


def test_a_topic_that_was_not_chosen_before_is_told_and_one_that_is_left_out_is_forgotten() -> None:
    assert resumed(Mark(100, {"alerts": 3}), 100, {"workdays": 12}, {"workdays"}, 50) == (Mark(100), False)


def test_nothing_is_told_twice_and_no_older_version_after_a_newer() -> None:
    mark = Mark(7)
    assert [mark.reaches(one) for one in (7, 8, 8, 9)] == [False, True, False, True]
    assert [mark.learns("alerts", one) for one in (0, 2, 1, 2, 3)] == [True, True, False, False, True]
    assert mark.text() == "9.alerts3"
