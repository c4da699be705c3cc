"""What a place is asked and says about the data of one person, and about its keys."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from biometric_flow.api.biometrics import ReleaseCopy
from biometric_flow.api.place import PunchView
from biometric_flow.api.retention import Stay, Words


class ErasureWanted(BaseModel):
    """Whom to erase and why. The PIN stands in the body, so that no path and no log keeps it."""

    model_config = ConfigDict(extra="forbid")

    pin: Annotated[str, Field(min_length=1, max_length=24)]
    reason: Words = Field(examples=["request of 3 March, GDPR article 17"])
    by: Words = Field(description="Who decided it.")


class ErasureDone(BaseModel):
    """What an erasure did; everything recorded still proves. What stays makes it wait: it is done once nothing does."""

    erasure: str = Field(description="Random id, the same in the ledger; empty while it waits.")
    entries: int = Field(description="Entries of the ledger that nobody can open any more.")
    rows: int = Field(description="Rows deleted beside them.")
    uploads: int = Field(description="Archived uploads deleted because they named the person.")
    templates: int = Field(0, description="Templates destroyed here although the rest stays: nothing holds these back.")
    stays: list[Stay] = Field([], description="What stays, why, and until when; empty when the person is erased.")


class TerminalCopy(BaseModel):
    """What one terminal knows of a person, or should."""

    terminal: str
    name: str
    privilege: int
    card: int


class EventCopy(BaseModel):
    """Something that happened at a terminal and is about a person."""

    terminal: str
    kind: str
    local_time: str
    detail: str


class PersonExport(BaseModel):
    """Everything a place holds about one person (GDPR articles 15 and 20)."""

    format: Literal["biometric-flow/person/1"] = "biometric-flow/person/1"
    place: str
    made_at: datetime
    pin: str
    known_by: list[TerminalCopy]
    wanted_on: list[TerminalCopy] = Field(description="Without keypad passwords: they are set anew, never shown.")
    punches: list[PunchView]
    put_aside: int = Field(description="Rows in quarantine; see /v1/quarantine.")
    events: list[EventCopy]
    releases: list[ReleaseCopy] = Field(description="What was signed, with its words, until when, and how it ended.")
    templates: list[str] = Field(description="Which templates are kept; what they hold is never given away.")


class KeyCount(BaseModel):
    """How many keys of a kind are in a state."""

    kind: str
    state: str
    count: int


KeyLevel = Literal["root", "tenant", "terminals", "people", "place"]
"""Which keys: the root key, the tenant key, those of all terminals, of everybody, or of what is about nobody."""


class RotationView(BaseModel):
    """A rotation that is under way, or none."""

    level: KeyLevel
    is_running: bool
    left: int = Field(
        description="Keys still wrapped under the old one; of terminals, people and place, old keys that still open."
    )


class KeysView(BaseModel):
    """The state of a place's keys, without any key."""

    keys: list[KeyCount]
    rotations: list[RotationView]


class RotationWanted(BaseModel):
    """Which key to replace."""

    model_config = ConfigDict(extra="forbid")

    level: KeyLevel
