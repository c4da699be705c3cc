"""The keys of one tenant: root KEK -> tenant KEK -> one key per owner, their states, and rotation as a plan (K1, K3).

Nothing here is stored: every change is handed back as a `KeyRecord`, which the caller makes durable before it gives the
record to `Keyring.load` and anything is sealed with it.
"""

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

import cbor2

from biometric_flow.identity.envelope import (
    KEY_BYTES,
    KEY_ID_BYTES,
    NONCE_BYTES,
    Binding,
    KeyId,
    SealingKey,
    derive,
    key_id_of,
    row_name,
)
from biometric_flow.identity.errors import (
    EnvelopeRefused,
    KeyDestroyed,
    KeyReplaced,
    KeySpent,
    KeyStateInvalid,
    KeyUnknown,
    KeyUnusable,
)

MESSAGES_MAX: Final = 2**32
"""Messages that one key may seal with random nonces of 96 bits (NIST SP 800-38D, section 8.3)."""

Random = Callable[[int], bytes]
"""As many random bytes as asked for; the operating system's generator outside tests."""


class KeyKind(StrEnum):
    """What a key is for."""

    ROOT = "root"
    TENANT = "tenant"
    PLACE = "place"
    """What belongs to a place or gateway and to no person."""
    PERSON = "person"
    """A person in the register of the gateway, at whichever places they are a subject."""
    SUBJECT = "subject"
    """Everything about one person: name, PIN, templates, records, commitments."""
    DEVICE = "device"
    """Comm key and push secret of one terminal."""
    INTEGRATION = "integration"
    ARCHIVE = "archive"
    """What stands of one person of a place in files that never change."""


KNOWN: Final = b"biometric-flow/known/1"
"""Recognises identities of punches and rows."""
ERASED_KEY: Final = b"biometric-flow/erased-key/2"
"""What an erasure says of the key that it destroyed."""
STORED_PUNCH: Final = b"biometric-flow/stored-punch/1"
"""What the gateway's tables call a punch."""
TOMBSTONES: Final = b"biometric-flow/erased/1"
ERASURES_WANTED: Final = b"biometric-flow/erasure-wanted/1"
RELEASES: Final = b"biometric-flow/release/1"
UPLOADS: Final = b"biometric-flow/archive/1"

PURPOSES: Final[Mapping[KeyKind, tuple[bytes, ...]]] = MappingProxyType(
    {
        KeyKind.SUBJECT: (KNOWN, ERASED_KEY, STORED_PUNCH),
        KeyKind.PLACE: (KNOWN, TOMBSTONES, ERASURES_WANTED, RELEASES, UPLOADS),
    }
)
"""For what `Keyring.derived` gives keys, by kind of owner; these stay the same when the owner's key is replaced."""


class KeyState(StrEnum):
    """Where a key is in its life; only an active one seals, all but destroyed ones open."""

    PENDING = "pending"
    ACTIVE = "active"
    VERIFY_ONLY = "verify-only"
    DESTROYED = "destroyed"


_NEXT: Final = {
    KeyState.PENDING: {KeyState.ACTIVE, KeyState.DESTROYED},
    KeyState.ACTIVE: {KeyState.VERIFY_ONLY, KeyState.DESTROYED},
    KeyState.VERIFY_ONLY: {KeyState.DESTROYED},
    KeyState.DESTROYED: set[KeyState](),
}


class Owner(NamedTuple):
    """Whose key: a person by their random subject id, a terminal by its key, an integration by its name."""

    kind: KeyKind
    name: str


PLACE: Final = Owner(KeyKind.PLACE, "")
ROOT: Final = Owner(KeyKind.ROOT, "")


def subject(subject_id: str) -> Owner:
    """The owner of everything about one person. The id is random and never derived from a PIN."""
    return Owner(KeyKind.SUBJECT, subject_id)


def subject_at(place: str, subject_id: str) -> Owner:
    """The owner of everything about one person of one place, at the gateway, which knows several places."""
    return Owner(KeyKind.SUBJECT, f"{place}/{subject_id}")


def person(person_id: str) -> Owner:
    """The owner of what the register says of a person, by their random id."""
    return Owner(KeyKind.PERSON, person_id)


def archived_at(place: str, subject_id: str) -> Owner:
    """The owner of a person's rows in the archive's files of one place."""
    return Owner(KeyKind.ARCHIVE, f"{place}/{subject_id}")


def device(key: str) -> Owner:
    """The owner of one terminal's secrets, by the terminal's key."""
    return Owner(KeyKind.DEVICE, key)


def integration(name: str) -> Owner:
    """The owner of one integration's secrets."""
    return Owner(KeyKind.INTEGRATION, name)


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """One version of one key as it is stored: wrapped under the key above it, never in the clear."""

    id: KeyId
    owner: Owner
    version: int
    state: KeyState
    wrapped_by: KeyId | None = None
    """None for a root key, which its provider keeps, and once destroyed."""
    wrapped: bytes = b""
    reserved: int = 0
    """Messages that were reserved so far, at most MESSAGES_MAX."""

    def turned(self, state: KeyState) -> "KeyRecord":
        """The record in its next state; a destroyed one keeps its id and nothing of the key. Raises KeyStateInvalid."""
        if state not in _NEXT[self.state]:
            raise KeyStateInvalid(f"expected a key that may become {state}, got a {self.state} one")
        if state is KeyState.DESTROYED:
            return replace(self, state=state, wrapped_by=None, wrapped=b"")
        return replace(self, state=state)

    def reserving(self, messages: int) -> "KeyRecord":
        """The record with more messages reserved. Raises KeySpent when that is more than a key may seal."""
        if self.reserved + messages > MESSAGES_MAX:
            raise KeySpent(f"the {self.owner.kind} key has sealed its {MESSAGES_MAX} messages; make its next version")
        return replace(self, reserved=self.reserved + messages)


class RootKeys(Protocol):
    """Where the root KEK lives: a file, a token, a service. The key itself never leaves a provider (K2).

    All methods raise KeyUnusable for what an operator must mend, RootKeyUnavailable for what may pass.
    """

    def ids(self) -> frozenset[KeyId]:
        """The root keys that are there."""
        ...

    def make(self, key: KeyId) -> None:
        """Make a root key of this id, durably; nothing happens when there is one."""
        ...

    def wrap(self, key: KeyId, secret: bytes, associated: bytes) -> bytes:
        """The secret under this root key."""
        ...

    def unwrap(self, key: KeyId, wrapped: bytes, associated: bytes) -> bytes:
        """The secret again. Raises EnvelopeRefused when it was altered or belongs elsewhere."""
        ...

    def destroy(self, key: KeyId) -> None:
        """Destroy the root key for good; nothing happens when there is none."""
        ...


class _Held:
    """A key in the clear, in memory, as it is wrapped: 32 bytes, and behind them what outlasts the versions before it.

    That is CBOR of `[since, {purpose: key}]`: the first of the versions that were replaced one after the other, which
    were destroyed for good, and keys that were derived from them. Nothing that they sealed follows from such a key.
    """

    __slots__ = ("cipher", "content", "kept", "left", "secret", "since")

    def __init__(self, record: KeyRecord, content: bytes) -> None:
        secret, kept = content[:KEY_BYTES], content[KEY_BYTES:]
        self.cipher, self.secret, self.content, self.left = SealingKey(record.id, secret), secret, content, 0
        self.since: int
        self.kept: dict[bytes, bytes]
        self.since, self.kept = cbor2.loads(kept) if kept else (record.version, {})


class Keyring:
    """The keys of one tenant, unwrapped as they are needed. One writer; reading from other threads is safe."""

    def __init__(
        self, tenant: str, root: RootKeys, records: Iterable[KeyRecord] = (), random: Random = secrets.token_bytes
    ) -> None:
        self.tenant, self._root, self._random = tenant, root, random
        self._records: dict[KeyId, KeyRecord] = {}
        self._active: dict[Owner, KeyRecord] = {}
        self._held: dict[KeyId, _Held] = {}
        self._versions: dict[Owner, list[KeyId]] = {}
        for record in records:
            self.load(record)

    def load(self, record: KeyRecord) -> None:
        """Take in a record that is durable by now, new or changed."""
        before = self._records.get(record.id)
        if before is None:
            self._versions.setdefault(record.owner, []).append(record.id)
        self._records[record.id] = record
        if before is not None and before.wrapped != record.wrapped:
            self._renew(record)
        if record.state is KeyState.ACTIVE:
            self._active[record.owner] = record
        else:
            if self._active.get(record.owner, record).id == record.id:
                self._active.pop(record.owner, None)
            if record.state is KeyState.DESTROYED:
                self._forget(record.id)

    def drop(self, owner: Owner) -> None:
        """Have an owner's keys in memory no more; what was reserved for them is wasted."""
        self._active.pop(owner, None)
        for key in self._versions.pop(owner, ()):
            self._held.pop(key, None)
            del self._records[key]

    def active(self, owner: Owner) -> KeyRecord | None:
        """The key that seals for this owner, None when there is none."""
        return self._active.get(owner)

    def records(self) -> list[KeyRecord]:
        """All records that were loaded."""
        return list(self._records.values())

    def versions(self, owner: Owner) -> list[KeyRecord]:
        """Every version of an owner's key, oldest first."""
        return sorted((self._records[key] for key in self._versions.get(owner, ())), key=lambda one: one.version)

    def make(
        self, owner: Owner, state: KeyState = KeyState.ACTIVE, version: int | None = None, secret: bytes | None = None
    ) -> KeyRecord:
        """A new key for this owner: its next version, wrapped under the active key above it, not loaded yet.

        A `secret` is given only to take over a key that was made elsewhere. A root key is made by its provider at once.
        """
        if version is None:
            version = max((one.version for one in self.versions(owner)), default=0) + 1
        record = KeyRecord(KeyId(self._random(KEY_ID_BYTES)), owner, version, state)
        if owner.kind is KeyKind.ROOT:
            self._root.make(record.id)
            return record
        return self._wrapped(record, secret or self._random(KEY_BYTES))

    def rewrapped(self, record: KeyRecord) -> KeyRecord:
        """The same key under the key above it that is active now."""
        return self._wrapped(record, self._content(record))

    def succeeding(self, owner: Owner) -> KeyRecord:
        """The active key with what has to outlast all versions before it, so that these can be destroyed."""
        record = self._active.get(owner)
        if record is None:
            raise KeyUnknown(f"expected an active key for this {owner.kind}, there is none")
        living = [one for one in self.versions(owner) if one.state is not KeyState.DESTROYED]
        kept = dict(self._hold(record.id).kept)
        kept |= {purpose: self.derived(owner, purpose) for purpose in PURPOSES.get(owner.kind, ())}
        since = min(self._hold(one.id).since for one in living)
        return self._wrapped(record, self._hold(record.id).secret + cbor2.dumps([since, kept], canonical=True))

    def grant(self, key: KeyId, messages: int) -> None:
        """These many messages were reserved durably for this process."""
        self._hold(key).left += messages

    def grant_if_active(self, key: KeyId, messages: int) -> None:
        """The same for a key that may seal no more by now: then they are wasted."""
        if self._record(key).state is KeyState.ACTIVE:
            self.grant(key, messages)

    def left(self, key: KeyId) -> int:
        """Messages that may still be sealed before more are reserved."""
        held = self._held.get(key)
        return held.left if held else 0

    def seal(self, owner: Owner, binding: Binding, plaintext: bytes) -> bytes:
        """An envelope under the owner's active key. Raises KeyUnknown, or KeySpent when nothing is reserved."""
        record = self._active.get(owner)
        if record is None:
            raise KeyUnknown(f"expected an active key for this {owner.kind}, there is none")
        held = self._hold(record.id)
        if held.left <= 0:
            raise KeySpent(f"expected reserved messages for this {owner.kind} key, none are left")
        held.left -= 1
        return held.cipher.seal(binding.associated(self.tenant), plaintext, self._random(NONCE_BYTES))

    def open(self, owner: Owner, binding: Binding, envelope: bytes) -> bytes:
        """What was sealed for this owner, here. Raises KeyUnknown, KeyDestroyed, EnvelopeRefused or EnvelopeInvalid."""
        key = key_id_of(envelope)
        if self._record(key).owner != owner:
            raise EnvelopeRefused("the envelope was sealed for somebody or something else")
        return self._hold(key).cipher.unseal(binding.associated(self.tenant), envelope)

    def opened(self, binding: Binding, envelope: bytes) -> tuple[bytes, bytes]:
        """What was sealed here for whomever, and the secret of the key. Raises what `open` raises."""
        key = key_id_of(envelope)
        held = self._hold(key)
        return held.cipher.unseal(binding.associated(self.tenant), envelope), held.secret

    def knows(self, key: KeyId) -> bool:
        """Was this key loaded?"""
        return key in self._records

    def owner_of(self, key: KeyId) -> Owner:
        """Whose key this is. Raises KeyUnknown."""
        return self._record(key).owner

    def is_erased(self, key: KeyId) -> bool:
        """Was it destroyed without having been replaced? Raises KeyUnknown."""
        record = self._record(key)
        return record.state is KeyState.DESTROYED and not self._was_replaced(record)

    def check(self, record: KeyRecord) -> None:
        """See that a record is one that this program makes and that its key opens. Raises IdentityError."""
        is_kept = record.owner.kind is not KeyKind.ROOT and record.state is not KeyState.DESTROYED
        if is_kept != bool(record.wrapped) or is_kept != (record.wrapped_by is not None):
            raise KeyUnusable("expected the key above it to be named where there is something under it, and only there")
        if not 0 <= record.reserved <= MESSAGES_MAX:
            raise KeySpent(f"expected 0 to {MESSAGES_MAX} messages under it, got {record.reserved}")
        if is_kept:
            self._unwrapped(record)
        elif record.state is not KeyState.DESTROYED and record.id not in self._root.ids():
            raise KeyUnusable("it is not there")

    def secret(self, key: KeyId) -> bytes:
        """The 32 bytes themselves, for commitments and for `derived`. Raises KeyUnknown or KeyDestroyed."""
        return self._hold(key).secret

    def derived(self, owner: Owner, purpose: bytes) -> bytes:
        """A key for one of `PURPOSES`, derived from the first version there was, so that it outlasts rotation."""
        if purpose not in PURPOSES.get(owner.kind, ()):
            raise KeyStateInvalid(f"expected a purpose that outlasts rotations of a {owner.kind} key, got another one")
        for record in self.versions(owner):
            if record.state is not KeyState.DESTROYED:
                held = self._hold(record.id)
                return held.kept.get(purpose) or derive(held.secret, purpose)
        raise KeyUnknown(f"expected a key for this {owner.kind}, there is none")

    def _record(self, key: KeyId) -> KeyRecord:
        record = self._records.get(key)
        if record is None:
            raise KeyUnknown("the envelope names a key that is not in this key store; restore the keys beside the data")
        return record

    def _hold(self, key: KeyId) -> _Held:
        held = self._held.get(key)
        if held is None:
            # Two threads may unwrap the same key at once; the reservations of one of them must not be lost.
            record = self._record(key)
            held = self._held.setdefault(key, _Held(record, self._content(record)))
        return held

    def _renew(self, record: KeyRecord) -> None:
        """What is wrapped of an owner's key may be more than it was; a tenant key never is."""
        held = self._held.get(record.id)
        if held is None or not record.wrapped or record.owner.kind is KeyKind.TENANT:
            return
        fresh = _Held(record, self._unwrapped(record))
        fresh.left = held.left
        self._held[record.id] = fresh

    def _forget(self, key: KeyId) -> None:
        """A destroyed key is gone from memory, and so is what was still under it (K4)."""
        self._held.pop(key, None)
        for held in list(self._held):
            if self._records[held].wrapped_by == key:
                self._forget(held)

    def _was_replaced(self, record: KeyRecord) -> bool:
        active = self._active.get(record.owner)
        return active is not None and self._hold(active.id).since <= record.version < active.version

    def _content(self, record: KeyRecord) -> bytes:
        held = self._held.get(record.id)
        return self._unwrapped(record) if held is None else held.content

    def _unwrapped(self, record: KeyRecord) -> bytes:
        if record.state is KeyState.DESTROYED and self._was_replaced(record):
            raise KeyReplaced(
                f"the {record.owner.kind} key was replaced and destroyed since this was sealed: data of before open"
                " with the key store of their time only; put back the one that was kept with them"
            )
        if record.state is KeyState.DESTROYED or record.wrapped_by is None:
            raise KeyDestroyed(f"the {record.owner.kind} key was destroyed; what it sealed stays closed")
        associated = _wrap_binding(record).associated(self.tenant)
        if record.owner.kind is KeyKind.TENANT:
            return self._root.unwrap(record.wrapped_by, record.wrapped, associated)
        return self._hold(record.wrapped_by).cipher.unseal(associated, record.wrapped)

    def _wrapped(self, record: KeyRecord, content: bytes) -> KeyRecord:
        """Wrapped under what is active above: messages of a tenant KEK are not counted, owners are far below 2^32."""
        above = ROOT if record.owner.kind is KeyKind.TENANT else Owner(KeyKind.TENANT, self.tenant)
        wrapper = self._active.get(above)
        if wrapper is None:
            raise KeyUnknown(f"expected an active {above.kind} key above a {record.owner.kind} key, there is none")
        associated = _wrap_binding(record).associated(self.tenant)
        if above is ROOT:
            wrapped = self._root.wrap(wrapper.id, content, associated)
        else:
            wrapped = self._hold(wrapper.id).cipher.seal(associated, content, self._random(NONCE_BYTES))
        return replace(record, wrapped_by=wrapper.id, wrapped=wrapped)


def _wrap_binding(record: KeyRecord) -> Binding:
    return Binding("key", "wrapped", row_name(record.id, record.owner.kind, record.owner.name, record.version))
