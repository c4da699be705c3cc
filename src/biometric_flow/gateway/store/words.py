"""Words that people wrote, and what else reads like them, lie sealed in their row; this is their one door (E1, K1).

What is about a person is under that person's key and goes with it; what has to outlive people, such as why somebody was
erased, is under the tenant's. An empty text stays empty.
"""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import Column, Table
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.gateway.store.sealing import is_sealed, keys_of
from biometric_flow.identity.envelope import Binding, row_name
from biometric_flow.identity.errors import KeyDestroyed
from biometric_flow.identity.keyring import PLACE, Owner, person, subject_at
from biometric_flow.runtime.key_store import KeyStore

ERASED: Final = "erased"
"""What is read of words whose key was destroyed with their person; of a document, `None`."""

Values = Mapping[str, Any]


class Kept(NamedTuple):
    """Sealed columns of a table, what names a row besides its tenant, and whose key a row is under."""

    table: str
    key: tuple[str, ...]
    owner: Callable[[Values], Owner]
    texts: tuple[str, ...]
    documents: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that are sealed."""
        return self.texts + self.documents


class Said:
    """A row with its words opened."""

    __slots__ = ("_row", "_words", "is_erased")

    def __init__(self, row: Any, words: Values, *, is_erased: bool) -> None:
        self._row, self._words, self.is_erased = row, words, is_erased

    def __getattr__(self, name: str) -> Any:
        return self._words[name] if name in self._words else getattr(self._row, name)


def of_person(row: Values) -> Owner:
    """The owner of a row with a `person_id`."""
    return person(str(row["person_id"]))


def of_subject(row: Values) -> Owner:
    """The owner of a row with a `place_id` and a `subject`."""
    return subject_at(row["place_id"], bytes(row["subject"]).hex())


def of_tenant(_row: Values) -> Owner:
    """The tenant: it has to be known when nobody knows any more whom it was about (security-design E3)."""
    return PLACE


REGULARISATION: Final = Kept("regularisation", ("regularisation_id",), of_person, ("reason", "decision_reason"))
CORRECTION: Final = Kept(
    *("correction", ("regularisation_id", "is_withdrawal"), of_person), texts=("reason",), documents=("changes",)
)
LEAVE: Final = Kept("leave_request", ("leave_id",), of_person, ("reason",))
WORKDAY: Final = Kept("workday", ("person_id", "day"), of_person, (), ("body",))
CONSENT: Final = Kept("consent", ("place_id", "number"), of_subject, (), ("body",))
ERASURE: Final = Kept("erasure", ("erasure_id",), of_tenant, ("decided_by", "reason"))
HOLD: Final = Kept("legal_hold", ("hold_id",), of_tenant, (), ("body",))
POLICY: Final = Kept("retention_policy", ("number",), of_tenant, (), ("body",))
OPENING: Final = Kept("break_glass", ("opening_id",), of_tenant, ("reason", "review"))
PERIOD_EVENT: Final = Kept("pay_period_event", ("period_id", "number"), of_tenant, ("reason",))
ALERT: Final = Kept("alert", ("alert_id",), of_tenant, ("text",))
CHANNEL: Final = Kept("alert_channel", ("name",), of_tenant, ("url",))
MESSAGE: Final = Kept("alert_message", ("message_id",), of_tenant, ("title", "body", "failure"))
TERMINAL: Final = Kept("terminal_status", ("place_id", "key"), of_tenant, (), ("body",))
REPORT: Final = Kept("place_report", ("place_id",), of_tenant, ("backup",))

KEPT: Final = (
    *(REGULARISATION, CORRECTION, LEAVE, WORKDAY, CONSENT),
    *(ERASURE, HOLD, POLICY, OPENING, PERIOD_EVENT, ALERT, CHANNEL, MESSAGE, TERMINAL, REPORT),
)
"""All tables with such columns; a start seals what an older version left in the clear in them."""


def apart_from(kept: Kept, table: Table) -> list[Column[Any]]:
    """The columns of a table that are not sealed, for questions that need no words."""
    return [column for column in table.c if column.name not in kept.columns]


async def sealed(connection: AsyncConnection, kept: Kept, rows: Sequence[Values]) -> list[dict[str, Any]]:
    """Rows as they are stored; those of their sealed columns that they have. The keys are durable then."""
    return await asyncio.to_thread(seal, keys_of(connection), kept, rows) if rows else []


async def opened(connection: AsyncConnection, kept: Kept, rows: Iterable[Any]) -> list[Said]:
    """Rows as they were written. Raises EnvelopeRefused, KeyUnknown when the key store is not this database's."""
    given = list(rows)
    return await asyncio.to_thread(unseal, keys_of(connection), kept, given) if given else []


def seal(keys: KeyStore, kept: Kept, rows: Sequence[Values]) -> list[dict[str, Any]]:
    """The same, given the keys. Raises StorageUnavailable."""
    keys.prepare([kept.owner(row) for row in rows])
    return [{**row, **envelopes(keys, kept, row, _written(kept, row))} for row in rows]


def envelopes(keys: KeyStore, kept: Kept, row: Values, written: Mapping[str, str]) -> dict[str, bytes]:
    """The envelopes of what is written in a row, by column; its owner's key was prepared."""
    owner = kept.owner(row)
    return {
        name: keys.seal(owner, binding(kept, name, row), text.encode()) if text else b""
        for name, text in written.items()
    }


def unseal(keys: KeyStore, kept: Kept, rows: Sequence[Any]) -> list[Said]:
    """The same, given the keys. Raises EnvelopeRefused, KeyUnknown."""
    found = [{name: bytes(getattr(row, name) or b"") for name in kept.columns} for row in rows]
    keys.load_for([one for words in found for one in words.values() if one])
    return [_opened(keys, kept, row, words) for row, words in zip(rows, found, strict=True)]


def is_clear(value: bytes) -> bool:
    """Is this the text itself, as a version of before stored it?"""
    return bool(value) and not is_sealed(value)


def binding(kept: Kept, column: str, row: Values) -> Binding:
    """Where a word belongs: nowhere else does it open."""
    return Binding(kept.table, column, row_name(*(_part(row[name]) for name in kept.key)))


def _written(kept: Kept, row: Values) -> dict[str, str]:
    """Each column as one text."""
    texts = {name: str(row[name]) for name in kept.texts if name in row}
    return texts | {name: json.dumps(row[name], ensure_ascii=False) for name in kept.documents if name in row}


def _opened(keys: KeyStore, kept: Kept, row: Any, words: Mapping[str, bytes]) -> Said:
    named = {name: getattr(row, name) for name in kept.key}
    try:
        texts = {
            name: keys.unseal(binding(kept, name, named), one).decode() if one else "" for name, one in words.items()
        }
    except KeyDestroyed:
        return Said(row, dict.fromkeys(kept.texts, ERASED) | dict.fromkeys(kept.documents), is_erased=True)
    documents = {name: json.loads(texts[name] or "null") for name in kept.documents}
    return Said(row, texts | documents, is_erased=False)


def _part(value: Any) -> bytes | str:
    if isinstance(value, UUID):
        return value.bytes
    return bytes(value) if isinstance(value, bytes | memoryview) else str(value)
