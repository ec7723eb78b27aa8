"""Bulkhead: a bound on what runs at once, so that one slow dependency cannot take everything."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from marketprism_sdk.errors import ConfigurationError, SdkError

T = TypeVar("T")


class BulkheadFull(SdkError):
    """As many run and wait as may."""

    retryable = True


class Bulkhead:
    """At most `parallel` calls run and `waiting` wait."""

    def __init__(self, parallel: int, waiting: int = 0) -> None:
        if parallel < 1 or waiting < 0:
            raise ConfigurationError(f"bulkhead: expected parallel >= 1 and waiting >= 0, was {parallel}, {waiting}")
        self._places = asyncio.Semaphore(parallel)
        self._room = parallel + waiting
        self.inside: int = 0
        self.refused: int = 0

    async def execute(self, call: Callable[[], Awaitable[T]]) -> T:
        """Run the call when there is a place.

        Raises:
            BulkheadFull: there is no room to wait either.
        """
        if self.inside >= self._room:
            self.refused += 1
            raise BulkheadFull(f"expected at most {self._room} calls at once")
        self.inside += 1
        try:
            async with self._places:
                return await call()
        finally:
            self.inside -= 1
