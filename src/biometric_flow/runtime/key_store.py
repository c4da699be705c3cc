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
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from biometric_flow.identity.envelope import Binding, KeyId, key_id_of
from biometric_flow.identity.errors import IdentityError, KeyUnusable
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
from biometric_flow.identity.root_file import RootKeyFile
from biometric_flow.identity.rotation import Activate, Destroy, Make, Rewrap, Step, plan
from biometric_flow.ledger.errors import StorageUnavailable
from biometric_flow.runtime.errors import FolderUnusable

FILE_NAME: Final = "keys.sqlite3"
ROOT_FILE_NAME: Final = "root-keys.json"

RESERVED: Final = 2**16
"""Messages reserved at once and durably, so that a count is kept without a write for each."""

TURNED_AT: Final = MESSAGES_MAX // 2
"""Messages after which an owner gets a next version; what is under way then may still be finished with the old one."""

REWRAPPED_AT_ONCE: Final = 500
"""Keys wrapped anew in one transaction; between two of them punches are recorded."""

_SCHEMA: Final = """
CREATE TABLE key (
    id         BLOB PRIMARY KEY,
    kind       TEXT NOT NULL,
    owner      TEXT NOT NULL,              -- a random subject id, a terminal's key, an integration's name; never a PIN
    version    INTEGER NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('pending', 'active', 'verify-only', 'destroyed')),
    wrapped_by BLOB,
    wrapped    BLOB NOT NULL,
    reserved   INTEGER NOT NULL,           -- messages
    UNIQUE (kind, owner, version)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX key_active ON key (kind, owner) WHERE state = 'active';
CREATE INDEX key_wrapped_by ON key (wrapped_by);
"""
_COLUMNS: Final = "id, kind, owner, version, state, wrapped_by, wrapped, reserved"
_ALWAYS: Final = frozenset({KeyKind.ROOT, KeyKind.TENANT})
"""Kinds whose keys are always in memory."""
_ABOVE: Final = "WHERE kind IN ('root', 'tenant')"
_ASKED_AT_ONCE: Final = 400
"""Owners in one question: SQLite takes 999 values in one where it was built long ago."""


@dataclass(frozen=True, slots=True)
class Token:
    """A PKCS#11 token: its library, label and PIN."""

    module: str
    label: str
    pin: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Service:
    """A cloud key service (AWS KMS): what its aliases begin with, its region, its address where it is not the usual."""

    prefix: str
    region: str | None = None
    endpoint: str | None = None


class KeyStore:
    """Seals and opens. Methods that make or change keys raise StorageUnavailable when the disk does not take it.

    With `held`, the keys of at most so many owners are in memory; the others are read when they are asked for.
    """

    def __init__(self, tenant: str, connection: sqlite3.Connection, root: RootKeys, held: int | None = None) -> None:
        self._connection, self._root, self._held = connection, root, held
        self._tenant_owner = Owner(KeyKind.TENANT, tenant)
        self._lock = threading.RLock()
        self._loaded: OrderedDict[Owner, None] = OrderedDict()
        self._seen = self._data_version()
        self._unloaded: list[KeyRecord] = []
        self._ring = Keyring(tenant, root, self._read("" if held is None else _ABOVE))
        self._begin()

    def seal(self, owner: Owner, binding: Binding, plaintext: bytes) -> bytes:
        """An envelope for this owner that opens in this place of the tables only; a key is made when there is none."""
        with self._lock:
            self.load([owner])
            self._reserve(owner)
            return self._ring.seal(owner, binding, plaintext)

    def open(self, owner: Owner, binding: Binding, envelope: bytes) -> bytes:
        """What was sealed. Raises KeyUnknown, KeyDestroyed, EnvelopeRefused or EnvelopeInvalid."""
        if self._held is None:
            return self._ring.open(owner, binding, envelope)
        with self._lock:
            self.load([owner])
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
        """Was the key destroyed that this envelope is under? Raises EnvelopeInvalid or KeyUnknown."""
        with self._lock:
            key = self._found(key_id_of(envelope))
            owner = self._ring.owner_of(key)
            return any(one.id == key and one.state is KeyState.DESTROYED for one in self._ring.versions(owner))

    def load_for(self, envelopes: Iterable[bytes]) -> None:
        """Have the keys that open these envelopes in memory."""
        with self._lock:
            self.load(self.owners(map(key_id_of, envelopes)).values())

    def owners(self, keys: Iterable[KeyId]) -> dict[KeyId, Owner]:
        """Whose keys these are; those that are not in this store are left out."""
        wanted = list(dict.fromkeys(keys))
        found: dict[KeyId, Owner] = {}
        with self._lock:
            for first in range(0, len(wanted), _ASKED_AT_ONCE):
                some = wanted[first : first + _ASKED_AT_ONCE]
                marks = ", ".join("?" * len(some))
                rows = self._connection.execute(f"SELECT id, kind, owner FROM key WHERE id IN ({marks})", some)  # noqa: S608
                found |= {KeyId(key): Owner(KeyKind(kind), owner) for key, kind, owner in rows}
        return found

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
        """A 32-byte key for one purpose that stays the same for as long as the owner's first key lives."""
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
            for first in range(0, len(missing), _ASKED_AT_ONCE):
                for record in self._read_of(missing[first : first + _ASKED_AT_ONCE]):
                    self._ring.load(record)
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
            return self._read("ORDER BY kind, owner, version")

    def counts(self) -> Counter[tuple[str, str]]:
        """How many keys there are of each kind in each state."""
        with self._lock:
            rows = self._connection.execute("SELECT kind, state, count(*) FROM key GROUP BY kind, state")
            return Counter({(kind, state): count for kind, state, count in rows})

    def rotation(self, owner: Owner, *, begin: bool = False) -> list[Step]:
        """What is left to do of a rotation of the root or the tenant key."""
        with self._lock:
            rows = self._connection.execute("SELECT wrapped_by, count(*) FROM key GROUP BY wrapped_by")
            below = {KeyId(by): count for by, count in rows if by is not None}
            return plan(self._ring.versions(owner), owner, begin=begin, below=below)

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
                    below = self._read("WHERE wrapped_by = ? LIMIT ?", (under, REWRAPPED_AT_ONCE))
                    self._keep([self._ring.rewrapped(one) for one in below])
                case Destroy(key):
                    self._destroy_version(key)

    def turn(self, kind: KeyKind) -> None:
        """Give every owner of a kind a next key, durably; the one before opens only, until `retire`."""
        with self._lock, self._writing():
            owners = {one.owner for one in self._read("WHERE kind = ?", (kind,))}
            self.load(owners)
            changed: list[KeyRecord] = []
            for owner in sorted(owners):
                active = self._ring.active(owner)
                if active is not None:
                    changed += [active.turned(KeyState.VERIFY_ONLY), self._ring.make(owner)]
            self._keep(changed)

    def retiring(self, kind: KeyKind) -> list[KeyRecord]:
        """Keys of a kind that open only."""
        with self._lock:
            return self._read("WHERE kind = ? AND state = ?", (kind, KeyState.VERIFY_ONLY))

    def retire(self, kind: KeyKind) -> None:
        """Destroy them, durably: nothing may be sealed under them any more."""
        with self._lock, self._writing():
            self._keep([one.turned(KeyState.DESTROYED) for one in self.retiring(kind)])

    def close(self) -> None:
        """Close the key store."""
        self._connection.close()

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
        (pending,) = self._read("WHERE id = ?", (key,))
        before = self._ring.active(pending.owner)
        turned = [] if before is None else [before.turned(KeyState.VERIFY_ONLY)]
        self._keep([*turned, pending.turned(KeyState.ACTIVE)])

    def _destroy_version(self, key: KeyId) -> None:
        (record,) = self._read("WHERE id = ?", (key,))
        if record.owner == ROOT:
            self._root.destroy(key)
        self._keep([record.turned(KeyState.DESTROYED)])

    def _begin(self) -> None:
        """The first root, tenant and place key; afterwards nothing. A root that is gone is never replaced silently."""
        if self._ring.active(ROOT) is None:
            with self._writing():
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
                if self._ring.active(self._tenant_owner) is None:
                    self._keep([self._ring.make(self._tenant_owner)])
        tenant = self._ring.active(self._tenant_owner)
        assert tenant is not None
        # Unwrapped once and kept: a token or service that goes away later stops nobody.
        self._ring.secret(tenant.id)

    def _begin_root(self) -> None:
        if self._ring.active(ROOT) is not None:
            return
        if self._read("LIMIT 1"):
            raise KeyUnusable("the key store names no active root key; restore it beside its root key")
        self._keep([self._ring.make(ROOT)])

    def _found(self, key: KeyId) -> KeyId:
        """The key, with its owner's others in memory."""
        if self._held is not None and not self._ring.knows(key):
            row = self._connection.execute("SELECT kind, owner FROM key WHERE id = ?", (key,)).fetchone()
            self.load([] if row is None else [Owner(KeyKind(row[0]), row[1])])
        return key

    def _read(self, where: str = "", given: tuple[Any, ...] = ()) -> list[KeyRecord]:
        rows = self._connection.execute(f"SELECT {_COLUMNS} FROM key {where}", given)  # noqa: S608 - our own words
        return [_record(row) for row in rows]

    def _read_of(self, owners: list[Owner]) -> list[KeyRecord]:
        # Kind by kind: pairs in one list would not be found by the index.
        names: dict[KeyKind, list[str]] = {}
        for owner in owners:
            names.setdefault(owner.kind, []).append(owner.name)
        found: list[KeyRecord] = []
        for kind, some in names.items():
            found += self._read(f"WHERE kind = ? AND owner IN ({', '.join('?' * len(some))})", (kind.value, *some))
        return found

    def _keep(self, records: list[KeyRecord]) -> None:
        """Write them, within `_writing`; in use once that is durable."""
        self._connection.executemany(
            f"INSERT INTO key ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"  # noqa: S608
            " state = excluded.state, wrapped_by = excluded.wrapped_by, wrapped = excluded.wrapped,"
            " reserved = excluded.reserved",
            [_row(one) for one in records],
        )
        self._unloaded += records

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One transaction that sees what other processes wrote; durable first, then in use."""
        self._unloaded = []
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._refresh()
            yield
            self._connection.execute("COMMIT" if self._unloaded else "ROLLBACK")
        except (sqlite3.Error, OSError) as error:
            raise StorageUnavailable(f"the key store did not take the write, nothing was sealed: {error}") from error
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        for record in self._unloaded:
            if self._held is None or record.owner.kind in _ALWAYS or record.owner in self._loaded:
                self._ring.load(record)

    def _refresh(self) -> None:
        """Read anew what another process may have changed since."""
        if self._held is None or (version := self._data_version()) == self._seen:
            return
        self._seen = version
        while self._loaded:
            self._ring.drop(self._loaded.popitem()[0])
        for record in self._read(_ABOVE):
            self._ring.load(record)

    def _data_version(self) -> int:
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        return int(version)


def open_keys(folder: Path, tenant: str, root: RootKeys, held: int | None = None) -> KeyStore:
    """The key store in this folder, made when there is none; `held` as KeyStore has it. Raises FolderUnusable.

    No WAL: a rollback journal is emptied with its commit, so that no copy of a destroyed key stays behind;
    `secure_delete` overwrites it in the file itself.
    """
    file = folder / FILE_NAME
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)
        connection = _connected(str(file))
        connection.execute("PRAGMA journal_mode = TRUNCATE")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == 0:
            connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = 1; COMMIT;")
        elif version > 1:
            raise FolderUnusable(f"{file} was written by a newer version (schema {version}); this program knows 1")
        return KeyStore(tenant, connection, root, held)
    except (sqlite3.Error, OSError, ValueError) as error:  # ValueError: a value that no key has, or no text
        raise FolderUnusable(f"cannot use the key store {file}: {error}; check the disk, or restore it") from None
    except IdentityError as error:
        raise FolderUnusable(str(error)) from None


def root_keys(folder: Path, where: Token | Service | None = None) -> RootKeys:
    """Where a root key lives: in a token, a service, or a file beside its keys. Raises FolderUnusable."""
    try:
        match where:
            case None:
                return RootKeyFile(folder / ROOT_FILE_NAME)
            case Token():
                from biometric_flow.identity.root_token import RootKeyToken

                return RootKeyToken(where.module, where.label, where.pin)
            case Service():
                from biometric_flow.identity.root_service import RootKeyService

                return RootKeyService(where.prefix, where.region, where.endpoint)
    except ImportError:
        needed = "python-pkcs11 for a token: pip install 'biometric-flow[hsm]'"
        if isinstance(where, Service):
            needed = "boto3 for a key service: pip install 'biometric-flow[kms]'"
        raise FolderUnusable(f"expected {needed}") from None
    except IdentityError as error:
        raise FolderUnusable(str(error)) from None


def read_keys(folder: Path, tenant: str | None, root: RootKeys) -> KeyStore:
    """The key store as another process made it, to open with only; None for whatever tenant's it is.

    Raises FolderUnusable.
    """
    file = folder / FILE_NAME
    try:
        connection = _connected(f"{file.resolve().as_uri()}?mode=ro")
        if tenant is None:
            (tenant,) = connection.execute("SELECT owner FROM key WHERE kind = 'tenant' LIMIT 1").fetchone() or ("",)
        return KeyStore(tenant, connection, root)
    except (sqlite3.Error, OSError, ValueError, StorageUnavailable) as error:
        raise FolderUnusable(
            f"cannot read the key store {file}: {error}; restore it, or start the place once"
        ) from None
    except IdentityError as error:
        raise FolderUnusable(str(error)) from None


def copy_store(file: Path, target: Path) -> None:
    """A key store as it is at one moment, into a file of mode 0600; whoever writes beside is not held up for long.

    Raises FolderUnusable.
    """
    target.unlink(missing_ok=True)
    target.touch(mode=0o600)
    try:
        with (
            closing(_connected(f"{file.resolve().as_uri()}?mode=ro")) as source,
            closing(_connected(str(target))) as copy,
        ):
            source.backup(copy)
    except sqlite3.Error as error:
        raise FolderUnusable(f"cannot copy the key store {file}: {error}; check the disk") from None


def _row(record: KeyRecord) -> tuple[Any, ...]:
    owner = record.owner
    head = (record.id, owner.kind, owner.name, record.version, record.state)
    return (*head, record.wrapped_by, record.wrapped, record.reserved)


def _record(row: tuple[Any, ...]) -> KeyRecord:
    key, kind, owner, version, state, by, wrapped, used = row
    owned = Owner(KeyKind(kind), owner)
    return KeyRecord(KeyId(key), owned, version, KeyState(state), by and KeyId(by), wrapped, used)


def _connected(target: str) -> sqlite3.Connection:
    is_uri = target.startswith("file:")
    return sqlite3.connect(target, uri=is_uri, isolation_level=None, check_same_thread=False, timeout=5)
