"""One HTTP request as a terminal makes it: a new connection, a plain body, and faults where they are wanted."""

import asyncio
import contextlib
import ssl
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

_ANSWER_MAX: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server answered."""

    status: int
    text: str
    headers: dict[str, str] = field(default_factory=dict)
    """Names in lower case."""
    content: bytes = b""
    """The body as it came."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where to dial: `http://host:port` or `https://`, with the secret path before `/iclock` where there is one."""

    url: str

    @property
    def base(self) -> str:
        """The path before the endpoint."""
        return urlsplit(self.url).path.rstrip("/") + "/iclock"

    async def request(
        self, method: str, path: str, body: bytes = b"", cookie: str = "", seconds: float = 10, drop: int | None = None
    ) -> Reply:
        """Send a request and read its answer. With `drop`, hang up after so many bytes, as a cut line does.

        Raises OSError when the line fails or is dropped, TimeoutError after `seconds`.
        """
        parts = urlsplit(self.url)
        is_tls = parts.scheme == "https"
        head = [
            f"{method} {self.base}/{path} HTTP/1.1",
            f"Host: {parts.netloc}",
            "User-Agent: iClock Proxy/1.09",
            "Connection: close",
            "Accept: */*",
            f"Content-Length: {len(body)}",
            *([f"Cookie: token={cookie}"] if cookie else []),
        ]
        request = "\r\n".join(head).encode() + b"\r\n\r\n" + body
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(
                parts.hostname, parts.port or (443 if is_tls else 80), ssl=_unverified() if is_tls else None
            )
            try:
                writer.write(request[:drop])
                await writer.drain()
                if drop is not None:
                    # Bytes that were handed over are on their way before the line goes.
                    await asyncio.sleep(0.05)
                    raise ConnectionResetError("the line was cut on purpose")
                return await _read_reply(reader)
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()


async def _read_reply(reader: asyncio.StreamReader) -> Reply:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = int(head[0].split(" ")[1])
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        length = min(int(headers.get("content-length", "0")), _ANSWER_MAX)
        content = await reader.readexactly(length)
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, IndexError) as problem:
        raise ConnectionError(f"expected an HTTP answer, got none that can be read: {problem}") from None
    return Reply(status, content.decode("utf-8", "replace"), headers, content)


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
