"""What a disk and a machine do to a place: it takes nothing then, says so to the sender, and heals by itself (I8)."""

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from biometric_flow.ledger.note import PublicKey
from biometric_flow.place.audit import Keys, audit
from tests.requires import require
from tests.services.lives import CAIRO
from tests.services.lone_place import LonePlace, lone_place, usb_file
from tests.services.stores import keys_of

COUNT = 2000


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of its own with 3 MiB; needs the right to mount."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=3m", "biometric-flow-test", str(folder)]
    is_mounted = os.geteuid() == 0 and subprocess.run(command, check=False, capture_output=True).returncode == 0
    require(is_mounted, "a mounted file system", "run the tests as root, where mounting is allowed")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextlib.contextmanager
def journalled_disk(folder: Path) -> Iterator[Path]:
    """An ext4 file system of its own in a file; it goes read-only as one whose disk fails. Needs the right to mount."""
    image = folder.with_suffix(".img")
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(32 * 1024 * 1024)
    commands = (["mkfs.ext4", "-q", str(image)], ["mount", "-o", "loop,errors=remount-ro", str(image), str(folder)])
    can_mount = os.geteuid() == 0 and shutil.which("mkfs.ext4") is not None
    is_mounted = can_mount and all(
        subprocess.run(one, check=False, capture_output=True).returncode == 0 for one in commands
    )
    require(is_mounted, "an ext4 file system in a file", "run the tests as root, where loop devices are allowed")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def mounted_again(disk: Path) -> None:
    """What an operator does with a file system that went read-only: unmount, check, mount."""
    image = disk.with_suffix(".img")
    subprocess.run(["umount", str(disk)], check=True)
    subprocess.run(["fsck.ext4", "-p", str(image)], check=False, capture_output=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(disk)], check=True)


@contextlib.contextmanager
def failing_calls(place: LonePlace, calls: str, error: str) -> Iterator[None]:
    """System calls of that process end with an error for as long as strace holds it."""
    strace = shutil.which("strace")
    require(strace is not None, "strace", "sudo apt-get install strace")
    assert strace is not None
    inject = ["-e", f"trace={calls}", "-e", f"inject={calls}:error={error}", "-p", str(place.pid)]
    process = subprocess.Popen(
        [strace, "-f", "-o", str(place.folder.parent / "strace.txt"), *inject],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said = process.stderr.readline()
    require("attached" in said, "tracing of processes", f"allow ptrace here; strace said {said.strip()!r}")
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)


def until(fact: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, "not true in time"
        time.sleep(0.05)


def refused(answer: httpx2.Response) -> bool:
    """The sender is told that nothing was kept and that the same may be sent again."""
    if answer.status_code == 200:
        return False
    assert (answer.status_code, answer.json()["code"]) == (503, "ledger.storage_unavailable"), answer.text
    assert answer.json()["retryable"]
    return True


def heals(place: LonePlace, count: int) -> None:
    """Everything that is sent now is there, once, and the ledger is whole."""
    answer = place.send(0, count)
    assert answer.status_code == 200, answer.text
    assert answer.json()["received"] == count
    until(lambda: place.health()["storage"] == "ok")
    again = place.send(0, count).json()
    assert (again["accepted"], again["duplicate"]) == (0, count)
    with place.client() as http:
        key = PublicKey.parse(http.get("/v1/ledger/key").text)
    assert (
        audit(place.folder / "place.sqlite3", CAIRO, Keys(key), keys_of(place.folder / "place.sqlite3")).punches
        == count
    )


def test_a_full_disk_stops_acceptance_until_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk, lone_place(disk / "place") as place:
        assert place.send(0, 100).status_code == 200
        filler = disk / "filler"
        file = os.open(filler, os.O_WRONLY | os.O_CREAT)
        with contextlib.suppress(OSError):
            while True:
                os.write(file, bytes(4096))
        os.close(file)
        assert refused(place.send(100, COUNT))
        assert place.health()["storage"] == "failing"
        filler.unlink()
        heals(place, COUNT // 2)


def test_a_file_that_may_not_grow_stops_acceptance_until_it_may(tmp_path: Path) -> None:
    with lone_place(tmp_path / "place") as place:
        assert place.send(0, 100).status_code == 200
        resource.prlimit(place.pid, resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
        assert any(refused(place.send(start, COUNT)) for start in range(100, 20_000, COUNT))
        resource.prlimit(place.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        with place.client() as http:
            kept = http.get("/v1/terminals/door").json()["counters"]["accepted"]
        heals(place, max(COUNT, kept))


@pytest.mark.parametrize(
    ("calls", "error"),
    [
        pytest.param("fsync,fdatasync", "EIO", id="failed fsync"),
        pytest.param("pwrite64,ftruncate", "EROFS", id="read-only file system"),
        pytest.param("pwrite64", "ENOSPC", id="no space", marks=pytest.mark.drill),
        pytest.param("pwrite64", "EIO", id="failed write", marks=pytest.mark.drill),
    ],
)
def test_a_disk_that_answers_with_an_error_stops_acceptance_until_it_does_not(
    tmp_path: Path, calls: str, error: str
) -> None:
    with lone_place(tmp_path / "place") as place:
        assert place.send(0, 100).status_code == 200
        with failing_calls(place, calls, error):
            assert refused(place.send(100, COUNT))
            assert place.health()["storage"] == "failing"
            assert place.health()["head"] < COUNT
        heals(place, COUNT)


def test_a_file_system_that_went_read_only_stops_acceptance_and_what_was_acknowledged_is_there_afterwards(
    tmp_path: Path,
) -> None:
    """No file system is made read-only below an open file but by its own error, and none of these comes back without
    being mounted again: so this one heals with a restart of the place."""
    with journalled_disk(tmp_path / "disk") as disk:
        with lone_place(disk / "place") as place:
            assert place.send(0, 100).status_code == 200
            subprocess.run(["mount", "-o", "remount,abort", str(disk)], check=False, capture_output=True)
            assert refused(place.send(100, COUNT))
            assert place.health()["storage"] == "failing"
            assert "ro," in next(line for line in Path("/proc/mounts").read_text().splitlines() if str(disk) in line)
        mounted_again(disk)
        with lone_place(disk / "place") as place:
            again = place.send(0, 100).json()
            assert (again["accepted"], again["duplicate"]) == (0, 100)
            heals(place, COUNT)


def test_without_file_descriptors_nobody_is_told_that_something_was_kept_and_it_heals(tmp_path: Path) -> None:
    with lone_place(tmp_path / "place") as place, place.client() as known:
        assert known.post("/v1/terminals/door/import", content=usb_file(0, 100)).status_code == 200
        used = max(map(int, os.listdir(f"/proc/{place.pid}/fd"))) + 1
        soft, hard = resource.prlimit(place.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(place.pid, resource.RLIMIT_NOFILE, (used, hard))
        with place.client(seconds=2) as stranger, pytest.raises(httpx2.TransportError):
            stranger.post("/v1/terminals/door/import", content=usb_file(100, 100))
        assert known.post("/v1/terminals/door/import", content=usb_file(100, 50)).status_code in (200, 503)
        resource.prlimit(place.pid, resource.RLIMIT_NOFILE, (soft, hard))
        until(lambda: _answers(place))
        heals(place, COUNT)


def _answers(place: LonePlace) -> bool:
    try:
        with place.client(seconds=2) as http:
            return http.get("/health").status_code == 200
    except httpx2.TransportError:
        return False
