"""Backups of a place: its database as it is at one moment, its keys apart; brought back only when all of it proves."""

import shutil
import sqlite3
import tarfile
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Final

from biometric_flow import __version__
from biometric_flow.identity.errors import IdentityError
from biometric_flow.identity.keyring import RootKeys
from biometric_flow.ledger.errors import LedgerAltered, LedgerError
from biometric_flow.ledger.logs import log_origin
from biometric_flow.ledger.note import Signer
from biometric_flow.ledger.tree import SqliteTree
from biometric_flow.model.ids import PlaceId, TenantId
from biometric_flow.model.place import Place
from biometric_flow.place.audit import Audited, Keys, audit, newest_log
from biometric_flow.place.biometrics.vault import Vault
from biometric_flow.place.erasure import Erasures
from biometric_flow.place.erasure_register import Register, read_register, register_file
from biometric_flow.place.schema import open_database
from biometric_flow.place.store import PlaceStore
from biometric_flow.place.subjects import Subjects
from biometric_flow.runtime.backup import BackupName, BackupRefused, LogState, Manifest, claim, remove_left, unpack
from biometric_flow.runtime.key_file import FILE_NAME as KEY_STORE
from biometric_flow.runtime.key_file import KEYS_FOLDER
from biometric_flow.runtime.key_store import open_keys
from biometric_flow.runtime.places import PlaceConfig
from biometric_flow.runtime.root_home import root_keys
from biometric_flow.runtime.sealed_file import BackupDamaged, Written, add_bytes, new_identity, new_tar, write_sealed
from biometric_flow.runtime.signing import signing_key

DATABASE: Final = "place.sqlite3"
SIGNING_KEY: Final = "ledger-key.pem"
_COPIES: Final = "backup."


@dataclass(frozen=True, slots=True)
class Source:
    """Where a place's files lie."""

    place: str
    folder: Path
    keys: Path
    """Its key store, within `folder` or elsewhere."""
    root: Callable[[Path], RootKeys] = root_keys
    """What holds the root key of a key store: a file beside it, or a token."""


def back_up(source: Source, target: Path, recipient: str, now: datetime) -> dict[BackupName, Written]:
    """Write data and keys of a place, also of one that is running, as two encrypted files. Raises BackupRefused."""
    place, folder = source.place, source.folder
    if not (folder / DATABASE).is_file():
        raise BackupRefused(f"expected the database of place {place} in {folder}, there is none; see --config")
    remove_left(folder, f"{_COPIES}*", now)
    with TemporaryDirectory(dir=folder, prefix=_COPIES) as copies:
        copy, keys_copy = Path(copies) / DATABASE, Path(copies) / KEY_STORE
        # The data before the keys: a key is durable before what it seals, so every entry of the copy has its key.
        _copy(folder / DATABASE, copy)
        _copy(source.keys / KEY_STORE, keys_copy)
        of_keys = [
            (folder / SIGNING_KEY, SIGNING_KEY),
            (keys_copy, f"{KEYS_FOLDER}/{KEY_STORE}"),
            *((path, f"{KEYS_FOLDER}/{path.name}") for path in sorted(source.keys.glob("*.json"))),
        ]
        logs = {place: _state(copy)}
        written = {}
        at = claim(target, "place", place, now)
        for part, content in (("data", [(copy, DATABASE)]), ("keys", of_keys)):
            name = BackupName("place", place, at, part)  # type: ignore[arg-type]
            manifest = Manifest("place", place, name.part, now.isoformat(), __version__, logs)
            written[name] = write_sealed(
                target / str(name),
                recipient,
                lambda sink, m=manifest, c=content: _pack(sink, m, c),  # type: ignore[misc]
            )
        return written


def restore(
    data: Path,
    keys: Path,
    identity: Path,
    target: Source,
    place: PlaceConfig | Place,
    now: datetime,
    register: Path | None = None,
) -> tuple[Manifest, Audited, int]:
    """Bring a place back into folders that are not there yet, or leave nothing behind.

    Whoever was erased since, by the register beside the backup, is erased again before the folder gets its name; how
    many that were stands last.

    Raises BackupRefused, BackupDamaged, or LedgerAltered when the ledger in the backup does not verify.
    """
    folder = target.folder
    for wanted in (folder, target.keys):
        if wanted.exists() and any(wanted.iterdir()):
            raise BackupRefused(f"expected nothing in {wanted} yet, there is something: move it away, as evidence")
    fresh = folder.with_name(f"{folder.name}.restoring")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True, mode=0o700)
    try:
        manifest = unpack(data, identity, fresh)
        of_keys = unpack(keys, identity, fresh)
        for one, part in ((manifest, "data"), (of_keys, "keys")):
            if (one.kind, one.id, one.part) != ("place", place.id, part):
                raise BackupRefused(f"expected {part} of place {place.id}, got {one.part} of {one.kind} {one.id}")
        known = read_register(register or register_file(data.parent, place.id))
        again = _erase_again(fresh, place, known, target.root, now)
        found = verify(fresh, place, manifest, target.root, again)
        folder.parent.mkdir(parents=True, exist_ok=True)
        if folder.exists():
            folder.rmdir()
        fresh.rename(folder)
        if target.keys != folder / KEYS_FOLDER:
            target.keys.parent.mkdir(parents=True, exist_ok=True)
            if target.keys.exists():
                target.keys.rmdir()
            shutil.move(folder / KEYS_FOLDER, target.keys)
        return manifest, found, again
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def verify(
    folder: Path,
    place: PlaceConfig | Place,
    manifest: Manifest,
    root: Callable[[Path], RootKeys] = root_keys,
    added: int = 0,
) -> Audited:
    """Check a restored folder as `ledger verify` does: it holds what the manifest promises, and `added` entries."""
    found = audit_of(folder, place, root)
    promised = manifest.logs[place.id].entries
    if found.entries != promised + added:
        raise BackupDamaged(f"expected {promised} entries as the manifest says, the ledger has {found.entries - added}")
    return found


def audit_of(folder: Path, place: PlaceConfig | Place, root: Callable[[Path], RootKeys] = root_keys) -> Audited:
    """Read all of a restored folder's ledger and check it. Raises LedgerAltered."""
    keys = open_keys(folder / KEYS_FOLDER, place.tenant, root(folder / KEYS_FOLDER))
    open_database(folder / DATABASE, keys).close()
    origin = log_origin(TenantId(place.tenant), PlaceId(place.id), newest_log(folder / DATABASE).number)
    own = Signer(origin, signing_key(folder / SIGNING_KEY)).public
    return audit(folder / DATABASE, PlaceId(place.id), Keys(own), keys)


def _erase_again(
    folder: Path, place: PlaceConfig | Place, register: Register, root: Callable[[Path], RootKeys], now: datetime
) -> int:
    with (
        closing(open_keys(folder / KEYS_FOLDER, place.tenant, root(folder / KEYS_FOLDER))) as keys,
        closing(open_database(folder / DATABASE, keys)) as connection,
    ):
        try:
            store = PlaceStore(PlaceId(place.id), connection, Subjects(connection, keys, is_put_back=True))
            erasures = Erasures(connection, store, Vault(connection, keys, is_on=False), has_gateway=False)
            again = erasures.replay(register, now)
            erasures.finish()
        except (sqlite3.DatabaseError, IdentityError) as error:
            raise LedgerAltered(f"{DATABASE} cannot be read: {error}") from error
        return again


def drill(source: Source, place: PlaceConfig | Place, work: Path, now: datetime) -> Audited:
    """Back up, restore elsewhere and verify, with a key made for this; everything is removed again.

    So is what a drill left in `work` that was killed.
    """
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True, mode=0o700)
    try:
        key = work / "identity"
        made = {name.part: work / str(name) for name in back_up(source, work, new_identity(key), now)}
        restored = work / "place"
        where = Source(place.id, restored, restored / KEYS_FOLDER, source.root)
        return restore(made["data"], made["keys"], key, where, place, now)[1]
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _copy(source: Path, target: Path) -> None:
    """The database as it is at one moment; a writer beside it is not held up."""
    target.unlink(missing_ok=True)
    target.touch(mode=0o600)
    try:
        reader = sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)
        copy = sqlite3.connect(target)
        try:
            reader.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
        finally:
            copy.close()
            reader.close()
    except sqlite3.Error as error:
        raise BackupRefused(f"cannot copy {source}: {error}") from None


def _state(file: Path) -> LogState:
    connection = sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)
    try:
        (entries,) = connection.execute("SELECT coalesce(max(sequence), 0) FROM ledger_entry").fetchone()
        newest = SqliteTree(connection).newest()
        return LogState(entries, str(newest.note) if newest else "")
    except (sqlite3.Error, LedgerError) as error:
        raise BackupRefused(f"cannot read the ledger of the copy: {error}") from None
    finally:
        connection.close()


def _pack(sink: IO[bytes], manifest: Manifest, content: Iterable[tuple[Path, str]]) -> None:
    with new_tar(sink) as tar:
        add_bytes(tar, "manifest.json", manifest.to_bytes())
        for path, name in content:
            with path.open("rb") as file:
                member = tarfile.TarInfo(name)
                member.size, member.mode = path.stat().st_size, 0o600
                tar.addfile(member, file)
