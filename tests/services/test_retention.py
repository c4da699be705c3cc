"""What must stay and what must go at a place: policies by kind of data, legal holds, erasures that wait (E3, E4)."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from biometric_flow.cli import main
from biometric_flow.runtime.clock import SystemClock
from biometric_flow.zk.simulator.terminal import SimulatedTerminal
from tests.services.places import RunningPlace, configured, running_place, until
from tests.services.pushes import PushPlace, push_place, pushing
from tests.services.test_biometrics import agree
from tests.services.test_push_commands import configured_place
from tests.services.test_push_data import finger

AMINA = "87654321"
TODAY = datetime.now(UTC).date()


def row(pin: str, day: date, minute: int = 0) -> bytes:
    return f"{pin}\t{day} 08:{minute:02d}:00\t0\t1\n".encode()


def holding(**changes: object) -> dict[str, Any]:
    wanted = {"scope": "person", "who": AMINA, "reason": "claim 12/2026", "by": "counsel", "first_day": str(TODAY)}
    return {**wanted, **changes}


def rules(*given: dict[str, Any]) -> dict[str, Any]:
    return {"valid_from": "2026-01-01", "by": "privacy officer", "rules": list(given)}


def rule(data: str, **days: int) -> dict[str, Any]:
    return {"data": data, "because": f"the law on {data}", **days}


async def posted(place: PushPlace, path: str, body: dict[str, Any], status: int = 201) -> Any:
    answer = await place.http.post(path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


async def erase(place: PushPlace, pin: str = AMINA) -> dict[str, Any]:
    wanted = {"pin": pin, "reason": "request of 3 March", "by": "officer"}
    done: dict[str, Any] = await posted(place, "/v1/erasures", wanted, 200)
    return done


async def is_gone(place: PushPlace, pin: str = AMINA) -> bool:
    return (await place.http.get(f"/v1/people/{pin}/export")).status_code == 404


async def test_a_held_persons_hours_stay_with_the_reason_and_their_templates_go_at_once(tmp_path: Path) -> None:
    last = TODAY + timedelta(days=30)
    async with push_place(tmp_path, [pushing()], biometrics_are_kept=True, retention_look_seconds=0.1) as place:
        await place.upload("ATTLOG", row(AMINA, TODAY - timedelta(days=1)))
        await agree(place, AMINA)
        await place.upload("OPERLOG", finger(pin=AMINA).line().encode())
        hold = await posted(place, "/v1/holds", holding(last_day=str(last)))
        done = await erase(place)
        assert (done["erasure"], done["entries"], done["templates"]) == ("", 0, 1)
        told = {(one["data"], one["why"], one["until"]) for one in done["stays"]}
        assert told == {(data, "claim 12/2026", str(last)) for data in ("attendance", "identity")}
        held = (await place.http.get(f"/v1/people/{AMINA}/export")).json()
        assert (len(held["punches"]), held["templates"]) == (1, [])

        # The terminal still has to confirm that fingers are gone, and the erasure waits for that as for the hold.
        async def ordered() -> bool:
            return any(one["job"] for one in await place.get("/v1/biometrics/destructions"))

        await until(ordered)
        ended = await posted(place, f"/v1/holds/{hold['id']}/end", {"by": "counsel"}, 200)
        assert ended["ended_by"] == "counsel"
        again = await place.http.post(f"/v1/holds/{hold['id']}/end", json={"by": "counsel"})
        assert (again.status_code, again.json()["code"]) == (404, "privacy.hold_unknown")
        assert not await is_gone(place)


async def test_an_erasure_that_waits_for_a_hold_is_done_when_the_hold_ends_and_survives_a_restart(
    tmp_path: Path,
) -> None:
    async with push_place(tmp_path, [pushing()], retention_look_seconds=3600) as place:
        await place.upload("ATTLOG", row(AMINA, TODAY) + row("7", TODAY))
        everybody = holding(scope="everybody", who="")
        hold = await posted(place, "/v1/holds", everybody)
        assert {one["until"] for one in (await erase(place))["stays"]} == {None}
    async with push_place(tmp_path, [pushing()], retention_look_seconds=0.1) as place:
        assert [one["id"] for one in await place.get("/v1/holds", on=str(TODAY))] == [hold["id"]]
        assert not await is_gone(place)
        await posted(place, f"/v1/holds/{hold['id']}/end", {"by": "counsel"}, 200)
        await until(lambda: is_gone(place))
        assert not await is_gone(place, "7")
    files = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert AMINA.encode() not in files


async def test_a_duty_to_keep_holds_an_erasure_back_until_its_last_day(tmp_path: Path) -> None:
    async with push_place(tmp_path, [pushing()]) as place:
        day = TODAY - timedelta(days=10)
        await place.upload("ATTLOG", row(AMINA, day))
        await posted(place, "/v1/retention", rules(rule("attendance", at_least_days=730)))
        (stay,) = (await erase(place))["stays"]
        assert (stay["data"], stay["why"]) == ("attendance", "the law on attendance")
        assert stay["until"] == str(day + timedelta(days=730))
        await posted(place, "/v1/retention", rules(rule("attendance", at_least_days=5)))
        assert (await erase(place))["entries"] == 1


async def test_who_has_not_punched_for_as_long_as_the_policy_keeps_hours_is_erased_by_itself_and_nobody_held(
    tmp_path: Path,
) -> None:
    old = TODAY - timedelta(days=400)
    async with push_place(tmp_path, [pushing()], retention_look_seconds=0.1) as place:
        rows = row(AMINA, old) + row("7", old) + row("8", old) + row("8", TODAY) + row("9", old)
        await place.upload("ATTLOG", rows)
        await posted(place, "/v1/holds", holding(who="7"))
        wanted = {"name": "Nine", "privilege": 0}
        assert (await place.http.put("/v1/enrolments/door/9", json=wanted)).status_code < 300
        await posted(place, "/v1/retention", rules(rule("attendance", at_most_days=365)))
        await until(lambda: is_gone(place))
        assert [await is_gone(place, pin) for pin in ("7", "8", "9")] == [False, False, False]
        kinds = await place.get("/v1/ledger/entries", limit=1000)
        assert sum(not one["record"] for one in kinds["entries"]) == 1


async def test_holds_that_cannot_be_and_policies_that_contradict_themselves_are_refused(tmp_path: Path) -> None:
    async with push_place(tmp_path, [pushing()]) as place:
        await place.upload("ATTLOG", row(AMINA, TODAY))
        for body, status in (
            (holding(who="4711"), 404), (holding(scope="department", who="hr"), 404), (holding(who=""), 422),
            (holding(last_day="2020-01-01"), 422),
        ):  # fmt: skip
            assert (await place.http.post("/v1/holds", json=body)).status_code == status
        for one in (
            rule("attendance", at_least_days=10, at_most_days=5),
            rule("biometric", at_least_days=1),
            rule("technical", at_most_days=1),
        ):
            assert (await place.http.post("/v1/retention", json=rules(one))).status_code == 422
        assert await place.get("/v1/retention") == []


class TwoDaysLater(SystemClock):
    def now(self) -> datetime:
        return super().now() + timedelta(days=2)


async def test_a_terminal_that_does_not_confirm_for_a_day_stays_visible_until_it_does(tmp_path: Path) -> None:
    async with SimulatedTerminal() as machine:
        gate = configured(machine)
    async with running_place(tmp_path, [gate]) as place:
        await agree(place)  # type: ignore[arg-type]
        body = {"reason": "employment_ended", "recorded_by": "Mona"}
        assert (await place.http.post("/v1/people/7/release/end", json=body)).status_code == 202
        assert "templates_left" not in await findings(place)
    async with running_place(tmp_path, [gate], clock=TwoDaysLater(), destruction_look_seconds=0.1) as place:

        async def is_shown() -> bool:
            return "templates_left" in await findings(place)

        async def is_not_shown() -> bool:
            return not await is_shown()

        await until(is_shown)
        assert (await place.http.delete("/v1/terminals/gate/findings/templates_left")).status_code == 204
        await until(is_shown)
        async with SimulatedTerminal(port=gate.port):
            await until(is_not_shown)


async def findings(place: RunningPlace) -> set[str]:
    return {one["code"] for one in (await place.terminal("gate"))["findings"]}


async def test_holds_and_policies_are_placed_shown_and_ended_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_place(tmp_path / "data") as place:
        config, environment = configured_place(tmp_path, place.url)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)

        async def run(*words: str) -> tuple[int, str]:
            code = await asyncio.to_thread(main, ["privacy", *words, "--place", "cairo", "--config", str(config)])
            return code, capsys.readouterr().out

        because = ("--because", "the law", "--by", "officer")
        assert (await run("retention", "set", "attendance", "--at-least-days", "730", *because))[0] == 0
        code, told = await run("retention", "set", "identity", "--at-most-days", "90", *because)
        assert (code, "730 days" in told, "90 days" in told) == (0, True, True)
        code, told = await run("hold", "add", "--everybody", "--reason", "claim 12/2026", "--by", "counsel")
        assert (code, "everybody" in told) == (0, True)
        [hold] = await place.get("/v1/holds")
        assert (await run("hold", "end", hold["id"], "--by", "counsel"))[0] == 0
        code, told = await run("hold", "list")
        assert (code, hold["id"] in told, str(TODAY) in told) == (0, True, True)


async def test_what_terminals_were_told_goes_after_its_time_unless_somebody_is_held(tmp_path: Path) -> None:
    async with SimulatedTerminal() as machine:
        async with running_place(tmp_path, [configured(machine)]) as place:
            wanted = {"kind": "sync_time"}
            assert (await place.http.post("/v1/terminals/gate/jobs", json=wanted)).status_code == 202

            async def is_done() -> bool:
                return [one["state"] for one in await place.get("/v1/terminals/gate/jobs")] == ["confirmed"]

            await until(is_done)
    changes: dict[str, Any] = {"clock": TwoDaysLater(), "retention_look_seconds": 0.1}
    async with running_place(tmp_path, [configured(machine)], **changes) as place:
        hold = (await place.http.post("/v1/holds", json=holding(scope="everybody", who=""))).json()
        answer = await place.http.post("/v1/retention", json=rules(rule("identity", at_most_days=1)))
        assert answer.status_code == 201

        async def is_gone_now() -> bool:
            return await place.get("/v1/terminals/gate/jobs") == []

        assert not await is_gone_now()
        await place.http.post(f"/v1/holds/{hold['id']}/end", json={"by": "counsel"})
        await until(is_gone_now)
