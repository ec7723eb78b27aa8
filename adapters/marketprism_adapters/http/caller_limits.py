"""What each caller of the read API may take at a time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TypeVar

from marketprism_application.contracts.failures import Code
from marketprism_application.errors import ApplicationError
from marketprism_sdk.resilience import Bulkhead, BulkheadFull, RateLimited, RateLimiter

T = TypeVar("T")
_KNOWN = 10_000


class TooMany(ApplicationError):
    """The caller has to wait; `retry_s` says how long."""

    code = Code.TOO_MANY_REQUESTS

    def __init__(self, message: str, retry_s: float) -> None:
        super().__init__(message, retryable=True)
        self.retry_s = retry_s


class Callers:
    """A caller is known by its address, or by what it has shown to be: what it says of itself, anybody may say."""

    def __init__(self, concurrent: int, per_second: float) -> None:
        self._concurrent = concurrent
        self._per_second = per_second
        self._known: OrderedDict[str, tuple[RateLimiter, Bulkhead]] = OrderedDict()

    async def serve(self, caller: str, call: Callable[[], Awaitable[T]], weight: int = 1) -> T:
        """One question of a caller, which counts as so many.

        Raises:
            TooMany: more questions at a time, or a second, than one caller may ask.
        """
        limiter, room = self._of(caller)
        try:
            await limiter.acquire(weight=min(weight, max(1.0, self._per_second)))
            return await room.execute(call)
        except RateLimited as error:
            wait_s = 1 / self._per_second
            raise TooMany(f"expected at most {self._per_second:g} questions a second of one caller", wait_s) from error
        except BulkheadFull as error:
            raise TooMany(f"expected at most {self._concurrent} questions at a time of one caller", 1.0) from error

    def _of(self, caller: str) -> tuple[RateLimiter, Bulkhead]:
        found = self._known.get(caller)
        if found is None:
            burst = max(1.0, self._per_second)
            found = (RateLimiter(self._per_second, burst, waiting=0), Bulkhead(self._concurrent, 0))
            self._known[caller] = found
            if len(self._known) > _KNOWN:
                self._known.popitem(last=False)
        self._known.move_to_end(caller)
        return found
