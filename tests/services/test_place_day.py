"""A day at a place: clocks drift and reset, terminals reboot, wrap, are cleared, exchanged and cut off; rows are bad.

Some terminals dial by themselves, in either push protocol: uploads are torn, come twice, wait, and are lost.

The time of day is the test's own and goes on in steps; sockets, disk and processes are real. Everything that happens is
drawn from a fixed seed. What must hold: accepted + quarantined + duplicate = received, and nothing readable is lost.
"""

import asyncio
import random
import time
from collections import defaultdict
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from biometric_flow.ledger.ledger import Ledger
from biometric_flow.ledger.sqlite import SqliteLedgerStore
from biometric_flow.model.ids import PlaceId
from biometric_flow.place.reader import PlaceReader, PunchFilter
from biometric_flow.place.roster import TerminalConfig
from biometric_flow.place.schema import open_reader
from biometric_flow.zk.simulator.memory import StoredPunch
from biometric_flow.zk.simulator.profiles import PROFILES
from biometric_flow.zk.simulator.push import PushLink
from biometric_flow.zk.simulator.terminal import SimulatedTerminal
from biometric_flow.zk.wire.timecode import TerminalTime
from biometric_flow.zk.wire.users import UserRecord
from tests.services.demos import free_run
from tests.services.places import RunningPlace, configured, running_place, until
from tests.services.pushes import SECRET, pushing
from tests.services.stores import subjects_of

CAIRO = ZoneInfo("Africa/Cairo")
MORNING = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
PEOPLE = [UserRecord(0, str(pin), f"Person {pin}") for pin in range(1, 31)]
RECOUNT = 60.0
"""Seconds of the day after which a terminal that dials is asked how much it holds."""
RING = 60
"""Rows that the wrapping terminals hold."""
TROUBLES = ("clock", "reboot", "wrap", "clear", "exchange", "cut", "push")
PROFILE_OF = {
    "clock": "vl49", "reboot": "zk6", "wrap": "tft", "clear": "ma300", "exchange": "iface", "cut": "tft",
    "push": "vl49",
}  # fmt: skip
Fact = tuple[str, str, int]


class DayClock:
    """The test's own time of day; waiting is real."""

    def __init__(self) -> None:
        self.moment = MORNING

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass
class Gate:
    """One terminal, its kind of trouble, and what it truly stored."""

    key: str
    trouble: str
    terminal: SimulatedTerminal
    link: PushLink | None = None
    """How it dials, where it does."""
    readable: dict[str, set[Fact]] = field(default_factory=lambda: defaultdict(set))
    bad: dict[str, set[Fact | str]] = field(default_factory=lambda: defaultdict(set))

    @property
    def serial(self) -> str:
        return self.terminal.memory.serial

    def note(self, punch: StoredPunch) -> None:
        is_good = punch.time.is_possible and punch.time.year > 2000
        into = self.readable if is_good else self.bad
        into[self.serial].add((punch.pin, punch.time.text(), punch.state))

    async def punch(self, dice: random.Random) -> None:
        """Somebody punches, whether anybody listens or not."""
        pin, state = str(dice.randint(1, 30)), dice.randint(0, 1)
        if self.trouble == "wrap" and len(self.terminal.memory.punches) >= RING:
            del self.terminal.memory._rows[: self.terminal.memory.profile.attlog.size]
            del self.terminal.memory.punches[0]
        self.note(await self.terminal.punch(pin, state=state))


class Day:
    """What happens at a place, step by step."""

    def __init__(self, place: RunningPlace, gates: list[Gate], clock: DayClock, stack: AsyncExitStack) -> None:
        self._place, self._gates, self._clock, self._stack = place, gates, clock, stack
        self.happened: dict[str, int] = defaultdict(int)

    async def step(self, dice: random.Random, length: timedelta) -> None:
        for gate in self._gates:
            for _ in range(dice.randint(0, 4)):
                await gate.punch(dice)
            if dice.random() < 0.25:
                await getattr(self, gate.trouble)(gate, dice)
                self.happened[gate.trouble] += 1
        self._clock.moment += length
        await asyncio.sleep(0.02)

    async def clock(self, gate: Gate, dice: random.Random) -> None:
        """It runs wrong, or loses its time altogether, and people go on punching."""
        wrong = timedelta(seconds=dice.randint(-600, 600))
        if dice.random() < 0.3:
            wrong = datetime(2000, 1, 1) - self._clock.moment.astimezone(CAIRO).replace(tzinfo=None)
        gate.terminal.clock.drift = wrong
        await gate.punch(dice)

    async def reboot(self, gate: Gate, dice: random.Random) -> None:
        """It is off while the place looks for it; what was punched just before was perhaps not told."""
        await gate.terminal.fault("cut")
        await gate.punch(dice)
        await gate.terminal.power_off()
        self._clock.moment += timedelta(minutes=1)
        await gate.terminal.power_on()

    async def wrap(self, gate: Gate, dice: random.Random) -> None:
        """A rush of people while nobody listens: the oldest rows go."""
        await self._collected(gate)
        await gate.terminal.fault("refuse", seconds=0.2)
        for _ in range(dice.randint(5, 20)):
            self._clock.moment += timedelta(seconds=7)
            await gate.punch(dice)

    async def clear(self, gate: Gate, dice: random.Random) -> None:
        """Somebody clears its list at the keypad, and it fills again."""
        await self._collected(gate)
        gate.terminal.memory._rows.clear()
        gate.terminal.memory.punches.clear()
        for _ in range(dice.randint(0, 5)):
            self._clock.moment += timedelta(seconds=5)
            await gate.punch(dice)

    async def exchange(self, gate: Gate, _dice: random.Random) -> None:
        """Another machine takes its place, and an operator confirms it."""
        await self._collected(gate)
        port, old = gate.terminal.port, gate.terminal
        await old.stop()
        serial = f"{gate.key.upper()}N{self.happened['exchange']:03}"
        gate.terminal = await self._stack.enter_async_context(
            SimulatedTerminal(
                serial=serial, profile="iface", users=PEOPLE, zone=CAIRO, port=port, now=self._clock.now, pause=0
            )
        )

        async def is_blocked() -> bool:
            return bool((await self._place.terminal(gate.key))["state"] == "blocked")

        await until(is_blocked)
        answer = await self._place.http.patch(f"/v1/terminals/{gate.key}", json={"serial": serial})
        assert answer.status_code == 200

    async def cut(self, gate: Gate, dice: random.Random) -> None:
        """The line breaks in the middle of something, and rows are bad."""
        kind = dice.choice(["cut", "drop", "bad", "spoil"])
        if kind == "drop":
            await gate.terminal.fault("drop", times=1, value=dice.randint(10, 2000))
            await gate.terminal.fault("cut")
        elif kind == "bad":
            at = TerminalTime.of(2026, 2, 31, dice.randint(0, 23), dice.randint(0, 59))
            gate.note(await gate.terminal.punch(str(dice.randint(1, 30)), at=at))
        elif kind == "spoil":
            gate.terminal.memory.spoil()
            gate.bad[gate.serial].add("spoilt")  # every spoilt row has the same bytes
        else:
            await gate.terminal.fault("cut")
        await gate.punch(dice)

    async def push(self, gate: Gate, dice: random.Random) -> None:
        """Its uploads are torn, come twice, wait for the line, or are believed to have arrived."""
        assert gate.link is not None
        kind = dice.choice(["push_cut", "push_torn", "push_repeat", "push_lose", "push_offline"])
        gate.link.fault(kind, None if kind == "push_offline" else 1)
        for _ in range(dice.randint(1, 6)):
            self._clock.moment += timedelta(seconds=3)
            await gate.punch(dice)
        if kind == "push_offline":
            await asyncio.sleep(0.05)
            gate.link.fault("push_clear")

    async def _collected(self, gate: Gate) -> None:
        """Wait until the place has what this terminal holds: what is lost after that is known."""

        async def has_all() -> bool:
            counters = (await self._place.terminal(gate.key))["counters"]
            expected = len(gate.readable[gate.serial]), len(gate.bad[gate.serial])
            if gate.link:  # what was lost is asked for when it is time
                self._clock.moment += timedelta(seconds=RECOUNT)
            return (counters["accepted"], counters["quarantined"]) == expected

        await until(has_all, seconds=60)

    async def all_met(self) -> bool:
        return all(terminal["serial"] for terminal in await self._place.get("/v1/terminals"))

    async def all_collected(self) -> None:
        for gate in self._gates:
            await self._collected(gate)


async def run_day(folder: Path, seed: int, terminals: int, steps: int) -> dict[str, int]:
    """Live through a day; returns how often each trouble happened."""
    dice, clock = random.Random(seed), DayClock()
    async with AsyncExitStack() as stack:
        gates = []
        for number in range(terminals):
            trouble = TROUBLES[number % len(TROUBLES)]
            profile = PROFILES[PROFILE_OF[trouble]]
            if trouble == "wrap":
                profile = replace(profile, attlog_capacity=RING)
            made = SimulatedTerminal(
                serial=f"DAY{number:05}", profile=profile, users=PEOPLE, zone=CAIRO, now=clock.now, pause=0
            )
            gates.append(Gate(f"gate-{number}", trouble, await stack.enter_async_context(made)))
        roster = [_config(gate) for gate in gates]
        quick = {"keepalive_seconds": 0.1, "reconcile_seconds": 0.15, "blocked_retry_seconds": 0.1}
        port = free_run(1)
        dialled = {"push_port": port, "push_reconcile_seconds": RECOUNT, "push_answer_seconds": 7200}
        async with running_place(folder, roster, clock=clock, **quick, **dialled) as place:
            for gate in gates:
                if gate.trouble == "push":
                    await dial(gate, port, stack)
            day = Day(place, gates, clock, stack)
            # An exchange is one only for a place that has met the machine before.
            await until(day.all_met, seconds=60)
            for _ in range(steps):
                await day.step(dice, timedelta(hours=24) / steps)
            await day.all_collected()
        _check(folder, gates)
    return day.happened


async def dial(gate: Gate, port: int, stack: AsyncExitStack) -> None:
    """Every second of them is an access terminal."""
    protocol = "acc" if int(gate.serial[-1]) % 2 else "att"
    url = f"http://127.0.0.1:{port}/p/{SECRET}"
    gate.link = await stack.enter_async_context(PushLink(gate.terminal, url, protocol, poll=0.05))


def _config(gate: Gate) -> TerminalConfig:
    if gate.trouble == "push":
        return pushing(gate.serial, gate.key)
    rule = {"clock": "above", "clock_above_seconds": 120} if gate.trouble == "clock" else {}
    return configured(gate.terminal, gate.key).model_copy(update=rule)


def _check(folder: Path, gates: list[Gate]) -> None:
    connection = open_reader(folder / "place.sqlite3")
    subjects = subjects_of(folder / "place.sqlite3", connection)
    reader, store = PlaceReader(connection, subjects), SqliteLedgerStore(connection, subjects)
    counters = reader.counters()
    for gate in gates:
        for serial in gate.readable:
            kept = reader.punches(PunchFilter(terminal=serial), (-(2**62), 0), 100_000)
            facts = [(punch.pin, punch.local_time.isoformat(), punch.state) for _, punch in kept]
            assert len(facts) == len(set(facts))
            assert set(facts) == gate.readable[serial]
            received, accepted, quarantined, duplicate = counters.get(serial, (0, 0, 0, 0))
            assert received == accepted + quarantined + duplicate
            assert (accepted, quarantined) == (len(gate.readable[serial]), len(gate.bad[serial]))
    Ledger(PlaceId("cairo"), store, subjects).verify()
    connection.close()


async def test_a_day_of_trouble_loses_nothing_readable(tmp_path: Path) -> None:
    happened = await run_day(tmp_path, seed=20261122, terminals=7, steps=16)
    assert set(happened) == set(TROUBLES)


@pytest.mark.drill
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_a_day_of_twenty_terminals_loses_nothing_readable(tmp_path: Path, seed: int) -> None:
    happened = await run_day(tmp_path, seed=seed, terminals=20, steps=96)
    assert min(happened[trouble] for trouble in TROUBLES) >= 20
