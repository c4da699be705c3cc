"""Mifare cards that carry fingerprints, comparing a template, the serial line's speed (zk-protocol 2.2, M)."""

from collections.abc import Sequence
from typing import Final

from biometric_flow.zk.errors import ProtocolViolation, TerminalRefused
from biometric_flow.zk.requests import Requests
from biometric_flow.zk.wire.cards import encode_card
from biometric_flow.zk.wire.commands import Command, Reply
from biometric_flow.zk.wire.templates import Template

CARD_SECONDS: Final = 30.0
"""How long somebody may take to hold a card to the terminal."""

_NO_MATCH: Final = (Reply.ERROR, 4991, 4993)


class Cards(Requests):
    """What a client can do about cards of its own kind. Somebody has to hold one to the terminal meanwhile."""

    async def write_card(self, user: int, templates: Sequence[Template], *, deadline: float = CARD_SECONDS) -> None:
        """Write up to four fingers of a user onto the card. It cannot be read back. Raises ValueError."""
        request = encode_card(user, templates)
        async with self._operation("writing a card", deadline):
            await self._ask(Command.WRITE_CARD, request)

    async def empty_card(self, *, deadline: float = CARD_SECONDS) -> None:
        """Take everything off the card."""
        async with self._operation("emptying a card", deadline):
            await self._ask(Command.EMPTY_CARD)

    async def match_template(self, template: bytes) -> int | None:
        """The uid of whom this template belongs to, by the terminal's own comparison; None when to nobody."""
        async with self._operation("comparing a template"):
            try:
                data = (await self._ask(Command.TEST_TEMPLATE, template)).data
            except TerminalRefused as no:
                if no.reply in _NO_MATCH:
                    return None
                raise
        if len(data) < 2:
            raise ProtocolViolation(f"expected a uid of 2 bytes, got {len(data)}; report model and firmware")
        return int.from_bytes(data[:2], "little")

    async def change_speed(self, code: int) -> None:
        """Set the speed of its serial line, 0 to 255 as its maker numbers them. Raises ValueError."""
        if not 0 <= code <= 0xFF:
            raise ValueError(f"expected the number of a speed from 0 to 255, got {code}")
        async with self._operation("changing the serial line's speed"):
            await self._ask(Command.CHANGE_SPEED, bytes((code,)))
