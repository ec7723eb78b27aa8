"""Retry with exponential backoff and jitter, over tenacity; time is the injected clock's."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from marketprism_sdk.clock import Clock, SystemClock
from marketprism_sdk.errors import ConfigurationError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses `first_s`, doubled up to `longest_s`, each shortened by up to `jitter` of itself."""

    first_s: float = 0.1
    longest_s: float = 5.0
    jitter: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.first_s <= self.longest_s or not 0 <= self.jitter <= 1:
            raise ConfigurationError(f"backoff: expected 0 < first_s <= longest_s and jitter in 0..1, was {self}")

    def pause_s(self, attempt: int, draw: float | None = None) -> float:
        """Pause before the n-th retry, from 1."""
        full = min(self.longest_s, self.first_s * 2.0 ** min(attempt - 1, 60))
        return full * (1 - self.jitter * (random.random() if draw is None else draw))


def is_retryable(error: BaseException) -> bool:
    """Whether an error says that the same call can succeed later (its attribute `retryable`)."""
    return bool(getattr(error, "retryable", False))


async def retry(
    call: Callable[[], Awaitable[T]],
    *,
    attempts: int | None = 5,
    backoff: Backoff | None = None,
    retryable: Callable[[BaseException], bool] = is_retryable,
    on_retry: Callable[[int, float, Exception], None] = lambda _a, _p, _e: None,
    deadline_s: float | None = None,
    clock: Clock | None = None,
) -> T:
    """Result of the first success; the last error when no attempt is left or it is not one to retry.

    No retry begins after `deadline_s` from now; with `attempts` None that is the only end. An error with a
    `retry_after_s` is not repeated before that.
    """
    clock = clock or SystemClock()
    pauses = backoff or Backoff()
    until = None if deadline_s is None else clock.monotonic_s() + deadline_s
    failed: Exception | None = None
    try:
        return await call()
    except Exception as error:
        if not retryable(error):
            raise
        failed = error

    import tenacity  # noqa: PLC0415 (only who tries again)

    def wait(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome is not None else None
        return max(pauses.pause_s(state.attempt_number), float(getattr(error, "retry_after_s", None) or 0.0))

    def stop(state: tenacity.RetryCallState) -> bool:
        late = until is not None and clock.monotonic_s() + wait(state) > until
        return late or (attempts is not None and state.attempt_number >= attempts)

    def tell(state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome is not None else None
        if isinstance(error, Exception):
            on_retry(state.attempt_number, state.upcoming_sleep, error)

    async def attempt() -> T:  # tenacity awaits what it sees to be a coroutine function
        nonlocal failed
        first, failed = failed, None
        try:
            if first is not None:
                raise first
            return await call()
        finally:
            first = None  # an error must not hold the frame that holds it

    return await tenacity.AsyncRetrying(
        sleep=clock.sleep,
        stop=stop,
        wait=wait,
        retry=tenacity.retry_if_exception(lambda error: isinstance(error, Exception) and retryable(error)),
        before_sleep=tell,
        reraise=True,
    )(attempt)
