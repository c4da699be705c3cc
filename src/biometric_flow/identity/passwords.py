"""Passwords: argon2id in a small pool of threads, with the same work for accounts that do not exist."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from biometric_flow.identity.errors import TooBusy

MEMORY_KIB: Final = 19 * 1024
PASSES: Final = 2
LANES: Final = 1
THREADS: Final = 2
WAITING: Final = 32
"""Passwords that may wait; at 80 ms each and two threads the last one waits 1.3 s."""


T = TypeVar("T")


class Passwords:
    """Hashes and checks passwords without holding up the event loop."""

    def __init__(self, threads: int = THREADS, waiting: int = WAITING) -> None:
        self._hasher = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="argon2")
        self._room = waiting
        self._decoy = self._hasher.hash("nobody's password")

    async def hash(self, password: str) -> str:
        """The argon2id hash of a password, in its PHC text form."""
        return await self._run(lambda: self._hasher.hash(password))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Does the password match?

        Without a stored hash, or with an empty one, the answer is no, after the same work (security-design A4).
        """
        known = stored or self._decoy
        is_match = await self._run(lambda: self._matches(known, password))
        return is_match and bool(stored)

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _matches(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if self._room <= 0:
            raise TooBusy("too many sign-ins at this moment; try again in a few seconds")
        self._room -= 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._room += 1
