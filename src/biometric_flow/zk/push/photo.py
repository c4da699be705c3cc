"""ATTPHOTO: the picture taken with a punch, a text head and a binary body with a NUL between (zk-push-protocol 5.4)."""

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import Final

from biometric_flow.zk.errors import ProtocolViolation
from biometric_flow.zk.push.text import BODY_MAX, Fields, decode_text, whole_number

_NAME: Final = re.compile(r"([0-9]{14})(?:-([A-Za-z0-9_]{1,24}))?\.jpe?g", re.IGNORECASE)
HEAD_MAX: Final = 1024
"""Bytes of text before the picture at most."""


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
    if not nul or len(head) > HEAD_MAX:
        raise ProtocolViolation("expected a head of text, a NUL and a picture, got no NUL in the first 1,024 bytes")
    lines = (line.strip().partition("=") for line in decode_text(head).splitlines())
    told = {name.strip().upper(): value.strip() for name, sign, value in lines if sign}
    match = _NAME.fullmatch(told.get("PIN", ""))
    if match is None:
        raise ProtocolViolation(f"expected PIN=<time>-<PIN>.jpg, got {told.get('PIN', '')[:60]!r}")
    size = whole_number(told.get("SIZE", ""), "a size", BODY_MAX, len(content))
    content = _plain(content, size)
    return AttendancePhoto(match[1], match[2] or "", told.get("SN", "")[:32], told.get("CMD", "")[:20], content)


def photo_of(fields: Fields) -> AttendancePhoto:
    """A row of the attphoto table of Security PUSH, its picture in base64. Raises ProtocolViolation."""
    match = _NAME.fullmatch(fields.first("pin", "filename"))
    if match is None:
        raise ProtocolViolation("expected pin=<time>-<PIN>.jpg in a row of attphoto, got another name")
    text = fields.first("photo", "content").encode()
    size = whole_number(fields.first("size"), "a size", BODY_MAX, len(text))
    content = _plain(text, size if size != len(text) else len(text) * 3 // 4 - text[-2:].count(b"="))
    return AttendancePhoto(match[1], match[2] or "", fields.first("sn")[:32], fields.first("cmd")[:20], content)


def _plain(content: bytes, size: int) -> bytes:
    """The picture of `size` bytes in what came, which is base64 where the terminal was told so (ATTPHOTOBase64)."""
    if size < len(content):
        try:
            decoded = base64.b64decode(content, validate=True)
        except binascii.Error:
            decoded = b""
        return decoded if len(decoded) == size else content[:size]
    if size > len(content):
        raise ProtocolViolation(f"expected a picture of {size} bytes, got {len(content)}")
    return content


def encode_photo(photo: AttendancePhoto, *, as_base64: bool = False) -> bytes:
    """The body that a terminal of Attendance PUSH sends."""
    head = f"PIN={_name(photo)}\nSN={photo.serial}\nsize={len(photo.content)}\nCMD={photo.command}"
    return head.encode() + b"\0" + (base64.b64encode(photo.content) if as_base64 else photo.content)


def photo_row(photo: AttendancePhoto) -> str:
    """The row of the attphoto table that a terminal of Security PUSH sends."""
    content = base64.b64encode(photo.content).decode()
    return f"attphoto pin={_name(photo)}\tsn={photo.serial}\tsize={len(photo.content)}\tphoto={content}"


def _name(photo: AttendancePhoto) -> str:
    return f"{photo.taken}-{photo.pin}.jpg" if photo.pin else f"{photo.taken}.jpg"
