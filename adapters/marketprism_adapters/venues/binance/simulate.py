"""Binance's side of the protocol, for a simulated venue."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from marketprism_adapters.venues.simulator.dialect import Reply, Said
from marketprism_adapters.venues.simulator.market import Made, Print, SimulatedBook, SimulatedPair


class BinanceDialect:
    """Fulfils `Dialect` for `spot`, `usdm` or `coinm`."""

    def __init__(self, market: str, bases: Sequence[str] = ("BTC", "ETH")) -> None:
        self.market = market
        self._futures = market != "spot"
        self.notice = "" if self._futures else json.dumps({"e": "serverShutdown", "E": 1})
        self.pairs: Sequence[SimulatedPair] = [_pair(market, base) for base in bases]

    @property
    def _by_native(self) -> dict[str, SimulatedPair]:
        return {pair.native: pair for pair in self.pairs}

    def heard(self, message: str) -> Said:
        """SUBSCRIBE and UNSUBSCRIBE."""
        try:
            asked = json.loads(message)
            streams = [str(name) for name in asked["params"]]
            method = asked["method"]
        except (ValueError, KeyError, TypeError):
            return Said((json.dumps({"error": {"code": 2, "msg": "Invalid request"}}),))
        answer = (json.dumps({"result": None, "id": asked.get("id")}),)
        return Said(answer, removed=streams) if method == "UNSUBSCRIBE" else Said(answer, added=streams)

    def book(self, pair: SimulatedPair, made: Made, *, wrong_checksum: bool) -> tuple[str, str]:  # noqa: ARG002
        """depthUpdate."""
        data: dict[str, Any] = {
            "e": "depthUpdate", "E": made.ts_ms, "s": pair.native, "U": made.first_id, "u": made.last_id,
            "b": made.bids, "a": made.asks,
        }  # fmt: skip
        if self._futures:
            data |= {"T": made.ts_ms, "pu": made.prev_id}
        return self._frame(pair, "depth@100ms", data)

    @staticmethod
    def _frame(pair: SimulatedPair, suffix: str, data: Any) -> tuple[str, str]:
        stream = f"{pair.native.lower()}@{suffix}"
        return stream, msgspec.json.encode({"stream": stream, "data": data}).decode()

    def begins(self, pair: SimulatedPair, book: SimulatedBook, stream: str) -> str | None:  # noqa: ARG002
        """A snapshot has to be asked for."""
        return None

    def trade(self, pair: SimulatedPair, made: Print) -> tuple[str, str]:
        """aggTrade."""
        return self._frame(
            pair, "aggTrade", {"e": "aggTrade", "E": made.ts_ms, "s": pair.native, **self._told(made)}
        )  # fmt: skip

    @staticmethod
    def _told(made: Print) -> dict[str, Any]:
        return {
            "a": made.trade_id, "p": made.price, "q": made.quantity, "f": made.trade_id, "l": made.trade_id,
            "T": made.ts_ms, "m": made.sell,
        }  # fmt: skip

    def others(self, pair: SimulatedPair, book: SimulatedBook, ts_ms: int) -> Sequence[tuple[str, str]]:
        """bookTicker and 24hrTicker; futures also their mark price."""
        (bid, bid_quantity), (ask, ask_quantity) = book.best()
        quote: dict[str, Any] = {
            "u": book.last_id, "s": pair.native, "b": bid, "B": bid_quantity, "a": ask, "A": ask_quantity
        }  # fmt: skip
        if self._futures:
            quote |= {"e": "bookTicker", "T": ts_ms, "E": ts_ms}
        day = {
            "e": "24hrTicker", "E": ts_ms, "s": pair.native, "c": bid, "Q": "1.000", "o": bid, "h": ask, "l": bid,
            "v": "1000.000", "q": "60000000.00", "b": bid, "B": bid_quantity, "a": ask, "A": ask_quantity,
        }  # fmt: skip
        made = [self._frame(pair, "bookTicker", quote), self._frame(pair, "ticker", day)]
        if self._futures:
            mark = {
                "e": "markPriceUpdate", "E": ts_ms, "s": pair.native, "p": bid, "i": ask, "P": bid, "r": "0.00010000",
                "T": ts_ms - ts_ms % 28_800_000 + 28_800_000,
            }  # fmt: skip
            made.append(self._frame(pair, "markPrice@1s", mark))
        return made

    def get(self, path: str, query: Mapping[str, str], books: Mapping[str, SimulatedBook], *, old: bool) -> Reply:
        """depth, exchangeInfo, fundingInfo, openInterest, aggTrades."""
        name = path.rsplit("/", 1)[-1]
        if name == "exchangeInfo":
            return Reply(200, {"symbols": [self._listed(pair) for pair in self.pairs]})
        if name == "fundingInfo":
            return Reply(200, [])
        pair = self._by_native.get(query.get("symbol", ""))
        if pair is None:
            return Reply(400, {"code": -1121, "msg": "Invalid symbol."})
        if name == "openInterest":
            return Reply(200, {"symbol": pair.native, "openInterest": "83782.317", "time": 1702244985273})
        if name == "depth":
            last_id, ts_ms, bids, asks = books[pair.symbol].snapshot(int(query.get("limit", "100")), old=old)
            more = {"E": ts_ms, "T": ts_ms} if self._futures else {}
            return Reply(200, {"lastUpdateId": last_id, **more, "bids": bids, "asks": asks})
        if name == "aggTrades":
            first = int(query["fromId"])
            found = books[pair.symbol].printed(first, first + int(query.get("limit", "500")) - 1)
            return Reply(200, [self._told(made) for made in found])
        return Reply(404, {"code": -1, "msg": "no such path"})

    def _listed(self, pair: SimulatedPair) -> dict[str, Any]:
        listed: dict[str, Any] = {
            "symbol": pair.native, "baseAsset": pair.base, "quoteAsset": pair.quote, "status": "TRADING",
            "filters": [
                {"filterType": "PRICE_FILTER", "tickSize": "0.01"},
                {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "9000", "stepSize": "0.001"},
            ],
        }  # fmt: skip
        if self._futures:
            listed |= {"contractType": "PERPETUAL", "marginAsset": pair.quote, "deliveryDate": 4133404800000}
        if self.market == "coinm":
            listed |= {"contractSize": 100 if pair.base == "BTC" else 10, "marginAsset": pair.base}
        return listed


def _pair(market: str, base: str) -> SimulatedPair:
    quote = "USD" if market == "coinm" else "USDT"
    native = f"{base}{quote}_PERP" if market == "coinm" else f"{base}{quote}"
    symbol = f"{base}-{quote}" if market == "spot" else f"{base}-{quote}-PERP"
    return SimulatedPair(symbol, native, base, quote)
