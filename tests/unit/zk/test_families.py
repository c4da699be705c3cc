"""Which family a terminal belongs to: by what it says, and never silently."""

import pytest

from biometric_flow.zk.families import FAMILIES, TIERS, Credential, Tier, describe
from biometric_flow.zk.simulator.profiles import PROFILES
from biometric_flow.zk.wire.capacity import Capacity
from biometric_flow.zk.wire.records import ATTLOG_LAYOUTS
from biometric_flow.zk.wire.users import USER_LAYOUTS

EMPTY = Capacity()


@pytest.mark.parametrize(
    ("model", "platform", "family"),
    [
        ("F18", "ZMM210_TFT", "tft"),
        ("K40", "ZEM760_TFT", "tft"),
        ("iClock880", "ZEM600_TFT", "tft"),
        ("iFace702", "ZMM220_TFT", "iface"),
        ("SpeedFace-V5L", "ZAM180_TFT", "visible-light"),
        ("MB560-VL", "ZAM170-NF", "visible-light"),
        ("", "ZAM70", "visible-light"),
        ("U160", "ZEM510", "zk6"),
        ("MA300", "ZEM560", "ma300"),
        ("Wonder 9", "QX77", None),
        ("", "", None),
    ],
)
def test_a_terminal_is_named_by_its_own_words(model: str, platform: str, family: str | None) -> None:
    told = describe(model, platform, "Ver 1", EMPTY, {})
    assert (told.family.name if told.family else None) == family
    assert bool(told.evidence) == (family is not None)


def test_an_unknown_terminal_is_described_and_not_guessed() -> None:
    told = describe("Wonder 9", "QX77", "Ver 1", Capacity(users_capacity=50, faces_capacity=9), {"IrisFunOn": "1"})
    assert told.family is None
    assert told.credentials == {Credential.FACE, Credential.IRIS}
    assert "unknown family" in told.text
    assert "Wonder 9" in told.text
    assert "50 users" in told.text


def test_what_a_terminal_reports_counts_more_than_what_its_family_can_have() -> None:
    told = describe("F18", "ZMM210_TFT", "", EMPTY, {"FingerFunOn": "1", "~RFCardOn": "0"})
    assert told.credentials == {Credential.FINGERPRINT}
    assert describe("F18", "ZMM210_TFT", "", EMPTY, {}).credentials == FAMILIES["tft"].credentials


def test_what_does_not_fit_together_is_a_doubt() -> None:
    assert "platform ZAM180" in describe("MA300", "ZAM180", "", EMPTY, {}).doubts[0]
    assert "iris" in describe("F18", "ZMM210_TFT", "", EMPTY, {"BiometricType": "0:1:0:0:1"}).doubts[0]
    assert "BiometricType" in describe("F18", "ZMM210_TFT", "", EMPTY, {"BiometricType": "many"}).doubts[0]


def test_a_colour_terminal_with_faces_is_an_iface() -> None:
    told = describe("X7", "ZMM220_TFT", "", Capacity(faces_capacity=400), {})
    assert told.family is FAMILIES["iface"]


def test_every_family_names_layouts_that_exist() -> None:
    for family in FAMILIES.values():
        assert family.user_layout in USER_LAYOUTS
        assert set(family.attlog_layouts) <= set(ATTLOG_LAYOUTS)


def test_every_tier_of_the_specification_has_a_family() -> None:
    assert all(TIERS[tier] for tier in Tier)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_a_simulated_terminal_is_of_the_family_that_it_stands_for(profile: object) -> None:
    told = describe(profile.model, profile.platform, profile.firmware, EMPTY, {})  # type: ignore[attr-defined]
    assert told.family is profile.family  # type: ignore[attr-defined]
