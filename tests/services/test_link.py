"""Place and gateway with a line between them that can be cut."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from biometric_flow.api.gateway import GatewayPunch
from biometric_flow.ledger.note import Note, PublicKey
from biometric_flow.runtime.errors import FolderUnusable
from biometric_flow.zk.simulator.terminal import SimulatedTerminal
from biometric_flow.zk.wire.users import UserRecord
from tests.services.gateways import SECRETS, RunningGateway
from tests.services.places import RunningPlace, configured, running_place, until

CAIRO = ZoneInfo("Africa/Cairo")
PEOPLE = [UserRecord(0, str(pin), f"Person {pin}") for pin in range(1, 21)]


class Line:
    """A TCP line to an address; cut, it drops what it carries and takes no new connection."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._carried: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0
        self.dialled = 0
        """Connections that were made over it."""

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._carried):
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.dialled += 1
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        self._carried |= {writer, far_writer}
        with contextlib.suppress(OSError):
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        self._carried -= {writer, far_writer}


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def line_to(gateway: RunningGateway) -> AsyncIterator[Line]:
    line = Line(int(gateway.url.rsplit(":", 1)[1]))
    await line.mend()
    try:
        yield line
    finally:
        line.cut()


async def test_a_cut_line_delays_punches_and_loses_doubles_or_reorders_none(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    async with SimulatedTerminal(users=PEOPLE, zone=CAIRO) as terminal, line_to(gateway) as line:
        link = {"gateway_url": f"http://127.0.0.1:{line.port}", "gateway_credential": SECRETS["cairo"]}
        async with running_place(tmp_path, [configured(terminal)], upload_batch=20, **link) as place:
            await until(lambda: _link_is(place, "connected"))
            people = asyncio.create_task(_punch_for_ever(terminal))
            for _ in range(3):
                before = await gateway.count()
                await until(lambda before=before: _more_than(gateway, before + 20))
                line.cut()
                await until(lambda: _link_is(place, "unreachable"))
                await until(lambda: _backlog_over(place, 60))
                await line.mend()
            people.cancel()
            await until(lambda: _is_drained(place))
            arrived = await _all(gateway)
    truth = [(punch.pin, punch.time.text(), punch.state) for punch in terminal.truth()]
    distinct = list(dict.fromkeys(truth))
    in_order = sorted(arrived, key=lambda punch: punch.position)
    assert [(punch.pin, f"{punch.local_time:%Y-%m-%dT%H:%M:%S}", punch.state) for punch in in_order] == distinct


async def test_what_a_place_signs_is_cosigned_and_its_receipts_carry_both_signatures(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    link = {"gateway_url": gateway.url, "gateway_credential": SECRETS["cairo"]}
    async with (
        SimulatedTerminal(users=PEOPLE, zone=CAIRO) as terminal,
        running_place(tmp_path, [configured(terminal)], **link) as place,
    ):
        for pin in ("1", "2", "3"):
            await terminal.punch(pin)
        await until(lambda: _is_cosigned(place, 3))
        headers = {"Authorization": f"Bearer {gateway.token}"}
        witness = PublicKey.parse((await gateway.http.get("/v1/ledger/keys", headers=headers)).text.splitlines()[0])
        own = PublicKey.parse((await place.http.get("/v1/ledger/key")).text)
        named = {one.pin: one.id for one in (await gateway.client.punches(gateway.token)).items}
        for punch in await place.punches():
            of_place = (await place.http.get(f"/v1/punches/{punch['id']}/receipt")).text
            note = Note.parse(of_place.partition("\n\n")[2])
            note.verified_by(own)
            note.verified_by(witness)
            path = f"/v1/punches/{named[punch['pin']]}/receipt"
            assert (await gateway.http.get(path, headers=headers)).text == of_place


async def test_an_old_backup_put_back_is_found_and_takes_nothing_until_an_operator_decides(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    link = {"gateway_url": gateway.url, "gateway_credential": SECRETS["cairo"]}
    folder, backup = tmp_path / "place", tmp_path / "backup"
    async with SimulatedTerminal(users=PEOPLE, zone=CAIRO) as terminal:
        await terminal.punch("1")
        async with running_place(folder, [configured(terminal)], **link) as place:
            await until(lambda: _is_cosigned(place, 1))
        shutil.copytree(folder, backup)
        await terminal.punch("2")
        async with running_place(folder, [configured(terminal)], **link) as place:
            await until(lambda: _is_cosigned(place, 2))
        async with running_place(backup, [configured(terminal)], **link) as place:
            await until(lambda: _is_read_only(place))
            told = await place.get("/health")
            await terminal.punch("3")
            refused = await place.http.patch("/v1/terminals/gate", json={"name": "Front"})
            assert (refused.status_code, refused.json()["code"]) == (503, "ledger.halted")
            assert told["status"] == "degraded"
            assert "Keep this folder as evidence" in told["read_only"]
            head = told["head"]
        async with running_place(backup, [configured(terminal)]) as place:
            await until(lambda: _is_read_only(place))
            await asyncio.sleep(1)  # time in which a place that takes punches takes one
            assert (await place.get("/health"))["head"] == head, "it grew after a restart without its gateway"
        async with running_place(folder, [configured(terminal)], **link) as place:
            await until(lambda: _is_cosigned(place, 3))
    assert await gateway.count() == 3


async def test_two_places_that_exchange_their_folders_do_not_start(tmp_path: Path) -> None:
    async with SimulatedTerminal(users=PEOPLE, zone=CAIRO) as terminal:
        await terminal.punch("1")
        async with running_place(tmp_path, [configured(terminal)]) as place:
            await until(lambda: _has_punches(place))
    with pytest.raises(FolderUnusable, match="expected a leaf of place 'leeds', got 'cairo'"):
        async with running_place(tmp_path, place="leeds"):
            pass


async def test_a_place_works_alone_from_its_first_day(tmp_path: Path) -> None:
    async with SimulatedTerminal(users=PEOPLE, zone=CAIRO) as terminal:
        link = {"gateway_url": "http://127.0.0.1:9", "gateway_credential": SECRETS["cairo"]}
        async with running_place(tmp_path, [configured(terminal)], **link) as place:
            await until(lambda: _link_is(place, "unreachable"))
            await terminal.punch("4")
            await until(lambda: _has_punches(place))
            health = await place.get("/health")
    assert (health["status"], health["gateway"]) == ("degraded", "unreachable")
    assert health["backlog"] == health["head"] > 0


async def test_a_refused_credential_is_said(gateway: RunningGateway, tmp_path: Path) -> None:
    link = {"gateway_url": gateway.url, "gateway_credential": "another secret of the right length".ljust(43, "y")}
    async with running_place(tmp_path, **link) as place:
        await until(lambda: _link_is(place, "refused"))


async def _is_read_only(place: RunningPlace) -> bool:
    return bool((await place.get("/health"))["read_only"])


async def _is_cosigned(place: RunningPlace, count: int) -> bool:
    if len(await place.punches()) < count:
        return False
    answer = await place.http.get("/v1/ledger/checkpoint")
    head = (await place.get("/health"))["head"]
    return answer.text.startswith(f"biometric-flow/demo/cairo\n{head}\n") and "biometric-flow-gateway" in answer.text


async def _punch_for_ever(terminal: SimulatedTerminal) -> None:
    number = 0
    while True:
        await terminal.punch(str(1 + number % 20), state=number // 20 % 2)
        number += 1
        await asyncio.sleep(0.01)


async def _all(gateway: RunningGateway) -> list[GatewayPunch]:
    found: list[GatewayPunch] = []
    cursor = None
    while True:
        page = await gateway.client.punches(gateway.token, limit=1000, cursor=cursor)
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


async def _link_is(place: RunningPlace, state: str) -> bool:
    return bool((await place.get("/health"))["gateway"] == state)


async def _backlog_over(place: RunningPlace, count: int) -> bool:
    return bool((await place.get("/health"))["backlog"] > count)


async def _is_drained(place: RunningPlace) -> bool:
    health = await place.get("/health")
    return bool(health["backlog"] == 0 and health["gateway"] == "connected")


async def _more_than(gateway: RunningGateway, count: int) -> bool:
    return await gateway.count() > count


async def _has_punches_of(place: RunningPlace, count: int) -> bool:
    return len(await place.punches()) == count


async def _has_evidence(gateway: RunningGateway) -> bool:
    headers = {"Authorization": f"Bearer {gateway.token}"}
    return bool((await gateway.http.get("/v1/places/cairo/checkpoints/refused", headers=headers)).json())


async def _has_punches(place: RunningPlace) -> bool:
    return bool(await place.punches())


async def punches_arrive(gateway: RunningGateway, token: str, terminal: SimulatedTerminal) -> None:
    """A punch at Cairo's terminal reaches whoever listens to that place through a gateway."""
    headers = {"Authorization": f"Bearer {token}"}
    async with gateway.http.stream("GET", "/v1/places/cairo/stream", headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.aiter_lines()
        assert await asyncio.wait_for(anext(lines), 20) == ": connected"
        await terminal.punch("2")
        async with asyncio.timeout(30):
            async for said in lines:
                if said.startswith("data:") and '"pin":"2"' in said:
                    return
