"""zk rows <-> the model: site zone, drift, identity. Pure, and the only seam between the two."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from biometric_flow.ledger.events import PersonEnrolled
from biometric_flow.model.ids import Pin, TenantId, TerminalSerial, canonical_pin
from biometric_flow.model.punch import Channel, Punch, QuarantineReason, punch_id
from biometric_flow.zk.wire.events import AttendanceEvent
from biometric_flow.zk.wire.records import AttlogRecord
from biometric_flow.zk.wire.rows import RejectedRow
from biometric_flow.zk.wire.users import UserRecord

FUTURE_LIMIT: Final = timedelta(hours=24)
"""A punch further ahead than this is put aside (security-design I6)."""

RAW_LIMIT: Final = 1024
"""Bytes kept of a row in quarantine (security-design I9)."""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A row that cannot be a punch, kept with its bytes. `id` is stable, so that reading it again changes nothing."""

    id: bytes
    terminal: TerminalSerial
    reason: QuarantineReason
    detail: str
    raw: bytes
    pin: Pin | None = None
    """Whose row it is, where that can be read."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The circumstances of one read from one terminal."""

    tenant: TenantId
    terminal: TerminalSerial
    zone: ZoneInfo
    drift: timedelta | None
    """Terminal clock minus true time, as last measured."""
    received_at: datetime
    channel: Channel
    pins: Mapping[int, str]
    """uid -> PIN, for layouts whose rows carry the uid only."""
    previous: datetime | None = None
    """Instant of the row before these, which decides between the two readings of a repeated hour."""


def normalise(rows: Iterable[AttlogRecord], reading: Reading) -> list[Punch | Quarantined]:
    """Each row as a punch, or put aside with the reason. Never fails for a row, never drops one."""
    results: list[Punch | Quarantined] = []
    previous = reading.previous
    for row in rows:
        result = _one(row, reading, previous)
        if isinstance(result, Punch):
            previous = result.instant
        results.append(result)
    return results


def put_aside(rows: Iterable[RejectedRow], terminal: TerminalSerial) -> list[Quarantined]:
    """Rows that the wire could not even read."""
    return [
        _aside(_raw_id(terminal, row.raw), terminal, QuarantineReason.UNREADABLE_ROW, row.reason, row.raw)
        for row in rows
    ]


def row_of(event: AttendanceEvent) -> AttlogRecord:
    """A live event as the row that the terminal stores for it. The work code is not part of an event."""
    return AttlogRecord(event.uid, event.user_id, event.verify, event.state, event.time, 0, event.raw)


def person_of(user: UserRecord, terminal: TerminalSerial, now: datetime) -> PersonEnrolled | None:
    """What a terminal's user record says of a person; None for one without a usable PIN."""
    try:
        pin = canonical_pin(user.user_id)
    except ValueError:
        return None
    return PersonEnrolled(
        terminal=terminal,
        pin=pin,
        uid=user.uid,
        name=user.name,
        privilege=user.privilege,
        card=user.card,
        seen_at=now,
    )


def instant_of(local: datetime, zone: ZoneInfo, previous: datetime | None) -> datetime:
    """The UTC instant of a naive wall-clock time in `zone` (attendance-policy 2.1).

    In a repeated hour: the earliest of the two that is not before `previous`, else the later one. In a gap: by the
    offset in force before it. The offsets come from PEP 495: fold 0 is the earlier reading, or the offset before a gap.
    """
    first = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if previous is None or first >= previous:
        return first
    second = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return max(first, second) if _is_repeated(first, second) else first


def drift_of(terminal_time: datetime, zone: ZoneInfo, now: datetime) -> timedelta:
    """Terminal clock (naive wall time) minus true time. In a repeated hour, the reading nearer to `now`."""
    readings = (terminal_time.replace(tzinfo=zone, fold=fold).astimezone(UTC) - now for fold in (0, 1))
    return min(readings, key=abs)


def _is_repeated(first: datetime, second: datetime) -> bool:
    return second > first


def _one(row: AttlogRecord, reading: Reading, previous: datetime | None) -> Punch | Quarantined:
    terminal = reading.terminal
    try:
        pin = _pin_of(row, reading.pins)
    except KeyError:
        detail = f"no person on the terminal has the uid {row.uid}; the row waits until one does"
        return _aside(_raw_id(terminal, row.raw), terminal, QuarantineReason.UNKNOWN_UID, detail, row.raw)
    except ValueError as error:
        return _aside(_raw_id(terminal, row.raw), terminal, QuarantineReason.UNREADABLE_PIN, str(error), row.raw)
    identity = punch_id(reading.tenant, terminal, pin, row.time.text(), row.state)
    try:
        local = row.time.to_datetime()
    except ValueError:
        detail = f"no calendar has {row.time.text()}"
        return _aside(identity, terminal, QuarantineReason.IMPOSSIBLE_TIME, detail, row.raw, pin)
    if local.year <= 2000:
        detail = f"the terminal's clock was not set when it wrote {row.time.text()}"
        return _aside(identity, terminal, QuarantineReason.CLOCK_NOT_SET, detail, row.raw, pin)
    instant = instant_of(local, reading.zone, previous)
    if instant > reading.received_at + FUTURE_LIMIT:
        detail = f"{row.time.text()} is more than 24 hours ahead of its arrival; check the terminal's clock"
        return _aside(identity, terminal, QuarantineReason.IN_THE_FUTURE, detail, row.raw, pin)
    return Punch(
        id=identity,
        terminal=terminal,
        pin=pin,
        local_time=local,
        instant=instant,
        state=row.state,
        verify=row.verify,
        work_code=row.work_code,
        drift=reading.drift,
        received_at=reading.received_at,
        channel=reading.channel,
    )


def _pin_of(row: AttlogRecord, pins: Mapping[int, str]) -> Pin:
    return canonical_pin(row.user_id or pins[row.uid])


def _raw_id(terminal: TerminalSerial, raw: bytes) -> bytes:
    return hashlib.sha256(b"row/1\0" + terminal.encode() + b"\0" + raw).digest()


def _aside(
    identity: bytes, terminal: TerminalSerial, reason: QuarantineReason, detail: str, raw: bytes, pin: Pin | None = None
) -> Quarantined:
    return Quarantined(identity, terminal, reason, detail, raw[:RAW_LIMIT], pin)
