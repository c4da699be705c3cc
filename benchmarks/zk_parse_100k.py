"""Attendance rows to typed records with datetimes, in three layouts, against pyzk given the same bytes."""

from types import SimpleNamespace
from typing import Final

from zk import ZK

from benchmarks.harness import RUNS, Anchor, Result, measure
from benchmarks.zk_logs import PEOPLE, rows
from biometric_flow.zk.wire.layouts import attlog_layout
from biometric_flow.zk.wire.records import ATTLOG_LAYOUTS, AttendanceLog, AttlogLayout
from biometric_flow.zk.wire.transfer import wrap_rows

ROWS: Final = 100_000
PEER_RUNS: Final = 1
PEER_NOTE: Final = "one run: at 100,000 rows it takes up to half a minute, since it copies the rest for every row"


def main() -> list[Result]:
    results = [_case(ATTLOG_LAYOUTS["40"], 10_000, RUNS, 10.0, "")]
    for name, floor in (("40", 100.0), ("16", None), ("8", None)):
        results.append(_case(ATTLOG_LAYOUTS[name], ROWS, PEER_RUNS, floor, PEER_NOTE))
    return results


def _case(layout: AttlogLayout, count: int, peer_runs: int, floor: float | None, note: str) -> Result:
    blob = rows(layout, count)

    def subject() -> None:
        log = AttendanceLog.decode(blob, attlog_layout(blob, count), count)
        moments = [record.time.to_datetime() for record in list(log.records)]
        assert len(moments) == count

    def peer() -> None:
        assert len(_fed_pyzk(wrap_rows(blob), count).get_attendance()) == count

    return measure(
        f"zk-parse-{count // 1000}k-{layout.name}",
        subject,
        units=count,
        of="rows",
        anchor=Anchor("pyzk", peer, runs=peer_runs, note=note),
        floor=floor,
        settings={"layout": layout.name, "includes": "finding the layout, typed records, one datetime a row"},
    )


def _fed_pyzk(blob: bytes, count: int) -> ZK:
    """pyzk with its reads answered from memory, so that only its decoding is measured."""
    client = ZK("127.0.0.1")
    client.records = count
    client.read_sizes = lambda: True
    client.get_users = lambda: [SimpleNamespace(uid=i + 1, user_id=str(i + 1)) for i in range(PEOPLE)]
    client.read_with_buffer = lambda *_: (blob, len(blob))
    return client
