"""Where archived files lie: a folder, or a bucket of an S3-compatible store with object lock."""

import io
import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from biometric_flow.gateway.archive.errors import ArchiveUnreachable
from biometric_flow.gateway.settings import GatewaySettings
from biometric_flow.runtime.errors import SettingsInvalid

if TYPE_CHECKING:
    from minio import Minio


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

    def __init__(self, client: "Minio", bucket: str, prefix: str) -> None:
        self._client, self._bucket, self._prefix = client, bucket, prefix

    def put(self, name: str, content: bytes, until: datetime | None) -> str:
        """Keep a file; with `until` in compliance mode."""
        from minio.commonconfig import COMPLIANCE
        from minio.retention import Retention

        retention = None if until is None else Retention(COMPLIANCE, until)
        with _reaching(self._bucket):
            done = self._client.put_object(
                self._bucket, self._prefix + name, io.BytesIO(content), len(content), retention=retention
            )
        return done.version_id or ""

    def get(self, name: str, version: str) -> bytes:
        """The version that was written, whatever was put over it since."""
        with _reaching(self._bucket):
            answer = self._client.get_object(self._bucket, self._prefix + name, version_id=version or None)
            try:
                return bytes(answer.read())
            finally:
                answer.close()
                answer.release_conn()


class _reaching:  # noqa: N801 - reads as a phrase
    def __init__(self, bucket: str) -> None:
        self._bucket = bucket

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        from minio.error import MinioException
        from urllib3.exceptions import HTTPError

        if isinstance(error, MinioException | HTTPError | OSError):
            raise ArchiveUnreachable(f"expected the bucket {self._bucket} to answer, got: {error}") from None


def open_store(settings: GatewaySettings) -> Store | None:
    """The configured store, None without one. Raises SettingsInvalid."""
    if settings.archive is None:
        return None
    if not settings.archive.startswith("s3://"):
        return FolderStore(Path(settings.archive).expanduser().absolute())
    where = urlsplit(settings.archive)
    endpoint = urlsplit(settings.archive_s3_endpoint or "https://s3.amazonaws.com")
    try:
        import urllib3
        from minio import Minio
        from minio.credentials.providers import ChainedProvider, EnvAWSProvider, IamAwsProvider
    except ImportError:
        raise SettingsInvalid("archive: expected `pip install 'biometric-flow[s3]'` for a bucket") from None
    access, secret = settings.archive_s3_access_key, settings.archive_s3_secret_key
    client = Minio(
        endpoint=endpoint.netloc,
        secure=endpoint.scheme == "https",
        access_key=access.get_secret_value() if access else None,
        secret_key=secret.get_secret_value() if secret else None,
        credentials=None if access else ChainedProvider([EnvAWSProvider(), IamAwsProvider()]),
        region=settings.archive_s3_region,
        http_client=urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=5, read=60),
            retries=urllib3.Retry(total=2, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504]),
            cert_reqs="CERT_REQUIRED",
        ),
    )
    prefix = where.path.strip("/")
    return S3Store(client, where.netloc, f"{prefix}/" if prefix else "")


if TYPE_CHECKING:
    _folder: type[Store] = FolderStore
    _s3: type[Store] = S3Store
