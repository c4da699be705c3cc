"""Coverage-guided fuzzing of the decoders, one process each: `python -m tests.fuzzing.guided --cases 10000000`.

libFuzzer looks for inputs that reach new code, through atheris, which instruments ours while it is imported.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

MEASURED: Final = 64
"""Memory is measured for one case in so many: tracemalloc makes everything three times slower."""
_DONE: Final = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
_COVERED: Final = re.compile(r"cov: (\d+)")
_SELF: Final = "tests.fuzzing.guided"


class Outcome(NamedTuple):
    """What came of fuzzing one decoder."""

    name: str
    cases: int
    seconds: float
    covered: int
    """Places in our code that were reached, as libFuzzer counts them."""
    found: str
    """Empty, or the case as an entry for tests/vectors/fuzz.toml with the failure above it."""


def fuzz(name: str, cases: int, seconds: float, seed: int) -> Outcome:
    """Fuzz one decoder in a process of its own until one of both limits or a find."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="biometric-flow-fuzz-") as folder:
        command = [
            sys.executable, "-m", _SELF, "--one", name, f"-runs={cases}", f"-max_total_time={max(1, round(seconds))}",
            f"-seed={seed}", "-max_len=1024", "-len_control=50", "-timeout=20", "-print_final_stats=1",
            f"-artifact_prefix={folder}/found-", f"{folder}/corpus",
        ]  # fmt: skip
        write_seeds(name, Path(folder) / "corpus")
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        files = sorted(Path(folder).glob("found-*"))
        found = entry(name, done.stderr, files[0].read_bytes() if files else b"") if done.returncode else ""
    counted = _DONE.findall(done.stderr)
    covered = _COVERED.findall(done.stderr)
    return Outcome(
        name,
        int(counted[-1]) if counted else 0,
        time.monotonic() - began,
        int(covered[-1]) if covered else 0,
        found,
    )


def fuzz_all(names: Sequence[str], cases: int, seconds: float, seed: int) -> list[Outcome]:
    """Every decoder with its share of cases and seconds; what a quick one leaves over goes to those after it."""
    outcomes: list[Outcome] = []
    ends = time.monotonic() + seconds
    for place, name in enumerate(names):
        left = len(names) - place
        share = -(-(cases - sum(outcome.cases for outcome in outcomes)) // left)
        outcomes.append(fuzz(name, max(1, share), max(1.0, (ends - time.monotonic()) / left), seed))
        one = outcomes[-1]
        print(f"{name:<28}{one.cases:>10} cases {one.seconds:7.1f} s {one.covered:>5} places", flush=True)
        if one.found:
            print(one.found, flush=True)
    return outcomes


def write_seeds(name: str, folder: Path) -> None:
    """The decoder's seeds as the files that libFuzzer starts from."""
    from tests.fuzzing.decoders import DECODERS

    folder.mkdir()
    for number, data in enumerate(DECODERS[name].seeds):
        (folder / f"seed-{number:03}").write_bytes(data)


def entry(name: str, told: str, data: bytes) -> str:
    """A find, to be read by a person and put into the corpus."""
    lines = [line for line in told.splitlines() if "Error" in line or "ERROR" in line or "Uncaught" in line]
    reason = "".join(f"# {line}\n" for line in lines[-4:]) or f"# {told[-400:]!r}\n"
    return f'{reason}[[case]]\nname = "say what was wrong"\ndecoder = "{name}"\nparts = [{{ hex = "{data.hex()}" }}]\n'


def run_one(name: str, arguments: Sequence[str]) -> None:
    """The child: never returns."""
    import atheris

    with atheris.instrument_imports(include=["biometric_flow.zk"]):
        from tests.fuzzing.decoders import DECODERS
    from tests.fuzzing.limits import feed, feed_measured

    decoder = DECODERS[name]
    count = 0

    def case(data: bytes) -> None:
        nonlocal count
        count += 1
        feed(decoder, data)
        if count % MEASURED == 0:
            tracemalloc.start()
            try:
                feed_measured(decoder, data)
            finally:
                tracemalloc.stop()

    atheris.Setup([_SELF, *arguments], case)
    atheris.Fuzz()


def main(arguments: Sequence[str]) -> int:
    """0 when nothing was found, 1 otherwise."""
    if arguments[:1] == ["--one"]:
        run_one(arguments[1], arguments[2:])
    from tests.fuzzing.decoders import DECODERS

    parser = argparse.ArgumentParser(prog=f"python -m {_SELF}", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("decoders", nargs="*", default=list(DECODERS), help="all of them without names")
    parser.add_argument("--cases", type=int, default=10_000_000, help="in all, at most")
    parser.add_argument("--seconds", type=float, default=7200.0, help="in all, at most")
    parser.add_argument("--seed", type=int, default=4370)
    given = parser.parse_args(arguments)
    if unknown := sorted(set(given.decoders) - set(DECODERS)):
        parser.error(f"expected decoders out of {', '.join(DECODERS)}, got {', '.join(unknown)}")
    outcomes = fuzz_all(given.decoders, given.cases, given.seconds, given.seed)
    total, seconds = sum(one.cases for one in outcomes), sum(one.seconds for one in outcomes)
    finds = sum(bool(one.found) for one in outcomes)
    rate = f"{seconds:.0f} s, {total / seconds:,.0f} a second"
    print(f"{total:,} cases of {len(outcomes)} decoders in {rate}; {finds} found")
    return 1 if finds else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
