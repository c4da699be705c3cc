"""Releases, and the templates and pictures they allow, sealed with a key for each person (security-design E4 to E6)."""

import hmac
import secrets
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import cbor2

from biometric_flow.identity.envelope import Binding, row_name
from biometric_flow.identity.keyring import PLACE, RELEASES, Owner, subject
from biometric_flow.ledger.errors import StorageUnavailable
from biometric_flow.model.ids import Pin
from biometric_flow.place.biometrics.errors import ReleaseExists, ReleaseInvalid, ReleaseUnknown
from biometric_flow.place.biometrics.samples import DATA_MAX, LONGEST, PHOTO, Dropped, Release, Sample
from biometric_flow.runtime.key_store import KeyStore

PHOTOS_MAX: Final = 400
"""Pictures taken with punches that are kept of one person; the oldest go first."""

KEPT: Final = "kept"

SCHEMA: Final = """
CREATE TABLE biometric_release (           -- what people signed; rows are ended, never deleted (BIPA 15(b))
    number         INTEGER PRIMARY KEY AUTOINCREMENT,
    person         BLOB NOT NULL,          -- keyed digest of the PIN
    sealed         BLOB NOT NULL,          -- PIN, purpose, wording, who recorded it
    given_at       TEXT NOT NULL,
    until          TEXT NOT NULL,
    recorded_at    TEXT NOT NULL,
    allows_keeping INTEGER NOT NULL,       -- 0: templates may travel between terminals only
    ended_at       TEXT,
    ended          BLOB                    -- sealed: why and by whom
) STRICT;
CREATE UNIQUE INDEX biometric_release_open ON biometric_release (person) WHERE ended_at IS NULL;

CREATE TABLE biometric_subject (           -- a random name of the person's key for this purpose alone
    person  BLOB PRIMARY KEY,              -- keyed digest of the PIN
    subject TEXT NOT NULL UNIQUE
) STRICT, WITHOUT ROWID;

CREATE TABLE biometric_sample (            -- names nobody; opens with the subject's key only
    subject     TEXT NOT NULL,
    slot        TEXT NOT NULL,
    terminal    TEXT NOT NULL,             -- serial number it came from
    received_at TEXT NOT NULL,
    content     BLOB NOT NULL,             -- envelope
    PRIMARY KEY (subject, slot)
) STRICT, WITHOUT ROWID;

CREATE TABLE biometric_count (             -- what became of what came
    terminal TEXT NOT NULL,                -- serial number
    outcome  TEXT NOT NULL,
    count    INTEGER NOT NULL,
    PRIMARY KEY (terminal, outcome)
) STRICT, WITHOUT ROWID;
"""
_RELEASE: Final = (
    "SELECT number, person, sealed, given_at, until, recorded_at, allows_keeping, ended_at, ended"
    " FROM biometric_release"
)


@dataclass(frozen=True, slots=True)
class Kept:
    """One sealed template or picture, as far as it may be told."""

    slot: str
    terminal: str
    received_at: datetime
    size: int
    """Bytes of the envelope."""


class Vault:
    """What a place keeps of people's bodies: nothing, unless it is switched on. Methods run in the writer's thread.

    All methods that write raise StorageUnavailable when the disk does not take it.
    """

    def __init__(self, connection: sqlite3.Connection, keys: KeyStore, is_on: bool) -> None:
        self._connection = connection
        self._keys = keys
        self._digest_key = keys.derived(PLACE, RELEASES)
        self.is_on = is_on

    def agree(self, release: Release) -> Release:
        """Record a written release. Raises ReleaseExists while another is in force, ReleaseInvalid."""
        if not release.given_at < release.until <= release.given_at + LONGEST:
            raise ReleaseInvalid(f"expected a period of at most {LONGEST.days} days from its signature, got another")
        if release.given_at > release.recorded_at + timedelta(days=1):
            raise ReleaseInvalid("expected a release that was signed before it is recorded, got a later time")
        if self.release_of(release.pin) is not None:
            raise ReleaseExists("expected nobody's release to be in force twice; end the one that is, then record this")
        known, at = self.digest(release.pin), _text(release.recorded_at)
        told = [release.pin, release.purpose, release.text_version, release.recorded_by]
        told += [release.text_language, release.text_sha256]
        with self._written():
            cursor = self._connection.execute(
                "INSERT INTO biometric_release (person, sealed, given_at, until, recorded_at, allows_keeping)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (
                    *(known, self.seal("biometric_release", known, at, told), _text(release.given_at)),
                    *(_text(release.until), at, release.allows_keeping),
                ),
            )
        return next(one for one in self.releases(release.pin) if one.number == cursor.lastrowid)

    def releases(self, pin: str) -> list[Release]:
        """Everything a person ever signed here, newest first."""
        rows = self._connection.execute(f"{_RELEASE} WHERE person = ? ORDER BY number DESC", (self.digest(pin),))
        return [self._release(row) for row in rows.fetchall()]

    def every_release(self) -> list[Release]:
        """Everything anybody ever signed here, in the order it was recorded."""
        return [self._release(row) for row in self._connection.execute(f"{_RELEASE} ORDER BY number").fetchall()]

    def release_of(self, pin: str) -> Release | None:
        """The release that has not ended."""
        return next((one for one in self.releases(pin) if one.ended_at is None), None)

    def is_allowed(self, pin: str, now: datetime) -> bool:
        """Whether a person's templates may be handled at all."""
        release = self.release_of(pin)
        return release is not None and release.is_in_force(now)

    def overdue(self, now: datetime) -> list[Pin]:
        """Whose period is over. None lasts longer than three years from its signature, which is an interaction (E4)."""
        open_ones = map(self._release, self._connection.execute(f"{_RELEASE} WHERE ended_at IS NULL").fetchall())
        return [one.pin for one in open_ones if one.until <= now]

    def keep(self, samples: Sequence[Sample], unreadable: int, terminal: str, now: datetime) -> Counter[str]:
        """Seal what may be kept and drop the rest, counted; durable when this returns."""
        outcomes: Counter[str] = Counter({Dropped.UNREADABLE: unreadable} if unreadable else {})
        with self._written():
            for sample in samples:
                reason = self._refusal(sample, now)
                if reason is None:
                    self._seal(sample, terminal, now)
                outcomes[reason or KEPT] += 1
            self._connection.executemany(
                "INSERT INTO biometric_count VALUES (?, ?, ?)"
                " ON CONFLICT (terminal, outcome) DO UPDATE SET count = count + excluded.count",
                [(terminal, outcome, count) for outcome, count in outcomes.items()],
            )
        return outcomes

    def open(self, pin: Pin) -> list[Sample]:
        """A person's templates in the clear, for a terminal and nobody else."""
        known = self._subject(pin)
        if known is None:
            return []
        rows = self._connection.execute(
            "SELECT slot, content FROM biometric_sample WHERE subject = ? AND slot NOT LIKE ? ORDER BY slot",
            (known, f"{PHOTO}/%"),
        ).fetchall()
        return [Sample.decode(pin, self._keys.open(*_sealed(known, slot), content)) for slot, content in rows]

    def listed(self, pin: str) -> list[Kept]:
        """What is kept of a person, without what it is."""
        rows = self._connection.execute(
            "SELECT slot, terminal, received_at, length(content) FROM biometric_sample"
            " WHERE subject = (SELECT subject FROM biometric_subject WHERE person = ?) ORDER BY slot",
            (self.digest(pin),),
        )
        return [Kept(slot, terminal, datetime.fromisoformat(at), size) for slot, terminal, at, size in rows]

    def counts(self) -> list[tuple[str, str, int]]:
        """Serial number, outcome and how many."""
        return self._connection.execute("SELECT * FROM biometric_count ORDER BY terminal, outcome").fetchall()

    def end(self, pin: str, reason: str, now: datetime, more: Iterable[tuple[str, Sequence[object]]] = ()) -> int:
        """End a person's release and delete what it allowed; how many there were. Raises ReleaseUnknown.

        The rows go together with `more` statements. Once that is durable the caller destroys the key: whatever is left
        of them on the disk, in a backup or in free pages, opens for nobody then (security-design E1).
        """
        if self.release_of(pin) is None:
            raise ReleaseUnknown("expected a person whose release has not ended, there is none in force")
        with self._written():
            known = self.digest(pin)
            self._connection.execute(
                "UPDATE biometric_release SET ended_at = ?, ended = ? WHERE person = ? AND ended_at IS NULL",
                (_text(now), self.seal("biometric_release", known, _text(now), [reason]), known),
            )
            gone = self._connection.execute(
                "DELETE FROM biometric_sample WHERE subject = (SELECT subject FROM biometric_subject WHERE person = ?)",
                (known,),
            )
            for statement, values in more:
                self._connection.execute(statement, values)
        return gone.rowcount

    def destroy_keys(self) -> None:
        """Destroy the keys of everybody whose release has ended; done again at each start, since a kill may come."""
        rows = self._connection.execute(
            "SELECT person, subject FROM biometric_subject WHERE person NOT IN"
            " (SELECT person FROM biometric_release WHERE ended_at IS NULL)"
        ).fetchall()
        for known, name in rows:
            self._keys.destroy(subject(name))
            with self._written():
                self._connection.execute("DELETE FROM biometric_subject WHERE person = ?", (known,))

    def digest(self, pin: str) -> bytes:
        """What stands in these tables for a PIN, which nobody can guess without the place's key."""
        return hmac.digest(self._digest_key, pin.encode("utf-8", "surrogatepass"), "sha256")[:16]

    def seal(self, table: str, known: bytes, at: str, told: Sequence[str]) -> bytes:
        """Texts about a person as they lie in a row of these tables, written at a time."""
        return self._keys.seal(PLACE, _row(table, known, at), cbor2.dumps(list(told), canonical=True))

    def unseal(self, table: str, known: bytes, at: str, sealed: bytes) -> list[str]:
        """The texts again."""
        told: list[str] = cbor2.loads(self._keys.open(PLACE, _row(table, known, at), sealed))
        return told

    def _refusal(self, sample: Sample, now: datetime) -> Dropped | None:
        if not self.is_on:
            return Dropped.SWITCHED_OFF
        release = self.release_of(sample.pin)
        if release is None or not release.is_in_force(now) or not release.allows_keeping:
            return Dropped.NO_RELEASE
        if not sample.data:
            return Dropped.EMPTY
        return Dropped.UNREADABLE if len(sample.data) > DATA_MAX else None

    def _seal(self, sample: Sample, terminal: str, now: datetime) -> None:
        known = self._subject(sample.pin)
        if known is None:
            known = secrets.token_hex(16)
            self._connection.execute("INSERT INTO biometric_subject VALUES (?, ?)", (self.digest(sample.pin), known))
        envelope = self._keys.seal(*_sealed(known, sample.slot), sample.encode())
        self._connection.execute(
            "INSERT OR REPLACE INTO biometric_sample VALUES (?, ?, ?, ?, ?)",
            (known, sample.slot, terminal, _text(now), envelope),
        )
        if sample.tag == PHOTO:
            self._connection.execute(
                "DELETE FROM biometric_sample WHERE subject = ? AND slot IN (SELECT slot FROM biometric_sample"
                " WHERE subject = ? AND slot LIKE ? ORDER BY slot DESC LIMIT -1 OFFSET ?)",
                (known, known, f"{PHOTO}/%", PHOTOS_MAX),
            )

    def _subject(self, pin: str) -> str | None:
        query = "SELECT subject FROM biometric_subject WHERE person = ?"
        row = self._connection.execute(query, (self.digest(pin),)).fetchone()
        return row and str(row[0])

    def _release(self, row: tuple[Any, ...]) -> Release:
        number, known, sealed, given, until, at, keeping, ended, why = row
        pin, purpose, version, by, *text = self.unseal("biometric_release", known, at, sealed)
        language, digest = text or ("", "")  # releases of before texts were kept have none
        reason = self.unseal("biometric_release", known, ended, why)[0] if why else ""
        return Release(
            number, Pin(pin), purpose, version, datetime.fromisoformat(given), datetime.fromisoformat(until), by,
            datetime.fromisoformat(at), bool(keeping), ended and datetime.fromisoformat(ended), reason,
            language, digest,
        )  # fmt: skip

    @contextmanager
    def _written(self) -> Iterator[None]:
        if self._connection.in_transaction:  # of what somebody asked for, with its entry in the ledger
            yield
            return
        try:
            with self._connection:
                self._connection.execute("BEGIN IMMEDIATE")
                yield
        except sqlite3.Error as error:
            raise StorageUnavailable(f"nothing was kept or destroyed: {error}") from error


def _sealed(name: str, slot: str) -> tuple[Owner, Binding]:
    return subject(name), Binding("biometric_sample", "content", row_name(name, slot))


def _row(table: str, known: bytes, at: str) -> Binding:
    return Binding(table, "sealed", row_name(known, at))


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()
