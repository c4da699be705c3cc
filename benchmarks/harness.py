"""One way to measure: subject and anchor interleaved, medians, CPU per unit, and no judgement on a busy machine."""

import gc
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

RUNS: Final = 5

Work = Callable[[], object]
Result = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Anchor:
    """What the subject is compared with, in the same round."""

    name: str
    work: Work
    units: int = 0
    """How many units one of its runs handles; 0: as many as the subject."""
    runs: int = RUNS
    note: str = ""
    """Why it ran fewer times, if it did."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one side."""

    wall: float
    cpu: float


def measure(
    name: str,
    subject: Work,
    *,
    units: int,
    of: str,
    anchor: Anchor | None = None,
    floor: float | None = None,
    runs: int = RUNS,
    settings: dict[str, Any] | None = None,
) -> Result:
    """The result of `runs` runs of `subject`, each followed by one of `anchor` while that has runs left.

    `units` is how many `of` one run handles; `floor` is the least ratio anchor/subject that is acceptable.
    """
    load = os.getloadavg()[0]
    cores = os.cpu_count() or 1
    judged = load <= cores / 2
    ours: list[Run] = []
    theirs: list[Run] = []
    for number in range(max(runs, anchor.runs if anchor else 0)):
        if number < runs:
            ours.append(_time(subject))
        if anchor and number < anchor.runs:
            theirs.append(_time(anchor.work))
    walls = [run.wall for run in ours]
    result: Result = {
        "name": name,
        "runs": walls,
        "median": statistics.median(walls),
        "min": min(walls),
        "max": max(walls),
        "unit": "s",
        "units": units,
        "of": of,
        "per_second": units / statistics.median(walls),
        "cpu_us": statistics.median(run.cpu for run in ours) / units * 1e6,
        "anchor": None,
        "ratio": None,
        "floor": floor,
        "load": {"before": load, "cores": cores, "judged": judged},
        "settings": settings or {},
    }
    if anchor:
        their_walls = [run.wall for run in theirs]
        their_units = anchor.units or units
        result["anchor"] = {
            "name": anchor.name,
            "runs": their_walls,
            "median": statistics.median(their_walls),
            "units": their_units,
            "cpu_us": statistics.median(run.cpu for run in theirs) / their_units * 1e6,
            "note": anchor.note,
        }
        result["ratio"] = (statistics.median(their_walls) / their_units) / (statistics.median(walls) / units)
    result["verdict"] = _verdict(result["ratio"], floor, judged)
    return result


def note(name: str, runs: list[float], *, of: str, limit: float, settings: dict[str, Any] | None = None) -> Result:
    """The result of durations that were measured elsewhere, in seconds, against a limit that each should keep."""
    load = os.getloadavg()[0]
    median = statistics.median(runs)
    return {
        "name": name,
        "runs": runs,
        "median": median,
        "min": min(runs),
        "max": max(runs),
        "unit": "s",
        "units": len(runs),
        "of": of,
        "per_second": 1 / median,
        "cpu_us": 0.0,
        "anchor": {"name": f"limit {limit:g} s, worst {max(runs):.3f} s"},
        "ratio": limit / max(runs),
        "floor": 1.0,
        "load": {"after": load, "cores": os.cpu_count() or 1, "judged": True},
        "settings": settings or {},
        "verdict": "holds" if max(runs) <= limit else "over the limit",
    }


def _time(work: Work) -> Run:
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Run(time.perf_counter() - wall, time.process_time() - cpu)


def _verdict(ratio: float | None, floor: float | None, judged: bool) -> str:
    if ratio is None or floor is None:
        return "no floor"
    if not judged:
        return "not judged: the machine was busy"
    return "holds" if ratio >= floor else "below the floor"
