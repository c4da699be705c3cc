"""Carries out jobs at a terminal, one after the other, over the connection that listens to it."""

from dataclasses import replace
from datetime import timedelta
from typing import Protocol

import structlog

from biometric_flow.api.jobs import (
    ClearLog,
    DeleteTemplates,
    GiveTemplates,
    JobOrder,
    JobView,
    PullAgain,
    PushUsers,
    ReadOptions,
    Restart,
    SetAccessGroup,
    SetCombination,
    SetCommKey,
    SetOption,
    SetTimes,
    SyncTime,
    TakeTemplates,
    Unlock,
)
from biometric_flow.model.errors import BiometricFlowError
from biometric_flow.model.ids import TerminalSerial
from biometric_flow.model.punch import Punch
from biometric_flow.place.biometrics.at_terminal import delete_templates, give_templates, take_templates
from biometric_flow.place.clearing import check_clearable
from biometric_flow.place.comm_keys import set_comm_key
from biometric_flow.place.enrolments import Plan, open_differences, plan
from biometric_flow.place.errors import JobFailed
from biometric_flow.place.normalise import Quarantined
from biometric_flow.place.roster import RosterEntry
from biometric_flow.place.set_up import set_up
from biometric_flow.place.timekeeper import Timekeeper
from biometric_flow.place.workplace import Workplace
from biometric_flow.zk.access import UnlockUnit
from biometric_flow.zk.errors import TerminalTimedOut, ZkError
from biometric_flow.zk.requests import STILL_USABLE
from biometric_flow.zk.terminal import Terminal
from biometric_flow.zk.wire.records import AttendanceLog
from biometric_flow.zk.wire.users import UserList

log = structlog.get_logger()

WRITTEN_AT_ONCE = 200
"""People written between two looks at what the terminal holds."""


class Attendant(Protocol):
    """What a job needs of the collector that is connected to its terminal."""

    at: Workplace
    entry: RosterEntry
    timekeeper: Timekeeper

    @property
    def serial(self) -> TerminalSerial:
        """Who the terminal is."""
        ...

    async def read_people(self, terminal: Terminal) -> UserList:
        """Read and record everybody it knows."""
        ...

    async def read_whole_log(self, terminal: Terminal) -> AttendanceLog:
        """Read and record every row it holds."""
        ...

    def rows_of(self, attendance: AttendanceLog) -> list[Punch | Quarantined]:
        """The rows as they are recorded."""
        ...

    async def start_generation(self, rows: int) -> None:
        """Its list begins anew."""
        ...


async def run_waiting(attendant: Attendant, terminal: Terminal) -> None:
    """Do every job that waits for this terminal. Raises ZkError or OSError when the connection is of no more use."""
    at, key = attendant.at, attendant.entry.key
    while (job := await at.writer.call(at.jobs.take, key, at.clock.now())) is not None:
        await _one(attendant, terminal, job)


async def _one(attendant: Attendant, terminal: Terminal, job: JobView) -> None:
    at = attendant.at
    try:
        detail = await carry_out(job.order, attendant, terminal)
    except (*STILL_USABLE, BiometricFlowError) as error:
        await at.writer.call(at.jobs.turn, job.number, "failed", str(error), at.clock.now())
        log.warning("job_failed", terminal=job.terminal, number=job.number, kind=job.order.kind)
    except TerminalTimedOut as error:
        await at.writer.call(at.jobs.turn, job.number, "timed_out", str(error), at.clock.now())
        raise
    except (ZkError, OSError) as error:
        await at.writer.call(at.jobs.interrupted, job, at.clock.now(), str(error))
        raise
    else:
        await at.writer.call(at.jobs.turn, job.number, "confirmed", detail, at.clock.now())
        log.info("job_confirmed", terminal=job.terminal, number=job.number, kind=job.order.kind)


async def carry_out(order: JobOrder, attendant: Attendant, terminal: Terminal) -> str:
    """Do it, and say what came of it once the terminal has confirmed. Raises JobFailed or what the client raises."""
    match order:
        case SyncTime():
            before = await attendant.timekeeper.correct(terminal, attendant.serial)
            return f"the clock was {before / timedelta(seconds=1):+.1f} s off"
        case Restart():
            if not await terminal.restart():
                raise JobFailed("expected the terminal to confirm, it did not; see whether it comes back")
            return "it restarts"
        case Unlock(seconds=seconds):
            await terminal.unlock(seconds, unit=UnlockUnit[attendant.entry.unlock_unit.upper()])
            return f"open for {seconds} s"
        case PullAgain():
            people = await attendant.read_people(terminal)
            attendance = await attendant.read_whole_log(terminal)
            return f"{len(people.records)} people and {attendance.rows} rows were read"
        case PushUsers():
            return await _push_users(order, attendant, terminal)
        case SetTimes() | SetAccessGroup() | SetCombination() | SetOption() | ReadOptions():
            return await set_up(order, terminal)
        case ClearLog():
            return await _clear_log(attendant, terminal)
        case DeleteTemplates(pin=pin):
            return await delete_templates(pin, terminal)
        case GiveTemplates():
            return await give_templates(order, attendant.at.courier, terminal)
        case TakeTemplates():
            return await take_templates(order, attendant.at.courier, terminal, attendant.entry.key)
        case SetCommKey():
            attendant.entry = await set_comm_key(attendant.at, attendant.entry, terminal)
            return "it asks for its new comm key and takes it"
        case _:
            raise JobFailed(f"{order.kind} is not possible over pull; it is over push")


async def _push_users(order: PushUsers, attendant: Attendant, terminal: Terminal) -> str:
    users = await terminal.users()
    if users.layout is None:  # nobody is on it yet, and times of access are written as the rows will be
        users = replace(users, layout=await terminal.users_layout())
    made = await _planned(attendant, users)
    delete = [*made.delete, *(made.delete_foreign if order.delete_foreign else [])]
    for start in range(0, len(made.write), WRITTEN_AT_ONCE):
        await terminal.set_users(made.write[start : start + WRITTEN_AT_ONCE])
    if delete:
        await terminal.delete_users([user.uid for user in delete])
    # What counts is what the terminal says afterwards, not what was sent.
    left = await _planned(attendant, await attendant.read_people(terminal))
    key = attendant.entry.key
    still_there = {one.pin for one in left.differences if one.kind == "unwanted"}
    gone = [one.pin for one in made.differences if one.kind == "unwanted" and one.pin not in still_there]
    await attendant.at.writer.call(attendant.at.enrolments.forget, key, gone)
    open_differences(left, delete_foreign=order.delete_foreign)
    return f"{len(made.write)} written, {len(delete)} deleted"


async def _planned(attendant: Attendant, users: UserList) -> Plan:
    at, entry = attendant.at, attendant.entry
    return plan(await at.writer.call(at.enrolments.of, entry.key), users, entry.encoding)


async def _clear_log(attendant: Attendant, terminal: Terminal) -> str:
    """Security-design I4."""
    if not attendant.at.settings.clearing_is_allowed:
        raise JobFailed("clearing is not allowed at this place: set BIOMETRIC_FLOW_PLACE_CLEARING_IS_ALLOWED")
    attendance = await attendant.read_whole_log(terminal)
    await check_clearable(attendant.at, attendant.rows_of(attendance), len(attendance.rejected))
    await terminal.clear_attendance(attendance.rows)
    await attendant.start_generation(0)
    return f"{attendance.rows} rows were cleared"
