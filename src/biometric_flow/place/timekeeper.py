"""Measures one terminal's clock, notes what happened to it, and sets it right as its rule says."""

from datetime import timedelta
from typing import Final

import structlog

from biometric_flow.ledger.events import ClockCorrected
from biometric_flow.model.ids import TerminalSerial
from biometric_flow.place.clocks import CONFIRMED_WITHIN, ClockReading, is_due, jump_between, was_reset
from biometric_flow.place.errors import ClockNotCorrected
from biometric_flow.place.findings import duration
from biometric_flow.place.normalise import drift_of
from biometric_flow.place.roster import RosterEntry
from biometric_flow.place.store import Batch
from biometric_flow.place.workplace import Workplace
from biometric_flow.zk.errors import TerminalRefused
from biometric_flow.zk.terminal import Terminal

log = structlog.get_logger()

_HALF: Final = timedelta(milliseconds=500)


class Timekeeper:
    """The clock of one terminal. `drift` is None until it was measured, and when it shows no day of the calendar."""

    def __init__(self, entry: RosterEntry, at: Workplace) -> None:
        self._key, self._at = entry.key, at
        self._rule, self._above = entry.clock, timedelta(seconds=entry.clock_above_seconds)
        self._last: ClockReading | None = None
        self._gave_up = False

    @property
    def drift(self) -> timedelta | None:
        """Terminal clock minus true time."""
        return None if self._last is None else self._last.drift

    async def measure(self, terminal: Terminal) -> None:
        """Ask for its time; note a reset and a jump."""
        clock = self._at.clock
        started, asked = clock.monotonic(), clock.now()
        told = await terminal.time()
        latency, now = timedelta(seconds=clock.monotonic() - started), clock.now()
        earlier = self._last
        try:
            shown = told.to_datetime()
        except ValueError:
            self._last = None
        else:
            drift = drift_of(shown, self._at.place.zone, asked + (now - asked) / 2)
            self._last = ClockReading(now, shown, drift)
        self._at.health.contacted(self._key, now, drift=self.drift, latency=latency)
        if self._last is not None:
            await self._compare(earlier, self._last)

    async def keep(self, terminal: Terminal, serial: TerminalSerial) -> None:
        """Set the clock right if its rule says so now. What cannot be corrected is noted, once for a connection."""
        if self._last is None or self._gave_up:
            return
        local = self._at.clock.now().astimezone(self._at.place.zone)
        if not is_due(self._rule, self._above, self._last, local):
            return
        try:
            await self.correct(terminal, serial)
        except (TerminalRefused, ClockNotCorrected) as error:
            self._gave_up = True
            await self._at.note(self._key, "clock_not_corrected", f"Its clock could not be set right: {error}")

    async def correct(self, terminal: Terminal, serial: TerminalSerial) -> timedelta:
        """Set the clock to true time, read it back, record it; returns what was wrong before.

        Raises ClockNotCorrected when it still shows another time, TerminalRefused when it says no.
        """
        await self.measure(terminal)
        before = self.drift or timedelta()
        zone = self._at.place.zone
        await terminal.set_time((self._at.clock.now() + _HALF).astimezone(zone).replace(tzinfo=None, microsecond=0))
        self._last = None
        await self.measure(terminal)
        if self.drift is None or abs(self.drift) > CONFIRMED_WITHIN:
            raise ClockNotCorrected(f"expected the clock to show true time after setting it, it is {self.drift} off")
        now = self._at.clock.now()
        await self._at.writer.record(Batch(serial, now, corrected=ClockCorrected(serial, before, now)))
        log.info("clock_corrected", terminal=self._key, drift_ms=round(before / timedelta(milliseconds=1)))
        return before

    async def _compare(self, earlier: ClockReading | None, later: ClockReading) -> None:
        if was_reset(later):
            if earlier is None or not was_reset(earlier):
                text = f"Its clock shows {later.shown.isoformat(sep=' ')}: it lost its time. Check battery and power."
                await self._at.note(self._key, "clock_reset", text)
            return
        turned = jump_between(earlier, later) if earlier else None
        if turned is not None:
            way = "ahead" if turned > timedelta() else "back"
            text = f"Its clock was turned {way} by {duration(abs(turned))}, and not by this place."
            await self._at.note(self._key, "clock_jumped", text)
