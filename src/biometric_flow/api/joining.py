"""How places join a gateway and change the keys that they prove themselves with."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from biometric_flow.api.place import Slug

PublicKeyText = Annotated[str, StringConstraints(pattern="^[A-Za-z0-9+/]{43}=$")]
"""An Ed25519 public key, 32 bytes in base64."""
Proof = Annotated[str, StringConstraints(pattern="^[A-Za-z0-9_-]{86}$")]
"""A signature in base64url without padding."""

_KEY = "A" * 43 + "="


class JoinToken(BaseModel):
    """With what a place may join, once. It is shown here and nowhere again."""

    token: str
    expires_at: datetime


class JoinBody(BaseModel):
    """A token, the place it is for, a key that the place made, and the proof that it holds it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"token": "bfj_demo." + "x" * 43, "place": "cairo", "key": _KEY, "proof": "A" * 86}]
        },
    )

    token: SecretStr = Field(min_length=20, max_length=200)
    place: Slug
    key: PublicKeyText
    proof: Proof


class KeyChange(BaseModel):
    """The next key of a place, and the proof that it holds it."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"key": _KEY, "proof": "A" * 86}]})

    key: PublicKeyText
    proof: Proof


class Joined(BaseModel):
    """Whose requests the key signs from now on."""

    tenant: str
    place: str
    key_id: str


class LinkKeyView(BaseModel):
    """One key of a place."""

    id: str
    made_at: datetime
    ends_at: datetime | None = Field(description="When it is over, because the place changed to another one.")
    revoked_at: datetime | None
