"""What orders, results and events say in words, as it lies in a place's file: sealed under whoever it names (E1)."""

import json
import sqlite3
from base64 import b64decode, b64encode
from collections.abc import Iterable
from typing import Final

from biometric_flow.identity.envelope import Binding, row_name
from biometric_flow.identity.keyring import PLACE, Owner, subject
from biometric_flow.place.subjects import Subjects
from biometric_flow.zk.errors import ProtocolViolation
from biometric_flow.zk.push.command_lines import read_command
from biometric_flow.zk.push.text import PushProtocol

SCHEMA: Final = """
-- From here on body, detail (but of push_command) and told hold an envelope in base64, or nothing.
ALTER TABLE job ADD COLUMN kind TEXT NOT NULL DEFAULT '';       -- of order
ALTER TABLE job ADD COLUMN blob TEXT NOT NULL DEFAULT '';       -- id of the file that the order hands out
ALTER TABLE rollout ADD COLUMN kind TEXT NOT NULL DEFAULT '';
"""
_HELD: Final = ("job", "push_command", "rollout", "terminal_event")


class Wording:
    """Seals and opens words. Keeps nothing, so that it may be asked in any thread."""

    def __init__(self, subjects: Subjects) -> None:
        self._subjects = subjects

    def owner(self, pins: Iterable[str]) -> Owner:
        """Whose key seals what names these: the person's who alone is named and is known here, else the place's."""
        found = {self._subjects.id_of(pin) for pin in pins}
        one = found.pop() if len(found) == 1 else None
        return PLACE if one is None else subject(one)

    def seal(self, owner: Owner, table: str, column: str, row: int | str | bytes, text: str) -> str:
        """A text as it stands in that column of that row; empty stays empty."""
        if not text:
            return ""
        binding = Binding(table, column, row_name(row))
        return b64encode(self._subjects.keys.seal(owner, binding, text.encode("utf-8", "surrogatepass"))).decode()

    def open(self, table: str, column: str, row: int | str | bytes, sealed: str) -> str:
        """The text again. Raises what `KeyStore.open` raises."""
        if not sealed:
            return ""
        envelope, keys = b64decode(sealed), self._subjects.keys
        opened = keys.open(keys.owner_of(envelope), Binding(table, column, row_name(row)), envelope)
        return opened.decode("utf-8", "surrogatepass")

    def owner_of(self, sealed: str) -> Owner:
        """For whom a text was sealed; the place where there is none."""
        return self._subjects.keys.owner_of(b64decode(sealed)) if sealed else PLACE

    def names(self, pin: str | None, subject_id: str, table: str, column: str, sealed: str, row: int) -> bool:
        """Whether a text is this person's, or is the place's and holds the PIN somewhere."""
        owner = self.owner_of(sealed)
        if owner == PLACE and pin is not None:
            return pin in self.open(table, column, row, sealed)
        return owner == subject(subject_id)


def pins_in(what: object) -> set[str]:
    """The PINs that an order, or a command of push, is about."""
    parts = (what, getattr(what, "user", None), getattr(what, "template", None))
    return {pin for one in parts if (pin := getattr(one, "pin", ""))} | set(getattr(what, "pins", ()))


def next_number(connection: sqlite3.Connection, table: str) -> int:
    """The number that the next row of a table with AUTOINCREMENT gets: what is sealed for a row must know it."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
    return int(row[0]) + 1 if row else 1


def is_empty(connection: sqlite3.Connection) -> bool:
    """Is there nothing to seal?"""
    return not any(connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() for table in _HELD)  # noqa: S608


def convert(connection: sqlite3.Connection, subjects: Subjects) -> None:
    """Seal what older versions wrote in the clear, inside the caller's transaction."""
    wording = Wording(subjects)
    for number, body, detail in connection.execute("SELECT number, body, detail FROM job").fetchall():
        order = json.loads(body)
        owner = wording.owner({order["pin"]} if "pin" in order else order.get("pins", []))
        sealed = [wording.seal(owner, "job", *one) for one in (("body", number, body), ("detail", number, detail))]
        connection.execute(
            "UPDATE job SET body = ?, detail = ?, kind = ?, blob = ? WHERE number = ?",
            (*sealed, order["kind"], order.get("blob", ""), number),
        )
    _convert_commands(connection, wording)
    for number, body, detail in connection.execute("SELECT number, body, detail FROM rollout").fetchall():
        sealed = [wording.seal(PLACE, "rollout", *one) for one in (("body", number, body), ("detail", number, detail))]
        connection.execute(
            "UPDATE rollout SET body = ?, detail = ?, kind = ? WHERE number = ?",
            (*sealed, json.loads(body)["kind"], number),
        )
    for number, position, detail in connection.execute("SELECT rollout, position, detail FROM rollout_step").fetchall():
        connection.execute(
            "UPDATE rollout_step SET detail = ? WHERE rollout = ? AND position = ?",
            (wording.seal(PLACE, "rollout_step", "detail", number, detail), number, position),
        )
    for known, whose, detail in connection.execute("SELECT known, subject, detail FROM terminal_event").fetchall():
        if whose in subjects.closed:  # erased since this copy was made
            detail = ""
        owner = subject(whose) if whose else PLACE
        connection.execute(
            "UPDATE terminal_event SET detail = ? WHERE known = ?",
            (wording.seal(owner, "terminal_event", "detail", known, detail), known),
        )


def _convert_commands(connection: sqlite3.Connection, wording: Wording) -> None:
    """Why a command ended may repeat its job's words, and nobody asks for it: that is emptied."""
    query = "SELECT id, body, told, protocol FROM push_command"
    for number, body, told, protocol in connection.execute(query).fetchall():
        try:
            _, command = read_command(f"C:{number}:{body}", PushProtocol(protocol))
        except ProtocolViolation:
            command = None
        owner = wording.owner(pins_in(command))
        sealed = [wording.seal(owner, "push_command", *one) for one in (("body", number, body), ("told", number, told))]
        connection.execute("UPDATE push_command SET body = ?, told = ?, detail = '' WHERE id = ?", (*sealed, number))
