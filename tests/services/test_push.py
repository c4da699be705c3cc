"""Terminals that dial the place: the real app, real SQLite, real sockets."""

from pathlib import Path

from tests.services.pushes import push_place, pushing

ROWS = b"7\t2026-03-02 08:00:00\t0\t1\t0\t0\t0\n8\t2026-03-02 08:01:00\t0\t15\t0\t0\t0\n"


async def test_an_uploaded_punch_is_recorded_once_however_often_it_comes(tmp_path: Path) -> None:
    async with push_place(tmp_path, [pushing()]) as place:
        assert (await place.dial("GET", "cdata?options=all&pushver=2.4.1"))[0] == 200
        for _ in range(3):
            assert await place.upload("ATTLOG", ROWS, "2") == (200, "OK: 2")
        punches = await place.punches()
        terminal = await place.terminal("door")
    assert [(one["pin"], one["channel"], one["verify"]) for one in punches] == [("7", "push", 1), ("8", "push", 15)]
    assert terminal["counters"] == {"received": 6, "accepted": 2, "quarantined": 0, "duplicate": 4}
