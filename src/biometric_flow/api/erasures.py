"""Erasing a person at a gateway and at all their places: what is asked, and how far it is (security-design E1-E3)."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from biometric_flow.api.retention import Stay, Words


class GatewayErasureWanted(BaseModel):
    """Whom to erase and why. The number stands in the body, so that no path and no log keeps it."""

    model_config = ConfigDict(extra="forbid")

    number: Annotated[str, Field(min_length=1, max_length=64, description="Employee number.")]
    reason: Words = Field(
        description="Stands in ledgers, for ever: name nobody in it.", examples=["request of 3 March, GDPR article 17"]
    )
    by: Words = Field(description="Who decided it.")


class GatewayErasure(BaseModel):
    """How far an erasure is. It says nothing of who it was."""

    erasure: str = Field(description="Random id, the same in the ledger of each place.")
    by: str
    reason: str
    asked_at: datetime
    begun_at: datetime | None = Field(description="When the gateway's own rows went; None while something must stay.")
    done_at: datetime | None = Field(description="When the last place had carried it out.")
    entries: int = Field(description="Ledger entries whose contents the gateway holds no more.")
    places: list[str] = Field(description="Places that have not carried it out yet; one that is away keeps it open.")
    stays: list[Stay] = Field([], description="What stays, why, and until when; it goes by itself after that.")


class NobodyThere(BaseModel):
    """A place knows nobody with the PIN that it was to erase."""

    model_config = ConfigDict(extra="forbid")

    erasure: str = Field(pattern="^[0-9a-f]{32}$")
    pin: str = Field(min_length=1, max_length=24)
