"""Passwords."""

import asyncio

import pytest

from biometric_flow.identity.errors import TooBusy
from biometric_flow.identity.passwords import Passwords


async def test_a_password_opens_only_its_own_hash() -> None:
    passwords = Passwords()
    stored = await passwords.hash("a long sentence")
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await passwords.verify(stored, "a long sentence")
    assert not await passwords.verify(stored, "another sentence")
    assert not await passwords.verify("not a hash", "a long sentence")


async def test_an_account_that_does_not_exist_is_never_opened() -> None:
    assert not await Passwords().verify(None, "nobody's password")


async def test_more_than_can_be_answered_is_refused_at_once() -> None:
    passwords = Passwords(threads=1, waiting=2)
    answers = await asyncio.gather(*(passwords.verify(None, "x") for _ in range(5)), return_exceptions=True)
    assert [isinstance(answer, TooBusy) for answer in answers] == [False, False, True, True, True]
    with pytest.raises(TooBusy):
        await asyncio.gather(*(passwords.verify(None, "x") for _ in range(3)))
