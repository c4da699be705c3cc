"""Root keys in a file of mode 0600, for installations without a token or a key service."""

import base64
import contextlib
import json
import os
import secrets
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from biometric_flow.identity.envelope import KEY_BYTES, KEY_ID_BYTES, NONCE_BYTES, KeyId, SealingKey
from biometric_flow.identity.errors import KeyUnusable
from biometric_flow.identity.keyring import RootKeys

FORMAT: Final = "biometric-flow root keys 1"
FILE_MAX: Final = 64 * 1024


class RootKeyFile:
    """Root keys in one JSON file. It is made with the first key, and refused when anybody but its owner may read it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._keys = self._read()

    def ids(self) -> frozenset[KeyId]:
        """The root keys that are there; another process may have made one. Raises KeyUnusable."""
        self._keys = self._read()
        return frozenset(self._keys)

    def make(self, key: KeyId) -> None:
        """Make a root key of this id, durably."""
        self._keys = self._read()
        if key not in self._keys:
            self._write({**self._keys, key: secrets.token_bytes(KEY_BYTES)})

    def wrap(self, key: KeyId, secret: bytes, associated: bytes) -> bytes:
        """The secret under this root key. Raises KeyUnusable when the file does not hold it."""
        return self._key(key).seal(associated, secret, secrets.token_bytes(NONCE_BYTES))

    def unwrap(self, key: KeyId, wrapped: bytes, associated: bytes) -> bytes:
        """The secret again. Raises KeyUnusable or EnvelopeRefused."""
        return self._key(key).unseal(associated, wrapped)

    def destroy(self, key: KeyId) -> None:
        """Destroy a root key: the file is written anew without it, the bytes of the old one are overwritten."""
        self._keys = self._read()
        if key not in self._keys:
            return
        with self._path.open("r+b", buffering=0) as old:
            self._write({one: secret for one, secret in self._keys.items() if one != key})
            old.write(bytes(os.fstat(old.fileno()).st_size))
            os.fsync(old.fileno())

    def _key(self, key: KeyId) -> SealingKey:
        if key not in self._keys:
            self._keys = self._read()  # another process may have made it
        secret = self._keys.get(key)
        if secret is None:
            raise KeyUnusable(
                f"expected the root key {key.hex()} in {self._path}, it is not there: without it nothing that was "
                "sealed can be read; put back the file that belongs to this key store"
            )
        return SealingKey(key, secret)

    def _read(self) -> dict[KeyId, bytes]:
        try:
            handle = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise KeyUnusable(f"expected a readable file of root keys at {self._path}: {error.strerror}") from None
        with os.fdopen(handle, "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise KeyUnusable(
                    f"expected {self._path} to be a file that only its owner can read (chmod 600), "
                    f"got {stat.filemode(status.st_mode)}"
                )
            if status.st_uid != os.geteuid():
                raise KeyUnusable(
                    f"expected {self._path} to belong to this account, it belongs to user {status.st_uid}"
                )
            content = file.read(FILE_MAX + 1)
        try:
            return _parse(content)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise KeyUnusable(f"expected root keys in {self._path}, got something else") from None

    def _write(self, keys: dict[KeyId, bytes]) -> None:
        """Write beside, then rename: a kill halfway leaves the old file whole."""
        body = {"format": FORMAT, "keys": {one.hex(): base64.b64encode(keys[one]).decode() for one in keys}}
        fresh = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh.unlink(missing_ok=True)
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(json.dumps(body, indent=1).encode())
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
            _sync_folder(self._path.parent)
        except OSError as error:
            with contextlib.suppress(OSError):
                fresh.unlink(missing_ok=True)
            raise KeyUnusable(f"cannot write the root keys to {self._path}: {error.strerror}") from None
        self._keys = keys


def _parse(content: bytes) -> dict[KeyId, bytes]:
    body = json.loads(content)
    keys = {KeyId(bytes.fromhex(one)): base64.b64decode(secret, validate=True) for one, secret in body["keys"].items()}
    if body["format"] != FORMAT or any(len(one) != KEY_ID_BYTES or len(keys[one]) != KEY_BYTES for one in keys):
        raise ValueError("another form")
    return keys


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


if TYPE_CHECKING:
    _provider: type[RootKeys] = RootKeyFile
