"""Which jobs go over which channel: pull, where the place dials; push, where the terminal does. Pure."""

from collections.abc import Mapping
from typing import Final, get_args

from biometric_flow.api.jobs import JobChannel, JobOrder
from biometric_flow.place.errors import JobNotPossible, TerminalNotPulled
from biometric_flow.place.roster import RosterEntry
from biometric_flow.zk.push import commands as zk
from biometric_flow.zk.push.command_lines import can_say
from biometric_flow.zk.push.text import PushProtocol

PULLED: Final = frozenset({
    "sync_time", "restart", "unlock", "pull_again", "push_users", "clear_log", "set_comm_key", "set_times",
    "set_access_group", "set_combination", "set_option", "read_options", "delete_templates", "give_templates",
    "take_templates",
})  # fmt: skip
"""Kinds that can be done over pull."""

RICHER_OVER_PUSH: Final = frozenset({"give_templates", "take_templates", "delete_templates"})
"""Kinds that carry faces and palms over push, and fingers only over pull."""

STAGED_ONLY: Final = frozenset({"install_file", "install_firmware"})
"""Pull takes their bytes, and nothing public makes a file of them: no way to point anybody to."""

PUSHED: Final[Mapping[str, type[zk.Command]]] = {
    "sync_time": zk.SetOption, "restart": zk.Reboot, "unlock": zk.Unlock, "pull_again": zk.QueryAttlog,
    "push_users": zk.SetUser, "clear_log": zk.ClearLog, "set_times": zk.SetZone, "set_access_group": zk.SetGroup,
    "set_combination": zk.SetCombination, "set_holiday": zk.SetHoliday, "set_holiday_date": zk.SetHolidayDate,
    "show_message": zk.SetMessage, "delete_message": zk.DeleteMessage, "set_option": zk.SetOption,
    "read_options": zk.GetOptions, "enrol_finger": zk.EnrolFinger, "enrol_biometric": zk.EnrolBiodata,
    "enrol_card": zk.EnrolCard, "cancel_alarm": zk.CancelAlarm, "clear_photos": zk.ClearPhotos,
    "clear_all": zk.ClearData, "check": zk.Check, "send_new": zk.SendNew, "info": zk.AskInfo,
    "query_punches": zk.QueryAttlog, "install_file": zk.PutFile, "install_firmware": zk.Upgrade,
    "give_templates": zk.QueryTemplates, "take_templates": zk.SetTemplate, "delete_templates": zk.DeleteTemplates,
}  # fmt: skip
"""Kinds that can be done over push, and the command that has to have a public form for it; `count_punches` has two."""

_NAMES: Final = {PushProtocol.ATTENDANCE: "Attendance PUSH", PushProtocol.SECURITY: "Security PUSH"}


def protocols_for(kind: str) -> list[PushProtocol]:
    """The push protocols that can do a kind of job."""
    if kind == "count_punches":
        return list(PushProtocol)
    command = PUSHED.get(kind)
    return [protocol for protocol in PushProtocol if command is not None and can_say(command, protocol)]


def channel_for(entry: RosterEntry, kind: str, spoken: PushProtocol | None) -> JobChannel:
    """The channel that does this kind of job at this terminal; `spoken` is its push protocol, None before it dialled.

    Raises JobNotPossible, which names the channel that can, and TerminalNotPulled for one that is switched off.
    """
    if not entry.is_enabled:
        raise TerminalNotPulled(f"expected a terminal that is switched on, {entry.key!r} is not")
    able = protocols_for(kind)
    dials_too = bool(entry.push_secret) and spoken in able
    if entry.protocol == "pull" and kind in PULLED and not (dials_too and kind in RICHER_OVER_PUSH):
        return "pull"
    if entry.push_secret and able and (spoken is None or spoken in able):
        return "push"
    channel = "pull" if not entry.push_secret else _NAMES[spoken] if spoken else "push"
    ways = [_NAMES[protocol] for protocol in able] + (["pull (port 4370)"] if kind in PULLED - STAGED_ONLY else [])
    other = f"it is over {' and '.join(ways)}" if ways else "no channel of this place can do it"
    raise JobNotPossible(f"{kind} is not possible over {channel}; {other}")


def kinds() -> set[str]:
    """Every kind of job there is."""
    union, _ = get_args(JobOrder)
    return {get_args(one.model_fields["kind"].annotation)[0] for one in get_args(union)}
