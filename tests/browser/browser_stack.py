"""A gateway and a dashboard as processes, places that upload real ledger entries, and a browser's moves."""

import asyncio
import contextlib
import hashlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx2
from playwright.async_api import Page

from biometric_flow.api.clients import GatewayError, UplinkClient
from biometric_flow.api.gateway import PlaceReport
from biometric_flow.api.place import Capacity, LedgerEntry, TerminalView
from biometric_flow.ledger.chain import EMPTY, Head, seal
from biometric_flow.ledger.events import Event, PersonEnrolled, PunchRecorded
from biometric_flow.model.ids import Pin, PlaceId, TenantId, TerminalSerial
from biometric_flow.model.punch import Channel, Punch, clock_text, punch_id
from biometric_flow.model.terminal import TerminalState

EMAIL, PASSWORD = "amina@example.com", "a long sentence for tests"
TENANT = TenantId("nile")
RIVAL_EMAIL, RIVAL = "boss@rival.example.com", TenantId("rival")
"""Another customer in the same processes."""
KEY = bytes(range(32))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def until(fact: Callable[[], Awaitable[object]], seconds: float = 60.0, what: str = "the fact") -> None:
    """Wait for a fact, with a deadline."""
    end = time.monotonic() + seconds
    while not await fact():
        assert time.monotonic() < end, f"{what} did not come true within {seconds:g} s"
        await asyncio.sleep(0.05)


async def sign_in(page: Page, base: str, email: str = EMAIL, password: str = PASSWORD) -> None:
    """Fill in the form like a person does, and arrive on the page that was asked for."""
    if "/sign-in" not in page.url:
        await page.goto(f"{base}/sign-in")
    await page.fill("#email", email)
    await page.fill("#password", password)
    await page.click("button[type=submit]")


@dataclass
class Process:
    """`biometric-flow <name>` as people start it, on a free port."""

    name: str
    port: int
    config: Path
    environment: dict[str, str]
    running: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        command = [sys.executable, "-m", "biometric_flow.cli", self.name, "--config", str(self.config)]
        prefix = f"BIOMETRIC_FLOW_{self.name.upper()}_"
        settings = {prefix + key: value for key, value in {**self.environment, "PORT": str(self.port)}.items()}
        with (self.config / f"{self.name}.log").open("ab") as log:
            self.running = subprocess.Popen(command, env={**os.environ, **settings}, stdout=log, stderr=log)
        await until(self._answers, 120, f"{self.name} serving")

    async def _answers(self) -> bool:
        assert self.running is not None
        assert self.running.poll() is None, (self.config / f"{self.name}.log").read_text()[-2000:]
        with contextlib.suppress(httpx2.HTTPError):
            async with httpx2.AsyncClient(trust_env=False) as http:
                answer = await http.get(f"{self.url}/health", timeout=1)
                return bool(answer.json()["status"] == "ok")
        return False

    async def stop(self) -> None:
        if self.running is not None:
            self.running.send_signal(signal.SIGTERM)
            await asyncio.to_thread(self.running.wait, 60)
            self.running = None


@dataclass
class UploadingPlace:
    """A place as the gateway sees one: a ledger that grows, and a report every second."""

    id: str
    name: str
    zone: ZoneInfo
    credential: str
    gateway: Process
    terminals: list[TerminalView]
    tenant: TenantId = TENANT
    head: Head = EMPTY
    is_silent: bool = False
    sent: list[PunchRecorded] = field(default_factory=list)

    async def append(self, events: Iterable[Event]) -> None:
        """Seal and upload."""
        entries = []
        after = self.head.sequence
        for event in events:
            entry = seal(PlaceId(self.id), self.head, "2026-11-22", event, KEY)
            self.head = Head(entry.sequence, entry.hash)
            entries.append(
                LedgerEntry.model_construct(
                    sequence=entry.sequence, leaf=entry.leaf, record=entry.record, opening=entry.opening
                )
            )
        uplink = UplinkClient(self.gateway.url, self.id, self.credential)
        try:
            while entries:
                held = await uplink.upload(after, entries[:1000])
                entries, after = entries[held - after :], held
        finally:
            await uplink.close()

    async def punch(self, pin: str, moment: datetime | None = None, state: int = 0, verify: int = 1) -> PunchRecorded:
        """One person touches a terminal now."""
        event = PunchRecorded(self.make(pin, moment or datetime.now(UTC), state, verify))
        await self.append([event])
        return event

    def make(self, pin: str, moment: datetime, state: int, verify: int = 1, terminal: int | None = None) -> Punch:
        instant = moment.replace(microsecond=0)
        local = instant.astimezone(self.zone).replace(tzinfo=None)
        serial = TerminalSerial(self.terminals[int(pin) % len(self.terminals)].serial)
        return Punch(
            id=punch_id(self.tenant, serial, Pin(pin), clock_text(local), state),
            terminal=serial,
            pin=Pin(pin),
            local_time=local,
            instant=instant,
            state=state,
            verify=verify,
            work_code=0,
            drift=timedelta(milliseconds=1200),
            received_at=instant + timedelta(seconds=1),
            channel=Channel.LIVE,
        )

    async def keep_reporting(self) -> None:
        """Until cancelled, once a second unless silent."""
        while True:
            if not self.is_silent:
                with contextlib.suppress(GatewayError):
                    await self.report()
            await asyncio.sleep(1)

    async def report(self) -> None:
        """Say how the place is, now."""
        uplink = UplinkClient(self.gateway.url, self.id, self.credential)
        now = datetime.now(UTC)
        terminals = [
            each.model_copy(update={"last_contact": now} if each.state is TerminalState.ONLINE else {})
            for each in self.terminals
        ]
        try:
            await uplink.report(PlaceReport(sent_at=now, head=self.head.sequence, version="test", terminals=terminals))
        finally:
            await uplink.close()

    async def set_state(self, key: str, state: TerminalState, reason: str = "") -> None:
        """One terminal changes, and the gateway is told at once, as a place does."""
        self.terminals = [
            each.model_copy(update={"state": state, "reason": reason, "state_since": datetime.now(UTC)})
            if each.key == key
            else each
            for each in self.terminals
        ]
        await self.report()


@dataclass
class Stack:
    """Everything that runs."""

    gateway: Process
    dashboard: Process
    places: dict[str, UploadingPlace]
    rival: UploadingPlace
    """The one place of another tenant."""

    @property
    def url(self) -> str:
        return self.dashboard.url


def people(place: str) -> list[str]:
    return {
        "cairo": ["Amina Hassan", "محمد علي", "Youssef Adel", "Mona Farid", "Karim Nabil", "Salma Tarek"],
        "dhaka": ["Nadia Islam", "Rahim Uddin", "Farhana Akter", "Tanvir Ahmed"],
        "lisbon": ["Rui Tavares", "Sofia Marques", "João Pinto"],
        "oslo": ["Zebulon Quark", "Ingrid Solheim"],
    }[place]


def history(place: UploadingPlace, now: datetime, days: int = 29) -> list[Event]:
    """Enrolled people, and weeks of ordinary days up to a few minutes ago: in at about eight, out at about five."""
    names = people(place.id)
    events: list[Event] = [
        PersonEnrolled(
            TerminalSerial(place.terminals[0].serial), Pin(str(n)), n, name, 0, 0, now - timedelta(days=days)
        )
        for n, name in enumerate(names, 1)
    ]
    punches: list[Punch] = []
    for ago in range(days, -1, -1):
        day = (now - timedelta(days=ago)).astimezone(place.zone).replace(hour=0, minute=0, second=0, microsecond=0)
        for n in range(1, len(names) + 1):
            if (n + ago) % 7 == 0:
                continue
            start = day + timedelta(hours=7, minutes=40 + (n * 7 + ago * 3) % 55)
            stop = day + timedelta(hours=16, minutes=30 + (n * 11 + ago * 5) % 70)
            punches.append(place.make(str(n), start, 0, verify=(1, 15, 4)[n % 3]))
            punches.append(place.make(str(n), stop, 1, verify=(1, 15, 4)[n % 3]))
    past = [punch for punch in punches if punch.instant < now - timedelta(minutes=3)]
    return [*events, *(PunchRecorded(punch) for punch in sorted(past, key=lambda punch: punch.instant))]


def terminal(place: str, number: int, name: str) -> TerminalView:
    now = datetime.now(UTC)
    return TerminalView(
        key=f"{place}-{number}",
        name=name,
        host=f"10.0.{number}.7",
        port=4370,
        is_enabled=True,
        state=TerminalState.ONLINE,
        state_since=now - timedelta(hours=30 + number),
        serial=f"{place[:3].upper()}A20{number}2345",
        model="SpeedFace-V5L",
        firmware="Ver 6.60 Oct 26 2019",
        platform="ZMM220_TFT",
        last_contact=now,
        drift_ms=1200,
        has_comm_key=True,
        capacity=Capacity(users=52, users_limit=3000, punches=2410, punches_limit=100_000),
    )


@contextlib.asynccontextmanager
async def running_stack(folder: Path) -> AsyncIterator[Stack]:
    """A gateway with three places of weeks of history, and a dashboard in front of it."""
    where = {
        "cairo": ("Cairo head office", "Africa/Cairo", ["Main gate", "Back gate"]),
        "dhaka": ("Dhaka plant 2", "Asia/Dhaka", ["Factory door", "Canteen"]),
        "lisbon": ("Lisbon store", "Europe/Lisbon", ["Shop door"]),
        "oslo": ("Oslo vault", "Europe/Oslo", ["Vault door"]),
    }
    gateway = Process(
        "gateway",
        free_port(),
        folder,
        {
            "DATA": str(folder / "gateway"),
            "ADMIN_EMAIL": EMAIL,
            "ADMIN_PASSWORD": PASSWORD,
            "REPORT_LIMIT_SECONDS": "3",
            "ACCESS_SECONDS": "45",
            "DEMO": "true",
        },
    )
    dashboard = Process("dashboard", free_port(), folder, {"GATEWAY_URL": gateway.url})
    places = {
        key: UploadingPlace(
            key,
            name,
            ZoneInfo(zone),
            secrets.token_urlsafe(32),
            gateway,
            [terminal(key, number, each) for number, each in enumerate(terminals, 1)],
            RIVAL if key == "oslo" else TENANT,
        )
        for key, (name, zone, terminals) in where.items()
    }
    listed: list[dict[str, Any]] = [
        {
            "id": place.id,
            "tenant": place.tenant,
            "name": place.name,
            "zone": str(place.zone),
            "port": 20000 + index,
            "credential_sha256": hashlib.sha256(place.credential.encode()).hexdigest(),
        }
        for index, place in enumerate(places.values())
    ]
    text = json.dumps(
        {"tenants": [{"id": TENANT, "name": "Nile Textiles"}, {"id": RIVAL, "name": "Rival Bank"}], "places": listed}
    )
    (folder / "places.json").write_text(text, "utf-8")
    rival = places.pop("oslo")
    reporters: list[asyncio.Task[None]] = []
    try:
        await asyncio.gather(_with_rival(gateway), dashboard.start())
        now = datetime.now(UTC)
        for place in (*places.values(), rival):
            await place.append(history(place, now))
            reporters.append(asyncio.create_task(place.keep_reporting()))
        yield Stack(gateway, dashboard, places, rival)
    finally:
        for task in reporters:
            task.cancel()
        await asyncio.gather(*reporters, return_exceptions=True)
        await dashboard.stop()
        await gateway.stop()


async def _with_rival(gateway: Process) -> None:
    """Start it once for the first account of the other tenant, and then for good."""
    own = gateway.environment
    gateway.environment = {**own, "ADMIN_EMAIL": RIVAL_EMAIL, "ADMIN_TENANT": RIVAL}
    await gateway.start()
    await gateway.stop()
    gateway.environment = own
    await gateway.start()


def named(place: UploadingPlace, pin: str, name: str) -> PersonEnrolled:
    """A person as a terminal of this place knows them."""
    serial = TerminalSerial(place.terminals[0].serial)
    return PersonEnrolled(serial, Pin(pin), int(pin), name, 0, 0, datetime.now(UTC))
