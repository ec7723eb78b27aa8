"""Audit of what a venue's source publishes against the simulated market that it comes from."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from marketprism_adapters.venues.kit.simulated_market import SimulatedBook
from marketprism_adapters.venues.simulator.server import SimulatedVenueServer
from marketprism_application.contracts.kinds import BOOK_TOP, ORDERBOOK, TRADE
from marketprism_application.contracts.venue_messages import kind_of
from marketprism_application.ports.sources import SourceBatch
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.marketdata.orderbook import INVALID, SNAPSHOT

_MS = 1_000_000


def steps_of(text: str) -> int:
    """A price or quantity of the simulation as the whole number that it was made of."""
    return int(text.replace(".", ""))


class _Book:
    """A reader's book: what the published messages amount to, in the steps and contracts of the simulation."""

    def __init__(self, contract_size: int) -> None:
        self._contract_size = contract_size
        self.sides: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self.fingerprint = 0
        self.valid = False
        self.seq = 0

    def take(self, message: Any) -> None:
        """Apply one published message to the book that is audited."""
        if message.form == SNAPSHOT:
            self.sides, self.fingerprint = ({}, {}), 0
        for which, levels in enumerate((message.bids, message.asks)):
            for level in levels:
                self._set(which, *self.steps(level))
        self.valid, self.seq = message.valid, message.seq

    def steps(self, level: Sequence[str]) -> tuple[int, int]:
        """Price and quantity of a published level as the whole numbers that they were made of."""
        return steps_of(level[0]), steps_of(level[1]) // self._contract_size

    def _set(self, which: int, price: int, quantity: int) -> None:
        side = self.sides[which]
        before = side.pop(price, None)
        if before is not None:
            self.fingerprint ^= hash((which, price, before))
        if quantity:
            side[price] = quantity
            self.fingerprint ^= hash((which, price, quantity))

    def top(self, depth: int) -> list[list[tuple[int, int]]]:
        """Best levels of both sides."""
        bids, asks = self.sides
        return [
            [(price, bids[price]) for price in sorted(bids, reverse=True)[:depth]],
            [(price, asks[price]) for price in sorted(asks)[:depth]],
        ]


class VenueAudit:
    """Checks every batch; `wrong` says in words what was not true."""

    def __init__(self, server: SimulatedVenueServer) -> None:
        self._truth: dict[str, SimulatedBook] = server.books
        self._books: dict[str, _Book] = {
            symbol: _Book(truth.pair.contract_size) for symbol, truth in server.books.items()
        }
        self._trades: dict[str, list[int]] = {symbol: [] for symbol in server.books}
        self._shown: dict[str, set[int]] = {symbol: set() for symbol in server.books}
        self._steps: dict[str, dict[int, int]] = {symbol: {} for symbol in server.books}
        self._traded_at = dict.fromkeys(server.books, 0.0)
        self._gaps: list[Gap] = []
        self.wrong: list[str] = []
        self.checked = self.tops = 0

    def on_batch(self, batch: SourceBatch) -> None:
        """What the source handed on."""
        for message in batch.messages:
            kind = kind_of(message)
            if kind is ORDERBOOK:
                self._book(message)
            elif kind is BOOK_TOP:
                self._top(message)
            elif kind is TRADE:
                self._trades[message.symbol].append(message.seq)
                self._traded_at[message.symbol] = time.monotonic()
        self._gaps += [gap for _, gap in batch.gaps]
        for symbol, book in self._truth.items():
            steps = self._steps[symbol]
            steps.update(book.times)

    def _book(self, message: Any) -> None:
        book = self._books[message.symbol]
        if message.form == INVALID:
            book.valid = False
            return
        if message.form != SNAPSHOT and not book.valid:
            self.wrong.append(f"{message.symbol} {message.seq}: an update of a book that is not valid")
        book.take(message)
        self._shown[message.symbol].add(message.seq)
        truth = self._truth[message.symbol].past.get(message.seq)
        self.checked += 1
        if truth is None:
            self.wrong.append(f"{message.symbol} {message.seq}: an id that the venue never had")
        elif truth != book.fingerprint:
            self.wrong.append(f"{message.symbol} {message.seq}: {message.form} differs from the truth")

    def _top(self, message: Any) -> None:
        book = self._books[message.symbol]
        shown = [[book.steps(level) for level in side] for side in (message.bids, message.asks)]
        self.tops += 1
        if message.seq != book.seq or shown != book.top(message.depth):
            self.wrong.append(f"{message.symbol} {message.seq}: the top is not that of the book")

    def invalid(self) -> list[str]:
        """Books that are not valid now."""
        return [symbol for symbol, book in self._books.items() if not book.valid]

    def silent_since(self, instant: float) -> list[str]:
        """Instruments that have not traded after an instant of the monotonic clock."""
        return [symbol for symbol, at in self._traded_at.items() if at <= instant]

    def trading_since(self, instant: float) -> bool:
        """Whether every instrument has traded after an instant of the monotonic clock."""
        return not self.silent_since(instant)

    def conclude(self) -> None:
        """Every step of a book and every trade that nobody was shown lies in a gap of the ledger."""
        for symbol in self._books:
            shown = self._shown[symbol]
            if shown:
                first, last = min(shown), max(shown)
                missed = [
                    ts for last_id, ts in self._steps[symbol].items() if first < last_id < last and last_id not in shown
                ]
                self._check_gaps(symbol, ORDERBOOK.name, missed, "book steps")
            self._trades_of(symbol)

    def _trades_of(self, symbol: str) -> None:
        seen = self._trades[symbol]
        if len(set(seen)) != len(seen):
            self.wrong.append(f"{symbol}: {len(seen) - len(set(seen))} trades published twice")
        known = set(seen)
        if known:
            first, last = min(known), max(known)
            missed = [
                made.ts_ms
                for made in self._truth[symbol].prints
                if first < made.trade_id < last and made.trade_id not in known
            ]
            self._check_gaps(symbol, TRADE.name, missed, "trades")

    def _check_gaps(self, symbol: str, name: str, missed: Sequence[int], what: str) -> None:
        gaps = [
            (gap.ts_from // _MS, -(-gap.ts_to // _MS)) for gap in self._gaps if (gap.symbol, gap.kind) == (symbol, name)
        ]
        outside = [ts for ts in missed if not any(start <= ts <= end for start, end in gaps)]
        if outside:
            self.wrong.append(f"{symbol}: {len(outside)} of {len(missed)} {what} missing outside of every gap")

    @property
    def causes(self) -> set[str]:
        """Why something is missing."""
        return {gap.cause for gap in self._gaps}

    @property
    def gaps(self) -> int:
        """Entries of the ledger."""
        return len(self._gaps)
