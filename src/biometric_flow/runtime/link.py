"""One end of a link between place and gateway: asks the other end, and answers it from an ASGI app."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from itertools import count
from typing import Any, Final, Protocol
from urllib.parse import unquote

import structlog
from starlette.types import ASGIApp, Message

from biometric_flow.api.link import (
    MAX_CHUNK,
    CancelFrame,
    ChunkFrame,
    EndFrame,
    Frame,
    FrameUnreadable,
    Headers,
    HeadFrame,
    RequestFrame,
    decode,
    encode,
)
from biometric_flow.model.errors import BiometricFlowError

log = structlog.get_logger()

SEND_SECONDS: Final = 20.0
"""A message that is not taken within this time: the other end is gone."""
MAX_SERVED: Final = 64
"""Requests of the other end that are answered at a time; who asks for more is told to come back."""
MAX_WAITING: Final = 4 * 1024 * 1024
"""Bytes of one answer that wait for their reader; beyond, the answer is given up and the link goes on."""

_BUSY: Final = b'{"code":"link.busy","detail":"this end of the link answers all it can; try again","status":503}'
_HOP: Final = frozenset({"connection", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer", "content-length"})


class LinkClosed(BiometricFlowError):
    """The link ended before the answer did."""

    code = "link.closed"
    retryable = True


class AnswerTooSlowlyRead(BiometricFlowError):
    """Whoever asked does not take the answer as fast as it comes."""

    code = "link.answer_too_slowly_read"


class Channel(Protocol):
    """Messages to and from the other end."""

    async def send(self, message: bytes) -> None:
        """Raises LinkClosed."""
        ...

    async def receive(self) -> bytes:
        """Raises LinkClosed."""
        ...

    async def close(self) -> None:
        """Closing twice is fine."""
        ...


class Answer:
    """An answer whose body may still be on its way; close it in the end."""

    def __init__(self, close: Callable[["Answer"], None]) -> None:
        self.status, self.headers = 0, ()
        self._frames: asyncio.Queue[Frame | BiometricFlowError] = asyncio.Queue()
        self._waiting, self._close, self.is_over = 0, close, False

    status: int
    headers: Headers

    def take(self, frame: Frame | BiometricFlowError) -> None:
        """From the link."""
        if isinstance(frame, ChunkFrame):
            self._waiting += len(frame.data)
            if self._waiting > MAX_WAITING:
                frame = AnswerTooSlowlyRead(f"more than {MAX_WAITING} bytes of the answer wait to be read")
                self.close()
        self.is_over |= not isinstance(frame, HeadFrame | ChunkFrame)
        self._frames.put_nowait(frame)

    async def begin(self) -> None:
        """Wait for the head. Raises LinkClosed."""
        frame = await self._next()
        if not isinstance(frame, HeadFrame):
            raise LinkClosed("expected the head of an answer first")
        self.status, self.headers = frame.status, frame.headers

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes. Raises LinkClosed or AnswerTooSlowlyRead."""
        try:
            while isinstance(frame := await self._next(), ChunkFrame):
                self._waiting -= len(frame.data)
                yield frame.data
        finally:
            self.close()

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises LinkClosed for one that is longer than `limit`."""
        body = bytearray()
        async for chunk in self.chunks():
            body += chunk
            if len(body) > limit:
                raise LinkClosed(f"expected an answer of at most {limit} bytes, got more")
        return bytes(body)

    def close(self) -> None:
        """No more of it is wanted."""
        if not self.is_over:
            self.is_over = True
            self._close(self)

    async def _next(self) -> Frame:
        frame = await self._frames.get()
        if isinstance(frame, BiometricFlowError):
            raise frame
        return frame


class Link:
    """Both directions over one channel. `state` is what the app finds in `scope["state"]` of each request."""

    def __init__(self, channel: Channel, app: ASGIApp, client: str, state: Callable[[RequestFrame], Mapping[str, Any]]):
        self._channel, self._app, self._client, self._state = channel, app, client, state
        self._asked: dict[int, Answer] = {}
        self._served: dict[int, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._numbers = count(1)
        self._sending = asyncio.Lock()
        self.is_open = True
        self.on_answered: Callable[[RequestFrame, int], None] = lambda _request, _status: None
        """Told the status of each answer given."""

    @property
    def outstanding(self) -> int:
        """Questions whose answers are not complete."""
        return len(self._asked)

    async def run(self) -> None:
        """Read until the channel ends; then nothing is served or waited for any more."""
        try:
            while True:
                self._heard(decode(await self._channel.receive()))
        except (LinkClosed, FrameUnreadable) as error:
            log.info("link_ended", reason=str(error))
        finally:
            await self._end()

    async def ask(self, method: str, target: str, headers: Headers = (), body: bytes = b"") -> Answer:
        """Ask the other end; returns with the answer's head, however long it takes. Raises LinkClosed."""
        if not self.is_open:
            raise LinkClosed("the link is closed")
        number = next(self._numbers)

        def close(_answer: Answer) -> None:
            if self._asked.pop(number, None) is not None and self.is_open:
                self._start(self._send(CancelFrame(number)))

        answer = self._asked[number] = Answer(close)
        try:
            await self._send(RequestFrame(number, method, target, headers, body))
            await answer.begin()
        except BaseException:
            answer.close()
            raise
        return answer

    async def close(self) -> None:
        """End the link."""
        await self._end()

    async def _end(self) -> None:
        self.is_open = False
        for cancelled in self._served.values():
            cancelled.set()
        for answer in list(self._asked.values()):
            answer.take(LinkClosed("the link ended before the answer did"))
        self._asked.clear()
        await self._channel.close()

    def _heard(self, frame: Frame) -> None:
        match frame:
            case RequestFrame():
                if frame.number in self._served:
                    raise FrameUnreadable(f"request {frame.number} came twice")
                if len(self._served) >= MAX_SERVED:
                    self._start(self._answer_busy(frame.number))
                    return
                self._served[frame.number] = asyncio.Event()
                self._start(self._serve(frame))
            case CancelFrame(number):
                if (cancelled := self._served.get(number)) is not None:
                    cancelled.set()
            case HeadFrame(number) | ChunkFrame(number) | EndFrame(number):
                # An answer that was given up may still be on its way.
                if (answer := self._asked.get(number)) is not None:
                    answer.take(frame)
                    if answer.is_over:
                        self._asked.pop(number, None)

    async def _serve(self, frame: RequestFrame) -> None:
        cancelled, has_started = self._served[frame.number], False
        body: bytes | None = frame.body

        async def receive() -> Message:
            nonlocal body
            if body is not None:
                message: Message = {"type": "http.request", "body": body, "more_body": False}
                body = None
                return message
            await cancelled.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            """Nothing once the link is closed: for the app its client is gone, and that is no failure of its own."""
            if not cancelled.is_set():
                try:
                    await pass_on(message)
                except LinkClosed:
                    cancelled.set()

        async def pass_on(message: Message) -> None:
            nonlocal has_started
            if message["type"] == "http.response.start":
                has_started = True
                self.on_answered(frame, message["status"])
                headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in message["headers"])
                kept = tuple(pair for pair in headers if pair[0].lower() not in _HOP)
                await self._send(HeadFrame(frame.number, message["status"], kept))
            elif message["type"] == "http.response.body":
                data = message.get("body", b"")
                for start in range(0, len(data), MAX_CHUNK):
                    await self._send(ChunkFrame(frame.number, data[start : start + MAX_CHUNK]))
                if not message.get("more_body", False):
                    await self._send(EndFrame(frame.number))

        try:
            await self._app(self._scope(frame), receive, send)
        except Exception:
            log.exception("linked_request_failed")
            if not has_started:
                with suppress(LinkClosed):
                    await self._send(HeadFrame(frame.number, 500, ()))
                    await self._send(EndFrame(frame.number))
        finally:
            self._served.pop(frame.number, None)

    def _scope(self, frame: RequestFrame) -> dict[str, Any]:
        path, _, query = frame.target.partition("?")
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": frame.method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [
                *((name.encode(), value.encode("latin-1")) for name, value in frame.headers if name not in _HOP),
                (b"content-length", str(len(frame.body)).encode()),
            ],
            "client": (self._client, 0),
            "server": None,
            "state": dict(self._state(frame)),
        }

    async def _answer_busy(self, number: int) -> None:
        await self._send(HeadFrame(number, 503, (("content-type", "application/problem+json"), ("retry-after", "1"))))
        await self._send(ChunkFrame(number, _BUSY))
        await self._send(EndFrame(number))

    async def _send(self, frame: Frame) -> None:
        async with self._sending:
            if not self.is_open:
                raise LinkClosed("the link is closed")
            try:
                await asyncio.wait_for(self._channel.send(encode(frame)), SEND_SECONDS)
            except TimeoutError:
                await self._end()
                raise LinkClosed(f"the other end took nothing for {SEND_SECONDS:g} s") from None

    def _start(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(_quietly(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _quietly(work: Any) -> None:
    with suppress(LinkClosed):
        await work
