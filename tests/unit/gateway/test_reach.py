"""A change of a person makes those days due on which it can bear, and no others."""

from datetime import date
from typing import Any

import pytest

from biometric_flow.api.hours import PersonBody
from biometric_flow.gateway.people.reach import reached

TOMORROW = date(2026, 11, 24)
HELD = {"place": "cairo", "pin": "7", "from": "2020-01-01"}
PLAN = {"from": "2020-01-01", "schedule": "office"}


def body(**more: Any) -> PersonBody:
    given = {"number": "E1", "name": "Amina", "place": "cairo", "zone": "Africa/Cairo", "employed_from": "2020-01-01"}
    return PersonBody.model_validate({**given, "pins": [HELD], "assignments": [PLAN], **more})


def days(before: PersonBody, after: PersonBody) -> str | None:
    found = reached(before, after, TOMORROW)
    return None if found is None else f"{found[0]} {found[1]}"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"name": "Amina Hassan", "place": "leeds"}, None),
        ({"pins": [HELD, {"place": "leeds", "pin": "9", "from": "2026-11-01"}]}, "2026-11-01 2026-11-24"),
        ({"pins": [HELD, {"place": "leeds", "pin": "9", "from": "2026-03-01", "to": "2026-03-09"}]},
         "2026-03-01 2026-03-09"),
        ({"pins": []}, "2020-01-01 2026-11-24"),
        ({"assignments": [PLAN, {"from": "2026-11-20", "schedule": "night"}]}, "2026-11-20 2026-11-24"),
        ({"assignments": [PLAN, {"from": "2027-01-01", "schedule": "night"}]}, None),
        ({"roster": [{"from": "2026-10-01", "to": "2026-10-02", "shifts": []}]}, "2026-10-01 2026-10-02"),
        ({"employed_from": "2020-01-05"}, "2020-01-01 2020-01-04"),
        ({"employed_from": "2019-12-30"}, "2019-12-30 2019-12-31"),
        ({"employed_to": "2026-11-15"}, "2026-11-16 2026-11-24"),
        ({"employed_to": "2027-12-31"}, None),
        ({"zone": "Europe/London"}, "2020-01-01 2026-11-24"),
    ],
)  # fmt: skip
def test_a_change_reaches_from_its_first_day_to_its_last(change: dict[str, Any], expected: str | None) -> None:
    assert days(body(), body(**change)) == expected
    assert days(body(**change), body()) == expected, "the way back reaches as far"


def test_a_move_reaches_only_days_on_which_the_clocks_of_both_zones_differ() -> None:
    """Cairo and Athens have the same winter; the summer of 2026 began and ended earlier in Athens."""
    since = {"employed_from": "2026-01-01"}
    assert days(body(**since), body(**since, zone="Europe/Athens")) == "2026-03-29 2026-10-29"
    winter = {"employed_from": "2026-11-01"}
    assert days(body(**winter), body(**winter, zone="Europe/Athens")) is None


def test_the_order_of_plans_that_begin_alike_decides_and_reaches_all_of_them() -> None:
    two = [PLAN, {"from": "2020-01-01", "schedule": "night"}]
    assert days(body(assignments=two), body(assignments=two[::-1])) == "2020-01-01 2026-11-24"


def test_whoever_is_new_is_computed_from_their_first_day() -> None:
    assert reached(None, body(), TOMORROW) == (date(2020, 1, 1), TOMORROW)
    assert reached(None, body(employed_from="2027-01-01"), TOMORROW) == (date(2027, 1, 1), date(2027, 1, 1))
