"""The vocabulary of access."""

from biometric_flow.identity.rbac import NARROWEST, Permission


def test_every_permission_says_how_far_it_can_be_narrowed() -> None:
    assert set(NARROWEST) == set(Permission)
