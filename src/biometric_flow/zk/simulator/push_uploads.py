"""What a simulated terminal uploads beside people and punches, in the form of either protocol."""

from dataclasses import dataclass

from biometric_flow.zk.push.operlog import Operation
from biometric_flow.zk.push.people import TemplateLine
from biometric_flow.zk.push.photo import AttendancePhoto, encode_photo, photo_row
from biometric_flow.zk.push.realtime import DoorState
from biometric_flow.zk.push.reports import IdentityCard, Report, TerminalFault, report_line
from biometric_flow.zk.push.text import PushProtocol

Told = Operation | TemplateLine | AttendancePhoto | Report | DoorState


@dataclass(frozen=True, slots=True)
class BodyToSend:
    """One upload: what stands in its address, its body, and the answer that ends it."""

    query: str
    body: bytes
    answer: str


def body_of(told: Told, protocol: PushProtocol) -> BodyToSend | None:
    """The upload of one thing; None where this protocol has no public form for it."""
    if isinstance(told, DoorState):
        return BodyToSend("table=rtstate", told.line().encode(), "OK")
    return _attendance(told) if protocol is PushProtocol.ATTENDANCE else _security(told)


def _attendance(told: Operation | TemplateLine | AttendancePhoto | Report) -> BodyToSend:
    match told:
        case AttendancePhoto():
            return BodyToSend("table=ATTPHOTO&Stamp=1", encode_photo(told), "OK")
        case Operation() | TemplateLine():
            table = "BIODATA" if isinstance(told, TemplateLine) and told.tag == "BIODATA" else "OPERLOG"
            return BodyToSend(f"table={table}&Stamp=1", told.line().encode() + b"\n", "OK: 1")
        case _:
            table = {TerminalFault: "ERRORLOG", IdentityCard: "IDCARD"}.get(type(told), "OPERLOG")
            return BodyToSend(f"table={table}&Stamp=1", report_line(told).encode() + b"\n", "OK: 1")


def _security(told: Operation | TemplateLine | AttendancePhoto | Report) -> BodyToSend | None:
    match told:
        case AttendancePhoto():
            row = photo_row(told)
        case TemplateLine():
            row = told.row()
        case TerminalFault():
            row = "errorlog " + "\t".join(told.fields())
        case IdentityCard():
            row = "identitycard " + "\t".join(told.fields())
        case _:
            return None
    name = row.partition(" ")[0]
    return BodyToSend(f"table=tabledata&tablename={name}&count=1", row.encode() + b"\n", f"{name}=1")
