"""The gateway's key store: many owners, few in memory, several processes, one durable write for many new owners."""

import sqlite3
from pathlib import Path

import pytest
from pydantic import ValidationError

from biometric_flow.gateway.key_store import TenantKeys, open_tenant_keys
from biometric_flow.gateway.settings import GatewaySettings
from biometric_flow.identity.envelope import Binding, key_id_of
from biometric_flow.identity.errors import EnvelopeRefused, KeyDestroyed, KeyReplaced
from biometric_flow.identity.keyring import PLACE, ROOT, STORED_PUNCH, KeyKind, KeyState, person, subject_at
from biometric_flow.model.ids import TenantId
from biometric_flow.runtime.errors import FolderUnusable
from biometric_flow.runtime.key_file import FILE_NAME
from biometric_flow.runtime.key_store import RESERVED, KeyStore
from biometric_flow.runtime.root_home import ROOT_FILE_NAME

DEMO, OTHER = TenantId("demo"), TenantId("other")
RECORD = Binding("ledger_entry", "record", b"1")


def opened(folder: Path, held: int = 10) -> TenantKeys:
    return open_tenant_keys(folder, [DEMO, OTHER], held=held)


def rotated(keys: KeyStore, level: str) -> None:
    owner = ROOT if level == "root" else keys.tenant_owner
    keys.take(keys.rotation(owner, begin=True)[0])
    while steps := keys.rotation(owner):
        keys.take(steps[0])


def test_more_owners_than_are_in_memory_open_again_after_a_restart(tmp_path: Path) -> None:
    keys = opened(tmp_path).of(DEMO)
    owners = [subject_at("cairo", f"{number:032x}") for number in range(50)]
    keys.prepare(owners)
    sealed = {one: keys.seal(one, RECORD, one.name.encode()) for one in owners}
    assert all(keys.open(one, RECORD, envelope) == one.name.encode() for one, envelope in sealed.items())
    later = opened(tmp_path).of(DEMO)
    assert [later.owner_of(envelope) for envelope in sealed.values()] == owners
    assert all(later.open(one, RECORD, envelope) == one.name.encode() for one, envelope in sealed.items())


def test_many_new_owners_cost_one_durable_write(tmp_path: Path) -> None:
    keys = opened(tmp_path).of(DEMO)
    watched = sqlite3.connect(tmp_path / "demo" / FILE_NAME)
    (before,) = watched.execute("PRAGMA data_version").fetchone()
    keys.prepare([person(str(number)) for number in range(2000)])
    (after,) = watched.execute("PRAGMA data_version").fetchone()
    assert after - before == 1
    assert watched.execute("SELECT count(*) FROM key WHERE kind = 'person'").fetchone() == (2000,)


def test_one_tenants_envelopes_do_not_open_with_anothers_keys(tmp_path: Path) -> None:
    keys = opened(tmp_path)
    envelope = keys.of(DEMO).seal(PLACE, RECORD, b"a reason")
    keys.of(OTHER).prepare([PLACE])
    with pytest.raises(Exception, match="not in this key store") as refused:
        keys.of(OTHER).open(PLACE, RECORD, envelope)
    assert refused.value.code == "keys.unknown"  # type: ignore[attr-defined]
    with pytest.raises(EnvelopeRefused):
        keys.of(DEMO).open(PLACE, Binding("ledger_entry", "record", b"2"), envelope)


def test_a_key_that_one_process_destroyed_is_not_brought_back_by_another(tmp_path: Path) -> None:
    one, other = opened(tmp_path).of(DEMO), opened(tmp_path).of(DEMO)
    amina = person("amina")
    envelope = one.seal(amina, RECORD, b"Amina")
    assert other.open(amina, RECORD, envelope) == b"Amina"
    one.destroy(amina)
    other.prepare([amina])
    assert [record.state for record in other.versions(amina)] == [KeyState.DESTROYED, KeyState.ACTIVE]
    with pytest.raises(KeyDestroyed):
        other.open(amina, RECORD, envelope)


def test_keys_that_were_destroyed_are_in_no_page_of_the_store_and_a_copy_of_the_data_stays_closed(
    tmp_path: Path,
) -> None:
    keys = opened(tmp_path).of(DEMO)
    owners = [subject_at("cairo", f"{number:032x}") for number in range(300)]
    keys.prepare(owners)
    sealed = {one: keys.seal(one, RECORD, b"of before") for one in owners}
    gone, left = owners[::3], owners[1]
    wrapped = {one.wrapped for owner in gone for one in keys.versions(owner)}
    assert len(wrapped) == 100
    assert {one for one in wrapped if one in files_of(tmp_path)} == wrapped
    keys.destroy_all(gone)
    assert {one for one in wrapped if one in files_of(tmp_path)} == set()
    later = opened(tmp_path).of(DEMO)
    assert later.open(left, RECORD, sealed[left]) == b"of before"
    for owner in gone:
        with pytest.raises(KeyDestroyed):
            later.open(owner, RECORD, sealed[owner])


def files_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_two_processes_that_meet_somebody_new_at_once_use_one_key(tmp_path: Path) -> None:
    one, other = opened(tmp_path).of(DEMO), opened(tmp_path).of(DEMO)
    amina = person("amina")
    assert not one.has(amina)
    assert not other.has(amina)
    assert one.secret(amina) == other.secret(amina)
    assert one.open(amina, RECORD, other.seal(amina, RECORD, b"Amina")) == b"Amina"


@pytest.mark.parametrize("level", ["root", "tenant"])
def test_a_rotation_wraps_everybodys_keys_and_another_process_goes_on(tmp_path: Path, level: str) -> None:
    keys, other = opened(tmp_path).of(DEMO), opened(tmp_path).of(DEMO)
    owners = [person(str(number)) for number in range(1200)]
    keys.prepare(owners)
    sealed = {one: keys.seal(one, RECORD, b"x") for one in owners}
    rotated(keys, level)
    active = next(one.id for one in keys.versions(keys.tenant_owner) if one.state is KeyState.ACTIVE)
    assert {one.wrapped_by for one in keys.records() if one.owner.kind == "person"} == {active}
    assert all(other.open(one, RECORD, envelope) == b"x" for one, envelope in sealed.items())
    fresh = opened(tmp_path).of(DEMO)
    assert all(fresh.open(one, RECORD, envelope) == b"x" for one, envelope in sealed.items())


def test_nothing_more_is_sealed_with_a_key_that_another_process_replaced(tmp_path: Path) -> None:
    one, other = opened(tmp_path).of(DEMO), opened(tmp_path).of(DEMO)
    amina = subject_at("cairo", "a1")
    before, known = one.seal(amina, RECORD, b"Amina"), one.derived(amina, STORED_PUNCH)
    assert one.open(amina, RECORD, other.seal(amina, RECORD, b"Amina")) == b"Amina"
    other.turn(KeyKind.SUBJECT)
    (old,) = other.retiring(KeyKind.SUBJECT)
    later = one.seal(amina, RECORD, b"Amina")
    assert key_id_of(later) != old.id == key_id_of(before)
    assert other.open(amina, RECORD, later) == one.open(amina, RECORD, before) == b"Amina"
    other.retire(KeyKind.SUBJECT)
    one.prepare([person("new")])
    assert not one.is_destroyed(before)
    with pytest.raises(KeyReplaced):
        one.open(amina, RECORD, before)
    assert one.derived(amina, STORED_PUNCH) == other.derived(amina, STORED_PUNCH) == known
    one.destroy(amina)
    assert other.is_destroyed(later)
    assert other.is_destroyed(before)


def test_messages_that_were_reserved_outlast_what_another_process_writes(tmp_path: Path) -> None:
    one, other = opened(tmp_path).of(DEMO), opened(tmp_path).of(DEMO)
    amina = person("amina")
    for number in range(5):
        one.seal(amina, RECORD, b"Amina")
        other.prepare([person(str(number))])
    (record,) = one.versions(amina)
    assert record.reserved == RESERVED


def test_a_root_key_that_is_gone_stops_the_start(tmp_path: Path) -> None:
    opened(tmp_path).close()
    (tmp_path / "demo" / ROOT_FILE_NAME).unlink()
    with pytest.raises(FolderUnusable, match="put back the root key file"):
        opened(tmp_path)


def test_a_key_store_in_a_database_is_refused_with_a_reason(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="a folder on a disk"):
        GatewaySettings.model_validate({"data": tmp_path, "keys": "postgresql://keys@db/keys"})
