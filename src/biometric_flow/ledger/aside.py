"""The ledger's word on a row that cannot be a punch: that it came, from where, why it was put aside, and its bytes."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from biometric_flow.ledger.decisions import DIGEST_BYTES, instant_text, octets, text
from biometric_flow.model.ids import Pin, TerminalSerial


@dataclass(frozen=True, slots=True)
class RowPutAside:
    """A row went to quarantine instead of becoming a punch; what is decided about it later is another entry."""

    kind: ClassVar[str] = "row_put_aside"
    version: ClassVar[int] = 1

    row: bytes
    """Identity of the row, 32 bytes."""
    terminal: TerminalSerial
    reason: str
    content: bytes
    """Digest of what was kept of the row, see `digest_of`."""
    pin: Pin | None
    """Whose row it is, where that can be read."""
    seen_at: datetime

    @property
    def subject(self) -> str | None:
        """Whose key hides this event in the chain; the place's own where nobody can be named."""
        return self.pin

    def body(self) -> dict[str, Any]:
        """What is recorded."""
        return {
            "row": self.row,
            "terminal": self.terminal,
            "reason": self.reason,
            "content": self.content,
            "pin": self.pin,
            "seen_at": instant_text(self.seen_at),
        }


def digest_of(detail: str, raw: bytes) -> bytes:
    """The digest of why a row was put aside, in words, and of its bytes."""
    return hashlib.sha256(b"biometric-flow/aside/1\0" + detail.encode() + b"\0" + raw).digest()


def row_put_aside(body: Mapping[str, Any]) -> RowPutAside:
    """Read back what `body` wrote. Raises KeyError, TypeError or ValueError for anything else."""
    pin = body["pin"]
    return RowPutAside(
        row=octets(body["row"], DIGEST_BYTES),
        terminal=TerminalSerial(text(body["terminal"])),
        reason=text(body["reason"]),
        content=octets(body["content"], DIGEST_BYTES),
        pin=None if pin is None else Pin(text(pin)),
        seen_at=datetime.fromisoformat(body["seen_at"]),
    )
