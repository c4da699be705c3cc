"""What each kind of job means for a terminal that dials."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from biometric_flow.api import jobs as api
from biometric_flow.model.punch import Punch
from biometric_flow.place.access_times import group_of, zone_of
from biometric_flow.place.clearing import check_clearable
from biometric_flow.place.errors import JobFailed
from biometric_flow.place.push.files import install_command
from biometric_flow.place.push.hand import Hand
from biometric_flow.place.push.people import push_users, read_people
from biometric_flow.place.push.queue import NOW
from biometric_flow.place.push.templates import delete_templates, give_templates, take_templates
from biometric_flow.zk.push import commands as zk
from biometric_flow.zk.push.results import CommandResult
from biometric_flow.zk.wire.access import UnlockCombination
from biometric_flow.zk.wire.messages import PERSONAL, PUBLIC, ShortMessage
from biometric_flow.zk.wire.timecode import TerminalTime

FIRST: Final = TerminalTime.of(2000, 1, 1)
LAST: Final = TerminalTime.of(2099, 12, 31, 23, 59, 59)

_CLEARING: Final = (api.ClearLog, api.ClearAll)


async def carry_out(hand: Hand) -> str:
    """Do the job, and say what came of it once the terminal confirmed. Raises JobFailed, NotSupported, ValueError."""
    order = hand.job.order
    if (result := await hand.resumed()) is not None:
        return await _decided(order, hand, result)
    await hand.at.writer.call(hand.queue.forget, hand.job.number, hand.at.clock.now())
    match order:
        case api.PushUsers():
            return await push_users(hand, order)
        case api.PullAgain():
            people = await read_people(hand, "people")
            rows = await _whole_log(hand)
            return f"{len(people.records)} people and {len(rows)} rows were read"
        case api.ShowMessage():
            await hand.do(_message(order), "message")
            await hand.do_all([zk.GiveMessage(pin, order.number) for pin in order.pins], "given")
            return "it shows the message"
        case api.ReadOptions():
            return await _options(order, hand)
        case api.GiveTemplates():
            return await give_templates(hand, order)
        case api.TakeTemplates():
            return await take_templates(hand, order)
        case api.DeleteTemplates():
            return await delete_templates(hand, order)
        case api.CountPunches():
            return f"{await count_punches(hand, order.start, order.end)} punches"
        case api.InstallFile() | api.InstallFirmware():
            data = await hand.at.writer.call(hand.at.blobs.read, order.blob)
            blob = await hand.at.writer.call(hand.at.blobs.get, order.blob)
            return await _decided(order, hand, await hand.do(install_command(order, blob, data)))
        case api.ClearLog() | api.ClearAll():
            await _check_clearing(hand)
        case api.ClearPhotos() if not hand.at.settings.clearing_is_allowed:
            raise JobFailed("clearing is not allowed at this place: set BIOMETRIC_FLOW_PLACE_CLEARING_IS_ALLOWED")
    return await _decided(order, hand, await hand.do(command_of(order, hand)))


def command_of(order: api.JobOrder, hand: Hand) -> zk.Command:
    """The one command that a job is. Raises ValueError for a time with a zone or outside of 2000 to 2133."""
    match order:
        case api.Unlock(seconds=seconds, door=door):
            return zk.Unlock(door, seconds) if hand.speaks_security else zk.Unlock()
        case api.QueryPunches(start=start, end=end):
            return zk.QueryAttlog(TerminalTime.from_datetime(start), TerminalTime.from_datetime(end))
        case _:
            return _COMMANDS[type(order)](order)


async def count_punches(hand: Hand, start: datetime | None, end: datetime | None) -> int:
    """How many punches it holds. Raises JobFailed when it does not say; a span only where the protocol has one."""
    if hand.speaks_security:
        if start is not None or end is not None:
            raise JobFailed("Security PUSH counts whole tables only; leave start and end out")
        with hand.hearings.listening(hand.entry.key) as heard:
            await hand.do(zk.CountTable("transaction"), "count")
        if "transaction" not in heard.counts:
            raise JobFailed("expected a count of its punches, the terminal told none")
        return heard.counts["transaction"]
    span = (start and TerminalTime.from_datetime(start)) or FIRST, (end and TerminalTime.from_datetime(end)) or LAST
    told = (await hand.do(zk.CountAttlog(*span), "count")).values.first("attlogsum", "attlogcount")
    if not told.isdecimal() or len(told) > 9:
        raise JobFailed("expected AttlogSum with the number of its punches, the terminal told none")
    return int(told)


async def _whole_log(hand: Hand) -> list[Any]:
    with hand.hearings.listening(hand.entry.key) as heard:
        everything = zk.QueryTable("transaction") if hand.speaks_security else zk.QueryAttlog(FIRST, LAST)
        await hand.do(everything, "log")
    return heard.rows


async def _check_clearing(hand: Hand) -> None:
    """Security-design I4: what the terminal says it holds is what it has just sent, and all of that is safe."""
    if not hand.at.settings.clearing_is_allowed:
        raise JobFailed("clearing is not allowed at this place: set BIOMETRIC_FLOW_PLACE_CLEARING_IS_ALLOWED")
    rows = await _whole_log(hand)
    await check_clearable(hand.at, rows, 0)
    distinct = {row.id for row in rows if isinstance(row, Punch)}
    counted = await count_punches(hand, None, None)
    # Equal rows are one punch; live ones that came meanwhile are in both counts or in neither.
    if counted > len(rows) or len(distinct) > len(rows):
        raise JobFailed(f"it holds {counted} rows and has sent {len(rows)}; try again when nobody punches")


async def _options(order: api.ReadOptions, hand: Hand) -> str:
    told: dict[str, str] = {}
    with hand.hearings.listening(hand.entry.key) as heard:
        if hand.speaks_security:
            told |= (await hand.do(zk.GetOptions(tuple(order.names)), "options")).values
        else:
            for name in order.names:
                told |= (await hand.do(zk.GetOptions((name,)), f"option-{name}")).values
    return ", ".join(f"{name}={value}" for name, value in (told | heard.options).items())


async def _decided(order: api.JobOrder, hand: Hand, result: CommandResult) -> str:
    if isinstance(order, _CLEARING):
        await hand.intake.begin_again(hand.entry, 0)
        return "its list of punches was cleared"
    if isinstance(order, api.Info):
        return ", ".join(f"{name}={value}" for name, value in result.values.items())
    if isinstance(order, api.Unlock):
        return (
            f"door {order.door} open for {order.seconds} s" if hand.speaks_security else "open as long as it is set to"
        )
    return _SAID.get(type(order), "the terminal did it")


def _holiday(order: api.SetHoliday) -> zk.Command:
    start, end = (tuple(map(int, day.split("-"))) for day in (order.start, order.end))
    return zk.SetHoliday(order.number, order.name, (start[0], start[1]), (end[0], end[1]), order.times)


def _message(order: api.ShowMessage) -> zk.Command:
    tag = PERSONAL if order.pins else PUBLIC
    start = TerminalTime.from_datetime(order.start)
    return zk.SetMessage(ShortMessage(order.number, order.text, start, order.minutes, tag))


_COMMANDS: Final[Mapping[type, Callable[[Any], zk.Command]]] = {
    api.SyncTime: lambda _order: zk.SetOption("DateTime", NOW),
    api.Restart: lambda _order: zk.Reboot(),
    api.ClearLog: lambda _order: zk.ClearLog(),
    api.ClearAll: lambda _order: zk.ClearData(),
    api.ClearPhotos: lambda _order: zk.ClearPhotos(),
    api.CancelAlarm: lambda _order: zk.CancelAlarm(),
    api.Check: lambda _order: zk.Check(),
    api.SendNew: lambda _order: zk.SendNew(),
    api.Info: lambda _order: zk.AskInfo(),
    api.SetTimes: lambda order: zk.SetZone(zone_of(order)),
    api.SetAccessGroup: lambda order: zk.SetGroup(group_of(order)),
    api.SetCombination: lambda order: zk.SetCombination(UnlockCombination(order.number, tuple(order.groups))),
    api.SetHoliday: _holiday,
    api.SetHolidayDate: lambda order: zk.SetHolidayDate(order.day, order.type, order.is_yearly),
    api.DeleteMessage: lambda order: zk.DeleteMessage(order.number),
    api.SetOption: lambda order: zk.SetOption(order.name, order.value),
    api.EnrolFinger: lambda order: zk.EnrolFinger(order.pin, order.finger, 3, order.overwrite),
    api.EnrolBiometric: lambda order: zk.EnrolBiodata(order.type, order.pin, 0, 3, order.overwrite),
    api.EnrolCard: lambda order: zk.EnrolCard(order.pin),
}

_SAID: Final = {
    api.SyncTime: "it took the time; this channel cannot read it back",
    api.Restart: "it restarts",
    api.InstallFile: "it fetched the file and kept it",
    api.InstallFirmware: "it fetched the firmware and took it",
    api.EnrolFinger: "enrolled",
    api.EnrolBiometric: "enrolled",
    api.EnrolCard: "enrolled",
}
