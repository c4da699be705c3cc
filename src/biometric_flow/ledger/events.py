"""What can be written in a ledger: frozen events, and their one canonical form in bytes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

import cbor2

from biometric_flow.ledger.aside import RowPutAside, row_put_aside
from biometric_flow.ledger.decisions import (
    CorrectionMade,
    CorrectionRefused,
    Decision,
    KeyChanged,
    LogStarted,
    OperationDone,
    PersonErased,
    QuarantineDecided,
    correction_made,
    correction_refused,
    instant_text,
    key_changed,
    log_started,
    operation_done,
    person_erased,
    quarantine_decided,
    text,
)
from biometric_flow.ledger.errors import EventUnreadable
from biometric_flow.model.ids import Pin, PunchId, TerminalSerial
from biometric_flow.model.punch import Channel, Punch


@dataclass(frozen=True, slots=True)
class PunchRecorded:
    """A touch was read from a terminal for the first time."""

    kind: ClassVar[str] = "punch_recorded"
    version: ClassVar[int] = 1

    punch: Punch

    @property
    def subject(self) -> str | None:
        """Whose key hides this event in the chain."""
        return self.punch.pin


@dataclass(frozen=True, slots=True)
class PersonEnrolled:
    """A terminal knows this person, or knows something new about them."""

    kind: ClassVar[str] = "person_enrolled"
    version: ClassVar[int] = 1

    terminal: TerminalSerial
    pin: Pin
    uid: int
    name: str
    privilege: int
    card: int
    """Card number, 0 when there is none."""
    seen_at: datetime

    @property
    def subject(self) -> str | None:
        """Whose key hides this event in the chain."""
        return self.pin


@dataclass(frozen=True, slots=True)
class GenerationStarted:
    """A terminal's stored list began anew: first contact, or its counters fell (security-design I5)."""

    kind: ClassVar[str] = "generation_started"
    version: ClassVar[int] = 1

    terminal: TerminalSerial
    generation: int
    firmware: str
    platform: str
    rows: int
    """Rows that the terminal said it holds."""
    seen_at: datetime

    @property
    def subject(self) -> str | None:
        """Nobody's: the place's own key hides it."""
        return None


@dataclass(frozen=True, slots=True)
class ClockCorrected:
    """A terminal's clock was set right by its place (security-design I6)."""

    kind: ClassVar[str] = "clock_corrected"
    version: ClassVar[int] = 1

    terminal: TerminalSerial
    drift: timedelta
    """How far it was off just before: terminal clock minus true time."""
    set_at: datetime

    @property
    def subject(self) -> str | None:
        """Nobody's: the place's own key hides it."""
        return None


Event = PunchRecorded | PersonEnrolled | GenerationStarted | ClockCorrected | RowPutAside | Decision


def encode(event: Event) -> bytes:
    """The event as canonical CBOR (RFC 8949 section 4.2)."""
    body: dict[str, Any]
    match event:
        case PunchRecorded(punch=punch):
            body = {
                "id": punch.id,
                "terminal": punch.terminal,
                "pin": punch.pin,
                "local_time": punch.local_time.isoformat(timespec="seconds"),
                "instant": instant_text(punch.instant),
                "state": punch.state,
                "verify": punch.verify,
                "work_code": punch.work_code,
                "drift_ms": None if punch.drift is None else round(punch.drift / timedelta(milliseconds=1)),
                "received_at": instant_text(punch.received_at),
                "channel": str(punch.channel),
            }
        case PersonEnrolled():
            body = {
                "terminal": event.terminal,
                "pin": event.pin,
                "uid": event.uid,
                "name": event.name,
                "privilege": event.privilege,
                "card": event.card,
                "seen_at": instant_text(event.seen_at),
            }
        case GenerationStarted():
            body = {
                "terminal": event.terminal,
                "generation": event.generation,
                "firmware": event.firmware,
                "platform": event.platform,
                "rows": event.rows,
                "seen_at": instant_text(event.seen_at),
            }
        case ClockCorrected():
            body = {
                "terminal": event.terminal,
                "drift_ms": round(event.drift / timedelta(milliseconds=1)),
                "set_at": instant_text(event.set_at),
            }
        case _:
            body = event.body()
    return cbor2.dumps({"kind": event.kind, "version": event.version, **body}, canonical=True)


def decode(record: bytes) -> Event:
    """The event in a record. Raises EventUnreadable for anything that `encode` could not have written."""
    try:
        body = cbor2.loads(record)
        decoder = _DECODERS[body["kind"], body["version"]]
        event = decoder(body)
    except (cbor2.CBORError, KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise EventUnreadable(
            f"expected a known event in canonical CBOR, got {len(record)} bytes: {error!r}"
        ) from error
    if encode(event) != record:
        raise EventUnreadable("expected canonical CBOR, got another spelling of the same event")
    return event


def _punch_recorded(body: Mapping[str, Any]) -> PunchRecorded:
    drift_ms = body["drift_ms"]
    if not isinstance(body["id"], bytes) or len(body["id"]) != 32:
        raise ValueError("expected a punch id of 32 bytes")
    return PunchRecorded(
        Punch(
            id=PunchId(body["id"]),
            terminal=TerminalSerial(text(body["terminal"])),
            pin=Pin(text(body["pin"])),
            local_time=datetime.fromisoformat(body["local_time"]),
            instant=datetime.fromisoformat(body["instant"]),
            state=int(body["state"]),
            verify=int(body["verify"]),
            work_code=int(body["work_code"]),
            drift=None if drift_ms is None else timedelta(milliseconds=drift_ms),
            received_at=datetime.fromisoformat(body["received_at"]),
            channel=Channel(body["channel"]),
        )
    )


def _person_enrolled(body: Mapping[str, Any]) -> PersonEnrolled:
    return PersonEnrolled(
        terminal=TerminalSerial(text(body["terminal"])),
        pin=Pin(text(body["pin"])),
        uid=int(body["uid"]),
        name=text(body["name"]),
        privilege=int(body["privilege"]),
        card=int(body["card"]),
        seen_at=datetime.fromisoformat(body["seen_at"]),
    )


def _generation_started(body: Mapping[str, Any]) -> GenerationStarted:
    return GenerationStarted(
        terminal=TerminalSerial(text(body["terminal"])),
        generation=int(body["generation"]),
        firmware=text(body["firmware"]),
        platform=text(body["platform"]),
        rows=int(body["rows"]),
        seen_at=datetime.fromisoformat(body["seen_at"]),
    )


def _clock_corrected(body: Mapping[str, Any]) -> ClockCorrected:
    return ClockCorrected(
        terminal=TerminalSerial(text(body["terminal"])),
        drift=timedelta(milliseconds=body["drift_ms"]),
        set_at=datetime.fromisoformat(body["set_at"]),
    )


_DECODERS: Mapping[tuple[str, int], Callable[[Mapping[str, Any]], Event]] = {
    (PunchRecorded.kind, 1): _punch_recorded,
    (PersonEnrolled.kind, 1): _person_enrolled,
    (GenerationStarted.kind, 1): _generation_started,
    (ClockCorrected.kind, 1): _clock_corrected,
    (RowPutAside.kind, 1): row_put_aside,
    (CorrectionMade.kind, 1): correction_made,
    (CorrectionRefused.kind, 1): correction_refused,
    (QuarantineDecided.kind, 1): quarantine_decided,
    (PersonErased.kind, 1): person_erased,
    (KeyChanged.kind, 1): key_changed,
    (LogStarted.kind, 1): log_started,
    (OperationDone.kind, 1): operation_done,
}
