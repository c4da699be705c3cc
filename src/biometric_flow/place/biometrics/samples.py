"""A template or picture of a person, whatever channel it came by, and how long it may stay. Pure."""

import base64
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import cbor2

from biometric_flow.model.ids import Pin, canonical_pin
from biometric_flow.zk.push.people import TemplateLine
from biometric_flow.zk.push.photo import AttendancePhoto
from biometric_flow.zk.wire.templates import Template

DATA_MAX: Final = 900 * 1024
"""Bytes of a template or picture at most; terminals take no more in one command (zk-push-protocol 7)."""

LONGEST: Final = timedelta(days=3 * 365)
"""A release lasts no longer from its signature on, so that nothing outlives the last interaction by more (E4)."""

PHOTO: Final = "ATTPHOTO"


class Dropped(StrEnum):
    """Why a template or picture was not kept."""

    SWITCHED_OFF = "switched_off"
    """The place keeps none (security-design E5)."""
    NO_RELEASE = "no_release"
    """The person has given no written release, or it has ended (E4)."""
    UNREADABLE = "unreadable"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True)
class Sample:
    """One template or picture. Its bytes never show in a text."""

    pin: Pin
    tag: str
    """FP, FACE, FVEIN, BIODATA, USERPIC, BIOPHOTO or ATTPHOTO, as terminals that push name it."""
    type: int
    """What it is of, as BIODATA numbers it: 1 finger, 2 and 9 face, 4 iris, 6, 8 and 10 palm, 7 finger vein."""
    number: int
    """Finger, eye or hand."""
    index: int
    version: str
    """Of the algorithm, such as 9 or 10 for fingers and 58.12 for a face; templates of two versions do not convert."""
    name: str = ""
    """The time of a picture taken with a punch."""
    is_valid: bool = True
    is_duress: bool = False
    format: int = 0
    data: bytes = field(default=b"", repr=False)

    @property
    def slot(self) -> str:
        """What a newer one of the same person replaces."""
        return f"{self.tag}/{self.type}/{self.number}/{self.index}/{self.name}"

    def encode(self) -> bytes:
        """Everything but the PIN, to be sealed (security-design E6: template and identity apart)."""
        return cbor2.dumps(
            [self.tag, self.type, self.number, self.index, self.version, self.name, self.is_valid, self.is_duress,
             self.format, self.data], canonical=True,
        )  # fmt: skip

    @classmethod
    def decode(cls, pin: Pin, content: bytes) -> "Sample":
        """What `encode` wrote."""
        told: list[Any] = cbor2.loads(content)
        return cls(pin, *told)

    def template(self, uid: int) -> Template:
        """A finger as the pull protocol writes it. Raises ValueError for anything else."""
        if self.tag != "FP":
            raise ValueError(f"expected a fingerprint, which is all that this channel can carry, got {self.tag}")
        return Template(uid, self.number, self.data, 3 if self.is_duress else int(self.is_valid))


def sample_of(record: TemplateLine | AttendancePhoto) -> Sample:
    """What a terminal pushed. Raises ProtocolViolation for base64 that is none, ValueError for a PIN that is none."""
    if isinstance(record, AttendancePhoto):
        return Sample(canonical_pin(record.pin), PHOTO, 0, 0, 0, "", record.taken, data=record.content)
    data = record.data
    version = str(Template(0, 0, data).version) if record.tag == "FP" and data else record.version
    return Sample(
        canonical_pin(record.pin), record.tag, record.type, record.number, record.index, version, "", record.is_valid,
        record.is_duress, record.format, data,
    )  # fmt: skip


def line_of(sample: Sample) -> TemplateLine:
    """The same as terminals that push write it. Raises ValueError for a picture that was taken with a punch."""
    if sample.tag == PHOTO:
        raise ValueError("expected a template, got a picture that was taken with a punch")
    content = base64.b64encode(sample.data).decode()
    version = sample.version if sample.tag == "BIODATA" else ""
    return TemplateLine(
        sample.tag, sample.pin, sample.number, sample.index, sample.type, version, sample.is_valid, sample.is_duress,
        len(content), content, sample.format,
    )  # fmt: skip


def finger_of(pin: str, template: Template) -> Sample:
    """What a pulled terminal holds of a finger. Raises ValueError for a PIN that is none."""
    flag = template.flag
    return Sample(
        canonical_pin(pin), "FP", 1, template.finger, 0, str(template.version), "", flag != 0, flag == 3, 0,
        template.data,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Release:
    """That a person agreed in writing to their templates being kept (security-design E4)."""

    number: int
    pin: Pin
    purpose: str
    text_version: str
    """Which wording was signed."""
    given_at: datetime
    until: datetime
    """The end of the period that was agreed."""
    recorded_by: str
    recorded_at: datetime
    allows_keeping: bool = True
    """False: templates may travel from one terminal to another, and nothing may stay at the place."""
    ended_at: datetime | None = None
    end_reason: str = ""
    text_language: str = ""
    text_sha256: str = ""
    """Of the wording, where that is kept here: what was signed cannot be exchanged later."""

    def is_in_force(self, now: datetime) -> bool:
        """Whether it allows anything now."""
        return self.ended_at is None and self.given_at <= now < self.until
