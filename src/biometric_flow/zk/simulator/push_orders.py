"""What a simulated terminal that dials does when it is told to; uploads apart, which `push` makes."""

import datetime
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from biometric_flow.zk.errors import ProtocolViolation
from biometric_flow.zk.push import commands as c
from biometric_flow.zk.push.people import TemplateLine
from biometric_flow.zk.simulator.memory import TerminalClock, TerminalMemory
from biometric_flow.zk.wire.timecode import TerminalTime

UNKNOWN: Final = -22
CANNOT_FETCH: Final = -1008
NO_SPACE: Final = -5
NO_SUCH_PIN: Final = -10
NO_MATCH: Final = -4
WRONG: Final = -1

Outcome = tuple[int, dict[str, str]]
_DONE: Final[Outcome] = (0, {})


def obey(command: c.Command, memory: TerminalMemory, clock: TerminalClock) -> Outcome:
    """Do it: return code and what is told beside it."""
    for part in (_people, _templates, _access, _messages, _clearing):
        if (outcome := part(command, memory)) is not None:
            return outcome
    return _rest(command, memory, clock)


def templates_of(memory: TerminalMemory, asked: c.QueryTemplates | c.DeleteTemplates) -> list[TemplateLine]:
    """The templates and pictures that are meant."""
    return [
        one
        for one in memory.extras.pushed_templates.values()
        if one.tag == asked.tag
        and asked.pin in ("", one.pin)
        and asked.type in (None, one.type)
        and asked.number in (None, one.number)
    ]


def _people(command: c.Command, memory: TerminalMemory) -> Outcome | None:
    match command:
        case c.SetUser(user):
            try:
                record = user.record()
                if user.password is None:
                    known = next((one for one in memory.users if one.user_id == user.pin), None)
                    record = replace(record, password=known.password if known else "")
                memory.enrol(user.pin, record)
            except (ValueError, ProtocolViolation):
                return WRONG, {}
        case c.DeleteUser(pin):
            uid = next((user.uid for user in memory.users if user.user_id == pin), None)
            if uid is None:
                return NO_SUCH_PIN, {}
            memory.delete_user(uid)
            memory.extras.authorized.pop(pin, None)
            _drop(memory, [one for one in memory.extras.pushed_templates.values() if one.pin == pin])
        case _:
            return None
    return _DONE


def _templates(command: c.Command, memory: TerminalMemory) -> Outcome | None:
    match command:
        case c.SetTemplate(template):
            if not _knows(memory, template.pin):
                return NO_SUCH_PIN, {}
            memory.extras.pushed_templates[_place(template)] = template
        case c.DeleteTemplates():
            _drop(memory, templates_of(memory, command))
        case c.EnrolFinger(pin=pin) | c.EnrolBiodata(pin=pin) | c.EnrolCard(pin=pin):
            if not _knows(memory, pin):
                return NO_SUCH_PIN, {}
            if memory.extras.enrol_result == 0 and isinstance(command, c.EnrolFinger):
                made = TemplateLine("FP", pin, command.finger, type=1, size=8, content="QUJDREVG")
                memory.extras.pushed_templates[_place(made)] = made
            return memory.extras.enrol_result, {}
        case _:
            return None
    return _DONE


def _access(command: c.Command, memory: TerminalMemory) -> Outcome | None:
    extras = memory.extras
    match command:
        case c.Unlock(door, seconds):
            extras.opened.append((door, seconds))
        case c.CancelAlarm():
            extras.alarm_is_on = False
        case c.Authorize(pin, zone, doors):
            if not _knows(memory, pin):
                return NO_SUCH_PIN, {}
            extras.authorized[pin] = (zone, doors)
        case c.Deauthorize(pin):
            extras.authorized.pop(pin, None)
        case c.SetZone(zone):
            extras.zones[zone.index] = zone
        case c.DeleteZone(index):
            extras.zones.pop(index, None)
        case c.SetGroup(group):
            extras.groups[group.group] = group
        case c.SetCombination(combination):
            extras.combinations[combination.number] = combination
        case c.SetHoliday():
            extras.holidays[command.number] = command
        case c.SetHolidayDate():
            extras.holiday_dates.append(command)
        case c.ClearHolidays():
            extras.holiday_dates.clear()
        case _:
            return None
    return _DONE


def _messages(command: c.Command, memory: TerminalMemory) -> Outcome | None:
    extras = memory.extras
    match command:
        case c.SetMessage(message):
            extras.messages[message.id] = message
        case c.GiveMessage(pin, number):
            uid = next((user.uid for user in memory.users if user.user_id == pin), None)
            if uid is None or number not in extras.messages:
                return NO_MATCH, {}
            extras.given.add((uid, number))
        case c.DeleteMessage(number):
            if extras.messages.pop(number, None) is None:
                return NO_MATCH, {}
            extras.given = {(uid, one) for uid, one in extras.given if one != number}
        case c.SetWorkCode(_, code, name):
            extras.pushed_work_codes[code] = name
        case c.DeleteWorkCode(code):
            if extras.pushed_work_codes.pop(code, None) is None:
                return NO_MATCH, {}
        case _:
            return None
    return _DONE


def _clearing(command: c.Command, memory: TerminalMemory) -> Outcome | None:
    extras = memory.extras
    match command:
        case c.ClearLog():
            memory.clear_punches()
        case c.ClearPhotos():
            extras.photos = 0
        case c.ClearBiodata():
            extras.pushed_templates.clear()
        case c.ClearUsers():
            _forget_everybody(memory)
        case c.ClearData():
            memory.clear_punches()
            _forget_everybody(memory)
            extras.photos = 0
        case _:
            return None
    return _DONE


def _rest(command: c.Command, memory: TerminalMemory, clock: TerminalClock) -> Outcome:
    match command:
        case c.AskInfo():
            return 0, {"~DeviceName": memory.options["~DeviceName"], "FWVersion": "SIM 1"}
        case c.CountAttlog(start, end):
            count = sum(start <= punch.time <= end for punch in memory.punches)
            return 0, {"AttlogSum": str(count)}
        case c.QueryPhotos():
            return (0, {}) if memory.extras.photos else (NO_MATCH, {})
        case c.SetOption("DateTime", value):
            return _set_clock(clock, value), {}
        case c.SetOption(name, value):
            memory.options[name] = value
        case c.GetOptions(names):
            return 0, {name: memory.options.get(name, "") for name in names}
        case _:
            return UNKNOWN, {}
    return _DONE


def _set_clock(clock: TerminalClock, value: str) -> int:
    try:
        clock.set(TerminalTime(int(value)))
    except (ValueError, OverflowError):
        return WRONG
    if abs(clock.drift) < datetime.timedelta(seconds=1):
        clock.drift = datetime.timedelta()  # whole seconds are all that the order can say
    return 0


def _forget_everybody(memory: TerminalMemory) -> None:
    for user in memory.users:
        memory.delete_user(user.uid)
    memory.extras.pushed_templates.clear()
    memory.extras.authorized.clear()


def _knows(memory: TerminalMemory, pin: str) -> bool:
    return any(user.user_id == pin for user in memory.users)


def _place(template: TemplateLine) -> tuple[str, str, int, int, int]:
    return template.tag, template.pin, template.type, template.number, template.index


def _drop(memory: TerminalMemory, templates: Iterable[TemplateLine]) -> None:
    for one in list(templates):
        memory.extras.pushed_templates.pop(_place(one), None)
