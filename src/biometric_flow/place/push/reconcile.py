"""Does the place hold what a terminal holds? Counted day by day, and asked for again where it does not. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Final

from biometric_flow.api.push import CountPunchesCommand, QueryPunchesCommand, TerminalCommand

DAYS_BACK: Final = 31
"""How far back days are counted, one older day with each round."""


@dataclass(slots=True)
class Reconciler:
    """What is known of one terminal's counts. Lost at a restart, which costs one needless question a day."""

    due_at: datetime
    can_count: bool = True
    """False when the terminal does not know the command; then the last two days are asked for again whole."""
    _settled: dict[date, int] = field(default_factory=dict)
    _older: int = 2

    def questions(self, now: datetime, local: datetime, every: timedelta) -> Sequence[TerminalCommand]:
        """What to ask now; empty while nothing is due. `local` is the naive time at the terminal."""
        if now < self.due_at:
            return ()
        self.due_at = now + every
        today = local.date()
        days = [today - timedelta(days=1), today]
        if not self.can_count:
            return [QueryPunchesCommand(start=_start(days[0]), end=_end(days[1]))]
        days.insert(0, today - timedelta(days=self._older))
        self._older = self._older + 1 if self._older < DAYS_BACK else 2
        return [CountPunchesCommand(start=_start(day), end=_end(day)) for day in days]

    def counted(self, asked: CountPunchesCommand, told: int, held: int) -> Sequence[TerminalCommand]:
        """The terminal counted: what to ask for again.

        A count that stays higher after the rows came is the terminal's own doubles; it is asked for once per count.
        """
        day = asked.start.date()
        if told <= held or self._settled.get(day) == told:
            return ()
        self._settled[day] = told
        while len(self._settled) > 2 * DAYS_BACK:
            self._settled.pop(next(iter(self._settled)))
        return [QueryPunchesCommand(start=asked.start, end=asked.end)]


def _start(day: date) -> datetime:
    return datetime.combine(day, time(0, 0, 0))


def _end(day: date) -> datetime:
    return datetime.combine(day, time(23, 59, 59))
