"""Checks all that the gateway holds of its places' ledgers: chains, trees, checkpoints, its own log of them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import cbor2
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.gateway.store import checkpoints, directory, erasures, ledger, logs, privacy, punch_ids, punches
from biometric_flow.ledger.chain import EMPTY, SealedEntry, check, leaf_hash, link
from biometric_flow.ledger.decisions import PersonErased
from biometric_flow.ledger.errors import LedgerError
from biometric_flow.ledger.events import PunchRecorded, decode
from biometric_flow.ledger.logs import Log, log_name
from biometric_flow.ledger.merkle import Frontier
from biometric_flow.ledger.note import Checkpoint, Note
from biometric_flow.model.ids import PlaceId, TenantId
from biometric_flow.model.punch import Punch
from biometric_flow.runtime.backup import LogState
from biometric_flow.runtime.database import Database

STEP: Final = 2000


class ReplicaAltered(LedgerError):
    """What the gateway holds is not what was signed; the message names the first such place."""

    code = "ledger.replica_altered"


@dataclass(frozen=True, slots=True)
class Verified:
    """Replicas in which everything fits."""

    places: int
    entries: int
    checkpoints: int


async def states(database: Database, tenants: Iterable[TenantId]) -> dict[str, LogState]:
    """How far each log has come: `tenant/place` for the replicas, `tenant` for the gateway's own log of checkpoints."""
    found: dict[str, LogState] = {}
    for tenant in tenants:
        async with database.tenant(tenant) as connection:
            own = (await connection.execute(text("SELECT size, note FROM checkpoint_log"))).one_or_none()
            found[tenant] = LogState(own.size, own.note) if own else LogState(0, "")
            for row in (await connection.execute(_PLACES)).all():
                place = PlaceId(row.place_id)
                for log, end in await _spans(connection, place, row.position):
                    last = await checkpoints.newest(connection, place, log.begins, end)
                    name = f"{tenant}/{log_name(place, log.number)}"
                    found[name] = LogState(end - log.begins, last.note if last else "")
    return found


async def verify(database: Database, promised: Mapping[str, LogState]) -> Verified:
    """Read every entry of every replica. Raises ReplicaAltered, also when less is there than was promised."""
    total, blank, accounted = Verified(0, 0, 0), Counter[str](), Counter[str]()
    held = await states(database, {TenantId(name.partition("/")[0]) for name in promised})
    for name, state in promised.items():
        if held.get(name, LogState(0, "")).entries < state.entries:
            raise ReplicaAltered(f"{name}: expected at least {state.entries} entries, it has fewer: some are missing")
    for name in held:
        tenant, _, place = name.partition("/")
        note = promised[name].checkpoint if name in promised else ""
        async with database.tenant(TenantId(tenant)) as connection:
            span = await _span(connection, place) if place else None
            values = {"place": span.place, "begins": span.log.begins, "end": span.end} if span else {}
            rows = (await connection.execute(_CHECKPOINTS if span else _OWN_CHECKPOINTS, values)).all()
        signed = {row.size: row.note for row in rows if row.note}
        if note:
            signed.setdefault(Checkpoint.parse(Note.parse(note).text).size, note)
        log = _Log(name, signed)
        if span:
            await _read_replica(database, TenantId(tenant), span, log)
            total = Verified(total.places + 1, total.entries + log.tree.size, total.checkpoints + log.matched)
            blank[f"{tenant}/{span.place}"] += log.blank
            accounted[f"{tenant}/{span.place}"] += log.accounted
        else:
            await _read_own(database, TenantId(tenant), log)
        log.finish()
    for name, count in blank.items():
        if count > accounted[name]:
            raise ReplicaAltered(
                f"{name}: {count} entries have lost their contents, erasures account for {accounted[name]}"
            )
    return total


class _Log:
    """One log as it is read again: every checkpoint over it must name the root that comes out."""

    def __init__(self, name: str, signed: Mapping[int, str]) -> None:
        self.name, self._signed = name, dict(signed)
        self.tree = Frontier()
        self.matched = 0
        self.blank = self.accounted = 0
        """Entries without contents, and how many of these the erasures in this log account for."""

    def append(self, leaf: bytes) -> None:
        self.tree.append(leaf)
        note = self._signed.pop(self.tree.size, None)
        if note is None:
            return
        if Checkpoint.parse(Note.parse(note).text).root != self.tree.root():
            raise ReplicaAltered(f"{self.name}: the checkpoint over {self.tree.size} entries names another root")
        self.matched += 1

    def finish(self) -> None:
        if self._signed:
            raise ReplicaAltered(
                f"{self.name}: {min(self._signed)} entries were signed, only {self.tree.size} are held"
            )


@dataclass(frozen=True, slots=True)
class _Span:
    """One log of a place among the entries that are held of it."""

    place: PlaceId
    log: Log
    end: int


async def _span(connection: AsyncConnection, name: str) -> _Span:
    place, _, number = name.partition("#")
    held = await ledger.head(connection, PlaceId(place))
    spans = await _spans(connection, PlaceId(place), held.sequence if held else 0)
    return _Span(PlaceId(place), *spans[int(number or 1) - 1])


async def _spans(connection: AsyncConnection, place: PlaceId, end: int) -> list[tuple[Log, int]]:
    """The logs of a place and the position at which each ends."""
    known = await logs.of_place(connection, place)
    return list(zip(known, [*(log.begins for log in known[1:]), end], strict=True))


async def _read_replica(database: Database, tenant: TenantId, span: _Span, log: _Log) -> None:
    head, begins, name = EMPTY, span.log.begins, log_name(span.place, span.log.number)
    while True:
        async with database.tenant(tenant) as connection:
            end = (await _span(connection, name)).end
            # What is under a destroyed key accounts for itself.
            span_of = {"place": span.place, "after": begins + head.sequence, "until": end, "step": STEP}
            log.blank += (await connection.execute(_BLANK, span_of)).scalar_one()
            try:
                entries = await ledger.entries(connection, span.place, begins + head.sequence, STEP)
            except LedgerError as error:
                raise ReplicaAltered(f"{log.name}: {error}") from None
            entries = [entry for entry in entries if entry.sequence <= end]
        for entry in entries:
            try:
                if entry.is_erased:
                    head = link(name, head, entry.leaf)[0]
                else:
                    head = check(name, head, entry.leaf, entry.record, entry.opening)
                    log.accounted += _erased(entry)
            except LedgerError as error:
                raise ReplicaAltered(f"{log.name}: {error}") from None
            if head.hash != entry.hash:
                raise ReplicaAltered(f"{log.name}: entry {head.sequence}: the stored hash is not the leaf's own")
            log.append(head.hash)
        await _same_punches(database, tenant, span.place, log.name, entries)
        if len(entries) < STEP:
            if begins + head.sequence < end:
                raise ReplicaAltered(f"{log.name}: entry {head.sequence + 1} is missing")
            return


async def _same_punches(
    database: Database, tenant: TenantId, place: PlaceId, name: str, entries: Sequence[SealedEntry]
) -> None:
    """What people see follows from the entries: each row from its own, each punch in a row of some place.

    A row may be gone where it lies in the archive, whose files are checked by themselves, where retention has let it
    go, or where its person is being erased and the place is not heard of.
    """
    if not entries:
        return
    after, until = entries[0].sequence - 1, entries[-1].sequence
    said = {
        entry.sequence: event.punch
        for entry in entries
        if not entry.is_erased and isinstance(event := decode(entry.record), PunchRecorded)
    }
    async with database.tenant(tenant) as connection:
        shown = await punches.derived(connection, place, after, until)
        names = await _stored(connection, place, said)
        missing = [said[at] for at in said.keys() - shown.keys()]
        elsewhere = await punch_ids.told_elsewhere(connection, place, missing)
        there = await punch_ids.held(connection, [names[at] for at in said.keys() - shown.keys() if at in names])
        erased = {one.pin for one in await erasures.orders(connection, place)}
        now = (await connection.execute(text("SELECT now()"))).scalar_one()
        limit = privacy.purged_before(await privacy.policies(connection), now)
    for at in sorted(said.keys() | shown.keys()):
        punch = said.get(at)
        may_be_gone = punch is not None and (
            names.get(at) in there
            or punch.id in elsewhere
            or punch.pin in erased
            or (limit is not None and punch.instant < limit)
        )
        if not (may_be_gone and at not in shown) and (
            punch is None or shown.get(at) != punches.shown_as(punch, names.get(at))
        ):
            raise ReplicaAltered(f"{name}: entry {at}: the punch that people see is not what the entry says")


async def _stored(connection: AsyncConnection, place: PlaceId, said: Mapping[int, Punch]) -> dict[int, bytes]:
    """What the tables call the punches of entries, by sequence; of nobody whom they do not know any more."""
    known = await directory.look(connection)
    whose = {at: subject for at, punch in said.items() if (subject := known.id_of(place, punch.pin)) is not None}
    named = [punch_ids.Named(place, subject, said[at].id) for at, subject in whose.items()]
    return dict(zip(whose, await punch_ids.stored(connection, named), strict=True))


def _erased(entry: SealedEntry) -> int:
    """How many entries an erasure says to have emptied; 0 for any other entry."""
    if cbor2.loads(entry.leaf)[5] != PersonErased.kind:
        return 0
    event = decode(entry.record)
    return event.entries if isinstance(event, PersonErased) else 0


async def _read_own(database: Database, tenant: TenantId, log: _Log) -> None:
    query = text("SELECT number, leaf, hash FROM checkpoint WHERE number >= :first ORDER BY number LIMIT :step")
    while True:
        async with database.tenant(tenant) as connection:
            rows: list[Any] = list((await connection.execute(query, {"first": log.tree.size, "step": STEP})).all())
        for row in rows:
            if row.number != log.tree.size or leaf_hash(bytes(row.leaf)) != bytes(row.hash):
                raise ReplicaAltered(f"{log.name}: checkpoint {log.tree.size} of the gateway's own log was altered")
            log.append(bytes(row.hash))
        if len(rows) < STEP:
            return


_BLANK: Final = text(
    "SELECT count(*) FROM (SELECT record FROM ledger_entry WHERE place_id = :place AND sequence > :after"
    " AND sequence <= :until ORDER BY sequence LIMIT :step) read WHERE record = ''"
)
_PLACES: Final = text("SELECT place_id, position FROM place")
_CHECKPOINTS: Final = text(
    "SELECT size - :begins AS size, note FROM checkpoint WHERE place_id = :place AND size > :begins AND size <= :end"
)
_OWN_CHECKPOINTS: Final = text("SELECT size, note FROM checkpoint_log")
