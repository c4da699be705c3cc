"""Roles and what they may do."""

import typing

import pytest

from biometric_flow.api.gateway import Role
from biometric_flow.identity.rbac import NARROWEST, ROLES, Permission, allows, pages


def test_every_role_of_the_api_has_its_permissions_written_down() -> None:
    assert set(ROLES) == set(typing.get_args(Role))


def test_an_unknown_role_may_do_nothing() -> None:
    assert not any(allows("root", permission) for permission in Permission if permission is not Permission.PUBLIC)
    assert pages("root") == []


@pytest.mark.parametrize("role", ROLES)
def test_no_account_writes_ledgers(role: str) -> None:
    assert not allows(role, Permission.LEDGER_WRITE)


def test_a_technician_sees_terminals_and_no_person() -> None:
    assert allows("device_technician", Permission.TERMINAL_READ)
    for personal in (Permission.PERSON_READ, Permission.PUNCH_READ, Permission.OVERVIEW_READ):
        assert not allows("device_technician", personal)
    assert pages("device_technician") == ["devices"]


def test_an_administrator_opens_every_page() -> None:
    assert pages("tenant_admin") == ["overview", "live", "devices", "exceptions", "people"]


def test_every_permission_says_how_far_it_can_be_narrowed() -> None:
    assert set(NARROWEST) == set(Permission)
