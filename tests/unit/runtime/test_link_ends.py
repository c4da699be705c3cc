"""Both ends of a link in one loop: what overload, leaving and slow reading cost, and whom."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from starlette.types import Receive, Scope, Send

from biometric_flow.api.link import MAX_CHUNK
from biometric_flow.runtime.deadline import DeadlinePassed, within_deadline
from biometric_flow.runtime.link import MAX_SERVED, MAX_WAITING, AnswerTooSlowlyRead, Link, LinkClosed

App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Pipe:
    """One direction each; closing ends both."""

    def __init__(self, inward: asyncio.Queue[bytes | None], outward: asyncio.Queue[bytes | None]) -> None:
        self._inward, self._outward = inward, outward

    async def send(self, message: bytes) -> None:
        self._outward.put_nowait(message)

    async def receive(self) -> bytes:
        message = await self._inward.get()
        if message is None:
            raise LinkClosed("the other end is gone")
        return message

    async def close(self) -> None:
        self._outward.put_nowait(None)
        self._inward.put_nowait(None)


@asynccontextmanager
async def asking(app: App) -> AsyncIterator[Link]:
    there: asyncio.Queue[bytes | None] = asyncio.Queue()
    back: asyncio.Queue[bytes | None] = asyncio.Queue()
    near = Link(Pipe(back, there), _nothing, "", lambda _request: {})
    far = Link(Pipe(there, back), app, "", lambda _request: {"linked": True})
    running = asyncio.gather(near.run(), far.run())
    try:
        yield near
    finally:
        await near.close()
        await asyncio.wait_for(running, 10)


async def test_answers_of_any_length_come_whole_and_apart() -> None:
    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["state"] == {"linked": True}
        await _say(send, (await receive())["body"] * 3)

    async with asking(echo) as link:
        bodies = [bytes([number]) * (number * 40_000) for number in range(8)]
        answers = await asyncio.gather(*(link.ask("POST", f"/{len(body)}?a=b", (), body) for body in bodies))
        assert [await answer.read(2_000_000) for answer in answers] == [body * 3 for body in bodies]
        assert link.outstanding == 0


async def test_a_reader_that_is_too_slow_is_dropped_alone() -> None:
    sent = asyncio.Event()

    async def much(scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["path"] == "/little":
            await _say(send, b"here")
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(2 + MAX_WAITING // MAX_CHUNK):
            await send({"type": "http.response.body", "body": bytes(MAX_CHUNK), "more_body": True})
        sent.set()

    async with asking(much) as link:
        slow = await link.ask("GET", "/much")
        await asyncio.wait_for(sent.wait(), 10)
        little = await link.ask("GET", "/little")
        assert await little.read(100) == b"here"
        with pytest.raises(AnswerTooSlowlyRead):
            await slow.read(100 * MAX_WAITING)


async def test_who_leaves_is_noticed_by_the_one_who_answers() -> None:
    left = asyncio.Event()

    async def live(_scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await receive()
        assert (await receive())["type"] == "http.disconnect"
        left.set()

    async with asking(live) as link:
        (await link.ask("GET", "/live")).close()
        await asyncio.wait_for(left.wait(), 10)


async def test_more_than_an_end_can_answer_is_told_to_come_back() -> None:
    gate = asyncio.Event()

    async def slow(_scope: Scope, _receive: Receive, send: Send) -> None:
        await gate.wait()
        await _say(send, b"done")

    async with asking(slow) as link:
        waiting = [asyncio.create_task(link.ask("GET", "/")) for _ in range(MAX_SERVED)]
        await asyncio.sleep(0)
        busy = await link.ask("GET", "/")
        assert (busy.status, b"link.busy" in await busy.read(1000)) == (503, True)
        gate.set()
        assert {(await one).status for one in waiting} == {200}


async def test_questions_end_with_their_link() -> None:
    async def never(_scope: Scope, receive: Receive, _send: Send) -> None:
        await receive()
        await receive()

    async with asking(never) as link:
        waiting = asyncio.create_task(link.ask("GET", "/"))
        while not link.outstanding:
            await asyncio.sleep(0)
        await link.close()
        with pytest.raises(LinkClosed):
            await waiting
        with pytest.raises(LinkClosed):
            await link.ask("GET", "/")


async def test_a_line_that_is_cut_before_the_answer_is_no_failure_of_who_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended = asyncio.Event()

    async def nobody_noticed_yet(_self: Pipe, _message: bytes) -> None:
        raise LinkClosed("the line is cut")

    async def late(_scope: Scope, _receive: Receive, send: Send) -> None:
        monkeypatch.setattr(Pipe, "send", nobody_noticed_yet)
        await _say(send, b"too late")
        ended.set()

    async with asking(late) as link:
        waiting = asyncio.create_task(link.ask("GET", "/"))
        await asyncio.wait_for(ended.wait(), 10)
        await link.close()
        with pytest.raises(LinkClosed):
            await waiting


async def test_a_handler_that_fails_answers_500_and_the_link_goes_on() -> None:
    async def fails(scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["path"] == "/bad":
            raise ValueError("a bug")
        await _say(send, b"well")

    async with asking(fails) as link:
        assert (await link.ask("GET", "/bad")).status == 500
        assert await (await link.ask("GET", "/good")).read(10) == b"well"


async def test_a_read_ends_at_its_callers_deadline_and_a_write_does_not() -> None:
    ended: list[str] = []

    async def slow(scope: Scope, _receive: Receive, send: Send) -> None:
        for _ in range(50):
            await asyncio.sleep(0.001)
        ended.append(scope["method"])
        await _say(send, b"")

    async def send(_message: object) -> None:
        pass

    def scope(method: str) -> Scope:
        return {"type": "http", "method": method, "headers": [(b"x-request-timeout-ms", b"5")]}

    with pytest.raises(DeadlinePassed):
        await within_deadline(slow, scope("GET"), _never, send)
    await within_deadline(slow, scope("POST"), _never, send)
    assert ended == ["POST"]


async def _nothing(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise AssertionError("nobody asks this end")


async def _never() -> dict[str, object]:
    raise AssertionError("nothing is read")


async def _say(send: Send, body: bytes) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})
