"""One encrypted file of a backup in the age format (age-encryption.org/v1), written and read as a stream.

Whoever writes needs only the public recipient, so a stolen machine cannot read its own backups (security-design B1).
"""

import gzip
import hashlib
import io
import os
import shutil
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Final, cast

import pyrage  # type: ignore[import-untyped]

from biometric_flow.runtime.errors import StartRefused

CHUNK: Final = 1 << 20


class BackupDamaged(StartRefused):
    """A backup file cannot be read: another key, or not the bytes that were written."""

    code = "backup.damaged"


class BackupKeyInvalid(StartRefused):
    """A recipient or an identity is not one."""

    code = "backup.key_invalid"


@dataclass(frozen=True, slots=True)
class Written:
    """What a finished file is."""

    bytes: int
    sha256: str


def new_identity(path: Path) -> str:
    """Make the file that opens backups, of mode 0600 and never over another one, and return its public recipient."""
    identity = pyrage.x25519.Identity.generate()
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise BackupKeyInvalid(f"cannot make {path}: {error.strerror}; choose a new file") from None
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(f"# public key: {identity.to_public()}\n{identity}\n")
    return str(identity.to_public())


def read_identity(path: Path) -> str:
    """The secret key in a file that `new_identity` or `age-keygen` wrote. Raises BackupKeyInvalid."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BackupKeyInvalid(f"cannot read the identity file {path}: {error}") from None
    for line in lines:
        with suppress(pyrage.IdentityError):
            return str(pyrage.x25519.Identity.from_str(line.strip()))
    raise BackupKeyInvalid(f"expected a line AGE-SECRET-KEY-1... in {path}, there is none")


def read_recipient(text: str) -> str:
    """The public key that a backup is encrypted to, checked. Raises BackupKeyInvalid."""
    try:
        return str(pyrage.x25519.Recipient.from_str(text.strip()))
    except pyrage.RecipientError:
        raise BackupKeyInvalid(
            f"expected a recipient age1... as `biometric-flow backup key` prints it, got {text[:80]!r}"
        ) from None


def write_sealed(path: Path, recipient: str, fill: Callable[[IO[bytes]], None]) -> Written:
    """Encrypt what `fill` writes. The file appears whole and durable, or not at all, also when `fill` raises."""
    public = pyrage.x25519.Recipient.from_str(recipient)
    partial = partial_of(path)
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            counted = _Counted(file)
            _through_pipe(lambda source: pyrage.encrypt_io(source, counted, [public]), fill)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        sync_folder(path.parent)
    finally:
        partial.unlink(missing_ok=True)
    return Written(counted.bytes, counted.digest.hexdigest())


def partial_of(path: Path) -> Path:
    """Where a file lies until it is whole."""
    return path.with_name(path.name + ".part")


@contextmanager
def open_sealed(path: Path, identity: str) -> Iterator[IO[bytes]]:
    """The decrypted stream of a file. Raises BackupDamaged, at the latest at its end, for any byte that was changed."""
    secret = pyrage.x25519.Identity.from_str(identity)
    failed: list[BaseException] = []
    read_end, write_end = os.pipe()
    with path.open("rb") as source, os.fdopen(read_end, "rb") as stream:

        def decrypt() -> None:
            with os.fdopen(write_end, "wb") as sink:
                try:
                    pyrage.decrypt_io(source, sink, [secret])
                except (pyrage.DecryptError, OSError) as error:
                    failed.append(error)

        worker = threading.Thread(target=decrypt, name="decrypt", daemon=True)
        worker.start()
        try:
            yield stream
            while stream.read(CHUNK):
                pass
        except (tarfile.TarError, EOFError, OSError) as error:
            if not failed:
                raise BackupDamaged(f"{path.name}: {error}") from error
        finally:
            stream.close()
            worker.join()
    reason = next((error for error in failed if not isinstance(error, BrokenPipeError)), None)
    if reason is not None:
        said = str(reason).partition("\n")[0]
        raise BackupDamaged(f"{path.name} cannot be opened: {said}; is this the right identity, the whole file?")


@contextmanager
def open_tar(stream: IO[bytes]) -> Iterator[tarfile.TarFile]:
    """The compressed tar inside a decrypted stream, to be read from front to back."""
    # Not "r|gz": tarfile copies the rest of a decompressed chunk for every block that it takes from it.
    with (
        gzip.GzipFile(fileobj=stream, mode="rb") as plain,
        tarfile.open(fileobj=io.BufferedReader(plain, CHUNK), mode="r|") as tar,
    ):
        yield tar


@contextmanager
def new_tar(sink: IO[bytes]) -> Iterator[tarfile.TarFile]:
    """A compressed tar to be written from front to back, whole when the block ends."""
    with (
        gzip.GzipFile(fileobj=sink, mode="wb", compresslevel=3, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w|", bufsize=CHUNK) as tar,
    ):
        yield tar


def add_bytes(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    """One small file."""
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o600
    tar.addfile(member, io.BytesIO(content))


def extract(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    """Put one member below a folder. Raises BackupDamaged for what is neither file nor folder, or leads outside."""
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts or not (member.isfile() or member.isdir()):
        raise BackupDamaged(f"expected plain files and folders only, got {member.name!r}")
    # Not tar.extract with a filter: Python has that from 3.11.4 on only, and links or owners never come into question.
    target = folder / name
    (target if member.isdir() else target.parent).mkdir(parents=True, exist_ok=True)
    source = tar.extractfile(member)
    if source is not None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        with os.fdopen(os.open(target, flags, 0o600 | member.mode & 0o755), "wb") as file:
            shutil.copyfileobj(source, file, CHUNK)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class _Counted:
    """Counts and digests what goes through."""

    def __init__(self, sink: IO[bytes]) -> None:
        self._sink = sink
        self.bytes = 0
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.bytes += len(data)
        self.digest.update(data)
        return self._sink.write(data)

    def flush(self) -> None:
        self._sink.flush()


def _through_pipe(consume: Callable[[IO[bytes]], None], fill: Callable[[IO[bytes]], None]) -> None:
    """Let one side write while the other reads, in a thread of its own; the first error of either is raised."""
    read_end, write_end = os.pipe()
    failed: list[Exception] = []

    def work() -> None:
        with os.fdopen(read_end, "rb") as source:
            try:
                consume(source)
            except (pyrage.EncryptError, OSError) as error:
                failed.append(error)

    worker = threading.Thread(target=work, name="encrypt", daemon=True)
    worker.start()
    try:
        with os.fdopen(write_end, "wb") as sink:
            fill(cast("IO[bytes]", sink))
    except BrokenPipeError:
        if not failed:
            raise
    finally:
        worker.join()
    if failed:
        raise failed[0]
