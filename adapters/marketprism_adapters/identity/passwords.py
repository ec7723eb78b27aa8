"""Passwords: argon2id in a few threads of their own, so that a flood of logins holds up nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from marketprism_application.contracts.failures import Code
from marketprism_application.errors import ApplicationError, QueryError

T = TypeVar("T")
_KIB, _PASSES, _LANES = 19 * 1_024, 2, 1
_THREADS, _WAITING = 2, 20
SHORTEST, LONGEST = 10, 256

# Of no password at all: to look at it costs whoever has no account as much as the digest of somebody who has one.
NOBODYS = f"$argon2id$v=19$m={_KIB},t={_PASSES},p={_LANES}${'A' * 22}${'A' * 43}"


class Busy(ApplicationError):
    """More logins at a time than passwords can be looked at."""

    code = Code.OVERLOADED


class Passwords:
    """Digests of passwords. `close` ends its threads."""

    def __init__(self, threads: int = _THREADS, waiting: int = _WAITING) -> None:
        self._hasher = PasswordHasher(time_cost=_PASSES, memory_cost=_KIB, parallelism=_LANES)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="passwords")
        self._most = threads + waiting
        self._running = 0

    @staticmethod
    def check(password: str) -> None:
        """Raises QueryError: one that is too short or too long."""
        if not SHORTEST <= len(password) <= LONGEST:
            raise QueryError(f"password: expected {SHORTEST} to {LONGEST} characters, was {len(password)}")

    async def digest(self, password: str) -> str:
        """A new digest, which holds its parameters. Raises Busy."""
        return await self._run(lambda: self._hasher.hash(password))

    async def verify(self, digest: str, password: str) -> bool:
        """Whether the password is that of the digest; an empty digest takes as long, and is nobody's. Raises Busy."""
        return await self._run(lambda: self._verify(digest, password[: LONGEST + 1]))

    def is_old(self, digest: str) -> bool:
        """Whether a digest was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(digest)

    def _verify(self, digest: str, password: str) -> bool:
        try:
            self._hasher.verify(digest or NOBODYS, password)
        except (VerificationError, InvalidHashError):
            return False
        return bool(digest)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._running >= self._most:
            raise Busy(f"logins: expected at most {self._most} at a time", retryable=True)
        self._running += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._running -= 1

    def close(self) -> None:
        """End the threads; what waits is dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)
