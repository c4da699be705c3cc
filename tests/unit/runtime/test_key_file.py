"""What a destroyed or replaced key was wrapped in is in no byte of the key store's file."""

import random
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from biometric_flow.identity.envelope import KeyId
from biometric_flow.identity.keyring import KeyKind, KeyRecord, KeyState, Owner
from biometric_flow.runtime.key_file import KeyFile, open_file, read_file

VERSION_1 = """
CREATE TABLE key (
    id         BLOB PRIMARY KEY,
    kind       TEXT NOT NULL,
    owner      TEXT NOT NULL,              -- a random subject id, a terminal's key, an integration's name; never a PIN
    version    INTEGER NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('pending', 'active', 'verify-only', 'destroyed')),
    wrapped_by BLOB,
    wrapped    BLOB NOT NULL,
    reserved   INTEGER NOT NULL,           -- messages
    UNIQUE (kind, owner, version)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX key_active ON key (kind, owner) WHERE state = 'active';
CREATE INDEX key_wrapped_by ON key (wrapped_by);
PRAGMA user_version = 1;
"""


def a_key(chance: random.Random, owner: Owner, version: int = 1, length: int = 60) -> KeyRecord:
    above, wrapped = KeyId(chance.randbytes(16)), chance.randbytes(length)
    return KeyRecord(KeyId(chance.randbytes(16)), owner, version, KeyState.ACTIVE, above, wrapped, 0)


def some_keys(chance: random.Random, count: int) -> list[KeyRecord]:
    return [a_key(chance, Owner(KeyKind.SUBJECT, chance.randbytes(16).hex())) for _ in range(count)]


def kept(file: KeyFile, records: list[KeyRecord]) -> None:
    with file.writing():
        file.keep(records)


def destroyed(key: KeyRecord) -> KeyRecord:
    return replace(key, state=KeyState.DESTROYED, wrapped=b"", wrapped_by=None)


def replaced(chance: random.Random, file: KeyFile, keys: list[KeyRecord]) -> list[KeyRecord]:
    """The same keys under another one, or new ones in their place."""
    if chance.random() < 0.5:
        new = [replace(one, wrapped=chance.randbytes(60), wrapped_by=KeyId(chance.randbytes(16))) for one in keys]
        kept(file, new)
    else:
        new = [a_key(chance, one.owner, one.version + 1) for one in keys]
        kept(file, [destroyed(one) for one in keys] + new)
    return new


@pytest.mark.parametrize("seed", [70, 81, 93, 144])
def test_no_old_wrapping_stays_in_the_file_however_keys_come_and_go(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    path = tmp_path / "keys.sqlite3"
    file = open_file(path)
    living = {one.owner: one for one in some_keys(chance, 300)}
    kept(file, list(living.values()))
    old: set[bytes] = set()
    for _ in range(6):
        some = chance.sample(list(living.values()), chance.choice((1, 20, 100)))
        old |= {one.wrapped for one in some}
        living |= {one.owner: one for one in replaced(chance, file, some)}
        content = path.read_bytes()
        assert [one.hex() for one in old if one in content] == []
    assert {one.owner: one for one in file.all() if one.state is KeyState.ACTIVE} == living
    assert all(one.wrapped in content for one in living.values())
    assert file.fault() == ""
    file.close()


def test_a_wrapping_of_another_length_takes_another_slot_and_the_old_one_is_zeros(tmp_path: Path) -> None:
    path = tmp_path / "keys.sqlite3"
    file, chance = open_file(path), random.Random(1)
    keys = some_keys(chance, 3)
    kept(file, keys)
    longer = replace(keys[1], wrapped=chance.randbytes(184))
    kept(file, [longer])
    assert {one.id: one for one in file.all()} == {one.id: one for one in (keys[0], longer, keys[2])}
    assert keys[1].wrapped not in path.read_bytes()
    kept(file, [destroyed(longer)])
    assert longer.wrapped not in path.read_bytes()
    assert {one.id: one for one in file.all()}[longer.id] == destroyed(longer)
    file.close()


def of_version_1(path: Path, keys: list[KeyRecord]) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(VERSION_1)
        rows = [
            (one.id, one.owner.kind, one.owner.name, one.version, one.state, one.wrapped_by, one.wrapped, one.reserved)
            for one in keys
        ]
        connection.executemany("INSERT INTO key VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        connection.commit()


def test_a_file_of_version_1_is_renewed_where_it_is_opened_to_write_and_read_as_it_is(tmp_path: Path) -> None:
    path, chance = tmp_path / "keys.sqlite3", random.Random(2)
    first, *others = some_keys(chance, 300)
    keys = [destroyed(first), *others]
    of_version_1(path, keys)
    before = path.read_bytes()
    with closing(read_file(path)) as only_read:
        assert {one.id: one for one in only_read.all()} == {one.id: one for one in keys}
        assert only_read.fault() == ""
    assert path.read_bytes() == before
    with closing(open_file(path)) as file:
        assert {one.id: one for one in file.all()} == {one.id: one for one in keys}
        assert file.fault() == ""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA freelist_count").fetchone() == (0,)
    content = path.read_bytes()
    assert {content.count(one.wrapped) for one in others} == {1}


def test_a_slot_that_was_lost_is_named_and_never_read_as_no_key(tmp_path: Path) -> None:
    path = tmp_path / "keys.sqlite3"
    with closing(open_file(path)) as file:
        kept(file, some_keys(random.Random(3), 3))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM wrapping WHERE slot = 2")
        connection.commit()
    with closing(read_file(path)) as file, pytest.raises(ValueError, match="another kind"):
        file.all()
