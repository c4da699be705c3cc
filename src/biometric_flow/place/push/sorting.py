"""What the lines of an upload are, once read: punches, people, events, work codes, biometrics. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from biometric_flow.ledger.events import PersonEnrolled
from biometric_flow.model.ids import TerminalSerial
from biometric_flow.place.normalise import person_of
from biometric_flow.place.push.tables import EventKind, TerminalEvent
from biometric_flow.zk.push import realtime
from biometric_flow.zk.push.operlog import Operation
from biometric_flow.zk.push.people import PushedUser, TemplateLine
from biometric_flow.zk.push.photo import AttendancePhoto
from biometric_flow.zk.push.realtime import DoorState, RealtimeEvent
from biometric_flow.zk.push.reports import TerminalFault, WorkCode
from biometric_flow.zk.wire.records import AttlogRecord
from biometric_flow.zk.wire.users import UserRecord

_KINDS: Final = {
    realtime.EventKind.GRANTED: EventKind.DOOR,
    realtime.EventKind.REFUSED: EventKind.REFUSED,
    realtime.EventKind.ALARM: EventKind.ALARM,
    realtime.EventKind.OTHER: EventKind.DOOR,
}


@dataclass(slots=True)
class Sorted:
    """The lines of one upload by what becomes of them."""

    punches: list[AttlogRecord] = field(default_factory=list)
    people: list[PersonEnrolled] = field(default_factory=list)
    events: list[TerminalEvent] = field(default_factory=list)
    work_codes: list[WorkCode] = field(default_factory=list)
    biometrics: list[TemplateLine | AttendancePhoto] = field(default_factory=list)
    without_use: int = 0
    """Lines that were read and are of no use here, such as identity cards and access tables."""


def sort_out(records: Iterable[object], serial: TerminalSerial, now: datetime) -> Sorted:
    """Each record to its kind; nothing is dropped without being counted."""
    found = Sorted()
    for record in records:
        match record:
            case RealtimeEvent():
                if (punch := record.punch) is not None:
                    found.punches.append(punch)
                else:
                    found.events.append(_event(record, serial))
            case PushedUser():
                if (person := _person(record, serial, now)) is not None:
                    found.people.append(person)
            case Operation():
                found.events.append(_operation(record, serial))
            case TerminalFault():
                found.events.append(_fault(record, serial, now))
            case WorkCode():
                found.work_codes.append(record)
            case TemplateLine() | AttendancePhoto():
                found.biometrics.append(record)
            case _:
                found.without_use += 1
    return found


def alarms_of(state: DoorState, serial: TerminalSerial) -> list[TerminalEvent]:
    """The alarms that are on, door by door."""
    return [
        TerminalEvent(serial, EventKind.ALARM, 0, "", state.time.text(), f"door {door}: {', '.join(alarms)}")
        for door, alarms in enumerate(state.alarms, 1)
        if alarms
    ]


def _event(event: RealtimeEvent, serial: TerminalSerial) -> TerminalEvent:
    detail = f"door {event.door}, number {event.index}"
    return TerminalEvent(serial, _KINDS[event.kind], event.event, event.pin, event.time.text(), detail)


def _operation(operation: Operation, serial: TerminalSerial) -> TerminalEvent:
    detail = ", ".join(operation.objects)
    return TerminalEvent(serial, EventKind.OPERATION, operation.code, operation.operator, operation.time.text(), detail)


def _fault(fault: TerminalFault, serial: TerminalSerial, now: datetime) -> TerminalEvent:
    command = f" (command {fault.command})" if fault.command else ""
    text = f"{fault.code} {fault.message}{command}"
    return TerminalEvent(serial, EventKind.FAULT, 0, "", now.isoformat(timespec="seconds"), text)


def _person(user: PushedUser, serial: TerminalSerial, now: datetime) -> PersonEnrolled | None:
    record = UserRecord(0, user.pin, user.name, user.privilege, card=user.card, group=user.group)
    return person_of(record, serial, now)
