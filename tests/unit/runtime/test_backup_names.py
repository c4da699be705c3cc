"""Names, manifests and how long backups are kept."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biometric_flow.runtime.backup import BackupName, LogState, Manifest, Part, expired
from biometric_flow.runtime.sealed_file import BackupDamaged

NOW = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)


def named(days: float, part: Part = "data", of: str = "cairo") -> BackupName:
    return BackupName("place", of, NOW - timedelta(days=days), part)


@given(st.sampled_from(["place", "gateway"]), st.from_regex(r"[a-z0-9-]{1,20}", fullmatch=True))
def test_a_name_says_what_it_is_a_backup_of(kind, of) -> None:  # type: ignore[no-untyped-def]
    name = BackupName(kind, of, NOW, "keys")
    assert BackupName.parse(str(name)) == name


@pytest.mark.parametrize(
    "name", ["", "notes.txt", "place-cairo-20261122T180000Z.data.age.part", "place-cairo.data.age"]
)
def test_other_files_are_no_backups(name: str) -> None:
    assert BackupName.parse(name) is None


def test_keys_are_kept_for_thirty_days_even_when_data_are_kept_for_longer() -> None:
    names = [named(days, part) for days in (0, 29, 31, 89, 91) for part in ("data", "keys")]  # type: ignore[arg-type]
    gone = expired(names, NOW, timedelta(days=90))
    assert set(gone) == {named(91), named(91, "keys"), named(89, "keys"), named(31, "keys")}


def test_the_newest_of_each_stays_however_old_it_is() -> None:
    names = [named(400), named(500), named(400, "keys"), named(600, of="dhaka")]
    assert expired(names, NOW, timedelta(days=35)) == [named(500)]


def test_a_manifest_comes_back_as_it_was() -> None:
    manifest = Manifest("gateway", "all", "data", NOW.isoformat(), "1.2", {"demo/cairo": LogState(7, "note\n")})
    assert Manifest.from_bytes(manifest.to_bytes()) == manifest


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"format": 2}', b'{"format": 1, "logs": {"x": 1}}', b"\xff"])
def test_what_is_no_manifest_is_refused_with_what_was_expected(content: bytes) -> None:
    with pytest.raises(BackupDamaged, match=r"manifest|newer version"):
        Manifest.from_bytes(content)
