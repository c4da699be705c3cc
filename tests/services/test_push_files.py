"""The push port gives a terminal one thing: a blob that an open order of its own names."""

import hashlib
from pathlib import Path

import httpx2

from biometric_flow.place.schema import open_database
from tests.services.pushes import SECRET, PushPlace, push_place, pushing

DATA = bytes(range(256)) * 5000


async def fetched(place: PushPlace, path: str, serial: str = "PUSH0001", secret: str = SECRET) -> tuple[int, bytes]:
    async with httpx2.AsyncClient(timeout=10) as http:
        answer = await http.get(f"{place.push}/p/{secret}/iclock/{path}&SN={serial}")
    return answer.status_code, answer.content


async def test_only_the_terminal_that_was_told_may_fetch_a_blob(tmp_path: Path) -> None:
    other = "another-push-secret-of-random-bits"
    doors = [pushing(), pushing("PUSH0002", "hall", other)]
    async with push_place(tmp_path, doors) as place:
        new = {"title": "logo", "size": len(DATA), "sha256": hashlib.sha256(DATA).hexdigest()}
        blob = (await place.http.post("/v1/blobs", json=new)).json()["id"]
        for start in range(0, len(DATA), 1 << 20):
            await place.http.put(f"/v1/blobs/{blob}/{start}", content=DATA[start : start + (1 << 20)])
        path = f"file?url={blob}"
        assert (await fetched(place, path))[0] == 404, "nobody was told"
        connection = open_database(tmp_path / "place.sqlite3")
        connection.execute(
            "INSERT INTO job (terminal, body, kind, blob, state, created_at, expires_at, changed_at) VALUES"
            " ('door', '', 'install_file', ?, 'sent', ?, ?, ?)",
            (blob, *["2026-11-22T00:00:00+00:00"] * 3),
        )
        assert await fetched(place, path) == (200, DATA)
        assert (await fetched(place, path, "PUSH0002", other))[0] == 404, "another terminal"
        assert (await fetched(place, path, "PUSH0002", SECRET))[0] == 403
        for wrong in ("file?url=../../etc/passwd", "file?url=", "file?x=1", f"file?url={blob}x"):
            assert (await fetched(place, wrong))[0] == 404
        connection.execute("UPDATE job SET state = 'confirmed'")
        connection.close()
        assert (await fetched(place, path))[0] == 404, "the order is done"
