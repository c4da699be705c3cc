"""Where archived files lie: a folder, or a bucket of an S3-compatible store with object lock."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from biometric_flow.gateway.archive.errors import ArchiveUnreachable
from biometric_flow.gateway.settings import GatewaySettings
from biometric_flow.runtime.errors import SettingsInvalid


class Store(Protocol):
    """Keeps files by name. Methods block; all raise ArchiveUnreachable."""

    def put(self, name: str, content: bytes, until: datetime | None) -> str:
        """Keep a file durably, locked until a time where the store can; gives its version, empty where it has none."""
        ...

    def get(self, name: str, version: str) -> bytes:
        """The file as it is now, or its version."""
        ...


class FolderStore:
    """A folder, best on another disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, name: str, content: bytes, until: datetime | None) -> str:
        """Keep a file: written beside, made durable, then renamed, and readable only from then on."""
        path = self._folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            fresh = path.with_name(f"{path.name}.writing")
            with fresh.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            fresh.chmod(0o400)
            fresh.rename(path)
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise ArchiveUnreachable(f"expected to write {path}, got: {error}") from None
        return ""

    def get(self, name: str, version: str) -> bytes:
        """The file."""
        try:
            return (self._folder / name).read_bytes()
        except OSError as error:
            raise ArchiveUnreachable(f"expected to read {self._folder / name}, got: {error}") from None


class S3Store:
    """A bucket, with object lock where a time is given: nobody takes a version away before."""

    def __init__(self, client: Any, bucket: str, prefix: str) -> None:
        self._client, self._bucket, self._prefix = client, bucket, prefix

    def put(self, name: str, content: bytes, until: datetime | None) -> str:
        """Keep a file; with `until` in compliance mode."""
        lock = {} if until is None else {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": until}
        with self._reaching():
            done = self._client.put_object(
                Bucket=self._bucket, Key=self._prefix + name, Body=content, ChecksumAlgorithm="SHA256", **lock
            )
        return str(done.get("VersionId", ""))

    def get(self, name: str, version: str) -> bytes:
        """The version that was written, whatever was put over it since."""
        which = {"VersionId": version} if version else {}
        with self._reaching():
            answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + name, **which)
            return bytes(answer["Body"].read())

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

        try:
            yield
        except (BotoCoreError, ClientError, OSError) as error:
            raise ArchiveUnreachable(f"expected the bucket {self._bucket} to answer, got: {error}") from None


def open_store(settings: GatewaySettings) -> Store | None:
    """The configured store, None without one. Raises SettingsInvalid."""
    if settings.archive is None:
        return None
    if not settings.archive.startswith("s3://"):
        return FolderStore(Path(settings.archive).expanduser().absolute())
    try:
        import boto3  # type: ignore[import-untyped]
        from botocore.config import Config  # type: ignore[import-untyped]
    except ImportError:
        raise SettingsInvalid("archive: expected `pip install 'biometric-flow[s3]'` for a bucket") from None
    where, access, secret = urlsplit(settings.archive), settings.archive_s3_access_key, settings.archive_s3_secret_key
    client = boto3.client(
        "s3",
        endpoint_url=settings.archive_s3_endpoint,
        region_name=settings.archive_s3_region,
        aws_access_key_id=access.get_secret_value() if access else None,
        aws_secret_access_key=secret.get_secret_value() if secret else None,
        config=Config(connect_timeout=5, read_timeout=60, retries={"total_max_attempts": 3}),
    )
    prefix = where.path.strip("/")
    return S3Store(client, where.netloc, f"{prefix}/" if prefix else "")


if TYPE_CHECKING:
    _folder: type[Store] = FolderStore
    _s3: type[Store] = S3Store
