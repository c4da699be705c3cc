"""Short messages of a terminal: read, written, given to users (zk-protocol 4.6)."""

from typing import Final

from biometric_flow.zk.errors import NotConfirmed, ProtocolViolation
from biometric_flow.zk.requests import BULK_SECONDS, Requests
from biometric_flow.zk.wire.commands import Command, DataKind
from biometric_flow.zk.wire.messages import LINK_SIZE, MESSAGE_SIZE, ShortMessage, decode_link, encode_link
from biometric_flow.zk.wire.transfer import BulkSource

_MESSAGES: Final = BulkSource("messages", Command.READ_DATA, DataKind.SMS)
_GIVEN: Final = BulkSource("messages of users", Command.READ_DATA, DataKind.USER_SMS)


class Messages(Requests):
    """What a client can do about messages."""

    async def messages(self, *, deadline: float = BULK_SECONDS) -> list[ShortMessage]:
        """Every message it holds. Raises ProtocolViolation for a table of no whole rows."""
        blob = await self._table(_MESSAGES, MESSAGE_SIZE, deadline)
        rows = (ShortMessage.decode(row, self._encoding) for row in blob)
        return [row for row in rows if row.id]

    async def given_messages(self, *, deadline: float = BULK_SECONDS) -> list[tuple[int, int]]:
        """Which user has which personal message: uid and message id. Raises ProtocolViolation."""
        return [decode_link(row) for row in await self._table(_GIVEN, LINK_SIZE, deadline)]

    async def message(self, number: int) -> ShortMessage:
        """One message. Raises TerminalRefused when there is none; ValueError."""
        request = _id_bytes(number)
        async with self._operation("reading a message"):
            return ShortMessage.decode((await self._ask(Command.READ_SMS, request)).data, self._encoding)

    async def set_message(self, message: ShortMessage) -> ShortMessage:
        """Write a message and give what the terminal holds. Raises ValueError; NotConfirmed when that is another."""
        row, request = message.encode(self._encoding), _id_bytes(message.id)
        async with self._operation("writing a message"):
            await self._ask(Command.WRITE_SMS, row)
            await self._ask(Command.REFRESH_DATA)
            held = ShortMessage.decode((await self._ask(Command.READ_SMS, request)).data, self._encoding)
            if held != ShortMessage.decode(row, self._encoding):
                raise NotConfirmed(f"expected message {message.id} as written, the terminal said ok and holds another")
            return held

    async def delete_message(self, number: int) -> None:
        """Delete a message. Raises TerminalRefused when there is none; ValueError."""
        request = _id_bytes(number)
        async with self._operation("deleting a message"):
            await self._ask(Command.DELETE_SMS, request)
            await self._ask(Command.REFRESH_DATA)

    async def give_message(self, uid: int, number: int) -> None:
        """Show a personal message to this user. Raises ValueError."""
        request = encode_link(uid, number)
        async with self._operation("giving a message to a user"):
            await self._ask(Command.WRITE_USER_SMS, request)

    async def take_message(self, uid: int, number: int) -> None:
        """No longer show it to this user. Raises ValueError."""
        request = encode_link(uid, number)
        async with self._operation("taking a message from a user"):
            await self._ask(Command.DELETE_USER_SMS, request)

    async def _table(self, source: BulkSource, size: int, deadline: float) -> list[bytes]:
        blob, _ = await self._read_bulk(source, deadline, lambda _: 0)
        if len(blob) % size:
            raise ProtocolViolation(
                f"expected {source.title} of {size} bytes each, got {len(blob)} in all; report model and firmware"
            )
        return [bytes(blob[start : start + size]) for start in range(0, len(blob), size)]


def _id_bytes(number: int) -> bytes:
    if not 1 <= number <= 0xFFFF:
        raise ValueError(f"expected a message id from 1 to 65535, got {number}")
    return number.to_bytes(2, "little")
