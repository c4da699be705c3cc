"""A person whose punches lie in the archive is erased: their rows open nowhere any more, everybody else's do (E1)."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from biometric_flow.gateway.archive.rows import opened
from biometric_flow.gateway.store import archive as store
from biometric_flow.gateway.store import schema
from biometric_flow.ledger.decisions import PersonErased
from biometric_flow.model.ids import PlaceId, TenantId
from biometric_flow.runtime.database import Database
from tests.services.gateways import Chain, TestDatabase, with_keys
from tests.services.hours import Desk, person
from tests.services.test_archive import archiving, create, everything, hot, old_touches, two_months
from tests.services.test_gateway_erasure import verified as proven

ASKED = {"number": "E8", "reason": "request of 3 March", "by": "privacy officer"}


async def opens(desk: Desk, folder: Path, name: str) -> list[str]:
    """PINs of the rows of a file that somebody with all of the gateway's keys can still open, in order."""
    assert desk.gateway.database is not None
    database = with_keys(Database(desk.gateway.database.dsn, schema.APPLICATION), desk.gateway.folder)
    database.is_ready = True
    try:
        async with database.tenant(TenantId("demo")) as connection:
            keys = {key.id: key for key in (await store.keys(connection, PlaceId("cairo"))).values()}
    finally:
        await database.close()
    rows = pq.read_table(folder / "archive" / name).to_pylist()
    return [cold.pin for row in rows if (cold := opened("demo", row, keys)) is not None]


async def verified(desk: Desk, files: list[dict[str, Any]]) -> list[tuple[int, int]]:
    told = [await desk.ask("GET", f"/v1/archive/files/{one['id']}/verified") for one in files]
    return [(one["rows"], one["erased"]) for one in told]


async def test_archived_rows_of_who_is_erased_open_no_more_and_all_counts_say_so(
    database: TestDatabase, tmp_path: Path
) -> None:
    async with archiving(database, tmp_path) as desk:
        for pin in "78":
            await desk.ask("POST", "/v1/people", 201, json=person(f"E{pin}", pin))
        await two_months(desk)
        files = await create(desk)
        march = tmp_path / "archive" / files[1]["name"]
        content = march.read_bytes()
        assert sorted(await opens(desk, tmp_path, files[1]["name"])) == ["7"] * 10 + ["8"] * 10
        assert await verified(desk, files) == [(1, 0), (20, 0)]

        asked = await desk.ask("POST", "/v1/privacy/erasures", json=ASKED)
        assert (asked["stays"], asked["places"]) == ([], ["cairo"])
        left = await everything(desk)
        assert ({one["pin"] for one in left}, len(left)) == ({"7"}, 21)
        assert (await desk.gateway.count(), await desk.gateway.count(pin="8")) == (21, 0)
        assert await opens(desk, tmp_path, files[1]["name"]) == ["7"] * 10
        assert await verified(desk, files) == [(1, 0), (20, 10)]

        key = bytes.fromhex(asked["erasure"])
        await desk.punches(PersonErased(key, bytes(32), 10, "privacy officer", "request", datetime.now(UTC)))
        [told] = await desk.ask("GET", "/v1/privacy/erasures")
        assert (told["places"], told["entries"], bool(told["done_at"])) == ([], 10, True)
        assert await verified(desk, files) == [(1, 0), (20, 10)], "their leaves stand in the tree as before"
        assert march.read_bytes() == content, "a copy under object lock is closed without being changed"
        brought_back = await desk.ask("POST", f"/v1/archive/files/{files[1]['id']}/restore")
        assert brought_back["rows"] == 10
        assert (hot(database), await desk.gateway.count()) == (20, 21)


async def test_archived_touches_that_another_place_told_as_well_are_that_places_when_their_person_is_erased(
    database: TestDatabase, tmp_path: Path
) -> None:
    async with archiving(database, tmp_path) as desk:
        for pin in "78":
            await desk.ask("POST", "/v1/people", 201, json=person(f"E{pin}", pin))
        await two_months(desk)
        await create(desk)
        leeds = Chain("leeds")
        await desk.gateway.uplink("leeds").upload(0, leeds.add(*old_touches()))
        asked = await desk.ask("POST", "/v1/privacy/erasures", json=ASKED)
        assert (await proven(desk.gateway)).places == 2
        done = PersonErased(bytes.fromhex(asked["erasure"]), bytes(32), 10, "officer", "request", datetime.now(UTC))
        await desk.punches(done)
        theirs = [one for one in await everything(desk) if one["pin"] == "8"]
        assert ({one["place"] for one in theirs}, len(theirs)) == ({"leeds"}, 10)
        assert (await desk.gateway.count(), (await proven(desk.gateway)).places) == (31, 2)
        assert sum(one["rows"] for one in await create(desk)) == 10, "a month that is archived takes what comes late"
        assert (await desk.gateway.count(), (await proven(desk.gateway)).places) == (31, 2)
