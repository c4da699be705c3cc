"""Who is signed in: server-side logins behind an opaque cookie, their gateway tokens, and the one cache."""

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final, TypeVar

import structlog

from biometric_flow.api.clients import GatewayClient, GatewayProblem, GatewayUnreachable
from biometric_flow.api.gateway import Me, Token
from biometric_flow.runtime.clock import Clock

log = structlog.get_logger()

T = TypeVar("T")

REFRESH_BEFORE: Final = timedelta(seconds=30)
"""An access token this close to its end is traded for the next one first."""
CACHE_SECONDS: Final = 2.0
"""Long enough for the regions of one page to share an answer, short enough that nobody sees an old one."""
MAX_CACHED: Final = 32
MAX_LOGINS: Final = 10_000
ANSWER_SECONDS: Final = 12.0
"""A page waits this long for the gateway at most; the client's own deadline is shorter and says more."""


class SignedOut(Exception):
    """This login is over: signed out, idle too long, at the end of its day, or revoked at the gateway."""


@dataclass(eq=False)
class Login:
    """One browser's login. Lives on the server's event loop; only `ask` may be called from other threads."""

    id: str
    me: Me
    opened: datetime
    used: datetime
    access: str
    access_ends: datetime
    refresh: str
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    streams: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    cache: dict[Hashable, tuple[float, Any]] = field(default_factory=dict)


class Logins:
    """All logins of this process, in memory only: a restart signs everybody out, and no token is ever on a disk."""

    def __init__(self, client: GatewayClient, clock: Clock, idle: timedelta, total: timedelta) -> None:
        self.client, self._clock, self._idle, self._total = client, clock, idle, total
        self._logins: dict[bytes, Login] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    async def open(self, email: str, password: str) -> str:
        """Sign in at the gateway; the cookie value of a new login. Raises what the client raises."""
        return await self._begin(await self.client.sign_in(email, password))

    async def open_with_code(self, ticket: str, code: str) -> str:
        """The second step of signing in. Raises what the client raises."""
        return await self._begin(await self.client.second_step(ticket, code))

    async def _begin(self, token: Token) -> str:
        me = await self.client.me(token.access_token)
        now = self._clock.now()
        cookie = secrets.token_urlsafe(32)
        if len(self._logins) >= MAX_LOGINS:
            self.sweep()
            self._end(min(self._logins, key=lambda key: self._logins[key].used))
        self._logins[_digest(cookie)] = Login(
            id=secrets.token_urlsafe(12),
            me=me,
            opened=now,
            used=now,
            access=token.access_token,
            access_ends=now + timedelta(seconds=token.expires_in),
            refresh=token.refresh_token,
        )
        return cookie

    def find(self, cookie: str | None) -> Login | None:
        """The living login behind a cookie value."""
        if not cookie or len(cookie) > 100:
            return None
        key = _digest(cookie)
        login = self._logins.get(key)
        if login is not None and self._is_over(login):
            self._end(key)
            return None
        return login

    def touch(self, login: Login) -> None:
        """Its person did something; timers and live streams do not count."""
        login.used = self._clock.now()

    def today(self) -> date:
        """The day by the process's clock, in UTC."""
        return self._clock.now().date()

    def moment(self) -> float:
        """Seconds that only go forward, for comparing what this process did when."""
        return self._clock.monotonic()

    def close(self, login: Login) -> None:
        """End a login: its pages, sockets and streams stop at once."""
        for key, other in list(self._logins.items()):
            if other is login:
                self._end(key)

    async def leave(self, login: Login) -> None:
        """End a login here and at the gateway, whose tokens are worth nothing from then on."""
        access = login.access
        self.close(login)
        try:
            await self.client.sign_out(access)
        except GatewayProblem as error:
            # 401: its access token was over; the refresh token dies unused with this process's memory.
            log.info("sign_out_refused", code=error.code)
        except GatewayUnreachable as error:
            log.warning("sign_out_not_told", reason=str(error))

    def sweep(self) -> None:
        """End the logins whose time is over."""
        for key, login in list(self._logins.items()):
            if self._is_over(login):
                self._end(key)

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Name the server's event loop, which answers what pages ask from their threads."""
        self._loop = loop

    async def keep_sweeping(self) -> None:
        """Sweep until cancelled."""
        while True:
            await self._clock.sleep(10)
            self.sweep()

    async def token(self, login: Login) -> str:
        """An access token that is good for a while. Raises SignedOut when the gateway gives no more."""
        async with login.lock:
            if login.ended.is_set():
                raise SignedOut
            if self._clock.now() + REFRESH_BEFORE >= login.access_ends:
                try:
                    token: Token = await self.client.refresh(login.refresh)
                except GatewayProblem as error:
                    if error.status in (400, 401, 403):
                        self.close(login)
                        raise SignedOut from error
                    raise
                login.access, login.refresh = token.access_token, token.refresh_token
                login.access_ends = self._clock.now() + timedelta(seconds=token.expires_in)
            return login.access

    def ask(self, login: Login, key: Hashable, question: Callable[[GatewayClient, str], Awaitable[T]]) -> T:
        """The gateway's answer for this login, from a page's thread; kept for two seconds under `key`.

        An answer without a key is not kept. Raises what the client raises, SignedOut, or TimeoutError.
        """
        if self._loop is None:
            raise SignedOut
        return asyncio.run_coroutine_threadsafe(self._answer(login, key, question), self._loop).result(ANSWER_SECONDS)

    async def _answer(self, login: Login, key: Hashable, question: Callable[[GatewayClient, str], Awaitable[T]]) -> T:
        now = self._clock.monotonic()
        kept = login.cache.get(key)
        if kept is not None and kept[0] > now:
            value: T = kept[1]
            return value
        try:
            value = await question(self.client, await self.token(login))
        except GatewayProblem as error:
            if error.status == 401:
                self.close(login)
                raise SignedOut from error
            raise
        login.cache = {old: entry for old, entry in login.cache.items() if entry[0] > now}
        if key is not None and len(login.cache) < MAX_CACHED:
            login.cache[key] = (self._clock.monotonic() + CACHE_SECONDS, value)
        return value

    def _is_over(self, login: Login) -> bool:
        now = self._clock.now()
        return login.ended.is_set() or now >= login.used + self._idle or now >= login.opened + self._total

    def _end(self, key: bytes) -> None:
        login = self._logins.pop(key, None)
        if login is not None:
            login.ended.set()
            login.cache.clear()


def _digest(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode()).digest()


_logins: Logins | None = None
_cookie: str = ""


def install(logins: Logins, cookie_name: str) -> None:
    """Make this store the one that Streamlit's scripts see.

    The only process-wide name of the dashboard: Streamlit executes pages as scripts, which cannot be handed arguments.
    """
    global _logins, _cookie
    _logins, _cookie = logins, cookie_name


def installed() -> tuple[Logins, str]:
    """The store and the cookie's name, for pages."""
    assert _logins is not None, "pages run only inside the dashboard process"
    return _logins, _cookie
