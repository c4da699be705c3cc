"""Looks for what must be nowhere: in every file of a folder, in the forms that programs write, and unpacked."""

import base64
import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

import pyarrow.parquet as pq

from biometric_flow.runtime.sealed_file import open_sealed

_NOTHING = bytes(64)
"""Half of a database's files and log is nothing, and no form of anything has so much of it."""
AGE, GZIP, ZIP, PARQUET = b"age-encryption.org/v1\n", b"\x1f\x8b", b"PK\x03\x04", b"PAR1"


def forms(secret: bytes) -> set[bytes]:
    """As it is, in hex, in base64 wherever in a text it begins, and as text: in UTF-16, in an address, in JSON."""
    found = {secret, secret.hex().encode(), secret.hex().upper().encode()}
    for before, touched in ((0, 0), (1, 2), (2, 3)):  # bytes before it, characters that those have a part in
        whole = (before + len(secret)) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            found.add(encode(bytes(before) + secret)[touched:whole])
    try:
        text = secret.decode()
    except UnicodeDecodeError:
        return found
    addressed = quote(text, safe="").encode()
    in_json = json.dumps(text)[1:-1].encode()
    return found | {text.encode("utf-16-le"), text.encode("utf-16-be"), addressed, in_json}


def contents(name: str, content: bytes, identity: str = "") -> Iterator[tuple[str, bytes]]:
    """What a file holds, and what is packed inside it; `identity` opens backups."""
    yield name, content
    if content.startswith(GZIP):
        yield from contents(f"{name} unpacked", _whole_streams(content), identity)
    elif content.startswith(ZIP):
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            for member in packed.namelist():
                yield from contents(f"{name}/{member}", packed.read(member), identity)
    elif content.startswith(PARQUET):
        columns = pq.read_table(io.BytesIO(content)).to_pydict().values()
        values = (value if isinstance(value, bytes) else str(value).encode() for column in columns for value in column)
        yield f"{name} as a table", b"\n".join(values)
    elif content[257:262] == b"ustar":
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            for entry in tar:
                inner = tar.extractfile(entry)
                yield from contents(f"{name}/{entry.name}", inner.read() if inner else b"", identity)


def files_with(folder: Path, secrets: Iterable[bytes], identity: str = "") -> list[str]:
    """Files, and what is packed in them, in which one of these stands in one of its forms."""
    wanted = {form for secret in secrets for form in forms(secret)}
    found = set()
    for path in filter(Path.is_file, folder.rglob("*")):
        for name, content in contents(str(path.relative_to(folder)), _opened(path, identity), identity):
            dense = content.replace(_NOTHING, b"")
            found.update(name for form in wanted if form in dense)
    return sorted(found)


def _opened(path: Path, identity: str) -> bytes:
    content = path.read_bytes()
    if not (identity and content.startswith(AGE)):
        return content
    with open_sealed(path, identity) as stream:
        return stream.read()


def _whole_streams(content: bytes) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as packed:
        return packed.read()
