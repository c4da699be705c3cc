"""The sealed role: two persons, an hour at most, a review by somebody else within a day (security-design A11)."""

from datetime import UTC, datetime, timedelta

import pytest

from biometric_flow.identity.break_glass import ROLE, Opening, Status, check_ask
from biometric_flow.identity.errors import BreakGlassRefused, GrantRefused, RoleInvalid
from biometric_flow.identity.grants import TENANT, Grant, check_conflicts, check_grant
from biometric_flow.identity.rbac import Permission
from biometric_flow.identity.roles import BUILT_IN, SEALED, Role, Roles

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ASKED = Opening("amina", timedelta(minutes=30), NOW)
OPEN = ASKED.opened("omar", NOW + timedelta(minutes=5))


def at(minutes: int) -> datetime:
    return NOW + timedelta(minutes=minutes)


def test_it_is_opened_by_somebody_else_within_the_hour_and_ends_by_itself() -> None:
    assert [ASKED.status(at(one)) for one in (0, 59, 60)] == [Status.ASKED, Status.ASKED, Status.LAPSED]
    assert (OPEN.ends_at, OPEN.opened_by) == (at(35), "omar")
    assert [OPEN.status(at(one)) for one in (5, 34, 35)] == [Status.OPEN, Status.OPEN, Status.OVER]
    with pytest.raises(BreakGlassRefused, match="it takes two"):
        ASKED.opened("amina", NOW)
    for opening, minute in ((ASKED, 60), (OPEN, 6), (OPEN, 40)):
        with pytest.raises(BreakGlassRefused, match="expected one that is asked"):
            opening.opened("omar", at(minute))


def test_nobody_gets_more_than_an_hour_whatever_was_asked() -> None:
    long = Opening("amina", timedelta(days=2), NOW).opened("omar", NOW)
    assert long.ends_at == NOW + timedelta(hours=1)


def test_it_can_be_ended_and_then_waits_for_a_review_by_somebody_else() -> None:
    ended = OPEN.ended(at(7))
    assert (ended.ends_at, ended.status(at(7)), ended.review_due) == (at(7), Status.OVER, at(7 + 24 * 60))
    with pytest.raises(BreakGlassRefused, match="another person"):
        ended.reviewed("amina", at(8))
    done = ended.reviewed("omar", at(8))
    assert done.status(at(8)) is Status.REVIEWED
    for change in (done.ended, ASKED.ended):
        with pytest.raises(BreakGlassRefused, match="expected one that is open"):
            change(at(9))
    for early in (ASKED, OPEN, done):
        with pytest.raises(BreakGlassRefused, match="expected one that is over"):
            early.reviewed("omar", at(9))


@pytest.mark.parametrize(("earlier", "is_free"), [(ASKED, False), (OPEN, False), (OPEN.ended(at(6)), False)])
def test_one_at_a_time_and_none_before_the_last_was_reviewed(earlier: Opening, is_free: bool) -> None:
    with pytest.raises(BreakGlassRefused, match="yours of"):
        check_ask([earlier], at(10))
    reviewed = OPEN.ended(at(6)).reviewed("omar", at(7))
    check_ask([ASKED, reviewed] if earlier is ASKED else [reviewed], at(70))


def test_nobody_is_granted_the_sealed_role_and_no_role_inherits_it() -> None:
    everything = [Grant("1", "tenant_admin", TENANT, NOW - timedelta(days=1))]
    with pytest.raises(GrantRefused, match="sealed"):
        check_grant(Roles(), everything, [], Grant("2", ROLE, TENANT, NOW), {}, NOW)
    with pytest.raises(RoleInvalid, match="sealed"):
        Roles([Role("mine", frozenset(), (ROLE,))])
    assert {ROLE} == SEALED
    assert not any(ROLE in one.inherits for one in BUILT_IN.values())


def test_it_gives_nothing_that_outlasts_it_takes_records_away_or_pays() -> None:
    never = {
        *(Permission.ACCESS_WRITE, Permission.PRIVACY_WRITE, Permission.ALERT_CONFIGURE, Permission.LEDGER_DECIDE),
        *(Permission.TERMINAL_MAINTAIN, Permission.PERIOD_APPROVE, Permission.PERIOD_EXPORT, Permission.PLAN_WRITE),
        *(Permission.EMERGENCY_REQUEST, Permission.EMERGENCY_DECIDE, Permission.CORRECTION_DECIDE),
    }
    assert not never & Roles().permissions(ROLE)


def test_a_conflict_set_is_not_gathered_by_it() -> None:
    payroll = [Grant("1", "payroll", TENANT, NOW - timedelta(days=1))]
    with pytest.raises(GrantRefused, match="payroll"):
        check_conflicts(Roles(), payroll, Grant("2", ROLE, TENANT, NOW, at(60)), NOW)
