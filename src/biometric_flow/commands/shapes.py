"""What terminals tell, as cells of a table and as fields of JSON; field names are stable."""

import re
from dataclasses import asdict
from typing import Final

from biometric_flow.commands.text import shown
from biometric_flow.zk.families import Description
from biometric_flow.zk.wire.events import AttendanceEvent, Event, OtherEvent
from biometric_flow.zk.wire.records import AttlogRecord
from biometric_flow.zk.wire.rows import RejectedRow
from biometric_flow.zk.wire.users import UserRecord

STATES: Final = {0: "in", 1: "out", 2: "break-out", 3: "break-in", 4: "ot-in", 5: "ot-out", 255: "-"}
VERIFY_MODES: Final = {0: "password", 1: "finger", 2: "card", 15: "face", 25: "palm"}
PRIVILEGES: Final = {0: "user", 1: "enroller", 3: "manager", 7: "admin"}

FLAGS: Final = {0: "invalid", 1: "valid", 3: "duress"}


def family_fields(described: Description) -> dict[str, object]:
    """A description as JSON tells it."""
    return {
        "name": described.family.name if described.family else None,
        "credentials": sorted(described.credentials),
        "evidence": described.evidence,
        "doubts": described.doubts,
    }


def user_fields(user: UserRecord) -> dict[str, object]:
    """A user as JSON tells it; the password itself never leaves."""
    return {
        "pin": user.user_id,
        "uid": user.uid,
        "name": user.name,
        "privilege": user.privilege,
        "is_enabled": user.is_enabled,
        "card": user.card,
        "group": user.group,
        "has_password": bool(user.password),
    }


def event_fields(event: Event) -> dict[str, object]:
    """An event as JSON tells it."""
    if isinstance(event, AttendanceEvent):
        return {
            "event": "attendance",
            "pin": event.user_id or None,
            "uid": event.uid or None,
            "time": event.time.text(),
            "verify": event.verify,
            "state": event.state,
        }
    more = {name: value for name, value in asdict(event).items() if name not in ("code", "raw")}
    return {"event": _eventname_of(event), **more, "raw": event.raw.hex()}


def event_line(event: Event) -> str:
    """An event as a person reads it."""
    if isinstance(event, AttendanceEvent):
        who = f"PIN {shown(event.user_id)}" if event.user_id else f"uid {event.uid}"
        return f"{event.time.text()}  {who}  {name_of(STATES, event.state)}  {name_of(VERIFY_MODES, event.verify)}"
    more = [f"{name} {shown(str(value))}" for name, value in asdict(event).items() if name not in ("code", "raw")]
    return "  ".join([" " * 19, _eventname_of(event), *more])


def _eventname_of(event: OtherEvent) -> str:
    if type(event) is OtherEvent:
        return f"event {event.code}"
    return re.sub("(?<=[a-z])(?=[A-Z])", " ", type(event).__name__).lower()


def user_row(user: UserRecord) -> tuple[str, ...]:
    """A user as cells of a table."""
    privilege = PRIVILEGES.get(user.privilege >> 1 & 7, str(user.privilege))
    return (
        user.user_id,
        str(user.uid),
        privilege if user.is_enabled else f"{privilege}, disabled",
        str(user.card or "-"),
        str(user.group or "-"),
        "yes" if user.password else "-",
        user.name,
    )


def punch_row(row: AttlogRecord) -> tuple[str, ...]:
    """A row of the attendance log as cells of a table."""
    return (
        row.time.text(),
        row.user_id or "-",
        str(row.uid or "-"),
        name_of(STATES, row.state),
        name_of(VERIFY_MODES, row.verify),
        str(row.work_code or "-"),
    )


def punch_fields(row: AttlogRecord) -> dict[str, object]:
    """A row of the attendance log as JSON tells it."""
    return {
        "pin": row.user_id or None,
        "uid": row.uid or None,
        "time": row.time.text(),
        "is_possible": row.time.is_possible,
        "verify": row.verify,
        "state": row.state,
        "work_code": row.work_code,
    }


def name_of(names: dict[int, str], number: int) -> str:
    """A number by its name, itself where it has none."""
    return names.get(number, str(number))


def refusal_fields(row: RejectedRow) -> dict[str, object]:
    """A row that could not be read, without its bytes: they may hold a password."""
    return {"bytes": len(row.raw), "reason": row.reason}
