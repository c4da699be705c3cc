"""What a day is called when little is known of it."""

from biometric_flow.policy.fields import Fields
from biometric_flow.policy.irregularities import DayFacts, status
from biometric_flow.policy.reading import read_policy

POLICY = read_policy(Fields({}, "policy", []))


def test_a_day_of_which_nothing_is_known_is_off_and_with_a_shift_an_absence() -> None:
    assert status(DayFacts(), POLICY, None) == "off"
    assert status(DayFacts(scheduled=480), POLICY, None) == "absent"
