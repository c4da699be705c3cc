"""The control port of a simulated terminal: one JSON object a line in, one out."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, Self

from biometric_flow.zk.simulator.faults import FaultKind
from biometric_flow.zk.simulator.memory import StoredPunch
from biometric_flow.zk.simulator.push import PushLink
from biometric_flow.zk.simulator.terminal import SimulatedTerminal, TerminalHeld
from biometric_flow.zk.wire.events import AlarmKind
from biometric_flow.zk.wire.timecode import TerminalTime
from biometric_flow.zk.wire.users import UserRecord

_LINE_MAX: Final = 64 * 1024
_ANSWER_MAX: Final = 256 * 1024 * 1024
_STOP_SECONDS: Final = 0.5
_FAULT_WORDS: Final = ", ".join(FaultKind)

Answer = dict[str, Any]


class ControlPort:
    """Makes things happen at a simulated terminal; see docs/zk.md for the verbs. Anybody who reaches it may use it."""

    def __init__(
        self,
        terminal: SimulatedTerminal,
        stop: Callable[[], None],
        host: str = "127.0.0.1",
        port: int = 0,
        push: PushLink | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self._terminal = terminal
        self._push = push
        self._stop = stop
        self._server: asyncio.Server | None = None
        self._clients: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._welcome, self.host, self.port, limit=_LINE_MAX)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for client in self._clients:
            client.transport.abort()
        if self._clients:
            await asyncio.wait(self._clients.values(), timeout=_STOP_SECONDS)

    def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients[writer] = asyncio.create_task(self._serve(reader, writer), name="simulator-control")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError, ValueError):  # ValueError: a line longer than the limit
                while line := await reader.readline():
                    writer.write(json.dumps(await self._answer(line)).encode() + b"\n")
                    await writer.drain()
        finally:
            del self._clients[writer]
            writer.close()

    async def _answer(self, line: bytes) -> Answer:
        try:
            request = json.loads(line)
            if not isinstance(request, dict):
                raise ValueError("expected a JSON object")
            verb = _VERBS.get(str(request.get("do")))
            if verb is None:
                raise ValueError(f"expected do to be one of {', '.join(_VERBS)}, got {request.get('do')!r}")
            return {"ok": True, **await verb(self, request)}
        except (ValueError, TypeError, KeyError, RecursionError, TerminalHeld, OSError) as problem:
            return {"ok": False, "error": f"{type(problem).__name__}: {problem}"}

    async def _punch(self, request: Answer) -> Answer:
        at = request.get("at")
        punch = await self._terminal.punch(
            str(request["pin"]),
            state=int(request.get("state", 0)),
            verify=int(request.get("verify", 1)),
            work_code=int(request.get("work_code", 0)),
            at=None if at is None else TerminalTime.from_text(str(at)),
        )
        return {"time": punch.time.text(), "rows": len(self._terminal.memory.punches)}

    async def _truth(self, request: Answer) -> Answer:
        after = int(request.get("after", 0))
        rows = self._terminal.truth()
        return {"serial": self._terminal.memory.serial, "count": len(rows), "rows": [_row(row) for row in rows[after:]]}

    async def _state(self, _request: Answer) -> Answer:
        terminal = self._terminal
        return {
            "serial": terminal.memory.serial,
            "profile": terminal.memory.profile.name,
            "port": terminal.port,
            "time": terminal.clock.read().text(),
            "rows": len(terminal.memory.punches),
            "users": len(terminal.memory.users),
            "connections": terminal.connections,
            "held": terminal.is_held,
        }

    async def _enrol(self, request: Answer) -> Answer:
        pin = str(request["pin"])
        user = UserRecord(0, pin, str(request.get("name", "")), card=int(request.get("card", 0)))
        return {"uid": self._terminal.memory.enrol(pin, user).uid}

    async def _ring(self, request: Answer) -> Answer:
        kind = AlarmKind(str(request.get("kind", "tamper")))
        self._terminal.ring(kind, is_logged=bool(request.get("logged", True)), is_told=bool(request.get("told", True)))
        return {}

    async def _live(self, request: Answer) -> Answer:
        self._terminal.live(float(request.get("every", 0)))
        return {}

    async def _fault(self, request: Answer) -> Answer:
        terminal, kind = self._terminal, str(request.get("kind"))
        match kind:
            case "clear":
                terminal.faults.clear()
            case "drift":
                terminal.clock.drift = timedelta(seconds=float(request["seconds"]))
            case "serial":
                terminal.memory.options["~SerialNumber"] = str(request["value"])
            case "bad_row":
                await terminal.punch(str(request.get("pin", "1")), at=TerminalTime.of(2024, 2, 31, 12))
            case _ if kind.startswith("push_") and self._push is not None:
                times = request.get("times")
                self._push.fault(kind, None if times is None else int(times))
            case "unreadable_row":
                terminal.memory.spoil()
            case _ if kind in set(FaultKind):
                times = request.get("times")
                await terminal.fault(
                    kind,
                    times=None if times is None else int(times),
                    seconds=float(request.get("seconds", 0)),
                    value=request.get("value", ""),
                )
            case _:
                raise ValueError(
                    f"expected kind to be clear, drift, serial, bad_row, unreadable_row, {_FAULT_WORDS}, got {kind!r}"
                )
        return {}

    async def _end(self, _request: Answer) -> Answer:
        asyncio.get_running_loop().call_soon(self._stop)
        return {}


_VERBS: Final = {
    "punch": ControlPort._punch,
    "truth": ControlPort._truth,
    "state": ControlPort._state,
    "enrol": ControlPort._enrol,
    "live": ControlPort._live,
    "ring": ControlPort._ring,
    "fault": ControlPort._fault,
    "stop": ControlPort._end,
}


async def ask_control(host: str, port: int, request: Answer, seconds: float = 10.0) -> Answer:
    """Send one request to a control port and give its answer.

    Raises OSError when nobody answers there or the connection ends, TimeoutError after `seconds`.
    """
    async with asyncio.timeout(seconds):
        reader, writer = await asyncio.open_connection(host, port, limit=_ANSWER_MAX)
        try:
            writer.write(json.dumps(request).encode() + b"\n")
            line = await reader.readline()
        finally:
            writer.close()
    if not line.endswith(b"\n"):
        raise ConnectionError(f"expected an answer of the control port {port}, the connection ended")
    answer: Answer = json.loads(line)
    return answer


def _row(punch: StoredPunch) -> list[str | int]:
    return [punch.pin, punch.time.text(), punch.verify, punch.state, punch.work_code]
