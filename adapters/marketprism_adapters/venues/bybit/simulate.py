"""Bybit's side of the protocol, for a simulated venue."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from marketprism_adapters.venues.bybit.parse import BOOK_DEPTH
from marketprism_adapters.venues.kit.dialect import Replies, Reply
from marketprism_adapters.venues.kit.simulated_market import SimulatedBook, SimulatedPair, SimulatedStep, SimulatedTrade

_DEPTHS = ("1", "50", "200", "1000")


class BybitDialect:
    """Fulfils `Dialect` for `spot` or `linear`. Its books count by one, so each step of the market is one id."""

    notice = ""

    def __init__(self, category: str, bases: Sequence[str] = ("BTC", "ETH")) -> None:
        self.market = category
        suffix = "-PERP" if category == "linear" else ""
        self.pairs: Sequence[SimulatedPair] = [
            SimulatedPair(f"{base}-USDT{suffix}", f"{base}USDT", base, "USDT", id_step=1) for base in bases
        ]

    @property
    def _by_native(self) -> dict[str, SimulatedPair]:
        return {pair.native: pair for pair in self.pairs}

    def on_message(self, message: str) -> Replies:
        """ping, subscribe and unsubscribe."""
        try:
            asked = json.loads(message)
            operation, topics = asked["op"], [str(topic) for topic in asked.get("args", ())]
        except (ValueError, KeyError, TypeError):
            return Replies((json.dumps({"success": False, "ret_msg": "invalid request", "op": ""}),))
        if operation == "ping":
            return Replies((json.dumps({"success": True, "ret_msg": "pong", "op": "ping"}),))
        answer = {"success": True, "ret_msg": "", "req_id": asked.get("req_id", ""), "op": operation}
        unknown = [topic for topic in topics if not self._exists(topic)]
        if unknown:
            answer |= {"success": False, "ret_msg": f"error:handler not found,topic:{unknown[0]}"}
            return Replies((json.dumps(answer),))
        if operation == "unsubscribe":
            return Replies((json.dumps(answer),), removed=topics)
        return Replies((json.dumps(answer),), added=topics)

    def _exists(self, topic: str) -> bool:
        name, _, rest = topic.partition(".")
        depth, _, symbol = rest.rpartition(".")
        return symbol in self._by_native and (name == "publicTrade" or (name == "orderbook" and depth in _DEPTHS))

    @staticmethod
    def _frame(topic: str, kind: str, ts_ms: int, data: Any) -> tuple[str, str]:
        push = {"topic": topic, "type": kind, "ts": ts_ms, "cts": ts_ms, "data": data}
        return topic, msgspec.json.encode(push).decode()

    def book(self, pair: SimulatedPair, made: SimulatedStep, *, wrong_checksum: bool) -> tuple[str, str]:  # noqa: ARG002
        """Stream and text of one delta of the book."""
        data = {"s": pair.native, "b": made.bids, "a": made.asks, "u": made.last_id, "seq": made.last_id * 7}
        return self._frame(f"orderbook.{BOOK_DEPTH}.{pair.native}", "delta", made.ts_ms, data)

    def begins(self, pair: SimulatedPair, book: SimulatedBook, stream: str) -> str | None:
        """The snapshot that begins a book's stream, None for other streams."""
        if stream != f"orderbook.{BOOK_DEPTH}.{pair.native}":
            return None
        last_id, ts_ms, bids, asks = book.snapshot(BOOK_DEPTH)
        data = {"s": pair.native, "b": bids, "a": asks, "u": last_id, "seq": last_id * 7}
        return self._frame(stream, "snapshot", ts_ms, data)[1]

    def trade(self, pair: SimulatedPair, made: SimulatedTrade) -> tuple[str, str]:
        """Stream and text of one `publicTrade`."""
        data = [
            {
                "T": made.ts_ms,
                "s": pair.native,
                "S": "Sell" if made.sell else "Buy",
                "v": made.quantity,
                "p": made.price,
                "i": str(made.trade_id),
                "seq": made.trade_id,
                "L": "PlusTick",
                "BT": False,
            }
        ]
        return self._frame(f"publicTrade.{pair.native}", "snapshot", made.ts_ms, data)

    def others(self, pair: SimulatedPair, book: SimulatedBook, ts_ms: int) -> Sequence[tuple[str, str]]:  # noqa: ARG002
        """Empty: this venue is simulated without further streams."""
        return []

    def get(self, path: str, query: Mapping[str, str], books: Mapping[str, SimulatedBook], *, old: bool) -> Reply:
        """The answer to `instruments-info` or `orderbook`."""
        if path.endswith("instruments-info"):
            return Reply(200, {"retCode": 0, "retMsg": "OK", "result": {"list": [self._listed(p) for p in self.pairs]}})
        pair = self._by_native.get(query.get("symbol", ""))
        if pair is None or not path.endswith("orderbook"):
            return Reply(200, {"retCode": 10001, "retMsg": "params error: symbol invalid", "result": {}})
        last_id, ts_ms, bids, asks = books[pair.symbol].snapshot(int(query.get("limit", "25")), old=old)
        book = {"s": pair.native, "b": bids, "a": asks, "ts": ts_ms, "u": last_id, "seq": last_id * 7}
        return Reply(200, {"retCode": 0, "retMsg": "OK", "result": book})

    def _listed(self, pair: SimulatedPair) -> dict[str, Any]:
        return {
            "symbol": pair.native,
            "baseCoin": pair.base,
            "quoteCoin": pair.quote,
            "status": "Trading",
            "priceFilter": {"tickSize": "0.01"},
            "lotSizeFilter": {"minOrderQty": "0.001", "qtyStep": "0.001"},
            "contractType": "LinearPerpetual" if self.market == "linear" else "",
        }
