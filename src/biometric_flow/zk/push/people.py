"""People as terminals upload them: USER lines, user tables, and the templates and pictures beside them."""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from biometric_flow.zk.errors import ProtocolViolation
from biometric_flow.zk.push.text import Fields, pin_text, value_text, whole_number
from biometric_flow.zk.wire.users import UserRecord

CARD_MAX: Final = 2**63 - 1
_ZONES: Final = re.compile(r"[0-9A-Fa-f]{16}")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/=]*")
_CARD_BYTES: Final = re.compile(r"\[([0-9A-Fa-f]{2,16})\]")

TEMPLATE_TAGS: Final = ("FP", "FACE", "FVEIN", "USERPIC", "BIOPHOTO", "BIODATA")


@dataclass(frozen=True, slots=True)
class PushedUser:
    """One person as a terminal knows them. The password never shows in a text."""

    pin: str
    name: str = ""
    privilege: int = 0
    """0 user, 2 enroller, 6 manager, 10 custom, 14 super administrator: the numbers of the pull protocol."""
    password: str | None = field(default="", repr=False)
    """None: not told, and as a command: left as it is."""
    card: int = 0
    group: int = 0
    timezones: str = ""
    """16 hexadecimal digits in groups of 4 as they came, empty for the group's own."""
    verify: int = 0

    @classmethod
    def of(cls, fields: Fields) -> "PushedUser":
        """From the fields of a USER line or a user table of either protocol. Raises ProtocolViolation."""
        return cls(
            pin=pin_text(fields.first("pin")),
            name=fields.first("name")[:72],
            privilege=whole_number(fields.first("pri", "privilege"), "a privilege", 255, 0),
            password=fields.first("passwd", "password")
            if {"passwd", "password"} & set(map(str.lower, fields))
            else None,
            card=read_card(fields.first("card", "cardno")),
            group=whole_number(fields.first("grp", "group"), "a group", 65_535, 0),
            timezones=fields.first("tz")[:32],
            verify=_verify(fields.first("verify")),
        )

    @classmethod
    def of_record(cls, record: UserRecord) -> "PushedUser":
        """The same person as the pull protocol's record says it."""
        return cls(
            record.user_id,
            record.name,
            record.privilege,
            record.password,
            record.card,
            record.group,
            zones_text(record.own_timezones, record.timezones),
        )

    def record(self, uid: int = 0) -> UserRecord:
        """As the pull protocol's record says it. Raises ProtocolViolation for time zones that are none."""
        own, zones = read_zones(self.timezones)
        password = self.password or ""
        return UserRecord(uid, self.pin, self.name, self.privilege, password, self.card, self.group, own, zones)

    def fields(self) -> list[str]:
        """`key=value` texts as a USER line carries them. Raises ValueError for a value that cannot stand there."""
        card = str(self.card) if self.card else ""
        values = {
            "PIN": self.pin, "Name": self.name, "Pri": self.privilege, "Passwd": self.password, "Card": card,
            "Grp": self.group, "TZ": self.timezones, "Verify": self.verify,
        }  # fmt: skip
        return [f"{key}={value_text(value, key)}" for key, value in values.items() if value is not None]

    def table_fields(self) -> list[str]:
        """The same as the user table of the Security protocol carries them. Raises ValueError."""
        card = str(self.card) if self.card else ""
        values = {
            "CardNo": card, "Pin": self.pin, "Password": self.password, "Group": self.group,
            "Name": self.name, "Privilege": self.privilege,
        }  # fmt: skip
        return [f"{key}={value_text(value, key)}" for key, value in values.items() if value is not None]


@dataclass(frozen=True, slots=True)
class TemplateLine:
    """A template or picture of one person. Its content never shows in a text (security-design E5)."""

    tag: str
    pin: str
    number: int = 0
    """Finger, eye or hand."""
    index: int = 0
    type: int = 0
    """What it is of, as BIODATA numbers it: 1 finger, 2 and 9 face, 4 iris, 6, 8 and 10 palm, 7 finger vein."""
    version: str = ""
    is_valid: bool = True
    is_duress: bool = False
    size: int = 0
    content: str = field(default="", repr=False)
    """Base64, as it came."""
    format: int = 0
    """0 for the vendor's own."""
    file_name: str = ""
    """What the terminal calls a picture; it names no file of ours."""

    @property
    def data(self) -> bytes:
        """The template or picture itself. Raises ProtocolViolation for base64 that cannot be decoded."""
        try:
            return base64.b64decode(self.content, validate=True)
        except binascii.Error:
            raise ProtocolViolation(f"expected {self.tag} content in base64, got other characters") from None

    @classmethod
    def of(cls, tag: str, fields: Fields) -> "TemplateLine":
        """From the fields of an FP, FACE, FVEIN, USERPIC, BIOPHOTO or BIODATA line. Raises ProtocolViolation."""
        content = fields.first("tmp", "template", "content")
        size = whole_number(fields.first("size"), "a size", 1_048_576, len(content))
        if size != len(content):
            raise ProtocolViolation(f"expected {size} characters of {tag} content, got {len(content)}")
        if not _BASE64.fullmatch(content):
            raise ProtocolViolation(f"expected {tag} content in base64, got other characters")
        valid = whole_number(fields.first("valid"), "a validity", 255, 1)
        major, minor = fields.first("majorver"), fields.first("minorver")
        return cls(
            tag=tag,
            pin=pin_text(fields.first("pin")),
            number=whole_number(fields.first("fid", "fingerid", "no"), "a number", 255, 0),
            index=whole_number(fields.first("index"), "an index", 255, 0),
            type=whole_number(fields.first("type"), "a type", 255, _TYPES.get(tag, 0)),
            version=f"{major}.{minor or 0}"[:16] if major else "",
            is_valid=valid != 0,
            is_duress=valid == 3 or fields.first("duress") == "1",
            size=size,
            content=content,
            format=whole_number(fields.first("format"), "a format", 255, 0),
            file_name=fields.first("filename")[:64],
        )

    def line(self) -> str:
        """The line a terminal of Attendance PUSH sends. Raises ValueError for values that cannot stand there."""
        valid = 3 if self.is_duress else int(self.is_valid)
        match self.tag:
            case "BIODATA":
                values: dict[str, object] = self._biodata()
            case "USERPIC":
                values = {"PIN": self.pin, "FileName": self.file_name, "Size": self.size, "Content": self.content}
            case "BIOPHOTO":
                values = {
                    "PIN": self.pin, "FileName": self.file_name, "Type": self.type, "No": self.number,
                    "Index": self.index, "Size": self.size, "Content": self.content,
                }  # fmt: skip
            case "FVEIN":
                values = {
                    "Pin": self.pin, "FID": self.number, "Index": self.index, "Valid": valid, "Size": self.size,
                    "Tmp": self.content,
                }  # fmt: skip
            case _:
                values = {
                    "PIN": self.pin, "FID": self.number, "Size": self.size, "Valid": valid, "TMP": self.content,
                }  # fmt: skip
        return f"{self.tag} " + "\t".join(self._texts(values))

    def row(self) -> str:
        """The row of Security PUSH; what has no table of its own goes as biodata. Raises ValueError."""
        values: dict[str, object]
        match self.tag:
            case "FP":
                name, values = "templatev10", {
                    "size": self.size, "uid": 0, "pin": self.pin, "fingerid": self.number,
                    "valid": 3 if self.is_duress else int(self.is_valid), "template": self.content,
                }  # fmt: skip
            case "USERPIC" | "BIOPHOTO":
                name, values = self.tag.lower(), {
                    "pin": self.pin, "filename": self.file_name, "type": self.type, "size": self.size,
                    "content": self.content,
                }  # fmt: skip
            case _:
                name, values = "biodata", {key.lower(): value for key, value in self._biodata().items()}
        return f"{name} " + "\t".join(self._texts(values))

    def _biodata(self) -> dict[str, object]:
        major, _, minor = self.version.partition(".")
        return {
            "Pin": self.pin, "No": self.number, "Index": self.index, "Valid": int(self.is_valid),
            "Duress": int(self.is_duress), "Type": self.type, "MajorVer": major, "MinorVer": minor,
            "Format": self.format, "Tmp": self.content,
        }  # fmt: skip

    def _texts(self, values: Mapping[str, object]) -> list[str]:
        if not _BASE64.fullmatch(self.content):
            raise ValueError("expected content in base64, got other characters")
        # A template is longer than any text that people type, and its alphabet holds nothing that ends a line.
        return [f"{key}={value if value is self.content else value_text(value, key)}" for key, value in values.items()]


_TYPES: Final = {"FP": 1, "FACE": 2, "FVEIN": 7, "BIOPHOTO": 9}


def zones_text(own: bool, zones: Sequence[int]) -> str:
    """`TZ`: whether the person has times of their own, then three time zones, four hexadecimal digits each."""
    three = (*zones, 0, 0, 0)[:3]
    return f"{int(own):04X}" + "".join(f"{zone & 0xFFFF:04X}" for zone in three) if own or any(three) else ""


def read_zones(text: str) -> tuple[bool, tuple[int, int, int]]:
    """What `TZ` says; empty stands for the group's times. Raises ProtocolViolation."""
    if not text:
        return False, (0, 0, 0)
    if not _ZONES.fullmatch(text):
        raise ProtocolViolation(f"expected TZ as 16 hexadecimal digits, got {text[:40]!r}")
    own, first, second, third = (int(text[at : at + 4], 16) for at in (0, 4, 8, 12))
    return own != 0, (first, second, third)


def read_card(text: str) -> int:
    """A card number, 0 for none: decimal, or its bytes in hexadecimal in brackets, lowest first.

    Raises ProtocolViolation.
    """
    match = _CARD_BYTES.fullmatch(text)
    if match and len(match[1]) % 2 == 0:
        return int.from_bytes(bytes.fromhex(match[1]), "little")
    return whole_number(text, "a card number", CARD_MAX, 0)


def _verify(text: str) -> int:
    # -1 stands for the group's own mode.
    return 0 if text == "-1" else whole_number(text, "a verify mode", 65_535, 0)
