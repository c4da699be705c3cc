"""Attendance rows to typed records with datetimes, in three layouts, against pyzk given the same bytes."""

from types import SimpleNamespace
from typing import Final

import numpy as np
from zk import ZK

from benchmarks.harness import RUNS, Anchor, Result, measure
from benchmarks.zk_logs import PEOPLE, rows
from biometric_flow.zk.wire.layouts import attlog_layout
from biometric_flow.zk.wire.records import ATTLOG_LAYOUTS, AttendanceLog, AttlogLayout
from biometric_flow.zk.wire.transfer import wrap_rows

ROWS: Final = 100_000
BARE: Final = np.dtype(
    {"names": ["uid", "pin", "verify", "time", "state"], "formats": ["<u2", "S24", "u1", "<u4", "u1"],
     "offsets": [0, 2, 26, 27, 31], "itemsize": 40}
)  # fmt: skip
PEER_RUNS: Final = 1
PEER_NOTE: Final = "one run: at 100,000 rows it takes up to half a minute, since it copies the rest for every row"


def main() -> list[Result]:
    results = [_case(ATTLOG_LAYOUTS["40"], 10_000, RUNS, 10.0, "")]
    for name, floor in (("40", 100.0), ("16", None), ("8", None)):
        results.append(_case(ATTLOG_LAYOUTS[name], ROWS, PEER_RUNS, floor, PEER_NOTE))
    return [*results, _bare()]


def _bare() -> Result:
    """Against the least that can be done: one structured view and the times by arithmetic, nothing checked."""
    layout = ATTLOG_LAYOUTS["40"]
    blob = rows(layout, ROWS)

    def subject() -> None:
        columns = AttendanceLog.decode(blob, attlog_layout(blob, ROWS), ROWS).columns()
        assert columns is not None
        assert len(columns.moments()) == ROWS

    def bare() -> None:
        time = np.frombuffer(blob, dtype=BARE)["time"]
        days, months = time // 86_400, time // 86_400 // 31
        date = (np.datetime64("2000-01", "M") + months.astype("m8[M]")).astype("M8[D]") + (days % 31).astype("m8[D]")
        assert len(date.astype("M8[s]") + (time % 86_400).astype("m8[s]")) == ROWS

    return measure(
        "zk-columns-100k-40",
        subject,
        units=ROWS,
        of="rows",
        anchor=Anchor("bare NumPy", bare, note="finds no layout, checks no row, keeps impossible dates"),
        floor=1 / 3,
        settings={"layout": "40", "includes": "finding the layout, checking every row, a moment or NaT a row"},
    )


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
