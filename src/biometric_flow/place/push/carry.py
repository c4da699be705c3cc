"""`biometric-flow import`: an attlog.dat from a USB stick, handed to the running place in pieces."""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import httpx2

from biometric_flow.api.push import ImportResult
from biometric_flow.place.settings import PlaceSettings
from biometric_flow.runtime.errors import StartRefused
from biometric_flow.runtime.places import find_place
from biometric_flow.runtime.settings import load_settings

PIECE: Final = 1024 * 1024
"""Bytes of one request, cut between lines."""

FILE_MAX: Final = 64 * 1024 * 1024


def run_import(
    config: Path, environment: Mapping[str, str], place_id: str, terminal: str, file: Path, say: Callable[[str], None]
) -> int:
    """Import a file and say what became of its lines; safe to repeat. Raises StartRefused with the reason."""
    settings = load_settings(PlaceSettings, "place", config, environment, instance=f"place-{place_id}", id=place_id)
    entry = find_place(config, settings.id)
    body = _read(file)
    total: Counter[str] = Counter()
    headers = {"Authorization": f"Bearer {settings.api_key.get_secret_value()}"}
    url = f"http://{settings.host or entry.host}:{settings.port or entry.port}"
    with httpx2.Client(base_url=url, headers=headers, timeout=120) as http:
        for piece in pieces(body):
            total.update(_send(http, terminal, piece).model_dump())
    say(
        f"{file.name}: {total['received']} lines, {total['accepted']} new punches, {total['duplicate']} known already, "
        f"{total['quarantined']} put aside (see /v1/quarantine)"
    )
    return 0


def pieces(body: bytes, size: int = PIECE) -> Iterator[bytes]:
    """The file in pieces of at most `size` bytes that end with a line; a longer line is a piece of its own."""
    start = 0
    while start < len(body):
        end = len(body)
        if end - start > size:
            end = body.rfind(b"\n", start, start + size) + 1 or body.find(b"\n", start) + 1 or end
        yield body[start:end]
        start = end


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as source:
            body = source.read(FILE_MAX + 1)
    except OSError as error:
        raise StartRefused(f"{file}: expected a readable file, got: {error.strerror}") from None
    if len(body) > FILE_MAX:
        raise StartRefused(f"{file}: expected at most {FILE_MAX} bytes, got more; split it between two lines")
    return body


def _send(http: httpx2.Client, terminal: str, piece: bytes) -> ImportResult:
    try:
        answer = http.post(f"/v1/terminals/{terminal}/import", content=piece)
    except httpx2.HTTPError as error:
        raise StartRefused(f"expected the place to run at {http.base_url}, got: {error}; start it first") from None
    if answer.status_code != 200:
        detail = answer.text[:200]
        with contextlib.suppress(ValueError, AttributeError):
            detail = str(answer.json().get("detail"))
        raise StartRefused(f"the place refused the file ({answer.status_code}): {detail}")
    return ImportResult.model_validate(answer.json())
