"""Who should be on which terminal, and how that differs from who is."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints

PasswordDigits = Annotated[SecretStr, Field(max_length=8)]
PersonName = Annotated[str, StringConstraints(max_length=72, pattern=r"^[^\x00-\x1f]*$")]


class EnrolmentWish(BaseModel):
    """How a person should be known to a terminal."""

    model_config = ConfigDict(extra="forbid")

    name: PersonName = Field("", description="Cut between characters where the terminal's record is shorter.")
    privilege: Literal[0, 2, 6, 14] = Field(0, description="0 user, 2 enroller, 6 manager, 14 super admin.")
    group: int = Field(0, ge=0, le=99, description="Access group; 0 leaves it to the terminal.")
    card: int = Field(0, ge=0, le=2**32 - 1, description="Card number, 0 for none.")
    zones: list[Annotated[int, Field(ge=1, le=50)]] | None = Field(
        None,
        max_length=3,
        description="Opening times of their own (job set_times); empty for the group's, leave out to leave it.",
    )
    password: PasswordDigits | None = Field(
        None, description="Up to 8 digits for the keypad; empty removes it, leave out to leave it as it is."
    )


class EnrolmentView(BaseModel):
    """One line of the desired state. Passwords are never told."""

    terminal: str = Field(description="The terminal's key.")
    pin: str
    name: str
    privilege: int
    group: int
    card: int
    has_password: bool
    zones: list[int] | None = Field(None, description="Opening times; null where they are left to the terminal.")
    is_wanted: bool = Field(description="False: to be removed from the terminal, which has not confirmed it yet.")


class Difference(BaseModel):
    """One person whom the terminal knows otherwise than it should."""

    pin: str
    kind: Literal["missing", "differs", "unwanted", "foreign", "impossible"] = Field(
        description="foreign: on the terminal, and not put there by this place; left alone unless told otherwise. "
        "impossible: this terminal's records cannot hold it."
    )
    fields: list[str] = Field(default=[], description="Which fields differ.")
    text: str = ""


class Differences(BaseModel):
    """The terminal as it was last read, against the desired state."""

    terminal: str
    read_at: datetime
    differences: list[Difference]
