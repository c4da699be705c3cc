"""Examining a terminal: connects, and asks everything that can be asked without harm."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Final

from biometric_flow.zk.bulk import prepare, read_window
from biometric_flow.zk.capture import Capture
from biometric_flow.zk.channel import Channel
from biometric_flow.zk.doctor import entrance, verdicts
from biometric_flow.zk.doctor.checks import SURE, Sample, attendance_candidates, user_candidates
from biometric_flow.zk.doctor.family import description_of
from biometric_flow.zk.doctor.report import Finding, Report, Severity, ok
from biometric_flow.zk.doctor.segment import routes_of_this_machine, segment
from biometric_flow.zk.errors import TerminalUnreachable, ZkError
from biometric_flow.zk.recorder import Recorder
from biometric_flow.zk.sign_in import intact, sign_in
from biometric_flow.zk.terminal import DEFAULT_PORT, Terminal, Transport
from biometric_flow.zk.wire.capacity import Capacity
from biometric_flow.zk.wire.commands import Command
from biometric_flow.zk.wire.events import AttendanceEvent
from biometric_flow.zk.wire.records import ATTLOG_LAYOUTS, AttlogLayout
from biometric_flow.zk.wire.transfer import ATTLOG, USERS, BulkSource, Prepared
from biometric_flow.zk.wire.users import USER_LAYOUTS, UserLayout

_SAMPLE_BYTES: Final = 0xFFC0
_LENGTH: Final = 4
_UDP_SECONDS: Final = 3.0


async def examine(
    host: str,
    port: int = DEFAULT_PORT,
    *,
    now: Callable[[], datetime],
    comm_key: int = 0,
    timeout: float = 10.0,  # noqa: ASYNC109 - the deadline of connecting and of each question
    encoding: str = "utf-8",
    transport: Transport | str = Transport.AUTO,
    touch_seconds: float = 0,
    on_waiting: Callable[[], None] = lambda: None,
) -> Report:
    """Connect, ask, report. Whatever goes wrong is a finding; only arguments that cannot be right raise.

    `transport` is as in `open_terminal`. `now` gives naive local time, whole seconds, where the terminal hangs. With
    `touch_seconds` it waits that long for somebody to punch, after `on_waiting` was called. Nothing is written; people
    cannot punch for the moments of two samples.
    """
    examination = _Examination(Report(host, port, ()), now, timeout, encoding)
    reached = await examination.reach(Transport(transport))
    if reached is None:
        return examination.report
    channel, over = reached
    channel.connection = recorder = Recorder(encoding, is_stream=over == Transport.TCP)
    patient = _Patient(channel, timeout, encoding)
    try:
        if await examination.enter(patient, channel, comm_key):
            await examination.question(patient)
            if patient.is_open and touch_seconds > 0:
                await examination.touch(patient, touch_seconds, on_waiting)
            examination.found(verdicts.oddities(patient.oddities))
    finally:
        await patient.close()
    return _with_capture(examination.report, recorder)


class _Patient(Terminal):
    """A terminal of whose lists the beginning is enough."""

    async def sample(self, source: BulkSource, count: int) -> Sample | None:
        """The beginning of a list, None when it is empty. Raises what any operation raises."""
        async with self._locked_terminal(f"reading a sample of {source.title}", 3 * self._timeout):
            head, size = await self._beginning(source, count)
        if size <= _LENGTH or len(head) <= _LENGTH:
            return None
        return Sample(head[_LENGTH:], size - _LENGTH, int.from_bytes(head[:_LENGTH], "little"), count)

    async def _beginning(self, source: BulkSource, count: int) -> tuple[bytes, int]:
        """The first bytes of an answer, and how many it has."""
        first = await prepare(self._channel, source, count)
        if not isinstance(first, Prepared):
            return bytes(first), len(first)
        window = await read_window(self._channel, source, 0, min(first.size, _SAMPLE_BYTES))
        return bytes(window), first.size


class _Examination:
    """A report that grows."""

    def __init__(self, report: Report, now: Callable[[], datetime], seconds: float, encoding: str) -> None:
        self.report = report
        self._now = now
        self._seconds = seconds
        self._encoding = encoding

    def found(self, findings: Iterable[Finding]) -> None:
        """Add to the report."""
        self._know(findings=(*self.report.findings, *findings))

    async def reach(self, transport: Transport) -> tuple[Channel, Transport] | None:
        """A connection and what carries it, or the finding why there is none."""
        self.found(entrance.address(self.report.host))
        self.found(segment(self.report.host, routes_of_this_machine()))
        over = Transport.UDP if transport == Transport.UDP else Transport.TCP
        opened = await self._open(over)
        is_refused = isinstance(opened, Finding) and opened.code == "reach.refused"
        if is_refused and transport == Transport.AUTO and await self._answers_datagrams():
            over = Transport.UDP
            opened = await self._open(over)
        if isinstance(opened, Finding):
            self.found([opened])
            return None
        self._know(transport=over)
        self.found([entrance.reached(self._where, over)])
        return opened, over

    async def _open(self, over: Transport) -> Channel | Finding:
        host, port = self.report.host, self.report.port
        try:
            async with asyncio.timeout(self._seconds):
                return await Channel.open(host, port, self._encoding, is_stream=over == Transport.TCP)
        except TimeoutError:
            return entrance.no_answer(self._where, self._seconds)
        except TerminalUnreachable as why:
            return entrance.unreachable(self._where, host, why)

    async def _answers_datagrams(self) -> bool:
        """Whether something speaks the protocol over UDP, as terminals did that know no TCP."""
        channel = await self._open(Transport.UDP)
        if isinstance(channel, Finding):
            return False
        try:
            async with asyncio.timeout(min(self._seconds, _UDP_SECONDS)):
                await channel.ask(Command.CONNECT, b"", intact)
        except (TimeoutError, ZkError):
            return False
        finally:
            channel.abort((Command.EXIT,))
        return True

    @property
    def _where(self) -> str:
        return f"{self.report.host} port {self.report.port}"

    async def enter(self, patient: Terminal, channel: Channel, comm_key: int) -> bool:
        """Sign in; whether that worked."""
        try:
            async with asyncio.timeout(self._seconds):
                asked = patient.asked_for_comm_key = await sign_in(channel, comm_key)
        except TimeoutError:
            self.found([entrance.silence(self._seconds)])
            return False
        except ZkError as why:
            self.found([entrance.not_entered(why, comm_key)])
            return False
        self._know(asked_for_comm_key=asked)
        self.found([entrance.key(asked, comm_key)])
        return True

    async def question(self, patient: _Patient) -> None:
        """Ask everything; a question that fails is a finding, and after a lost connection nothing more is asked."""
        steps: tuple[tuple[str, Callable[[_Patient], Awaitable[None]]], ...] = (
            ("identity", self._identity),
            ("state", self._state),
            ("clock", self._clock),
            ("capacity", self._capacity),
            ("family", self._family),
            ("users", self._users),
            ("attendance", self._attendance),
            ("events", self._events),
        )
        for about, step in steps:
            try:
                await step(patient)
            except ZkError as why:
                self.found([verdicts.failed(about, why)])
                if not patient.is_open:
                    return

    async def touch(self, patient: Terminal, seconds: float, on_waiting: Callable[[], None]) -> None:
        """Wait for somebody to punch."""
        on_waiting()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        try:
            while (left := deadline - loop.time()) > 0:
                event = await patient.next_event(left)
                if isinstance(event, AttendanceEvent):
                    text = f"a punch arrived as it happened, in {len(event.raw)} bytes"
                    self.found([ok("events.seen", text)])
                    return
        except ZkError as why:
            self.found([verdicts.failed("events", why)])
            return
        self.found([verdicts.no_event(seconds)])

    async def _identity(self, patient: _Patient) -> None:
        self._know(info=(told := await patient.info()))
        self.found(verdicts.identity(told))

    async def _state(self, patient: _Patient) -> None:
        self.found(verdicts.state(await patient.state()))

    async def _clock(self, patient: _Patient) -> None:
        time, now = await patient.time(), self._now()
        self._know(time=time, drift_seconds=verdicts.drift_seconds(time, now) if time.is_possible else None)
        self.found(verdicts.clock(time, now))

    async def _capacity(self, patient: _Patient) -> None:
        self._know(capacity=(held := await patient.capacity()))
        self.found(verdicts.capacity(held))

    async def _family(self, patient: _Patient) -> None:
        if self.report.info is None:
            return
        described = await description_of(patient, self.report.info, self.report.capacity or Capacity())
        self._know(description=described)
        self.found(verdicts.family(described))

    async def _users(self, patient: _Patient) -> None:
        sample = await patient.sample(USERS, (self.report.capacity or Capacity()).users)
        candidates = user_candidates(sample, self._encoding) if sample else []
        self._know(user_layouts=tuple(candidates))
        self.found(verdicts.users(sample, candidates, self._encoding))

    async def _attendance(self, patient: _Patient) -> None:
        sample = await patient.sample(ATTLOG, (self.report.capacity or Capacity()).attlog_rows)
        candidates = attendance_candidates(sample) if sample else []
        self._know(attendance_layouts=tuple(candidates))
        self.found(verdicts.attendance(sample, candidates, self._now()))
        self.found(verdicts.unusual(self.report.description, self.report.user_layouts, candidates))

    async def _events(self, patient: _Patient) -> None:
        await patient.listen()
        self.found([ok("events.ready", "it takes a client that listens to punches as they happen")])

    def _know(self, **more: object) -> None:
        self.report = dataclasses.replace(self.report, **more)  # type: ignore[arg-type]


def _with_capture(report: Report, recorder: Recorder) -> Report:
    """The report with its traffic; rows keep what a layout names only where that layout is sure."""
    layouts: dict[int, AttlogLayout | UserLayout] = {}
    users, punches = report.user_layouts, report.attendance_layouts
    if users and users[0].is_possible and users[0].plausible >= SURE:
        layouts[Command.READ_USERS] = USER_LAYOUTS[users[0].name]
    if punches and punches[0].is_possible and punches[0].plausible >= SURE:
        layouts[Command.READ_ATTLOG] = ATTLOG_LAYOUTS[punches[0].name]
    codes = " ".join(one.code for one in report.findings if one.severity != Severity.OK)
    return dataclasses.replace(report, capture=Capture.masked(recorder.exchanges, layouts, codes))
