"""The gateway as witness: cosigns a place's checkpoint when it says what the replica says, and logs every one it saw.

c2sp.org/tlog-cosignature. Consistency with earlier checkpoints follows from the replica: it is only ever appended to,
and each root is computed from it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.api.gateway import OutsideWitnessView, PlaceLog
from biometric_flow.gateway.intake import OutOfOrder
from biometric_flow.gateway.store import checkpoints, ledger, logs, outside
from biometric_flow.gateway.succession import GROW_STEP, PlaceUnknown
from biometric_flow.ledger.chain import leaf_hash
from biometric_flow.ledger.errors import LedgerError, NoteRefused, TreeIncomplete
from biometric_flow.ledger.logs import Log, log_at, log_name, log_origin
from biometric_flow.ledger.merkle import TILE_WIDTH, Tile, bundle, inclusion, is_within
from biometric_flow.ledger.note import Checkpoint, Cosigner, Note, PublicKey, Signer
from biometric_flow.ledger.receipt import ReceiptNotYet, write_proof, write_receipt
from biometric_flow.ledger.rotation import next_key
from biometric_flow.model.errors import BiometricFlowError
from biometric_flow.model.ids import PlaceId, PunchId, TenantId
from biometric_flow.runtime.database import Database
from biometric_flow.runtime.web import NotFound

NAME: Final = "biometric-flow-gateway"
"""The gateway's name in its cosignatures."""


class CheckpointRefused(LedgerError):
    """A place signed something that its replica does not say; the note is kept as evidence."""

    code = "ledger.checkpoint_refused"


class PunchUnknown(BiometricFlowError):
    """No punch of this tenant has this id."""

    code = "punch.unknown"


@dataclass(frozen=True, slots=True)
class Shown:
    """A checkpoint as a place showed it."""

    note: Note
    checkpoint: Checkpoint
    key: PublicKey


class Witness:
    """Checkpoints of all places, and one log of them per tenant."""

    def __init__(
        self, database: Database, key: Ed25519PrivateKey, configured: Mapping[tuple[TenantId, PlaceId], PublicKey]
    ) -> None:
        self._database, self._key, self._configured = database, key, configured
        self._cosigner = Cosigner(NAME, key)

    @property
    def key(self) -> PublicKey:
        """What verifies the gateway's cosignatures."""
        return self._cosigner.public

    def log_key(self, tenant: TenantId) -> PublicKey:
        """What verifies the checkpoints of the tenant's own log."""
        return self._log_signer(tenant).public

    async def take(self, tenant: TenantId, place: PlaceId, note: str, vkey: str, now: datetime) -> Note:
        """Cosign a place's checkpoint; the same one again gets the same answer.

        Raises NoteRefused for what the place's key did not sign, OutOfOrder while entries are missing here, and
        CheckpointRefused for one that contradicts the replica.
        """
        shown = Note.parse(note)
        checkpoint = Checkpoint.parse(shown.text)
        await self._grow(tenant, place, checkpoint.size)
        async with self._database.tenant(tenant) as connection:
            head = await ledger.head(connection, place, lock=True)
            if head is None:
                raise PlaceUnknown(f"there is no place {place}")
            log = await logs.current(connection, place)
            key = await self._key_of(connection, tenant, place, log, vkey, now)
            end = log.begins + checkpoint.size
            for handed_over in await checkpoints.key_changes(connection, place, log.begins, end):
                # One from another key than the one believed so far gives nobody anything.
                with suppress(NoteRefused):
                    key = next_key(handed_over, key)
            shown.verified_by(key)
            if end > head.sequence:
                held = head.sequence - log.begins
                raise OutOfOrder(f"expected entries up to {checkpoint.size} first, {held} are held")
            shown = Note(shown.text, tuple(one for one in shown.signatures if one.key_id == key.id))
            last = await checkpoints.newest(connection, place, log.begins)
            if last is not None and str(shown) == str(_without(Note.parse(last.note), self.key)):
                return Note.parse(last.note)
            done = last.size - log.begins if last else 0
            reason = await self._objection(connection, tenant, place, log, checkpoint, shown, done)
            if reason is None:
                return await self._cosign(connection, tenant, place, shown, end, now)
            digest = hashlib.sha256(str(shown).encode()).digest()
            await checkpoints.refuse(connection, tenant, place, digest=digest, note=str(shown), reason=reason, now=now)
        raise CheckpointRefused(f"{reason}; the note is kept as evidence")

    async def newest(self, tenant: TenantId, place: PlaceId, number: int | None = None) -> str:
        """The last cosigned checkpoint of a place's log, of the one that goes on unless told."""
        async with self._database.tenant(tenant) as connection:
            log, end = await _log(connection, place, number)
            row = await checkpoints.newest(connection, place, log.begins, end)
        if row is None:
            raise NotFound("no checkpoint of this place was cosigned so far")
        return str(row.note)

    async def own(self, tenant: TenantId, *, is_witnessed: bool = False) -> str:
        """The last checkpoint of the tenant's own log, with what outside witnesses added to it.

        `is_witnessed` asks for the last one that any of them has cosigned, which may be an older one.
        """
        async with self._database.tenant(tenant) as connection:
            size, note = await checkpoints.own_log(connection, tenant)
            if is_witnessed:
                size, note = await outside.newest_size(connection) or 0, ""
            cosigned = await outside.of_size(connection, size)
        if not (note or cosigned):
            raise NotFound("no checkpoint was cosigned so far")
        return str(_merged([*([note] if note else []), *cosigned]))

    async def witness_receipt(self, tenant: TenantId, punch: PunchId) -> str:
        """That the checkpoint over a punch stands in the gateway's own log, as outside witnesses have seen it.

        A C2SP tlog-proof whose extra data are that checkpoint. Raises PunchUnknown or ReceiptNotYet.
        """
        async with self._database.tenant(tenant) as connection:
            found = await checkpoints.place_of_punch(connection, punch)
            if found is None:
                raise PunchUnknown(f"there is no punch {punch.hex()}")
            place, position = found
            _, end = await _log(connection, place, log_at(await logs.of_place(connection, place), position).number)
            row = await checkpoints.covering(connection, place, position, end)
            size = None if row is None else await outside.first_over(connection, row.number)
            if row is None or size is None:
                raise ReceiptNotYet("no witness outside has cosigned a checkpoint over this punch so far")
            (leaf,) = await checkpoints.own_leaves(connection, row.number, 1)
            tree = checkpoints.Tree(connection, tenant, checkpoints.OWN_LOG)
            proof = await tree.hashes(inclusion(row.number, size), size)
            note = _merged(await outside.of_size(connection, size))
        return write_proof(leaf, row.number, proof, note)

    async def outside(self, tenant: TenantId) -> list[OutsideWitnessView]:
        """Who outside cosigns the tenant's own log, and how far they have come."""
        async with self._database.tenant(tenant) as connection:
            rows = await outside.witnesses(connection)
        return [
            OutsideWitnessView(
                name=row.witness.partition("+")[0],
                key=row.witness,
                url=row.url,
                size=row.size,
                reached_at=row.reached_at,
                failure=row.failure,
                is_contradiction=row.is_contradiction,
            )
            for row in rows
        ]

    async def tile(
        self, tenant: TenantId, place: PlaceId, tile: Tile, number: int | None = None, *, is_bundle: bool
    ) -> bytes:
        """A tile of a replica's tree or a bundle of its leaves, as far as the last cosigned checkpoint reaches."""
        async with self._database.tenant(tenant) as connection:
            log, end = await _log(connection, place, number)
            last = await checkpoints.newest(connection, place, log.begins, end)
            size = last.size - log.begins if last else 0
            if not is_within(tile, size):
                raise NotFound(f"the last checkpoint is over {size} leaves: it has no such tile")
            if is_bundle:
                held = await ledger.entries(connection, place, log.begins + tile.index * TILE_WIDTH, tile.width)
                return bundle(entry.leaf for entry in held)
            return b"".join(await _tree(connection, tenant, place, log).tile(tile))

    async def own_tile(self, tenant: TenantId, tile: Tile, *, is_bundle: bool) -> bytes:
        """A tile of the tenant's own log of checkpoints, or a bundle of its leaves."""
        async with self._database.tenant(tenant) as connection:
            size, _ = await checkpoints.own_log(connection, tenant)
            if not is_within(tile, size):
                raise NotFound(f"the log has {size} leaves: it has no such tile")
            if is_bundle:
                return bundle(await checkpoints.own_leaves(connection, tile.index * TILE_WIDTH, tile.width))
            return b"".join(await checkpoints.Tree(connection, tenant, checkpoints.OWN_LOG).tile(tile))

    async def receipt(self, tenant: TenantId, punch: PunchId) -> str:
        """The receipt of a punch. Raises PunchUnknown, or ReceiptNotYet until a cosigned checkpoint covers it."""
        async with self._database.tenant(tenant) as connection:
            found = await checkpoints.place_of_punch(connection, punch)
            if found is None:
                raise PunchUnknown(f"there is no punch {punch.hex()}")
            place, position = found
            log, end = await _log(connection, place, log_at(await logs.of_place(connection, place), position).number)
            row = await checkpoints.covering(connection, place, position, end)
            if row is None:
                raise ReceiptNotYet("the punch is recorded; the place signs a checkpoint over it within a minute")
            (entry,) = await ledger.entries(connection, place, position - 1, 1)
            entry, size = replace(entry, sequence=position - log.begins), row.size - log.begins
            tree = _tree(connection, tenant, place, log)
            proof = await tree.hashes(inclusion(entry.sequence - 1, size), size)
        return write_receipt(entry, proof, Note.parse(row.note))

    async def logs(self, tenant: TenantId, place: PlaceId) -> list[PlaceLog]:
        """All logs of a place that are held, oldest first."""
        async with self._database.tenant(tenant) as connection:
            held = await ledger.head(connection, place)
            if held is None:
                raise PlaceUnknown(f"there is no place {place}")
            known = await logs.of_place(connection, place)
            begun = {row.number: row for row in await logs.begun(connection, place)}
        ends = [*(log.begins for log in known[1:]), held.sequence]
        return [
            PlaceLog(
                number=log.number,
                origin=log_origin(tenant, place, log.number),
                entries=end - log.begins,
                goes_on=log is known[-1],
                decision=begun[log.number].note if log.number in begun else "",
                begun_at=begun[log.number].begun_at if log.number in begun else None,
            )
            for log, end in zip(known, ends, strict=True)
        ]

    async def _grow(self, tenant: TenantId, place: PlaceId, size: int) -> None:
        """Let a replica's tree reach this size, in transactions that each end in time."""
        while True:
            async with self._database.tenant(tenant) as connection:
                head = await ledger.head(connection, place)
                log = await logs.current(connection, place)
                tree = _tree(connection, tenant, place, log)
                grown, end = await tree.grown(), min(size, head.sequence - log.begins if head else 0)
                if end - grown < TILE_WIDTH:
                    return
                await tree.grow(grown, min(end, grown + GROW_STEP))

    def _log_signer(self, tenant: TenantId) -> Signer:
        return Signer(f"biometric-flow/{tenant}", self._key)

    async def _key_of(
        self, connection: AsyncConnection, tenant: TenantId, place: PlaceId, log: Log, vkey: str, now: datetime
    ) -> PublicKey:
        """The key that is believed: the configured one, else the pinned one, else the first that is shown.

        A later log has the key that was decided on with it.
        """
        if log.number > 1:
            return PublicKey.parse(await logs.key_of(connection, place, log.number))
        configured = self._configured.get((tenant, place))
        if configured is not None:
            await checkpoints.pin(connection, tenant, place, str(configured), "configured", now)
            return configured
        known = await checkpoints.pinned(connection, place)
        if known:
            return PublicKey.parse(known[-1])
        key = PublicKey.parse(vkey)
        await checkpoints.pin(connection, tenant, place, str(key), "first_use", now)
        return key

    async def _objection(
        self,
        connection: AsyncConnection,
        tenant: TenantId,
        place: PlaceId,
        log: Log,
        said: Checkpoint,
        note: Note,
        last: int,
    ) -> str | None:
        """Why a checkpoint is not cosigned; None when nothing speaks against it."""
        origin = log_origin(tenant, place, log.number)
        if said.origin != origin or note.text != said.text():
            return f"expected a checkpoint of {origin} without extensions, got {said.origin[:120]}"
        if said.size <= last:
            return f"a checkpoint over {last} entries was cosigned, this one over {said.size} goes back"
        try:
            root = await _tree(connection, tenant, place, log).root(said.size)
        except TreeIncomplete as error:
            return f"the replica is damaged: {error}"
        if root != said.root:
            return f"the root over {said.size} entries is not that of the replica: two histories of this place exist"
        return None

    async def _cosign(
        self, connection: AsyncConnection, tenant: TenantId, place: PlaceId, shown: Note, size: int, now: datetime
    ) -> Note:
        note = shown.with_signature(self._cosigner.cosign(shown.text, int(now.timestamp())))
        number, _ = await checkpoints.own_log(connection, tenant, lock=True)
        leaf = str(shown).encode()
        await checkpoints.keep(
            connection,
            tenant,
            place,
            size=size,
            note=str(note),
            now=now,
            number=number,
            leaf=leaf,
            leaf_hash=leaf_hash(leaf),
        )
        tree, signer = checkpoints.Tree(connection, tenant, checkpoints.OWN_LOG), self._log_signer(tenant)
        await tree.grow(number, number + 1)
        own = signer.sign(Checkpoint(signer.public.name, number + 1, await tree.root(number + 1)))
        await checkpoints.sign_own_log(connection, number + 1, str(own))
        return note


async def _log(connection: AsyncConnection, place: PlaceId, number: int | None) -> tuple[Log, int]:
    """A log of a place, the one that goes on for None, and the position at which it ends. Raises NotFound."""
    known = await logs.of_place(connection, place)
    number = number or known[-1].number
    if number > len(known):
        raise NotFound(f"this place has {len(known)} logs, there is no log {number}")
    return known[number - 1], known[number].begins if number < len(known) else checkpoints.END


def _tree(connection: AsyncConnection, tenant: TenantId, place: PlaceId, log: Log) -> checkpoints.Tree:
    return checkpoints.Tree(connection, tenant, log_name(place, log.number), place, log.begins)


def _merged(notes: Sequence[str]) -> Note:
    """One checkpoint with the signatures of all these copies of it; another text than the first's is left out."""
    first, *others = map(Note.parse, notes)
    for other in others:
        if other.text == first.text:
            for signature in other.signatures:
                first = first.with_signature(signature)
    return first


def _without(note: Note, key: PublicKey) -> Note:
    return Note(note.text, tuple(one for one in note.signatures if one.key_id != key.id))
