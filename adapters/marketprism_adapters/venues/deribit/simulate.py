"""Deribit's side of the protocol, for a simulated venue."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from marketprism_adapters.venues.deribit.terms import INTERVALS, length_ms
from marketprism_adapters.venues.kit.dialect import Replies, Reply
from marketprism_adapters.venues.kit.simulated_bars import SimulatedBar, SimulatedBars
from marketprism_adapters.venues.kit.simulated_market import SimulatedBook, SimulatedPair, SimulatedStep, SimulatedTrade

_CHARTS = ("1", "1D")
_KNOWN = frozenset({"book", "trades", "ticker", "quote"})


class DeribitDialect:
    """Fulfils `Dialect`: perpetuals. Numbers are JSON numbers."""

    market = "deribit"
    notice = ""

    def __init__(self, bases: Sequence[str] = ("BTC", "ETH")) -> None:
        self._bars = SimulatedBars({name: length_ms(name) for name in _CHARTS})
        self.pairs: Sequence[SimulatedPair] = [
            SimulatedPair(f"{base}-USD-PERP", f"{base}-PERPETUAL", base, "USD") for base in bases
        ]

    @property
    def _by_native(self) -> dict[str, SimulatedPair]:
        return {pair.native: pair for pair in self.pairs}

    def on_message(self, message: str) -> Replies:
        """set_heartbeat, test, subscribe and unsubscribe."""
        try:
            asked = json.loads(message)
            method = asked["method"]
            channels = [str(name) for name in asked.get("params", {}).get("channels", ())]
        except (ValueError, KeyError, TypeError, AttributeError):
            return Replies((json.dumps({"jsonrpc": "2.0", "error": {"code": -32700, "message": "Parse error"}}),))
        if method not in ("public/subscribe", "public/unsubscribe"):
            return Replies((json.dumps({"jsonrpc": "2.0", "id": asked.get("id"), "result": "ok"}),))
        channels = [channel for channel in channels if self._exists(channel)]
        answer = (json.dumps({"jsonrpc": "2.0", "id": asked.get("id"), "result": channels}),)
        if method == "public/unsubscribe":
            return Replies(answer, removed=channels)
        return Replies(answer, added=channels)

    def _exists(self, channel: str) -> bool:
        """One that does not is left out of the answer, without a word."""
        name, *rest = channel.split(".")
        if name == "chart":
            return len(rest) == 3 and rest[1] in self._by_native and rest[2] in INTERVALS
        return name in _KNOWN and bool(rest) and rest[0] in self._by_native

    @staticmethod
    def _frame(channel: str, data: str) -> tuple[str, str]:
        # By hand: the numbers are to be the texts that the market has, not what a double makes of them.
        return channel, (
            f'{{"jsonrpc":"2.0","method":"subscription","params":{{"channel":"{channel}","data":{data}}}}}'
        )

    @staticmethod
    def _levels(levels: Sequence[tuple[str, str]]) -> str:
        made = (
            f'["delete",{price},0.0]' if not float(quantity) else f'["change",{price},{quantity}]'
            for price, quantity in levels
        )
        return f"[{','.join(made)}]"

    def book(self, pair: SimulatedPair, made: SimulatedStep, *, wrong_checksum: bool) -> tuple[str, str]:  # noqa: ARG002
        """A change of a book."""
        data = (
            f'{{"type":"change","timestamp":{made.ts_ms},"prev_change_id":{made.prev_id},'
            f'"instrument_name":"{pair.native}","change_id":{made.last_id},'
            f'"bids":{self._levels(made.bids)},"asks":{self._levels(made.asks)}}}'
        )
        return self._frame(f"book.{pair.native}.100ms", data)

    def begins(self, pair: SimulatedPair, book: SimulatedBook, stream: str) -> str | None:
        """The snapshot of a book."""
        if stream != f"book.{pair.native}.100ms":
            return None
        last_id, ts_ms, *sides = book.snapshot(10_000)
        bids, asks = (self._fresh(side) for side in sides)
        data = (
            f'{{"type":"snapshot","timestamp":{ts_ms},"instrument_name":"{pair.native}","change_id":{last_id},'
            f'"bids":{bids},"asks":{asks}}}'
        )
        return self._frame(stream, data)[1]

    @staticmethod
    def _fresh(levels: Sequence[tuple[str, str]]) -> str:
        return "[" + ",".join(f'["new",{price},{quantity}]' for price, quantity in levels) + "]"

    def trade(self, pair: SimulatedPair, made: SimulatedTrade) -> tuple[str, str]:
        """Stream and text of one message of `trades`."""
        self._bars.on_trade(pair.native, made)
        return self._frame(f"trades.{pair.native}.100ms", f"[{self._trade_row(pair, made)}]")

    @staticmethod
    def _trade_row(pair: SimulatedPair, made: SimulatedTrade) -> str:
        return (
            f'{{"trade_seq":{made.trade_id},"trade_id":"{made.trade_id}","timestamp":{made.ts_ms},'
            f'"price":{made.price},"instrument_name":"{pair.native}","amount":{made.quantity},'
            f'"direction":"{"sell" if made.sell else "buy"}","mark_price":{made.price},"index_price":{made.price}}}'
        )

    def others(self, pair: SimulatedPair, book: SimulatedBook, ts_ms: int) -> Sequence[tuple[str, str]]:
        """quote, ticker and charts: a bar that has closed is not sent once more."""
        (bid, bid_quantity), (ask, ask_quantity) = book.best()
        best = (
            f'"timestamp":{ts_ms},"instrument_name":"{pair.native}","best_bid_price":{bid},'
            f'"best_bid_amount":{bid_quantity},"best_ask_price":{ask},"best_ask_amount":{ask_quantity}'
        )
        day = (
            f'{{{best},"stats":{{"volume":10.5,"volume_usd":630000.0,"high":{ask},"low":{bid}}},"state":"open",'
            f'"open_interest":1000000,"mark_price":{bid},"index_price":{ask},"last_price":{bid},'
            f'"current_funding":0.0001,"funding_8h":0.00002}}'
        )
        charts = [
            self._frame(f"chart.trades.{pair.native}.{name}", self._chart(bar))
            for name, bar, closed in self._bars.pushed(pair.native, ts_ms, bid)
            if not closed
        ]
        quote, ticker = f"quote.{pair.native}", f"ticker.{pair.native}.100ms"
        return [self._frame(quote, f"{{{best}}}"), self._frame(ticker, day), *charts]

    @staticmethod
    def _chart(bar: SimulatedBar) -> str:
        return (
            f'{{"tick":{bar.opened_ms},"open":{bar.open},"high":{bar.high},"low":{bar.low},"close":{bar.close},'
            f'"volume":{bar.volume},"cost":{bar.cost}}}'
        )

    def get(self, path: str, query: Mapping[str, str], books: Mapping[str, SimulatedBook], *, old: bool) -> Reply:
        """get_instruments, get_order_book and get_last_trades_by_instrument."""
        name = path.rsplit("/", 1)[-1]
        if name == "get_instruments":
            rows = [self._listed(pair) for pair in self.pairs if query.get("currency") in (pair.base, "any")]
            return Reply(200, {"jsonrpc": "2.0", "result": rows})
        pair = self._by_native.get(query.get("instrument_name", ""))
        if pair is None:
            return Reply(400, {"jsonrpc": "2.0", "error": {"code": -32602, "message": "Invalid params"}})
        if name == "get_last_trades_by_instrument":
            first = int(query["start_seq"])
            last = min(int(query["end_seq"]), first + int(query.get("count", "10")) - 1)
            found = books[pair.symbol].printed(first, last)
            trades = [msgspec.Raw(self._trade_row(pair, made).encode()) for made in found]
            return Reply(200, {"jsonrpc": "2.0", "result": {"trades": trades, "has_more": False}})
        last_id, ts_ms, bids, asks = books[pair.symbol].snapshot(int(query.get("depth", "5")), old=old)
        sides = [[[float(price), float(quantity)] for price, quantity in side] for side in (bids, asks)]
        result = {
            "instrument_name": pair.native,
            "change_id": last_id,
            "timestamp": ts_ms,
            "bids": sides[0],
            "asks": sides[1],
        }
        return Reply(200, {"jsonrpc": "2.0", "result": result})

    @staticmethod
    def _listed(pair: SimulatedPair) -> dict[str, Any]:
        return {
            "instrument_name": pair.native,
            "kind": "future",
            "base_currency": pair.base,
            "quote_currency": "USD",
            "tick_size": 0.01,
            "min_trade_amount": 1.0,
            "is_active": True,
            "contract_size": 1.0,
            "settlement_currency": pair.base,
            "settlement_period": "perpetual",
            "instrument_type": "reversed",
            "expiration_timestamp": 32503708800000,
            "creation_timestamp": 1534242287000,
        }
