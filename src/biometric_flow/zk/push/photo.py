"""ATTPHOTO: the picture taken with a punch, a text head and a binary body with a NUL between (zk-push-protocol 5.4)."""

import re
from dataclasses import dataclass, field
from typing import Final

from biometric_flow.zk.errors import ProtocolViolation
from biometric_flow.zk.push.text import BODY_MAX, decode_text, whole_number

_NAME: Final = re.compile(r"([0-9]{14})(?:-([0-9]{1,24}))?\.jpe?g", re.IGNORECASE)
_HEAD_MAX: Final = 1024


@dataclass(frozen=True, slots=True)
class AttendancePhoto:
    """One picture. Its bytes never show in a text."""

    taken: str
    """YYYYMMDDhhmmss by the terminal's clock."""
    pin: str
    """Empty for a failed verification."""
    serial: str
    command: str
    content: bytes = field(repr=False)


def read_photo(body: bytes) -> AttendancePhoto:
    """The one picture of an ATTPHOTO upload. Raises ProtocolViolation."""
    if len(body) > BODY_MAX:
        raise ProtocolViolation(f"expected at most {BODY_MAX} bytes, got {len(body)}")
    head, nul, content = body.partition(b"\0")
    if not nul or len(head) > _HEAD_MAX:
        raise ProtocolViolation("expected a head of text, a NUL and a picture, got no NUL in the first 1,024 bytes")
    lines = (line.strip().partition("=") for line in decode_text(head).splitlines())
    told = {name.strip().upper(): value.strip() for name, sign, value in lines if sign}
    match = _NAME.fullmatch(told.get("PIN", ""))
    if match is None:
        raise ProtocolViolation(f"expected PIN=<time>-<PIN>.jpg, got {told.get('PIN', '')[:60]!r}")
    size = whole_number(told.get("SIZE", ""), "a size", BODY_MAX, len(content))
    if size > len(content):
        raise ProtocolViolation(f"expected a picture of {size} bytes, got {len(content)}")
    return AttendancePhoto(match[1], match[2] or "", told.get("SN", "")[:32], told.get("CMD", "")[:20], content[:size])


def encode_photo(photo: AttendancePhoto) -> bytes:
    """The body that a terminal sends."""
    name = f"{photo.taken}-{photo.pin}.jpg" if photo.pin else f"{photo.taken}.jpg"
    head = f"PIN={name}\nSN={photo.serial}\nsize={len(photo.content)}\nCMD={photo.command}"
    return head.encode() + b"\0" + photo.content
