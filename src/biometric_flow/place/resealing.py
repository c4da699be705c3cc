"""Seals anew whatever at a place is under keys that are replaced, so that these can be destroyed (K3)."""

import sqlite3
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from biometric_flow.identity.envelope import Binding, KeyId, key_id_of, row_name
from biometric_flow.ledger.logs import log_at
from biometric_flow.ledger.sqlite import SqliteLedgerStore, logs_of
from biometric_flow.place.store import PlaceStore
from biometric_flow.runtime.key_store import KeyStore

_ROWS: Final = 500
"""Rows looked at in one transaction; between two of them punches are recorded."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """Columns of one table that hold envelopes, and which columns of a row name it: first its key, then in bindings."""

    table: str
    key: tuple[str, ...]
    row: tuple[str, ...]
    columns: tuple[str, ...]
    called: str = ""
    """What bindings call the column, where that is not its name."""
    is_text: bool = False
    """The envelope stands there in base64."""


SEALED: Final = (
    Sealed("subject", ("id",), ("id",), ("pin",)),
    Sealed("person", ("terminal", "subject"), ("terminal", "subject"), ("sealed",)),
    Sealed("enrolment", ("terminal", "subject"), ("terminal", "subject"), ("sealed",)),
    Sealed("quarantine", ("known",), ("known",), ("sealed",)),
    Sealed("cursor", ("terminal",), ("terminal",), ("mark_tail",)),
    Sealed("legal_hold", ("id",), ("id",), ("sealed",)),
    Sealed("erasure_wanted", ("person",), ("person",), ("sealed",)),
    Sealed("biometric_sample", ("subject", "slot"), ("subject", "slot"), ("content",)),
    Sealed("biometric_release", ("number",), ("person", "recorded_at"), ("sealed",)),
    Sealed("biometric_release", ("number",), ("person", "ended_at"), ("ended",), "sealed"),
    Sealed("biometric_destruction", ("number",), ("person", "asked_at"), ("sealed",)),
    Sealed("terminal", ("key",), ("key",), ("comm_key", "comm_key_next", "push_secret"), is_text=True),
    Sealed("terminal_event", ("known",), ("known",), ("detail",), is_text=True),
    Sealed("job", ("number",), ("number",), ("body", "detail"), is_text=True),
    Sealed("push_command", ("id",), ("id",), ("body", "told"), is_text=True),
    Sealed("rollout", ("number",), ("number",), ("body", "detail"), is_text=True),
    Sealed("rollout_step", ("rollout", "position"), ("rollout",), ("detail",), is_text=True),
)
"""All of a place's file but records of entries, which keep their opening; archived uploads are a file of their own."""

Piece = Callable[[tuple[Any, ...] | None, frozenset[KeyId]], tuple[tuple[Any, ...] | None, int]]
"""Takes the row it goes on behind, and the keys that are replaced; gives the last row it saw, how many it sealed."""


class Resealing:
    """Runs in the writer's thread. What was sealed anew once is not touched again: a kill costs nothing."""

    def __init__(self, connection: sqlite3.Connection, store: PlaceStore) -> None:
        self._connection, self._store = connection, store
        self._keys: KeyStore = store.subjects.keys

    def pieces(self) -> list[Piece]:
        """What to call, each until it gives no row any more."""
        return [*(self._piece_of(one) for one in SEALED), self._records]

    def _piece_of(self, sealed: Sealed) -> Piece:
        def piece(after: tuple[Any, ...] | None, old: frozenset[KeyId]) -> tuple[tuple[Any, ...] | None, int]:
            names = (*sealed.key, *sealed.row, *sealed.columns)
            rows = self._rows(sealed.table, sealed.key, names, after)
            count = 0
            with self._store.transaction():
                for row in rows:
                    key, rest = row[: len(sealed.key)], row[len(sealed.key) :]
                    name, values = rest[: len(sealed.row)], rest[len(sealed.row) :]
                    for column, value in zip(sealed.columns, values, strict=True):
                        binding = Binding(sealed.table, sealed.called or column, row_name(*name))
                        count += self._cell(sealed, key, column, value, binding, old)
            return (rows[-1][: len(sealed.key)] if rows else None), count

        return piece

    def _cell(
        self, sealed: Sealed, key: tuple[Any, ...], column: str, value: Any, binding: Binding, old: frozenset[KeyId]
    ) -> int:
        envelope = b64decode(value) if value and sealed.is_text else value
        if not envelope or key_id_of(envelope) not in old:
            return 0
        fresh = self._again(binding, envelope)
        self._put(sealed.table, sealed.key, key, column, b64encode(fresh).decode() if sealed.is_text else fresh)
        return 1

    def _records(self, after: tuple[Any, ...] | None, old: frozenset[KeyId]) -> tuple[tuple[Any, ...] | None, int]:
        """A record keeps its opening beside it: the key from which that followed is about to be destroyed."""
        names = ("sequence", "leaf", "hash", "record")
        rows = self._rows("ledger_entry", ("sequence",), names, after)
        logs = logs_of(self._connection)
        stores = {log: SqliteLedgerStore(self._connection, self._store.subjects, log) for log in logs}
        count = 0
        with self._store.transaction():
            for row in rows:
                position, _leaf, _hash, record = row
                if record and key_id_of(record) in old:
                    opening = stores[log_at(logs, position)].opened(row).opening
                    fresh = self._store.subjects.reseal_record(position, record, opening)
                    self._put("ledger_entry", ("sequence",), (position,), "record", fresh)
                    count += 1
        return (rows[-1][:1] if rows else None), count

    def _again(self, binding: Binding, envelope: bytes) -> bytes:
        return self._keys.seal(self._keys.owner_of(envelope), binding, self._keys.unseal(binding, envelope))

    def _rows(
        self, table: str, key: tuple[str, ...], names: tuple[str, ...], after: tuple[Any, ...] | None
    ) -> list[tuple[Any, ...]]:
        keys = ", ".join(key)
        where = f"WHERE ({keys}) > ({', '.join('?' * len(key))})" if after else ""
        query = f"SELECT {', '.join(names)} FROM {table} {where} ORDER BY {keys} LIMIT ?"  # noqa: S608 - our own names
        return self._connection.execute(query, (*(after or ()), _ROWS)).fetchall()

    def _put(self, table: str, names: tuple[str, ...], key: tuple[Any, ...], column: str, value: bytes | str) -> None:
        where = " AND ".join(f"{name} = ?" for name in names)
        self._connection.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (value, *key))  # noqa: S608
