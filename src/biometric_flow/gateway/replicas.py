"""Checks all that the gateway holds of its places' ledgers: chains, trees, checkpoints, its own log of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import text

from biometric_flow.gateway.store import ledger, punches
from biometric_flow.ledger.chain import EMPTY, SealedEntry, check, leaf_hash
from biometric_flow.ledger.errors import LedgerError
from biometric_flow.ledger.events import PunchRecorded, decode
from biometric_flow.ledger.merkle import Frontier
from biometric_flow.ledger.note import Checkpoint, Note
from biometric_flow.model.ids import PlaceId, TenantId
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
            rows = await connection.execute(_PLACES)
            found |= {f"{tenant}/{row.place_id}": LogState(row.position, row.note or "") for row in rows}
    return found


async def verify(database: Database, promised: Mapping[str, LogState]) -> Verified:
    """Read every entry of every replica. Raises ReplicaAltered, also when less is there than was promised."""
    total = Verified(0, 0, 0)
    held = await states(database, {TenantId(name.partition("/")[0]) for name in promised})
    for name, state in promised.items():
        if held.get(name, LogState(0, "")).entries < state.entries:
            raise ReplicaAltered(f"{name}: expected at least {state.entries} entries, it has fewer: some are missing")
    for name in held:
        tenant, _, place = name.partition("/")
        note = promised[name].checkpoint if name in promised else ""
        async with database.tenant(TenantId(tenant)) as connection:
            query = _CHECKPOINTS if place else _OWN_CHECKPOINTS
            rows = (await connection.execute(query, {"place": place} if place else {})).all()
        signed = {row.size: row.note for row in rows if row.note}
        if note:
            signed.setdefault(Checkpoint.parse(Note.parse(note).text).size, note)
        log = _Log(name, signed)
        if place:
            await _read_replica(database, TenantId(tenant), PlaceId(place), log)
            total = Verified(total.places + 1, total.entries + log.tree.size, total.checkpoints + log.matched)
        else:
            await _read_own(database, TenantId(tenant), log)
        log.finish()
    return total


class _Log:
    """One log as it is read again: every checkpoint over it must name the root that comes out."""

    def __init__(self, name: str, signed: Mapping[int, str]) -> None:
        self.name, self._signed = name, dict(signed)
        self.tree = Frontier()
        self.matched = 0

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


async def _read_replica(database: Database, tenant: TenantId, place: PlaceId, log: _Log) -> None:
    head = EMPTY
    while True:
        async with database.tenant(tenant) as connection:
            entries = await ledger.entries(connection, place, head.sequence, STEP)
            claimed = await ledger.head(connection, place)
        for entry in entries:
            try:
                head = check(place, head, entry.leaf, entry.record, entry.opening)
            except LedgerError as error:
                raise ReplicaAltered(f"{log.name}: {error}") from None
            if head.hash != entry.hash:
                raise ReplicaAltered(f"{log.name}: entry {head.sequence}: the stored hash is not the leaf's own")
            log.append(head.hash)
        await _same_punches(database, tenant, place, log.name, entries)
        if len(entries) < STEP:
            if claimed is None or head.sequence < claimed.sequence:
                raise ReplicaAltered(f"{log.name}: entry {head.sequence + 1} is missing")
            return


async def _same_punches(
    database: Database, tenant: TenantId, place: PlaceId, name: str, entries: Sequence[SealedEntry]
) -> None:
    """What people see follows from the entries: each row from its own, each punch in a row of some place."""
    if not entries:
        return
    after, until = entries[0].sequence - 1, entries[-1].sequence
    said = {
        entry.sequence: event.punch for entry in entries if isinstance(event := decode(entry.record), PunchRecorded)
    }
    async with database.tenant(tenant) as connection:
        shown = await punches.derived(connection, place, after, until)
        elsewhere = await punches.known(connection, [said[at].id for at in said.keys() - shown.keys()])
    for at in sorted(said.keys() | shown.keys()):
        punch = said.get(at)
        is_elsewhere = at not in shown and punch is not None and punch.id in elsewhere
        if not is_elsewhere and (punch is None or shown.get(at) != punches.shown_as(punch)):
            raise ReplicaAltered(f"{name}: entry {at}: the punch that people see is not what the entry says")


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


_PLACES: Final = text(
    "SELECT place_id, position, (SELECT note FROM checkpoint WHERE checkpoint.place_id = place.place_id"
    " ORDER BY size DESC LIMIT 1) AS note FROM place"
)
_CHECKPOINTS: Final = text("SELECT size, note FROM checkpoint WHERE place_id = :place")
_OWN_CHECKPOINTS: Final = text("SELECT size, note FROM checkpoint_log")
