"""Roles: what they give, what they inherit, and which cannot be."""

import pytest

from biometric_flow.identity.errors import RoleInvalid
from biometric_flow.identity.rbac import NARROWEST, Narrowest, Permission
from biometric_flow.identity.roles import BUILT_IN, DEPTH_MAX, Role, Roles

ABOUT_PEOPLE = {Permission.PERSON_READ, Permission.PUNCH_READ, Permission.OVERVIEW_READ, Permission.WORKDAY_READ}
READS = {one for one in Permission if one.value.endswith(":read")}


def role(name: str, *permissions: Permission, inherits: tuple[str, ...] = ()) -> Role:
    return Role(name, frozenset(permissions), inherits)


def test_the_roles_of_the_design_are_there() -> None:
    named = "platform_operator tenant_admin security_officer auditor hr_manager payroll place_manager department_head"
    assert {*named.split(), "employee", "device_technician", "integration"} <= set(BUILT_IN)


def test_an_unknown_role_gives_nothing() -> None:
    assert Roles().permissions("root") == frozenset()


def test_no_role_gives_what_only_a_places_own_credential_may() -> None:
    for name in BUILT_IN:
        assert not [one for one in Roles().permissions(name) if NARROWEST[one] is Narrowest.OWN_PLACE]


@pytest.mark.parametrize("name", ["device_technician", "platform_operator", "security_officer"])
def test_who_keeps_things_running_sees_nothing_of_people(name: str) -> None:
    assert not Roles().permissions(name) & ABOUT_PEOPLE


def test_an_auditor_reads_and_changes_nothing() -> None:
    assert Roles().permissions("auditor") <= READS


def test_an_administrator_holds_what_every_other_role_holds() -> None:
    everything = frozenset().union(*(Roles().permissions(name) for name in BUILT_IN))
    assert Roles().permissions("tenant_admin") == everything


def test_a_permission_is_traced_to_the_role_that_gives_it() -> None:
    roles = Roles([role("night", inherits=("place_manager",))])
    assert roles.line("night", Permission.PLACE_READ) == ("night", "place_manager", "device_technician")
    assert roles.line("night", Permission.PERIOD_CLOSE) == ()


def test_roles_in_a_circle_are_refused() -> None:
    with pytest.raises(RoleInvalid, match="circle"):
        Roles([role("one", inherits=("two",)), role("two", inherits=("one",))])
    with pytest.raises(RoleInvalid, match="circle"):
        Roles([role("one", inherits=("one",))])


def test_a_line_of_inheritance_ends_at_its_limit() -> None:
    line = [role(f"r{number}", inherits=(f"r{number + 1}",)) for number in range(DEPTH_MAX - 1)]
    last = role(f"r{DEPTH_MAX - 1}", Permission.PLACE_READ)
    assert Roles([*line, last]).permissions("r0") == {Permission.PLACE_READ}
    with pytest.raises(RoleInvalid, match="at most"):
        Roles([role("above", inherits=("r0",)), *line, last])


def test_roles_that_cannot_be_are_refused() -> None:
    for made in (
        role("auditor"),
        role("ghost", inherits=("nobody",)),
        role("place", Permission.LEDGER_WRITE),
        role("both", Permission.PERSON_WRITE, Permission.PERIOD_APPROVE),
        role("heir", Permission.PERSON_WRITE, inherits=("payroll",)),
    ):
        with pytest.raises(RoleInvalid):
            Roles([made])
