"""Putting bytes into a terminal's buffer, and files as far as the protocol is public (zk-protocol 5.4).

How a buffer becomes a file or firmware (1700 and on) has no public layout: files go over push.
"""

from dataclasses import dataclass
from typing import Final

from biometric_flow.zk.errors import ProtocolViolation, TransferIncomplete
from biometric_flow.zk.requests import BULK_SECONDS, Requests
from biometric_flow.zk.wire.commands import Command
from biometric_flow.zk.wire.templates import PACKAGE_MAX

PIECE: Final = 1024
"""Bytes of a piece when staging."""


@dataclass(frozen=True, slots=True)
class Staged:
    """What a terminal said about bytes in its buffer."""

    size: int
    checksum: int
    """By the terminal's own rule, which is not public; the same bytes have the same."""


class Staging(Requests):
    """How bytes get into a terminal's buffer."""

    async def _stage(self, blob: bytes) -> None:
        """Put bytes into the buffer."""
        await self._ask(Command.PREPARE_DATA, len(blob).to_bytes(4, "little"))
        for start in range(0, len(blob), PIECE):
            await self._ask(Command.DATA, blob[start : start + PIECE])
            if self.progress:
                self.progress(min(start + PIECE, len(blob)), len(blob))

    async def _checksum(self) -> int:
        data = (await self._ask(Command.CHECKSUM_BUFFER)).data
        if len(data) < 4:
            raise ProtocolViolation(f"expected a checksum of 4 bytes, got {len(data)}; report model and firmware")
        return int.from_bytes(data[:4], "little")


class Files(Staging):
    """What a client can do about files."""

    async def stage_file(self, data: bytes, *, deadline: float = BULK_SECONDS) -> Staged:
        """Stage bytes twice and give the terminal's checksum of them; the buffer is freed, nothing is kept.

        Shows whether files of this size arrive whole. What would follow has no public layout. Raises ValueError for
        nothing and for more than 4 MiB; TransferIncomplete when the two checksums differ; TerminalRefused.
        """
        if not 1 <= len(data) <= PACKAGE_MAX:
            raise ValueError(f"expected a file of 1 to {PACKAGE_MAX} bytes, got {len(data)}")
        async with self._locked_terminal("staging a file", deadline):
            sums = set()
            for _ in range(2):
                await self._try(Command.FREE_DATA)
                await self._stage(data)
                sums.add(await self._checksum())
        if len(sums) != 1:
            raise TransferIncomplete("expected the same checksum of the same bytes twice, got two; try again")
        return Staged(len(data), sums.pop())
