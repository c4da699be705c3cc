"""Minutes that are in two pieces, gaps that are paid, breaks that are taken."""

from typing import Any

from biometric_flow.policy.breaks import Run, merge_paid_gaps, minutes_of, take_breaks, union
from biometric_flow.policy.fields import Fields
from biometric_flow.policy.pairing import Piece
from biometric_flow.policy.reading import read_policy
from biometric_flow.policy.trace import Step
from biometric_flow.policy.zones import home_zone

UTC_ZONE = home_zone("Etc/UTC")


def breaks(**document: Any) -> Any:
    return read_policy(Fields({"breaks": document}, "policy", [])).breaks


def test_a_minute_that_is_in_two_pieces_counts_once_as_overtime_if_one_of_them_is() -> None:
    regular, again, overtime = Piece(0, 60), Piece(30, 90), Piece(30, 90, True)
    assert union([regular, again]) == [Run(0, 60), Run(60, 90)]
    assert union([regular, overtime]) == [Run(0, 30), Run(30, 60, True), Run(60, 90, True)]
    assert union([Piece(0, 60, True), again]) == [Run(0, 60, True), Run(60, 90)]
    assert union([Piece(0, 60, True), overtime]) == [Run(0, 60, True), Run(60, 90, True)]
    assert union([regular, Piece(20, 40, True)]) == [Run(0, 20), Run(20, 40, True), Run(40, 60)]
    assert union([regular, Piece(0, 60, True)]) == [Run(0, 60, True)]
    assert union([Piece(30, 60), Piece(0, 30)]) == [Run(0, 30), Run(30, 60)], "pieces that touch do not overlap"
    assert union([regular, Piece(10, 20)]) == [Run(0, 60)]
    assert union([]) == []


def merged(gap: int, mode: str, most: int = 20) -> tuple[list[Piece], list[Step]]:
    steps: list[Step] = []
    rule = breaks(paid_gap={"max_min": most, "mode": mode}).paid_gap
    return merge_paid_gaps([Piece(0, 60), Piece(60 + gap, 200)], rule, steps), steps


def test_a_gap_of_the_limit_is_paid_and_one_minute_more_is_not() -> None:
    assert [(one.start, one.end) for one in merged(20, "all_or_nothing")[0]] == [(0, 200)]
    assert [(one.start, one.end) for one in merged(21, "all_or_nothing")[0]] == [(0, 60), (81, 200)]
    assert [(one.start, one.end) for one in merged(30, "credit")[0]] == [(0, 80), (90, 200)]
    assert [(one.start, one.end) for one in merged(20, "credit")[0]] == [(0, 200)]


def taken(worked: int, *rules: dict[str, Any], gap: int = 0) -> tuple[list[tuple[int, int]], int]:
    runs = [Run(600, 660), Run(660 + gap, 600 + worked + gap)] if gap else [Run(600, 600 + worked)]
    net = take_breaks(runs, breaks(auto_deduct=list(rules)), UTC_ZONE, [])
    return [(run.start, run.end) for run in net.runs], minutes_of(net.runs)


def test_an_automatic_break_begins_behind_its_threshold() -> None:
    rule = {"after_min": 360, "deduct_min": 30}
    assert taken(360, rule) == ([(600, 960)], 360)
    assert taken(361, rule)[1] == 331
    assert taken(360, {**rule, "inclusive": True})[1] == 330
    assert taken(480, rule)[0] == [(600, 960), (990, 1080)]
    assert taken(370, {**rule, "not_below_threshold": True})[1] == 360
    longer = {"after_min": 540, "deduct_min": 45}
    assert taken(541, rule, longer)[1] == 496
    assert taken(541, longer, rule)[1] == 496
    assert taken(540, rule, longer)[1] == 510
    assert taken(40, {"after_min": 10, "deduct_min": 100})[1] == 0


def test_a_break_that_was_punched_counts_against_an_automatic_one() -> None:
    rule = {"after_min": 360, "deduct_min": 30}
    assert taken(480, {**rule, "mode": "top_up"}, gap=20)[1] == 470
    assert taken(480, {**rule, "mode": "top_up"}, gap=40)[1] == 480
    assert taken(480, {**rule, "mode": "unless_punched"}, gap=1)[1] == 480
    assert taken(480, {**rule, "mode": "unless_punched"})[1] == 450
    assert taken(480, {**rule, "mode": "always"}, gap=40)[1] == 450
