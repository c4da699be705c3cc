"""The logs of one place, one after the other, and the decision that ends one of them and begins the next (L5).

A place has one log, until an operator gives up its history: an old backup was put back, or two histories exist. The
next log names what the gateway holds of the one before, and the one before stays as it was. Positions go on counting
over all logs of a place; the leaves of each log count from one.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from biometric_flow.ledger.errors import KeyTextInvalid, LedgerError, NoteRefused
from biometric_flow.ledger.note import Checkpoint, KeyKind, Note, PublicKey, Signer, place_origin
from biometric_flow.model.ids import PlaceId, TenantId

HEADER: Final = "biometric-flow new-log v1"
"""No origin looks like this, so that no checkpoint can be taken for a decision."""
_LINES: Final = 8


class LogRefused(LedgerError):
    """A new log that nobody decided on, or that does not continue what the gateway holds."""

    code = "ledger.log_refused"


@dataclass(frozen=True, slots=True)
class Log:
    """One log of a place: its number, and the position behind which its entries stand."""

    number: int = 1
    begins: int = 0


FIRST: Final = Log()


def log_name(place: PlaceId, number: int) -> PlaceId:
    """What leaves of a log name as their place: the place itself for the first, `<place>#2` for the second."""
    return place if number == 1 else PlaceId(f"{place}#{number}")


def log_origin(tenant: TenantId, place: PlaceId, number: int) -> str:
    """The origin of one log of a place, which no two logs share."""
    return place_origin(tenant, log_name(place, number))


def log_key(key: bytes, number: int) -> bytes:
    """What openings of one log follow from: entries of two logs that have the same number share none."""
    return key if number == 1 else hmac.digest(key, b"biometric-flow/log/1" + number.to_bytes(4, "big"), "sha256")


def log_at(logs: Sequence[Log], position: int) -> Log:
    """The log that an entry at this position stands in."""
    return [log for log in logs if log.begins < position][-1]


@dataclass(frozen=True, slots=True)
class Decision:
    """What an operator decided, as the gateway signs it: which log ends where, and which one follows it."""

    old: Checkpoint
    """The log that ends, with all that the gateway holds of it."""
    key: PublicKey
    """The key of the new log; its name is the new log's origin."""
    by: str
    reason: str

    def text(self) -> str:
        """The text of the note that says so."""
        reason = " ".join(self.reason.split())
        return f"{HEADER}\n{self.old.text()}{self.key}\n{self.by}\n{reason}\n"

    @classmethod
    def parse(cls, text: str) -> "Decision":
        """Read a note's text. Raises NoteRefused."""
        lines = text.split("\n")
        if len(lines) != _LINES or lines[0] != HEADER:
            raise NoteRefused(f"expected a decision that begins with `{HEADER}` and has {_LINES - 1} lines")
        try:
            key = PublicKey.parse(lines[4])
        except KeyTextInvalid as error:
            raise NoteRefused(str(error)) from error
        decision = cls(Checkpoint.parse("\n".join(lines[1:4]) + "\n"), key, lines[5], lines[6])
        if decision.text() != text or key.kind is not KeyKind.NOTE:
            raise NoteRefused("expected a decision in canonical form, with a key that signs notes")
        return decision


def read_decision(note: str, tenant: TenantId, place: PlaceId, number: int, gateway: PublicKey) -> Decision:
    """A decision to begin log `number` of a place. Raises LogRefused unless gateway and the new key have signed it."""
    try:
        shown = Note.parse(note)
        decision = Decision.parse(shown.text)
        shown.verified_by(gateway)
        shown.verified_by(decision.key)
    except NoteRefused as error:
        raise LogRefused(
            f"expected an operator's decision, signed by the gateway and by the new key: {error}"
        ) from None
    names = decision.old.origin, decision.key.name
    if names != (log_origin(tenant, place, number - 1), log_origin(tenant, place, number)):
        raise LogRefused(f"expected a decision about log {number} of {place}, got one from {names[0]} to {names[1]}")
    return decision


def agree(note: str, old: Signer, new: Signer) -> Note:
    """The gateway's decision with the signatures of the place: by the key of the log that ends, and by the new one."""
    shown = Note.parse(note)
    return shown.with_signature(old.signed(shown.text)).with_signature(new.signed(shown.text))
