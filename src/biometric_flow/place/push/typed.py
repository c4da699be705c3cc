"""Commands as people ask for them -> commands as terminals take them."""

from datetime import datetime, timedelta

from biometric_flow.api.push import (
    CheckCommand,
    CountPunchesCommand,
    DeletePersonCommand,
    InfoCommand,
    QueryPeopleCommand,
    QueryPunchesCommand,
    RebootCommand,
    SendNewCommand,
    SetPersonCommand,
    SetZoneCommand,
    TerminalCommand,
)
from biometric_flow.zk.push import commands as zk
from biometric_flow.zk.push.handshake import timezone_option
from biometric_flow.zk.push.people import PushedUser
from biometric_flow.zk.wire.timecode import TerminalTime


def typed(command: TerminalCommand) -> zk.Command:
    """The terminal's own form. Raises ValueError for a time with a zone or outside of 2000 to 2133."""
    match command:
        case CheckCommand():
            return zk.Check()
        case SendNewCommand():
            return zk.SendNew()
        case InfoCommand():
            return zk.AskInfo()
        case RebootCommand():
            return zk.Reboot()
        case QueryPunchesCommand():
            return zk.QueryAttlog(_time(command.start), _time(command.end))
        case CountPunchesCommand():
            return zk.CountAttlog(_time(command.start), _time(command.end))
        case QueryPeopleCommand():
            return zk.QueryUsers()
        case SetPersonCommand():
            return zk.SetUser(
                PushedUser(command.pin, command.name, command.privilege, card=command.card, group=command.group)
            )
        case DeletePersonCommand():
            return zk.DeleteUser(command.pin)
        case SetZoneCommand():
            return zk.SetOption("TimeZone", timezone_option(timedelta(minutes=command.minutes)))


def _time(moment: datetime) -> TerminalTime:
    return TerminalTime.from_datetime(moment)
