"""Families of terminals as data, and which one a terminal belongs to by its own words (zk-protocol 10)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from biometric_flow.zk.wire.capacity import Capacity


class Credential(StrEnum):
    """What a person can show."""

    FINGERPRINT = "fingerprint"
    FACE = "face"
    PALM = "palm"
    IRIS = "iris"
    CARD = "card"
    PASSWORD = "password"  # noqa: S105 - a word, not a secret


class Matching(StrEnum):
    """How a terminal compares."""

    ONE_TO_ONE = "1:1"
    """Against the person who was named by id or card."""
    ONE_TO_MANY = "1:N"
    """Against everybody."""


class Tier(StrEnum):
    """The specification's classes of models."""

    ENTRY = "entry"
    MID = "mid"
    ENTERPRISE = "enterprise"
    PREMIUM = "premium"


class Connection(StrEnum):
    """How a terminal can be reached."""

    TCP = "tcp"
    UDP = "udp"
    PUSH = "push"


@dataclass(frozen=True, slots=True)
class Family:
    """What holds for every terminal of a family. Layouts are named as in USER_LAYOUTS and ATTLOG_LAYOUTS."""

    name: str
    title: str
    tier: Tier
    user_layout: str
    attlog_layouts: tuple[str, ...]
    """The likeliest first."""
    event_sizes: tuple[int, ...]
    """Bytes of a realtime attendance event."""
    template_versions: tuple[int, ...]
    credentials: frozenset[Credential]
    """What the family can have; a single terminal may have less."""
    matching: frozenset[Matching]
    connections: frozenset[Connection]
    platforms: tuple[str, ...]
    """Beginnings of `~Platform`; `*` at the start: anywhere in it."""
    models: tuple[str, ...] = ()
    """Beginnings of `~DeviceName` that decide before the platform does; `*` as above."""
    notes: str = ""

    @property
    def has_numeric_pins(self) -> bool:
        """Whether people are numbers here; text does not fit the records."""
        return self.user_layout == "28"


_CARD_AND_PASSWORD: Final = frozenset((Credential.CARD, Credential.PASSWORD))
_FINGER: Final = _CARD_AND_PASSWORD | {Credential.FINGERPRINT}
_BOTH: Final = frozenset(Matching)
_OLD: Final = frozenset((Connection.TCP, Connection.UDP))
_NEW: Final = frozenset((Connection.TCP, Connection.PUSH))

FAMILIES: Final = {
    family.name: family
    for family in (
        Family(
            "ma300", "MA300 and relatives", Tier.ENTRY, "28", ("8-ma300", "8"), (14, 10), (10, 9), _FINGER, _BOTH, _OLD,
            (), ("MA300", "MA500"), "state and time change places in the log; no display",
        ),
        Family(
            "visible-light", "visible light", Tier.PREMIUM, "72", ("49", "40"), (52, 37, 36, 32), (10,),
            _FINGER | {Credential.FACE, Credential.PALM}, _BOTH, _NEW, ("ZAM",),
            ("SpeedFace", "SenseFace", "ProFace", "*-VL", "Mini TA"), "firmware of 2025 refuses pull (6001): use push",
        ),
        Family(
            "iface", "iFace: near-infrared face and finger", Tier.ENTERPRISE, "72", ("40",), (36, 37, 32), (10,),
            _FINGER | {Credential.FACE}, _BOTH, _NEW | {Connection.UDP}, (), ("iFace", "uFace"),
        ),
        Family(
            "zk6", "black and white (ZK6)", Tier.ENTRY, "28", ("16", "8"), (12, 10), (9, 10), _FINGER, _BOTH, _OLD,
            ("ZEM500", "ZEM510", "ZEM560"), (), "user ids are numbers of up to 9 digits",
        ),
        Family(
            "tft", "colour display (TFT, ZK8)", Tier.MID, "72", ("40",), (32, 36), (10, 9), _FINGER, _BOTH,
            _NEW | {Connection.UDP}, ("ZEM600", "ZEM760", "ZEM800", "ZMM", "JZ4725", "ZLM", "*_TFT"),
        ),
    )
}  # fmt: skip
"""By name, in the order in which they are tried."""

TIERS: Final = {tier: tuple(family.name for family in FAMILIES.values() if family.tier == tier) for tier in Tier}
"""Which families a tier of the specification stands for."""

OPTIONS: Final = (
    "FingerFunOn", "FaceFunOn", "~RFCardOn", "~IsOnlyRFMachine", "BiometricType", "PvFunOn", "IrisFunOn",
    "~ZKFPVersion", "ZKFaceVersion",
)  # fmt: skip
"""What to read from a terminal before it is described; absent ones say nothing."""

_BIOMETRIC_TYPES: Final = {
    1: Credential.FINGERPRINT,
    2: Credential.FACE,
    4: Credential.IRIS,
    6: Credential.PALM,
    8: Credential.PALM,
    9: Credential.FACE,
    10: Credential.PALM,
}
_SWITCHES: Final = {
    "FingerFunOn": Credential.FINGERPRINT,
    "FaceFunOn": Credential.FACE,
    "PvFunOn": Credential.PALM,
    "IrisFunOn": Credential.IRIS,
    "~RFCardOn": Credential.CARD,
}


@dataclass(frozen=True, slots=True)
class Description:
    """What a terminal is, by its own words."""

    family: Family | None
    """None: unknown; then `text` says all that is known, and layouts have to be found from the data or be named."""
    credentials: frozenset[Credential]
    """What it says it has; for a known family that says nothing, what the family can have."""
    evidence: tuple[str, ...]
    """What decided, such as `platform ZMM220_TFT`."""
    doubts: tuple[str, ...]
    """What does not fit together."""
    text: str
    """One line for people."""


def describe(model: str, platform: str, firmware: str, capacity: Capacity, options: Mapping[str, str]) -> Description:
    """The family of a terminal and what it can do, or a description of one that we do not know.

    `options` holds what was read of OPTIONS. Takes any texts; nothing is assumed that the terminal does not say.
    """
    by_model = next((family for family in FAMILIES.values() if _fits(model, family.models)), None)
    by_platform = next((family for family in FAMILIES.values() if _fits(platform, family.platforms)), None)
    reported, doubts = _reported(capacity, options)
    family = by_model or by_platform
    if family and family.name == "tft" and Credential.FACE in reported:
        family = FAMILIES["iface"]
    evidence = []
    if family:
        evidence.append(f"model {model}" if by_model else f"platform {platform}")
    if by_model and by_platform and by_model.user_layout != by_platform.user_layout:
        doubts.append(f"model {model} is {by_model.title}, platform {platform} is {by_platform.title}")
    if family:
        doubts.extend(f"reports {credential}, which the family has not" for credential in reported - family.credentials)
    credentials = frozenset(reported) or (family.credentials if family else frozenset())
    shown = ", ".join(sorted(credentials)) or "no credentials told"
    title = family.title if family else "unknown family"
    text = (
        f"{title}: model {model or 'not told'}, platform {platform or 'not told'}, firmware {firmware or 'not told'}, "
        f"{shown}, room for {capacity.users_capacity} users and {capacity.attlog_capacity} punches"
    )
    return Description(family, credentials, tuple(evidence), tuple(doubts), text)


def _fits(text: str, patterns: Iterable[str]) -> bool:
    lowered = text.strip().lower()
    return any(
        pattern[1:].lower() in lowered if pattern.startswith("*") else lowered.startswith(pattern.lower())
        for pattern in patterns
    )


def _reported(capacity: Capacity, options: Mapping[str, str]) -> tuple[set[Credential], list[str]]:
    """Credentials that the terminal names or counts, and what it says that cannot be understood."""
    found: set[Credential] = {_SWITCHES[name] for name in _SWITCHES if options.get(name, "").strip() == "1"}
    doubts = []
    if capacity.fingers_capacity or capacity.fingers:
        found.add(Credential.FINGERPRINT)
    if capacity.faces_capacity or capacity.faces:
        found.add(Credential.FACE)
    if capacity.passwords:
        found.add(Credential.PASSWORD)
    bits = options.get("BiometricType", "").replace(":", "").strip()
    if bits and not bits.strip("01"):
        found |= {what for place, what in _BIOMETRIC_TYPES.items() if bits[place : place + 1] == "1"}
    elif bits:
        doubts.append(f"BiometricType is {bits[:40]!r}, which is no list of ones and zeros")
    return found, doubts
