"""The keys of a place: seals and opens what its files hold, over a key store of its own (security-design K1, E2).

The key store lies apart from the data and from backups of it: a folder of mode 0700 with the root keys, or none when a
token holds them, and `keys.sqlite3`, in which every key is wrapped under the one above it. A key is on the disk before
anything that it seals, and a key that was destroyed is on the disk no more when `destroy` returns.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

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

KEYS_FOLDER: Final = "keys"
"""Default name of the key store's folder, within the place's."""

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


class PlaceKeys:
    """Seals and opens. Methods that make or change keys raise StorageUnavailable when the disk does not take it."""

    def __init__(self, tenant: str, connection: sqlite3.Connection, root: RootKeys) -> None:
        self._connection, self._root = connection, root
        self._tenant_owner = Owner(KeyKind.TENANT, tenant)
        self._lock = threading.RLock()
        self._ring = Keyring(tenant, root, self._read())
        self._begin()

    def seal(self, owner: Owner, binding: Binding, plaintext: bytes) -> bytes:
        """An envelope for this owner that opens in this place of the tables only; a key is made when there is none."""
        with self._lock:
            self._reserve(owner)
            return self._ring.seal(owner, binding, plaintext)

    def open(self, owner: Owner, binding: Binding, envelope: bytes) -> bytes:
        """What was sealed. Raises KeyUnknown, KeyDestroyed, EnvelopeRefused or EnvelopeInvalid."""
        return self._ring.open(owner, binding, envelope)

    def owner_of(self, envelope: bytes) -> Owner:
        """For whom an envelope was sealed. Raises EnvelopeInvalid or KeyUnknown."""
        return self._ring.owner_of(key_id_of(envelope))

    def secret(self, owner: Owner) -> bytes:
        """The secret of the owner's active key, made when there is none, for commitments."""
        with self._lock:
            if self._ring.active(owner) is None:
                self.prepare([owner])
            record = self._ring.active(owner)
            assert record is not None
            return self._ring.secret(record.id)

    def secret_of(self, envelope: bytes) -> bytes:
        """The secret of the key that sealed this envelope. Raises EnvelopeInvalid, KeyUnknown or KeyDestroyed."""
        return self._ring.secret(key_id_of(envelope))

    def derived(self, owner: Owner, purpose: bytes) -> bytes:
        """A 32-byte key for one purpose that stays the same for as long as the owner's first key lives."""
        with self._lock:
            if self._ring.active(owner) is None:
                self.prepare([owner])
            return self._ring.derived(owner, purpose)

    def has(self, owner: Owner) -> bool:
        """Is there a key that seals for this owner?"""
        return self._ring.active(owner) is not None

    def prepare(self, owners: Iterable[Owner]) -> None:
        """Make what keys are missing, and reserve messages, in one transaction for all of them.

        Here an owner gets a next version long before it must: between two calls all is sealed with the same one.
        """
        with self._lock:
            changed: list[KeyRecord] = []
            for owner in dict.fromkeys(owners):
                if not self._is_ready(owner):
                    changed += self._readied(owner)
            self._keep(changed)
            for record in changed:
                if record.state is KeyState.ACTIVE:
                    self._ring.grant(record.id, RESERVED)

    def adopt(self, secrets: Mapping[Owner, bytes]) -> None:
        """Take over keys that were made before there was a key store; they seal from now on."""
        with self._lock:
            changed: list[KeyRecord] = []
            for owner, secret in secrets.items():
                active = self._ring.active(owner)
                if active is not None and self._ring.secret(active.id) == secret:
                    continue
                changed += [] if active is None else [active.turned(KeyState.VERIFY_ONLY)]
                changed.append(self._ring.make(owner, secret=secret))
            self._keep(changed)

    def destroy(self, owner: Owner) -> int:
        """Destroy every version of an owner's key, durably; how many there were. What they sealed stays closed."""
        with self._lock:
            live = [one for one in self._ring.versions(owner) if one.state is not KeyState.DESTROYED]
            self._keep([one.turned(KeyState.DESTROYED) for one in live])
            return len(live)

    def versions(self, owner: Owner) -> list[KeyRecord]:
        """Every version of an owner's key, destroyed ones too."""
        return self._ring.versions(owner)

    def records(self) -> list[KeyRecord]:
        """Every key, wrapped."""
        return self._ring.records()

    def rotation(self, owner: Owner, *, begin: bool = False) -> list[Step]:
        """What is left to do of a rotation of the root or the tenant key."""
        return plan(self._ring.records(), owner, begin=begin)

    @property
    def tenant(self) -> str:
        """Whose place this is."""
        return self._tenant_owner.name

    @property
    def tenant_owner(self) -> Owner:
        """Whose key is above all owners' keys."""
        return self._tenant_owner

    def take(self, step: Step) -> None:
        """Do one step of a rotation, or one piece of it, durably; safe to be killed in, safe to be done again."""
        with self._lock:
            match step:
                case Make(owner):
                    self._keep([self._ring.make(owner, KeyState.PENDING)])
                case Activate(key):
                    self._activate(key)
                case Rewrap(under=under):
                    below = [one for one in self._ring.records() if one.wrapped_by == under]
                    self._keep([self._ring.rewrapped(one) for one in below[:REWRAPPED_AT_ONCE]])
                case Destroy(key):
                    self._destroy_version(key)

    def turn(self, kind: KeyKind) -> None:
        """Give every owner of a kind a next key, durably; the one before opens only, until `retire`."""
        with self._lock:
            owners = {one.owner for one in self._ring.records() if one.owner.kind is kind}
            changed: list[KeyRecord] = []
            for owner in sorted(owners):
                active = self._ring.active(owner)
                if active is not None:
                    changed += [active.turned(KeyState.VERIFY_ONLY), self._ring.make(owner)]
            self._keep(changed)

    def retiring(self, kind: KeyKind) -> list[KeyRecord]:
        """Keys of a kind that open only."""
        records = self._ring.records()
        return [one for one in records if one.owner.kind is kind and one.state is KeyState.VERIFY_ONLY]

    def retire(self, kind: KeyKind) -> None:
        """Destroy them, durably: nothing may be sealed under them any more."""
        with self._lock:
            self._keep([one.turned(KeyState.DESTROYED) for one in self.retiring(kind)])

    def close(self) -> None:
        """Close the key store."""
        self._connection.close()

    def _reserve(self, owner: Owner) -> None:
        record = self._ring.active(owner)
        if record is None or (self._ring.left(record.id) <= 0 and record.reserved + RESERVED > MESSAGES_MAX):
            self.prepare([owner])
        elif self._ring.left(record.id) <= 0:
            self._keep([record.reserving(RESERVED)])
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
        pending = next(one for one in self._ring.records() if one.id == key)
        before = self._ring.active(pending.owner)
        turned = [] if before is None else [before.turned(KeyState.VERIFY_ONLY)]
        self._keep([*turned, pending.turned(KeyState.ACTIVE)])

    def _destroy_version(self, key: KeyId) -> None:
        record = next(one for one in self._ring.records() if one.id == key)
        if record.owner == ROOT:
            self._root.destroy(key)
        self._keep([record.turned(KeyState.DESTROYED)])

    def _begin(self) -> None:
        """The first root, tenant and place key; afterwards nothing. A root that is gone is never replaced silently."""
        root = self._ring.active(ROOT)
        if root is None and self._ring.records():
            raise KeyUnusable("the key store names no active root key; restore it beside its root key")
        if root is None:
            self._keep([self._ring.make(ROOT)])
        elif root.id not in self._root.ids():
            raise KeyUnusable(
                f"expected the root key {root.id.hex()} of this key store, it is not there: without it nothing that "
                "was sealed can be read; put back the root key file, or the token, that belongs to this key store"
            )
        tenant = self._ring.active(self._tenant_owner)
        if tenant is None:
            self._keep([self._ring.make(self._tenant_owner)])
        else:
            # Unwrapped once and kept: a token or service that goes away later stops nobody.
            self._ring.secret(tenant.id)

    def _read(self) -> list[KeyRecord]:
        return [
            KeyRecord(
                KeyId(key), Owner(KeyKind(kind), owner), version, KeyState(state), by and KeyId(by), wrapped, used
            )
            for key, kind, owner, version, state, by, wrapped, used in self._connection.execute(
                f"SELECT {_COLUMNS} FROM key"  # noqa: S608 - our own names
            )
        ]

    def _keep(self, records: list[KeyRecord]) -> None:
        """Durable first, then in use."""
        if not records:
            return
        with self._transaction():
            self._connection.executemany(
                f"INSERT INTO key ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"  # noqa: S608
                " state = excluded.state, wrapped_by = excluded.wrapped_by, wrapped = excluded.wrapped,"
                " reserved = excluded.reserved",
                [
                    (
                        one.id,
                        one.owner.kind,
                        one.owner.name,
                        one.version,
                        one.state,
                        one.wrapped_by,
                        one.wrapped,
                        one.reserved,
                    )
                    for one in records
                ],
            )
        for record in records:
            self._ring.load(record)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            raise StorageUnavailable(f"the key store did not take the write, nothing was sealed: {error}") from error
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")


def open_keys(folder: Path, tenant: str, root: RootKeys) -> PlaceKeys:
    """The key store in this folder, made when there is none. Raises FolderUnusable.

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
        return PlaceKeys(tenant, connection, root)
    except (sqlite3.Error, OSError) as error:
        raise FolderUnusable(f"cannot use the key store {file}: {error}; check the disk, or restore it") from None
    except IdentityError as error:
        raise FolderUnusable(str(error)) from None


def root_keys(folder: Path, where: Token | Service | None = None) -> RootKeys:
    """Where this place's root key lives: in a token, a service, or a file beside its keys. Raises FolderUnusable."""
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


def read_keys(folder: Path, tenant: str | None, root: RootKeys) -> PlaceKeys:
    """The key store as another process made it, to open with only; None for whatever tenant's it is.

    Raises FolderUnusable.
    """
    file = folder / FILE_NAME
    try:
        connection = _connected(f"{file.resolve().as_uri()}?mode=ro")
        if tenant is None:
            (tenant,) = connection.execute("SELECT owner FROM key WHERE kind = 'tenant' LIMIT 1").fetchone() or ("",)
        return PlaceKeys(tenant, connection, root)
    except (sqlite3.Error, OSError, StorageUnavailable) as error:
        raise FolderUnusable(
            f"cannot read the key store {file}: {error}; restore it, or start the place once"
        ) from None
    except IdentityError as error:
        raise FolderUnusable(str(error)) from None


def _connected(target: str) -> sqlite3.Connection:
    is_uri = target.startswith("file:")
    return sqlite3.connect(target, uri=is_uri, isolation_level=None, check_same_thread=False, timeout=5)
