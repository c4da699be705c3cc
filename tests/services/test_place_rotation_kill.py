"""Keys are replaced while a place works and is killed in the middle: no request fails, and the old keys are gone."""

import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest

from biometric_flow.identity.keyring import PLACE, ROOT, KeyKind, KeyState, device
from biometric_flow.identity.root_file import RootKeyFile
from biometric_flow.ledger.note import PublicKey
from biometric_flow.place.audit import Keys, audit
from biometric_flow.runtime.key_file import FILE_NAME, KEYS_FOLDER
from biometric_flow.runtime.root_home import ROOT_FILE_NAME
from tests.services.lives import CAIRO
from tests.services.lone_place import LonePlace, lone_place
from tests.services.stores import keys_of

ROOT_FOLDER = Path(__file__).parents[2]
CHANGE_KEY = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from biometric_flow.place.handover import change_key
from tests.services.stores import opened_store
folder = Path(sys.argv[1])
store, _ = opened_store(folder / "place.sqlite3")
print("begun", flush=True)
print(change_key(folder, "biometric-flow/demo/cairo", store, "the drill", datetime.now(UTC)), flush=True)
"""
LEVELS = ("people", "root", "place", "tenant", "terminals")


@dataclass
class Load:
    """Somebody sends punches without a pause, each file until it was acknowledged. Only a dead place is silent."""

    place: LonePlace
    first: int
    people: int
    refused: list[str] = field(default_factory=list)
    is_over: bool = False

    def run(self) -> None:
        with self.place.client() as http:
            while not self.is_over:
                try:
                    answer = http.post("/v1/terminals/door/import", content=rows(self.first, 25, self.people))
                except httpx2.TransportError:
                    return
                if answer.status_code != 200:
                    self.refused.append(answer.text)
                self.first += 25


def rows(first: int, count: int, people: int) -> bytes:
    """Lines of an attlog.dat, a second apart, of many people in turn."""
    numbers = range(first, first + count)
    times = (f"2026-03-{1 + n // 86400:02} {n // 3600 % 24:02}:{n // 60 % 60:02}:{n % 60:02}" for n in numbers)
    lines = (f"{1 + n % people}\t{at}\t1\t0\t0\t0\r\n" for n, at in zip(numbers, times, strict=True))
    return "".join(lines).encode()


def test_every_level_is_replaced_under_load_across_kills(tmp_path: Path) -> None:
    drill(tmp_path / "place", 3, people=300, chance=random.Random(20261123))


@pytest.mark.drill
@pytest.mark.timeout(3600)
def test_every_level_is_replaced_under_load_across_twenty_kills(tmp_path: Path) -> None:
    drill(tmp_path / "place", 20, people=3_000, chance=random.Random())


def drill(folder: Path, kills: int, people: int, chance: random.Random) -> None:
    sent, wrapped_before = 0, set[bytes]()
    with lone_place(folder) as place, place.client(120) as http:
        assert http.post("/v1/terminals/door/import", content=rows(0, people, people)).status_code == 200
        sent = people
    for number in range(kills):
        level = LEVELS[number % len(LEVELS)]
        wrapped_before |= _wrapped(folder)
        with lone_place(folder) as place:
            sent = _rotate_and_kill(place, level, sent, people, chance)
        if number % 2:
            _change_signing_key(folder, chance)
    with lone_place(folder) as place:
        wrapped_before |= _wrapped(folder)
        sent = _loaded(place, sent, people, lambda: _rotate_all(place))
        sent = _more_arrives(place, sent, people)
        key = PublicKey.parse(_text(place, "/v1/ledger/key"))
    found = audit(folder / "place.sqlite3", CAIRO, Keys(key), keys_of(folder / "place.sqlite3"))
    assert found.punches == sent
    _old_keys_are_gone(folder, wrapped_before)


def _rotate_and_kill(place: LonePlace, level: str, sent: int, people: int, chance: random.Random) -> int:
    """Begin a rotation, unless the one before goes on still, and kill the place somewhere in it."""

    def begin_and_kill() -> None:
        with place.client() as http:
            begun = http.post("/v1/keys/rotations", json={"level": level})
        assert begun.status_code in (202, 409), begun.text
        time.sleep(chance.uniform(0, 0.4))  # the random moment
        subprocess.run(["kill", f"-{signal.SIGKILL.value}", str(place.pid)], check=True)

    return _loaded(place, sent, people, begin_and_kill)


def _rotate_all(place: LonePlace) -> None:
    """Finish what was begun, and replace each once more."""
    _until_done(place)
    for level in LEVELS:
        with place.client() as http:
            begun = http.post("/v1/keys/rotations", json={"level": level})
        assert begun.status_code == 202, begun.text
    _until_done(place)


def _loaded(place: LonePlace, sent: int, people: int, action: Callable[[], None]) -> int:
    """Do something while punches come in without a pause; how many were sent and acknowledged, or will be again."""
    load = Load(place, sent, people)
    thread = threading.Thread(target=load.run)
    thread.start()
    try:
        action()
    finally:
        load.is_over = True
        thread.join(60)
    assert load.refused == []
    return load.first


def _more_arrives(place: LonePlace, sent: int, people: int) -> int:
    """Load until the place has acknowledged some of it; how many were sent."""
    load = Load(place, sent, people)
    thread = threading.Thread(target=load.run)
    thread.start()
    deadline = time.monotonic() + 60
    while load.first == sent:
        assert time.monotonic() < deadline, "nothing is acknowledged any more"
        time.sleep(0.05)
    load.is_over = True
    thread.join(60)
    assert load.refused == []
    return load.first


def _until_done(place: LonePlace) -> None:
    deadline = time.monotonic() + 60
    with place.client() as http:
        while any(one["is_running"] for one in http.get("/v1/keys").json()["rotations"]):
            assert time.monotonic() < deadline, "a rotation does not end"
            time.sleep(0.05)


def _change_signing_key(folder: Path, chance: random.Random) -> None:
    """`ledger change-key`, killed somewhere in the middle; the next start finishes it or forgets it."""
    command = [sys.executable, "-c", CHANGE_KEY, str(folder)]
    with subprocess.Popen(command, cwd=ROOT_FOLDER, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "begun\n"
        time.sleep(chance.uniform(0, 0.05))  # the random moment
        child.kill()


def _old_keys_are_gone(folder: Path, wrapped_before: set[bytes]) -> None:
    keys = keys_of(folder / "place.sqlite3")
    people = [one.owner for one in keys.records() if one.owner.kind is KeyKind.SUBJECT]
    assert len(set(people)) >= 300
    for owner in (ROOT, keys.tenant_owner, device("door"), PLACE, *dict.fromkeys(people)):
        living = [one for one in keys.versions(owner) if one.state is not KeyState.DESTROYED]
        assert len(keys.versions(owner)) > 1, "nothing was replaced"
        assert len(living) == 1, [one.state for one in living]
    assert len(RootKeyFile(folder / KEYS_FOLDER / ROOT_FILE_NAME).ids()) == 1
    content = (folder / KEYS_FOLDER / FILE_NAME).read_bytes()
    now = _wrapped(folder)
    assert not any(one in content for one in wrapped_before - now), "an old wrapping is still in the file"
    keys.close()


def _wrapped(folder: Path) -> set[bytes]:
    """Every wrapped key as it stands in the key store."""
    connection = sqlite3.connect(folder / KEYS_FOLDER / FILE_NAME)
    found = {
        row[0] for row in connection.execute("SELECT content FROM wrapping WHERE content != zeroblob(length(content))")
    }
    connection.close()
    return found


def _text(place: LonePlace, path: str) -> str:
    with place.client() as http:
        return http.get(path).text
