"""A simulated terminal that dials: both push protocols over the memory, clock and control port of the same terminal."""

import asyncio
import contextlib
import hashlib
from dataclasses import dataclass, replace
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final, Self
from urllib.parse import quote

from biometric_flow.zk.errors import ProtocolViolation
from biometric_flow.zk.push import commands
from biometric_flow.zk.push.attlog import encode_attlog
from biometric_flow.zk.push.command_lines import read_command
from biometric_flow.zk.push.handshake import read_terms, read_timezone_option, session_token
from biometric_flow.zk.push.options import PollInfo
from biometric_flow.zk.push.people import PushedUser
from biometric_flow.zk.push.realtime import RealtimeEvent
from biometric_flow.zk.push.results import CommandResult, encode_result
from biometric_flow.zk.push.text import Fields, PushProtocol
from biometric_flow.zk.simulator.dial import Reply, Server
from biometric_flow.zk.simulator.memory import StoredPunch, TerminalMemory
from biometric_flow.zk.simulator.push_faults import PushFault, PushFaults
from biometric_flow.zk.simulator.push_orders import CANNOT_FETCH, NO_SPACE, UNKNOWN, obey, templates_of
from biometric_flow.zk.simulator.push_uploads import Told, body_of
from biometric_flow.zk.simulator.terminal import SimulatedTerminal
from biometric_flow.zk.wire.records import AttlogRecord
from biometric_flow.zk.wire.timecode import TerminalTime
from biometric_flow.zk.wire.users import UserRecord

BATCH: Final = 100
"""Punches of one upload."""

_LOOK_SECONDS: Final = 0.02
_GRANTED: Final = 0
_REFUSED: Final = 23


@dataclass(frozen=True, slots=True)
class Refusal:
    """Somebody whom a door did not let in."""

    pin: str
    time: TerminalTime
    event: int = _REFUSED


class PushLink:
    """Dials a server for a simulated terminal, for ever: greets, uploads what waits, fetches and does commands.

    A punch counts as uploaded only after the server's positive answer. `poll` is the time between two requests for
    commands; without it the server's word holds.
    """

    def __init__(
        self,
        terminal: SimulatedTerminal,
        url: str,
        protocol: PushProtocol | str = PushProtocol.ATTENDANCE,
        *,
        poll: float | None = None,
        version: str = "2.4.1",
        sets_clock: bool = False,
    ) -> None:
        self.terminal = terminal
        self.protocol = PushProtocol(protocol)
        self.uploaded = 0
        """Punches that the server has confirmed, or that `push_lose` has dropped."""
        self.options = Fields({})
        """What the server asked for in its last handshake."""
        self.done: list[str] = []
        """Commands that were carried out, as they came."""
        self.refusals: list[Refusal] = []
        self.telling: list[Told] = []
        """What was told and the server has not confirmed."""
        self._server = Server(url)
        self._poll = poll
        self._version = version
        self._sets_clock = sets_clock
        self._faults = PushFaults()
        self._known: list[UserRecord] = []
        self._token = ""
        self._is_greeted = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="simulator-push")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @property
    def waiting(self) -> int:
        """Punches that the server has not confirmed."""
        return len(self.terminal.memory.punches) - self.uploaded

    def refuse(self, pin: str) -> None:
        """A door does not let somebody in, who is known all the same."""
        self.refusals.append(Refusal(pin, self.terminal.clock.read()))

    def tell(self, *told: Told) -> None:
        """Upload this with the next round, until the server says yes. What the protocol has no form for is left out."""
        self.telling += told

    def fault(self, kind: PushFault | str, times: int | None = None) -> None:
        """Misbehave; `push_clear` ends it. Raises ValueError for an unknown kind."""
        self._faults.put(kind, times)

    async def _run(self) -> None:
        while True:
            try:
                if not self._faults.has(PushFault.OFFLINE):
                    await self._once()
                await self._rest(self._pause())
            except (OSError, TimeoutError):
                # The line failed: what waits stays, and is sent again.
                await self._rest(min(0.2, self._pause()))

    async def _once(self) -> None:
        if not self._is_greeted:
            await self._greet()
        if not self._is_greeted:
            return
        await self._send_people()
        await self._send_punches()
        await self._send_refusals()
        await self._send_told()
        await self._fetch()

    async def _greet(self) -> None:
        memory = self.terminal.memory
        query = f"cdata?SN={memory.serial}&options=all&language=69&pushver={self._version}"
        if self.protocol is PushProtocol.SECURITY:
            query += "&DeviceType=acc"
        reply = await self._server.request("GET", query)
        options = read_terms(reply.text) if reply.status == 200 else None
        if options is None:
            return
        self.options = options
        if self.protocol is PushProtocol.SECURITY:
            await self._register()
        stamp = self.options.get("ATTLOGStamp", "None")
        if stamp.isdecimal() and stamp != "9999":
            self.uploaded = min(int(stamp), len(memory.punches))
        if self._sets_clock:
            self._set_clock(reply)
        self._is_greeted = True

    async def _register(self) -> None:
        memory = self.terminal.memory
        facts = f"DeviceType=acc,~DeviceName={memory.options['~DeviceName']},FirmVer=SIM 1,PushVersion={self._version}"
        reply = await self._server.request("POST", f"registry?SN={memory.serial}", facts.encode())
        code = reply.text.partition("RegistryCode=")[2].strip()
        self._token = session_token(code, memory.serial, self.options.get("SessionID", ""))
        await self._post("push")

    def _set_clock(self, reply: Reply) -> None:
        with contextlib.suppress(ValueError, TypeError, KeyError):
            utc = parsedate_to_datetime(reply.headers["date"]).astimezone(UTC)
            local = utc.replace(tzinfo=None) + read_timezone_option(self.options["TimeZone"])
            self.terminal.clock.set(TerminalTime.from_datetime(local))

    async def _send_people(self) -> None:
        users = self.terminal.memory.users
        if users == self._known:
            return
        if self.protocol is PushProtocol.SECURITY:
            is_taken = await self._table("user", _rows_of(self.terminal.memory, users), "cdata", "tabledata")
        else:
            lines = _lines_of(self.terminal.memory, users)
            is_taken = await self._upload("OPERLOG", lines, len(lines))
        if is_taken:
            self._known = users

    async def _send_punches(self) -> None:
        memory = self.terminal.memory
        self.uploaded = min(self.uploaded, len(memory.punches))
        while self.waiting and not self._faults.has(PushFault.OFFLINE):
            start = self.uploaded
            batch = memory.punches[start : start + BATCH]
            if self._faults.take(PushFault.LOSE) or await self._send(batch, start):
                self.uploaded = start + len(batch)
            else:
                return

    async def _send(self, batch: list[StoredPunch], start: int) -> bool:
        if self.protocol is PushProtocol.SECURITY:
            lines = [_event(punch, start + number).line() for number, punch in enumerate(batch, 1)]
            return await self._upload("rtlog", lines, None)
        return await self._upload(
            "ATTLOG", [encode_attlog(_record(punch)).decode() for punch in batch], start + len(batch)
        )

    async def _send_refusals(self) -> None:
        if self.refusals and self.protocol is PushProtocol.SECURITY:
            lines = [
                RealtimeEvent(one.time, one.event, one.pin, door="1", index=f"9{number}").line()
                for number, one in enumerate(self.refusals)
            ]
            if await self._upload("rtlog", lines, None):
                self.refusals.clear()

    async def _send_told(self) -> None:
        while self.telling:
            upload = body_of(self.telling[0], self.protocol)
            if upload is not None:
                path = f"cdata?SN={self.terminal.memory.serial}&{upload.query}"
                reply = await self._server.request("POST", path, upload.body, self._token)
                if reply.status != 200 or reply.text.strip() != upload.answer:
                    return
            del self.telling[0]

    async def _upload(self, table: str, lines: list[str], stamp: int | None) -> bool:
        if self._faults.take(PushFault.GARBAGE):
            lines = [line for good in lines for line in (good, "\x01\x02 no line of any kind")]
        path = f"cdata?SN={self.terminal.memory.serial}&table={table}" + ("" if stamp is None else f"&Stamp={stamp}")
        body = "\n".join(lines).encode() + b"\n"
        for _ in range(2 if self._faults.take(PushFault.REPEAT) else 1):
            reply = await self._server.request("POST", path, body, self._token, drop=self._faults.drop_after(len(body)))
        return reply.status == 200 and reply.text.startswith("OK")

    async def _table(self, name: str, lines: list[str], endpoint: str, kind: str) -> bool:
        path = f"{endpoint}?SN={self.terminal.memory.serial}&table={kind}&tablename={name}&count={len(lines)}"
        reply = await self._server.request("POST", path, "\n".join(lines).encode(), self._token)
        return reply.status == 200 and reply.text.strip() == f"{name}={len(lines)}"

    async def _fetch(self) -> None:
        memory = self.terminal.memory
        if self.protocol is PushProtocol.SECURITY:
            state = f"time={self.terminal.clock.read().text().replace('T', ' ')}\tsensor=01\trelay=00\talarm=00"
            await self._upload("rtstate", [state], None)
        info = PollInfo("SIM 1", len(memory.users), 0, len(memory.punches), "127.0.0.1", 0).text()
        reply = await self._server.request(
            "GET", f"getrequest?SN={memory.serial}&INFO={quote(info)}", cookie=self._token
        )
        if reply.status != 200:
            self._is_greeted = False
            return
        for line in reply.text.splitlines():
            if line.startswith("C:"):
                await self._obey(line)

    async def _obey(self, line: str) -> None:
        try:
            number, command = read_command(line, self.protocol)
        except ProtocolViolation:
            return
        code, told = UNKNOWN, Fields({})
        if command is not None:
            code, told = await self._do(number, command)
            self.done.append(line.split(":", 2)[2])
        if not self._faults.take(PushFault.DEAF):
            result = CommandResult(number, code, line.split(":", 2)[2].split(" ")[0], told)
            await self._post("devicecmd", encode_result(result).encode() + b"\n")

    async def _do(self, number: str, command: commands.Command) -> tuple[int, Fields]:
        match command:
            case commands.Check() | commands.Reboot():
                self._is_greeted = False
            case commands.SendNew() | commands.ReloadOptions():
                pass
            case commands.QueryAttlog(start, end):
                return await self._send_again(number, start, end), Fields({})
            case commands.QueryUsers(pin):
                return await self._send_asked_people(number, pin)
            case commands.QueryTable() | commands.AccountTransactions():
                return await self._send_table(number, command)
            case commands.CountTable(table):
                return await self._count(number, table)
            case commands.SetTemplate() | commands.DeleteTemplates() if self._faults.take(PushFault.HOLLOW):
                pass
            case commands.QueryTemplates():
                return await self._send_templates(number, command)
            case commands.GetOptions(names) if self.protocol is PushProtocol.SECURITY:
                told = ",".join(f"{name}={self.terminal.memory.options.get(name, '')}" for name in names)
                await self._answer_query("options", number, "options", [told])
            case commands.PutFile(blob, path):
                return await self._install(blob, path, None), Fields({})
            case commands.Upgrade(checksum, blob, size):
                return await self._install(blob, "firmware", (checksum, size)), Fields({})
            case _:
                code, values = obey(command, self.terminal.memory, self.terminal.clock)
                return code, Fields(values)
        return 0, Fields({})

    async def _install(self, blob: str, name: str, told: tuple[str, int] | None) -> int:
        """Fetch a file by its id; firmware has to have the checksum and size that were told."""
        if self.terminal.memory.extras.refuses_files:
            return NO_SPACE
        path = f"file?SN={self.terminal.memory.serial}&url={blob}"
        reply = await self._server.request("GET", path, cookie=self._token)
        digest = hashlib.md5(reply.content, usedforsecurity=False).hexdigest()
        if reply.status != 200 or (told is not None and told != (digest, len(reply.content))):
            return CANNOT_FETCH
        self.terminal.memory.extras.files[name] = reply.content
        return 0

    async def _send_asked_people(self, number: str, pin: str) -> tuple[int, Fields]:
        found = [user for user in self.terminal.memory.users if pin in ("", user.user_id)]
        if self._faults.take(PushFault.FORGETFUL):
            found = found[1:]
        if self.protocol is PushProtocol.SECURITY:
            await self._answer_query("tabledata", number, "user", _rows_of(self.terminal.memory, found))
            return len(found), Fields({})
        await self._upload("OPERLOG", _lines_of(self.terminal.memory, found), len(found))
        return 0 if found else -4, Fields({})

    async def _send_table(
        self, number: str, command: commands.QueryTable | commands.AccountTransactions
    ) -> tuple[int, Fields]:
        table = command.table if isinstance(command, commands.QueryTable) else "transaction"
        rows = self._table_rows(table)
        if isinstance(command, commands.AccountTransactions):
            rows = rows[: command.max_index]
        await self._answer_query("tabledata", number, table, rows)
        return len(rows), Fields({})

    async def _count(self, number: str, table: str) -> tuple[int, Fields]:
        rows = len(self.terminal.memory.users) if table == "user" else len(self._table_rows(table))
        await self._answer_query("count", number, table, [f"{table}={rows}"])
        return 0, Fields({})

    def _table_rows(self, table: str) -> list[str]:
        memory = self.terminal.memory
        match table:
            case "transaction":
                return [_event(punch, place).row() for place, punch in enumerate(memory.punches, 1)]
            case "userauthorize":
                return [
                    f"userauthorize pin={pin}\tauthorizetimezoneid={zone}\tauthorizedoorid={doors}"
                    for pin, (zone, doors) in memory.extras.authorized.items()
                ]
        return []

    async def _send_templates(self, number: str, asked: commands.QueryTemplates) -> tuple[int, Fields]:
        found = templates_of(self.terminal.memory, asked)
        if not found:
            return -4, Fields({})
        if self.protocol is PushProtocol.ATTENDANCE:
            table = "BIODATA" if asked.tag == "BIODATA" else "OPERLOG"
            await self._upload(table, [one.line() for one in found], len(found))
            return 0, Fields({})
        rows = [one.row() for one in found]
        await self._answer_query("tabledata", number, rows[0].partition(" ")[0], rows)
        return len(rows), Fields({})

    async def _send_again(self, number: str, start: TerminalTime, end: TerminalTime) -> int:
        found = [
            (place, punch) for place, punch in enumerate(self.terminal.memory.punches, 1) if start <= punch.time <= end
        ]
        if self.protocol is PushProtocol.SECURITY:
            rows = [_event(punch, place).row() for place, punch in found]
            await self._answer_query("tabledata", number, "transaction", rows)
        else:
            lines = [encode_attlog(_record(punch)).decode() for _, punch in found]
            await self._upload("ATTLOG", lines, self.uploaded)
        return len(found)

    async def _answer_query(self, kind: str, number: str, table: str, rows: list[str]) -> None:
        path = f"querydata?SN={self.terminal.memory.serial}&type={kind}&cmdid={number}"
        path += f"&tablename={table}&count={len(rows)}&packcnt=1&packidx=1"
        await self._server.request("POST", path, "\n".join(rows).encode(), self._token)

    async def _post(self, endpoint: str, body: bytes = b"") -> Reply:
        return await self._server.request("POST", f"{endpoint}?SN={self.terminal.memory.serial}", body, self._token)

    async def _rest(self, seconds: float) -> None:
        """Wait, but not longer than until somebody punches."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while loop.time() < until:
            await asyncio.sleep(_LOOK_SECONDS)
            if (
                (self.waiting > 0 or self.refusals or self.telling)
                and self._is_greeted
                and not self._faults.has(PushFault.OFFLINE)
            ):
                return

    def _pause(self) -> float:
        if self._poll is not None:
            return self._poll
        delay = self.options.first("Delay", "RequestDelay")
        return float(delay) if delay.isdecimal() else 1.0


def _lines_of(memory: TerminalMemory, users: list[UserRecord]) -> list[str]:
    return ["USER " + "\t".join(_told(memory, user).fields()) for user in users]


def _rows_of(memory: TerminalMemory, users: list[UserRecord]) -> list[str]:
    return ["\t".join([f"user uid={user.uid}", *_told(memory, user).table_fields()]) for user in users]


def _told(memory: TerminalMemory, user: UserRecord) -> PushedUser:
    told = PushedUser.of_record(user)
    return replace(told, password=None) if memory.extras.hides_passwords else told


def _record(punch: StoredPunch) -> AttlogRecord:
    return AttlogRecord(0, punch.pin, punch.verify, punch.state, punch.time, punch.work_code, b"")


def _event(punch: StoredPunch, number: int) -> RealtimeEvent:
    state = punch.state if punch.state in (0, 1) else 255
    return RealtimeEvent(punch.time, _GRANTED, punch.pin, door="1", state=state, verify=punch.verify, index=str(number))
