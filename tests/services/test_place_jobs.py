"""Jobs and the desired state: said to be done only when the terminal says so, and nobody's data lost on the way."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from biometric_flow.ledger.note import Cosigner, Note
from biometric_flow.ledger.tree import SqliteTree
from biometric_flow.place.schema import open_database
from biometric_flow.zk.simulator.memory import StoredPunch
from biometric_flow.zk.simulator.terminal import SimulatedTerminal
from biometric_flow.zk.wire.timecode import TerminalTime
from biometric_flow.zk.wire.users import UserRecord
from tests.services.places import RunningPlace, configured, running_place, until

CAIRO = ZoneInfo("Africa/Cairo")
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
WITNESS = Cosigner("biometric-flow-gateway", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
ALLOWED: dict[str, object] = {
    "clearing_is_allowed": True,
    "gateway_key": str(WITNESS.public),
    "gateway_url": "http://127.0.0.1:9",
    "gateway_credential": "a-gateway-credential-that-is-long-enough-0123456789",
}


def past(count: int) -> list[StoredPunch]:
    start = datetime(2026, 3, 2, 8, 0)
    return [
        StoredPunch(str(1 + number % 5), TerminalTime.from_datetime(start + timedelta(hours=number)))
        for number in range(count)
    ]


async def order(place: RunningPlace, kind: str, **more: object) -> int:
    answer = await place.http.post("/v1/terminals/gate/jobs", json={"kind": kind, **more})
    assert answer.status_code == 202, answer.text
    number: int = answer.json()["number"]
    return number


async def outcome(place: RunningPlace, number: int) -> dict[str, Any]:
    async def ended() -> bool:
        return (await place.get(f"/v1/terminals/gate/jobs/{number}"))["state"] not in ("queued", "sent")

    await until(ended)
    job: dict[str, Any] = await place.get(f"/v1/terminals/gate/jobs/{number}")
    return job


async def do(place: RunningPlace, kind: str, **more: object) -> tuple[str, str]:
    job = await outcome(place, await order(place, kind, **more))
    return job["state"], job["detail"]


async def test_the_clock_is_set_and_the_log_is_read_on_request(tmp_path: Path) -> None:
    async with SimulatedTerminal(zone=CAIRO, drift=timedelta(minutes=-9), punches=past(3)) as terminal:
        async with running_place(tmp_path, [configured(terminal)], reconcile_seconds=60) as place:
            await until(lambda: _holds(place, 3))
            state, detail = await do(place, "sync_time")
            assert (state, detail.startswith("the clock was -5")) == ("confirmed", True)
            assert abs(terminal.clock.drift) < timedelta(seconds=2)
            for punch in past(5)[3:]:
                terminal.memory.remember(punch)
            assert await do(place, "pull_again") == ("confirmed", "5 people and 5 rows were read")
            assert len(await place.punches()) == 5
            jobs = await place.get("/v1/terminals/gate/jobs")
            assert [job["order"]["kind"] for job in jobs] == ["pull_again", "sync_time"]


async def test_jobs_wait_for_a_lost_terminal_and_survive_a_restart(tmp_path: Path) -> None:
    async with SimulatedTerminal(zone=CAIRO, drift=timedelta(minutes=9)) as terminal:
        async with running_place(tmp_path, [configured(terminal)]) as place:
            await until(lambda: _online(place))
            await terminal.power_off()
            await until(lambda: _is(place, "offline"))
            number = await order(place, "sync_time")
        async with running_place(tmp_path, [configured(terminal)]) as place:
            assert (await place.get(f"/v1/terminals/gate/jobs/{number}"))["state"] == "queued"
            await terminal.power_on()
            assert (await outcome(place, number))["state"] == "confirmed"
            assert abs(terminal.clock.drift) < timedelta(seconds=2)


async def test_what_was_sent_when_the_place_died_is_repeated_only_where_that_does_no_harm(tmp_path: Path) -> None:
    async with SimulatedTerminal(zone=CAIRO) as terminal:
        async with running_place(tmp_path, [configured(terminal)]) as place:
            await until(lambda: _online(place))
            await terminal.power_off()
            await until(lambda: _is(place, "offline"))
            numbers = [await order(place, "sync_time"), await order(place, "unlock")]
        connection = open_database(tmp_path / "place.sqlite3")
        connection.execute("UPDATE job SET state = 'sent'")
        connection.close()
        await terminal.power_on()
        async with running_place(tmp_path, [configured(terminal)]) as place:
            assert (await outcome(place, numbers[0]))["state"] == "confirmed"
            unlock = await outcome(place, numbers[1])
            assert (unlock["state"], "not known" in unlock["detail"]) == ("failed", True)


async def test_a_door_is_opened_now_or_not_at_all(tmp_path: Path) -> None:
    async with SimulatedTerminal(zone=CAIRO) as terminal:
        async with running_place(tmp_path, [configured(terminal)]) as place:
            await until(lambda: _online(place))
            assert await do(place, "unlock", seconds=3) == ("confirmed", "open for 3 s")
            await terminal.power_off()
            await until(lambda: _is(place, "offline"))
            number = await order(place, "unlock")
        connection = open_database(tmp_path / "place.sqlite3")
        connection.execute("UPDATE job SET expires_at = created_at WHERE number = ?", (number,))
        connection.close()
        await terminal.power_on()
        async with running_place(tmp_path, [configured(terminal)]) as place:
            assert (await outcome(place, number))["state"] == "timed_out"


async def test_a_terminal_that_says_no_fails_its_job_and_goes_on(tmp_path: Path) -> None:
    async with SimulatedTerminal(zone=CAIRO) as terminal:
        async with running_place(tmp_path, [configured(terminal)]) as place:
            await until(lambda: _online(place))
            await place.http.put("/v1/enrolments/gate/7", json={"name": "Amina", "password": "12345678"})
            terminal.memory.options["~Platform"] = "UNHEARD_OF"
            state, detail = await do(place, "push_users")
            assert (state, "12345678" in detail) == ("failed", False)
            await terminal.punch("1")
            await until(lambda: _holds(place, 1))


async def test_a_restart_is_confirmed_and_the_terminal_listened_to_again(tmp_path: Path) -> None:
    async with SimulatedTerminal(zone=CAIRO) as terminal:
        async with running_place(tmp_path, [configured(terminal)]) as place:
            await until(lambda: _online(place))
            assert await do(place, "restart") == ("confirmed", "it restarts")
            await until(lambda: _online(place))
            await terminal.punch("1")
            await until(lambda: _holds(place, 1))


@pytest.mark.parametrize(
    "body", [{}, {"kind": "explode"}, {"kind": "unlock", "seconds": 9999}, {"kind": "restart", "x": 1}]
)
async def test_an_order_that_is_none_is_refused(tmp_path: Path, body: dict[str, object]) -> None:
    async with SimulatedTerminal(zone=CAIRO) as terminal:
        async with running_place(tmp_path, [configured(terminal)]) as place:
            answer = await place.http.post("/v1/terminals/gate/jobs", json=body)
            assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid")
            unknown = await place.http.post("/v1/terminals/other/jobs", json={"kind": "restart"})
            assert (unknown.status_code, unknown.json()["code"]) == (404, "terminal.unknown")


async def test_people_are_put_on_a_terminal_only_when_asked_and_read_back(tmp_path: Path) -> None:
    guest = UserRecord(0, "99", "Guest")
    async with SimulatedTerminal(zone=CAIRO, users=[guest]) as terminal:
        async with running_place(tmp_path, [configured(terminal)]) as place:
            await until(lambda: _online(place))
            for pin, name in (("7", "أمينة حسن"), ("8", "রহিমা")):
                wish = {"name": name, "card": int(pin) * 1000, "password": "4711"}
                answer = await place.http.put(f"/v1/enrolments/gate/{pin}", json=wish)
                assert (answer.status_code, "4711" in answer.text, answer.json()["has_password"]) == (200, False, True)
            assert await _differences(place) == {"7": "missing", "8": "missing", "99": "foreign"}
            assert [user.user_id for user in terminal.memory.users] == ["99"]
            assert await do(place, "push_users") == ("confirmed", "2 written, 0 deleted")
            held = {user.user_id: user for user in terminal.memory.users}
            assert (held["7"].name, held["7"].card, held["7"].password) == ("أمينة حسن", 7000, "4711")
            assert await _differences(place) == {"99": "foreign"}
            await place.http.delete("/v1/enrolments/gate/8")
            assert await _differences(place) == {"8": "unwanted", "99": "foreign"}
            assert await do(place, "push_users") == ("confirmed", "0 written, 1 deleted")
            assert [user.user_id for user in terminal.memory.users] == ["99", "7"]
            assert [one["pin"] for one in await place.get("/v1/enrolments", terminal="gate")] == ["7"]
            assert await do(place, "push_users", delete_foreign=True) == ("confirmed", "0 written, 1 deleted")
            assert [user.user_id for user in terminal.memory.users] == ["7"]


@pytest.mark.parametrize(("profile", "stored"), [("tft", (2, 5, 0)), ("zk6", (0b10010,))])
async def test_times_of_access_of_the_desired_state_are_written_read_back_and_taken_away(
    tmp_path: Path, profile: str, stored: tuple[int, ...]
) -> None:
    async with SimulatedTerminal(profile=profile, zone=CAIRO) as terminal:
        async with running_place(tmp_path, [configured(terminal)]) as place:
            await until(lambda: _online(place))
            for zones, held, is_own in (([2, 5], stored, True), ([], (0,) * len(stored), False)):
                wish = {"name": "Amina", "zones": zones}
                assert (await place.http.put("/v1/enrolments/gate/7", json=wish)).status_code == 200
                assert set(await _differences(place)) == {"7"}
                assert await do(place, "push_users") == ("confirmed", "1 written, 0 deleted")
                (user,) = (one for one in terminal.memory.users if one.user_id == "7")
                assert (tuple(user.timezones), user.own_timezones) == (held, is_own)
                assert await _differences(place) == {}
            unmanaged = {"name": "Amina"}
            assert (await place.http.put("/v1/enrolments/gate/7", json=unmanaged)).json()["zones"] is None
            assert await _differences(place) == {}


async def test_a_list_is_cleared_only_when_every_row_is_safe_and_it_is_allowed(tmp_path: Path) -> None:
    async with SimulatedTerminal(zone=CAIRO, punches=past(40)) as terminal:
        async with running_place(tmp_path, [configured(terminal)]) as place:
            await until(lambda: _holds(place, 40))
            assert await _refusal(place) == "not allowed"
        for less, why in ({"gateway_key"}, "its key is not known"), ({"gateway_url"}, "has no gateway"):
            settings = {name: value for name, value in ALLOWED.items() if name not in less}
            async with running_place(tmp_path, [configured(terminal)], **settings) as place:
                await until(lambda: _online(place))
                assert await _refusal(place) == why
        async with running_place(tmp_path, [configured(terminal)], **ALLOWED) as place:
            await until(lambda: _online(place))
            assert await _refusal(place) == "has not cosigned"
        cosign(tmp_path, Cosigner(WITNESS.public.name, OTHER_KEY))
        async with running_place(tmp_path, [configured(terminal)], **ALLOWED) as place:
            await until(lambda: _online(place))
            assert await _refusal(place) == "does not verify"
        cosign(tmp_path, WITNESS)
        async with running_place(tmp_path, [configured(terminal)], **ALLOWED) as place:
            await until(lambda: _online(place))
            assert await do(place, "clear_log") == ("confirmed", "40 rows were cleared")
            assert terminal.memory.attlog_rows() == b""
            assert len(await place.punches()) == 40
            await terminal.punch("1")
            await until(lambda: _holds(place, 41))


def cosign(folder: Path, witness: Cosigner) -> None:
    """The checkpoints of a place that is down, as a gateway would have cosigned them."""
    connection = open_database(folder / "place.sqlite3")
    tree = SqliteTree(connection)
    for one in tree.checkpoints():
        bare = Note(one.note.text, one.note.signatures[:1])
        tree.keep_cosigned(one.size, bare.with_signature(witness.cosign(one.note.text, 1_780_000_000)))
    connection.close()


REFUSALS = ("not allowed", "its key is not known", "has no gateway", "has not cosigned", "does not verify")


async def _refusal(place: RunningPlace) -> str:
    """Which of the reasons a list was not cleared for."""
    state, detail = await do(place, "clear_log")
    assert state == "failed", detail
    return next((reason for reason in REFUSALS if reason in detail), detail)


async def test_rows_in_quarantine_keep_a_list_from_being_cleared(tmp_path: Path) -> None:
    bad = StoredPunch("2", TerminalTime.of(2026, 2, 31, 8, 0, 0))
    async with SimulatedTerminal(zone=CAIRO, punches=[*past(4), bad]) as terminal:
        async with running_place(tmp_path, [configured(terminal)], **ALLOWED) as place:
            await until(lambda: _holds(place, 4))
            state, detail = await do(place, "clear_log")
            assert (state, "quarantine" in detail) == ("failed", True)
            assert len(terminal.truth()) == 5


async def _differences(place: RunningPlace) -> dict[str, str]:
    page = await place.get("/v1/terminals/gate/differences")
    return {one["pin"]: one["kind"] for one in page["differences"]}


async def _holds(place: RunningPlace, count: int) -> bool:
    return len(await place.punches()) >= count


async def _is(place: RunningPlace, state: str) -> bool:
    return bool((await place.terminal("gate"))["state"] == state)


async def _online(place: RunningPlace) -> bool:
    return await _is(place, "online")
