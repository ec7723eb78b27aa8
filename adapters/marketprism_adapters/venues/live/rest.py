"""Requests to a venue within its budgets: weights, Retry-After, bans."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import aiohttp
import structlog

from marketprism_application.errors import SourceError
from marketprism_application.ports.request_budget import RequestBudget
from marketprism_application.venues.protocol import RestRequest, VenueLimits
from marketprism_sdk.errors import reason_of
from marketprism_sdk.resilience import RateLimiter
from marketprism_sdk.resilience.limiter import Priority, RateLimited

log = structlog.get_logger()

_TIMEOUT = aiohttp.ClientTimeout(total=15.0, connect=10.0)
_TOO_MANY = (429, 418, 403)
_DEFAULT_WAIT_S = {429: 5.0, 418: 120.0, 403: 60.0}
_MAX_BODY = 64 << 20
_NEAR, _NEAR_BULK = 0.9, 0.8  # of what an address has: bulk work leaves the rest to what is live


class RestClient:
    """GETs of one venue. `refused` counts answers that said to wait.

    `shared`: the budgets are those of an address, and others behind it ask too. Bulk work then asks for its share, and
    what is live says what it used.
    """

    def __init__(self, base_url: str, limits: VenueLimits, shared: RequestBudget | None = None) -> None:
        self._base = base_url
        self._budgets = {name: RateLimiter(rate, max(burst, 1.0)) for name, (rate, burst) in limits.budgets.items()}
        self._most = {name: max(burst, 1.0) for name, (_, burst) in limits.budgets.items()}
        self._counter, self._allowed = limits.used_header
        self._session: aiohttp.ClientSession | None = None
        self._shared = shared
        self._not_before = 0.0  # the venue counts by address: whoever is told to wait, all wait
        self._bulk_not_before = 0.0
        self.refused = self.requests = 0
        self.skew_s = 0.0

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=_TIMEOUT)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
        if self._shared is not None:
            await self._shared.release()

    async def get(self, request: RestRequest, priority: Priority = Priority.NORMAL) -> bytes:
        """Body of an answer of the venue, a refusal in words included.

        Raises:
            SourceError: away, too busy, or too much asked; retryable.
        """
        await self._turn(request, priority)
        if self._session is None:
            raise SourceError(f"{request.path}: expected an open client", retryable=True)
        self.requests += 1
        try:
            async with self._session.get(self._base + request.path, params=dict(request.parameters)) as answer:
                self._note_clock(answer.headers)
                self._note_used(answer.headers)
                if answer.status in _TOO_MANY:
                    self._wait(request, answer.status, answer.headers)
                body = await _whole(answer, request)
                if answer.status >= 500:
                    raise SourceError(f"{request.path}: status {answer.status}: {body[:200]!r}", retryable=True)
                return body
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            why = reason_of(error)
            raise SourceError(f"{self._base}{request.path}: expected an answer: {why}", retryable=True) from error

    async def _turn(self, request: RestRequest, priority: Priority) -> None:
        """Until the budget has room, and nobody says to wait."""
        weight = min(request.weight, self._most.get(request.budget, request.weight))
        if self._shared is not None and priority is Priority.BULK:
            while True:
                await self._put_off(priority)
                await self._shared.acquire(request.budget, weight)
                if self._left(priority) <= 0:
                    return
        budget = self._budgets.get(request.budget)
        if budget is not None:
            try:
                await budget.acquire(priority, weight)
            except RateLimited as error:
                raise SourceError(f"{request.path}: expected room to ask: {error}", retryable=True) from error
        await self._put_off(priority)
        if self._shared is not None:
            self._shared.used(request.budget, weight)

    async def _put_off(self, priority: Priority) -> None:
        while (wait_s := self._left(priority)) > 0:  # noqa: ASYNC110 (it may be put off again)
            await asyncio.sleep(wait_s)

    def _left(self, priority: Priority) -> float:
        """How long a request of this priority waits."""
        if priority is Priority.BULK:
            return self.waits_s
        return self._not_before - time.monotonic()

    @property
    def waits_s(self) -> float:
        """How long no bulk work asks, because the venue said so, or has almost had enough of this address."""
        mine = max(self._not_before, self._bulk_not_before) - time.monotonic()
        return max(0.0, mine, 0.0 if self._shared is None else self._shared.waits_s)

    def _wait(self, request: RestRequest, status: int, headers: Mapping[str, str]) -> None:
        self.refused += 1
        try:
            wait_s = float(headers.get("Retry-After", ""))
        except ValueError:
            wait_s = _DEFAULT_WAIT_S[status]
        wait_s = min(max(wait_s, 0.1), 3 * 86_400.0)
        self._not_before = max(self._not_before, time.monotonic() + wait_s)
        if self._shared is not None:
            self._shared.refused(wait_s)
        log.warning("venue.rate_limited", path=request.path, status=status, wait_s=wait_s)
        raise SourceError(f"{request.path}: status {status}: wait {wait_s:g} s", retryable=True)

    def _note_used(self, headers: Mapping[str, str]) -> None:
        """The venue counts what an address has used in a minute: near the limit, nobody asks before the next, and bulk
        work does not some time before."""
        used = headers.get(self._counter, "") if self._counter else ""
        if not used.isdecimal() or int(used) <= self._allowed * _NEAR_BULK:
            return
        wait_s = 60.0 - time.time() % 60.0
        until = time.monotonic() + wait_s
        self._bulk_not_before = max(self._bulk_not_before, until)
        if int(used) > self._allowed * _NEAR:
            self._not_before = max(self._not_before, until)
            log.warning("venue.rate_limit_near", used=int(used), wait_s=round(wait_s, 1))

    def _note_clock(self, headers: Mapping[str, str]) -> None:
        """How far the venue's clock is from ours, to the second that its header tells."""
        date = headers.get("Date", "")
        if date:
            parsed = _http_date(date)
            if parsed is not None:
                self.skew_s = parsed - time.time()


async def _whole(answer: aiohttp.ClientResponse, request: RestRequest) -> bytes:
    """A body to its end, however many pieces it comes in."""
    pieces: list[bytes] = []
    size = 0
    async for piece in answer.content.iter_any():
        size += len(piece)
        if size > _MAX_BODY:
            raise SourceError(f"{request.path}: expected an answer of at most {_MAX_BODY} bytes", retryable=True)
        pieces.append(piece)
    return b"".join(pieces)


def _http_date(text: str) -> float | None:
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 (a module of some weight)

    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError):
        return None
