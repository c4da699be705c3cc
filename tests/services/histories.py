"""Ledgers with a past: killed writers, erasures, corrections, keys replaced at every level, logs that follow logs."""

import random
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from biometric_flow.api.corrections import CorrectionOrder
from biometric_flow.identity.keyring import ROOT, KeyKind
from biometric_flow.ledger.decisions import KeyChanged
from biometric_flow.ledger.logs import Decision, agree
from biometric_flow.ledger.note import Checkpoint, Note, Signer
from biometric_flow.ledger.rotation import hand_over
from biometric_flow.model.ids import Pin
from biometric_flow.place.audit import Keys
from biometric_flow.place.biometrics.vault import Vault
from biometric_flow.place.corrections import Corrections
from biometric_flow.place.erasure import Erasures
from biometric_flow.place.new_log import begin_log
from biometric_flow.place.resealing import Resealing
from biometric_flow.place.store import Batch
from biometric_flow.runtime.key_store import KeyStore
from tests.builders import MOMENT, punch
from tests.services.lives import POINTS, SIGNER, TERMINALS, WITNESS, live_once
from tests.services.stores import opened_store

ORIGIN, NEXT_ORIGIN = SIGNER.public.name, f"{SIGNER.public.name}#2"
SECOND, NEW, GATEWAYS = (Ed25519PrivateKey.from_private_bytes(bytes([n]) + bytes(range(1, 32))) for n in range(3))
GATEWAY = Signer("biometric-flow-gateway-log", GATEWAYS)


def past(file: Path, chance: random.Random) -> Keys:
    """Make a ledger with two to five things that happened to it, and perhaps another key and another log at its end."""
    killed(file, chance)
    for _ in range(chance.randrange(1, 5)):
        chance.choice(HAPPENS)(file, chance)
    signer = SIGNER
    if chance.random() < 0.5:
        signer = key_changed(file)
    if chance.random() < 0.5:
        signer = log_begun(file, signer)
    return Keys(signer.public, WITNESS.public)


def killed(file: Path, chance: random.Random) -> None:
    """A writer that came to its end at a random moment or at a named point."""
    lines, _ = live_once(file, chance, [0] * len(TERMINALS), chance.choice(["", *POINTS]))
    assert {line.split()[0] for line in lines} <= {"ready", "kept", "struck"}, lines


def erased(file: Path, chance: random.Random) -> None:
    """Somebody who was erased, when there is anybody."""
    store, connection = opened_store(file)
    pins = [pin for (one,) in connection.execute("SELECT id FROM subject") if (pin := store.subjects.pin_or_none(one))]
    if pins:
        erasures = Erasures(connection, store, Vault(connection, store.subjects.keys, is_on=False), has_gateway=False)
        erasures.erase(chance.choice(pins), "officer", "request", MOMENT + timedelta(days=3))
        erasures.finish()
    connection.close()


def corrected(file: Path, chance: random.Random) -> None:
    """A punch that was added by hand, and perhaps taken back."""
    store, connection = opened_store(file)
    add = CorrectionOrder(
        position=1,
        correction=UUID(int=chance.getrandbits(128)),
        number=0,
        operation="add",
        pin=str(chance.randrange(100, 105)),
        target="",
        changes=[("local_time", "", "2026-03-02T08:00:00")],
        by="ann",
        reason="forgot",
        approved_by="ben",
        at=MOMENT,
    )
    withdraw = add.model_copy(update={"position": 2, "operation": "withdraw", "target": add.correction.hex})
    Corrections(connection, store).record([add, withdraw][: chance.randrange(1, 3)], MOMENT)
    connection.close()


def rotated(file: Path, chance: random.Random) -> None:
    """The root or the tenant key replaced, to the end or not; or the keys of people or of the place."""
    store, connection = opened_store(file)
    keys = store.subjects.keys
    kind = chance.choice([None, KeyKind.SUBJECT, KeyKind.PLACE])
    if kind is not None:
        if not keys.retiring(kind):
            keys.turn(kind)
        if chance.random() < 0.7 and resealed(Resealing(connection, store), keys, kind):
            keys.retire(kind)
        connection.close()
        return
    owner = chance.choice([ROOT, keys.tenant_owner])
    steps = keys.rotation(owner) or keys.rotation(owner, begin=True)
    while steps and chance.random() < 0.8:
        keys.take(steps[0])
        steps = keys.rotation(owner)
    connection.close()


def resealed(resealing: Resealing, keys: KeyStore, kind: KeyKind) -> bool:
    """Seal anew what is under keys of a kind that were replaced; twice, of which the second has nothing to do."""
    old, counts = frozenset(one.id for one in keys.retiring(kind)), [0, 0]
    for turn in range(2):
        for piece in resealing.pieces():
            after, count = piece(None, old)
            while after is not None:
                counts[turn] += count
                after, count = piece(after, old)
    assert counts[1] == 0
    return True


def key_changed(file: Path) -> Signer:
    """The place signs with another key from here on."""
    store, connection = opened_store(file)
    store.checkpoint(SIGNER, MOMENT)
    store.change_key(KeyChanged(str(hand_over(ORIGIN, first_key(), NEW)), "ann", MOMENT))
    signer = Signer(ORIGIN, NEW)
    store.checkpoint(signer, MOMENT)
    connection.close()
    return signer


def first_key() -> Ed25519PrivateKey:
    """The key of SIGNER."""
    return Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def log_begun(file: Path, old: Signer) -> Signer:
    """An operator ended the log; what nobody cosigned is recorded again in the next one, which goes on."""
    store, connection = opened_store(file)
    store.checkpoint(old, MOMENT)
    new = Signer(NEXT_ORIGIN, SECOND)
    nothing = Checkpoint(ORIGIN, 0, bytes(32))
    text = Decision(nothing, new.public, "ann", "the drill").text()
    note = agree(str(Note(text, (GATEWAY.signed(text),))), old, new)
    begin_log(connection, store, old.public, note, MOMENT)
    connection.close()
    store, connection = opened_store(file)
    store.record([Batch(TERMINALS[0], MOMENT, rows=[punch(Pin("77"), MOMENT + timedelta(days=9))])])
    store.checkpoint(new, MOMENT)
    connection.close()
    return new


HAPPENS: Final[tuple[Callable[[Path, random.Random], None], ...]] = (killed, erased, corrected, rotated)
