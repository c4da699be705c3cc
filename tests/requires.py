"""What some tests need from the machine: absent, the test is skipped by name, or fails where all tests are required."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

ALL_TESTS_VARIABLE = "BIOMETRIC_FLOW_REQUIRE_ALL_TESTS"
"""Set to 1, nothing may be skipped for want of a program: an absence is a failure."""

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
"""Headless, also as root, and silent towards the outside."""


def require(is_there: bool, what: str, command: str) -> None:
    """Go on, or skip the test by name with the command that would make it run."""
    if is_there:
        return
    message = f"{what} is not installed; to run this test: {command}"
    if os.environ.get(ALL_TESTS_VARIABLE) == "1":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def chromium() -> str:
    """The path of a Chromium; one is installed from the system's packages when this account may do that."""
    path = _found()
    if path is None:
        install("chromium")
        path = _found()
    require(path is not None, "chromium", "sudo apt-get install chromium")
    assert path is not None
    return path


def install(*packages: str) -> None:
    """Install system packages where this account may; elsewhere nothing happens and `require` says so.

    One process at a time: apt refuses a second one, whose tests would miss what the first is just bringing.
    """
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with (Path(tempfile.gettempdir()) / "biometric-flow-apt.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        for command, seconds in (
            (["apt-get", "update", "-q"], 120),
            (["apt-get", "install", "-q", "-y", "--no-install-recommends", *packages], 600),
        ):
            subprocess.run(command, check=False, capture_output=True, timeout=seconds, env=quiet)


def _found() -> str | None:
    return next((path for name in CHROMIUM_NAMES if (path := shutil.which(name))), None)


def unpacked(package: str, program: str, folder: Path) -> str:
    """A program out of a system package, unpacked into a folder and not installed: no service of it is started."""
    path = shutil.which(program)
    if path is None and shutil.which("apt-get") and shutil.which("dpkg"):
        quiet = {"check": False, "capture_output": True, "cwd": folder, "timeout": 120}
        subprocess.run(["apt-get", "download", "-q", package], **quiet)  # type: ignore[call-overload]
        for file in folder.glob("*.deb"):
            subprocess.run(["dpkg", "-x", file.name, "."], **quiet)  # type: ignore[call-overload]
        path = next((str(found) for found in folder.rglob(f"bin/{program}") if found.is_file()), None)
    require(path is not None, program, f"sudo apt-get install {package}")
    assert path is not None
    return path
