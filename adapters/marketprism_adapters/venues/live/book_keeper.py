"""Keeps books right: asks for the snapshots that are needed, and looks now and then whether a book is still true."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterable
from typing import Protocol

import structlog

from marketprism_adapters.venues.live.rest import RestClient
from marketprism_application.errors import SourceError
from marketprism_application.venues.books import REFRESH, VenueBooks
from marketprism_application.venues.protocol import FrameParser, ParseRefused, Venue, read_answer
from marketprism_domain.books.sync import Audit, BookSnapshot, BookSync
from marketprism_sdk.resilience import Backoff
from marketprism_sdk.resilience.limiter import Priority

log = structlog.get_logger()

_LOOK_S = 0.05
_MANY = 8
_AUDIT_WAIT_S = 5.0
_REFRESHES = 2  # at a time: they can wait, books that are not valid cannot
_AUDITS_SHARE = 0.25  # of what may be asked in a second
_BEGUN_BY_LINES = ("begin", "disconnected")  # whoever connects subscribes everything
_SILENT = "silent"  # it was asked to begin and did not
_ABANDON_S = 3.0  # a stream that does not begin its book anew so long after it was asked to is asked again


class Again(Protocol):
    """Subscribes a book anew. `in_vain`: it was asked before, and brought nothing."""

    async def __call__(self, symbol: str, *, in_vain: bool = False) -> None: ...


class BookKeeper:
    """One for each source. `again` subscribes a book anew, for venues whose stream begins with it.

    `audits` and `failed_audits` count comparisons of a live book with a fresh snapshot; `not_compared` those that never
    came to one id.
    """

    def __init__(
        self,
        venue: Venue,
        parser: FrameParser,
        books: VenueBooks,
        rest: RestClient,
        again: Again,
        *,
        audit_s: float = 300.0,
        parallel: int = 8,
        backoff: Backoff | None = None,
    ) -> None:
        self._venue = venue
        self._parser = parser
        self._books = books
        self._rest = rest
        self._again = again
        self._audit_s = audit_s
        self._room = asyncio.Semaphore(parallel)
        self._refreshes = asyncio.Semaphore(_REFRESHES)
        self._suspected: dict[str, None] = {}
        self._backoff = backoff or Backoff(0.2, 5.0)
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._tries: dict[str, tuple[int, float]] = {}
        self.snapshots = self.audits = self.failed_audits = self.not_compared = 0

    def figures(self) -> dict[str, float]:
        """Values of the books' metrics by name."""
        syncs = [tracked.sync for _, tracked in self._books.items()]
        return {
            "books": float(len(syncs)),
            "books_valid": float(sum(sync.valid for sync in syncs)),
            "book_gaps_total": float(sum(sync.gaps for sync in syncs)),
            "book_resyncs_total": float(sum(sync.resyncs for sync in syncs)),
            "book_audits_total": float(self.audits),
            "book_audits_failed_total": float(self.failed_audits),
            "book_audits_not_compared_total": float(self.not_compared),
            "book_snapshots_total": float(self.snapshots),
        }

    async def run(self) -> None:
        """Begin the books that need it and audit the others, until cancelled."""
        auditing = asyncio.ensure_future(self._audit_for_ever())
        try:
            while True:
                if auditing.done():
                    auditing.result()  # it never ends by itself: what ended it is raised here
                for symbol, why in list(self._books.needed.items()):
                    if symbol not in self._busy:
                        self._begin(symbol, why)
                await asyncio.sleep(_LOOK_S)
        finally:
            tasks = [auditing, *self._busy.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, symbol: str, why: str) -> None:
        tries, not_before = self._tries.get(symbol, (0, 0.0))
        now = time.monotonic()
        if now < not_before or (self._venue.rule.by_request and not self._joinable(symbol)):
            return  # before the stream is there, what comes between a snapshot and its first change would be missing
        self._tries[symbol] = (tries + 1, now + self._backoff.pause_s(tries + 1))
        task = asyncio.get_running_loop().create_task(self._mend(symbol, why))
        self._busy[symbol] = task
        task.add_done_callback(lambda _: self._busy.pop(symbol, None))

    def _joinable(self, symbol: str) -> bool:
        sync = self._books.find(symbol)
        return sync is not None and sync.joinable

    def settled(self, symbol: str) -> None:
        """The book is valid: the next time begins without a pause."""
        self._tries.pop(symbol, None)

    async def _mend(self, symbol: str, why: str) -> None:
        async with self._refreshes if why == REFRESH else self._room:
            try:
                if why == REFRESH:
                    self._books.needed.pop(symbol, None)
                    await self._refresh(symbol)
                elif self._venue.rule.by_request:
                    await self._ask(symbol)
                else:
                    await self._subscribe_anew(symbol, why)
            except Exception as error:  # noqa: BLE001 (told, and tried again after its pause)
                log.warning("book.not_started", symbol=symbol, reason=why, error=_text_of(error))

    async def _ask(self, symbol: str) -> None:
        """A snapshot by request; one that is too old is asked for again after a pause."""
        # Many books at once, or one that will not come: less of each, sooner. The rest of it is learnt later.
        hurry = len(self._books.needed) > _MANY or self._tries.get(symbol, (0, 0.0))[0] > 1
        snapshot = await self._fetch(symbol, Priority.HIGH, shallow=hurry)
        self.snapshots += 1
        if not self._joinable(symbol):
            return  # its stream ended meanwhile: a book would stand without anybody to change it
        if self._books.on_snapshot(symbol, snapshot):
            self.settled(symbol)

    async def _subscribe_anew(self, symbol: str, why: str) -> None:
        if why not in _BEGUN_BY_LINES:
            await self._again(symbol, in_vain=why == _SILENT)
        until = time.monotonic() + _ABANDON_S
        while symbol in self._books.needed and time.monotonic() < until:  # noqa: ASYNC110 (frames make no events here)
            await asyncio.sleep(_LOOK_S)
        if symbol in self._books.needed:
            self._books.needed[symbol] = _SILENT
        else:
            self.settled(symbol)

    async def _fetch(self, symbol: str, priority: Priority, *, shallow: bool = False) -> BookSnapshot:
        request = self._venue.snapshot_request(symbol, shallow=shallow)
        body = await self._rest.get(request, priority)
        answer = read_answer(self._venue, request, body, time.time_ns(), self._parser)
        if not answer.snapshots:
            raise SourceError(f"{request.path}: expected a book of {symbol}, there is none", retryable=True)
        return answer.snapshots[0][1]

    # -- looking whether it is true ----------------------------------------------------------------------------------

    async def _audit_for_ever(self) -> None:
        """One book after the other, each about once in `audit_s` or as often as the venue's budget has room for."""
        audited_at, chance = time.monotonic(), 1.0
        looked_at: dict[str, float] = {}
        while True:
            await asyncio.sleep(_LOOK_S)
            symbol = next(iter(self._suspected), "")
            if not symbol and time.monotonic() - audited_at > self._pause_s() * chance:
                audited_at, chance = time.monotonic(), random.uniform(0.8, 1.2)
                books = [each for each, tracked in self._books.items() if tracked.sync.valid]
                symbol = min(books, key=lambda each: looked_at.get(each, 0.0), default="")
            if not symbol:
                continue
            self._suspected.pop(symbol, None)
            looked_at[symbol] = time.monotonic()
            try:
                await self.audit(symbol)
            except Exception as error:  # noqa: BLE001 (told, and audited again in its turn)
                self.not_compared += 1
                log.warning("book.not_audited", symbol=symbol, error=_text_of(error))

    def _pause_s(self) -> float:
        """Between two audits: no shorter than their share of the budget takes to pay for one."""
        books = self._books.items()
        if not books:
            return self._audit_s
        request = self._venue.snapshot_request(books[0][0])
        rate, _ = self._venue.limits.budgets.get(request.budget, (float("inf"), 0.0))
        return max(self._audit_s / len(books), request.weight / (rate * _AUDITS_SHARE))

    def suspect(self, symbols: Iterable[str]) -> None:
        """Books whose stream has gone quiet. Where a stream begins with its book it is asked to do so again; else a
        fresh one shows whether the market is as quiet."""
        for symbol in symbols:
            if self._venue.rule.by_request:
                self._suspected[symbol] = None
            else:
                self._books.of(symbol)  # of one that was never heard nothing is known, and it is begun like a lost one
                self._books.lose(symbol, "stale", unheard=True)

    async def audit(self, symbol: str) -> bool | None:
        """Compare a book with a fresh snapshot; a book that is wrong begins again. None: they came to no common id."""
        sync = self._books.find(symbol)
        if sync is None or not sync.valid:
            return None
        began = time.time_ns()
        snapshot, found = await self._compare(symbol, sync, Priority.LOW)
        if found is None:
            self.not_compared += 1
            if self._stands_still(sync, snapshot, began):
                self._books.lose(symbol, "stale", unheard=True)
                if self._venue.rule.by_request:  # otherwise it is subscribed anew to begin it
                    await self._again(symbol)
                return False
        else:
            self.audits += 1
            if found.wrong:
                self.failed_audits += 1
                log.error("book.mismatched", symbol=symbol, id=found.at_id, wrong=list(found.wrong[:5]))
                self._books.lose(symbol, "audit")
                return False
        if sync.valid:
            self._books.refreshed(symbol, None)
        return None if found is None else True

    @staticmethod
    def _stands_still(sync: BookSync, snapshot: BookSnapshot, began: int) -> bool:
        """Whether the venue's book has gone on while nothing has been heard of ours."""
        return sync.valid and sync.ts_recv < began and snapshot.last_id > sync.book.last_id

    async def _compare(self, symbol: str, sync: BookSync, priority: Priority) -> tuple[BookSnapshot, Audit | None]:
        """A fresh snapshot, and how the live book compares with it once both are at one id; None if that never was.

        What the stream says meanwhile is kept for that, until the caller ends it.
        """
        sync.expect()
        try:
            snapshot = await self._fetch(symbol, priority)
        except BaseException:
            if sync.valid:
                self._books.refreshed(symbol, None)
            raise
        until = time.monotonic() + _AUDIT_WAIT_S
        found = sync.audit(snapshot)
        while found is None and sync.valid and time.monotonic() < until:
            await asyncio.sleep(_LOOK_S)
            found = sync.audit(snapshot)
        return snapshot, found

    async def _refresh(self, symbol: str) -> None:
        """Learn more of a book that was cut off, without losing it."""
        sync = self._books.find(symbol)
        if sync is None or not sync.valid:
            return
        snapshot, _ = await self._compare(symbol, sync, Priority.NORMAL)
        if sync.valid:
            self._books.refreshed(symbol, snapshot)
            self.settled(symbol)


def _text_of(error: Exception) -> str:
    """Foreseen errors have a text; others have a name at least."""
    return (str(error) if isinstance(error, SourceError | ParseRefused) else repr(error))[:200]
