"""Takes the alarms of one terminal, live and from its log, and lets people know of the new ones."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

import structlog

from biometric_flow.model.ids import TerminalSerial
from biometric_flow.place.alarms import NEWS_FOR, Alarm, in_log, told_live
from biometric_flow.place.workplace import Workplace
from biometric_flow.zk.errors import LayoutUnknown, TerminalRefused
from biometric_flow.zk.terminal import Terminal
from biometric_flow.zk.wire.events import AlarmRaised, Event

log = structlog.get_logger()


class AlarmDesk:
    """The alarms of one terminal."""

    def __init__(self, key: str, at: Workplace) -> None:
        self._key, self._at = key, at
        self._rows_read = -1

    async def hear(
        self, events: Iterable[Event], serial: TerminalSerial, pins: Mapping[int, str], drift: timedelta | None
    ) -> None:
        """Alarms that were told just now."""
        local = self._at.clock.now().astimezone(self._at.place.zone).replace(tzinfo=None) + (drift or timedelta())
        alarms = [
            told_live(event, serial, pins.get(event.uid, ""), local)
            for event in events
            if isinstance(event, AlarmRaised)
        ]
        await self._keep(alarms, live=True)

    async def look_up(self, terminal: Terminal, rows: int, serial: TerminalSerial, pins: Mapping[int, str]) -> None:
        """Alarms in its operation log, read when its number of rows is another than last time."""
        if rows == self._rows_read:
            return
        try:
            operations = await terminal.operations()
        except (TerminalRefused, LayoutUnknown) as error:
            log.info("operations_not_read", terminal=self._key, reason=str(error))
        else:
            await self._keep(list(in_log(operations.records, serial, pins)), live=False)
        self._rows_read = rows

    async def _keep(self, alarms: Sequence[Alarm], *, live: bool) -> None:
        if not alarms:
            return
        at, now = self._at, self._at.clock.now()
        fresh: list[Alarm] = await at.writer.call(lambda: at.alarms.keep(alarms, now, live=live))
        recent = now.astimezone(at.place.zone).replace(tzinfo=None) - NEWS_FOR
        for alarm in fresh:
            if alarm.at < recent:
                continue
            log.warning("terminal_alarm", terminal=self._key, kind=alarm.kind)
            at.health.rang(self._key, now, alarm.kind)
            if alarm.finding:
                when = alarm.at.isoformat(sep=" ")
                await at.note(self._key, alarm.finding, f"Alarm at {when} by its clock: {alarm.kind}.")
