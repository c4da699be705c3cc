"""Ledger events in which people, keys or operators act: corrections, decisions, erasures, key changes, operations.

Frozen values with one canonical body each; `events.encode` and `events.decode` are the doors to the bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal, cast

from biometric_flow.model.ids import Pin, TerminalSerial

DIGEST_BYTES = 32
ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class Change:
    """One field of a record, as it was and as it is to be read from now on; both as text."""

    field: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class CorrectionMade:
    """Somebody's hours are to be read otherwise than they were recorded; the record itself stays (L4)."""

    kind: ClassVar[str] = "correction"
    version: ClassVar[int] = 1

    correction: bytes
    """Random id of the correction, 16 bytes: the same at the gateway. Its withdrawal has the same."""
    number: int
    """Corrections of a tenant are applied in this order."""
    operation: Literal["add", "void", "replace", "overtime", "withdraw"]
    pin: Pin
    """Whose hours they are."""
    target: bytes
    """What is corrected: the id of a punch or of a correction; empty where nothing was recorded before."""
    entry: int
    """Sequence of the entry that is corrected, 0 with an empty target."""
    changes: tuple[Change, ...]
    by: str
    reason: str
    approved_by: str
    """The second person, empty where no policy asks for one."""
    at: datetime

    @property
    def subject(self) -> str | None:
        """Whose key hides this event in the chain."""
        return self.pin

    def body(self) -> dict[str, Any]:
        """What is recorded."""
        return {
            "correction": self.correction,
            "number": self.number,
            "operation": self.operation,
            "pin": self.pin,
            "target": self.target,
            "entry": self.entry,
            "changes": [[change.field, change.old, change.new] for change in self.changes],
            "by": self.by,
            "reason": self.reason,
            "approved_by": self.approved_by,
            "at": instant_text(self.at),
        }


@dataclass(frozen=True, slots=True)
class CorrectionRefused:
    """An approved correction, or its withdrawal, that its place can never record; says why, and not of whom."""

    kind: ClassVar[str] = "correction_refused"
    version: ClassVar[int] = 1

    correction: bytes
    """Random id of the correction, 16 bytes: the same at the gateway."""
    is_withdrawal: bool
    why: Literal["erased", "target_unknown"]
    """The person was erased here, or what it corrects is no entry of this place."""
    at: datetime

    @property
    def subject(self) -> str | None:
        """Nobody's: the place's own key hides it, since the person's may be destroyed."""
        return None

    def body(self) -> dict[str, Any]:
        """What is recorded."""
        return {
            "correction": self.correction,
            "is_withdrawal": self.is_withdrawal,
            "why": self.why,
            "at": instant_text(self.at),
        }


@dataclass(frozen=True, slots=True)
class QuarantineDecided:
    """A person decided about a row that was put aside. The punch of an accepted one follows as the next entry."""

    kind: ClassVar[str] = "quarantine_decision"
    version: ClassVar[int] = 1

    row: bytes
    """Stable id of the row, 32 bytes."""
    terminal: TerminalSerial
    decision: Literal["accepted", "rejected"]
    punch: bytes
    """Id of the punch that it became, empty for a rejected row."""
    by: str
    reason: str
    at: datetime

    @property
    def subject(self) -> str | None:
        """Nobody's: the place's own key hides it."""
        return None

    def body(self) -> dict[str, Any]:
        """What is recorded."""
        return {
            "row": self.row,
            "terminal": self.terminal,
            "decision": self.decision,
            "punch": self.punch,
            "by": self.by,
            "reason": self.reason,
            "at": instant_text(self.at),
        }


@dataclass(frozen=True, slots=True)
class PersonErased:
    """The keys of a person were destroyed (security-design E1). Says how much that was, and nothing of who it was."""

    kind: ClassVar[str] = "erasure"
    version: ClassVar[int] = 1

    erasure: bytes
    """Random id of the erasure, 16 bytes: the same at the gateway and at every place."""
    key_digest: bytes
    """`erased_key_digest` of the destroyed key, so that a key which comes back with a backup is known and destroyed."""
    entries: int
    """Entries that cannot be opened any more."""
    by: str
    reason: str
    at: datetime

    @property
    def subject(self) -> str | None:
        """Nobody's: the place's own key hides it, and outlives the person's."""
        return None

    def body(self) -> dict[str, Any]:
        """What is recorded."""
        return {
            "erasure": self.erasure,
            "key_digest": self.key_digest,
            "entries": self.entries,
            "by": self.by,
            "reason": self.reason,
            "at": instant_text(self.at),
        }


@dataclass(frozen=True, slots=True)
class KeyChanged:
    """Checkpoints are signed with another key from the next one on (security-design L2)."""

    kind: ClassVar[str] = "key_change"
    version: ClassVar[int] = 1

    note: str
    """A signed note: origin and both keys, signed by the old key and by the new one. See `ledger.rotation`."""
    by: str
    at: datetime

    @property
    def subject(self) -> str | None:
        """Nobody's: the place's own key hides it."""
        return None

    def body(self) -> dict[str, Any]:
        """What is recorded."""
        return {"note": self.note, "by": self.by, "at": instant_text(self.at)}


@dataclass(frozen=True, slots=True)
class LogStarted:
    """The first entry of every log of a place but its first one (security-design L5)."""

    kind: ClassVar[str] = "log_start"
    version: ClassVar[int] = 1

    note: str
    """A signed note: which log ended, with what the gateway holds of it, and who decided so. See `ledger.logs`."""
    own_size: int
    """How many entries the place itself holds of the log that ended; a place put back from a backup has fewer."""
    own_root: bytes
    carried: int
    """Entries of the log that ended, behind this one, are recorded again in this log: no gateway vouched for them."""
    at: datetime

    @property
    def subject(self) -> str | None:
        """Nobody's: the place's own key hides it."""
        return None

    def body(self) -> dict[str, Any]:
        """What is recorded."""
        return {
            "note": self.note,
            "own_size": self.own_size,
            "own_root": self.own_root,
            "carried": self.carried,
            "at": instant_text(self.at),
        }


@dataclass(frozen=True, slots=True)
class OperationDone:
    """Somebody used an operation that writes, whether it was done or refused (security-design S1, L9)."""

    kind: ClassVar[str] = "operation"
    version: ClassVar[int] = 1

    actor: str
    """`account:<id>`, `place:<id>`, `process:<name>`, or empty for somebody who did not prove who they are."""
    operation: str
    """Method and path as the API document names them, such as `PUT /v1/terminals/{key}/push`."""
    scope: tuple[tuple[str, str], ...]
    """What it was about: names and values, sorted. A person's number stands here as a keyed commitment."""
    request: str
    """Request id, as the answer and the logs name it."""
    source: str
    """Network address that asked."""
    result: str
    """HTTP status, and the stable code of a refusal behind it."""
    before: bytes
    """Keyed hash of what was there; empty where there was nothing or nothing changed."""
    after: bytes
    at: datetime

    @property
    def subject(self) -> str | None:
        """Nobody's: the log's own key hides it."""
        return None

    def body(self) -> dict[str, Any]:
        """What is recorded."""
        return {
            "actor": self.actor,
            "operation": self.operation,
            "scope": dict(self.scope),
            "request": self.request,
            "source": self.source,
            "result": self.result,
            "before": self.before,
            "after": self.after,
            "at": instant_text(self.at),
        }


Decision = (
    CorrectionMade | CorrectionRefused | QuarantineDecided | PersonErased | KeyChanged | LogStarted | OperationDone
)


def correction_made(body: Mapping[str, Any]) -> CorrectionMade:
    """Read back what `body` wrote. Raises KeyError, TypeError or ValueError for anything else."""
    if body["operation"] not in ("add", "void", "replace", "overtime", "withdraw"):
        raise ValueError("expected a correction that adds, voids, replaces, approves overtime or withdraws")
    target, entry = octets(body["target"], 0, ID_BYTES, DIGEST_BYTES), whole(body["entry"])
    if bool(target) != bool(entry):
        raise ValueError("expected a target with its entry, or neither")
    return CorrectionMade(
        correction=octets(body["correction"], ID_BYTES),
        number=whole(body["number"]),
        operation=cast("Literal['add', 'void', 'replace', 'overtime', 'withdraw']", body["operation"]),
        pin=Pin(text(body["pin"])),
        target=target,
        entry=entry,
        changes=tuple(Change(text(field), text(old), text(new)) for field, old, new in body["changes"]),
        by=text(body["by"]),
        reason=text(body["reason"]),
        approved_by=text(body["approved_by"]),
        at=datetime.fromisoformat(body["at"]),
    )


def correction_refused(body: Mapping[str, Any]) -> CorrectionRefused:
    """Read back what `body` wrote. Raises KeyError, TypeError or ValueError for anything else."""
    if body["why"] not in ("erased", "target_unknown") or not isinstance(body["is_withdrawal"], bool):
        raise ValueError("expected a correction or a withdrawal, and that its person is erased or its target unknown")
    return CorrectionRefused(
        correction=octets(body["correction"], ID_BYTES),
        is_withdrawal=body["is_withdrawal"],
        why=cast("Literal['erased', 'target_unknown']", body["why"]),
        at=datetime.fromisoformat(body["at"]),
    )


def quarantine_decided(body: Mapping[str, Any]) -> QuarantineDecided:
    """Read back what `body` wrote. Raises KeyError, TypeError or ValueError for anything else."""
    if body["decision"] not in ("accepted", "rejected"):
        raise ValueError("expected a row that was accepted or rejected")
    return QuarantineDecided(
        row=octets(body["row"], DIGEST_BYTES),
        terminal=TerminalSerial(text(body["terminal"])),
        decision=cast("Literal['accepted', 'rejected']", body["decision"]),
        punch=octets(body["punch"], DIGEST_BYTES if body["decision"] == "accepted" else 0),
        by=text(body["by"]),
        reason=text(body["reason"]),
        at=datetime.fromisoformat(body["at"]),
    )


def person_erased(body: Mapping[str, Any]) -> PersonErased:
    """Read back what `body` wrote. Raises KeyError, TypeError or ValueError for anything else."""
    return PersonErased(
        erasure=octets(body["erasure"], ID_BYTES),
        key_digest=octets(body["key_digest"], DIGEST_BYTES),
        entries=whole(body["entries"]),
        by=text(body["by"]),
        reason=text(body["reason"]),
        at=datetime.fromisoformat(body["at"]),
    )


def key_changed(body: Mapping[str, Any]) -> KeyChanged:
    """Read back what `body` wrote. Raises KeyError, TypeError or ValueError for anything else."""
    return KeyChanged(text(body["note"]), text(body["by"]), datetime.fromisoformat(body["at"]))


def log_started(body: Mapping[str, Any]) -> LogStarted:
    """Read back what `body` wrote. Raises KeyError, TypeError or ValueError for anything else."""
    return LogStarted(
        note=text(body["note"]),
        own_size=whole(body["own_size"]),
        own_root=octets(body["own_root"], DIGEST_BYTES),
        carried=whole(body["carried"]),
        at=datetime.fromisoformat(body["at"]),
    )


def operation_done(body: Mapping[str, Any]) -> OperationDone:
    """Read back what `body` wrote. Raises KeyError, TypeError or ValueError for anything else."""
    return OperationDone(
        actor=text(body["actor"]),
        operation=text(body["operation"]),
        scope=tuple(sorted((text(name), text(value)) for name, value in body["scope"].items())),
        request=text(body["request"]),
        source=text(body["source"]),
        result=text(body["result"]),
        before=octets(body["before"], 0, DIGEST_BYTES),
        after=octets(body["after"], 0, DIGEST_BYTES),
        at=datetime.fromisoformat(body["at"]),
    )


def instant_text(moment: datetime) -> str:
    """An instant as records hold it: UTC, to the millisecond."""
    return (moment if moment.tzinfo is UTC else moment.astimezone(UTC)).isoformat(timespec="milliseconds")


def text(value: object) -> str:
    """The value when it is text; TypeError otherwise."""
    if not isinstance(value, str):
        raise TypeError(f"expected text, got {type(value).__name__}")
    return value


def octets(value: object, *lengths: int) -> bytes:
    """The value when it is bytes of one of these lengths; ValueError otherwise."""
    if not isinstance(value, bytes) or len(value) not in lengths:
        raise ValueError(f"expected {' or '.join(map(str, lengths))} bytes")
    return value


def whole(value: object) -> int:
    """The value when it is a whole number from 0; ValueError otherwise."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("expected a whole number")
    return value
