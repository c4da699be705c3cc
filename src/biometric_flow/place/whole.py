"""Is a place's file whole as a database, with the tables, indexes and triggers of this program and no others?"""

import re
import sqlite3
from typing import Final

from biometric_flow.ledger.errors import LedgerAltered
from biometric_flow.place.schema import STEPS, definitions, definitions_of

_FINDINGS: Final = 1000
"""What SQLite tells at most of a file."""
_OF_INDEX: Final = re.compile(r"(?:row \d+ missing from|wrong # of entries in|non-unique entry in) index (\S+)")
"""Of a unique index whose entries are out of order, as after a turned bit, SQLite says that two are the same."""


def index_that_differs(connection: sqlite3.Connection) -> str:
    """The index that differs from its table where nothing else is wrong, empty where nothing is.

    SQLite numbers a row that is missing from an index by its place in the table. If the row was altered and not the
    index, the entry that it does not follow from is to be named, so that the caller looks for that first.
    Raises LedgerAltered for anything else.
    """
    answers = [answer for (answer,) in connection.execute(f"PRAGMA integrity_check({_FINDINGS})") if answer != "ok"]
    others = [answer for answer in answers if not _OF_INDEX.fullmatch(answer)]
    if others or len(answers) == _FINDINGS:
        raise LedgerAltered(f"the database file: {[*others, *answers][0]}")
    _made_by_this_program(connection)
    return answers[0].rsplit(" ", 1)[1] if answers else ""


def _made_by_this_program(connection: sqlite3.Connection) -> None:
    """A trigger would write what nobody recorded; a default or a check that was changed, what nobody meant."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if not 0 < version <= len(STEPS):
        expected = f"expected a version from 1 to {len(STEPS)}, got {version}"
        raise LedgerAltered(f"the database file: {expected}: it was altered, or written by a newer program")
    others = definitions_of(connection) ^ definitions(version)
    if others:
        kind, name, *_ = min(others, key=str)
        raise LedgerAltered(f"the database file: {kind} {name} is not as this program makes it in version {version}")
