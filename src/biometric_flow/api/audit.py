"""What the gateway says of its audit trail."""

from datetime import datetime

from pydantic import BaseModel, Field


class AuditEntry(BaseModel):
    """One use of an operation that writes, done or refused."""

    sequence: int
    at: datetime
    actor: str = Field(description="`account:<id>`, `place:<id>`, `process:<name>`; empty without a valid credential.")
    operation: str = Field(examples=["POST /v1/auth/token"])
    scope: dict[str, str] = Field(description="What it was about; personal values as keyed commitments.")
    request: str = Field(description="Request id of its answer.")
    source: str = Field(description="Network address that asked.")
    result: str = Field(description="Status, and the code of a refusal.", examples=["200", "403 access.forbidden"])
    before: str = Field(description="Keyed hash of what was there, hexadecimal; empty for nothing.")
    after: str


class AuditPage(BaseModel):
    """Entries after a position, oldest first."""

    head: int = Field(description="The last sequence there is.")
    items: list[AuditEntry]
