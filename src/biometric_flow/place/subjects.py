"""Who is who at a place: PIN <-> subject in memory, and nothing on the disk that says so without a key (E1, E6).

A subject is a random id. Rows carry it instead of the PIN; the PIN itself lies sealed under the subject's key, and so
do names and ledger records. Whoever has the data without that key has random ids that lead nowhere.
"""

import hmac
import secrets
import sqlite3
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from biometric_flow.identity.envelope import KEY_BYTES, Binding, row_name
from biometric_flow.identity.errors import IdentityError, KeyDestroyed
from biometric_flow.identity.keyring import KNOWN, PLACE, Owner, subject
from biometric_flow.ledger.errors import ChainBroken
from biometric_flow.ledger.store import KeyRing, OpenedRecord, RecordVault
from biometric_flow.model.ids import Pin
from biometric_flow.place.tombstones import Tombstones
from biometric_flow.runtime.key_store import KeyStore

SCHEMA: Final = """
CREATE TABLE subject (
    id  TEXT PRIMARY KEY,                  -- random
    pin BLOB NOT NULL                      -- sealed
) STRICT, WITHOUT ROWID;
"""
SUBJECT_BYTES: Final = 8
KNOWN_BYTES: Final = 16

_PIN: Final = Binding("subject", "pin", b"")
_OPENING: Final = b"\x58\x20"
"""How a sealed record begins that has its opening before it: as a CBOR text of 32 bytes. A record itself is a map."""
_OPENING_END: Final = len(_OPENING) + KEY_BYTES


class Subjects:
    """The people of a place. Written in the writer's thread and inside its transactions; read anywhere."""

    def __init__(self, connection: sqlite3.Connection, keys: KeyStore, *, is_put_back: bool = False) -> None:
        """Raises KeyDestroyed for a file older than its key store, unless it `is_put_back` from a backup just now."""
        self.keys, self._is_put_back = keys, is_put_back
        self._connection = connection
        self._ids: dict[str, str] = {}
        self._pins: dict[str, Pin] = {}
        self._known_keys: dict[str | None, bytes] = {}
        self.tombstones = Tombstones(connection, keys)
        self.closed: list[str] = []
        """Subjects whose keys are destroyed, in a file that is put back: they are to be erased again."""
        self._unsettled: list[str] = []
        self._leaving: list[str] = []
        self._load()

    def _load(self) -> None:
        ids: dict[str, str] = {}
        for one, sealed in self._connection.execute("SELECT id, pin FROM subject"):
            try:
                ids[self.keys.open(subject(one), _PIN._replace(row=row_name(one)), sealed).decode()] = one
            except KeyDestroyed:
                if not self._is_put_back:
                    raise
                self.closed.append(one)
        self._ids, self._pins = ids, {one: Pin(pin) for pin, one in ids.items()}

    def id_of(self, pin: str) -> str | None:
        """The subject with this PIN, None when nobody has it."""
        return self._ids.get(pin)

    def pin_of(self, subject_id: str) -> Pin:
        """The PIN of a subject that is in the file."""
        return self._pins[subject_id]

    def pin_or_none(self, subject_id: str) -> Pin | None:
        """The same, None for one who was erased."""
        return self._pins.get(subject_id)

    def enrol(self, pins: Iterable[str]) -> None:
        """Make sure that each of these has a subject, and keys that are durable and may seal."""
        wanted = dict.fromkeys(pins)
        fresh = {pin: secrets.token_hex(SUBJECT_BYTES) for pin in wanted if pin not in self._ids}
        self.keys.prepare([PLACE, *(subject(fresh.get(pin) or self._ids[pin]) for pin in wanted)])
        for pin, one in fresh.items():
            sealed = self.keys.seal(subject(one), _PIN._replace(row=row_name(one)), pin.encode())
            self._connection.execute("INSERT INTO subject VALUES (?, ?)", (one, sealed))
            self._ids[pin], self._pins[one] = one, Pin(pin)
            self._unsettled.append(one)

    def settle(self) -> None:
        """The transaction was committed."""
        self._unsettled.clear()
        self.tombstones.settle()
        for one in self._leaving:
            if one in self._pins:
                del self._ids[self._pins.pop(one)]
            self._known_keys.pop(one, None)
        self._leaving.clear()

    def undo(self) -> None:
        """The transaction was not committed: those who were new in it are not there. Their keys stay unused."""
        for one in self._unsettled:
            del self._ids[self._pins.pop(one)]
            self._known_keys.pop(one, None)
        self._unsettled.clear()
        self._leaving.clear()
        self.tombstones.undo()

    def forget(self, subject_id: str) -> None:
        """Take a subject out of the file, and out of memory once that is durable; their keys are another matter."""
        self._connection.execute("DELETE FROM subject WHERE id = ?", (subject_id,))
        self._leaving.append(subject_id)

    def owner(self, pin: str | None) -> Owner:
        """Whose key seals what is about this PIN, who must be enrolled; the place's without one."""
        return PLACE if pin is None else subject(self._ids[pin])

    def known(self, pin: str | None, identity: bytes) -> bytes:
        """What stands in the file for the identity of a punch or row, to know it again.

        The identity itself could be guessed from a PIN and a time; this cannot, once the person's key is destroyed.
        """
        return self._known(None if pin is None else self._ids[pin], identity)

    def candidates(self, identity: bytes) -> list[bytes]:
        """What may stand in the file for an identity of which nobody said whose it is."""
        return [self._known(one, identity) for one in (None, *self._pins)]

    def key(self, pin: str | None) -> bytes:
        """The key that hides a person's entries in the chain, the place's for None."""
        if pin is not None and pin not in self._ids:
            self.enrol([pin])
        return self.keys.secret(self.owner(pin))

    def seal_record(self, pin: str | None, sequence: int, record: bytes) -> bytes:
        """A ledger record as it lies in the file."""
        return self.keys.seal(self.owner(pin), _record(sequence), record)

    def open_record(self, sequence: int, sealed: bytes) -> OpenedRecord | None:
        """The record and what it was committed with; None when that key was destroyed. Raises ChainBroken."""
        try:
            content, key = self.keys.opened(_record(sequence), sealed)
        except KeyDestroyed:
            return None
        except IdentityError as error:
            raise ChainBroken(sequence, f"the sealed record does not open: {error}") from error
        if content.startswith(_OPENING):
            return OpenedRecord(content[_OPENING_END:], b"", content[len(_OPENING) : _OPENING_END])
        return OpenedRecord(content, key)

    def reseal_record(self, sequence: int, sealed: bytes, opening: bytes) -> bytes:
        """A ledger record under the active key of whoever it is about, with the opening that followed from another."""
        opened = self.open_record(sequence, sealed)
        assert opened is not None, "whose key is destroyed is erased, and their records are"
        return self.keys.seal(self.keys.owner_of(sealed), _record(sequence), _OPENING + opening + opened.record)

    def _known(self, subject_id: str | None, identity: bytes) -> bytes:
        key = self._known_keys.get(subject_id)
        if key is None:
            owner = PLACE if subject_id is None else subject(subject_id)
            key = self._known_keys[subject_id] = self.keys.derived(owner, KNOWN)
        return hmac.digest(key, identity, "sha256")[:KNOWN_BYTES]


def _record(sequence: int) -> Binding:
    return Binding("ledger_entry", "record", row_name(sequence))


def in_steps(values: Sequence[bytes], step: int) -> Iterable[Sequence[bytes]]:
    """The values in pieces that fit into one statement."""
    return (values[start : start + step] for start in range(0, len(values), step))


if TYPE_CHECKING:
    _vault: type[RecordVault] = Subjects
    _keys: type[KeyRing] = Subjects
