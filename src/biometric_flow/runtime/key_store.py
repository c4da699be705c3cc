"""The keys of one tenant at a place or gateway: seals and opens what is kept, over a store of its own (K1, E2).

The key store lies apart from the data and from backups of it: a folder of mode 0700 with the root keys, or none when a
token holds them, and `keys.sqlite3`, in which every key is wrapped under the one above it. A key is on the disk before
anything that it seals, and a key that was destroyed is on the disk no more when `destroy` returns.

A place has all its keys in memory. Where there are too many for that, those of the owners used last are (`held`); then
several processes of one machine may use the same store, and what another one wrote is seen before the next write.
"""

import sqlite3
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from biometric_flow.identity.envelope import Binding, KeyId, key_id_of
from biometric_flow.identity.errors import EnvelopeInvalid, EnvelopeRefused, IdentityError, KeyUnusable
from biometric_flow.identity.keyring import (
    MESSAGES_MAX,
    ROOT,
    KeyKind,
    KeyRecord,
    Keyring,
    KeyState,
    Owner,
    RootKeys,
)
from biometric_flow.identity.rotation import Activate, Destroy, Make, Rewrap, Step, plan
from biometric_flow.ledger.errors import StorageUnavailable
from biometric_flow.runtime.errors import FolderUnusable
from biometric_flow.runtime.key_file import FILE_NAME, KeyFile, open_file, read_file

RESERVED: Final = 2**16
"""Messages reserved at once and durably, so that a count is kept without a write for each."""

TURNED_AT: Final = MESSAGES_MAX // 2
"""Messages after which an owner gets a next version; what is under way then may still be finished with the old one."""

REWRAPPED_AT_ONCE: Final = 500
"""Keys wrapped anew in one transaction; between two of them punches are recorded."""

_ALWAYS: Final = frozenset({KeyKind.ROOT, KeyKind.TENANT})
"""Kinds whose keys are always in memory."""
_ABOVE: Final = "WHERE kind IN ('root', 'tenant')"


class KeyStore:
    """Seals and opens. Methods that make or change keys raise StorageUnavailable when the disk does not take it.

    With `held`, the keys of at most so many owners are in memory; the others are read when they are asked for.
    """

    def __init__(self, tenant: str, file: KeyFile, root: RootKeys, held: int | None = None) -> None:
        self._file, self._root, self._held = file, root, held
        self._tenant_owner = Owner(KeyKind.TENANT, tenant)
        self._lock = threading.RLock()
        self._loaded: OrderedDict[Owner, None] = OrderedDict()
        self._seen = file.version()
        self._unloaded: list[KeyRecord] = []
        self._reserved: dict[KeyId, int] = {}
        """Messages reserved here for keys that were read anew since."""
        self._ring = Keyring(tenant, root, file.read("" if held is None else _ABOVE))
        self._begin()

    def seal(self, owner: Owner, binding: Binding, plaintext: bytes) -> bytes:
        """An envelope for this owner that opens in this place of the tables only; a key is made when there is none."""
        with self._lock:
            self._refresh()  # whoever replaces keys destroys the old ones: nothing more may be sealed with these
            self.load([owner])
            self._reserve(owner)
            return self._ring.seal(owner, binding, plaintext)

    def open(self, owner: Owner, binding: Binding, envelope: bytes) -> bytes:
        """What was sealed. Raises KeyUnknown, KeyDestroyed, EnvelopeRefused or EnvelopeInvalid."""
        if self._held is None:
            return self._ring.open(owner, binding, envelope)
        with self._lock:
            self.load([owner])
            self._found(key_id_of(envelope))
            return self._ring.open(owner, binding, envelope)

    def opened(self, binding: Binding, envelope: bytes) -> tuple[bytes, bytes]:
        """What was sealed for whomever, and the secret of the key that sealed it. Raises what `open` raises."""
        if self._held is None:
            return self._ring.opened(binding, envelope)
        with self._lock:
            self._found(key_id_of(envelope))
            return self._ring.opened(binding, envelope)

    def unseal(self, binding: Binding, envelope: bytes) -> bytes:
        """What was sealed, whoever's key it is under, where the row does not say whose. Raises what `open` does."""
        return self.opened(binding, envelope)[0]

    def is_destroyed(self, envelope: bytes) -> bool:
        """Was the key destroyed that this is under, with all of its owner's? Raises EnvelopeInvalid or KeyUnknown.

        One that was replaced before it was destroyed does not count: who asks has data of another time than the keys.
        """
        with self._lock:
            self._refresh()
            return self._ring.is_erased(self._found(key_id_of(envelope)))

    def load_for(self, envelopes: Iterable[bytes]) -> None:
        """Have the keys that open these envelopes in memory."""
        with self._lock:
            self.load(self.owners(map(key_id_of, envelopes)).values())

    def owners(self, keys: Iterable[KeyId]) -> dict[KeyId, Owner]:
        """Whose keys these are; those that are not in this store are left out."""
        with self._lock:
            return self._file.owners(keys)

    def owner_of(self, envelope: bytes) -> Owner:
        """For whom an envelope was sealed. Raises EnvelopeInvalid or KeyUnknown."""
        with self._lock:
            return self._ring.owner_of(self._found(key_id_of(envelope)))

    def secret(self, owner: Owner) -> bytes:
        """The secret of the owner's active key, made when there is none, for commitments."""
        with self._lock:
            self.load([owner])
            if self._ring.active(owner) is None:
                self.prepare([owner])
            record = self._ring.active(owner)
            assert record is not None
            return self._ring.secret(record.id)

    def derived(self, owner: Owner, purpose: bytes) -> bytes:
        """A 32-byte key for one of the owner's `PURPOSES`; it stays the same when the owner's key is replaced."""
        with self._lock:
            self.load([owner])
            if self._ring.active(owner) is None:
                self.prepare([owner])
            return self._ring.derived(owner, purpose)

    def has(self, owner: Owner) -> bool:
        """Is there a key that seals for this owner?"""
        with self._lock:
            self.load([owner])
            return self._ring.active(owner) is not None

    def load(self, owners: Iterable[Owner]) -> None:
        """Have the keys of these owners in memory: one question for many, where they would be read one by one."""
        if self._held is None:
            return
        with self._lock:
            wanted = dict.fromkeys(one for one in owners if one.kind not in _ALWAYS)
            if any(one not in self._loaded for one in wanted):
                self._refresh()
            missing = [one for one in wanted if one not in self._loaded]
            for record in self._file.of_owners(missing):
                self._ring.load(record)
                if left := self._reserved.pop(record.id, 0):
                    self._ring.grant_if_active(record.id, left)
            for one in wanted:
                self._loaded[one] = None
                self._loaded.move_to_end(one)
            while len(self._loaded) > max(self._held, len(wanted)):
                self._ring.drop(self._loaded.popitem(last=False)[0])

    def prepare(self, owners: Iterable[Owner]) -> None:
        """Make what keys are missing, and reserve messages, in one transaction for all of them.

        Here an owner gets a next version long before it must: between two calls all is sealed with the same one.
        """
        with self._lock:
            changed: list[KeyRecord] = []
            wanted = dict.fromkeys(owners)
            self._refresh()
            self.load(wanted)
            if all(map(self._is_ready, wanted)):
                return
            with self._writing():
                self.load(wanted)
                for owner in wanted:
                    if not self._is_ready(owner):
                        changed += self._readied(owner)
                self._keep(changed)
            for record in changed:
                if record.state is KeyState.ACTIVE:
                    self._ring.grant(record.id, RESERVED)

    def adopt(self, secrets: Mapping[Owner, bytes]) -> None:
        """Take over keys that were made before there was a key store; they seal from now on."""
        with self._lock, self._writing():
            changed: list[KeyRecord] = []
            self.load(secrets)
            for owner, secret in secrets.items():
                active = self._ring.active(owner)
                if active is not None and self._ring.secret(active.id) == secret:
                    continue
                changed += [] if active is None else [active.turned(KeyState.VERIFY_ONLY)]
                changed.append(self._ring.make(owner, secret=secret))
            self._keep(changed)

    def destroy(self, owner: Owner) -> int:
        """Destroy every version of an owner's key, durably; how many there were. What they sealed stays closed."""
        return self.destroy_all([owner])

    def destroy_all(self, owners: Iterable[Owner]) -> int:
        """Destroy every version of the keys of these owners, durably and in one transaction; how many there were."""
        with self._lock, self._writing():
            wanted = dict.fromkeys(owners)
            self.load(wanted)
            versions = [one for owner in wanted for one in self._ring.versions(owner)]
            live = [one for one in versions if one.state is not KeyState.DESTROYED]
            self._keep([one.turned(KeyState.DESTROYED) for one in live])
            return len(live)

    def versions(self, owner: Owner) -> list[KeyRecord]:
        """Every version of an owner's key, destroyed ones too."""
        with self._lock:
            self.load([owner])
            return self._ring.versions(owner)

    def records(self) -> list[KeyRecord]:
        """Every key, wrapped, as it stands in the file."""
        with self._lock:
            return self._file.all()

    def filed(self) -> tuple[str, Keyring, list[KeyRecord]]:
        """What is wrong with the file itself, empty for nothing, and what is in it, of which nothing is remembered."""
        with self._lock:
            try:
                fault, records = self._file.fault(), self._file.all()
            except (sqlite3.Error, ValueError) as error:  # ValueError: a value that no key has, or no text
                fault, records = str(error), []
        return fault, Keyring(self.tenant, self._root, records), records

    def counts(self) -> Counter[tuple[str, str]]:
        """How many keys there are of each kind in each state."""
        with self._lock:
            return self._file.counts()

    def rotation(self, owner: Owner, *, begin: bool = False) -> list[Step]:
        """What is left to do of a rotation of the root or the tenant key."""
        with self._lock:
            return plan(self._ring.versions(owner), owner, begin=begin, below=self._file.below())

    @property
    def tenant(self) -> str:
        """Whose keys these are."""
        return self._tenant_owner.name

    @property
    def tenant_owner(self) -> Owner:
        """Whose key is above all owners' keys."""
        return self._tenant_owner

    def take(self, step: Step) -> None:
        """Do one step of a rotation, or one piece of it, durably; safe to be killed in, safe to be done again."""
        with self._lock, self._writing():
            match step:
                case Make(owner):
                    self._keep([self._ring.make(owner, KeyState.PENDING)])
                case Activate(key):
                    self._activate(key)
                case Rewrap(under=under):
                    below = self._file.read("WHERE wrapped_by = ? LIMIT ?", (under, REWRAPPED_AT_ONCE))
                    self._keep([self._ring.rewrapped(one) for one in below])
                case Destroy(key):
                    self._destroy_version(key)

    def turn(self, kind: KeyKind) -> None:
        """Give every owner of a kind a next key, durably; the one before opens only, until `retire`."""
        with self._lock:
            fresh: list[KeyRecord] = []
            with self._writing():
                owners = {one.owner for one in self._file.read("WHERE kind = ?", (kind,))}
                self.load(owners)
                before = [one for owner in sorted(owners) if (one := self._ring.active(owner)) is not None]
                fresh = [self._ring.make(one.owner).reserving(RESERVED) for one in before]
                self._keep([*(one.turned(KeyState.VERIFY_ONLY) for one in before), *fresh])
            for record in fresh:
                self._ring.grant(record.id, RESERVED)

    def retiring(self, kind: KeyKind) -> list[KeyRecord]:
        """Keys of a kind that open only."""
        with self._lock:
            return self._file.read("WHERE kind = ? AND state = ?", (kind, KeyState.VERIFY_ONLY))

    def retire(self, kind: KeyKind) -> None:
        """Destroy them, durably: nothing may be sealed under them any more. Safe to be killed in, and done again.

        What was derived from them outlasts them with the key that is active.
        """
        while self._retire_some(kind):
            pass

    def _retire_some(self, kind: KeyKind) -> int:
        with self._lock, self._writing():
            old = self._file.read(
                "WHERE kind = ? AND state = ? LIMIT ?", (kind, KeyState.VERIFY_ONLY, REWRAPPED_AT_ONCE)
            )
            owners = sorted({one.owner for one in old})
            self.load(owners)
            changed = [self._ring.succeeding(owner) for owner in owners]
            for owner in owners:
                replaced = [one for one in self._ring.versions(owner) if one.state is KeyState.VERIFY_ONLY]
                changed += [one.turned(KeyState.DESTROYED) for one in replaced]
            self._keep(changed)
            return len(old)

    def close(self) -> None:
        """Close the key store, once whoever writes in another thread is done: SQLite does not survive less."""
        with self._lock:
            self._file.close()

    def _reserve(self, owner: Owner) -> None:
        record = self._ring.active(owner)
        if record is None or (self._ring.left(record.id) <= 0 and record.reserved + RESERVED > MESSAGES_MAX):
            self.prepare([owner])
        elif self._ring.left(record.id) <= 0:
            with self._writing():
                self.load([owner])
                self._keep([(self._ring.active(owner) or record).reserving(RESERVED)])
            self._ring.grant(record.id, RESERVED)

    def _is_ready(self, owner: Owner) -> bool:
        record = self._ring.active(owner)
        return record is not None and self._ring.left(record.id) > 0

    def _readied(self, owner: Owner) -> list[KeyRecord]:
        record = self._ring.active(owner)
        if record is None:
            return [self._ring.make(owner).reserving(RESERVED)]
        if record.reserved < TURNED_AT:
            return [record.reserving(RESERVED)]
        return [record.turned(KeyState.VERIFY_ONLY), self._ring.make(owner).reserving(RESERVED)]

    def _activate(self, key: KeyId) -> None:
        (pending,) = self._file.read("WHERE id = ?", (key,))
        before = self._ring.active(pending.owner)
        turned = [] if before is None else [before.turned(KeyState.VERIFY_ONLY)]
        self._keep([*turned, pending.turned(KeyState.ACTIVE)])

    def _destroy_version(self, key: KeyId) -> None:
        (record,) = self._file.read("WHERE id = ?", (key,))
        if record.owner == ROOT:
            self._root.destroy(key)
        self._keep([record.turned(KeyState.DESTROYED)])

    def _begin(self) -> None:
        """The first root, tenant and place key; afterwards nothing. A root that is gone is never replaced silently."""
        if self._ring.active(ROOT) is None:
            with self._writing():
                self._look_again()
                self._begin_root()
        root = self._ring.active(ROOT)
        assert root is not None
        if root.id not in self._root.ids():
            raise KeyUnusable(
                f"expected the root key {root.id.hex()} of this key store, it is not there: without it nothing that "
                "was sealed can be read; put back the root key file, or the token, that belongs to this key store"
            )
        if self._ring.active(self._tenant_owner) is None:
            with self._writing():
                self._look_again()
                if self._ring.active(self._tenant_owner) is None:
                    self._keep([self._ring.make(self._tenant_owner)])
        tenant = self._ring.active(self._tenant_owner)
        assert tenant is not None
        try:
            self._ring.secret(tenant.id)  # unwrapped once and kept: a token that goes away later stops nobody
        except (EnvelopeRefused, EnvelopeInvalid) as error:
            raise KeyUnusable(f"the tenant's key in this key store does not open with its root key: {error}") from None

    def _look_again(self) -> None:
        """Another process may have begun the same store since it was read: its keys are this one's too."""
        for record in self._file.read(_ABOVE):
            self._ring.load(record)

    def _begin_root(self) -> None:
        if self._ring.active(ROOT) is not None:
            return
        if self._file.read("LIMIT 1"):
            raise KeyUnusable("the key store names no active root key; restore it beside its root key")
        self._keep([self._ring.make(ROOT)])

    def _found(self, key: KeyId) -> KeyId:
        """The key, with its owner's others in memory."""
        if self._held is not None and not self._ring.knows(key):
            self._refresh()
            self.load(self._file.owners([key]).values())
        return key

    def _keep(self, records: list[KeyRecord]) -> None:
        """Write them, within `_writing`; in use once that is durable."""
        self._file.keep(records)
        self._unloaded += records

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One transaction that sees what other processes wrote; durable first, then in use."""
        self._unloaded = []
        with self._file.writing():
            self._refresh()
            yield
        for record in self._unloaded:
            if self._held is None or record.owner.kind in _ALWAYS or record.owner in self._loaded:
                self._ring.load(record)

    def _refresh(self) -> None:
        """Read anew what another process may have changed since."""
        if self._held is None or (version := self._file.version()) == self._seen:
            return
        self._seen = version
        while self._loaded:
            owner, _ = self._loaded.popitem()
            active = self._ring.active(owner)
            if active is not None and (left := self._ring.left(active.id)):
                self._reserved[active.id] = left
            self._ring.drop(owner)
        for record in self._file.read(_ABOVE):
            self._ring.load(record)


def open_keys(folder: Path, tenant: str, root: RootKeys, held: int | None = None) -> KeyStore:
    """The key store in this folder, made when there is none; `held` as KeyStore has it. Raises FolderUnusable."""
    file = folder / FILE_NAME
    try:
        return KeyStore(tenant, open_file(file), root, held)
    except (sqlite3.Error, OSError, ValueError) as error:  # ValueError: a value that no key has, or no text
        raise FolderUnusable(f"cannot use the key store {file}: {error}; check the disk, or restore it") from None
    except IdentityError as error:
        raise FolderUnusable(str(error)) from None


def read_keys(folder: Path, tenant: str | None, root: RootKeys) -> KeyStore:
    """The key store as another process made it, to open with only; None for whatever tenant's it is.

    Raises FolderUnusable.
    """
    file = folder / FILE_NAME
    try:
        held = read_file(file)
        if tenant is None:
            tenants = held.read("WHERE kind = 'tenant' LIMIT 1")
            tenant = tenants[0].owner.name if tenants else ""
        return KeyStore(tenant, held, root)
    except (sqlite3.Error, OSError, ValueError, StorageUnavailable) as error:
        raise FolderUnusable(
            f"cannot read the key store {file}: {error}; restore it, or start the place once"
        ) from None
    except IdentityError as error:
        raise FolderUnusable(str(error)) from None
