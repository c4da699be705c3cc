"""The write-ahead log of a killed place: whatever was altered in it is found, and no torn end is taken for that."""

import os
import random
import shutil
import signal
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from biometric_flow.cli import main
from biometric_flow.place.write_ahead import missing_of
from tests.services.gateways import places_file
from tests.services.lone_place import lone_place
from tests.services.places import running_place
from tests.services.pushes import pushing

PAGE, HEAD, FRAME_HEAD = 512, 32, 24
FRAME = PAGE + FRAME_HEAD


@dataclass(frozen=True)
class Left:
    """The log and its index as a process left them that was killed, and where each transaction ends in the log."""

    log: bytes
    index: bytes
    ends: list[int]

    def turned(self, bit: int) -> bytes:
        at = bit // 8
        return self.log[:at] + bytes([self.log[at] ^ (1 << bit % 8)]) + self.log[at + 1 :]


def left_by(folder: Path, transactions: int = 5) -> Left:
    """What so many transactions leave behind, after a checkpoint and the end of an older, longer log."""
    file = folder / "place.sqlite3"
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute(f"PRAGMA page_size = {PAGE}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE entry (number INTEGER PRIMARY KEY, said BLOB)")
    for _ in range(transactions):
        connection.execute("INSERT INTO entry (said) VALUES (?)", (os.urandom(PAGE),))
    connection.execute("PRAGMA wal_checkpoint(RESTART)")
    ends = []
    for number in range(transactions):
        connection.execute("INSERT INTO entry (said) VALUES (?)", (os.urandom(PAGE if number % 2 else 40),))
        log = Path(f"{file}-wal").read_bytes()
        salts = log[16:24]
        starts = range(HEAD, len(log), FRAME)
        ends.append(max(at + FRAME for at in starts if log[at + 8 : at + 16] == salts))
    left = Left(Path(f"{file}-wal").read_bytes(), Path(f"{file}-shm").read_bytes(), ends)
    assert ends[-1] < len(left.log), "frames of the older log stand behind"
    connection.close()
    return left


def not_found(left: Left, bits: Iterable[int], index: bytes) -> list[int]:
    return [bit for bit in bits if not missing_of(left.turned(bit), index)]


def test_every_bit_of_the_head_and_some_of_each_frame_are_found(tmp_path: Path) -> None:
    left, chance = left_by(tmp_path), random.Random(20261123)
    heads = [range(8 * at, 8 * (at + FRAME_HEAD)) for at in range(HEAD, left.ends[-1], FRAME)]
    bits = [*range(8 * HEAD), *(bit for head in heads for bit in head)]
    bits += chance.sample(range(8 * HEAD, 8 * left.ends[-1]), 500)
    assert missing_of(left.log, left.index) == missing_of(left.log) == ""
    assert not_found(left, bits, left.index) == []
    # Without the index, the end of the last transaction but one cannot be told from a loss of power.
    assert [bit for bit in not_found(left, bits, b"") if bit < 8 * left.ends[-2]] == []


@pytest.mark.drill
def test_every_bit_of_every_frame_is_found(tmp_path: Path) -> None:
    left = left_by(tmp_path)
    assert not_found(left, range(8 * left.ends[-1]), left.index) == []
    behind = range(8 * left.ends[-1], 8 * len(left.log))
    assert len(not_found(left, behind, left.index)) == len(behind), "what is over is nobody's business"
    missed = not_found(left, range(8 * left.ends[-1]), b"")
    assert all(bit >= 8 * left.ends[-2] for bit in missed)


def test_a_log_that_was_cut_or_taken_away_is_found_where_its_index_is_left(tmp_path: Path) -> None:
    left = left_by(tmp_path)
    for length in (0, HEAD, *left.ends[:-1], left.ends[-1] - 1):
        assert "were committed" in missing_of(left.log[:length], left.index), length
    assert missing_of(left.log[: left.ends[-1]], left.index) == ""


def test_what_a_loss_of_power_leaves_is_no_alteration(tmp_path: Path) -> None:
    """The frames of the transaction under way may be there or not, each by itself; and nobody may have an index."""
    left = left_by(tmp_path)
    begins, ends = left.ends[-2:]
    (tmp_path / "other").mkdir()
    before = left_by(tmp_path / "other").log
    for at in range(begins, ends, FRAME):
        for torn in (bytes(FRAME), left.log[at : at + 40] + bytes(FRAME - 40), before[at : at + FRAME]):
            assert missing_of(left.log[:at] + torn + left.log[at + FRAME :]) == ""
    for length in range(0, len(left.log), 101):
        assert missing_of(left.log[:length]) == ""


def test_what_a_place_that_was_killed_left_is_looked_at_before_sqlite_cuts_it_off(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, folder = tmp_path / "config", tmp_path / "data" / "places" / "cairo"
    config.mkdir()
    (config / "places.json").write_text(places_file().model_dump_json(), encoding="utf-8")
    command = ["ledger", "verify", "--place", "cairo", "--config", str(config), "--data"]
    with lone_place(folder) as place:
        assert place.send(0, 40).status_code == 200
        assert place.send(40, 40).status_code == 200
        os.kill(place.pid, signal.SIGKILL)
    shutil.copytree(tmp_path / "data", tmp_path / "clean")
    assert main([*command, str(tmp_path / "clean")]) == 0
    log = folder / "place.sqlite3-wal"
    content = bytearray(log.read_bytes())
    content[-100] ^= 1
    log.write_bytes(content)
    capsys.readouterr()
    assert main([*command, str(tmp_path / "data")]) == 1
    assert "the write-ahead log: " in capsys.readouterr().err
    with lone_place(folder) as place:
        assert place.send(0, 80).status_code == 200
        os.kill(place.pid, signal.SIGKILL)
    again = bytearray(log.read_bytes())
    again[-100] ^= 1
    log.write_bytes(again)
    with lone_place(folder) as place:
        assert place.send(0, 80).status_code == 200
    kept = folder / "place.sqlite3-wal.altered"
    another = folder / "place.sqlite3-wal.altered.2"
    assert (kept.read_bytes(), another.read_bytes()) == (content, again), "the evidence of before stays"
    assert main([*command, str(tmp_path / "data")]) == 1
    assert "place.sqlite3-wal.altered and 1 more was put aside at a start" in capsys.readouterr().err
    kept.unlink()
    another.unlink()
    assert main([*command, str(tmp_path / "data")]) == 0


async def test_a_place_that_is_stopped_leaves_everything_in_its_file(tmp_path: Path) -> None:
    async with running_place(tmp_path, [pushing()]) as place:
        assert (await place.get("/health"))["head"] >= 0
        assert (tmp_path / "place.sqlite3-wal").exists()
        await place.punches()
    assert not list(tmp_path.glob("place.sqlite3-*"))
