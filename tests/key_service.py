"""A key service as AWS KMS is one, on this machine: the emulator moto in a process of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import boto3
from botocore.config import Config

CREDENTIALS: Final = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def key_service(port: int, said: list[int] | None = None) -> Iterator[str]:
    """Its address; it remembers nothing of another life. `said` receives its process id."""
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not _answers(port):
            assert process.poll() is None, "the emulator ended"
            assert time.monotonic() < deadline, "the emulator did not start in time"
            time.sleep(0.05)
        _warmed(f"http://127.0.0.1:{port}")
        if said is not None:
            said.append(process.pid)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait(20)


@contextmanager
def held_up(pid: int) -> Iterator[None]:
    """The service takes connections and answers nothing, as behind a network that swallows packets."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _warmed(address: str) -> None:
    """Its first answer takes seconds, in which it imports what it is."""
    patience = Config(read_timeout=60, retries={"total_max_attempts": 1})
    credentials = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    boto3.client("kms", region_name="eu-central-1", endpoint_url=address, config=patience, **credentials).list_aliases()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
