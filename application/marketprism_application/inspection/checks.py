"""Checks of a rebuilt book and of bars against what the venue itself says elsewhere."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from typing import Any, NamedTuple

from marketprism_application.venues.books import VenueBooks
from marketprism_application.venues.protocol import Quote
from marketprism_domain.books.sync import BookSnapshot

_KEPT = 64
_TRADES = 20_000


class Checks:
    """How many were made, how many failed; the first failures in words."""

    def __init__(self) -> None:
        self.made = 0
        self.failed = 0
        self.failures: list[str] = []

    def add(self, right: bool, what: str) -> None:
        """Count one check; the first five failures are remembered by `what`."""
        self.made += 1
        if not right:
            self.failed += 1
            if len(self.failures) < 5:
                self.failures.append(what)


class QuoteChecks:
    """Best bid and ask of the book against the venue's own best prices at the same update id."""

    def __init__(self, books: VenueBooks) -> None:
        self._books = books
        self._quotes: dict[str, deque[Quote]] = {}
        self.checks: dict[str, Checks] = {}

    def on_quote(self, quote: Quote) -> None:
        """Best prices: compared now, or when the book comes to their id."""
        if quote.book_id:
            self._quotes.setdefault(quote.symbol, deque(maxlen=_KEPT)).append(quote)
            self.on_book(quote.symbol)

    def on_book(self, symbol: str) -> None:
        """Compare the quotes that wait for this book with it, after each of its steps."""
        sync, waiting = self._books.find(symbol), self._quotes.get(symbol)
        if sync is None or not sync.valid or not waiting:
            return
        for quote in list(waiting):
            if quote.book_id == sync.book.last_id:
                waiting.remove(quote)
                self._compare(quote)

    def _compare(self, quote: Quote) -> None:
        ours = self._books.quote(quote.symbol)
        theirs = tuple(map(Decimal, quote[5:9]))
        mine = () if ours is None else tuple(map(Decimal, ours[5:9]))
        self.checks.setdefault(quote.symbol, Checks()).add(mine == theirs, f"at {quote.book_id}: {mine} != {theirs}")


class SnapshotChecks:
    """The book that was rebuilt against a snapshot that came later."""

    def __init__(self, books: VenueBooks) -> None:
        self._books = books
        self._waiting: dict[str, BookSnapshot] = {}
        self.checks: dict[str, Checks] = {}
        self.levels = 0

    def on_snapshot(self, symbol: str, snapshot: BookSnapshot) -> None:
        """A snapshot of a book that stands already."""
        self._waiting[symbol] = snapshot
        self.on_book(symbol)

    def on_book(self, symbol: str) -> None:
        """The book moved: perhaps it has come to the snapshot now."""
        snapshot, sync = self._waiting.get(symbol), self._books.find(symbol)
        if snapshot is None or sync is None:
            return
        audit = sync.audit(snapshot)
        if audit is None:
            return
        del self._waiting[symbol]
        self.levels += audit.levels
        said = f"at {audit.at_id}: {len(audit.wrong)} of {audit.levels} levels differ"
        self.checks.setdefault(symbol, Checks()).add(not audit.wrong, said)

    def waits(self, symbol: str) -> bool:
        """Whether the book never came to its last snapshot."""
        return symbol in self._waiting


class _Last(NamedTuple):
    ts_open: int
    last_id: int
    volume: Decimal


class KlineChecks:
    """What a running kline grew by against the trades of those ids."""

    def __init__(self) -> None:
        self._trades: dict[str, deque[tuple[int, int, Decimal]]] = {}
        self._last: dict[tuple[str, str], _Last] = {}
        self._waiting: list[tuple[str, int, int, Decimal]] = []
        self.checks: dict[str, Checks] = {}

    def on_trade(self, trade: Any) -> None:
        """A trade with the ids that it covers."""
        if trade.first_id is not None and trade.last_id is not None:
            kept = self._trades.setdefault(trade.symbol, deque(maxlen=_TRADES))
            kept.append((trade.first_id, trade.last_id, Decimal(trade.quantity)))
            if self._waiting:
                self._waiting = [each for each in self._waiting if not self._settle(*each)]

    def on_kline(self, kline: Any) -> None:
        """A bar that runs: the difference to what it was a moment ago."""
        if kline.last_id is None or kline.first_id is None:
            return
        key = (kline.symbol, kline.interval)
        before = self._last.get(key)
        now = _Last(kline.ts_open, kline.last_id, Decimal(kline.volume))
        self._last[key] = now
        if before is None:
            return
        same = before.ts_open == now.ts_open
        after = before.last_id if same else kline.first_id - 1
        grown = now.volume - before.volume if same else now.volume
        if now.last_id > after and not self._settle(kline.symbol, after, now.last_id, grown):
            self._waiting.append((kline.symbol, after, now.last_id, grown))

    def _settle(self, symbol: str, after: int, last: int, grown: Decimal) -> bool:
        """Check the trades behind `after` up to `last`; False while they are not all there."""
        kept = self._trades.get(symbol)
        if not kept or kept[-1][1] < last:
            return False
        inside = [each for each in kept if each[0] > after and each[1] <= last]
        if sum(each[1] - each[0] + 1 for each in inside) != last - after:
            return True  # not all of them were recorded, or one lies across the edge: there is nothing to compare
        volume = sum((each[2] for each in inside), Decimal(0))
        self.checks.setdefault(symbol, Checks()).add(volume == grown, f"ids {after + 1} to {last}: {volume} != {grown}")
        return True
