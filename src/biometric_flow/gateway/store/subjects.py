"""The one table that says which PIN is whose: PINs become subjects on their way in, and PINs again on their way out."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Executable, Row, delete, exists, insert, update
from sqlalchemy import select as choose
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.gateway import key_endings
from biometric_flow.gateway.store import directory, identities
from biometric_flow.gateway.store.archive_tables import archive_key
from biometric_flow.gateway.store.directory import Directory
from biometric_flow.gateway.store.hours_tables import correction, pin_holding
from biometric_flow.gateway.store.privacy_tables import consent, erasure_order
from biometric_flow.gateway.store.tables import person, punch, subject

SUBJECT_BYTES: Final = 16
_TRIES: Final = 5


class Told:
    """A row with the PIN and the name of its subject; both empty for a row without one."""

    __slots__ = ("_row", "name", "pin")

    def __init__(self, row: Row[Any], known: Directory) -> None:
        said = None if row.subject is None else known.subject(bytes(row.subject))
        self._row, self.pin, self.name = row, said.pin if said else "", said.name if said else ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._row, name)


async def told(connection: AsyncConnection, query: Executable, given: Mapping[str, Any] | None = None) -> list[Told]:
    """The rows of a query that has the column `subject`, with their PINs and names.

    Whoever is erased between the query and the look into the directory makes it ask again.
    """
    for _ in range(_TRIES):
        rows = (await connection.execute(query, given)).all()
        known = await directory.look(connection) if rows else Directory()
        if all(row.subject is None or known.subject(bytes(row.subject)) for row in rows):
            break
    return [Told(row, known) for row in rows if row.subject is None or known.subject(bytes(row.subject))]


async def ensure(
    connection: AsyncConnection, wanted: Iterable[tuple[str, str]], names: Mapping[tuple[str, str], str] | None = None
) -> dict[tuple[str, str], bytes]:
    """A subject for each place and PIN, made where there is none; and their names, where one is given and new.

    Two transactions that meet somebody new at the same time make one subject: the second waits for the first.
    """
    called = {key: name for key, name in (names or {}).items() if name}
    pairs = dict.fromkeys([*wanted, *called])
    known = await directory.look(connection)
    if not _missing(known, pairs, called):
        return _ids(known, pairs)
    version = await directory.change(connection)
    known = await directory.look(connection)
    tenant = connection.info["tenant"]
    missing = _missing(known, pairs, called)
    keys = {key: known.id_of(*key) or secrets.token_bytes(SUBJECT_BYTES) for key in missing}
    said = [(identities.of_subject(key[0], keys[key]), {"pin": key[1], "name": called.get(key, "")}) for key in missing]
    rows = []
    for (place, pin), values in zip(missing, await identities.sealed(connection, said), strict=True):
        row = {"tenant_id": tenant, "place_id": place, "subject": keys[place, pin], "changed": version, **values}
        if known.id_of(place, pin) is None:
            rows.append(row)
        else:
            await connection.execute(update(subject).where(subject.c.subject == row["subject"]).values(row))
    if rows:
        await connection.execute(insert(subject), rows)
    return _ids(known, pairs) | keys


async def unname(connection: AsyncConnection, subjects: Sequence[bytes]) -> None:
    """Forget the names of people whose PINs must still be known."""
    if subjects:
        version = await directory.change(connection)
        these = subject.c.subject.in_(subjects)
        await connection.execute(update(subject).where(these).values(name=b"", changed=version))


async def forget(connection: AsyncConnection, subjects: Sequence[bytes]) -> None:
    """Forget these people. Who holds a PIN of theirs since, or is to, becomes somebody new with the same PIN."""
    if not subjects:
        return
    version = await directory.change(connection, removes=True)
    these = choose(subject.c.tenant_id, subject.c.subject, subject.c.place_id).where(subject.c.subject.in_(subjects))
    gone = await told(connection, these)
    for row in gone:
        used = [table for table in (pin_holding, correction) if await _is_used(connection, table, row.subject)]
        if used:
            heir = secrets.token_bytes(SUBJECT_BYTES)
            said = identities.of_subject(row.place_id, heir), {"pin": row.pin, "name": ""}
            [values] = await identities.sealed(connection, [said])
            whose = {"tenant_id": row.tenant_id, "place_id": row.place_id, "subject": heir, "changed": version}
            await connection.execute(insert(subject).values(**whose, **values))
        for table in used:
            await connection.execute(update(table).where(table.c.subject == row.subject).values(subject=heir))
    await connection.execute(delete(subject).where(subject.c.subject.in_(subjects)))
    await key_endings.end(connection, [identities.of_subject(row.place_id, row.subject).owner for row in gone])


async def unused(connection: AsyncConnection) -> list[bytes]:
    """Subjects that no row is about any more."""
    tables = (person, punch, pin_holding, correction, consent, erasure_order, archive_key)
    query = choose(subject.c.subject).where(*(~exists().where(one.c.subject == subject.c.subject) for one in tables))
    return [bytes(one) for one in (await connection.execute(query)).scalars()]


async def _is_used(connection: AsyncConnection, table: Any, one: bytes) -> bool:
    found = choose(exists().where(table.c.subject == one))
    return bool((await connection.execute(found)).scalar_one())


def _missing(
    known: Directory, pairs: Iterable[tuple[str, str]], names: Mapping[tuple[str, str], str]
) -> list[tuple[str, str]]:
    found = []
    for key in pairs:
        one = known.id_of(*key)
        said = None if one is None else known.subject(one)
        if said is None or said.name != names.get(key, said.name):
            found.append(key)
    return found


def _ids(known: Directory, pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], bytes]:
    return {key: one for key in pairs if (one := known.id_of(*key)) is not None}
