"""Grants against a second, independent evaluator, and the rules of granting."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from biometric_flow.identity.errors import GrantRefused
from biometric_flow.identity.grants import Grant, Scope, ScopeKind, check_grant, check_role, reach, why
from biometric_flow.identity.rbac import NARROWEST, Narrowest, Permission
from biometric_flow.identity.roles import BUILT_IN, Role, Roles

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
WHOLE = Scope(ScopeKind.TENANT)
CAIRO, LEEDS = Scope(ScopeKind.PLACE, "cairo"), Scope(ScopeKind.PLACE, "leeds")
WORKS = Scope(ScopeKind.DEPARTMENT, "works")
PARENTS = {"works": None, "welding": "works", "paint": "works", "spray": "paint", "office": None}
WIDTH = {Narrowest.TENANT: 0, Narrowest.PLACE: 1, Narrowest.DEPARTMENT: 2}


def grant(role: str, scope: Scope = WHOLE, first: int = -1, last: int | None = None) -> Grant:
    ends = None if last is None else NOW + timedelta(hours=last)
    return Grant("g", role, scope, NOW + timedelta(hours=first), ends)


def evaluate(
    roles: dict[str, tuple[set[str], list[str]]],
    held: list[tuple[str, str, str, int, int]],
    permission: str,
    target: tuple[str, str],
    parents: dict[str, str | None],
) -> bool:
    """The same question put to tuples and loops: none of the house's code decides here."""
    for role, kind, name, first, last in held:
        if not first <= 0 < last:
            continue
        reached, waiting = set(), [role]
        while waiting:
            one = waiting.pop()
            if one in reached or one not in roles:
                continue
            reached.add(one)
            waiting.extend(roles[one][1])
        if not any(permission in roles[one][0] for one in reached):
            continue
        width = WIDTH.get(NARROWEST[Permission(permission)], -1)
        if width < ["tenant", "place", "department"].index(kind):
            continue
        if kind == "tenant":
            return True
        if kind == "place" and target == (kind, name):
            return True
        if kind == "department" and target[0] == kind:
            above: str | None = target[1]
            for _ in range(len(parents) + 1):
                if above == name:
                    return True
                above = parents.get(above) if above is not None else None
    return False


def drawn(dice: random.Random) -> tuple[Any, ...]:
    names = [f"d{number}" for number in range(8)]
    parents = {name: dice.choice([None, *names[:number]]) for number, name in enumerate(names)}
    # A conflict set makes a role impossible, so roles of a tenant's own are drawn from permissions without one.
    free = [one for one in Permission if one.value.split(":")[0] in ("place", "terminal", "person", "workday", "plan")]
    own = [
        Role(
            f"own{number}",
            frozenset(dice.sample(free, dice.randint(0, 3))),
            tuple(dice.sample(["employee", "observer", *(["own0"] if number else [])], dice.randint(0, 2))),
        )
        for number in range(4)
    ]
    pool = [*BUILT_IN, *(role.name for role in own), "gone"]
    held = []
    for _ in range(dice.randint(0, 4)):
        kind = dice.choice(["tenant", "place", "place", "department", "department"])
        name = {"tenant": "", "place": dice.choice("pqr"), "department": dice.choice(names)}[kind]
        held.append((dice.choice(pool), kind, name, dice.randint(-3, 1), dice.randint(0, 4)))
    kind = dice.choice(["tenant", "place", "department"])
    target = kind, {"tenant": "", "place": dice.choice("pqrs"), "department": dice.choice([*names, "x"])}[kind]
    return parents, own, held, dice.choice(list(Permission)).value, target


def test_ten_thousand_random_decisions_equal_those_of_an_independent_evaluator() -> None:
    dice = random.Random(20261123)
    allowed = 0
    for number in range(10_000):
        parents, own, held, permission, target = drawn(dice)
        roles = Roles(own)
        grants = [grant(role, Scope(ScopeKind(kind), name), first, last) for role, kind, name, first, last in held]
        written = {name: ({*one.permissions}, list(one.inherits)) for name, one in (BUILT_IN | roles.own).items()}
        expected = evaluate(written, held, permission, target, parents)
        said, reasons = why(roles, grants, Permission(permission), Scope(ScopeKind(target[0]), target[1]), parents, NOW)
        assert said is expected, (number, held, permission, target)
        assert any(one.counts for one in reasons) is expected, number
        allowed += expected
    assert 500 < allowed < 9_500


def test_a_department_stands_for_all_below_it() -> None:
    found = reach(Roles(), [grant("department_head", WORKS)], Permission.PERSON_READ, PARENTS, NOW)
    assert found is not None
    assert found.departments == {"works", "welding", "paint", "spray"}
    assert not found.is_everywhere


def test_a_circle_of_departments_ends() -> None:
    circle = {"works": "paint", "paint": "works"}
    found = reach(Roles(), [grant("department_head", WORKS)], Permission.PERSON_READ, circle, NOW)
    assert found is not None
    assert found.departments == {"works", "paint"}


def test_a_permission_that_cannot_be_narrowed_is_not_held_in_a_place() -> None:
    assert reach(Roles(), [grant("auditor", CAIRO)], Permission.AUDIT_READ, {}, NOW) is None
    assert reach(Roles(), [grant("auditor", CAIRO)], Permission.PUNCH_READ, {}, NOW) is not None


def test_grants_begin_and_end_to_the_moment() -> None:
    starts, ends = grant("auditor", first=0), grant("auditor", first=-2, last=0)
    assert reach(Roles(), [starts], Permission.PUNCH_READ, {}, NOW) is not None
    assert reach(Roles(), [starts], Permission.PUNCH_READ, {}, NOW - timedelta(microseconds=1)) is None
    assert reach(Roles(), [ends], Permission.PUNCH_READ, {}, NOW) is None
    assert reach(Roles(), [ends], Permission.PUNCH_READ, {}, NOW - timedelta(microseconds=1)) is not None


ADMIN = [grant("tenant_admin")]


def test_nobody_grants_what_they_do_not_hold() -> None:
    check_grant(Roles(), ADMIN, [], grant("auditor"), PARENTS, NOW)
    officer = [grant("security_officer")]
    check_grant(Roles(), officer, [], grant("security_officer"), PARENTS, NOW)
    for own, new in (
        (officer, grant("hr_manager")),
        (officer, grant("department_head", WORKS)),
        ([grant("place_manager", CAIRO)], grant("place_manager", LEEDS)),
        ([grant("place_manager", CAIRO)], grant("place_manager")),
        ([grant("tenant_admin", last=0)], grant("auditor")),
        ([], grant("payroll")),
    ):
        with pytest.raises(GrantRefused, match="do not hold"):
            check_grant(Roles(), own, [], new, PARENTS, NOW)


def test_a_conflict_set_is_not_gathered_from_several_grants() -> None:
    for role, held in (
        ("payroll", grant("hr_manager")),
        ("hr_manager", grant("payroll")),
        ("payroll", grant("security_officer")),
        ("department_head", grant("security_officer")),
        ("payroll", grant("hr_manager", first=5)),
    ):
        with pytest.raises(GrantRefused, match=" and "):
            check_grant(Roles(), ADMIN, [held], grant(role), PARENTS, NOW)
    check_grant(Roles(), ADMIN, [grant("hr_manager", last=0)], grant("payroll"), PARENTS, NOW)
    check_grant(Roles(), ADMIN, [grant("tenant_admin")], grant("payroll"), PARENTS, NOW)


def test_a_grant_names_a_role_and_ends_after_it_begins() -> None:
    with pytest.raises(GrantRefused, match="exists"):
        check_grant(Roles(), ADMIN, [], grant("root"), PARENTS, NOW)
    with pytest.raises(GrantRefused, match="valid_to"):
        check_grant(Roles(), ADMIN, [], grant("auditor", first=2, last=1), PARENTS, NOW)


def test_nobody_defines_a_role_with_what_they_do_not_hold() -> None:
    roles = Roles([Role("reader", frozenset({Permission.PUNCH_READ}))])
    check_role(roles, [grant("auditor")], "reader", NOW)
    with pytest.raises(GrantRefused, match="punch:read"):
        check_role(roles, [grant("security_officer")], "reader", NOW)
    with pytest.raises(GrantRefused, match="punch:read"):
        check_role(roles, [grant("place_manager", CAIRO)], "reader", NOW)


def test_why_names_the_role_that_gives_it_and_what_is_missing() -> None:
    held = [grant("place_manager", CAIRO), grant("payroll", last=0)]
    allowed, [manages, _pays] = why(Roles(), held, Permission.TERMINAL_READ, CAIRO, {}, NOW)
    assert allowed
    assert manages.text == "place_manager -> device_technician gives terminal:read in place cairo"
    allowed, [manages, pays] = why(Roles(), held, Permission.PERIOD_READ, WHOLE, {}, NOW)
    assert not allowed
    assert manages.text == "place_manager does not give period:read"
    assert pays.text.startswith("it ended at 2026-11-23T08:00")
    _, [manages, _pays] = why(Roles(), held, Permission.PUNCH_READ, LEEDS, {}, NOW)
    assert manages.text == "it is for place cairo, not for place leeds"
