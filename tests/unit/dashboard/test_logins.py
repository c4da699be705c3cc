import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from biometric_flow.api.clients import GatewayClient, GatewayProblem
from biometric_flow.api.gateway import Me, Token
from biometric_flow.dashboard.login import Logins, SignedOut

ME = Me(account="1", email="a@example.com", name="A", tenant="t", tenant_name="T", role="hr_manager", pages=["live"])


class HandClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.moment.timestamp()

    async def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)
        await asyncio.sleep(0)

    def forward(self, **time: float) -> None:
        self.moment += timedelta(**time)


class Gateway(GatewayClient):
    """A gateway's access decisions without a network: single-use refresh tokens, counted."""

    def __init__(self) -> None:
        self.refreshed = 0
        self.is_revoked = False

    async def sign_in(self, email: str, password: str) -> Token:
        return Token(access_token="access-0", expires_in=300, refresh_token="refresh-0")

    async def me(self, token: str) -> Me:
        return ME

    async def refresh(self, refresh_token: str) -> Token:
        await asyncio.sleep(0)
        if self.is_revoked or refresh_token != f"refresh-{self.refreshed}":
            raise GatewayProblem("access.unauthenticated", "used up", 401, False, "r")
        self.refreshed += 1
        return Token(access_token=f"access-{self.refreshed}", expires_in=300, refresh_token=f"refresh-{self.refreshed}")


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


@pytest.fixture
def logins(gateway: Gateway, clock: HandClock) -> Logins:
    return Logins(gateway, clock, timedelta(minutes=30), timedelta(hours=12))


async def test_a_cookie_finds_its_login_and_a_guess_finds_none(logins: Logins) -> None:
    cookie = await logins.open("a@example.com", "secret")

    assert logins.find(cookie) is not None
    assert logins.find(cookie[:-1] + "x") is None
    assert logins.find(None) is None
    assert logins.find("x" * 5000) is None


async def test_a_login_ends_after_thirty_idle_minutes_and_its_streams_are_told(
    logins: Logins, clock: HandClock
) -> None:
    cookie = await logins.open("a@example.com", "secret")
    login = logins.find(cookie)
    assert login is not None
    clock.forward(minutes=29)
    logins.touch(login)
    clock.forward(minutes=29)
    assert logins.find(cookie) is login

    clock.forward(minutes=2)
    logins.sweep()

    assert login.ended.is_set()
    assert logins.find(cookie) is None


async def test_a_busy_login_ends_after_twelve_hours_all_the_same(logins: Logins, clock: HandClock) -> None:
    cookie = await logins.open("a@example.com", "secret")
    for _ in range(12 * 4 - 1):
        clock.forward(minutes=15)
        login = logins.find(cookie)
        assert login is not None
        logins.touch(login)

    clock.forward(minutes=15)

    assert logins.find(cookie) is None


async def test_many_callers_at_the_end_of_a_token_spend_one_refresh_token(
    logins: Logins, gateway: Gateway, clock: HandClock
) -> None:
    login = logins.find(await logins.open("a@example.com", "secret"))
    assert login is not None
    clock.forward(seconds=290)

    tokens = await asyncio.gather(*(logins.token(login) for _ in range(20)))

    assert set(tokens) == {"access-1"}
    assert gateway.refreshed == 1


async def test_a_login_revoked_at_the_gateway_ends_at_its_next_refresh(
    logins: Logins, gateway: Gateway, clock: HandClock
) -> None:
    cookie = await logins.open("a@example.com", "secret")
    login = logins.find(cookie)
    assert login is not None
    gateway.is_revoked = True
    clock.forward(seconds=290)

    with pytest.raises(SignedOut):
        await logins.token(login)

    assert login.ended.is_set()
    assert logins.find(cookie) is None


async def test_an_answer_is_kept_for_two_seconds_and_for_this_login_only(logins: Logins, clock: HandClock) -> None:
    one = logins.find(await logins.open("a@example.com", "secret"))
    other = logins.find(await logins.open("b@example.com", "secret"))
    assert one is not None
    assert other is not None
    asked: list[str] = []

    async def question(_client: GatewayClient, token: str) -> int:
        asked.append(token)
        return len(asked)

    logins.attach(asyncio.get_running_loop())
    first = await asyncio.to_thread(logins.ask, one, "k", question)
    again = await asyncio.to_thread(logins.ask, one, "k", question)
    others = await asyncio.to_thread(logins.ask, other, "k", question)
    clock.forward(seconds=2.1)
    later = await asyncio.to_thread(logins.ask, one, "k", question)

    assert (first, again, others, later) == (1, 1, 2, 3)
