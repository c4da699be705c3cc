"""The pipe of one client at a simulated terminal, with the faults that happen between frame and network."""

import asyncio
import contextlib
import random
from typing import Final, NamedTuple

from biometric_flow.zk.errors import ZkError
from biometric_flow.zk.pipe import Pipe
from biometric_flow.zk.simulator.faults import FaultKind, Faults
from biometric_flow.zk.simulator.session import Segments, Session
from biometric_flow.zk.wire.commands import EventMask, Reply
from biometric_flow.zk.wire.frame import Packet, encode_frame, encode_packet

_OUTBOX: Final = 1_024
"""Events that wait for a slow client at most; like a real terminal, it forgets the rest."""
_FIRST_REQUEST_SECONDS: Final = 30.0
_SILENT_SECONDS: Final = 120.0
"""After which a client that never says goodbye over UDP is forgotten."""
_NOISE: Final = random.Random(4370).randbytes(64)  # noqa: S311 - noise, not a secret
_PANEL_ANSWER: Final = bytes.fromhex("aa01c80000d9a955")


class _Outgoing(NamedTuple):
    segments: Segments
    sent: asyncio.Event | None


class Link:
    """Serves one client until either side ends it."""

    def __init__(self, session: Session, faults: Faults, pipe: Pipe, pause: float) -> None:
        self._session = session
        self._faults = faults
        self._pipe = pipe
        self._datagrams = 0
        self._pause = pause
        self._outbox: asyncio.Queue[_Outgoing] = asyncio.Queue(_OUTBOX)

    async def serve(self) -> None:
        """Answer requests; ends when the client goes, sends what is no request, or `cut` is called."""
        sender = asyncio.create_task(self._send_outbox(), name="simulator-sender")
        try:
            with contextlib.suppress(OSError, TimeoutError, ZkError):
                await self._answer_requests(sender)
        finally:
            sender.cancel()
            await asyncio.wait([sender])
            self.cut()

    def post(self, code: EventMask, data: bytes) -> None:
        """Send a realtime event if this client registered for it."""
        if self._session.mask & code:
            with contextlib.suppress(asyncio.QueueFull):
                self._outbox.put_nowait(_Outgoing([[self._session.connection.event(code, data)]], None))

    def cut(self) -> None:
        """Close the socket at once."""
        self._pipe.abort()

    async def _answer_requests(self, sender: asyncio.Task[None]) -> None:
        while not self._session.is_over and not sender.done():
            async with asyncio.timeout(self._patience()):
                data = await self._pipe.read()
            if not data:
                return
            for request in self._session.connection.receive(data):
                if request.command != Reply.OK:  # a client's acknowledgement of an event
                    await self._reply(self._session.answer(request), sender)
        await self._pipe.drain()

    def _patience(self) -> float | None:
        if not self._session.is_connected:
            return _FIRST_REQUEST_SECONDS
        return None if self._pipe.is_stream else _SILENT_SECONDS

    async def _reply(self, segments: Segments, sender: asyncio.Task[None]) -> None:
        """Send, and wait until it is sent: a client that asks without reading fills its own buffers, not ours."""
        sent = asyncio.Event()
        await self._outbox.put(_Outgoing(segments, sent))
        waiting = asyncio.create_task(sent.wait())
        await asyncio.wait([waiting, sender], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()

    async def _send_outbox(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                item = await self._outbox.get()
                if item.sent is None:
                    await self._write(b"".join(map(self._bytes_of, item.segments[0])))
                else:
                    await self._send_reply(item.segments)
                    item.sent.set()

    async def _send_reply(self, segments: Segments) -> None:
        faults = self._faults
        if fault := faults.take(FaultKind.SLOW):
            await asyncio.sleep(fault.seconds)
        if faults.take(FaultKind.SILENT):
            return
        if faults.take(FaultKind.GARBAGE):
            await self._write(_NOISE)
            return
        if faults.take(FaultKind.PANEL):
            await self._write(_PANEL_ANSWER)
            return
        disturbed = self._disturbed(segments)
        if fault := faults.take(FaultKind.HANG_UP):
            await self._hang_up(
                b"".join(self._encode(packet) for part in disturbed for packet in part), fault.number(1)
            )
            return
        if not self._pipe.is_stream:
            await self._send_datagrams([self._encode(packet) for segment in disturbed for packet in segment])
            return
        pieces = [b"".join(map(self._encode, segment)) for segment in disturbed]
        if fault := faults.take(FaultKind.FRAGMENT):
            size = fault.number(1)
            whole = b"".join(pieces)
            pieces = [whole[start : start + size] for start in range(0, len(whole), size)]
        if len(segments) > 1 and (fault := faults.take(FaultKind.DROP)):
            await self._write(b"".join(pieces)[: fault.number(1000)])
            await self._pipe.close()
            return
        for number, piece in enumerate(pieces):
            if number and self._pause:
                await asyncio.sleep(self._pause)
            await self._write(piece)

    async def _hang_up(self, answer: bytes, size: int) -> None:
        if self._pipe.is_stream:
            await self._write(answer[:size])
            await self._pipe.close()

    def _disturbed(self, segments: Segments) -> Segments:
        """The reply with what else a hostile or merely busy terminal sends around it."""
        faults = self._faults
        event = self._session.connection.event(EventMask.FINGER, b"")
        first = segments[0][0]
        if faults.take(FaultKind.SESSION):
            segments = [[packet._replace(session=packet.session ^ 0x5555) for packet in part] for part in segments]
        if faults.take(FaultKind.STALE):
            old = Packet(Reply.OK, first.session, (first.reply - 1) % 0x10000, b"stale")
            segments = [[old, *segments[0]], *segments[1:]]
        if faults.take(FaultKind.EVENTS):
            segments = [[packet for real in part for packet in (event, real, event)] for part in segments]
        if faults.take(FaultKind.COALESCE):
            segments = [[event, *(packet for part in segments for packet in part), event]]
        return segments

    async def _send_datagrams(self, datagrams: list[bytes]) -> None:
        for datagram in datagrams:
            self._datagrams += 1
            if (fault := self._faults.take(FaultKind.LOSE)) and self._datagrams % fault.number(1) == 0:
                continue
            await self._write(datagram)
            if self._faults.take(FaultKind.TWICE):
                await self._write(datagram)

    def _bytes_of(self, packet: Packet) -> bytes:
        return encode_frame(packet) if self._pipe.is_stream else encode_packet(packet)

    def _encode(self, packet: Packet) -> bytes:
        data = self._bytes_of(packet)
        if self._faults.take(FaultKind.CHECKSUM):
            place = 10 if self._pipe.is_stream else 2
            return data[:place] + bytes((data[place] ^ 0x5A,)) + data[place + 1 :]
        return data

    async def _write(self, data: bytes) -> None:
        if self._pipe.is_stream and (fault := self._faults.take(FaultKind.TRICKLE)):
            for byte in data:
                self._pipe.write(bytes((byte,)))
                await self._pipe.drain()
                await asyncio.sleep(fault.seconds)
            return
        self._pipe.write(data)
        await self._pipe.drain()
