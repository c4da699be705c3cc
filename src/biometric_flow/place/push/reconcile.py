"""Does the place hold what a terminal holds? Counted day by day, and asked for again where it does not. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Final

from biometric_flow.zk.push.commands import Command, CountAttlog, QueryAttlog, QueryTable
from biometric_flow.zk.push.text import PushProtocol
from biometric_flow.zk.wire.timecode import TerminalTime

DAYS_BACK: Final = 31
"""How far back days are counted, one older day with each round."""


@dataclass(slots=True)
class Reconciler:
    """What is known of one terminal's counts. Lost at a restart, which costs one needless question a day."""

    due_at: datetime
    protocol: PushProtocol = PushProtocol.ATTENDANCE
    can_count: bool = True
    """False when the terminal does not know the command; then the last two days are asked for again whole."""
    can_span: bool = True
    """False when an access terminal cannot be asked for a span of time; then for its whole table."""
    missing: dict[date, int] = field(default_factory=dict)
    """Day -> punches that the terminal holds and the place does not, as of its last count; empty before the first."""
    _settled: dict[date, int] = field(default_factory=dict)
    _older: int = 2

    def questions(self, now: datetime, local: datetime, every: timedelta) -> Sequence[Command]:
        """What to ask now; empty while nothing is due. `local` is the naive time at the terminal."""
        if now < self.due_at:
            return ()
        self.due_at = now + every
        today = local.date()
        days = [today - timedelta(days=1), today]
        older = today - timedelta(days=self._older)
        if self.protocol is PushProtocol.SECURITY:
            if not self.can_span:
                return [QueryTable("transaction")]
            self._turn()
            return [QueryAttlog(_start(older), _end(older)), QueryAttlog(_start(days[0]), _end(days[1]))]
        if not self.can_count:
            return [QueryAttlog(_start(days[0]), _end(days[1]))]
        self._turn()
        return [CountAttlog(_start(day), _end(day)) for day in (older, *days)]

    def _turn(self) -> None:
        self._older = self._older + 1 if self._older < DAYS_BACK else 2

    def counted(self, asked: CountAttlog, told: int, held: int) -> Sequence[Command]:
        """The terminal counted: what to ask for again.

        A count that stays higher after the rows came is the terminal's own doubles; it is asked for once per count.
        """
        day = asked.start.to_datetime().date()
        is_whole = told <= held or self._settled.get(day) == told
        self.missing[day] = 0 if is_whole else told - held
        while len(self.missing) > 2 * DAYS_BACK:
            self.missing.pop(next(iter(self.missing)))
        if is_whole:
            return ()
        self._settled[day] = told
        while len(self._settled) > 2 * DAYS_BACK:
            self._settled.pop(next(iter(self._settled)))
        return [QueryAttlog(asked.start, asked.end)]


def _start(day: date) -> TerminalTime:
    return TerminalTime.from_datetime(datetime.combine(day, time(0, 0, 0)))


def _end(day: date) -> TerminalTime:
    return TerminalTime.from_datetime(datetime.combine(day, time(23, 59, 59)))
