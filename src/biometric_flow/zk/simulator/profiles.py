"""Models that a simulated terminal can be: what it says, and which of its family's layouts it has (zk-protocol 10)."""

from dataclasses import dataclass
from typing import Final

from biometric_flow.zk.families import FAMILIES, Family
from biometric_flow.zk.wire.records import ATTLOG_LAYOUTS, AttlogLayout
from biometric_flow.zk.wire.users import USER_LAYOUTS, UserLayout


@dataclass(frozen=True, slots=True)
class Profile:
    """One model of a family."""

    name: str
    family: Family
    model: str
    platform: str
    firmware: str
    attlog: AttlogLayout
    """One of its family's."""
    event_size: int
    """One of its family's: bytes of a realtime attendance event."""
    users_capacity: int
    attlog_capacity: int
    fingers_capacity: int = 3_000
    faces_capacity: int = 0
    pin_width: int = 9
    fingerprint_version: str = "10"
    face_version: str = ""

    @property
    def users(self) -> UserLayout:
        """How it stores people."""
        return USER_LAYOUTS[self.family.user_layout]

    @property
    def has_numeric_pins(self) -> bool:
        """Whether people are numbers here; text does not fit the records."""
        return self.family.has_numeric_pins


PROFILES: Final = {
    profile.name: profile
    for profile in (
        Profile(
            "tft", FAMILIES["tft"], "F18", "ZMM210_TFT", "Ver 6.60 Apr 26 2016", ATTLOG_LAYOUTS["40"], 32,
            users_capacity=5_000, attlog_capacity=100_000,
        ),
        Profile(
            "iface", FAMILIES["iface"], "iFace702", "ZMM220_TFT", "Ver 8.0.4.1-20180131", ATTLOG_LAYOUTS["40"], 36,
            users_capacity=10_000, attlog_capacity=200_000, faces_capacity=3_000, face_version="7",
        ),
        Profile(
            "vl49", FAMILIES["visible-light"], "SpeedFace-V5L", "ZAM180_TFT", "ZAM180-NF-Ver1.1.17",
            ATTLOG_LAYOUTS["49"], 52,
            users_capacity=10_000, attlog_capacity=500_000, faces_capacity=6_000, face_version="58", pin_width=14,
        ),
        Profile(
            "zk6", FAMILIES["zk6"], "U160", "ZEM510_TFT", "Ver 6.60 Aug 17 2015", ATTLOG_LAYOUTS["16"], 12,
            users_capacity=3_000, attlog_capacity=100_000,
        ),
        Profile(
            "zk6-8", FAMILIES["zk6"], "K14", "ZEM500", "Ver 6.20 Jan 12 2012", ATTLOG_LAYOUTS["8"], 10,
            users_capacity=3_000, attlog_capacity=100_000, fingerprint_version="9", pin_width=5,
        ),
        Profile(
            "ma300", FAMILIES["ma300"], "MA300", "ZEM560", "Ver 6.50 May 7 2013", ATTLOG_LAYOUTS["8-ma300"], 14,
            users_capacity=10_000, attlog_capacity=100_000, fingers_capacity=1_500, pin_width=9,
        ),
    )
}  # fmt: skip
"""By name, as `biometric-flow simulate --profile` takes it."""
