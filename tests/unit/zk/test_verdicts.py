"""What the doctor says of single answers: the healthy words beside the troubled ones."""

from collections.abc import Iterable
from datetime import datetime

from biometric_flow.zk.doctor import entrance, verdicts
from biometric_flow.zk.doctor.report import Finding, Severity
from biometric_flow.zk.errors import TerminalRefused, TerminalUnreachable
from biometric_flow.zk.families import describe
from biometric_flow.zk.terminal import TerminalInfo, Transport
from biometric_flow.zk.wire.capacity import Capacity
from biometric_flow.zk.wire.connection import Oddities
from biometric_flow.zk.wire.timecode import TerminalTime

NOW = datetime(2026, 3, 1, 8)


def only(findings: Iterable[Finding]) -> tuple[str, Severity, str]:
    (one,) = findings
    return one.code, one.severity, one.text


def test_who_it_says_it_is_and_what_it_leaves_out() -> None:
    assert only(verdicts.identity(TerminalInfo("A1B2C3", ""))) == (
        "identity.told",
        Severity.OK,
        "serial A1B2C3, no model, no version",
    )


def test_a_terminal_that_is_busy_says_with_what_and_an_idle_one_nothing() -> None:
    code, severity, text = only(verdicts.state(3))
    assert (code, severity) == ("state.not_idle", Severity.NOTE)
    assert "in its menu" in text
    assert not list(verdicts.state(0))


def test_a_clock_with_an_impossible_day_is_to_be_set() -> None:
    code, severity, text = only(verdicts.clock(TerminalTime.of(2026, 2, 31, 8, 0, 0), NOW))
    assert (code, severity) == ("clock.impossible", Severity.PROBLEM)
    assert "2026-02-31" in text
    assert text.endswith("set it")


def test_what_it_holds_is_told_and_only_what_is_nearly_full_is_a_warning() -> None:
    held = Capacity(users=900, users_capacity=1000, fingers=10, fingers_capacity=1000, attlog_rows=5)
    told, *warnings = verdicts.capacity(held)
    assert (told.code, told.text) == ("capacity.told", "900 users, 10 fingerprints, 5 punches")
    assert [one.code for one in warnings] == ["capacity.users"]


def test_a_known_family_is_named_with_what_decided_and_each_doubt_is_a_warning() -> None:
    known = describe("MB460", "ZMM220_TFT", "Ver 8.0", Capacity(), {"FaceFunOn": "0"})
    codes = [(one.code, one.severity) for one in verdicts.family(known)]
    assert codes[0] == ("family.known", Severity.OK)
    doubting = describe("MA300", "ZMM220_TFT", "Ver 6.60", Capacity(faces=20, faces_capacity=400), {})
    found = list(verdicts.family(doubting))
    assert [one.text for one in found if one.code == "family.doubt"] == list(doubting.doubts)
    assert doubting.doubts


def test_nobody_and_no_punch_are_notes_that_say_what_they_may_mean() -> None:
    assert only(verdicts.users(None, [], "UTF-8"))[:2] == ("users.empty", Severity.NOTE)
    code, severity, text = only(verdicts.attendance(None, [], NOW))
    assert (code, severity) == ("attendance.empty", Severity.NOTE)
    assert "access mode" in text


def test_events_that_were_corrupt_or_lost_are_counted() -> None:
    code, severity, text = only(verdicts.oddities(Oddities(corrupt_events=2, lost_events=7)))
    assert (code, severity) == ("oddities.events", Severity.WARNING)
    assert "2 events came corrupt, 7 were lost" in text
    assert not list(verdicts.oddities(Oddities()))


def test_an_open_port_is_fine_and_a_way_that_is_closed_says_why() -> None:
    assert only([entrance.reached("10.0.0.5:4370", Transport.TCP)])[:2] == ("reach.open", Severity.OK)
    why = TerminalUnreachable("10.0.0.5:4370: no route to host")
    assert only([entrance.unreachable("10.0.0.5:4370", "10.0.0.5", why)]) == (
        "reach.unreachable",
        Severity.PROBLEM,
        "10.0.0.5:4370: no route to host",
    )


def test_a_refusal_of_no_known_kind_is_told_as_it_came() -> None:
    code, severity, text = only([entrance.not_entered(TerminalRefused("it answered 2012"), 0)])
    assert (code, severity) == ("sign_in.refused", Severity.PROBLEM)
    assert "it answered 2012" in text
