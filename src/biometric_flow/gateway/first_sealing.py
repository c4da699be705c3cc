"""Seals what an older version wrote in the clear, at the first start, and refuses a key store that belongs elsewhere.

One transaction for each tenant; then the tables are written anew, so that no page keeps what stood in them. A kill in
between is made good at the next start.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import psycopg
import structlog
from psycopg.rows import dict_row

from biometric_flow.gateway.batches import batches
from biometric_flow.gateway.first_punch_ids import name_punches
from biometric_flow.gateway.key_store import TenantKeys
from biometric_flow.gateway.store import audit, identities, ledger, sealing, words
from biometric_flow.identity.envelope import Binding
from biometric_flow.identity.errors import IdentityError, KeyReplaced
from biometric_flow.identity.keyring import PLACE, Owner, archived_at, subject_at
from biometric_flow.ledger.events import decode
from biometric_flow.model.errors import BiometricFlowError
from biometric_flow.model.ids import TenantId
from biometric_flow.runtime.errors import FolderUnusable
from biometric_flow.runtime.key_file import FILE_NAME
from biometric_flow.runtime.key_store import KeyStore

log = structlog.get_logger()

REWRITTEN: Final = (
    *("ledger_entry", "audit_entry", "archive_key", "subject", "employee", "punch", "person", "enrolment"),
    *("pin_holding", "erasure_order", "archived_punch"),
    *(kept.table for kept in words.KEPT),
    "pg_statistic",
)
"""Tables that said something in the clear, now or before PINs had gone from them; and what the planner knew of values.

The database's owner may write its catalogue anew; where the login owns the tables only, PostgreSQL warns and goes on.
"""
_Said = tuple[identities.Row, dict[str, str]]
_LOOKED_AT: Final = 20
PROBE: Final = Binding("sealing", "probe", b"")
"""Where the value belongs that only the right key store opens."""
_TENANT: Final = "SELECT set_config('app.tenant', %s, true)"
_CLEAR: Final = "record <> '' AND substring(record FROM 1 FOR 2) <> '\\x0101'::bytea"


class KeysMissing(BiometricFlowError):
    """The key store is not the one that sealed this database."""

    code = "start.keys_missing"


def seal_all(owner_dsn: str, keys: TenantKeys) -> None:
    """Seal what is in the clear; afterwards nothing. Raises KeysMissing, StorageUnavailable, psycopg.Error."""
    for tenant in keys.tenants():
        store = keys.of(tenant)
        with psycopg.connect(owner_dsn) as connection:
            connection.execute(_TENANT, (tenant,))
            query = "SELECT probe, is_rewritten, has_words, has_punch_ids FROM sealing FOR UPDATE"
            row = connection.execute(query).fetchone()
            if row is None:
                count = _seal_entries(connection, store) + _seal_audit(connection, store)
                count += _adopt_archive(connection, store)
                probe = store.seal(PLACE, PROBE, tenant.encode())
                values = (tenant, probe, count == 0, False, False)
                connection.execute("INSERT INTO sealing VALUES (%s, %s, %s, %s, %s)", values)
                log.info("rows_sealed", tenant=tenant, rows=count)
            else:
                _check(tenant, store, bytes(row[0]))
                _check_people(connection, store)
            more = _seal_people(connection, store)
            if row is None or not row[2]:
                more += _seal_words(connection, store)
                connection.execute("UPDATE sealing SET has_words = true")
            if row is None or not row[3]:
                more += name_punches(connection, store, _known(connection, store))
                connection.execute("UPDATE sealing SET has_punch_ids = true")
            if more:
                connection.execute("UPDATE sealing SET is_rewritten = false")
            is_rewritten = (bool(row[1]) if row else count == 0) and not more
        if not is_rewritten:
            _rewrite(owner_dsn, tenant)


def refuse_without_keys(dsn: str, folder: Path, tenants: Iterable[TenantId]) -> None:
    """Stop a start before key stores are made that would be new, where rows are sealed. Raises FolderUnusable.

    A database that is not there yet, or away, says nothing.
    """
    try:
        with psycopg.connect(dsn, connect_timeout=3) as connection:
            found = connection.execute("SELECT to_regclass('sealing') IS NOT NULL").fetchone()
            if not found or not found[0]:
                return
            for tenant in tenants:
                connection.execute(_TENANT, (tenant,))
                is_sealed = connection.execute("SELECT FROM sealing").fetchone() is not None
                if is_sealed and not (folder / tenant / FILE_NAME).exists():
                    raise FolderUnusable(
                        f"expected the key store of tenant {tenant} in {folder / tenant}, it is not there, and the"
                        " database holds rows that only it can open: put it back, or restore it from the backup of the"
                        " keys (biometric-flow backup restore); BIOMETRIC_FLOW_GATEWAY_KEYS says where it lies"
                    )
    except psycopg.Error:
        return


def _check(tenant: TenantId, store: KeyStore, probe: bytes) -> None:
    try:
        is_ours = store.unseal(PROBE, probe) == tenant.encode()
    except IdentityError as error:
        raise KeysMissing(
            f"the key store of tenant {tenant} is not the one that sealed this database ({error}): restore the one"
            " that belongs to it"
        ) from None
    if not is_ours:
        raise KeysMissing(f"the key store of tenant {tenant} is another tenant's")


def _check_people(connection: psycopg.Connection[Any], store: KeyStore) -> None:
    """A database of before their keys were replaced has none that opens; a few rows say so."""
    rows = connection.execute("SELECT place_id, subject, pin FROM subject LIMIT %s", (_LOOKED_AT,)).fetchall()
    sealed = [(place, bytes(one), bytes(pin)) for place, one, pin in rows if not identities.is_clear(bytes(pin))]
    try:
        identities.unseal(store, [(identities.of_subject(place, one), {"pin": pin}) for place, one, pin in sealed])
    except KeyReplaced as error:
        raise KeysMissing(f"the key store of tenant {store.tenant} is newer than this database: {error}") from None


def _seal_entries(connection: psycopg.Connection[Any], store: KeyStore) -> int:
    known = _known(connection, store)
    query = f"SELECT place_id, sequence, record, opening FROM ledger_entry WHERE {_CLEAR}"  # noqa: S608 - our words
    change = "UPDATE ledger_entry SET record = %s, opening = '' WHERE place_id = %s AND sequence = %s"
    count = 0
    for rows in batches(connection, query):
        owners: dict[tuple[str, int], Owner] = {}
        for place, sequence, record, _ in rows:
            pin = decode(bytes(record)).subject
            owners[place, sequence] = known.get((place, pin), PLACE) if pin is not None else PLACE
        store.prepare(owners.values())
        values = []
        for place, sequence, record, opening in rows:
            at = ledger.binding(place, sequence)
            sealed = sealing.sealed_contents(store, owners[place, sequence], at, bytes(record), bytes(opening))
            values.append((sealed, place, sequence))
        with connection.cursor() as cursor:
            cursor.executemany(change, values)
        count += len(rows)
    return count


def _known(connection: psycopg.Connection[Any], store: KeyStore) -> dict[tuple[str, str], Owner]:
    """Whose PIN it is at a place, whether the row is sealed already or not."""
    rows = connection.execute("SELECT place_id, subject, pin FROM subject").fetchall()
    clear = {(place, bytes(pin).decode()): bytes(one) for place, one, pin in rows if identities.is_clear(bytes(pin))}
    sealed = [(place, bytes(one), bytes(pin)) for place, one, pin in rows if not identities.is_clear(bytes(pin))]
    texts = identities.unseal(store, [(identities.of_subject(place, one), {"pin": pin}) for place, one, pin in sealed])
    found = {(place, text["pin"]): one for (place, one, _), text in zip(sealed, texts, strict=True) if text}
    return {key: subject_at(key[0], one.hex()) for key, one in (clear | found).items()}


def _seal_audit(connection: psycopg.Connection[Any], store: KeyStore) -> int:
    query = f"SELECT sequence, record, opening FROM audit_entry WHERE {_CLEAR}"  # noqa: S608 - our own words
    change = "UPDATE audit_entry SET record = %s, opening = '' WHERE sequence = %s"
    count = 0
    for rows in batches(connection, query):
        values = [
            (sealing.sealed_contents(store, PLACE, audit.binding(at), bytes(record), bytes(opening)), at)
            for at, record, opening in rows
        ]
        with connection.cursor() as cursor:
            cursor.executemany(change, values)
        count += len(rows)
    return count


def _seal_people(connection: psycopg.Connection[Any], store: KeyStore) -> int:
    """What names people in the two tables that do. Nothing is cheaper than to look each time."""
    clear = "substring({} FROM 1 FOR 2) <> '\\x0101'::bytea"
    pins = connection.execute(f"SELECT subject, place_id, pin, name FROM subject WHERE {clear.format('pin')}")  # noqa: S608
    said = [
        (identities.of_subject(place, bytes(one)), {"pin": bytes(pin).decode(), "name": bytes(name).decode()})
        for one, place, pin, name in pins.fetchall()
    ]
    numbers = connection.execute(f"SELECT person_id, number, name FROM employee WHERE {clear.format('number')}")  # noqa: S608
    hired = [
        (identities.of_person(one), {"number": bytes(number).decode(), "name": bytes(name).decode()})
        for one, number, name in numbers.fetchall()
    ]
    values = [(one["pin"], one["name"], row.key) for one, (row, _) in _sealed(store, said)]
    with connection.cursor() as cursor:
        cursor.executemany("UPDATE subject SET pin = %s, name = %s WHERE subject = %s", values)
        named = [(one["number"], one["name"], UUID(bytes=row.key)) for one, (row, _) in _sealed(store, hired)]
        cursor.executemany("UPDATE employee SET number = %s, name = %s WHERE person_id = %s", named)
    return len(said) + len(hired)


def _sealed(store: KeyStore, rows: list[_Said]) -> Iterable[tuple[dict[str, bytes], _Said]]:
    return zip(identities.seal(store, rows), rows, strict=True)


def _seal_words(connection: psycopg.Connection[Any], store: KeyStore) -> int:
    """Words that people wrote, in all tables that keep some."""
    count = 0
    for kept in words.KEPT:
        clear = " OR ".join(
            f"({one} <> '' AND substring({one} FROM 1 FOR 2) <> '\\x0101'::bytea)" for one in kept.columns
        )
        changes, mine = (", ".join, " AND ".join)
        change = (
            f"UPDATE {kept.table} SET {changes(f'{one} = %({one})s' for one in kept.columns)}"  # noqa: S608 - our own words
            f" WHERE {mine(f'{one} = %({one})s' for one in kept.key)}"
        )
        for rows in batches(connection, f"SELECT * FROM {kept.table} WHERE {clear}", dict_row):  # noqa: S608
            store.prepare(map(kept.owner, rows))
            values = []
            for row in rows:
                said = {one: bytes(row[one]) for one in kept.columns}
                written = {one: text.decode() for one, text in said.items() if words.is_clear(text)}
                keys = {one: row[one] for one in kept.key}
                values.append({**said, **keys, **words.envelopes(store, kept, row, written)})
            with connection.cursor() as cursor:
                cursor.executemany(change, values)
            count += len(rows)
    return count


def _adopt_archive(connection: psycopg.Connection[Any], store: KeyStore) -> int:
    """Keys of archived people become theirs in the key store: files in the archive stay as they are."""
    query = "SELECT place_id, subject, secret FROM archive_key WHERE secret IS NOT NULL"
    rows = connection.execute(query).fetchall()
    if not rows:
        return 0
    store.adopt({archived_at(place, bytes(one).hex()): bytes(secret) for place, one, secret in rows})
    connection.execute("UPDATE archive_key SET secret = NULL")
    return len(rows)


def _rewrite(owner_dsn: str, tenant: TenantId) -> None:
    """Pages that held clear rows go; what is left of them in the log goes as it is written on."""
    with psycopg.connect(owner_dsn, autocommit=True) as connection:
        for table in REWRITTEN:
            connection.execute(f"VACUUM (FULL) {table}")
    with psycopg.connect(owner_dsn) as connection:
        connection.execute(_TENANT, (tenant,))
        connection.execute("UPDATE sealing SET is_rewritten = true")
    log.info("tables_rewritten", tenant=tenant)
