"""Things that happened to terminals and stay until a person has seen them; kept in the place's database."""

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from biometric_flow.ledger.errors import StorageUnavailable
from biometric_flow.place.findings import Incident


class Incidents:
    """The newest incident of each kind of each terminal. Methods that write run in the writer's thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._known: dict[str, dict[str, Incident]] = {}
        self.read()

    def read(self) -> None:
        """Take what is in the database, whatever is in memory."""
        self._known.clear()
        for key, code, text, at in self._connection.execute("SELECT terminal, code, text, at FROM incident"):
            self._known.setdefault(key, {})[code] = Incident(code, text, datetime.fromisoformat(at))

    def of(self, key: str) -> Sequence[Incident]:
        """What happened to one terminal, newest first."""
        mine = self._known.get(key, {})
        return sorted(mine.values(), key=lambda incident: incident.at, reverse=True)

    def note(self, key: str, incident: Incident) -> None:
        """Keep an incident; it takes the place of an earlier one of its kind."""
        values = (key, incident.code, incident.text, incident.at.isoformat())
        self._write("INSERT OR REPLACE INTO incident (terminal, code, text, at) VALUES (?, ?, ?, ?)", values)
        self._known.setdefault(key, {})[incident.code] = incident

    def dismiss(self, key: str, code: str) -> bool:
        """A person has seen it. False when there is none."""
        self._write("DELETE FROM incident WHERE terminal = ? AND code = ?", (key, code))
        return self._known.get(key, {}).pop(code, None) is not None

    def _write(self, statement: str, values: tuple[str, ...]) -> None:
        try:
            self._connection.execute(statement, values)
        except sqlite3.Error as error:
            raise StorageUnavailable(f"the incident was not kept: {error}") from error
