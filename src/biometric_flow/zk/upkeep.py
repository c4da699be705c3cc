"""Keeping a terminal in order: its logs, its display and voice, its power; and what this channel cannot do."""

import asyncio
from enum import IntEnum
from typing import Final, NoReturn

from biometric_flow.zk.bulk import read_answer
from biometric_flow.zk.errors import LogChanged, NotConfirmed, NotSupported, TerminalClosed
from biometric_flow.zk.requests import BULK_SECONDS, Requests
from biometric_flow.zk.wire.commands import Command, DataKind
from biometric_flow.zk.wire.oplog import OPLOG_LAYOUTS, OperationLog, oplog_layout
from biometric_flow.zk.wire.transfer import OPLOG, BulkSource

NO_PUBLIC_LAYOUT: Final = (
    "face templates", "palm templates", "user photos", "attendance photos", "holidays", "the table of work codes",
    "files", "firmware",
)  # fmt: skip
"""What terminals hold and this protocol has commands for at most, but no published layout."""

_RESTART_SECONDS: Final = 2.0
_LCD_BYTES_MAX: Final = 64


class Clearing(IntEnum):
    """What CLEAR_DATA can be told to clear."""

    ATTENDANCE = 1
    FINGERPRINTS = 2
    NOTHING = 3
    OPERATIONS = 4
    USERS = 5


class Upkeep(Requests):
    """What a client can do about the machine itself."""

    async def operations(self, *, layout: str | None = None, deadline: float = BULK_SECONDS) -> OperationLog:
        """The operation log; `layout` pins one of OPLOG_LAYOUTS. Raises LayoutUnknown when no time is plausible."""
        if layout is not None and layout not in OPLOG_LAYOUTS:
            raise ValueError(f"expected a layout out of {', '.join(OPLOG_LAYOUTS)}, got {layout!r}")
        blob, _ = await self._read_bulk(OPLOG, deadline, lambda capacity: capacity.oplog_rows)
        if not blob:
            return OperationLog([], [], None)
        return OperationLog.decode(blob, OPLOG_LAYOUTS[layout] if layout else oplog_layout(blob))

    async def raw_table(self, kind: DataKind, *, deadline: float = BULK_SECONDS) -> bytes:
        """The rows of a table whose layout is not public, such as work codes, as they came; for reports only."""
        source = BulkSource(f"table {kind}", Command.READ_DATA, kind)
        blob, _ = await self._read_bulk(source, deadline, lambda _: 0)
        return bytes(blob)

    async def pin_width(self) -> int:
        """How many characters a user id may have at the keypad."""
        async with self._operation("reading the PIN width"):
            return self._first_byte((await self._ask(Command.READ_PIN_WIDTH, b" P")).data)

    async def clear_attendance(self, rows: int) -> None:
        """Clear the attendance log, provided it holds exactly `rows` rows, all of which you have stored durably.

        Nobody can punch meanwhile. Raises LogChanged when it holds another number, and nothing is cleared then;
        NotConfirmed when rows are left.
        """
        async with self._locked_terminal("clearing the attendance log", self._timeout):
            held = (await self._capacity()).attlog_rows
            if held != rows:
                raise LogChanged(f"expected {rows} rows to clear, the terminal holds {held}; read and store them first")
            await self._ask(Command.CLEAR_ATTLOG)
            await self._ask(Command.REFRESH_DATA)
            left = (await self._capacity()).attlog_rows
            if left:
                raise NotConfirmed(f"expected an empty attendance log, the terminal said ok and holds {left} rows")

    async def clear_operations(self) -> None:
        """Clear the operation log."""
        async with self._operation("clearing the operation log"):
            await self._ask(Command.CLEAR_OPLOG)

    async def clear_data(self, what: Clearing) -> None:
        """Clear one kind of data. For attendance use `clear_attendance`, which loses no punch. Raises ValueError."""
        if what in (Clearing.ATTENDANCE, Clearing.NOTHING):
            raise ValueError("expected fingerprints, operations or users; attendance has clear_attendance(rows)")
        async with self._operation(f"clearing {what.name.lower()}", max(self._timeout, 30.0)):
            await self._ask(Command.CLEAR_DATA, bytes((what,)))
            await self._ask(Command.REFRESH_DATA)

    async def clear_everything(self, rows: int) -> None:
        """Clear users, fingerprints and logs, provided the attendance log holds exactly `rows`. Raises LogChanged."""
        async with self._locked_terminal("clearing everything", max(self._timeout, 30.0)):
            held = (await self._capacity()).attlog_rows
            if held != rows:
                raise LogChanged(f"expected {rows} rows to clear, the terminal holds {held}; read and store them first")
            await self._ask(Command.CLEAR_DATA)
            await self._ask(Command.REFRESH_DATA)

    async def restart(self) -> bool:
        """Restart it; the connection is over. True when it acknowledged, which some firmware never does."""
        return await self._last_words("restarting the terminal", Command.RESTART)

    async def power_off(self) -> bool:
        """Switch it off; only somebody who stands there can switch it on. True when it acknowledged."""
        return await self._last_words("switching the terminal off", Command.POWER_OFF)

    async def sleep(self) -> None:
        """Put it to sleep."""
        async with self._operation("putting the terminal to sleep"):
            await self._ask(Command.SLEEP)

    async def resume(self) -> None:
        """Wake it up."""
        async with self._operation("waking the terminal"):
            await self._ask(Command.RESUME)

    async def enable_clock(self, is_on: bool = True) -> None:
        """Show the clock with its blinking colon, or not."""
        async with self._operation("switching the clock display"):
            await self._ask(Command.ENABLE_CLOCK, bytes((is_on,)))

    async def start_verify(self, uid: int | None = None) -> None:
        """Back to normal, or ask one user to verify."""
        if uid is not None and not 1 <= uid <= 0xFFFF:
            raise ValueError(f"expected a uid from 1 to 65535, got {uid}")
        async with self._operation("starting verification"):
            await self._ask(Command.START_VERIFY, b"" if uid is None else uid.to_bytes(2, "little"))

    async def play_voice(self, index: int) -> None:
        """Say something: 0 thank you, 1 wrong password, 2 access denied, 3 invalid id, 4 try again, 24 a beep."""
        if not 0 <= index <= 0xFFFF_FFFF:
            raise ValueError(f"expected the number of a voice prompt, got {index}")
        async with self._operation("playing a voice prompt"):
            await self._ask(Command.PLAY_VOICE, index.to_bytes(4, "little"))

    async def write_lcd(self, line: int, text: str) -> None:
        """Show a text on a line of the display. Raises ValueError for a line that is none, a text too long."""
        raw = text.encode(self._encoding, "replace")
        if not 0 <= line <= 0x7FFF or len(raw) > _LCD_BYTES_MAX:
            raise ValueError(f"expected a line from 0 and at most {_LCD_BYTES_MAX} bytes, got {line} and {len(raw)}")
        async with self._operation("writing on the display"):
            await self._ask(Command.WRITE_LCD, line.to_bytes(2, "little") + b"\0 " + raw)

    async def clear_lcd(self) -> None:
        """Clear the display."""
        async with self._operation("clearing the display"):
            await self._ask(Command.CLEAR_LCD)

    async def capture_image(self, *, deadline: float = 30.0) -> bytes:
        """The image of the finger that lies on the sensor, a bitmap as it came. It is biometric: never keep it."""
        async with self._operation("capturing an image", deadline):
            size = (500).to_bytes(4, "little")
            return bytes(await read_answer(self._channel, "a finger's image", Command.CAPTURE_IMAGE, size))

    async def not_on_this_channel(self, what: str) -> NoReturn:
        """Raises NotSupported for what has no public layout here, ValueError for what is not in NO_PUBLIC_LAYOUT."""
        if what not in NO_PUBLIC_LAYOUT:
            raise ValueError(f"expected one of {', '.join(NO_PUBLIC_LAYOUT)}, got {what!r}")
        raise NotSupported(
            f"{what}: not possible on this channel, use push; no layout of theirs is public for port 4370"
        )

    async def _last_words(self, doing: str, command: Command) -> bool:
        async with self._operation(doing):
            try:
                async with asyncio.timeout(min(_RESTART_SECONDS, self._timeout / 2)):
                    await self._ask(command)
                acknowledged = True
            except (TimeoutError, TerminalClosed):
                acknowledged = False
            self._channel.abort((Command.EXIT,))
            return acknowledged
