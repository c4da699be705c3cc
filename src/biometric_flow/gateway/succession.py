"""Which log of a place goes on: an operator decides that one ends, the next one names what is held of it (L5)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.api.place import LedgerEntry
from biometric_flow.gateway.store import checkpoints, ledger, logs
from biometric_flow.ledger.chain import EMPTY, Head, check
from biometric_flow.ledger.decisions import LogStarted
from biometric_flow.ledger.errors import KeyTextInvalid, LedgerError, TreeIncomplete
from biometric_flow.ledger.events import decode
from biometric_flow.ledger.logs import Decision, Log, LogRefused, log_name, log_origin, read_decision
from biometric_flow.ledger.merkle import TILE_WIDTH
from biometric_flow.ledger.note import Checkpoint, Note, PublicKey, Signer
from biometric_flow.model.errors import BiometricFlowError
from biometric_flow.model.ids import PlaceId, TenantId
from biometric_flow.runtime.database import Database

GROW_STEP: Final = 256 * TILE_WIDTH
"""Leaves by which a replica's tree grows in one transaction."""


class LogEnded(LedgerError):
    """A place goes on with a log that an operator has ended."""

    code = "ledger.log_ended"


class PlaceUnknown(BiometricFlowError):
    """There is no such place for this caller."""

    code = "place.unknown"


class Succession:
    """Ends logs of places and begins the next ones."""

    def __init__(self, database: Database, key: Ed25519PrivateKey) -> None:
        self._database, self._key = database, key

    async def decide(self, tenant: TenantId, place: PlaceId, vkey: str, by: str, reason: str) -> Note:
        """The signed decision that a place may begin its next log with: it names all that is held of the one before.

        Nothing is changed by it; it holds until the gateway takes one more entry of the log before. Raises LogRefused
        for a key that is not the next log's, and for a place of which nothing is held.
        """
        size = await self._grow(tenant, place)
        async with self._database.tenant(tenant) as connection:
            head = await ledger.head(connection, place, lock=True)
            log = await logs.current(connection, place)
            if head is None or size == 0 or head.sequence - log.begins != size:
                raise LogRefused("expected a place that is down and of which something is held: nothing could be ended")
            old = Checkpoint(
                log_origin(tenant, place, log.number), size, await _root(connection, tenant, place, log, size)
            )
        try:
            key = PublicKey.parse(vkey)
        except KeyTextInvalid as error:
            raise LogRefused(str(error)) from None
        if key.name != log_origin(tenant, place, log.number + 1):
            raise LogRefused(
                f"expected a key of {log_origin(tenant, place, log.number + 1)}, got one of {key.name}: its log"
                f" {log.number} is the one that goes on here"
            )
        text = Decision(old, key, by, reason).text()
        return Note(text, (self._signer(tenant).signed(text),))

    async def log_of(
        self,
        connection: AsyncConnection,
        tenant: TenantId,
        place: PlaceId,
        number: int,
        entries: Sequence[LedgerEntry],
        now: datetime,
    ) -> tuple[Log, Head]:
        """The log that entries are for, and where it ends; begun by them when they say so and somebody decided it.

        The place is locked by the caller. Raises LogEnded for a log before, LogRefused for one that nobody decided on.
        """
        held = await ledger.head(connection, place, lock=True)
        if held is None:
            raise PlaceUnknown(f"there is no place {place}")
        log = await logs.current(connection, place)
        if number < log.number:
            raise LogEnded(
                f"log {number} of {place} was ended by an operator, log {log.number} goes on: this is an old copy of"
                " the place; put its newest backup in its place"
            )
        if number == log.number:
            return log, local(held, log)
        if number != log.number + 1:
            raise LogRefused(f"expected entries of log {log.number} or {log.number + 1}, got some of log {number}")
        following = Log(number, held.sequence)
        note, decision = self._first(tenant, place, number, entries)
        size = held.sequence - log.begins
        root = b"" if decision.old.size != size else await _root(connection, tenant, place, log, size)
        if (decision.old.size, decision.old.root) != (size, root):
            raise LogRefused(
                f"expected a decision about the {size} entries that are held of log {log.number}, got one about"
                f" {decision.old.size}: have it decided again"
            )
        await logs.begin(connection, tenant, place, following, note, str(decision.key), now)
        return following, EMPTY

    def _first(
        self, tenant: TenantId, place: PlaceId, number: int, entries: Sequence[LedgerEntry]
    ) -> tuple[str, Decision]:
        if not entries:
            raise LogRefused(f"expected the first entry of log {number}, got none")
        first = entries[0]
        check(log_name(place, number), EMPTY, first.leaf, first.record, first.opening)
        event = decode(first.record)
        if not isinstance(event, LogStarted):
            raise LogRefused(f"expected that the first entry of log {number} says who decided so, got a {event.kind}")
        return event.note, read_decision(event.note, tenant, place, number, self._signer(tenant).public)

    async def _grow(self, tenant: TenantId, place: PlaceId) -> int:
        """Let the tree of the log that goes on reach its end; how many entries that are."""
        while True:
            async with self._database.tenant(tenant) as connection:
                head = await ledger.head(connection, place)
                if head is None:
                    raise PlaceUnknown(f"there is no place {place}")
                log = await logs.current(connection, place)
                tree = checkpoints.Tree(connection, tenant, log_name(place, log.number), place, log.begins)
                size, grown = head.sequence - log.begins, await tree.grown()
                if size - grown < TILE_WIDTH:
                    return size
                await tree.grow(grown, min(size, grown + GROW_STEP))

    def _signer(self, tenant: TenantId) -> Signer:
        return Signer(f"biometric-flow/{tenant}", self._key)


def local(head: Head, log: Log) -> Head:
    """Where a log ends, of the position and hash that are kept for its place."""
    return EMPTY if head.sequence == log.begins else replace(head, sequence=head.sequence - log.begins)


async def _root(connection: AsyncConnection, tenant: TenantId, place: PlaceId, log: Log, size: int) -> bytes:
    try:
        return await checkpoints.Tree(connection, tenant, log_name(place, log.number), place, log.begins).root(size)
    except TreeIncomplete as error:
        raise LogRefused(f"the replica of log {log.number} is not as it was when it was decided on: {error}") from None
