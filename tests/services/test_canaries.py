"""What is said of people is in no file, log or backup: of nobody in the clear, of the erased not at all."""

import asyncio
import base64
import gzip
import io
import json
import secrets
import tarfile
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from biometric_flow.gateway import backup as of_gateway
from biometric_flow.gateway.store import schema
from biometric_flow.place import backup as of_place
from biometric_flow.runtime.backup import found_in
from biometric_flow.runtime.key_file import KEYS_FOLDER
from biometric_flow.runtime.postgres import SUPERUSER, EmbeddedPostgres
from biometric_flow.runtime.sealed_file import new_identity, read_identity, write_sealed
from tests.services.canaries import files_with
from tests.services.gateways import SECRETS, RunningGateway, TestDatabase, places_file, running_gateway
from tests.services.hours import Desk
from tests.services.places import until
from tests.services.pushes import PushPlace, push_place, pushing
from tests.services.test_archive import months_since_november

PEOPLE = {
    "87654321": ("CAN-4711", "Canary Nightingale", "a lorry of canaries was late"),
    "76543210": ("CAN-0815", "Kanarya Çalıkuşu", "two lorries of sparrows were early"),
}
ERASED, STAYS = PEOPLE
TODAY = datetime.now(UTC).date()
OLD = date(2026, 3, 2)


@pytest.mark.parametrize("before", ["", "a", "ab", "abc", "a longer text, "])
@pytest.mark.parametrize("after", ["", "z", "yz"])
def test_the_search_finds_a_text_wherever_and_however_it_stands(tmp_path: Path, before: str, after: str) -> None:
    secret = "Çalıkuşu 87654321"
    text = before + secret + after
    plain = text.encode()
    recipient = new_identity(tmp_path / "identity")
    tar, packed = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w:gz") as archive:
        member = tarfile.TarInfo("within")
        member.size = len(plain)
        archive.addfile(member, io.BytesIO(plain))
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as sheet:
        sheet.writestr("xl/strings.xml", plain)
    written = {
        "plain": plain,
        "little": text.encode("utf-16-le"),
        "big": text.encode("utf-16-be"),
        "hex": plain.hex().encode(),
        "upper": plain.hex().upper().encode(),
        "base64": base64.b64encode(plain),
        "urlsafe": base64.urlsafe_b64encode(plain),
        "json": json.dumps({"name": text}).encode(),
        "gzip": gzip.compress(plain) + gzip.compress(b"more"),
        "tar": tar.getvalue(),
        "sheet": packed.getvalue(),
        "another": base64.b64encode(f"{before}Çalıkuşu 17654321{after}".encode()),
    }
    for name, content in written.items():
        (tmp_path / name).write_bytes(content if name in ("gzip", "tar", "sheet") else b"{" + content + b"}")
    pq.write_table(pa.table({"who": [plain]}), tmp_path / "table")
    write_sealed(tmp_path / "age", recipient, lambda sink: sink.write(tar.getvalue()))  # type: ignore[arg-type, return-value]
    found = files_with(tmp_path, [secret.encode()], read_identity(tmp_path / "identity"))
    assert {name.partition(" ")[0].partition("/")[0] for name in found} == {*written, "table", "age"} - {"another"}


@pytest.fixture
def gateway_folder(passable: Path) -> Iterator[Path]:
    yield passable / "gateway"
    EmbeddedPostgres(passable / "gateway" / "postgres").stop()


async def live(desk: Desk, place: PushPlace, pin: str, template: bytes) -> None:
    """All that is ever said of somebody: a record, touches, a list of users, a template, a request, an import."""
    number, name, words = PEOPLE[pin]
    held = {"place": "cairo", "pin": pin, "from": "2026-01-01"}
    body = {"number": number, "name": name, "place": "cairo", "employed_from": "2026-01-01", "pins": [held]}
    who = (await desk.ask("POST", "/v1/people", 201, json=body))["id"]
    touches = "".join(f"{pin}\t{day} 08:0{n}:00\t0\t1\n" for day in (OLD, TODAY) for n in range(3))
    await place.upload("ATTLOG", touches.encode())
    sample = base64.b64encode(template).decode()
    told = f"USER PIN={pin}\tName={name}\tPri=0\nFP PIN={pin}\tFID=6\tSize={len(sample)}\tValid=1\tTMP={sample}\n"
    await place.upload("OPERLOG", told.encode())
    await until(lambda: is_held(desk.gateway, pin))
    added = {"person": who, "operation": "add", "at": f"{TODAY}T09:00:00+02:00", "reason": words}
    await desk.ask("POST", "/v1/regularisations", 201, json={"items": [added]})
    sheet = f"number,name,place,employed_from,pin\n{number},{name},cairo,2026-01-01,{pin}\n"
    await desk.ask("POST", "/v1/imports/people", content=sheet.encode())
    await desk.ask("GET", f"/v1/pins?q={name}")
    assert (await place.http.get(f"/v1/people/{pin}/export")).status_code == 200


async def is_held(gateway: RunningGateway, pin: str) -> bool:
    return await gateway.count(pin=pin) == 6


async def is_erased(desk: Desk) -> bool:
    [one] = await desk.ask("GET", "/v1/privacy/erasures")
    return bool(one["done_at"])


async def test_what_is_said_of_people_is_in_no_file_log_or_backup(
    gateway_folder: Path, passable: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    backups, archive, identity = passable / "backups", passable / "archive", passable.parent / f"{passable.name}.key"
    recipient = new_identity(identity)
    templates = {pin: secrets.token_bytes(96) for pin in PEOPLE}
    canaries = {pin: [pin.encode(), templates[pin], *map(str.encode, PEOPLE[pin])] for pin in PEOPLE}
    settings: dict[str, Any] = {"archive": str(archive), "backup_folder": backups, "backup_recipient": recipient}
    place_folder = passable / "place"
    try:
        async with running_gateway(gateway_folder, None, **settings) as gateway:
            gateway.database = TestDatabase(schema.DATABASE, EmbeddedPostgres(gateway_folder / "postgres"))
            desk = Desk(gateway)
            link = {"gateway_url": gateway.url, "gateway_credential": SECRETS["cairo"], "retention_look_seconds": 0.2}
            async with push_place(place_folder, [pushing()], **link) as place:
                for pin in PEOPLE:
                    await live(desk, place, pin, templates[pin])
                await desk.ask("POST", "/v1/archive/files", json={"months": months_since_november()})
                wanted = {"number": PEOPLE[ERASED][0], "reason": "request of 3 March", "by": "privacy officer"}
                await desk.ask("POST", "/v1/privacy/erasures", json=wanted)
                await until(lambda: is_erased(desk))
                now = datetime.now(UTC) + timedelta(seconds=2)
                place_source = of_place.Source("cairo", place_folder, place_folder / KEYS_FOLDER)
                await asyncio.to_thread(of_place.back_up, place_source, backups, recipient, now)
                source = of_gateway.Source(gateway_folder, places_file())
                await asyncio.to_thread(of_gateway.back_up, source, backups, recipient, now)
                with psycopg.connect(gateway.database.server.dsn(SUPERUSER, SUPERUSER), autocommit=True) as connection:
                    connection.execute("CHECKPOINT")
                assert await gateway.count(pin=STAYS) == 6
                assert (await place.http.get(f"/v1/people/{ERASED}/export")).status_code == 404
                running = files_with(place_folder, [one for pin in PEOPLE for one in canaries[pin]])
        assert running == []
        assert {name.kind for name in found_in(backups)} == {"place", "gateway"}
        stopped = files_with(passable, [one for pin in PEOPLE for one in canaries[pin]], read_identity(identity))
        assert stopped == []
        said = "".join(capfd.readouterr())
        assert [one for pin in PEOPLE for one in PEOPLE[pin] if one in said] == []
    finally:
        identity.unlink()
