"""Binance's side of the protocol, for a simulated venue."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from marketprism_adapters.venues.binance.simulated_connection import BinanceConnection
from marketprism_adapters.venues.binance.simulated_streams import PacedStreams
from marketprism_adapters.venues.kit.dialect import Replies, Reply
from marketprism_adapters.venues.kit.simulated_market import SimulatedBook, SimulatedPair, SimulatedStep, SimulatedTrade

_FUNDING_MS = 28_800_000
_MOST_TRADES = 1_000
_EIGHT = Decimal("0.00000001")
_WHOLE = re.compile(r"[0-9]{1,20}")


class _Refused(Exception):
    """What Binance says of a parameter."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.reply = Reply(400, {"code": code, "msg": text})


class BinanceDialect:
    """Fulfils `Dialect`, `ByUrl`, `Variants` and `Clocked` for `spot`, `usdm` or `coinm`.

    A stream that there is not is confirmed and stays silent, as at Binance.
    """

    def __init__(self, market: str, bases: Sequence[str] = ("BTC", "ETH")) -> None:
        self.market = market
        self._futures = market != "spot"
        self.notice = "" if self._futures else json.dumps({"e": "serverShutdown", "E": 1})
        self.pairs: Sequence[SimulatedPair] = [_pair(market, base) for base in bases]
        self.now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
        self._paced: dict[str, PacedStreams] = {}

    @property
    def _by_native(self) -> dict[str, SimulatedPair]:
        return {pair.native: pair for pair in self.pairs}

    def _of(self, pair: SimulatedPair) -> PacedStreams:
        found = self._paced.get(pair.native)
        if found is None:
            found = self._paced[pair.native] = PacedStreams(self.market, pair, lambda made: self._turnover(pair, made))
        return found

    def _turnover(self, pair: SimulatedPair, made: SimulatedTrade) -> Decimal:
        """In the quote currency; of a COIN-M contract, in coins."""
        if self.market != "coinm":
            return Decimal(made.price) * Decimal(made.quantity)
        return (Decimal(made.quantity) * _size(pair.base) / Decimal(made.price)).quantize(_EIGHT)

    # -- streams -----------------------------------------------------------------------------------------------------

    def opened(self, path: str, query: Mapping[str, str]) -> BinanceConnection | None:
        """Combined or raw, with the streams that the URL asks for."""
        return BinanceConnection.at(path, query, sided=self.market == "usdm")

    def on_message(self, message: str) -> Replies:
        """As a connection hears it that has subscribed nothing."""
        return BinanceConnection(combined=True, side=None).on_message(message)

    @staticmethod
    def _frame(pair: SimulatedPair, suffix: str, data: Any) -> tuple[str, str]:
        stream = f"{pair.native.lower()}@{suffix}"
        return stream, msgspec.json.encode({"stream": stream, "data": data}).decode()

    def begins(self, pair: SimulatedPair, book: SimulatedBook, stream: str) -> str | None:
        """Nothing: a snapshot has to be asked for. What has its own pace is made from now on."""
        native, _, kind = stream.partition("@")
        if native == pair.native.lower():
            self._of(pair).watch(kind, book, self.now_ms())
        return None

    def book(self, pair: SimulatedPair, made: SimulatedStep, *, wrong_checksum: bool) -> tuple[str, str]:  # noqa: ARG002
        """Stream and text of one `depthUpdate`."""
        return self._frame(pair, "depth@100ms", self._of(pair).update(made))

    def books(self, pair: SimulatedPair, book: SimulatedBook, made: SimulatedStep) -> Sequence[tuple[str, str]]:
        """Slower depth, and the best levels."""
        return [self._frame(pair, kind, data) for kind, data in self._of(pair).depths(book, made)]

    def trade(self, pair: SimulatedPair, made: SimulatedTrade) -> tuple[str, str]:
        """Stream and text of one `aggTrade`."""
        return self._frame(
            pair, "aggTrade", {"e": "aggTrade", "E": made.ts_ms, "s": pair.native, **self._trade_row(made)}
        )

    def trades(self, pair: SimulatedPair, made: SimulatedTrade) -> Sequence[tuple[str, str]]:
        """Each trade by itself: here an aggregate is of one."""
        paced = self._of(pair)
        paced.on_trade(made)
        if not paced.raw_trades:
            return []
        data = {
            "e": "trade",
            "E": made.ts_ms,
            "s": pair.native,
            "t": made.trade_id,
            "p": made.price,
            "q": made.quantity,
            "T": made.ts_ms,
            "m": made.sell,
            **({"X": "MARKET"} if self._futures else {"M": True}),
        }
        return [self._frame(pair, "trade", data)]

    def _trade_row(self, made: SimulatedTrade) -> dict[str, Any]:
        return {
            "a": made.trade_id,
            "p": made.price,
            "q": made.quantity,
            "f": made.trade_id,
            "l": made.trade_id,
            "T": made.ts_ms,
            "m": made.sell,
            **({} if self._futures else {"M": True}),
        }

    def others(self, pair: SimulatedPair, book: SimulatedBook, ts_ms: int) -> Sequence[tuple[str, str]]:
        """bookTicker, 24hrTicker and klines; futures also their mark price."""
        (bid, bid_quantity), (ask, ask_quantity) = book.best()
        quote: dict[str, Any] = {
            "u": book.last_id,
            "s": pair.native,
            "b": bid,
            "B": bid_quantity,
            "a": ask,
            "A": ask_quantity,
        }
        if self._futures:
            quote |= {"e": "bookTicker", "T": ts_ms, "E": ts_ms}
        day = {
            "e": "24hrTicker",
            "E": ts_ms,
            "s": pair.native,
            "c": bid,
            "Q": "1.000",
            "o": bid,
            "h": ask,
            "l": bid,
            "v": "1000.000",
            "q": "60000000.00",
            "b": bid,
            "B": bid_quantity,
            "a": ask,
            "A": ask_quantity,
            **({} if self._futures else {"x": bid}),
        }
        made = [self._frame(pair, "bookTicker", quote), self._frame(pair, "ticker", day)]
        made += [self._frame(pair, kind, data) for kind, data in self._of(pair).klines(ts_ms)]
        if self._futures:
            mark = {
                "e": "markPriceUpdate",
                "E": ts_ms,
                "s": pair.native,
                "p": bid,
                "i": ask,
                "P": bid,
                "r": "0.00010000",
                "T": ts_ms - ts_ms % _FUNDING_MS + _FUNDING_MS,
            }
            suffixes = ("markPrice@1s", "markPrice") if self._of(pair).marks(ts_ms) else ("markPrice@1s",)
            made += [self._frame(pair, suffix, mark) for suffix in suffixes]
        return made

    # -- requests ----------------------------------------------------------------------------------------------------

    def get(self, path: str, query: Mapping[str, str], books: Mapping[str, SimulatedBook], *, old: bool) -> Reply:
        """ping, time, exchangeInfo, fundingInfo, depth, openInterest, aggTrades."""
        try:
            return self._get(path.rstrip("/").rsplit("/", 1)[-1], query, books, old=old)
        except _Refused as refused:
            return refused.reply

    def _get(self, name: str, query: Mapping[str, str], books: Mapping[str, SimulatedBook], *, old: bool) -> Reply:
        if name == "ping":
            return Reply(200, {})
        if name == "time":
            return Reply(200, {"serverTime": self.now_ms()})
        if name == "exchangeInfo":
            return Reply(200, {"serverTime": self.now_ms(), "symbols": [self._listed(pair) for pair in self.pairs]})
        if name == "fundingInfo":
            return Reply(200, [])
        if name not in ("depth", "openInterest", "aggTrades"):
            return Reply(404, {"code": -1, "msg": "no such path"})
        pair = self._asked_of(query)
        if name == "openInterest":
            return Reply(200, {"symbol": pair.native, "openInterest": "83782.317", "time": self.now_ms()})
        if name == "aggTrades":
            return Reply(200, [self._trade_row(made) for made in _trades(query, books[pair.symbol])])
        last_id, ts_ms, bids, asks = books[pair.symbol].snapshot(_limit(query, 100), old=old)
        more = {"E": ts_ms, "T": ts_ms} if self._futures else {}
        return Reply(200, {"lastUpdateId": last_id, **more, "bids": bids, "asks": asks})

    def _asked_of(self, query: Mapping[str, str]) -> SimulatedPair:
        if not query.get("symbol"):
            raise _Refused(-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")
        pair = self._by_native.get(query["symbol"])
        if pair is None:
            raise _Refused(-1121, "Invalid symbol.")
        return pair

    def _listed(self, pair: SimulatedPair) -> dict[str, Any]:
        listed: dict[str, Any] = {
            "symbol": pair.native,
            "baseAsset": pair.base,
            "quoteAsset": pair.quote,
            "status": "TRADING",
            "filters": [
                {"filterType": "PRICE_FILTER", "tickSize": str(Decimal(1).scaleb(-pair.decimals))},
                {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "9000", "stepSize": "0.001"},
            ],
        }
        if self._futures:
            dated = pair.native.rpartition("_")[2].isdecimal()
            listed |= {"contractType": "CURRENT_QUARTER" if dated else "PERPETUAL", "marginAsset": pair.quote}
            listed |= {"deliveryDate": 4133404800000}
        if self.market == "coinm":
            listed |= {"contractSize": _size(pair.base), "marginAsset": pair.base}
        return listed


def _number(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if not _WHOLE.fullmatch(text):
        legal = "^[0-9]{1,20}$"
        raise _Refused(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")
    return int(text)


def _limit(query: Mapping[str, str], usual: int) -> int:
    limit = _number(query, "limit")
    if limit == 0:
        raise _Refused(-1130, "Data sent for parameter 'limit' is not valid.")
    return usual if limit is None else limit


def _trades(query: Mapping[str, str], book: SimulatedBook) -> list[SimulatedTrade]:
    """From an id on, or of a time, or the newest."""
    first, limit = _number(query, "fromId"), min(_limit(query, 500), _MOST_TRADES)
    start, end = _number(query, "startTime"), _number(query, "endTime")
    if first is not None:
        return book.printed(first, first + limit - 1)
    made = [each for each in book.prints if (start or 0) <= each.ts_ms <= (end or each.ts_ms)]
    return made[-limit:] if start is None else made[:limit]


def _size(base: str) -> int:
    """Dollars of a COIN-M contract."""
    return 100 if base == "BTC" else 10


def _pair(market: str, base: str) -> SimulatedPair:
    quote = "USD" if market == "coinm" else "USDT"
    native = f"{base}{quote}_PERP" if market == "coinm" else f"{base}{quote}"
    symbol = f"{base}-{quote}" if market == "spot" else f"{base}-{quote}-PERP"
    return SimulatedPair(symbol, native, base, quote, contract_size=_size(base) if market == "coinm" else 1)
