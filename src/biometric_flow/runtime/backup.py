"""What backups of places and of the gateway share: names, the manifest, and how long each is kept.

A backup is two files. Data: everything but keys. Keys: what makes the data readable, kept for a short time only, so
that an old data backup cannot bring back a person who was erased since (security-design E2).
"""

import json
import os
import re
import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, Final, Literal

from biometric_flow.runtime.errors import StartRefused
from biometric_flow.runtime.sealed_file import BackupDamaged, extract, open_sealed, open_tar, partial_of, read_identity

FORMAT: Final = 1
KEYS_KEPT: Final = timedelta(days=30)
"""How long keys are kept in backups at most (security-design E2)."""
KEY_COPIES: Final = ".keys-"
"""Folders beside the gateway's backups begin so while its key stores are copied."""
_LEFT_BEHIND: Final = timedelta(days=1)
MANIFEST: Final = "manifest.json"
MANIFEST_BYTES: Final = 16 * 1024 * 1024

GATEWAY_ID: Final = "all"
WAL: Final = "wal"
"""Beside the gateway's backups: its database's log."""

Kind = Literal["place", "gateway"]
Part = Literal["data", "keys"]

_NAME: Final = re.compile(r"(?P<kind>place|gateway)-(?P<id>[a-z0-9-]+)-(?P<at>\d{8}T\d{6}Z)\.(?P<part>data|keys)\.age")
_TIME: Final = "%Y%m%dT%H%M%SZ"


class BackupRefused(StartRefused):
    """A backup or a restore that cannot be done as asked."""

    code = "backup.refused"


@dataclass(frozen=True, slots=True)
class BackupName:
    """What the name of a backup file says."""

    kind: Kind
    id: str
    at: datetime
    part: Part

    def __str__(self) -> str:
        return f"{self.kind}-{self.id}-{self.at.astimezone(UTC).strftime(_TIME)}.{self.part}.age"

    @classmethod
    def parse(cls, name: str) -> "BackupName | None":
        """What a file's name says; None for a file that is no backup."""
        found = _NAME.fullmatch(name)
        if found is None:
            return None
        at = datetime.strptime(found["at"], _TIME).replace(tzinfo=UTC)
        return cls(found["kind"], found["id"], at, found["part"])  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class LogState:
    """How far one log had come, and the newest checkpoint that somebody signed over it; empty for none."""

    entries: int
    checkpoint: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What was backed up: the first member of every backup file."""

    kind: Kind
    id: str
    part: Part
    made_at: str
    version: str
    logs: dict[str, LogState]
    """By name: a place has one; a gateway `tenant/place` for each place and `tenant` for its own log of checkpoints."""

    def to_bytes(self) -> bytes:
        """As the file holds it."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Manifest":
        """Read one. Raises BackupDamaged."""
        try:
            fields: dict[str, Any] = json.loads(content)
            if fields.pop("format") != FORMAT:
                raise BackupDamaged("the backup was made by a newer version; use that version to restore it")
            logs = {name: LogState(**state) for name, state in fields.pop("logs").items()}
            return cls(logs=logs, **fields)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BackupDamaged(f"expected a manifest of format {FORMAT}, got {error!r}") from None


def found_in(folder: Path) -> list[BackupName]:
    """The backups of a folder, oldest first."""
    names = (BackupName.parse(path.name) for path in folder.iterdir() if path.is_file())
    return sorted((name for name in names if name), key=lambda name: (name.at, str(name)))


def claim(folder: Path, kind: Kind, of: str, now: datetime) -> datetime:
    """The moment that names a backup of its own: `now`, or the next second whose name nobody writes or has written.

    Two processes may back up at once, one of them by itself and one by hand. The claim is the file that
    `write_sealed` fills for the part `data`; it stands until then.
    """
    while True:
        name = str(BackupName(kind, of, now, "data"))
        partial = partial_of(folder / name)
        try:
            os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            now += timedelta(seconds=1)
            continue
        if not (folder / name).exists():
            return now
        partial.unlink(missing_ok=True)
        now += timedelta(seconds=1)


def release(folder: Path, kind: Kind, of: str, at: datetime) -> None:
    """Give a claim back under whose moment no data were written."""
    partial_of(folder / str(BackupName(kind, of, at, "data"))).unlink(missing_ok=True)


def remove_left(folder: Path, pattern: str, now: datetime) -> list[str]:
    """Remove what backups that were killed left in a folder: what fits the pattern and nobody wrote to for a day."""
    gone = []
    for path in folder.glob(pattern):
        with suppress(FileNotFoundError):  # of a backup beside this one, which has just ended
            if now - datetime.fromtimestamp(path.stat().st_mtime, UTC) > _LEFT_BEHIND:
                gone.append(path)
    for path in gone:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return [path.name for path in gone]


def expired(names: Iterable[BackupName], now: datetime, keep: timedelta) -> list[BackupName]:
    """Which backups are to go: keys after 30 days at the latest, data after `keep`, but never the newest of either."""
    gone: list[BackupName] = []
    newest: dict[tuple[str, str, str], BackupName] = {}
    ordered = sorted(names, key=lambda name: name.at)
    for name in ordered:
        newest[name.kind, name.id, name.part] = name
    for name in ordered:
        limit = min(keep, KEYS_KEPT) if name.part == "keys" else keep
        if now - name.at > limit and name is not newest[name.kind, name.id, name.part]:
            gone.append(name)
    return gone


def read_manifest(file: Path, identity: Path) -> Manifest:
    """The manifest alone. Reads and authenticates the whole file. Raises BackupDamaged."""
    with open_sealed(file, read_identity(identity)) as stream, open_tar(stream) as tar:
        return _manifest(tar)


def unpack(file: Path, identity: Path, into: Path) -> Manifest:
    """Put everything of a backup file below a folder. Raises BackupDamaged; the folder is then not to be trusted."""
    with open_sealed(file, read_identity(identity)) as stream, open_tar(stream) as tar:
        manifest = _manifest(tar)
        while (member := tar.next()) is not None:
            extract(tar, member, into)
    return manifest


def _manifest(tar: Any) -> Manifest:
    member = tar.next()
    if member is None or member.name != MANIFEST or member.size > MANIFEST_BYTES:
        raise BackupDamaged("expected a manifest first, there is none: this is no backup of BiometricFlow")
    content: IO[bytes] = tar.extractfile(member)
    return Manifest.from_bytes(content.read())
