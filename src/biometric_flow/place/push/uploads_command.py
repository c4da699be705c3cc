"""`biometric-flow uploads`: list, export and replay what terminals uploaded, by asking the running place."""

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import httpx2

from biometric_flow.api.uploads import ArchivedUploadView, ReplayResult
from biometric_flow.place.settings import PlaceSettings
from biometric_flow.runtime.errors import StartRefused
from biometric_flow.runtime.places import find_place
from biometric_flow.runtime.settings import load_settings

_PAGE: Final = 500

Say = Callable[[str], None]


class RunningArchive:
    """The archive of a place that runs. Raises StartRefused with the reason when it cannot be asked."""

    def __init__(self, config: Path, environment: Mapping[str, str], place_id: str) -> None:
        settings = load_settings(PlaceSettings, "place", config, environment, instance=f"place-{place_id}", id=place_id)
        entry = find_place(config, settings.id)
        self._http = httpx2.Client(
            base_url=f"http://{settings.host or entry.host}:{settings.port or entry.port}",
            headers={"Authorization": f"Bearer {settings.api_key.get_secret_value()}"},
            timeout=60,
        )

    def __enter__(self) -> "RunningArchive":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def list(self, terminal: str, say: Say, *, as_json: bool = False) -> int:
        """One line an upload, newest first."""
        for one in self._uploads(terminal):
            if as_json:
                say(one.model_dump_json())
                continue
            became = f"{one.accepted} new, {one.duplicate} known, {one.quarantined} aside, {one.people} people"
            part = "" if one.is_whole else ", without its secrets"
            say(
                f"{one.number:>8}  {one.received_at:%Y-%m-%d %H:%M:%S}  {one.table:<10} {one.size:>8} B  {became}{part}"
            )
        return 0

    def export(self, terminal: str, folder: Path, say: Say) -> int:
        """Each body as `<number>-<table>.txt` and an `index.jsonl`; names are ours, never the terminal's."""
        count = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / "index.jsonl").open("w", encoding="utf-8") as index:
                for one in self._uploads(terminal):
                    body = self._ask("GET", f"/v1/uploads/{one.number}/body").content
                    (folder / f"{one.number:08}-{one.table.lower()}.txt").write_bytes(body)
                    index.write(one.model_dump_json() + "\n")
                    count += 1
        except OSError as error:
            raise StartRefused(f"{folder}: expected a folder that can be written, got: {error.strerror}") from None
        say(f"{count} uploads of {terminal} in {folder}")
        return 0

    def replay(self, number: int, say: Say) -> int:
        """Take one in again and say what became of it."""
        result = ReplayResult.model_validate(self._ask("POST", f"/v1/uploads/{number}/replay").json())
        say(
            f"upload {number}: {result.received} lines, {result.accepted} new punches, "
            f"{result.duplicate} known already, {result.quarantined} put aside"
        )
        return 0

    def _uploads(self, terminal: str) -> Iterator[ArchivedUploadView]:
        serial = self._ask("GET", f"/v1/terminals/{terminal}").json()["serial"]
        query: dict[str, Any] = {"terminal": serial, "limit": _PAGE}
        while True:
            page = [ArchivedUploadView.model_validate(one) for one in self._ask("GET", "/v1/uploads", query).json()]
            yield from page
            if len(page) < _PAGE:
                return
            query["before"] = page[-1].number

    def _ask(self, method: str, path: str, query: dict[str, Any] | None = None) -> httpx2.Response:
        try:
            answer = self._http.request(method, path, params=query)
        except httpx2.HTTPError as error:
            raise StartRefused(
                f"expected the place to run at {self._http.base_url}, got: {error}; start it first"
            ) from None
        if answer.status_code != 200:
            detail = answer.text[:200]
            with contextlib.suppress(json.JSONDecodeError, AttributeError):
                detail = str(answer.json().get("detail"))
            raise StartRefused(f"the place refused ({answer.status_code}): {detail}")
        return answer
