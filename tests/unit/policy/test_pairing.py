"""First and last keys, and what they leave open."""

from biometric_flow.policy.duplicates import KeptPunch
from biometric_flow.policy.fields import Fields
from biometric_flow.policy.pairing import Paired, pair
from biometric_flow.policy.reading import read_policy


def paired(mode: str, *punches: tuple[int, int]) -> Paired:
    rule = read_policy(Fields({"pairing": {"mode": mode}}, "policy", [])).pairing
    return pair([KeptPunch(str(minute), minute, code) for minute, code in punches], rule)


def spans(found: Paired) -> list[tuple[int, int]]:
    return [(piece.start, piece.end) for piece in found.pieces]


def test_from_the_first_in_to_the_last_out_other_keys_end_nothing() -> None:
    found = paired("state_first_last", (540, 0), (600, 255), (700, 3))
    assert (spans(found), found.open_in) == ([], 540)
    found = paired("state_first_last", (500, 1), (540, 0), (600, 1), (700, 5), (800, 255))
    assert (spans(found), found.outs, found.open_in) == ([(540, 700)], [700], None)
    found = paired("state_first_last", (540, 0), (540, 1))
    assert spans(found) == [(540, 540)], "an OUT at the very minute of the IN is after it"
    found = paired("state_first_last", (500, 1), (540, 4))
    assert (spans(found), found.open_in) == ([], 540)
    found = paired("state_first_last", (600, 1))
    assert (spans(found), found.irregularities) == ([], {"MISSING_IN"})
    found = paired("state_first_last", (600, 255))
    assert (spans(found), found.irregularities, found.open_in) == ([], set(), None)


def test_only_an_out_right_after_an_out_moves_the_end_where_the_policy_says_so() -> None:
    def extended(*punches: tuple[int, int]) -> Paired:
        rule = read_policy(Fields({"pairing": {"mode": "state", "double_out": "extend"}}, "policy", [])).pairing
        return pair([KeptPunch(str(minute), minute, code) for minute, code in punches], rule)

    found = extended((540, 0), (600, 1), (700, 5), (720, 1))
    assert (spans(found), found.outs, found.irregularities) == ([(540, 720)], [720], set())
    for between in (2, 3):
        found = extended((540, 0), (600, 1), (610, between), (700, 1))
        assert (spans(found), found.irregularities) == ([(540, 600)], {"MISSING_BREAK_OUT", "MISSING_IN"})
    found = extended((540, 1), (600, 1))
    assert (spans(found), found.irregularities) == ([], {"MISSING_IN"})
    found = extended((540, 0), (600, 1), (610, 255), (700, 1))
    assert (spans(found), found.irregularities) == ([(540, 700)], {"UNKNOWN_CODE"}), "no key changes nothing"
    found = extended((540, 4), (600, 1), (700, 1))
    assert found.pieces[0].is_overtime
