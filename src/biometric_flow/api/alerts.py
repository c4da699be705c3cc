"""Alerts and where they are told, as the API shows them."""

from datetime import datetime, time
from typing import Self
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator


class AlertView(BaseModel):
    """Something that is or was wrong."""

    id: UUID
    kind: str = Field(examples=["terminal_silent"])
    place: str = Field(description="Empty for what is about the whole tenant.")
    subject: str = Field(description="The terminal's key where it is about one.")
    text: str
    is_urgent: bool = Field(description="Told in quiet hours too.")
    raised_at: datetime
    told_at: datetime | None = Field(description="When channels were told last.")
    acknowledged_at: datetime | None
    acknowledged_by: str
    resolved_at: datetime | None


class QuietHours(BaseModel):
    """In which only urgent alerts are told."""

    model_config = ConfigDict(extra="forbid")

    begins: time = Field(examples=["22:00:00"])
    ends: time = Field(examples=["06:00:00"])
    zone: str = Field(max_length=60, examples=["Africa/Cairo"])

    @field_validator("zone")
    @classmethod
    def _known(cls, given: str) -> str:
        try:
            ZoneInfo(given)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("a zone of the IANA database such as Africa/Cairo") from None
        return given

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.begins.tzinfo or self.ends.tzinfo:
            raise ValueError("times without an offset; the zone says where")
        if self.begins == self.ends:
            raise ValueError("an end that differs from the beginning")
        return self


class ChannelWanted(BaseModel):
    """Where alerts are told. The address holds credentials: it is never shown again."""

    model_config = ConfigDict(extra="forbid")

    url: SecretStr = Field(
        min_length=5,
        max_length=1000,
        description="As Apprise reads it: mailtos://..., slack://..., workflows://..., jsons://...",
    )
    quiet: QuietHours | None = None
    is_enabled: bool = True


class Channel(BaseModel):
    """A channel, without what opens it."""

    name: str
    service: str = Field(examples=["mailtos"])
    quiet: QuietHours | None
    is_enabled: bool
    waiting: int = Field(description="Messages that were not delivered yet.")
    failure: str = Field(description="Why the last attempt failed; empty when it did not.")
