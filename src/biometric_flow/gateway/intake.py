"""Takes a place's ledger entries by position: verifies the chain, stores all in one transaction, acknowledges."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise
from typing import Final, assert_never

import cbor2
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.api.gateway import PlaceReport
from biometric_flow.api.place import LedgerEntry
from biometric_flow.gateway.people import corrections
from biometric_flow.gateway.quotas import Quotas
from biometric_flow.gateway.store import checkpoints, erasures, ledger, logs, people, places, punches, terminals
from biometric_flow.gateway.succession import PlaceUnknown, Succession
from biometric_flow.ledger.aside import RowPutAside
from biometric_flow.ledger.chain import Head, SealedEntry, check, link
from biometric_flow.ledger.decisions import (
    CorrectionMade,
    CorrectionRefused,
    KeyChanged,
    LogStarted,
    OperationDone,
    PersonErased,
    QuarantineDecided,
)
from biometric_flow.ledger.errors import ChainBroken, LedgerError
from biometric_flow.ledger.events import ClockCorrected, GenerationStarted, PersonEnrolled, PunchRecorded, decode
from biometric_flow.ledger.logs import Log, log_name
from biometric_flow.model.ids import SERIAL, PlaceId, TenantId, canonical_pin
from biometric_flow.model.punch import Punch, clock_text, punch_id
from biometric_flow.runtime.database import Database

CHANNEL: Final = "biometric_flow"
"""Where the gateway's instances tell each other that a tenant has something new."""

_NOTIFY: Final = text("SELECT pg_notify(:channel, :payload)")
PERSONAL: Final = frozenset(one.kind for one in (PunchRecorded, PersonEnrolled, CorrectionMade, RowPutAside))
"""Kinds of entries whose contents go with the person they are about."""
MAKES_SUBJECTS: Final = frozenset(one.kind for one in (PunchRecorded, PersonEnrolled))
"""Kinds whose person is in the tables from then on."""
_ERASES: Final = PersonErased.kind.encode()
_INT32: Final = range(-(2**31), 2**31)
_INT64: Final = range(-(2**63), 2**63)


class OutOfOrder(LedgerError):
    """Entries that do not begin at the position which the gateway holds, or that differ from what it holds."""

    code = "ledger.out_of_order"


@dataclass(frozen=True, slots=True)
class Verified:
    """New entries that continue a head, and what they say."""

    entries: list[SealedEntry]
    punches: list[Punch]
    sequences: list[int]
    """Of each punch, where it stands."""
    enrolments: list[PersonEnrolled]
    key_changes: list[tuple[int, str]] = field(default_factory=list)
    """Sequence and note of each change of the signing key."""
    corrections: list[tuple[int, CorrectionMade | CorrectionRefused]] = field(default_factory=list)
    """Sequence and event of each correction."""
    erasures: list[bytes] = field(default_factory=list)
    """Ids of the erasures that the place carried out."""

    def behind(self, position: int) -> "Verified":
        """The same at their positions, of a log that begins behind one."""
        return Verified(
            [replace(entry, sequence=position + entry.sequence) for entry in self.entries],
            self.punches,
            [position + sequence for sequence in self.sequences],
            self.enrolments,
            [(position + sequence, note) for sequence, note in self.key_changes],
            [(position + sequence, event) for sequence, event in self.corrections],
            self.erasures,
        )


class Intake:
    """The only writer of replicated ledgers."""

    def __init__(self, database: Database, succession: Succession, quotas: Quotas) -> None:
        self._database, self._succession, self._quotas = database, succession, quotas

    async def position(self, tenant: TenantId, place: PlaceId, number: int = 1) -> int:
        """How far the gateway holds one log of this place, nothing of one that it does not know yet."""
        async with self._database.tenant(tenant) as connection:
            held = await _head(connection, place)
            known = [*await logs.of_place(connection, place), Log(0, held.sequence)]
        ends = {log.number: after.begins - log.begins for log, after in pairwise(known)}
        return ends.get(number, 0)

    async def take(
        self,
        tenant: TenantId,
        place: PlaceId,
        after: int,
        entries: Sequence[LedgerEntry],
        now: datetime,
        number: int = 1,
    ) -> int:
        """Store the entries of a log that are new and return how far it is held. All or nothing.

        Entries that are held already are skipped when they are identical, so an upload whose answer was lost can be
        repeated. Raises OutOfOrder for a gap or a different past, ChainBroken for altered entries, LogEnded and
        LogRefused for a log that does not go on here, QuotaReached when the tenant may hold no more; the place then
        keeps what is new.
        """
        async with self._database.tenant(tenant) as connection:
            if any(_ERASES in entry.leaf for entry in entries):
                # What goes here may become another place's, and places are locked in one order.
                await places.lock_all(connection)
            log, head = await self._succession.log_of(connection, tenant, place, number, entries, now)
            if after > head.sequence:
                raise OutOfOrder(f"expected entries after position {head.sequence}, got entries after {after}")
            known = min(head.sequence - after, len(entries))
            await _same_past(connection, place, log.begins, after, entries[:known])
            new = entries[known:]
            if not new:
                return head.sequence
            await self._quotas.take_entries(connection, tenant, len(new))
            verified = await asyncio.to_thread(verify, tenant, log_name(place, log.number), head, new)
            placed = verified.behind(log.begins)
            owners = await ledger.owners(connection, place, placed.entries, MAKES_SUBJECTS)
            await ledger.append(connection, tenant, place, placed.entries, now, owners)
            await _derive(connection, tenant, place, placed, now)
            await notify(connection, {"tenant": tenant, "kind": "punch"})
            return verified.entries[-1].sequence

    async def report(self, tenant: TenantId, place: PlaceId, said: PlaceReport, now: datetime) -> None:
        """Keep what a place says of itself and its terminals.

        Raises QuotaReached for new terminals beyond the tenant's quota, once all the rest is kept.
        """
        async with self._database.tenant(tenant) as connection:
            held = await _head(connection, place, lock=True)
            begins = {log.number: log.begins for log in await logs.of_place(connection, place)}
            head = begins.get(said.log, held.sequence) + said.head
            await places.report(connection, tenant, place, said.model_copy(update={"head": head}), now)
            known = await terminals.keys(connection, place)
            named = [one.key for one in said.terminals]
            fitting, refused = await self._quotas.room_for_terminals(connection, tenant, place, known, named)
            kept = [one for one in said.terminals if one.key in fitting]
            if await terminals.report(connection, tenant, place, kept, now):
                await notify(connection, {"tenant": tenant, "kind": "terminal"})
        if refused is not None:
            raise refused


def verify(tenant: TenantId, place: PlaceId, head: Head, entries: Sequence[LedgerEntry]) -> Verified:
    """Check that entries continue a head and read them; pure. Raises ChainBroken or EventUnreadable."""
    found = Verified([], [], [], [])
    for entry in entries:
        is_erased = not (entry.record or entry.opening)
        if is_erased:
            head, _commitment = link(place, head, entry.leaf)
        else:
            head = check(place, head, entry.leaf, entry.record, entry.opening)
        if entry.sequence != head.sequence:
            raise ChainBroken(head.sequence, f"it was sent as entry {entry.sequence}")
        if is_erased:
            found.entries.append(SealedEntry(head.sequence, entry.leaf, head.hash, b"", b""))
            if kind_of(entry.leaf) not in PERSONAL:
                raise ChainBroken(head.sequence, "its record is missing, and it is about nobody who could be erased")
            continue
        event = decode(entry.record)
        found.entries.append(
            SealedEntry(head.sequence, entry.leaf, head.hash, entry.record, entry.opening, event.subject)
        )
        if kind_of(entry.leaf) != event.kind:
            raise ChainBroken(head.sequence, f"the leaf names another kind than its record, {event.kind}")
        match event:
            case PunchRecorded(punch=punch):
                _check_punch(tenant, head.sequence, punch)
                found.punches.append(punch)
                found.sequences.append(head.sequence)
            case PersonEnrolled():
                _check_person(head.sequence, event)
                found.enrolments.append(event)
            case GenerationStarted() | ClockCorrected() | RowPutAside() | QuarantineDecided():
                _check_serial(head.sequence, event.terminal)
            case CorrectionMade():
                if event.entry >= head.sequence:
                    raise ChainBroken(head.sequence, f"a correction of entry {event.entry}, which is none before it")
                found.corrections.append((head.sequence, event))
            case CorrectionRefused():
                found.corrections.append((head.sequence, event))
            case KeyChanged():
                found.key_changes.append((head.sequence, event.note))
            case LogStarted():
                if head.sequence != 1:
                    raise ChainBroken(head.sequence, "a log was begun before; only its first entry says so")
            case PersonErased():
                found.erasures.append(event.erasure)
            case OperationDone():
                pass
            case _:
                assert_never(event)
    return found


def kind_of(leaf: bytes) -> object:
    """The kind that a checked leaf names."""
    return cbor2.loads(leaf)[5]


async def notify(connection: AsyncConnection, message: dict[str, str]) -> None:
    """Tell all instances, once this transaction is committed."""
    await connection.execute(_NOTIFY, {"channel": CHANNEL, "payload": json.dumps(message)})


def _check_punch(tenant: TenantId, sequence: int, punch: Punch) -> None:
    """A place is trusted for its own place only (security-design T2): its identities are computed again."""
    _check_words(sequence, punch.terminal, punch.pin)
    if punch.local_time.tzinfo is not None or punch.instant.tzinfo is None or punch.received_at.tzinfo is None:
        raise ChainBroken(sequence, "expected a local time without a zone and instants with one")
    if punch.id != punch_id(tenant, punch.terminal, punch.pin, clock_text(punch.local_time), punch.state):
        raise ChainBroken(sequence, "the punch's id is not the one computed from its contents")
    if punch.state not in _INT32 or punch.verify not in _INT32 or punch.work_code not in _INT64:
        raise ChainBroken(sequence, "a number of the punch is beyond what any terminal sends")


def _check_person(sequence: int, event: PersonEnrolled) -> None:
    _check_words(sequence, event.terminal, event.pin)
    if event.uid not in _INT32 or event.privilege not in _INT32 or len(event.name) > 80 or "\0" in event.name:
        raise ChainBroken(sequence, "expected a person's uid, privilege and name as a terminal can hold them")


def _check_words(sequence: int, terminal: str, pin: str) -> None:
    _check_serial(sequence, terminal)
    try:
        is_canonical = canonical_pin(pin) == pin
    except ValueError:
        is_canonical = False
    if not is_canonical:
        raise ChainBroken(sequence, "expected a PIN in canonical form")


def _check_serial(sequence: int, terminal: str) -> None:
    if not SERIAL.fullmatch(terminal):
        raise ChainBroken(sequence, f"expected a terminal's serial number, got {terminal[:40]!r}")


async def _head(connection: AsyncConnection, place: PlaceId, *, lock: bool = False) -> Head:
    head = await ledger.head(connection, place, lock=lock)
    if head is None:
        raise PlaceUnknown(f"there is no place {place}")
    return head


async def _same_past(
    connection: AsyncConnection, place: PlaceId, begins: int, after: int, repeated: Sequence[LedgerEntry]
) -> None:
    held = await ledger.entries(connection, place, begins + after, len(repeated)) if repeated else []
    for mine, theirs in zip(held, repeated, strict=True):
        is_same = mine.record == theirs.record or not (mine.record and theirs.record)
        if (mine.sequence - begins, mine.leaf) != (theirs.sequence, theirs.leaf) or not is_same:
            raise OutOfOrder(f"entry {theirs.sequence} differs from the one held here: this ledger has another past")


async def _derive(
    connection: AsyncConnection, tenant: TenantId, place: PlaceId, verified: Verified, now: datetime
) -> None:
    for sequence, note in verified.key_changes:
        await checkpoints.keep_key_change(connection, tenant, place, sequence, note)
    await corrections.recorded(connection, place, verified.corrections)
    if verified.enrolments or verified.punches:
        known = await people.met(connection, place, verified.enrolments, verified.punches)
    if verified.enrolments:
        await people.enrolled(connection, tenant, place, verified.enrolments, known)
    if verified.punches:
        await people.touched(connection, tenant, place, verified.punches, known)
        await punches.insert(connection, tenant, place, verified.punches, verified.sequences, known)
    for erasure in verified.erasures:
        await erasures.carried_out(connection, place, erasure, now)
