"""Backups of a place and of the gateway: made while they run, restored elsewhere, refused when anything was changed."""

import asyncio
import gzip
import io
import json
import os
import shutil
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import IO
from zoneinfo import ZoneInfo

import pytest

from biometric_flow.cli import main
from biometric_flow.gateway import backup as of_gateway
from biometric_flow.gateway.backup import Source
from biometric_flow.gateway.store import schema
from biometric_flow.gateway.wal import WalShipper
from biometric_flow.place import backup as of_place
from biometric_flow.runtime.backup import WAL, found_in, read_manifest
from biometric_flow.runtime.clock import SystemClock
from biometric_flow.runtime.key_file import KEYS_FOLDER
from biometric_flow.runtime.key_store import open_keys
from biometric_flow.runtime.postgres import SUPERUSER, DatabaseRefused, EmbeddedPostgres
from biometric_flow.runtime.root_home import root_keys
from biometric_flow.runtime.sealed_file import BackupDamaged, extract, new_identity, write_sealed
from biometric_flow.zk.simulator.terminal import SimulatedTerminal
from biometric_flow.zk.wire.users import UserRecord
from tests.services.gateways import SECRETS, Chain, places_file, running_gateway, touches
from tests.services.places import configured, running_place, until
from tests.services.test_gateway_by_hand import told
from tests.services.test_place_ledger import place_with_punches


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration of a place `cairo` whose files lie below `tmp_path / data`."""
    folder = tmp_path / "config"
    (folder / "environments").mkdir(parents=True)
    (folder / "places.json").write_text(places_file().model_dump_json(), encoding="utf-8")
    write_environment(folder, tmp_path / "data")
    return folder


def write_environment(config: Path, data: Path) -> None:
    lines = [f"BIOMETRIC_FLOW_PLACE_DATA={data}", f"BIOMETRIC_FLOW_PLACE_API_KEY={SECRETS['cairo']}"]
    (config / "environments" / "place-cairo.env").write_text("\n".join(lines), encoding="utf-8")


def created(config: Path, folder: Path, recipient: str) -> int:
    return main(
        ["backup", "create", "--place", "cairo", "--config", str(config), "--to", str(folder), "--recipient", recipient]
    )


def restored(config: Path, folder: Path, identity: Path) -> int:
    where = ["--config", str(config), "--from", str(folder), "--identity", str(identity)]
    return main(["backup", "restore", "--place", "cairo", *where])


async def test_a_place_that_runs_is_backed_up_and_comes_back_with_every_punch(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    identity, backups = tmp_path / "usb" / "identity", tmp_path / "backups"
    identity.parent.mkdir()
    recipient = new_identity(identity)
    async with place_with_punches(tmp_path / "data" / "places" / "cairo", 5) as place:
        before = await place.punches()
        assert await asyncio.to_thread(created, config, backups, recipient) == 0
    assert [name.part for name in found_in(backups)] == ["data", "keys"]
    shutil.rmtree(tmp_path / "data")
    write_environment(config, tmp_path / "new")
    assert await asyncio.to_thread(restored, config, backups, identity) == 0
    folder = tmp_path / "new" / "places" / "cairo"
    assert main(["ledger", "verify", "--place", "cairo", "--config", str(config), "--data", str(tmp_path / "new")]) == 0
    async with place_with_punches(folder, 0) as place:
        assert [punch["id"] for punch in await place.punches()] == [punch["id"] for punch in before]
    capsys.readouterr()
    assert await asyncio.to_thread(restored, config, backups, identity) == 2
    assert "expected nothing in" in capsys.readouterr().err


async def test_backups_of_one_second_are_files_of_their_own_and_each_comes_back(tmp_path: Path, config: Path) -> None:
    backups, identity, now = tmp_path / "backups", tmp_path / "identity", datetime.now(UTC)
    backups.mkdir()
    recipient = new_identity(identity)
    folder = tmp_path / "data" / "places" / "cairo"
    source = of_place.Source("cairo", folder, folder / KEYS_FOLDER)
    async with place_with_punches(folder, 5):
        one = partial(of_place.back_up, source, backups, recipient, now)
        made = await asyncio.gather(*(asyncio.to_thread(one) for _ in range(4)))
    assert not list(folder.glob("backup.*"))
    names = {str(name) for written in made for name in written}
    assert names == {path.name for path in backups.iterdir()}
    assert len(names) == 8
    for number, written in enumerate(made):
        alone = tmp_path / str(number)
        alone.mkdir()
        for name in written:
            (backups / str(name)).rename(alone / str(name))
        write_environment(config, alone / "data")
        assert await asyncio.to_thread(restored, config, alone, identity) == 0


async def test_what_killed_backups_left_goes_after_a_day(tmp_path: Path, config: Path) -> None:
    backups, folder = tmp_path / "backups", tmp_path / "data" / "places" / "cairo"
    recipient = new_identity(tmp_path / "identity")
    async with place_with_punches(folder, 1):
        backups.mkdir()
        left = [
            *(backups / "place-cairo-20261122T180000Z.data.age.part", folder / "backup.copy"),
            *(folder / "backup.x1", backups / ".keys-x1"),
        ]
        young = backups / "place-cairo-20261122T180001Z.data.age.part"
        for path in left[2:]:
            path.mkdir()
        for path in (*left[:2], young, left[2] / "place.sqlite3", left[3] / "demo"):
            path.write_bytes(b"half")
        yesterday = datetime.now(UTC).timestamp() - 86_500
        for path in left:
            os.utime(path, (yesterday, yesterday))
        assert await asyncio.to_thread(created, config, backups, recipient) == 0
    assert not [path for path in left if path.exists()]
    assert young.exists()


async def test_every_change_to_a_backup_is_found_and_nothing_is_left_behind(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    identity, backups = tmp_path / "identity", tmp_path / "backups"
    recipient = new_identity(identity)
    async with place_with_punches(tmp_path / "data" / "places" / "cairo", 3):
        assert await asyncio.to_thread(created, config, backups, recipient) == 0
    write_environment(config, tmp_path / "new")
    data = next(backups.glob("*.data.age"))
    whole = data.read_bytes()
    for at in (30, len(whole) // 2, len(whole) - 1):
        data.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert await asyncio.to_thread(restored, config, backups, identity) == 2
        assert "cannot be opened" in capsys.readouterr().err
    for length in (0, 100, len(whole) - 1):
        data.write_bytes(whole[:length])
        assert await asyncio.to_thread(restored, config, backups, identity) == 2
    other = tmp_path / "other"
    new_identity(other)
    data.write_bytes(whole)
    assert await asyncio.to_thread(restored, config, backups, other) == 2
    assert not list((tmp_path / "new").rglob("*.sqlite3"))
    next(backups.glob("*.keys.age")).unlink()
    assert await asyncio.to_thread(restored, config, backups, identity) == 2
    assert "expected data and keys of place cairo" in capsys.readouterr().err


async def test_a_backup_cannot_be_read_without_its_key_and_holds_no_name_in_the_clear(
    tmp_path: Path, config: Path
) -> None:
    recipient = new_identity(tmp_path / "identity")
    async with place_with_punches(tmp_path / "data" / "places" / "cairo", 3):
        assert await asyncio.to_thread(created, config, tmp_path / "backups", recipient) == 0
    secret = (tmp_path / "identity").read_text().splitlines()[-1]
    for path in (tmp_path / "backups").iterdir():
        content = path.read_bytes()
        assert content.startswith(b"age-encryption.org/v1\n")
        assert b"SQLite format" not in content
        assert secret.encode() not in content
        assert path.stat().st_mode & 0o077 == 0


async def test_the_drill_of_a_place_leaves_nothing_behind(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "work").mkdir()
    command = ["backup", "drill", "--place", "cairo", "--config", str(config), "--work", str(tmp_path / "work")]
    async with place_with_punches(tmp_path / "data" / "places" / "cairo", 4):
        assert await asyncio.to_thread(main, command) == 0
    assert "backed up, restored and verified" in capsys.readouterr().out
    assert not list((tmp_path / "work").iterdir())


@pytest.fixture
def gateway_folder(passable: Path) -> Iterator[Path]:
    folder = passable / "gateway"
    yield folder
    for cluster in passable.glob("*/postgres"):
        EmbeddedPostgres(cluster).stop()


async def test_the_gateway_goes_back_to_any_moment_that_its_log_reaches(gateway_folder: Path, passable: Path) -> None:
    identity, backups = passable / "identity", passable / "backups"
    recipient = new_identity(identity)
    backups.mkdir()
    source = Source(gateway_folder, places_file())
    chain = Chain()
    async with running_gateway(gateway_folder, None) as gateway:
        server = EmbeddedPostgres(gateway_folder / "postgres")
        replication = server.dsn(SUPERUSER, SUPERUSER)
        shipper = WalShipper(replication, gateway_folder / "wal", backups / WAL, recipient, SystemClock())
        shipping = asyncio.create_task(shipper.run())

        async def add(first: int, count: int) -> None:
            await gateway.uplink().upload(first, chain.add(*touches(count, first=first)))

        await add(0, 10)
        made = await asyncio.to_thread(of_gateway.back_up, source, backups, recipient, datetime.now(UTC))
        await add(10, 10)
        await asyncio.sleep(0.2)
        between = datetime.now(UTC)
        await asyncio.sleep(0.2)
        await add(20, 10)
        await until(lambda: everything_is_shipped(backups / WAL))
        since = datetime.now(UTC)

        async def has_shipped_again() -> bool:
            return shipper.shipped_at is not None and shipper.shipped_at > since + timedelta(seconds=1)

        await until(has_shipped_again)
        shipping.cancel()
        await asyncio.gather(shipping, return_exceptions=True)
    data, keys = (backups / str(name) for name in sorted(made, key=lambda name: name.part))
    wal = backups / WAL

    late = datetime.now(UTC) + timedelta(hours=1)
    for label, until_moment, expected in (("then", between, 20), ("newest", None, 30)):
        target = passable / label
        back = await asyncio.to_thread(of_gateway.restore, data, keys, identity, target, late, wal, until_moment)
        assert back.verified.entries == expected
        async with running_gateway(target, None) as gateway:
            assert await gateway.count() == expected
    with pytest.raises(DatabaseRefused, match="does it reach so far"):
        await asyncio.to_thread(of_gateway.restore, data, keys, identity, passable / "late", late, wal, late)
    assert not (passable / "late").exists()


async def everything_is_shipped(wal: Path) -> bool:
    return wal.is_dir() and any(wal.glob("*.age"))


async def test_a_gateway_whose_history_was_rewritten_before_the_backup_is_not_restored(
    gateway_folder: Path, passable: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, backups, identity = passable / "config", passable / "backups", passable / "identity"
    recipient = new_identity(identity)
    (config / "environments").mkdir(parents=True)
    (config / "places.json").write_text(places_file().model_dump_json(), encoding="utf-8")
    environment = config / "environments" / "gateway.env"
    environment.write_text(f"BIOMETRIC_FLOW_GATEWAY_DATA={gateway_folder}\n", encoding="utf-8")
    common = ["--gateway", "--config", str(config)]
    async with running_gateway(gateway_folder, None) as gateway:
        await gateway.uplink().upload(0, Chain().add(*touches(5)))
        assert await asyncio.to_thread(main, ["backup", "drill", *common, "--work", str(passable)]) == 0
        rewrite_one_entry(gateway_folder)
        command = ["backup", "create", *common, "--to", str(backups), "--recipient", recipient]
        assert await asyncio.to_thread(main, command) == 0
        assert await asyncio.to_thread(main, ["backup", "verify", "--config", str(config)]) == 1
        over = ["backup", "restore", *common, "--from", str(backups), "--identity", str(identity)]
        assert await asyncio.to_thread(main, over) == 2, "there is a gateway"
        server = EmbeddedPostgres(gateway_folder / "postgres")
        for events in (await told(gateway_folder, server.dsn(schema.APPLICATION, schema.DATABASE))).values():
            said = [(one.operation, one.result) for one in events]
            assert said == [("backup drill", "200"), ("backup create", "200"), ("backup restore", "500 internal")]
    environment.write_text(f"BIOMETRIC_FLOW_GATEWAY_DATA={passable / 'new'}\n", encoding="utf-8")
    capsys.readouterr()
    command = ["backup", "restore", *common, "--from", str(backups), "--identity", str(identity)]
    assert await asyncio.to_thread(main, command) == 1
    assert "nothing was restored: demo/cairo: entry 3" in capsys.readouterr().err
    assert not (passable / "new").exists()
    assert not (passable / "new.restoring").exists()


def rewrite_one_entry(folder: Path) -> None:
    import psycopg

    dsn = EmbeddedPostgres(folder / "postgres").dsn(SUPERUSER, "biometric_flow")
    with psycopg.connect(dsn, autocommit=True) as connection:
        done = connection.execute("UPDATE ledger_entry SET leaf = leaf || '\\x00' WHERE sequence = 3")
        assert done.rowcount == 1


def each_extracted(tar: tarfile.TarFile, into: Path) -> Iterator[BackupDamaged | None]:
    """What came of extracting each member."""
    for member in tar:
        try:
            extract(tar, member, into)
        except BackupDamaged as refused:
            yield refused
        else:
            yield None


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("../outside", tarfile.REGTYPE),
        ("/outside", tarfile.REGTYPE),
        ("link", tarfile.SYMTYPE),
        ("n", tarfile.FIFOTYPE),
    ],
)
def test_a_backup_brings_plain_files_into_its_folder_and_nothing_else(tmp_path: Path, name: str, kind: bytes) -> None:
    member, plain, into = tarfile.TarInfo(name), tarfile.TarInfo("deep/plain"), tmp_path / "into"
    member.type, member.linkname, member.size = kind, "/etc", 0
    plain.size, plain.mode = 5, 0o4777
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as tar:
        tar.addfile(plain, io.BytesIO(b"plain"))
        tar.addfile(member)
    sink.seek(0)
    with tarfile.open(fileobj=sink, mode="r|") as tar:
        first, *others = each_extracted(tar, into)
        assert first is None
        assert ["plain files and folders only" in str(one) for one in others] == [True]
    written = into / "deep" / "plain"
    assert (written.read_bytes(), written.stat().st_mode & 0o7022) == (b"plain", 0)
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize(("shipped", "is_taken"), [(b"\x01begin", False), (b"\x01begin and more", True)])
def test_a_segment_that_was_shipped_half_written_does_not_hide_what_the_backup_has_of_it(
    tmp_path: Path, shipped: bytes, is_taken: bool
) -> None:
    recipient, wal, own = new_identity(tmp_path / "identity"), tmp_path / "wal", tmp_path / "pg_wal"
    segment = "000000010000000000000002"
    wal.mkdir()
    own.mkdir()
    (own / segment).write_bytes(b"\x01begin and" + bytes(100))
    packed = gzip.compress(shipped + bytes(100))

    def fill(sink: IO[bytes]) -> None:
        sink.write(packed)

    write_sealed(wal / f"{segment}.partial.age", recipient, fill)
    of_gateway.unpack_wal(wal, tmp_path / "identity", tmp_path / "received", own)
    assert (tmp_path / "received" / segment).exists() == is_taken


async def test_backups_are_made_by_themselves_and_the_log_comes_with_the_keys_of_who_came_since(
    gateway_folder: Path, passable: Path
) -> None:
    recipient = new_identity(passable / "identity")
    backups = passable / "backups"
    settings = {"backup_folder": backups, "backup_recipient": recipient}
    async with running_gateway(gateway_folder, None, **settings) as gateway:
        chain = Chain()
        await gateway.uplink().upload(0, chain.add(*touches(5)))

        async def has_both() -> bool:
            is_there = backups.is_dir() and {name.part for name in found_in(backups)} == {"data", "keys"}
            return is_there and await everything_is_shipped(backups / WAL)

        await until(has_both)
        now, source = datetime.now(UTC), Source(gateway_folder, places_file())
        by_hand = partial(of_gateway.back_up, source, backups, recipient, now)
        both = await asyncio.gather(asyncio.to_thread(by_hand), asyncio.to_thread(by_hand))
        assert len({str(name) for written in both for name in written}) == 4
        for written in both:
            for name in written:
                assert read_manifest(backups / str(name), passable / "identity").part == name.part
                (backups / str(name)).unlink()
        for pin in ("8", "9"):
            await gateway.uplink().upload(len(chain.entries), chain.add(*touches(2, pin)))
            came = datetime.now(UTC).timestamp()
            await until(lambda came=came: is_shipped_since(backups / WAL, came))
    [data] = (name for name in found_in(backups) if name.part == "data")
    *earlier, keys = (name for name in found_in(backups) if name.part == "keys")
    assert [name.at for name in earlier] == [data.at], "of copies of the keys alone the newest stays"
    verified = await asyncio.to_thread(
        lambda: of_gateway.restore(
            backups / str(data), backups / str(keys), passable / "identity", passable / "new",
            datetime.now(UTC), backups / WAL,
        ).verified
    )  # fmt: skip
    assert verified.entries == 9


async def is_shipped_since(wal: Path, moment: float) -> bool:
    return any(path.stat().st_mtime > moment + 1 for path in wal.glob("*.age"))


async def test_a_backup_that_is_older_than_an_erasure_brings_nobody_back(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    identity, backups, folder = tmp_path / "identity", tmp_path / "backups", tmp_path / "data" / "places" / "cairo"
    recipient = new_identity(identity)
    plan = {"backup_folder": backups, "backup_recipient": recipient, "backup_hours": 24 * 30}
    people = [UserRecord(0, pin, f"Person {pin}") for pin in ("7", "8")]
    async with SimulatedTerminal(users=people, zone=ZoneInfo("Africa/Cairo")) as terminal:
        for pin in ("7", "8"):
            await terminal.punch(pin)
        async with running_place(folder, [configured(terminal)], **plan) as place:

            async def has_both_people() -> bool:
                return len(await place.punches()) == 2

            await until(has_both_people)
            assert await asyncio.to_thread(created, config, backups, recipient) == 0
            order = {"pin": "7", "by": "officer", "reason": "request of 3 March"}
            answer = await place.http.post("/v1/erasures", json=order)
            assert answer.status_code < 300, answer.text
        register = (backups / "erasures-cairo.json").read_text(encoding="utf-8")
        assert len(json.loads(register)["keys"]) == 1
        write_environment(config, tmp_path / "new")
        assert await asyncio.to_thread(restored, config, backups, identity) == 0
        said = capsys.readouterr().out
        assert [line.split()[-1] for line in said.splitlines() if line.startswith("erased again")] == ["1"]
        back = tmp_path / "new" / "places" / "cairo"
        command = ["ledger", "verify", "--place", "cairo", "--config", str(config), "--data", str(tmp_path / "new")]
        assert main(command) == 0
        async with running_place(back, [configured(terminal)]) as place:
            await terminal.punch("8", state=1)

            async def has_the_new_one() -> bool:
                return len(await place.punches()) >= 2

            await until(has_the_new_one)
            assert {punch["pin"] for punch in await place.punches()} == {"8"}
            assert [person["pin"] for person in await place.get("/v1/people")] == ["8"]
    keys = open_keys(back / "keys", "demo", root_keys(back / "keys"))
    destroyed = [one for one in keys.records() if one.owner.kind == "subject" and one.state == "destroyed"]
    keys.close()
    assert len(destroyed) == 1, "the key that the backup had brought back"
