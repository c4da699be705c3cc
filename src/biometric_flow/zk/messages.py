"""Short messages of a terminal: read, written, given to users (zk-protocol 4.6)."""

from biometric_flow.zk.errors import NotConfirmed
from biometric_flow.zk.requests import Requests
from biometric_flow.zk.wire.commands import Command
from biometric_flow.zk.wire.messages import ShortMessage, encode_link


class Messages(Requests):
    """What a client can do about messages."""

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


def _id_bytes(number: int) -> bytes:
    if not 1 <= number <= 0xFFFF:
        raise ValueError(f"expected a message id from 1 to 65535, got {number}")
    return number.to_bytes(2, "little")
