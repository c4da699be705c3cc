"""The first and the last value that a document may have, and the ones beside them."""

from typing import Any

import pytest

from biometric_flow.policy.cases import read_case, read_cases, read_clock_correction, read_schedule, read_shift
from biometric_flow.policy.errors import CaseInvalid, PolicyInvalid
from biometric_flow.policy.fields import MINUTES_MAX, Fields, date_text, day_number, naive_second, second
from biometric_flow.policy.inputs import Leave, Shift
from biometric_flow.policy.packs import read_pack
from biometric_flow.policy.reading import read_policy
from biometric_flow.policy.rules import AutoDeduct, Grid, MealRule, Night, Overtime, PaidGap, Policy, SeventhDay, Snap

DAY = 1440
SEQUENCE = 1 << 53
STEP = {"after": 0, "tier": "regular"}
MEAL = {"if_work_over_min": 0, "start_within_work_min": 0, "min_meal_min": 0}
DEDUCT = {"after_min": 0, "deduct_min": 0}


def nested(path: str, value: object, **beside: object) -> dict[str, Any]:
    """An object with this value at the path; `beside` stands with it in the innermost one."""
    *outer, name = path.split(".")
    found: dict[str, Any] = {name: value, **beside}
    for one in reversed(outer):
        found = {one: found}
    return found


def policy(document: object) -> Policy:
    return read_policy(Fields(document, "", []))


@pytest.mark.parametrize(
    ("path", "low", "high", "beside"),
    [
        ("window.pre_min", 0, DAY, {}),
        ("window.post_min", 0, DAY, {}),
        ("duplicate.window_min", 0, MINUTES_MAX, {}),
        ("thresholds.absent_below_min", 0, MINUTES_MAX, {}),
        ("thresholds.half_day_below_min", 0, MINUTES_MAX, {}),
        ("max_session_min", 1, MINUTES_MAX, {}),
        ("new_shift_gap_min", 0, MINUTES_MAX, {}),
        ("grace_in_min", 0, MINUTES_MAX, {}),
        ("grace_out_min", 0, MINUTES_MAX, {}),
        ("tiers.a", 0, 100, {}),
        ("missing.cap_min", 0, MINUTES_MAX, {"out": "cap"}),
        ("rounding.in.interval", 1, DAY, {"mode": "up"}),
        ("rounding.in.grace", 0, MINUTES_MAX, {"mode": "up", "interval": 5}),
        *((f"snap.{name}", 0, DAY, {}) for name in ("in_before", "in_after", "out_before", "out_after")),
        ("breaks.paid_gap.max_min", 0, MINUTES_MAX, {}),
        ("night.min_minutes", 0, MINUTES_MAX, {"from": "22:00", "to": "06:00"}),
        ("compliance.daily_rest_min", 0, MINUTES_MAX, {}),
        ("compliance.max_span_min", 0, MINUTES_MAX, {}),
        ("compliance.max_consecutive_min", 0, MINUTES_MAX, {}),
        ("compliance.break_min_len", 1, MINUTES_MAX, {}),
        ("overtime.week_start", 1, 7, {}),
        ("overtime.period.days", 1, 366, {"anchor": "2024-01-01"}),
        ("overtime.min_daily_ot_min", 0, MINUTES_MAX, {}),
        ("overtime.daily_cap_min", 0, MINUTES_MAX, {}),
        ("overtime.seventh_day.exempt_all_days_le", 0, MINUTES_MAX, {}),
    ],
)
def test_a_number_of_a_policy_has_a_first_and_a_last_value(
    path: str, low: int, high: int, beside: dict[str, object]
) -> None:
    policy(nested(path, low, **beside))
    policy(nested(path, high, **beside))
    for wrong in (low - 1, high + 1, "7", True, [], 10**400):
        with pytest.raises(PolicyInvalid) as refused:
            policy(nested(path, wrong, **beside))
        assert refused.value.path == path


@pytest.mark.parametrize(
    ("path", "entry"),
    [
        ("overtime.daily", STEP),
        ("overtime.weekly", STEP),
        ("overtime.day_tiers.holiday", STEP),
        ("overtime.day_tiers.rest", STEP),
        ("overtime.day_tiers.weekday.1", STEP),
        ("overtime.seventh_day.tiers", STEP),
        ("overtime.window_remap", {"from": "00:00", "to": "01:00", "map": {"regular": "a"}}),
        ("meal_penalty", MEAL),
        ("breaks.windows", {"from": "00:00", "to": "01:00"}),
        ("breaks.auto_deduct", DEDUCT),
    ],
)
def test_a_list_of_rules_has_at_most_fifty(path: str, entry: dict[str, object]) -> None:
    policy(nested(path, [entry] * 50))
    with pytest.raises(PolicyInvalid, match="at most 50") as refused:
        policy(nested(path, [entry] * 51))
    assert refused.value.path == path


def test_what_is_said_of_the_week_and_the_period_moves_its_first_day() -> None:
    assert [policy({"overtime": {"week_start": day}}).overtime.anchor for day in (1, 4, 7)] == [-3, 0, 3]
    assert policy({"overtime": {"period": {"anchor": "1980-01-02", "days": 14}}}).overtime.anchor == 3653
    assert policy({"overtime": {"day_tiers": {"weekday": {"1": [], "7": []}}}}).overtime.weekday == {1: (), 7: ()}
    for wrong in ("0", "8", "x", "12"):
        with pytest.raises(PolicyInvalid, match="a weekday"):
            policy({"overtime": {"day_tiers": {"weekday": {wrong: []}}}})


def test_an_object_that_says_nothing_is_as_if_it_were_not_there() -> None:
    names = ("duplicate", "window", "pairing", "missing", "rounding", "breaks", "thresholds", "holiday", "overtime")
    assert policy({name: {} for name in (*names, "compliance", "tiers")}) == Policy()
    assert policy({"snap": {}}).snap == Snap()
    assert policy({"night": {"from": "22:00", "to": "06:00"}}).night == Night((1320, 360))
    assert policy({"breaks": {"auto_deduct": [DEDUCT]}}).breaks.auto_deduct == (AutoDeduct(0, 0),)
    assert policy({"breaks": {"paid_gap": {"max_min": 3}}}).breaks.paid_gap == PaidGap(3)
    assert policy({"meal_penalty": [MEAL]}).meal_penalty == (MealRule(0, 0, 0),)
    assert policy({"overtime": {"day_tiers": {}, "seventh_day": {}}}).overtime == Overtime(seventh_day=SeventhDay(()))


def test_a_rounding_of_mode_none_is_no_rounding_and_needs_no_interval() -> None:
    assert policy({"rounding": {"in": {"mode": "none"}, "out": {}, "total": {"mode": "up", "interval": 5}}}) == policy(
        {"rounding": {"total": {"mode": "up", "interval": 5, "grace": 0}}}
    )
    assert policy({"rounding": {"out": {"mode": "down", "interval": 1}}}).rounding.out == Grid("down", 1, 0)
    with pytest.raises(PolicyInvalid, match="interval"):
        policy({"rounding": {"in": {"mode": "up"}}})


@pytest.mark.parametrize("regular", [0, 0.99, 1.01, 2])
def test_a_regular_minute_is_worth_one(regular: float) -> None:
    assert policy({"tiers": {"regular": 1, "a": 2}}).multiplier("a") == 2
    assert policy({"tiers": {"a": 2}}).multiplier("unknown") == 1
    with pytest.raises(PolicyInvalid, match="regular"):
        policy({"tiers": {"regular": regular}})


def test_dates_and_instants_lie_between_1980_and_2199() -> None:
    for text in ("1980-01-01", "2199-12-31", "2024-02-29"):
        assert date_text(day_number(text, "")) == text
    assert day_number("1980-01-01", "") == 3652
    assert second("1980-01-01T00:00:00Z", "") == 3652 * 86400
    assert second("2199-12-31T23:59:59+00:00", "") + 1 == (day_number("2199-12-31", "") + 1) * 86400
    assert second("2024-01-08T09:00:00.999999999+02:00", "") == second("2024-01-08T07:00:00Z", "")
    assert naive_second("1980-01-01T00:00:01", "") == 3652 * 86400 + 1
    assert naive_second("2199-12-31T23:59:59", "") == second("2199-12-31T23:59:59Z", "")
    for wrong in (
        "1979-12-31",
        "2200-01-01",
        "2024-02-30",
        "20240108",
        "2024-1-8",
        "2024-01-08 ",
        "2024-W02-1",
        20240108,
        [0] * 10,
    ):
        with pytest.raises(PolicyInvalid, match="YYYY-MM-DD between 1980 and 2199"):
            day_number(wrong, "")
    for form in ("2024-01-08T09:00:00", "2024-01-08T09:00", "2024-01-08 09:00", "2024-01-08T09:00:00,5"):
        assert naive_second(form, "") == second(f"{form}Z", "") == second("2024-01-08T09:00:00Z", "")
    forms = ("2024-W02-1T09:00:00", "20240108T090000", "2024-01-08", "2024-01-08T09", "2024-01-08T09:00:00 ", "soon")
    for wrong in ("1979-12-31T23:59:59", "2200-01-01T00:00:00", *forms, 7, ["2024"]):
        with pytest.raises(PolicyInvalid, match="without an offset between 1980 and 2199"):
            naive_second(wrong, "")
        with pytest.raises(PolicyInvalid, match="an instant such as"):
            second(f"{wrong}Z" if isinstance(wrong, str) else wrong, "")
    with pytest.raises(PolicyInvalid):
        naive_second("2024-01-08T09:00:00Z", "")
    with pytest.raises(PolicyInvalid):
        second("2024-01-08T09:00:00", "")


CASE: dict[str, Any] = {"id": "a", "tz": "UTC", "range": {"from": "2024-01-08", "to": "2024-01-08"}}
AT = "2024-01-08T09:00:00Z"


def case(**more: object) -> Any:
    return read_case(Fields({**CASE, **more}, "", [])).given


@pytest.mark.parametrize(
    ("name", "entry", "field", "low", "high"),
    [
        ("punches", {"id": "p", "at": AT}, "code", 0, 255),
        ("punches", {"id": "p", "at": AT}, "seq", 0, SEQUENCE),
        ("corrections", {"seq": 1, "id": "c", "op": "add", "at": AT}, "code", 0, 255),
        ("corrections", {"id": "c", "op": "add", "at": AT}, "seq", 0, SEQUENCE),
        ("clock_corrections", {"device": "d", "from": AT, "to": AT}, "offset_s", -158112000, 158112000),
        ("approvals", {"date": "2024-01-08"}, "minutes", 0, MINUTES_MAX),
    ],
)
def test_a_number_of_a_case_has_a_first_and_a_last_value(
    name: str, entry: dict[str, object], field: str, low: int, high: int
) -> None:
    case(**{name: [{**entry, field: low}, {**entry, field: high}]})
    for wrong in (low - 1, high + 1, "7"):
        with pytest.raises(PolicyInvalid) as refused:
            case(**{name: [{**entry, field: wrong}]})
        assert refused.value.path == f"{name}[0].{field}"


@pytest.mark.parametrize("name", ["unpaid_break_min", "pre_min", "post_min", "detect_after_min", "flex.required_min"])
def test_a_number_of_a_shift_is_at_most_a_day(name: str) -> None:
    hours = {"start": "09:00", "end": "17:00"}
    for right in (0, DAY):
        shift = read_shift("D", Fields({**hours, **nested(name, right)}, "", []))
        assert getattr(shift, name.removeprefix("flex.")) == right
    for wrong in (-1, DAY + 1):
        with pytest.raises(PolicyInvalid):
            read_shift("D", Fields({**hours, **nested(name, wrong)}, "", []))


def test_what_a_shift_does_not_say_is_as_the_contract_has_it() -> None:
    assert read_shift("D", Fields({"start": "09:00", "end": "17:00"}, "", [])) == Shift("D", 540, 1020)
    flex = {"core_start": "10:00", "required_min": 480}
    shift = read_shift("D", Fields({"start": "09:00", "end": "17:00", "flex": flex}, "", []))
    assert (shift.core_start, shift.core_end, shift.required_min) == (600, None, 480)


def test_weekdays_are_one_to_seven() -> None:
    plan = read_schedule(
        Fields({"mode": "assigned", "weekly": {"1": [], "7": None}, "rest_weekdays": [1, 7]}, "", []), {}
    )
    assert (plan.weekly, plan.rest_weekdays) == ({1: (), 7: ()}, {1, 7})
    for wrong in (0, 8, True, "1", None):
        with pytest.raises(PolicyInvalid, match="a list of weekdays"):
            read_schedule(Fields({"rest_weekdays": [wrong]}, "", []), {})
    for name in ("0", "8", "1234567", ""):
        with pytest.raises(PolicyInvalid, match="a weekday from"):
            read_schedule(Fields({"weekly": {name: []}}, "", []), {})


def test_leave_is_of_whole_days_or_of_at_most_a_day_of_hours_and_only_approved_leave_counts() -> None:
    def leaves(**said: object) -> tuple[Leave, ...]:
        found: tuple[Leave, ...] = case(calendar={"leaves": [{"date": "2024-01-08", **said}]}).leaves
        return found

    day = day_number("2024-01-08", "")
    assert leaves() == (Leave(day, "full", 0),)
    assert leaves(kind="first_half", approved=True) == (Leave(day, "first_half", 0),)
    for said in ({"minutes": 0}, {"hours": 0}):
        assert leaves(kind="hours", **said) == (Leave(day, "hours", 0),)
    for said in ({"minutes": DAY}, {"hours": 24}):
        assert leaves(kind="hours", **said) == (Leave(day, "hours", DAY),)
    assert leaves(kind="hours", hours=1, minutes=7) == (Leave(day, "hours", 7),)
    assert leaves(approved=False) == leaves(status="asked") == ()
    wrong: list[dict[str, object]] = [{"minutes": DAY + 1}, {"minutes": -1}, {"hours": 24.5}, {"hours": -1}, {}]
    for one in wrong:
        with pytest.raises(PolicyInvalid):
            leaves(kind="hours", **one)


def test_a_range_is_of_one_to_3700_days() -> None:
    for to in ("2024-01-08", date_text(day_number("2024-01-08", "") + 3699)):
        assert case(range={"from": "2024-01-08", "to": to}).last == day_number(to, "")
    for to in ("2024-01-07", date_text(day_number("2024-01-08", "") + 3700)):
        with pytest.raises(PolicyInvalid, match="3700 days at most"):
            case(range={"from": "2024-01-08", "to": to})


def test_a_case_without_a_name_is_told_by_its_place() -> None:
    assert read_cases({"cases": []}) == ([], [])
    for schema in (0, 2, -1, "1"):
        with pytest.raises(PolicyInvalid, match="schema"):
            read_cases({"schema": schema, "cases": []})
    for body, name in (({"tz": 7}, "1"), (7, "1"), ({"id": "x", "tz": 7}, "x")):
        with pytest.raises(CaseInvalid, match=f"case {name}: "):
            read_cases({"cases": [CASE, body]})
    with pytest.raises(CaseInvalid, match="case 0: "):
        read_cases({"cases": [None] * 20_000})
    with pytest.raises(PolicyInvalid, match="at most 20000"):
        read_cases({"cases": [None] * 20_001})
    bare = read_cases({"cases": [{name: CASE[name] for name in ("tz", "range")}]})[0][0]
    assert (bare.id, bare.title, bare.source, bare.expect) == ("case", "", "", {})


def test_a_terminal_may_hang_in_another_zone_and_know_its_direction() -> None:
    said = {"a": {"tz": "Africa/Cairo", "direction": "in"}, "b": {"direction": "both"}, "c": {}}
    found = case(devices=said).terminals
    assert [one.direction for one in found.values()] == ["in", None, None]
    assert [one.zone.minute(0, 0) for one in found.values()] == [-120, 0, 0]


def test_a_clock_correction_has_both_ends() -> None:
    row = read_clock_correction(
        Fields({"device": "d", "from": AT, "to": "2024-01-08T10:00:00Z", "offset_s": 5}, "", [])
    )
    assert (row.until - row.since, row.offset) == (3600, 5)


PACK: dict[str, Any] = {"schema": 1, "id": "x", "name": "X", "version": 1, "valid_from": "2024-01-01", "policy": {}}


def test_a_pack_has_a_short_name_a_version_and_at_most_a_hundred_notes() -> None:
    for right in ({"id": "a"}, {"id": "a" * 40}, {"id": "a-1"}, {"version": 1_000_000}, {"notes": ["n"] * 100}):
        read_pack({**PACK, **right})
    read_pack({**PACK, "valid_to": "2024-01-01"})
    wrong: list[dict[str, Any]] = [
        *({"id": name} for name in ("", "-a", "a-", "A", "a" * 41)),
        *({"version": number} for number in (0, 1_000_001)),
        *({"schema": number} for number in (0, 2, None)),
        {"notes": ["n"] * 101},
        {"valid_to": "2023-12-31"},
        {"policy": None},
        {"name": "n" * 401},
    ]
    for one in wrong:
        with pytest.raises(PolicyInvalid):
            read_pack({**PACK, **one})
    assert read_pack({**PACK, "name": "n" * 400}).name == "n" * 400


def test_a_refusal_shows_at_most_sixty_characters_of_what_came() -> None:
    assert PolicyInvalid("a", "b", "x" * 58).came == "'" + "x" * 58 + "'"
    assert PolicyInvalid("a", "b", "x" * 59).came == "'" + "x" * 59 + "..."
    assert PolicyInvalid("a", "b", is_missing=True).came == "nothing"
    assert PolicyInvalid("a", "b").came == "None"
