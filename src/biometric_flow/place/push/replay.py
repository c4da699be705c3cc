"""An archived upload through the intake once more: the same bytes become the same punches."""

import contextlib
from typing import Final
from urllib.parse import parse_qsl

from biometric_flow.api.uploads import ReplayResult
from biometric_flow.model.ids import TenantId, TerminalSerial, canonical_pin
from biometric_flow.model.punch import punch_id
from biometric_flow.place.push.archive import ArchivedUpload
from biometric_flow.place.push.errors import FileUnreadable
from biometric_flow.place.push.intake import Intake, Upload
from biometric_flow.place.push.sorting import sort_out
from biometric_flow.place.roster import RosterEntry
from biometric_flow.zk.errors import ProtocolViolation
from biometric_flow.zk.push.attlog import read_attlog
from biometric_flow.zk.push.realtime import read_rtlog
from biometric_flow.zk.push.tables import read_table
from biometric_flow.zk.push.text import Fields
from biometric_flow.zk.wire.records import AttlogRecord

_IDS_MAX: Final = 10_000


async def replay(
    intake: Intake, entry: RosterEntry, upload: ArchivedUpload, body: bytes, tenant: TenantId
) -> ReplayResult:
    """Take it in again as of the time it came; stamps stay as they are. Raises FileUnreadable, StorageUnavailable."""
    again = Upload(entry, body, {}, at=upload.received_at)
    query = Fields(dict(parse_qsl(upload.query)))
    try:
        records = _punches(upload, query, body)
        match upload.table:
            case "ATTLOG":
                await intake.attlog(again)
            case "RTLOG":
                await intake.rtlog(again)
            case "TABLEDATA" | "QUERYDATA" if query.first("tablename").upper() != "ATTPHOTO":
                await intake.table(again, query.first("tablename"))
            case "OPERLOG" | "ERRORLOG":
                await intake.operlog(again)
            case _:
                pass  # pictures and facts: nothing in it happened at a time
    except ProtocolViolation as problem:
        raise FileUnreadable(f"expected an upload that can be read again, {problem}") from None
    made = again.outcome
    return ReplayResult(
        received=len(made.sequences) + made.duplicate + made.quarantined,
        accepted=len(made.sequences),
        quarantined=made.quarantined,
        duplicate=made.duplicate,
        punches=_ids(records, tenant, upload.terminal),
    )


def _punches(upload: ArchivedUpload, query: Fields, body: bytes) -> list[AttlogRecord]:
    match upload.table:
        case "ATTLOG":
            return [line.record for line in read_attlog(body).records]
        case "RTLOG":
            return sort_out(read_rtlog(body).records, upload.terminal, upload.received_at).punches
        case "TABLEDATA" | "QUERYDATA":
            rows = read_table(query.first("tablename"), body).records
            return sort_out(rows, upload.terminal, upload.received_at).punches
        case _:
            return []


def _ids(records: list[AttlogRecord], tenant: TenantId, terminal: TerminalSerial) -> list[str]:
    found: list[str] = []
    for record in records[:_IDS_MAX]:
        with contextlib.suppress(ValueError):  # no PIN: it is in quarantine, not among the punches
            pin = canonical_pin(record.user_id)
            found.append(punch_id(tenant, terminal, pin, record.time.text(), record.state).hex())
    return found
