"""What the place does by itself for a terminal that dials: keep its facts, follow the zone, find gaps by counting."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import structlog

from biometric_flow.model.ids import TerminalSerial
from biometric_flow.place.push.errors import CommandQueueFull
from biometric_flow.place.push.intake import Intake, Upload
from biometric_flow.place.push.queue import CommandQueue
from biometric_flow.place.push.reconcile import Reconciler
from biometric_flow.place.push.tables import PushReader
from biometric_flow.place.roster import RosterEntry
from biometric_flow.place.workplace import Workplace
from biometric_flow.zk.push import commands as zk
from biometric_flow.zk.push.handshake import timezone_option
from biometric_flow.zk.push.options import read_info
from biometric_flow.zk.push.results import CommandResult
from biometric_flow.zk.push.text import Fields, PushProtocol

log = structlog.get_logger()

ZONE_NOTE: Final = "timezone"
"""Name among a terminal's stamps for the distance from UTC it was told, in minutes."""


class Upkeep:
    """Looks after terminals between their uploads. Raises StorageUnavailable when the disk failed."""

    def __init__(self, workplace: Workplace, intake: Intake, reader: PushReader, queue: CommandQueue) -> None:
        self._at = workplace
        self._intake = intake
        self._reader = reader
        self._queue = queue
        self._reconcilers: dict[str, Reconciler] = {}
        self._punches: dict[str, int] = {}

    async def informed(self, entry: RosterEntry, text: str) -> None:
        """Take what a poll tells: counts and firmware. Fewer punches than before begin a new life of the log."""
        info, now = read_info(text), self._at.clock.now()
        told = {"users": info.users, "fingers": info.fingers, "faces": info.faces, "punches": info.punches}
        known = self._at.health.condition(entry.key, now).capacity
        capacity = known.model_copy(update={name: count for name, count in told.items() if count is not None})
        self._at.health.contacted(entry.key, now, firmware=info.firmware, capacity=capacity)
        if info.punches is not None:
            if info.punches < self._punches.get(entry.key, 0):
                await self._intake.begin_again(entry, info.punches)
            self._punches[entry.key] = info.punches

    def facts(self, entry: RosterEntry, told: Fields) -> None:
        """Take what options, a registration or INFO tell of the terminal."""
        now = self._at.clock.now()
        known = self._at.health.condition(entry.key, now)
        limits = {
            "users_limit": _limit(told.first("maxusercount"), 100),
            "fingers_limit": _limit(told.first("maxfingercount"), 100),
            "punches_limit": _limit(told.first("maxattlogcount"), 10_000),
        }
        self._at.health.contacted(
            entry.key,
            now,
            model=told.first("devicename")[:64] or known.model,
            firmware=told.first("firmver", "fwversion")[:64] or known.firmware,
            platform=told.first("platform")[:64] or known.platform,
            capacity=known.capacity.model_copy(update={name: limit for name, limit in limits.items() if limit}),
        )

    async def follow_zone(self, entry: RosterEntry, stamps: Mapping[str, str], protocol: PushProtocol) -> None:
        """The place's clocks changed since the terminal was told its zone: tell it, or its own clock would jump."""
        minutes = minutes_of(self._local())
        if ZONE_NOTE not in stamps or stamps[ZONE_NOTE] == str(minutes):
            return
        if protocol is PushProtocol.ATTENDANCE:
            zone = timezone_option(timedelta(minutes=minutes))
            await self._enqueue(entry, zk.SetOption("TimeZone", zone), protocol)
            await self._enqueue(entry, zk.Check(), protocol)
        await self._intake.stamps(Upload(entry, b"", {ZONE_NOTE: str(minutes)}))

    async def reconcile(self, entry: RosterEntry, protocol: PushProtocol) -> None:
        """Ask how many punches the terminal holds, when that is due."""
        now, every = self._at.clock.now(), timedelta(seconds=self._at.settings.push_reconcile_seconds)
        reconciler = self._reconcilers.setdefault(entry.key, Reconciler(now + every))
        if now < reconciler.due_at:
            return
        reconciler.protocol = protocol
        waiting = await self._at.writer.call(self._queue.open_kinds, entry.key)
        questions = reconciler.questions(now, self._local().replace(tzinfo=None), every)
        if not waiting & {zk.CountAttlog, zk.QueryAttlog, zk.QueryTable}:
            for question in questions:
                await self._enqueue(entry, question, protocol)

    def rows_unread(self, key: str) -> int | None:
        """Punches that a terminal counted and this place does not hold; None before it counted any day."""
        reconciler = self._reconcilers.get(key)
        return sum(reconciler.missing.values()) if reconciler and reconciler.missing else None

    async def answered(self, entry: RosterEntry, asked: zk.Command, result: CommandResult) -> None:
        """A question of the place's own was answered."""
        match asked:
            case zk.CountAttlog():
                await self._counted(entry, asked, result)
            case zk.QueryAttlog() if not result.is_success:
                reconciler = self._reconcilers.setdefault(entry.key, Reconciler(self._at.clock.now()))
                if reconciler.protocol is PushProtocol.SECURITY and reconciler.can_span:
                    reconciler.can_span = False
                    log.warning("push_span_not_supported", terminal=entry.key, code=result.code)
                    await self._enqueue(entry, zk.QueryTable("transaction"), reconciler.protocol)

    async def _counted(self, entry: RosterEntry, asked: zk.CountAttlog, result: CommandResult) -> None:
        """The terminal counted: ask again for the days of which the place holds less."""
        reconciler = self._reconcilers.setdefault(entry.key, Reconciler(self._at.clock.now()))
        told = result.values.first("attlogsum", "attlogcount")
        if not result.is_success or not told.isdecimal() or len(told) > 9:
            reconciler.can_count = False
            log.warning("push_count_not_supported", terminal=entry.key, code=result.code)
            return
        start, end = asked.start.text(), asked.end.text()
        held = self._reader.punches_between(TerminalSerial(entry.serial), start, end)
        for question in reconciler.counted(asked, int(told), held):
            log.warning("push_gap_found", terminal=entry.key, day=start[:10], told=int(told), held=held)
            await self._enqueue(entry, question, PushProtocol.ATTENDANCE)

    async def _enqueue(self, entry: RosterEntry, command: zk.Command, protocol: PushProtocol) -> None:
        """One more command of our own; a full queue is logged and costs the command only."""
        try:
            await self._at.writer.call(self._queue.add, entry.key, command, protocol, self._at.clock.now())
        except CommandQueueFull as error:
            log.warning("push_queue_full", terminal=entry.key, reason=str(error))

    def _local(self) -> datetime:
        return self._at.clock.now().astimezone(self._at.place.zone)


def minutes_of(local: datetime) -> int:
    """The distance from UTC at a moment, in minutes."""
    return round((local.utcoffset() or timedelta()) / timedelta(minutes=1))


def _limit(text: str, unit: int) -> int:
    """A `Max...Count` option counts hundreds or ten thousands."""
    return int(text) * unit if text.isascii() and text.isdigit() and len(text) <= 6 else 0
