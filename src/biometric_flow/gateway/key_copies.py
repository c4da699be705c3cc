"""Copies of what makes a gateway's data readable: part of each backup, and beside the log whenever a key store changed.

A key is durable before the row that it seals. So whoever ships rows after a copy that was made since they were read
ships none that cannot be opened.
"""

import tarfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from biometric_flow import __version__
from biometric_flow.gateway.key_store import INSTALLATION
from biometric_flow.model.ids import TenantId
from biometric_flow.runtime.backup import (
    GATEWAY_ID,
    KEY_COPIES,
    MANIFEST,
    BackupName,
    Manifest,
    claim,
    found_in,
    release,
)
from biometric_flow.runtime.key_file import FILE_NAME, KEYS_FOLDER, copy_store
from biometric_flow.runtime.sealed_file import add_bytes, new_tar, write_sealed


@dataclass(frozen=True, slots=True)
class KeyFiles:
    """Where a gateway's keys lie."""

    folder: Path
    """The data folder, with what signs."""
    stores: Path
    """The key stores' folder, one folder for each tenant."""
    tenants: Sequence[TenantId]

    def state(self) -> tuple[tuple[str, int, int], ...]:
        """Changes when any of them does."""
        found = [(path, path.stat()) for path in self._all()]
        return tuple((str(path), one.st_mtime_ns, one.st_size) for path, one in found)

    def add_to(self, tar: tarfile.TarFile, work: Path) -> None:
        """Put all of them into an archive, each key store as it is at one moment."""
        with TemporaryDirectory(dir=work, prefix=KEY_COPIES) as copies:
            for path in self._all():
                content = path
                if path.name == FILE_NAME:
                    content = Path(copies) / path.parent.name
                    copy_store(path, content)
                name = path.name if path.parent == self.folder else f"{KEYS_FOLDER}/{path.parent.name}/{path.name}"
                add_bytes(tar, name, content.read_bytes())

    def _all(self) -> list[Path]:
        found = sorted(self.folder.glob("*.pem"))
        for tenant in (*self.tenants, INSTALLATION):
            own = self.stores / tenant
            found += [*sorted(own.glob("*.json")), *own.glob(FILE_NAME)]
        return found


class KeyCopies:
    """A copy in the backup folder whenever a key store changed; the one before goes, unless it is part of a backup."""

    def __init__(self, files: KeyFiles, target: Path, recipient: str, now: Callable[[], datetime]) -> None:
        self._files, self._target, self._recipient, self._now = files, target, recipient, now
        self._copied: tuple[tuple[str, int, int], ...] | None = None

    def bring(self) -> None:
        """Make a copy, if the last one is not of what there is now. Blocking; raises OSError, FolderUnusable."""
        state = self._files.state()
        if state == self._copied:
            return
        now = self._now()
        at = claim(self._target, "gateway", GATEWAY_ID, now)
        try:
            name = BackupName("gateway", GATEWAY_ID, at, "keys")
            manifest = Manifest("gateway", GATEWAY_ID, "keys", now.isoformat(), __version__, {})

            def fill(sink: IO[bytes]) -> None:
                with new_tar(sink) as tar:
                    add_bytes(tar, MANIFEST, manifest.to_bytes())
                    self._files.add_to(tar, self._target)

            write_sealed(self._target / str(name), self._recipient, fill)
        finally:
            release(self._target, "gateway", GATEWAY_ID, at)
        self._copied = state
        for earlier in unpaired(found_in(self._target), before=at):
            (self._target / str(earlier)).unlink(missing_ok=True)


def unpaired(names: Iterable[BackupName], before: datetime) -> list[BackupName]:
    """Copies of keys alone that a newer one stands for: nothing needs them, and they would keep what was destroyed."""
    ours = [name for name in names if name.kind == "gateway"]
    of_backups = {name.at for name in ours if name.part == "data"}
    seconds = before.replace(microsecond=0)
    return [name for name in ours if name.part == "keys" and name.at < seconds and name.at not in of_backups]
