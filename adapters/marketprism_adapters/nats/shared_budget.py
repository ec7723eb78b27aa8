"""The request budgets of a market, shared by all programs behind one address through a bucket of NATS.

Work of a quarter of a second to a second is granted at once, by one compare-and-swap. What a worker that died was
granted is lost, a second's worth at most; one that lives gives back what it could not use in time.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Mapping

import msgspec
import structlog

from marketprism_adapters.nats.budget_record import Budget, BudgetRecord, put_off, taken, waits_s
from marketprism_application.contracts.subjects import escape
from marketprism_application.errors import SourceError
from marketprism_sdk.errors import KeyExists, RevisionConflict, SdkError, reason_of
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.ports import KvEntry, Stop
from marketprism_sdk.values import decode_or_none

log = structlog.get_logger()

VENUE_BUDGETS = "venue_budgets"
_GRANT_S = 0.5
_LEAST_S = 0.25
_REPORT_S = 1.0
_AGAIN_S = 0.5
Change = Callable[[BudgetRecord, int], tuple[BudgetRecord, float]]


class _Grants:
    """What this program may use of one budget, and how quick it is."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.turn = asyncio.Lock()
        self.tokens = 0.0
        self.good_until = 0.0
        self.wanted = 0.0  # by those that wait here
        self.pace = 0.0  # weights a second, as last used
        self._used, self._since = 0.0, time.monotonic()

    def use(self, weight: float) -> None:
        """So much is used."""
        self.tokens -= weight
        self._used += weight
        elapsed = time.monotonic() - self._since
        if elapsed >= _GRANT_S:
            self.pace = self._used / elapsed
            self._used, self._since = 0.0, time.monotonic()

    def next_size(self, weight: float) -> float:
        """How much to ask for: what waits here, or half a second of what is used, but never what waits too long."""
        budget = self.budget
        most = max(weight, budget.rate * budget.horizon_s)
        return min(most, max(weight, self.wanted, self.pace * _GRANT_S, budget.rate * _LEAST_S / 4))


class SharedBudget:
    """Fulfils `RequestBudget` for one market and one address; `budgets` are those of its limits (rate, burst).

    Nothing is asked of NATS before something is used. `patience_s`: how long bulk work waits for NATS.
    """

    def __init__(
        self,
        connection: NatsConnection,
        address: str,
        market: str,
        budgets: Mapping[str, tuple[float, float]],
        *,
        replicas: int = 1,
        patience_s: float = 60.0,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._connection, self._replicas = connection, replicas
        self._patience_s, self._now_ns = patience_s, now_ns
        self._key = f"{escape(address)}.{escape(market)}"
        self._grants = {name: _Grants(Budget(rate, max(burst, 1.0))) for name, (rate, burst) in budgets.items()}
        self._bucket: NatsKeyValue | None = None
        self._opening = asyncio.Lock()
        self._entry: KvEntry | None = None  # the newest that was seen
        self._stop: Stop | None = None
        self._live: dict[str, float] = {}
        self._wait_s = 0.0
        self._put_off_until = 0.0  # by our own clock
        self._news, self._urgent = asyncio.Event(), asyncio.Event()
        self._reporting: asyncio.Task[None] | None = None
        self.writes = 0

    @property
    def unreported(self) -> float:
        """How much was used that the others do not know of yet."""
        return sum(self._live.values())

    @property
    def waits_s(self) -> float:
        """As the newest record says, or what was said to this program."""
        return max(self._put_off_until - time.monotonic(), waits_s(self._record(), self._now_ns()), 0.0)

    # -- bulk work -----------------------------------------------------------------------------------------------------

    async def acquire(self, budget: str, weight: float) -> None:
        """One after the other, in the order in which they ask."""
        grants = self._grants.get(budget)
        if grants is None:
            return
        grants.wanted += weight
        try:
            async with grants.turn:
                if time.monotonic() > grants.good_until or grants.tokens < weight:
                    await self._grant(budget, grants, weight)
                grants.use(weight)
        finally:
            grants.wanted -= weight

    async def _grant(self, name: str, grants: _Grants, weight: float) -> None:
        """Give back what is left, and take what comes next in its place."""
        size = grants.next_size(weight)
        left, grants.tokens = max(0.0, grants.tokens), 0.0

        def take(record: BudgetRecord, now: int) -> tuple[BudgetRecord, float]:
            return taken(record, name, grants.budget, size - left, now)

        until = time.monotonic() + self._patience_s
        while True:
            try:
                wait_s = await self._changed(take)
                break
            except SdkError as error:
                if time.monotonic() > until or not error.retryable:
                    text = f"budget of {self._key}: expected an answer of NATS: {reason_of(error)}"
                    raise SourceError(text, retryable=True) from error
                await asyncio.sleep(_AGAIN_S)
        await asyncio.sleep(wait_s)
        grants.tokens = size
        grants.good_until = time.monotonic() + grants.budget.horizon_s

    # -- live work -----------------------------------------------------------------------------------------------------

    def used(self, budget: str, weight: float) -> None:
        """Said to the others once a second at most, by a task of its own."""
        if budget in self._grants:
            self._live[budget] = self._live.get(budget, 0.0) + weight
            self._tell()

    def refused(self, wait_s: float) -> None:
        """Said to the others at once."""
        self._wait_s = max(self._wait_s, wait_s)
        self._put_off_until = max(self._put_off_until, time.monotonic() + wait_s)
        self._urgent.set()
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        if self._reporting is None or self._reporting.done():
            self._reporting = asyncio.get_running_loop().create_task(self._report(), name=f"budget {self._key}")

    async def _report(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            self._urgent.clear()
            await self._share()
            await self._pause()

    async def _share(self) -> None:
        """Write down what was used and refused; where NATS is away, in a second once more."""
        live, self._live = self._live, {}
        wait_s, self._wait_s = self._wait_s, 0.0
        try:
            await self._changed(lambda record, now: self._with_usage(record, now, live, wait_s))
        except SdkError as error:
            log.debug("venue.budget_not_shared", market=self._key, error=reason_of(error))
            for name, weight in live.items():  # what is older than a burst is there again
                most = self._grants[name].budget.burst
                self._live[name] = min(most, self._live.get(name, 0.0) + weight)
            self._wait_s = max(self._wait_s, wait_s)
            self._news.set()

    async def _pause(self) -> None:
        """A second, less where the venue says to wait."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_REPORT_S):
                await self._urgent.wait()

    def _with_usage(
        self, record: BudgetRecord, now: int, live: Mapping[str, float], wait_s: float = 0.0
    ) -> tuple[BudgetRecord, float]:
        for name, weight in live.items():
            record, _ = taken(record, name, self._grants[name].budget, weight, now)
        left = self._put_off_until - time.monotonic()
        if wait_s and left > 0:
            record = put_off(record, left, now)
        return record, 0.0

    # -- the record ----------------------------------------------------------------------------------------------------

    def _record(self) -> BudgetRecord:
        return decode_or_none(self._entry, BudgetRecord) or BudgetRecord()

    async def _changed(self, change: Change) -> float:
        """Write the record as it is after a change; what the change says besides. Raises SdkError."""
        bucket = self._bucket or await self._open()
        while True:
            entry = self._entry
            record, result = change(self._record(), self._now_ns())
            data = msgspec.msgpack.encode(record)
            self.writes += 1
            try:
                revision = await (
                    bucket.update(self._key, data, entry.revision) if entry else bucket.create(self._key, data)
                )
            except (RevisionConflict, KeyExists):
                self._see(await bucket.get(self._key))
                await asyncio.sleep(random.uniform(0.0, 0.01))
            else:
                self._see(KvEntry(self._key, data, revision, bucket=bucket.bucket))
                return result

    async def _open(self) -> NatsKeyValue:
        """The bucket, made if need be, and whatever happens to the record from now on."""
        async with self._opening:
            if self._bucket is None:
                bucket = await NatsKeyValue.open(self._connection, VENUE_BUDGETS, replicas=self._replicas)
                self._stop = await bucket.watch(f"{self._key}", self._see)
                self._see(await bucket.get(self._key))
                self._bucket = bucket
            return self._bucket

    def _see(self, entry: KvEntry | None) -> None:
        if entry is None:
            self._entry = None
        elif entry.key == self._key and (self._entry is None or entry.revision > self._entry.revision):
            self._entry = None if entry.deleted else entry

    async def release(self) -> None:
        """Give back what is left, and tell what was not told yet, within a second; another use begins anew."""
        reporting, self._reporting = self._reporting, None
        if reporting is not None:
            reporting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reporting
        live, self._live = self._live, {}
        for name, grants in self._grants.items():
            if grants.tokens > 0:
                live[name] = live.get(name, 0.0) - grants.tokens
                grants.tokens = 0.0
        stop, self._stop = self._stop, None
        with contextlib.suppress(SdkError, TimeoutError):  # a second's worth at most
            async with asyncio.timeout(_REPORT_S):
                if live:
                    await self._changed(lambda record, now: self._with_usage(record, now, live))
        self._bucket = None
        if stop is not None:
            await stop()


__all__ = ["VENUE_BUDGETS", "SharedBudget"]
