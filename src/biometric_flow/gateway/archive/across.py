"""Punches wherever they are, hot or archived: the same answers as if none had ever been moved."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.gateway.archive.reader import Archive
from biometric_flow.gateway.archive.rows import Cold
from biometric_flow.gateway.store import archive as rows_of
from biometric_flow.gateway.store import directory, holdings, punches
from biometric_flow.gateway.store.subjects import Told
from biometric_flow.model.ids import TenantId

ResultT = TypeVar("ResultT")

PERSON_ROWS: Final = 200_000
"""Archived punches of one person in the span of one computation; nobody has more."""


@dataclass(frozen=True, slots=True)
class Shown:
    """An archived punch with the names that a hot one is shown with."""

    cold: Cold
    zone: str
    name: str
    terminal_name: str

    @property
    def place_id(self) -> str:
        """Which place recorded it."""
        return self.cold.place

    def __getattr__(self, name: str) -> Any:
        return getattr(self.cold, name)


async def page(
    connection: AsyncConnection,
    tenant: TenantId,
    archive: Archive,
    wanted: punches.PunchFilter,
    after: punches.After | None,
    limit: int,
    *,
    newest_first: bool,
) -> Sequence[Told | Shown]:
    """As `punches.page`, over both. Raises ArchiveUnreachable, ArchiveDamaged."""

    async def read() -> Sequence[Told | Shown]:
        hot = await punches.page(connection, wanted, after, limit, newest_first=newest_first)
        cold = await archive.page(connection, tenant, wanted, after, limit, newest_first=newest_first)
        if not cold:
            return hot
        names = await rows_of.names(connection, {(one.place, one.terminal) for one in cold})
        known = await directory.look(connection)
        both: list[Told | Shown] = list(hot)
        for one in cold:
            said, who = names[one.place, one.terminal], known.subject(known.id_of(one.place, one.pin) or b"")
            both.append(Shown(one, said.zone, who.name if who else "", said.terminal_name))
        both.sort(key=_order, reverse=newest_first)
        return both[:limit]

    return await _steady(connection, read)


async def counts(
    connection: AsyncConnection, tenant: TenantId, archive: Archive, wanted: punches.PunchFilter
) -> dict[str, int]:
    """As `punches.counts`, over both."""

    async def read() -> dict[str, int]:
        found = await punches.counts(connection, wanted)
        for place, count in (await archive.counts(connection, tenant, wanted)).items():
            found[place] = found.get(place, 0) + count
        return found

    return await _steady(connection, read)


async def theirs(
    connection: AsyncConnection, tenant: TenantId, archive: Archive, person: UUID, since: datetime, until: datetime
) -> list[Cold]:
    """A person's archived punches by all the PINs they held."""
    if not await rows_of.files(connection):
        return []
    found = []
    for held in await rows_of.holdings(connection, person):
        wanted = punches.PunchFilter(place=held.place_id, pin=held.pin, instant_from=since, instant_to=until)
        for one in await archive.page(connection, tenant, wanted, None, PERSON_ROWS, newest_first=False):
            day = one.local_time.date()
            is_held = held.valid_from <= day and (held.valid_to is None or day <= held.valid_to)
            if is_held and (not held.terminals or one.terminal in held.terminals):
                found.append(one)
    return found


async def punch_of(connection: AsyncConnection, person: UUID, punch_id: bytes) -> Told | rows_of.ColdPunch | None:
    """Place, PIN, instant and state of a punch of this person, hot or archived; None for one that is not theirs."""
    found = await holdings.punch_of(connection, person, punch_id)
    return found if found is not None else await rows_of.cold_punch_of(connection, person, punch_id)


async def _steady(connection: AsyncConnection, read: Callable[[], Awaitable[ResultT]]) -> ResultT:
    """Read while no file comes or goes: what is moved in between would be seen twice, or not at all."""
    before = await _files(connection)
    while True:
        found = await read()
        after = await _files(connection)
        if after == before:
            return found
        before = after


async def _files(connection: AsyncConnection) -> list[str]:
    return [row.file_id for row in await rows_of.files(connection)]


def _order(row: Any) -> tuple[datetime, int]:
    return row.instant, row.position
