"""Policies of retention, legal holds and erasures that wait for them, as a place keeps them (security-design E3)."""

import hmac
import secrets
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import cbor2

from biometric_flow.api.retention import (
    Hold,
    HoldWanted,
    PlaceHold,
    PrivacyOrders,
    RetentionPolicy,
    RetentionWanted,
    Stay,
    in_force,
    is_over,
    stays,
    too_old,
)
from biometric_flow.identity.envelope import Binding, row_name
from biometric_flow.identity.keyring import ERASURES_WANTED, PLACE
from biometric_flow.model.ids import Pin
from biometric_flow.place.errors import HoldUnknown, PersonUnknown, RetentionFromGateway
from biometric_flow.place.savepoint import savepoint
from biometric_flow.place.subjects import Subjects

SCHEMA: Final = """
CREATE TABLE retention_policy (            -- dated, never changed
    number INTEGER PRIMARY KEY,
    body   TEXT NOT NULL                   -- JSON
) STRICT;
CREATE TABLE legal_hold (
    id     TEXT PRIMARY KEY,               -- random
    origin TEXT NOT NULL CHECK (origin IN ('place', 'gateway')),
    sealed BLOB NOT NULL                   -- whom, why, by whom, from when to when
) STRICT, WITHOUT ROWID;
CREATE TABLE erasure_wanted (              -- was asked for and waits until nothing holds it back
    person   BLOB PRIMARY KEY,             -- keyed digest of the PIN
    sealed   BLOB NOT NULL,                -- PIN, who decided, why
    asked_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""
_OLD_TEXTS: Final = (
    (
        "DELETE FROM job WHERE state IN ('confirmed', 'failed', 'timed_out') AND changed_at < ?"
        " AND number NOT IN (SELECT job FROM rollout_step WHERE job IS NOT NULL)"
        " AND number NOT IN (SELECT job FROM biometric_destruction WHERE job IS NOT NULL AND confirmed_at IS NULL)"
    ),
    "DELETE FROM push_command WHERE state IN ('confirmed', 'failed', 'timed_out') AND changed_at < ?",
)
"""Orders that were carried out: names and cards stand in them."""
_OLD_RELEASES: Final = (
    "DELETE FROM biometric_release WHERE ended_at < ?",
    "DELETE FROM biometric_destruction WHERE confirmed_at < ?",
)


class Retention:
    """What must stay at a place and what must go. Methods run in the writer's thread; raise StorageUnavailable."""

    def __init__(self, connection: sqlite3.Connection, subjects: Subjects, has_gateway: bool) -> None:
        self._connection, self._subjects, self._has_gateway = connection, subjects, has_gateway

    def save(self, wanted: RetentionWanted, now: datetime) -> RetentionPolicy:
        """The next policy. Raises RetentionFromGateway where the tenant's policy is kept at the gateway."""
        if self._has_gateway:
            raise RetentionFromGateway("expected the policy to be saved at the gateway, which tells all places of it")
        number = max((one.number for one in self.policies()), default=0) + 1
        policy = RetentionPolicy(**wanted.model_dump(), number=number, saved_at=now)
        with savepoint(self._connection, "the policy"):
            self._insert(policy)
        return policy

    def policies(self) -> list[RetentionPolicy]:
        """All there ever were, oldest first."""
        rows = self._connection.execute("SELECT body FROM retention_policy ORDER BY number").fetchall()
        return [RetentionPolicy.model_validate_json(body) for (body,) in rows]

    def hold(self, wanted: HoldWanted, now: datetime) -> Hold:
        """Hold back what there is about a person, or everybody. Raises PersonUnknown."""
        if wanted.scope == "person" and self._subjects.id_of(wanted.who) is None:
            raise PersonUnknown("expected the PIN of somebody whom this place knows, nobody has it")
        if wanted.scope == "department":
            raise HoldUnknown("expected a person or everybody: departments are known to the gateway, hold them there")
        hold = Hold(**wanted.model_dump(), id=secrets.token_hex(8), placed_at=now)
        pins = [wanted.who] if wanted.scope == "person" else None
        with savepoint(self._connection, "the hold"):
            self._keep(PlaceHold(hold=hold, pins=pins), "place")
        return hold

    def end(self, identity: str, by: str, now: datetime) -> Hold:
        """End a hold that was placed here. Raises HoldUnknown."""
        for one, origin in self._holds():
            if one.hold.id == identity and one.hold.ended_at is None and origin == "place":
                ended = one.hold.model_copy(update={"ended_at": now, "ended_by": by})
                with savepoint(self._connection, "the end of the hold"):
                    self._keep(PlaceHold(hold=ended, pins=one.pins), "place")
                return ended
        raise HoldUnknown("expected the id of a hold that was placed at this place and has not ended, there is none")

    def holds(self) -> list[Hold]:
        """All there ever were, newest first."""
        return sorted((one.hold for one, _ in self._holds()), key=lambda hold: hold.placed_at, reverse=True)

    def take(self, orders: PrivacyOrders) -> None:
        """What the gateway says takes the place of what it said before."""
        with savepoint(self._connection, "the gateway's orders"):
            self._connection.execute("DELETE FROM retention_policy")
            for policy in orders.policies:
                self._insert(policy)
            self._connection.execute("DELETE FROM legal_hold WHERE origin = 'gateway'")
            for one in orders.holds:
                self._keep(one, "gateway")

    def stays(self, pin: Pin, now: datetime) -> list[Stay]:
        """What of a person must stay now. Raises PersonUnknown."""
        one = self._subjects.id_of(pin)
        if one is None:
            raise PersonUnknown("expected the PIN of somebody whom this place knows, nobody has it")
        query = "SELECT max(instant) FROM punch WHERE subject = ?"
        (last,) = self._connection.execute(query, (one,)).fetchone()
        held = [hold for hold, _ in self._holds()]
        moment = None if last is None else datetime.fromtimestamp(last, UTC)
        return stays(pin, moment, in_force(self.policies(), now.date()), held, now)

    def over(self, now: datetime) -> list[Pin]:
        """Who has not punched for longer than attendance may stay and is wanted on no terminal any more."""
        policy = in_force(self.policies(), now.date())
        rows = self._connection.execute(
            "SELECT subject, max(instant) FROM punch GROUP BY subject"
            " HAVING subject NOT IN (SELECT subject FROM enrolment WHERE is_wanted)"
        ).fetchall()
        gone = [one for one, last in rows if is_over(datetime.fromtimestamp(last, UTC), policy, "attendance", now)]
        return [pin for one in gone if (pin := self._subjects.pin_or_none(one)) is not None]

    def purge(self, now: datetime) -> int:
        """Delete what names people beside the ledger and is older than it may be; how many rows. Nothing under hold."""
        if any(one.hold.is_in_force(now.date()) for one, _ in self._holds()):
            return 0
        policy, gone = in_force(self.policies(), now.date()), 0
        with savepoint(self._connection, "what the policy says"):
            if (limit := too_old(policy, "identity", now)) is not None:
                gone += sum(self._connection.execute(one, (limit.isoformat(),)).rowcount for one in _OLD_TEXTS)
            if (limit := too_old(policy, "attendance", now)) is not None:
                query = "DELETE FROM terminal_event WHERE first_seen < ?"
                gone += self._connection.execute(query, (limit.isoformat(),)).rowcount
            if (limit := too_old(policy, "biometric", now)) is not None:
                gone += sum(self._connection.execute(one, (limit.isoformat(),)).rowcount for one in _OLD_RELEASES)
        return gone

    def wait(self, pin: Pin, by: str, reason: str, now: datetime, erasure: bytes | None = None) -> None:
        """Keep in mind that an erasure was asked for. `erasure` is given when it began elsewhere."""
        person = self._digest(pin)
        told = self._subjects.keys.seal(PLACE, _row("erasure_wanted", person), cbor2.dumps([pin, by, reason, erasure]))
        with savepoint(self._connection, "the erasure to come"):
            self._connection.execute(
                "INSERT INTO erasure_wanted VALUES (?, ?, ?)"
                " ON CONFLICT DO UPDATE SET sealed = excluded.sealed WHERE ?",
                (person, told, now.isoformat(), erasure is not None),
            )

    def waiting(self) -> Sequence[tuple[Pin, str, str, bytes | None]]:
        """PIN, who decided, why, and the id it has elsewhere, of every erasure that waits."""
        rows = self._connection.execute("SELECT person, sealed FROM erasure_wanted ORDER BY asked_at").fetchall()
        opened = [self._subjects.keys.open(PLACE, _row("erasure_wanted", person), told) for person, told in rows]
        return [
            (Pin(pin), by, reason, more[0] if more else None) for pin, by, reason, *more in map(cbor2.loads, opened)
        ]

    def done(self, pin: Pin) -> None:
        """The person is erased, or not there: nothing waits any more."""
        with savepoint(self._connection, "that an erasure is done"):
            self._connection.execute("DELETE FROM erasure_wanted WHERE person = ?", (self._digest(pin),))

    def _insert(self, policy: RetentionPolicy) -> None:
        row = (policy.number, policy.model_dump_json())
        self._connection.execute("INSERT INTO retention_policy VALUES (?, ?)", row)

    def _holds(self) -> list[tuple[PlaceHold, str]]:
        rows = self._connection.execute("SELECT id, origin, sealed FROM legal_hold").fetchall()
        return [
            (PlaceHold.model_validate_json(self._subjects.keys.open(PLACE, _row("legal_hold", key), told)), origin)
            for key, origin, told in rows
        ]

    def _keep(self, one: PlaceHold, origin: str) -> None:
        told = self._subjects.keys.seal(PLACE, _row("legal_hold", one.hold.id), one.model_dump_json().encode())
        self._connection.execute("INSERT OR REPLACE INTO legal_hold VALUES (?, ?, ?)", (one.hold.id, origin, told))

    def _digest(self, pin: str) -> bytes:
        key = self._subjects.keys.derived(PLACE, ERASURES_WANTED)
        return hmac.digest(key, pin.encode(), "sha256")[:16]


def _row(table: str, key: bytes | str) -> Binding:
    return Binding(table, "sealed", row_name(key))
