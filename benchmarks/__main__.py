"""`make bench`: run every program, or those named, write benchmarks/results/ and print a table."""

import importlib
import json
import sys
from pathlib import Path
from typing import Final

from benchmarks.harness import Result

PROGRAMS: Final = (
    "zk_checksum",
    "zk_parse_100k",
    "zk_pull_100k",
    "ledger_ingest",
    "ledger_tree",
    "place_restart",
    "place_poll_500",
    "gateway_intake",
    "live_latency",
    "policy_month",
)
RESULTS: Final = Path(__file__).parent / "results"
_ROW: Final = "{:<28} {:>11} {:>13} {:>12} {:>9} {:>7}  {}"


def main(names: list[str]) -> int:
    """0 when all programs ran, whatever they measured; 2 for a name that is none."""
    unknown = [name for name in names if name not in PROGRAMS]
    if unknown:
        print(f"expected programs out of {', '.join(PROGRAMS)}, got {', '.join(unknown)}", file=sys.stderr)
        return 2
    RESULTS.mkdir(exist_ok=True)
    print(_ROW.format("name", "median", "per second", "CPU us/unit", "ratio", "floor", "verdict"))
    for name in names or PROGRAMS:
        results: list[Result] = importlib.import_module(f"benchmarks.{name}").main()
        (RESULTS / f"{name}.json").write_text(json.dumps(results, indent=1) + "\n")
        for result in results:
            print(_line(result), flush=True)
            if told := _told(result):
                print(told, flush=True)
    return 0


def _told(result: Result) -> str:
    """What was measured besides, and what has to be known to read the line."""
    notes = [(result["anchor"] or {}).get("note", ""), str(result["settings"].get("note", ""))]
    figures = {name: value for name, value in result["settings"].items() if isinstance(value, (int, float))}
    told = [", ".join(f"{name} {value:g}" for name, value in figures.items()), *notes]
    return "    " + "; ".join(text for text in told if text) if any(told) else ""


def _line(result: Result) -> str:
    ratio = "-" if result["ratio"] is None else f"{result['ratio']:.1f}x"
    floor = "-" if result["floor"] is None else f"{result['floor']:g}x"
    return _ROW.format(
        result["name"],
        f"{result['median'] * 1000:.2f} ms",
        f"{result['per_second']:,.0f}",
        f"{result['cpu_us']:.3f}",
        ratio,
        floor,
        result["verdict"] + (f" ({result['anchor']['name']})" if result["anchor"] else ""),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
