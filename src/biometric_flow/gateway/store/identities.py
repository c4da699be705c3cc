"""What names somebody lies sealed under their own key: PINs and names of subjects, numbers and names of people (E1)."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.gateway.store.sealing import is_sealed, keys_of
from biometric_flow.identity.envelope import Binding
from biometric_flow.identity.errors import KeyDestroyed
from biometric_flow.identity.keyring import Owner, person, subject_at
from biometric_flow.runtime.key_store import KeyStore


class Row(NamedTuple):
    """A row of one of the two tables that name people."""

    owner: Owner
    table: str
    key: bytes


def of_subject(place: str, subject: bytes) -> Row:
    """The row of the table `subject` about this one."""
    return Row(subject_at(place, subject.hex()), "subject", subject)


def of_person(person_id: UUID) -> Row:
    """The row of the table `employee` about this one."""
    return Row(person(str(person_id)), "employee", person_id.bytes)


async def sealed(connection: AsyncConnection, rows: Sequence[tuple[Row, Mapping[str, str]]]) -> list[dict[str, bytes]]:
    """Texts by column as they are stored; an empty one stays empty. The keys are durable then."""
    return await asyncio.to_thread(seal, keys_of(connection), rows) if rows else []


def seal(keys: KeyStore, rows: Sequence[tuple[Row, Mapping[str, str]]]) -> list[dict[str, bytes]]:
    """The same, given the keys. Raises StorageUnavailable."""
    keys.prepare([row.owner for row, _ in rows])
    return [
        {name: keys.seal(row.owner, binding(row, name), text.encode()) if text else b"" for name, text in texts.items()}
        for row, texts in rows
    ]


async def opened(
    connection: AsyncConnection, rows: Sequence[tuple[Row, Mapping[str, bytes]]]
) -> list[dict[str, str] | None]:
    """What is stored as texts again; None for one whose key was destroyed. Raises EnvelopeRefused, KeyUnknown."""
    if not rows:
        return []
    return await asyncio.to_thread(unseal, keys_of(connection), rows)


def unseal(keys: KeyStore, rows: Sequence[tuple[Row, Mapping[str, bytes]]]) -> list[dict[str, str] | None]:
    """The same, given the keys. Raises EnvelopeRefused, KeyUnknown."""
    keys.load([row.owner for row, _ in rows])
    return [_unsealed(keys, *row) for row in rows]


def is_clear(value: bytes) -> bool:
    """Is this the text itself, as a version of before stored it?"""
    return bool(value) and not is_sealed(value)


def _unsealed(keys: KeyStore, row: Row, values: Mapping[str, bytes]) -> dict[str, str] | None:
    try:
        return {
            name: keys.open(row.owner, binding(row, name), one).decode() if one else "" for name, one in values.items()
        }
    except KeyDestroyed:
        return None


def binding(row: Row, column: str) -> Binding:
    """Where a text of this row belongs."""
    return Binding(row.table, column, row.key)
