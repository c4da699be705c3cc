"""What the places add up to: tiles, arrivals, places and what needs a person. Pure but for `Overviews`."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Row

from biometric_flow.api.gateway import (
    Arrivals,
    Kpis,
    Overview,
    PlaceFreshness,
    PlaceToday,
    PlaceView,
    TerminalStatus,
)
from biometric_flow.gateway.attention import BackupWord, RefusedNote, WitnessWord, attention
from biometric_flow.gateway.registry import Registry
from biometric_flow.gateway.store import checkpoints, days, outside, places, terminals
from biometric_flow.gateway.views import place_view, terminal_view
from biometric_flow.model.ids import TenantId
from biometric_flow.runtime.backup_drill import Trouble
from biometric_flow.runtime.clock import Clock
from biometric_flow.runtime.database import Database

REFUSED_SHOWN: Final = timedelta(days=30)
"""How long a refused checkpoint is shown as needing a person; it is kept for ever."""

WEEKS: Final = (7, 14, 21, 28)
"""Days before today that were the same weekday."""


@dataclass(slots=True)
class Sums:
    """What people's first punches add up to in one cell or many."""

    people: int = 0
    odd: int = 0
    by_now: int = 0
    punches: int = 0


@dataclass(frozen=True, slots=True)
class Days:
    """Sums by place and days ago, arrivals by place, days ago and quarter, and since when each place has punches."""

    sums: Mapping[tuple[str, int], Sums]
    arrivals: Mapping[tuple[str, int, int], int]
    first: Mapping[str, date | None]

    def total(self, known: Iterable[PlaceView], days_ago: int) -> Sums:
        """One day over these places."""
        total = Sums()
        for place in known:
            sums = self.sums.get((place.id, days_ago), Sums())
            total.people += sums.people
            total.odd += sums.odd
            total.by_now += sums.by_now
            total.punches += sums.punches
        return total


class Overviews:
    """Asks the store and adds up, for one tenant at a time."""

    def __init__(
        self,
        database: Database,
        registry: Registry,
        clock: Clock,
        witness_limit: timedelta = timedelta(days=1),
        troubles: Callable[[], list[Trouble]] = list,
    ) -> None:
        self._database, self._registry, self._clock = database, registry, clock
        self._witness_limit, self._troubles = witness_limit, troubles

    async def of(self, tenant: TenantId) -> Overview:
        """Everything the overview page shows, as of now."""
        now = self._clock.now()
        async with self._database.tenant(tenant) as connection:
            rows = await places.listed(connection)
            known = [place_view(row, is_reporting=self._registry.is_reporting(row.last_heard, now)) for row in rows]
            local_nows = {place.id: _local(place, now) for place in known}
            cells = await days.cells(connection, local_nows)
            first = await days.first_days(connection, list(local_nows))
            reported = [terminal_view(row, is_stale=False) for row in await terminals.listed(connection)]
            refused = await checkpoints.last_refused(connection, now - REFUSED_SHOWN)
            asked = await outside.witnesses(connection)
        notes = [RefusedNote(row.place_id, row.reason, row.received_at) for row in refused]
        words = [
            WitnessWord(row.witness.partition("+")[0], row.failure, row.is_contradiction, row.reached_at or row.since)
            for row in asked
            if row.is_contradiction or now - (row.reached_at or row.since) > self._witness_limit
        ]
        said = [BackupWord(row.place_id, row.name, row.backup, None) for row in rows if row.backup]
        backups = [*said, *(BackupWord("", "the gateway", one.text, one.since) for one in self._troubles())]
        return add_up(known, read_cells(cells, first), reported, now, notes, words, backups)


def read_cells(cells: Sequence[Row[Any]], first: Mapping[str, date | None]) -> Days:
    """The store's cells as sums."""
    sums: defaultdict[tuple[str, int], Sums] = defaultdict(Sums)
    arrivals: dict[tuple[str, int, int], int] = {}
    for cell in cells:
        total = sums[cell.place_id, cell.days_ago]
        total.people += cell.people
        total.odd += cell.odd
        total.by_now += cell.by_now
        total.punches += cell.punches
        arrivals[cell.place_id, cell.days_ago, cell.quarter] = cell.people
    return Days(dict(sums), arrivals, first)


def add_up(
    known: Sequence[PlaceView],
    found: Days,
    reported: Sequence[TerminalStatus],
    now: datetime,
    refused: Sequence[RefusedNote] = (),
    witnesses: Sequence[WitnessWord] = (),
    backups: Sequence[BackupWord] = (),
) -> Overview:
    """The overview of these places at this moment. Places that are silent are named, and left out of every total."""
    counted = [place for place in known if place.is_reporting]
    weeks = {ago: _with_history(counted, found, ago, now) for ago in WEEKS}
    today = found.total(counted, 0)
    kpis = Kpis(
        as_of=now,
        present=today.odd,
        seen_today=today.people,
        people=sum(place.people for place in counted),
        punches_today=today.punches,
        usual_seen=_usual([found.total(there, ago).by_now for ago, there in weeks.items() if there]),
        seen_trend=[found.total(counted, ago).people for ago in range(13, -1, -1)],
        terminals_online=sum(place.terminals_online for place in counted),
        terminals_total=sum(place.terminals_total for place in counted),
        missing=[
            PlaceFreshness(id=place.id, name=place.name, is_reporting=False, as_of=place.last_report)
            for place in known
            if not place.is_reporting
        ],
    )
    return Overview(
        kpis=kpis,
        attention=attention(known, reported, refused, witnesses, backups),
        arrivals=_arrivals(counted, weeks, found),
        places=[_today(place, found, now) for place in known],
    )


def _arrivals(counted: Sequence[PlaceView], weeks: Mapping[int, Sequence[PlaceView]], found: Days) -> list[Arrivals]:
    def at(places: Sequence[PlaceView], ago: int, quarter: int) -> int:
        return sum(found.arrivals.get((place.id, ago, quarter), 0) for place in places)

    return [
        Arrivals(
            time=f"{quarter // 4:02}:{quarter % 4 * 15:02}",
            today=at(counted, 0, quarter),
            median=_usual([at(there, ago, quarter) for ago, there in weeks.items() if there]),
        )
        for quarter in range(96)
    ]


def _today(place: PlaceView, found: Days, now: datetime) -> PlaceToday:
    today = found.sums.get((place.id, 0), Sums())
    return PlaceToday(
        id=place.id,
        name=place.name,
        zone=place.zone,
        local_date=_local(place, now).date(),
        present=today.odd,
        seen_today=today.people,
        people=place.people,
        punches_today=today.punches,
        terminals_online=place.terminals_online,
        terminals_total=place.terminals_total,
        is_reporting=place.is_reporting,
        as_of=place.last_report,
        trend=[found.sums.get((place.id, ago), Sums()).people for ago in range(6, -1, -1)],
    )


def _with_history(counted: Sequence[PlaceView], found: Days, ago: int, now: datetime) -> list[PlaceView]:
    """Places that already had punches on that day; before their first one, nothing is known of them."""
    there = []
    for place in counted:
        first = found.first.get(place.id)
        if first is not None and first <= _local(place, now).date() - timedelta(days=ago):
            there.append(place)
    return there


def _usual(values: list[int]) -> float | None:
    return float(median(values)) if values else None


def _local(place: PlaceView, now: datetime) -> datetime:
    return now.astimezone(ZoneInfo(place.zone)).replace(tzinfo=None)
