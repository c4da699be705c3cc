"""When a group is open, and where a punch goes at the borders between two."""

import pytest

from biometric_flow.policy.attribution import IN_CODES, OUT_CODES, Attribution, Group, detector, is_nearer_end
from biometric_flow.policy.duplicates import KeptPunch
from biometric_flow.policy.fields import Fields
from biometric_flow.policy.inputs import Schedule, Shift
from biometric_flow.policy.reading import read_policy
from biometric_flow.policy.rules import ClaimWindow
from biometric_flow.policy.schedules import Instance, instance
from biometric_flow.policy.zones import DAY, home_zone

UTC_ZONE = home_zone("Etc/UTC")
WINDOW = ClaimWindow()
TEN = 10 * DAY


def a_group(*codes: int) -> Group:
    group = Group(10, None)
    for number, code in enumerate(codes):
        group.take(KeptPunch(str(number), TEN + number, code), "")
    return group


def test_keys_for_in_and_out_are_those_of_the_terminals() -> None:
    assert IN_CODES == (0, 4)
    assert OUT_CODES == (1, 5)


@pytest.mark.parametrize("mode", ["alternating", "first_last", "state", "state_first_last", "hybrid"])
def test_a_group_without_punches_is_closed(mode: str) -> None:
    assert not a_group().is_open(mode)


@pytest.mark.parametrize(("code", "is_open"), [(0, True), (1, False), (2, True), (3, True), (4, True), (5, False)])
def test_by_keys_a_group_is_open_after_an_in_and_within_a_break(code: int, is_open: bool) -> None:
    for codes in ((code,), (255, code)):
        assert a_group(*codes).is_open("state") is is_open
        assert a_group(*codes).is_open("state_first_last") is is_open
        assert a_group(*codes).is_open("hybrid") is is_open
    assert a_group(code, 255).is_open("state") is is_open, "no key changes nothing"


def test_without_a_key_a_hybrid_group_goes_by_the_number_of_punches() -> None:
    assert a_group(255).is_open("hybrid")
    assert a_group(6).is_open("hybrid")
    assert not a_group(0, 255).is_open("hybrid")
    assert not a_group(0, -1).is_open("hybrid")
    assert not a_group(255, 255).is_open("alternating")
    assert a_group(1, 1, 1).is_open("first_last")


def plan(shift_id: str, start: int, end: int) -> Instance:
    return instance(Shift(shift_id, start, end), 10, UTC_ZONE, WINDOW)


def placed(punches: list[tuple[int, int]], plans: list[Instance], **document: object) -> list[str]:
    """Where each punch goes: the name of its shift or the number of the unscheduled group, and by which rule."""
    policy = read_policy(Fields(document, "policy", []))
    passing = Attribution(UTC_ZONE, policy, plans)
    for number, (minute, code) in enumerate(punches):
        passing.place(KeptPunch(str(number), TEN + minute, code))
    loose = [group for group in passing.groups if group.plan is None]
    found = {}
    for group in passing.groups:
        name = group.plan.shift.id if group.plan else f"loose {loose.index(group)}"
        for punch, rule in zip(group.punches, group.rule, strict=True):
            found[int(punch.id)] = f"{name} {rule}"
    return [found[number] for number in range(len(punches))]


def test_halfway_between_start_and_end_is_not_nearer_the_end() -> None:
    day = plan("D", 540, 1020)
    assert not is_nearer_end(day, TEN + 780)
    assert is_nearer_end(day, TEN + 781)


def test_an_out_finds_the_open_group_when_its_own_shift_is_not_open() -> None:
    plans = [plan("N", 0, 360), plan("D", 840, 1080)]
    state = {"pairing": {"mode": "state"}}
    for out in (1, 5):
        assert placed([(0, 0), (730, out)], plans, **state) == ["N 5 R1", "N 5 R1a"]
        assert placed([(0, 0), (350, 1), (730, out)], plans, **state)[2] == "D 5 R1", "nobody is open"
        assert placed([(850, 0), (1070, out)], plans, **state) == ["D 5 R1", "D 5 R1"]
    assert placed([(0, 0), (730, 0)], plans, **state) == ["N 5 R1", "D 5 R1"]


def test_an_open_group_waits_as_long_as_a_session_may_last_and_no_longer() -> None:
    day = [plan("D", 540, 1020)]
    assert placed([(540, 255), (540 + 960, 255)], day)[1] == "D 5 R2"
    assert placed([(540, 255), (540 + 961, 255)], day)[1] == "loose 0 5.1 unscheduled"
    assert placed([(540, 255), (640 + 721, 255)], day, max_session_min=820)[1] == "loose 0 5.1 unscheduled"


def test_work_without_a_shift_goes_on_after_a_pause_of_four_hours_and_begins_anew_after_more() -> None:
    late = [(1100, 255), (1300, 255)]
    assert placed([*late, (1540, 255)], [])[2] == "loose 0 5.1 unscheduled"
    assert placed([*late, (1541, 255)], [])[2] == "loose 1 5.1 unscheduled"
    assert placed([*late, (1500, 255)], [], new_shift_gap_min=199)[2] == "loose 1 5.1 unscheduled"


def test_before_the_day_begins_it_is_still_the_day_before() -> None:
    policy = read_policy(Fields({"day_start": "05:00"}, "policy", []))
    for minute, day in ((299, 9), (300, 10), (1439, 10)):
        passing = Attribution(UTC_ZONE, policy, [])
        passing.place(KeptPunch("a", TEN + minute, 255))
        assert [group.day for group in passing.groups] == [day]


def test_of_two_shifts_that_claim_a_punch_the_open_one_keeps_it_until_the_next_is_nearer() -> None:
    plans = [plan("A", 480, 720), plan("B", 960, 1200)]
    assert placed([(480, 255), (840, 255)], plans) == ["A 5 R1", "A 5 R4a"], "as near to both"
    assert placed([(480, 255), (841, 255)], plans)[1] == "B 5 R4a"
    state = {"pairing": {"mode": "state"}}
    assert placed([(480, 0), (845, 0)], plans, **state)[1] == "B 5 R4c", "an IN begins"
    assert placed([(840, 255)], [plan("A", 600, 900), plan("B", 930, 1200)])[0] == "B 5 R4c"
    running = [plan("A", 480, 720), plan("B", 700, 1200)]
    assert placed([(480, 255), (500, 255), (719, 255)], running)[2] == "A 5 R4b"
    assert placed([(480, 255), (500, 255), (720, 255)], running)[2] == "B 5 R4c"


SHIFTS = {"D": Shift("D", 540, 1020), "N": Shift("N", 1320, 360), "E": Shift("E", 30, 400), "L": Shift("L", 600, 1100)}


def detected(minute: int, *names: str) -> tuple[str, int] | None:
    """The template that begins nearest, and how many days after day 10."""
    policy = read_policy(Fields({}, "policy", []))
    found = detector(Schedule("auto", auto=names), SHIFTS, lambda _: policy, UTC_ZONE)(TEN + minute)
    return found and (found.shift.id, found.day - 10)


def test_a_shift_is_detected_from_two_hours_before_its_start_to_four_hours_after() -> None:
    assert [detected(minute, "D") for minute in (419, 420, 780, 781)] == [None, ("D", 0), ("D", 0), None]
    assert [detected(minute, "N") for minute in (0, 120, 121, 1200)] == [("N", -1), ("N", -1), None, ("N", 0)]
    assert [detected(minute, "E") for minute in (1349, 1350, 1439)] == [None, ("E", 1), ("E", 1)]


def test_of_two_shifts_the_nearer_start_is_detected_and_the_first_named_of_equals() -> None:
    assert [detected(minute, "D", "L") for minute in (569, 570, 571)] == [("D", 0), ("D", 0), ("L", 0)]
    assert [detected(minute, "L", "D") for minute in (569, 570, 571)] == [("D", 0), ("L", 0), ("L", 0)]


def found_by_itself(punches: list[tuple[int, int]], *names: str, **document: object) -> list[str]:
    """Mode `auto`: shift and day of every punch, and by which rule."""
    policy = read_policy(Fields(document, "policy", []))
    passing = Attribution(UTC_ZONE, policy, [])
    detect = detector(Schedule("auto", auto=names), SHIFTS, lambda _: policy, UTC_ZONE)
    for number, (minute, code) in enumerate(punches):
        passing.place_detecting(KeptPunch(str(number), TEN + minute, code), detect)
    found = {}
    for group in passing.groups:
        for punch, rule in zip(group.punches, group.rule, strict=True):
            found[int(punch.id)] = f"{group.plan.shift.id if group.plan else 'loose'} {rule}"
    return [found[number] for number in range(len(punches))]


def test_a_detected_shift_keeps_its_punches_until_it_is_over() -> None:
    assert found_by_itself([(540, 255), (600, 255), (700, 255), (1100, 255)], "D") == [
        "D 5 auto.detect", "D 5 auto.open", "D 5 auto.running", "D 5 auto.open",
    ]  # fmt: skip
    assert found_by_itself([(540, 255), (1020, 255), (1260, 255)], "D")[2] == "D 5 auto.window"
    assert found_by_itself([(540, 255), (1020, 255), (1261, 255)], "D")[2] == "loose 5.1 unscheduled"
    assert found_by_itself([(540, 255), (1000, 255), (1019, 255)], "D", "N")[2] == "D 5 auto.running"
    assert found_by_itself([(540, 255), (1000, 255), (1200, 255)], "D", "N")[2] == "N 5 auto.detect"


def test_keys_begin_and_end_detected_shifts() -> None:
    state = {"pairing": {"mode": "state"}}
    assert found_by_itself([(540, 0), (1200, 0)], "D", "N", **state)[1] == "N 5 auto.detect", "an IN begins"
    assert found_by_itself([(540, 0), (1200, 1)], "D", "N", **state)[1] == "D 5 auto.open"
    assert found_by_itself([(540, 0), (1300, 1)], "D", "N", **state)[1] == "D 5 auto.out", "an OUT ends what is open"
    assert found_by_itself([(540, 0), (1300, 0)], "D", "N", **state)[1] == "N 5 auto.detect"
