"""What a recording of a venue holds, message by message, and whether it is right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from marketprism_application.book_checks import Checks, KlineChecks, QuoteChecks, SnapshotChecks
from marketprism_application.contracts.kinds import KLINE, ORDERBOOK, TRADE
from marketprism_application.contracts.messages import KIND_OF, KlineMessage, TradeMessage
from marketprism_application.venue import Control, ParseRefused, Quote, Venue
from marketprism_application.venue_feed import FeedSettings, VenueFeed
from marketprism_domain.book_chain import BookChange

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
        self.frames = self.answers = self.instruments = 0
        self._ts = 0

    # -- in ----------------------------------------------------------------------------------------------------------

    def on_frame(self, frame: bytes, ts_recv: int) -> None:
        """One frame."""
        self.frames += 1
        self._ts = max(self._ts, ts_recv)
        self.feed.on_frame(frame, ts_recv)
        self._collect()

    def on_answer(self, path: str, parameters: Mapping[str, str], body: bytes, ts_recv: int) -> None:
        """One answer to a request."""
        self.answers += 1
        try:
            answer = self.venue.answer(path, parameters, body, ts_recv, self.parser)
        except ParseRefused as error:
            self._refused(error, "")
            return
        if answer.ignored:
            self.controls[f"answer ignored: {path}"] += 1
        self.instruments += len(answer.instruments)
        for symbol, snapshot in answer.snapshots:
            sync = self.feed.books.of(symbol).sync
            if sync.valid:
                self._snapshots.on_snapshot(symbol, snapshot)
            else:
                if not self.feed.books.on_snapshot(symbol, snapshot):
                    self._reject(symbol, ORDERBOOK.name, "snapshot older than the stream", "")
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

    def _collect(self) -> None:
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
            "controls": dict(self.controls),
            "rejected": sum(sum(reasons.values()) for reasons in self.rejected.values()),
            "examples": self.examples,
            "streams": [self._row(symbol, kind) for symbol, kind in keys],
        }

    def _row(self, symbol: str, kind: str) -> dict[str, Any]:
        seen = self._streams.get((symbol, kind), _Seen())
        rejected = self.rejected.get((symbol, kind), Counter())
        row: dict[str, Any] = {
            "symbol": symbol, "kind": kind, "messages": seen.messages + sum(rejected.values()),
            "normalised": seen.messages, "rejected": dict(rejected), "sequence_gaps": seen.gaps,
            "first": seen.first, "last": seen.last,
        }  # fmt: skip
        sync = self.feed.books.find(symbol)
        if kind == ORDERBOOK.name and sync is not None:
            row["sequence_gaps"] = sync.gaps
            row["resyncs"] = sync.resyncs
            row["updates"] = sync.updates
            row["checks"] = {
                "best_prices": _told(self._quotes.checks.get(symbol)),
                "venue_checksum": {"made": sync.proven + sync.disproven, "failed": sync.disproven},
                "later_snapshot": {
                    **_told(self._snapshots.checks.get(symbol)),
                    "not_reached": int(self._snapshots.waits(symbol)),
                },
            }
        if kind == KLINE.name:
            row["checks"] = {"trades": _told(self._klines.checks.get(symbol))}
        if kind == TRADE.name:
            row["repeats"] = self.feed.tape(symbol).repeats
        return row


def _told(checks: Checks | None) -> dict[str, Any]:
    if checks is None:
        return {"made": 0, "failed": 0}
    told: dict[str, Any] = {"made": checks.made, "failed": checks.failed}
    if checks.failures:
        told["failures"] = checks.failures
    return told
