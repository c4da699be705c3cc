"""The wordings that people sign, by version and language: kept as they were, known by their hash, never changed."""

import hashlib
import sqlite3
from typing import Final

from biometric_flow.api.biometrics import ConsentText, ConsentTextWanted
from biometric_flow.place.biometrics.errors import TextExists, TextUnknown
from biometric_flow.place.savepoint import savepoint

SCHEMA: Final = """
CREATE TABLE consent_text (
    version  TEXT NOT NULL,
    language TEXT NOT NULL,
    digest   BLOB NOT NULL,                -- SHA-256 of the text in UTF-8
    body     TEXT NOT NULL,
    saved_by TEXT NOT NULL,
    saved_at TEXT NOT NULL,
    PRIMARY KEY (version, language)
) STRICT, WITHOUT ROWID;
"""
_SELECT: Final = "SELECT version, language, digest, body, saved_by, saved_at FROM consent_text"


class ConsentTexts:
    """The wordings of a place. Methods run in the writer's thread; raise StorageUnavailable when the disk fails."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def save(self, version: str, language: str, wanted: ConsentTextWanted, saved_at: str) -> ConsentText:
        """Keep a wording; the same again changes nothing. Raises TextExists for another one under this name."""
        digest = hashlib.sha256(wanted.body.encode()).digest()
        if (known := self.find(version, language)) is not None:
            if known.sha256 != digest.hex():
                raise TextExists("expected the same text again, got another: people signed it; save the next version")
            return known
        with savepoint(self._connection, "the text"):
            row = (version, language, digest, wanted.body, wanted.by, saved_at)
            self._connection.execute("INSERT INTO consent_text VALUES (?, ?, ?, ?, ?, ?)", row)
        return self.get(version, language)

    def find(self, version: str, language: str) -> ConsentText | None:
        """One wording, or none."""
        row = self._connection.execute(f"{_SELECT} WHERE version = ? AND language = ?", (version, language)).fetchone()
        return row and _text(row)

    def get(self, version: str, language: str) -> ConsentText:
        """One wording. Raises TextUnknown."""
        found = self.find(version, language)
        if found is None:
            raise TextUnknown("expected the version and language of a saved text, there is none; see /v1/consent/texts")
        return found

    def all(self) -> list[ConsentText]:
        """All of them, by version and language."""
        rows = self._connection.execute(f"{_SELECT} ORDER BY version, language").fetchall()
        return [_text(row) for row in rows]


def _text(row: tuple[str, str, bytes, str, str, str]) -> ConsentText:
    version, language, digest, body, by, at = row
    return ConsentText.model_validate(
        {"version": version, "language": language, "sha256": digest.hex(), "body": body, "by": by, "saved_at": at}
    )
