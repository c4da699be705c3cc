"""What the gateway's tables hold sealed, and whose key it is under; a row is sealed by whoever writes it (K1, E1)."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.identity.envelope import KEY_BYTES, OVERHEAD, Binding, row_name
from biometric_flow.identity.errors import IdentityError
from biometric_flow.identity.keyring import PLACE, Owner
from biometric_flow.ledger.chain import SealedEntry
from biometric_flow.ledger.errors import ChainBroken
from biometric_flow.runtime.key_store import KeyStore

KEYS: Final = "keys"
"""The key stores of all tenants, in the memory of the `Database`."""
_FORM: Final = b"\x01\x01"
"""How an envelope begins; a record is a CBOR map and begins otherwise."""
_OPENING_BYTES: Final = KEY_BYTES


def keys_of(connection: AsyncConnection) -> KeyStore:
    """The keys of the tenant whose transaction this is."""
    store: KeyStore = connection.info["memory"][KEYS].of(connection.info["tenant"])
    return store


def is_sealed(value: bytes) -> bool:
    """Is this an envelope, and no record of before there were any?"""
    return len(value) >= OVERHEAD and value.startswith(_FORM)


async def prepare(connection: AsyncConnection, owners: Iterable[Owner]) -> None:
    """Have keys for these owners that are durable, before rows that they seal are written."""
    await asyncio.to_thread(keys_of(connection).prepare, owners)


def of_entry(table: str, *row: bytes | str | int) -> Binding:
    """Where the contents of a ledger's entry belong."""
    return Binding(table, "record", row_name(*row))


def sealed_contents(keys: KeyStore, owner: Owner, binding: Binding, record: bytes, opening: bytes) -> bytes:
    """Record and opening of an entry as one envelope; nothing for an entry that was emptied."""
    return keys.seal(owner, binding, opening + record) if record or opening else b""


def opened_contents(keys: KeyStore, binding: Binding, envelope: bytes) -> tuple[bytes, bytes]:
    """Record and opening again. Raises what `KeyStore.unseal` does."""
    if not envelope:
        return b"", b""
    content = keys.unseal(binding, envelope)
    return content[_OPENING_BYTES:], content[:_OPENING_BYTES]


async def opened_entries(
    connection: AsyncConnection, entries: Sequence[SealedEntry], bindings: Sequence[Binding]
) -> list[SealedEntry]:
    """Entries as they were taken in, from those that a table holds. Raises ChainBroken for one that does not open.

    What is under a destroyed key reads as an entry that was emptied: its person was erased.
    """
    keys = keys_of(connection)

    def opened() -> list[SealedEntry]:
        keys.load_for([entry.record for entry in entries if is_sealed(entry.record)])
        found = []
        for entry, binding in zip(entries, bindings, strict=True):
            try:
                if is_sealed(entry.record) and keys.is_destroyed(entry.record):
                    found.append(SealedEntry(entry.sequence, entry.leaf, entry.hash, b"", b""))
                    continue
                record, opening = opened_contents(keys, binding, entry.record)
            except IdentityError as error:
                raise ChainBroken(entry.sequence, f"what it says does not open: {error}") from None
            found.append(SealedEntry(entry.sequence, entry.leaf, entry.hash, record, opening))
        return found

    return await asyncio.to_thread(opened) if entries else []


def owner_at(owners: Mapping[int, Owner], sequence: int) -> Owner:
    """Whose key an entry is sealed under: its person's, and the tenant's for one that is about nobody."""
    return owners.get(sequence, PLACE)
