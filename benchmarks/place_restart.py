"""From the start of a place's process to its first answer, after kill -9 while it took punches in.

The whole command as a person starts it, with an interpreter that starts cold, over a ledger of some size. Beside it
stands what the same interpreter needs to import the place alone: the rest is the place's own. The specification asks
for two seconds.
"""

import contextlib
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx2

from benchmarks.harness import Result, note
from tests.services.lone_place import usb_file
from tests.services.test_up import API_KEY, configuration

PUNCHES, KILLS, UPLOAD = 20_000, 20, 500
LIMIT_SECONDS, PATIENCE = 2.0, 60.0
DOOR = {"key": "door", "name": "Door", "protocol": "push", "serial": "PUSH0001", "push_secret": "s" * 43}


def main() -> list[Result]:
    with tempfile.TemporaryDirectory() as parent:
        config, (health, *_) = configuration(Path(parent))
        url, chance = health.removesuffix("/health"), random.Random(20261123)
        took: list[float] = []
        imports: list[float] = []
        sent = 0
        for number in range(KILLS + 1):
            process, seconds = _started(config, health)
            with httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {API_KEY}"}, timeout=60) as http:
                if number == 0:
                    http.post("/v1/terminals", json=DOOR).raise_for_status()
                    _send(http, 0, PUNCHES)
                    sent = PUNCHES
                else:
                    took.append(seconds)
                load = threading.Thread(target=_send, args=(http, sent, UPLOAD))
                load.start()
                time.sleep(chance.uniform(0.0, 0.3))
                process.kill()
                process.wait()
                load.join()
            sent += UPLOAD
            imports.append(_imported())
    return [
        note(
            "place-restart",
            took,
            of="restarts",
            limit=LIMIT_SECONDS,
            settings={"punches": PUNCHES, "import_alone_s": round(statistics.median(imports), 3)},
        )
    ]


def _started(config: Path, health: str) -> tuple[subprocess.Popen[bytes], float]:
    command = [sys.executable, "-m", "biometric_flow.cli", "place", "--place", "cairo", "--config", str(config)]
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while time.perf_counter() - began < PATIENCE:
        with contextlib.suppress(httpx2.HTTPError):
            if httpx2.get(health, timeout=5).status_code == 200:
                return process, time.perf_counter() - began
        if process.poll() is not None:
            break
        time.sleep(0.01)
    raise RuntimeError(f"the place did not answer at {health}")


def _send(http: httpx2.Client, first: int, count: int) -> None:
    with contextlib.suppress(httpx2.HTTPError):
        for start in range(first, first + count, UPLOAD):
            http.post("/v1/terminals/door/import", content=usb_file(start, UPLOAD))


def _imported() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import biometric_flow.place.app"], check=True)
    return time.perf_counter() - began
