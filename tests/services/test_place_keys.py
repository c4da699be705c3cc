"""A place's key store on a real disk: durable before use, closed to others, gone when destroyed."""

import os
import random
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier

import pytest

from biometric_flow.identity.envelope import Binding
from biometric_flow.identity.errors import EnvelopeRefused, KeyDestroyed, KeyUnusable
from biometric_flow.identity.keyring import ROOT, KeyState, device, subject
from biometric_flow.identity.root_file import RootKeyFile
from biometric_flow.ledger.errors import StorageUnavailable
from biometric_flow.runtime.errors import FolderUnusable
from biometric_flow.runtime.key_file import FILE_NAME
from biometric_flow.runtime.key_store import KeyStore, open_keys, read_keys
from biometric_flow.runtime.root_home import ROOT_FILE_NAME, root_keys

AMINA, BASIL, GATE = subject("a1"), subject("b2"), device("gate")
NAME = Binding("person", "name", b"1")


def opened(folder: Path) -> KeyStore:
    return open_keys(folder, "acme", root_keys(folder))


def test_what_was_sealed_opens_after_a_restart_and_in_another_process(tmp_path: Path) -> None:
    keys = opened(tmp_path / "keys")
    envelope = keys.seal(AMINA, NAME, b"Amina")
    assert read_keys(tmp_path / "keys", "acme", root_keys(tmp_path / "keys")).open(AMINA, NAME, envelope) == b"Amina"
    keys.close()
    assert opened(tmp_path / "keys").open(AMINA, NAME, envelope) == b"Amina"


def test_no_key_stands_in_the_clear_outside_the_root_key_file(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    keys = opened(folder)
    secrets = [keys.secret(owner) for owner in (AMINA, BASIL, GATE)]
    keys.close()
    content = (folder / FILE_NAME).read_bytes()
    assert not any(secret in content for secret in secrets)
    assert {path.name for path in folder.iterdir()} - {f"{FILE_NAME}-journal"} == {FILE_NAME, ROOT_FILE_NAME}


def test_folder_and_files_are_closed_to_others(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    opened(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in folder.iterdir())


def test_a_root_key_that_others_can_read_stops_the_start(tmp_path: Path) -> None:
    opened(tmp_path).close()
    (tmp_path / ROOT_FILE_NAME).chmod(0o640)
    with pytest.raises(FolderUnusable, match="chmod 600"):
        opened(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"format": "x", "keys": {}}', b"\xff", b'{"keys": 1}'])
def test_a_file_that_holds_no_root_keys_is_refused_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / ROOT_FILE_NAME
    path.touch(0o600)
    path.write_bytes(content)
    with pytest.raises(FolderUnusable, match="something else"):
        opened(tmp_path)
    assert path.read_bytes() == content


def test_a_root_key_behind_a_link_is_refused(tmp_path: Path) -> None:
    opened(tmp_path / "real").close()
    (tmp_path / ROOT_FILE_NAME).symlink_to(tmp_path / "real" / ROOT_FILE_NAME)
    with pytest.raises(KeyUnusable):
        RootKeyFile(tmp_path / ROOT_FILE_NAME)


def test_a_lost_root_key_is_never_replaced_by_a_new_one(tmp_path: Path) -> None:
    opened(tmp_path).close()
    (tmp_path / ROOT_FILE_NAME).unlink()
    with pytest.raises(FolderUnusable, match="put back"):
        opened(tmp_path)
    assert not (tmp_path / ROOT_FILE_NAME).exists()


def test_a_destroyed_key_is_in_no_file_any_more(tmp_path: Path) -> None:
    keys = opened(tmp_path)
    envelopes = {owner: keys.seal(owner, NAME, b"name") for owner in (AMINA, BASIL)}
    wrapped = next(one.wrapped for one in keys.records() if one.owner == AMINA)
    assert wrapped in (tmp_path / FILE_NAME).read_bytes()
    assert keys.destroy(AMINA) == 1
    assert not any(wrapped in path.read_bytes() for path in tmp_path.iterdir())
    for store in (keys, opened(tmp_path)):
        with pytest.raises(KeyDestroyed):
            store.open(AMINA, NAME, envelopes[AMINA])
        assert store.open(BASIL, NAME, envelopes[BASIL]) == b"name"


def test_a_person_who_comes_back_gets_a_key_that_opens_nothing_old(tmp_path: Path) -> None:
    keys = opened(tmp_path)
    before = keys.seal(AMINA, NAME, b"Amina")
    keys.destroy(AMINA)
    assert keys.open(AMINA, NAME, keys.seal(AMINA, NAME, b"Amina again")) == b"Amina again"
    with pytest.raises(KeyDestroyed):
        keys.open(AMINA, NAME, before)


def test_messages_are_counted_across_restarts_without_a_write_for_each(tmp_path: Path) -> None:
    reserved = []
    for _ in range(3):
        keys = opened(tmp_path)
        for _ in range(5):
            keys.seal(AMINA, NAME, b"Amina")
        reserved.append(next(one.reserved for one in keys.records() if one.owner == AMINA))
        keys.close()
    assert reserved == [2**16, 2 * 2**16, 3 * 2**16]


def test_a_key_that_has_sealed_all_it_may_gets_a_next_version(tmp_path: Path) -> None:
    keys = opened(tmp_path)
    old = keys.seal(AMINA, NAME, b"first")
    keys.close()
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    connection.execute("UPDATE key SET reserved = ? WHERE kind = 'subject'", (2**32,))
    connection.commit()
    connection.close()
    keys = opened(tmp_path)
    new = keys.seal(AMINA, NAME, b"second")
    assert (keys.open(AMINA, NAME, old), keys.open(AMINA, NAME, new)) == (b"first", b"second")
    states = [one.state for one in keys.records() if one.owner == AMINA]
    assert states == [KeyState.VERIFY_ONLY, KeyState.ACTIVE]


def test_nothing_is_sealed_when_the_key_store_takes_no_write(tmp_path: Path) -> None:
    opened(tmp_path).close()
    reader = read_keys(tmp_path, "acme", root_keys(tmp_path))
    with pytest.raises(StorageUnavailable):
        reader.seal(AMINA, NAME, b"Amina")


@pytest.mark.parametrize("level", ["root", "tenant"])
def test_a_rotation_goes_on_after_a_restart_and_leaves_nothing_of_the_old_key(tmp_path: Path, level: str) -> None:
    keys = opened(tmp_path)
    owner = ROOT if level == "root" else keys.tenant_owner
    envelopes = {one: keys.seal(one, NAME, b"name") for one in (AMINA, BASIL, GATE)}
    old = next(one for one in keys.records() if one.owner == owner)
    old_root = RootKeyFile(tmp_path / ROOT_FILE_NAME).ids()
    steps = keys.rotation(owner, begin=True)
    while steps:
        keys.take(steps[0])
        keys.close()
        keys = opened(tmp_path)
        assert all(keys.open(one, NAME, envelope) == b"name" for one, envelope in envelopes.items())
        steps = keys.rotation(owner)
    assert [one.state for one in keys.records() if one.id == old.id] == [KeyState.DESTROYED]
    if level == "root":
        assert RootKeyFile(tmp_path / ROOT_FILE_NAME).ids().isdisjoint(old_root)
    else:
        assert not any(old.wrapped in path.read_bytes() for path in tmp_path.iterdir())


def test_a_rotation_that_is_killed_again_and_again_ends_and_loses_no_key(tmp_path: Path) -> None:
    keys = opened(tmp_path)
    people = [subject(f"{number:04}") for number in range(1_200)]
    keys.prepare(people)
    envelopes = {one: keys.seal(one, NAME, one.name.encode()) for one in people[::50]}
    rotating = f"""
from pathlib import Path
from biometric_flow.runtime.key_store import open_keys
from biometric_flow.runtime.root_home import root_keys
keys = open_keys(Path({str(tmp_path)!r}), "acme", root_keys(Path({str(tmp_path)!r})))
print("begun", flush=True)
while True:
    keys.take(keys.rotation(keys.tenant_owner, begin=True)[0])
"""
    chance = random.Random(20261122)
    for _ in range(4):
        with subprocess.Popen([sys.executable, "-c", rotating], stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "begun\n"
            time.sleep(chance.random() / 4)  # any moment will do: the facts below hold at every one
            child.kill()
        keys.close()
        keys = opened(tmp_path)
        assert all(keys.open(one, NAME, envelope) == one.name.encode() for one, envelope in envelopes.items())
    while steps := keys.rotation(keys.tenant_owner):
        keys.take(steps[0])
    living = [one for one in keys.records() if one.state is not KeyState.DESTROYED]
    tenant = [one.id for one in living if one.owner == keys.tenant_owner]
    assert len(tenant) == 1
    assert {one.wrapped_by for one in living if one.owner in people} == set(tenant)
    assert all(keys.open(one, NAME, envelope) == one.name.encode() for one, envelope in envelopes.items())


def test_an_envelope_of_another_tenants_place_does_not_open(tmp_path: Path) -> None:
    envelope = opened(tmp_path).seal(AMINA, NAME, b"Amina")
    os.makedirs(tmp_path / "other")
    for name in (FILE_NAME, ROOT_FILE_NAME):
        (tmp_path / "other" / name).write_bytes((tmp_path / name).read_bytes())
        (tmp_path / "other" / name).chmod(0o600)
    with pytest.raises((EnvelopeRefused, FolderUnusable)):
        open_keys(tmp_path / "other", "umbrella", root_keys(tmp_path / "other")).open(AMINA, NAME, envelope)


def test_reading_a_store_that_lost_its_keys_names_it_and_makes_no_root_key(tmp_path: Path) -> None:
    opened(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
        connection.execute("DELETE FROM key")
        connection.commit()
    before = (tmp_path / ROOT_FILE_NAME).read_bytes()
    with pytest.raises(FolderUnusable, match="cannot read the key store"):
        read_keys(tmp_path, "acme", root_keys(tmp_path))
    assert (tmp_path / ROOT_FILE_NAME).read_bytes() == before


def test_processes_that_begin_a_store_at_once_have_the_same_keys(tmp_path: Path) -> None:
    for attempt in range(5):
        folder, barrier = tmp_path / str(attempt), Barrier(6)

        def begin(folder: Path = folder, barrier: Barrier = barrier) -> KeyStore:
            barrier.wait()
            return opened(folder)

        with ThreadPoolExecutor(6) as several:
            stores = [one.result() for one in [several.submit(begin) for _ in range(6)]]
        envelope = stores[0].seal(AMINA, NAME, b"Amina")
        roots = {one.id for store in stores for one in store.records() if one.owner == ROOT}
        assert len(roots) == 1
        assert read_keys(folder, "acme", root_keys(folder)).open(AMINA, NAME, envelope) == b"Amina"
        for store in stores:
            store.close()


def test_a_store_that_is_closed_while_another_thread_destroys_keys_ends_in_order(tmp_path: Path) -> None:
    """Without waiting for that thread the process died; a worker is stopped in the middle of its work like this."""
    done = subprocess.run(
        [sys.executable, "-c", CLOSED_MEANWHILE, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout.split()) == (0, ["ended"]), done.stderr[-500:]


CLOSED_MEANWHILE = """
import sys, threading
from pathlib import Path
from biometric_flow.identity.keyring import subject
from biometric_flow.ledger.errors import StorageUnavailable
from biometric_flow.runtime.key_store import open_keys
from biometric_flow.runtime.root_home import root_keys
for attempt in range(12):
    folder = Path(sys.argv[1]) / str(attempt)
    keys = open_keys(folder, "acme", root_keys(folder))
    owners = [subject(f"{attempt}-{number}") for number in range(400)]
    keys.prepare(owners)
    destroyed = threading.Semaphore(0)

    def work():
        try:
            for owner in owners:
                keys.destroy_all([owner])
                destroyed.release()
        except StorageUnavailable:
            pass  # said, and nothing else happens

    thread = threading.Thread(target=work)
    thread.start()
    for _ in range(1 + attempt):
        destroyed.acquire()
    keys.close()
    thread.join()
print("ended")
"""
