"""Many short lives of a place's writer under load, each ended by kill -9: at a random moment or at a named point.

`python -m tests.services.lives FOLDER LIVES SEED` prints what happened as JSON. Every life is a process of its own,
forked from one that has imported everything, so that a life costs milliseconds; what is killed is real, and so is the
file. A life starts as a place does: it opens the file, verifies the newest entries, reads its cursors. Every fiftieth
is a new process from its interpreter on, so that what a restart takes is seen too.
"""

import itertools
import json
import os
import random
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from biometric_flow.ledger.errors import LedgerAltered
from biometric_flow.ledger.note import Cosigner, Signer
from biometric_flow.model.ids import PlaceId, TerminalSerial
from biometric_flow.model.punch import Punch, QuarantineReason
from biometric_flow.place.normalise import Quarantined
from biometric_flow.place.store import Batch, PlaceStore
from biometric_flow.place.write_ahead import check_log
from tests.builders import MOMENT, person, punch
from tests.services.stores import opened_store

CAIRO = PlaceId("cairo")
TERMINALS = [TerminalSerial(f"CAI000{number}") for number in range(3)]
SIGNER = Signer("biometric-flow/demo/cairo", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
WITNESS = Cosigner("biometric-flow-gateway", Ed25519PrivateKey.from_private_bytes(bytes(32)))

POINTS: Final = (
    "BEGIN IMMEDIATE",
    "INSERT INTO ledger_entry",
    "INSERT INTO outbox",
    "INSERT INTO punch",
    "INSERT INTO quarantine",
    "INSERT OR REPLACE INTO person",
    "UPDATE cursor",
    "COMMIT",
    "DELETE FROM outbox",
    "INSERT INTO ledger_node",
    "INSERT INTO checkpoint",
    "UPDATE checkpoint",
    "PRAGMA wal_checkpoint",
    "recorded",
    "signed",
)
"""Where a life can end: just before a statement of this beginning, or just after something became durable."""

BATCH: Final = 20
COLD: Final = 50
"""Every so many lives, one begins with an interpreter of its own."""

AGAIN: Final = 30
"""Rows read once more at each start, as after a reconnection."""


def row(terminal: TerminalSerial, number: int) -> Punch | Quarantined:
    """Row `number` of a terminal's log; every eleventh cannot be a punch."""
    made = punch(str(1 + number % 7), MOMENT + timedelta(minutes=number), state=number % 3, terminal=terminal)
    if number % 11 == 10:
        return Quarantined(made.id, terminal, QuarantineReason.IMPOSSIBLE_TIME, "no calendar has it", b"row")
    return made


def punches_below(number: int) -> int:
    """How many of a terminal's first rows are punches."""
    return number - number // 11


class Life:
    """What happens in the child. It tells its parent, through a pipe, what it has been promised is kept."""

    def __init__(self, file: Path, pipe: int, chance: random.Random, point: str, occurrence: int) -> None:
        self.file, self.pipe, self.chance = file, pipe, chance
        self.point, self.left = point, occurrence

    def run(self, promised: Sequence[int]) -> None:
        try:
            check_log(self.file, is_at_rest=True)
        except LedgerAltered as error:
            self.tell(f"lost: {error}")
            os._exit(1)
        store, connection = opened_store(self.file)
        store.ledger.verify(last=10_000)
        for terminal, number in zip(TERMINALS, promised, strict=True):
            query = "SELECT count(*) FROM punch WHERE terminal = ?"
            (kept,) = connection.execute(query, (terminal,)).fetchone()
            if kept < punches_below(number):
                self.tell(f"lost {terminal}: {kept} of {punches_below(number)} punches")
                os._exit(1)
        self.tell("ready")
        connection.set_trace_callback(self.before)
        for turn in itertools.count():
            self.one_turn(connection, store, turn)

    def one_turn(self, connection: sqlite3.Connection, store: PlaceStore, turn: int) -> None:
        index = self.chance.randrange(len(TERMINALS))
        terminal = TERMINALS[index]
        cursor = store.cursor(terminal)
        held = cursor.rows if cursor else 0
        first = max(0, held - AGAIN) if self.chance.random() < 0.2 else held
        rows = [row(terminal, number) for number in range(first, held + BATCH)]
        people = [person(str(turn % 7 + 1), f"Name {self.chance.random()}", terminal)]
        store.record([Batch(terminal, MOMENT, rows=rows, people=people, holds=held + BATCH)])
        self.passed("recorded")
        self.tell(f"kept {index} {held + BATCH}")
        if self.chance.random() < 0.5:
            signed = store.checkpoint(SIGNER, MOMENT)
            self.passed("signed")
            if signed is not None and self.chance.random() < 0.5:
                store.acknowledge(signed.size)
                store.keep_cosigned(signed.size, signed.note.with_signature(WITNESS.cosign(signed.note.text, 1)))
        if self.chance.random() < 0.1:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def before(self, statement: str) -> None:
        if self.point and statement.startswith(self.point):
            self.strike()

    def passed(self, point: str) -> None:
        if point == self.point:
            self.strike()

    def strike(self) -> None:
        self.left -= 1
        if self.left == 0:
            self.tell("struck")
            os.kill(os.getpid(), signal.SIGKILL)

    def tell(self, line: str) -> None:
        os.write(self.pipe, line.encode() + b"\n")


def live_once(
    file: Path, chance: random.Random, promised: list[int], point: str, *, is_cold: bool = False
) -> tuple[list[str], float]:
    """One life and its end; returns what the child told, and the seconds until it was ready."""
    reading, writing = os.pipe()
    os.set_inheritable(writing, is_cold)
    seed, occurrence = chance.random(), chance.randrange(1, 4)
    started = time.monotonic()
    if is_cold:
        told = [str(file), str(writing), repr(seed), point, str(occurrence), *map(str, promised)]
        command = [sys.executable, "-m", "tests.services.lives", "life", *told]
        child = os.posix_spawn(command[0], command, os.environ, file_actions=[])
    else:
        child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            Life(file, writing, random.Random(seed), point, occurrence).run(promised)
        finally:
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as told:
        lines = [told.readline().rstrip()]
        ready = time.monotonic() - started
        if not point and lines == ["ready"]:
            time.sleep(chance.uniform(0, 0.03))  # the random moment
            os.kill(child, signal.SIGKILL)
        elif lines == ["ready"]:
            # A point that is not reached, such as a full tile in a short life, ends at a random moment too.
            signal.signal(signal.SIGALRM, lambda *_: os.kill(child, signal.SIGKILL))
            signal.setitimer(signal.ITIMER_REAL, 1.0)
        lines += [line.rstrip() for line in told]
    signal.setitimer(signal.ITIMER_REAL, 0)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
        lines.append(f"ended by itself: {status}")
    return lines, ready


def points(chance: random.Random) -> Iterator[str]:
    """Every named point in turn, and as often a random moment."""
    while True:
        for point in chance.sample(POINTS, len(POINTS)):
            yield point
            yield ""


def live(file: str, pipe: str, seed: str, point: str, occurrence: str, *promised: str) -> int:
    """A life that begins with this process."""
    Life(Path(file), int(pipe), random.Random(float(seed)), point, int(occurrence)).run(list(map(int, promised)))
    return 1


def main(folder: str, lives: str, seed: str) -> int:
    """Live, die, and say what became of it."""
    file, chance = Path(folder) / "place.sqlite3", random.Random(int(seed))
    promised, wrong = [0] * len(TERMINALS), []
    starts: dict[bool, list[float]] = {False: [], True: []}
    ended: Counter[str] = Counter()
    for number, point in zip(range(int(lives)), points(chance), strict=False):
        is_cold = number % COLD == COLD - 1
        lines, ready = live_once(file, chance, promised, point, is_cold=is_cold)
        if number:  # the first one makes the file
            starts[is_cold].append(ready)
        ended[point if "struck" in lines else "random moment"] += 1
        for line in lines:
            word, *rest = line.split()
            if word == "kept":
                index, held = map(int, rest)
                promised[index] = max(promised[index], held)
            elif word not in ("ready", "struck"):
                wrong.append(line)
    said = {"lives": int(lives), "promised": promised, "wrong": wrong, "ended": ended}
    sys.stdout.write(json.dumps({**said, "starts": starts[False], "cold_starts": starts[True]}))
    return 0


if __name__ == "__main__":
    sys.exit(live(*sys.argv[2:]) if sys.argv[1] == "life" else main(*sys.argv[1:]))
