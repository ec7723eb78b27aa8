"""What a recording of a venue holds, message by message, and whether it is right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from marketprism_application.contracts.kinds import KLINE, ORDERBOOK, TRADE
from marketprism_application.contracts.venue_messages import KIND_OF, KlineMessage, TradeMessage
from marketprism_application.inspection.checks import Checks, KlineChecks, QuoteChecks, SnapshotChecks
from marketprism_application.venues.feed import FeedSettings, VenueFeed
from marketprism_application.venues.protocol import Control, ParseRefused, Quote, RestRequest, Venue, read_answer
from marketprism_domain.books.chain import BookChange

_Stream = tuple[str, str]  # symbol, kind


class _Seen:
    __slots__ = ("first", "gaps", "last", "messages", "missing")

    def __init__(self) -> None:
        self.messages = self.gaps = self.missing = 0
        self.first = self.last = 0


class Inspector:
    """Feeds frames and answers of one market through the same code as live, and counts."""

    def __init__(self, venue: Venue, source: str, settings: FeedSettings | None = None) -> None:
        self.venue = venue
        # A recording has no second snapshot to ask for: what can be compared is compared to its end.
        settings = settings or FeedSettings(lose_at=0)
        self.feed = VenueFeed(
            venue, source, settings=settings, on_control=self._control, on_refused=self._refused, on_seen=self._seen
        )
        self.parser = self.feed.parser
        books = self.feed.books
        self._quotes, self._snapshots, self._klines = QuoteChecks(books), SnapshotChecks(books), KlineChecks()
        self._streams: dict[_Stream, _Seen] = {}
        self.rejected: dict[_Stream, Counter[str]] = {}
        self.examples: dict[str, str] = {}
        self.controls: Counter[str] = Counter()
        self.frames = self.answers = self.instruments = self.snapshots = 0
        self._ts = 0
        self._changed: list[str] = []  # instruments whose book the frame changes
        self._changes: Counter[str] = Counter()  # changes that are no snapshot
        self._waiting: Counter[str] = Counter()  # changes since the book was last known
        self._unbooked: Counter[str] = Counter()
        self._booked: set[str] = set()  # instruments whose book was known once
        self._joined: set[str] = set()  # those whose snapshot what came before it was joined to

    # -- in ----------------------------------------------------------------------------------------------------------

    def on_frame(self, frame: bytes, ts_recv: int) -> None:
        """Read one frame as a live source would, and check what it brings; `ts_recv` in nanoseconds UTC."""
        self.frames += 1
        self._ts = max(self._ts, ts_recv)
        self.feed.on_frame(frame, ts_recv)
        self._collect()

    def on_answer(self, path: str, parameters: Mapping[str, str], body: bytes, ts_recv: int) -> None:
        """One answer to a request."""
        self.answers += 1
        try:
            answer = read_answer(self.venue, RestRequest(path, parameters), body, ts_recv, self.parser)
        except ParseRefused as error:
            self._refused(error, "")
            return
        if answer.ignored:
            self.controls[f"answer ignored: {path}"] += 1
        self.instruments += len(answer.instruments)
        for symbol, snapshot in answer.snapshots:
            self.snapshots += 1
            sync = self.feed.books.of(symbol).sync
            if sync.valid:
                self._snapshots.on_snapshot(symbol, snapshot)
            else:
                if not self.feed.books.on_snapshot(symbol, snapshot):
                    problem = (
                        f"{symbol}: expected a book that the stream goes on from, was one of id {snapshot.last_id}"
                    )
                    self._reject(symbol, ORDERBOOK.name, "snapshot older than the stream", problem)
                elif sync.book.last_id != snapshot.last_id:
                    self._joined.add(symbol)
                sync.expect()  # later snapshots are compared with what comes from here on
                self._quotes.on_book(symbol)
        for item in answer.items:
            self.feed.on_item(item)
        self._collect()

    def _seen(self, item: Any, _: str) -> None:
        made = type(item)
        if made is Control:
            return
        if made is Quote:
            self._count(item.symbol, "quote", item.ts_event)
            self._quotes.on_quote(item)
        elif made is BookChange:
            self._count(item.symbol, ORDERBOOK.name, item.ts_event)
            self._changed.append(item.symbol)
            self._changes[item.symbol] += not item.snapshot
        else:
            self._count(item.symbol, KIND_OF[made].name, item.ts_event)
            if made is TradeMessage:
                self._klines.on_trade(item)
            elif made is KlineMessage:
                self._klines.on_kline(item)

    def _count(self, symbol: str, kind: str, ts: int) -> None:
        seen = self._streams.setdefault((symbol, kind), _Seen())
        seen.messages += 1
        seen.first = min(seen.first or ts, ts)
        seen.last = max(seen.last, ts)

    def _look_at(self, symbol: str) -> None:
        """Whether the book is known behind a change. What came before the first snapshot was waiting for it."""
        sync = self.feed.books.find(symbol)
        if sync is None or not sync.valid:
            self._waiting[symbol] += 1
            return
        waited = self._waiting.pop(symbol, 0)
        if symbol in self._booked:
            self._unbooked[symbol] += waited
        self._booked.add(symbol)

    def _collect(self) -> None:
        if self._changed:
            for symbol in self._changed:
                self._look_at(symbol)
            self._changed.clear()
        collected = self.feed.collect()
        for message in collected.messages:
            if KIND_OF[type(message)] is ORDERBOOK:
                self._quotes.on_book(message.symbol)
                self._snapshots.on_book(message.symbol)
        for _, gap in collected.gaps:
            self._streams.setdefault((gap.symbol, gap.kind), _Seen()).gaps += 1

    def _control(self, control: Control, _: str) -> None:
        what = f"{control.what}: {control.text}" if control.what == "ignored" else control.what
        self.controls[what] += 1

    def on_refused(self, reason: str, text: str) -> None:
        """Something that was recorded, and that cannot be read."""
        self._reject("", "", reason, text)

    def _refused(self, error: ParseRefused, _: str) -> None:
        self._reject(error.symbol, error.kind, error.reason, str(error))

    def _reject(self, symbol: str, kind: str, reason: str, text: str) -> None:
        self.rejected.setdefault((symbol, kind), Counter())[reason] += 1
        self.examples.setdefault(reason, text)

    # -- out ---------------------------------------------------------------------------------------------------------

    def report(self) -> dict[str, Any]:
        """Everything that was found, as plain data."""
        self.feed.on_clock(self._ts + 10**10)
        self._collect()
        keys = sorted({*self._streams, *self.rejected})
        return {
            "venue": self.venue.name,
            "market": self.venue.market,
            "frames": self.frames,
            "answers": self.answers,
            "instruments": self.instruments,
            "snapshots": self.snapshots,
            "controls": dict(self.controls),
            "rejected": sum(sum(reasons.values()) for reasons in self.rejected.values()),
            "examples": self.examples,
            "streams": [self._row(symbol, kind) for symbol, kind in keys],
        }

    def _row(self, symbol: str, kind: str) -> dict[str, Any]:
        seen = self._streams.get((symbol, kind), _Seen())
        rejected = self.rejected.get((symbol, kind), Counter())
        row: dict[str, Any] = {
            "symbol": symbol,
            "kind": kind,
            "messages": seen.messages + sum(rejected.values()),
            "normalised": seen.messages,
            "rejected": dict(rejected),
            "sequence_gaps": seen.gaps,
            "first": seen.first,
            "last": seen.last,
        }
        sync = self.feed.books.find(symbol)
        if kind == ORDERBOOK.name and sync is not None:
            row["sequence_gaps"] = sync.gaps
            row["resyncs"] = sync.resyncs
            row["updates"] = sync.updates
            waiting = 0 if symbol in self._joined and symbol not in self._booked else self._waiting[symbol]
            row["without_book"] = self._unbooked[symbol] + waiting
            row["unapplied"] = bool(self._changes[symbol]) and not sync.updates and symbol not in self._joined
            row["checks"] = {
                "best_prices": _check_counts(self._quotes.checks.get(symbol)),
                "venue_checksum": {"made": sync.proven + sync.disproven, "failed": sync.disproven},
                "later_snapshot": {
                    **_check_counts(self._snapshots.checks.get(symbol)),
                    "not_reached": int(self._snapshots.waits(symbol)),
                },
            }
        if kind == KLINE.name:
            row["checks"] = {"trades": _check_counts(self._klines.checks.get(symbol))}
        if kind == TRADE.name:
            row["repeats"] = self.feed.tape(symbol).repeats
        return row


def _check_counts(checks: Checks | None) -> dict[str, Any]:
    if checks is None:
        return {"made": 0, "failed": 0}
    told: dict[str, Any] = {"made": checks.made, "failed": checks.failed}
    if checks.failures:
        told["failures"] = checks.failures
    return told
