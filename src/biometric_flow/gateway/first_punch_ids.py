"""Gives punches that an older version stored the names which nobody can guess, at the first start (ADR 146)."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import psycopg
import structlog

from biometric_flow.gateway.batches import batches
from biometric_flow.gateway.store import ledger, punch_ids
from biometric_flow.gateway.store.punch_ids import Named
from biometric_flow.gateway.store.workdays import MERGE
from biometric_flow.identity.keyring import Owner
from biometric_flow.ledger.events import PunchRecorded, decode
from biometric_flow.runtime.key_store import KeyStore

log = structlog.get_logger()

GONE: Final = "0" * punch_ids.DIGITS
"""The target of what is about a punch that is not there any more: its identity could be guessed, and names nothing."""
_TARGETS: Final = ("correction", "regularisation")
"""Tables whose column `target` may name a punch."""
_DUE: Final = f"""
    INSERT INTO workday_due (tenant_id, person_id, first_day, last_day, since, marked, is_order)
    SELECT tenant_id, person_id, min(day), max(day), now(), now(), true FROM workday GROUP BY tenant_id, person_id
    {MERGE}
"""  # noqa: S608 - constants only
"""What a day says of its punches names them: it is computed again."""

_Told = tuple[bytes, Named, str]
"""A row: what it calls the punch, which one that is, and its terminal."""


def name_punches(connection: psycopg.Connection[Any], keys: KeyStore, known: Mapping[tuple[str, str], Owner]) -> int:
    """Name all of a tenant's punches and what refers to them, in its transaction; how many rows there were."""
    wanted = _targets(connection)
    renamed: dict[str, str] = {}
    count = 0
    for table in ("punch", "archived_punch"):
        query = (
            f"SELECT p.punch_id, p.place_id, p.sequence, e.record FROM {table} p"  # noqa: S608 - our own words
            " JOIN ledger_entry e USING (tenant_id, place_id, sequence) WHERE e.record <> ''"
        )
        for rows in batches(connection, query):
            told = _told(keys, known, rows)
            if len(told) < len(rows):
                log.warning("punches_of_nobody_known", table=table, rows=len(rows) - len(told))
            ids = punch_ids.keyed(keys, [named for _, named, _ in told])
            changes = [(new, old) for (old, _, _), new in zip(told, ids, strict=True)]
            met = sorted({(keys.tenant, terminal, named.place) for _, named, terminal in told})
            with connection.cursor() as cursor:
                cursor.executemany(f"UPDATE {table} SET punch_id = %s WHERE punch_id = %s", changes)  # noqa: S608
                cursor.executemany("INSERT INTO terminal_place VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", met)
            renamed |= {old.hex(): new.hex() for new, old in changes if old.hex() in wanted}
            count += len(rows)
    renamed |= dict.fromkeys(wanted - renamed.keys(), GONE)
    for table in _TARGETS:
        with connection.cursor() as cursor:
            change = f"UPDATE {table} SET target = %s WHERE target = %s"  # noqa: S608 - our own words
            cursor.executemany(change, [(new, old) for old, new in renamed.items()])
    if count:
        connection.execute(_DUE)
    return count + len(renamed)


def _targets(connection: psycopg.Connection[Any]) -> set[str]:
    found: set[str] = set()
    for table in _TARGETS:
        query = f"SELECT DISTINCT target FROM {table} WHERE length(target) = {punch_ids.DIGITS}"  # noqa: S608
        found |= {row[0] for row in connection.execute(query)}
    return found


def _told(keys: KeyStore, known: Mapping[tuple[str, str], Owner], rows: Sequence[tuple[Any, ...]]) -> list[_Told]:
    """Which punches these rows are, by their entries: whoever runs this twice names nothing twice."""
    keys.load_for([bytes(row[3]) for row in rows])
    found = []
    for called, place, sequence, record in rows:
        if keys.is_destroyed(bytes(record)):
            continue
        event = decode(ledger.opened_record(keys, place, sequence, bytes(record)))
        owner = known.get((place, event.subject or ""))
        if isinstance(event, PunchRecorded) and owner is not None:
            subject = bytes.fromhex(owner.name.rpartition("/")[2])
            found.append((bytes(called), Named(place, subject, event.punch.id), str(event.punch.terminal)))
    return found
