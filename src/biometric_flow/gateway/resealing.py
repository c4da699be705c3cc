"""Replaces keys of a gateway's people, or of what is about nobody: seals anew what is under them, destroys them.

Beside the running gateway, with the rights of the database's owner: entries are append-only for everybody else. Whoever
was stopped calls it again; an envelope names its key, so that nothing else has to be kept of how far it came (K3).
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from biometric_flow.gateway.first_sealing import PROBE
from biometric_flow.gateway.store import audit, identities, ledger, words
from biometric_flow.identity.envelope import Binding, KeyId, key_id_of
from biometric_flow.identity.errors import KeyDestroyed
from biometric_flow.identity.keyring import KeyKind
from biometric_flow.runtime.errors import StartRefused
from biometric_flow.runtime.key_store import KeyStore

LEVELS: Final[Mapping[str, tuple[KeyKind, ...]]] = MappingProxyType(
    {"people": (KeyKind.SUBJECT, KeyKind.PERSON), "place": (KeyKind.PLACE,)}
)
"""Not those of archived people: what is in files that never change is under them."""
SETTLE_SECONDS: Final = 60.0
"""How long a replaced key stays once nothing stored is under it: longer than any transaction of the gateway takes."""

_ROWS: Final = 500
"""Rows read at once. Each is written by itself: who holds one lock at a time makes nobody's transaction fail."""
_TENANT: Final = "SELECT set_config('app.tenant', %s, false)"
_Row = Mapping[str, Any]


class RowsLeft(StartRefused):
    """Something is still under keys that were to be destroyed; they stay."""


class Sealed(NamedTuple):
    """Columns of a table that hold envelopes, what names its rows within a tenant, and where an envelope belongs."""

    table: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    binding: Callable[[_Row, str], Binding]


def _worded(kept: words.Kept) -> Callable[[_Row, str], Binding]:
    return lambda row, column: words.binding(kept, column, row)


SEALED: Final = (
    Sealed(
        *("ledger_entry", ("place_id", "sequence"), ("record",)),
        lambda row, _: ledger.binding(row["place_id"], row["sequence"]),
    ),
    Sealed("audit_entry", ("sequence",), ("record",), lambda row, _: audit.binding(row["sequence"])),
    Sealed(
        *("subject", ("subject",), ("pin", "name")),  # a binding needs no place: an id is random
        lambda row, column: identities.binding(identities.of_subject("", bytes(row["subject"])), column),
    ),
    Sealed(
        *("employee", ("person_id",), ("number", "name")),
        lambda row, column: identities.binding(identities.of_person(row["person_id"]), column),
    ),
    Sealed("sealing", (), ("probe",), lambda *_: PROBE),
    *(Sealed(one.table, one.key, one.columns, _worded(one)) for one in words.KEPT),
)


def replace(owner_dsn: str, keys: KeyStore, level: str, settle: Callable[[], None]) -> None:
    """Finish the rotation of a level that is under way, or do one. `settle` waits for SETTLE_SECONDS.

    Raises RowsLeft, StorageUnavailable, psycopg.Error, and what KeyStore.unseal does for another database's key store.
    """
    kinds = LEVELS[level]
    psycopg.connect(owner_dsn).close()  # nothing begins while the database is away
    if not any(keys.retiring(kind) for kind in kinds):
        for kind in kinds:
            keys.turn(kind)
    while old := frozenset(one.id for kind in kinds for one in keys.retiring(kind)):
        _reseal(owner_dsn, keys, old)
        settle()
        if _reseal(owner_dsn, keys, old):
            continue  # somebody wrote what they had sealed before
        _refuse_while_needed(owner_dsn, keys, [one.id for kind in kinds for one in keys.retiring(kind)])
        for kind in kinds:
            keys.retire(kind)


def _reseal(owner_dsn: str, keys: KeyStore, old: frozenset[KeyId]) -> int:
    """Seal anew what is under old keys; how many values that were."""
    count = 0
    with psycopg.connect(owner_dsn, autocommit=True) as connection:
        connection.execute(_TENANT, (keys.tenant,))
        connection.execute("SET synchronous_commit = off")
        for sealed in SEALED:
            after: Sequence[Any] | None = ()
            while after is not None:
                after, done = _piece(connection, keys, sealed, after, old)
                count += done
        # Durable with all before it, since the old keys go next.
        connection.execute("SET synchronous_commit = on")
        connection.execute("SELECT pg_current_xact_id()")
    return count


def _refuse_while_needed(owner_dsn: str, keys: KeyStore, old: list[KeyId]) -> None:
    """Look into every column of bytes that there is: one that is not in our list must not lose its key."""
    columns = (
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND data_type = 'bytea'"
    )
    with psycopg.connect(owner_dsn, autocommit=True) as connection:
        connection.execute(_TENANT, (keys.tenant,))
        for table, column in connection.execute(columns).fetchall():
            mine = sql.SQL("SELECT 1 FROM {} WHERE substring({} FROM 3 FOR 16) = ANY (%s) LIMIT 1")
            query = mine.format(sql.Identifier(table), sql.Identifier(column))
            if connection.execute(query, (old,)).fetchone() is not None:
                raise RowsLeft(
                    f"expected nothing under keys that were replaced, {table}.{column} holds some that this program"
                    " does not seal anew; both keys stay and open. Tell whoever maintains it, and keep the key store"
                )


def _piece(
    connection: psycopg.Connection[Any], keys: KeyStore, sealed: Sealed, after: Sequence[Any], old: frozenset[KeyId]
) -> tuple[Sequence[Any] | None, int]:
    """One piece behind a row: the last row of it, None at the end, and how many values were sealed."""
    rows = _read(connection, sealed, after)
    under_old = [
        (row, column, bytes(row[column]))
        for row in rows
        for column in sealed.columns
        if row[column] and key_id_of(bytes(row[column])) in old
    ]
    keys.prepare(set(keys.owners(key_id_of(value) for *_, value in under_old).values()))
    changes: dict[str, list[dict[str, Any]]] = {column: [] for column in sealed.columns}
    for row, column, value in under_old:
        binding = sealed.binding(row, column)
        try:
            fresh = keys.seal(keys.owner_of(value), binding, keys.unseal(binding, value))
        except KeyDestroyed:
            continue  # erased since: their rows go as well
        changes[column].append({**{name: row[name] for name in sealed.key}, "old": value, "new": fresh})
    for column, values in changes.items():
        _write(connection, sealed, column, values)
    is_end = len(rows) < _ROWS
    return None if is_end else [rows[-1][name] for name in sealed.key], sum(map(len, changes.values()))


def _read(connection: psycopg.Connection[Any], sealed: Sealed, after: Sequence[Any]) -> list[dict[str, Any]]:
    names, marks = ", ".join(sealed.key), ", ".join(["%s"] * len(after))
    query = f"SELECT {', '.join((*sealed.key, *sealed.columns))} FROM {sealed.table}"  # noqa: S608 - our own words
    query += f" WHERE ({names}) > ({marks})" if after else ""
    query += f" ORDER BY {names} LIMIT {_ROWS}" if names else ""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, after).fetchall()


def _write(
    connection: psycopg.Connection[Any], sealed: Sealed, column: str, values: Sequence[Mapping[str, Any]]
) -> None:
    """Where the value is still the one that was read: whoever changed it meanwhile sealed it with the newest key."""
    mine = " AND ".join(f"{name} = %({name})s" for name in (*sealed.key, column)).replace(f"%({column})s", "%(old)s")
    for value in values:
        connection.execute(f"UPDATE {sealed.table} SET {column} = %(new)s WHERE {mine}", value)  # noqa: S608
