"""Binance's markets: endpoints, limits, streams (developers.binance.com; the futures split of 2026-04-23)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from marketprism_adapters.venues.binance.amounts import Amounts
from marketprism_adapters.venues.binance.answers import BinanceAnswers
from marketprism_adapters.venues.binance.parse import VENUE, BinanceParser
from marketprism_application.venues.protocol import (
    Answer,
    ConnectionGroup,
    Coverage,
    FrameParser,
    Poll,
    RestRequest,
    StreamKey,
    VenueLimits,
)
from marketprism_domain.books.chain import ChainRule, IdRange, PreviousId

_LATEST_ONLY = "only the latest liquidation of an instrument in each second is pushed"
_STREAM = Coverage("stream")
_COMMON = {"trade": _STREAM, "orderbook": _STREAM, "kline": _STREAM, "ticker": _STREAM, "quote": _STREAM}
_DERIVATIVES = {
    **_COMMON,
    "funding_rate": _STREAM,
    "mark_price": _STREAM,
    "open_interest": Coverage("poll"),
    "liquidation": Coverage("stream", _LATEST_ONLY),
}
_SUFFIX = {
    "trade": "aggTrade",
    "orderbook": "depth@100ms",
    "ticker": "ticker",
    "quote": "bookTicker",
    "funding_rate": "markPrice@1s",
    "mark_price": "markPrice@1s",
    "liquidation": "forceOrder",
}
# USD-M streams live on two endpoints, and one connection cannot mix them.
_PUBLIC = frozenset({"orderbook", "quote"})
_CADENCE_S = {
    "funding_rate": 5.0,
    "mark_price": 5.0,
    "ticker": 30.0,
}  # klines and depth come only when something happens
_MOST_TRADES = 1_000
_ONLY_OF = {"funding_rate": "-PERP"}  # a delivery contract has none


class _Market:
    def __init__(
        self,
        ws: Mapping[str, str],
        rest: str,
        base: str,
        weight_per_minute: float,
        depth: tuple[int, float],
        shallow: tuple[int, float],
    ) -> None:
        self.ws = ws  # `public` and `market` where they differ, else one for all: ``
        self.rest = rest
        self.base = base
        self.depth, self.shallow = depth, shallow  # levels, and what they weigh
        self.weight_per_minute = weight_per_minute


_MARKETS = {
    "spot": _Market(
        {"": "wss://stream.binance.com:9443"}, "https://api.binance.com", "/api/v3", 6000, (5000, 250), (1000, 50)
    ),
    "usdm": _Market(
        {"public": "wss://fstream.binance.com/public", "market": "wss://fstream.binance.com/market"},
        "https://fapi.binance.com",
        "/fapi/v1",
        2400,
        (1000, 20),
        (100, 5),
    ),
    "coinm": _Market(
        {"": "wss://dstream.binance.com"}, "https://dapi.binance.com", "/dapi/v1", 2400, (1000, 20), (100, 5)
    ),
}


class Binance:
    """One market of Binance: `spot`, `usdm` or `coinm`. Fulfils `Venue`.

    `ws_url` and `rest_url` replace the hosts (a simulator, a proxy); paths stay.
    """

    name = VENUE
    dense_trades = True

    def __init__(self, market: str, ws_url: str = "", rest_url: str = "") -> None:
        self._market = _MARKETS[market]
        self._of = market
        self.market = VENUE if market == "spot" else f"{VENUE}-{market}"
        self.rule: ChainRule = IdRange() if market == "spot" else PreviousId()
        self.coverage: Mapping[str, Coverage] = _COMMON if market == "spot" else _DERIVATIVES
        self.cadence_s: Mapping[str, float] = _CADENCE_S
        self.rest_url = rest_url or self._market.rest
        self._ws_url = ws_url
        minute = self._market.weight_per_minute
        self.limits = VenueLimits(
            streams_per_connection=1024 if market == "spot" else 200,
            streams_per_message=200,
            messages_per_s=3.0 if market == "spot" else 6.0,
            connects_per_s=1.0,
            connects_at_once=5.0,
            lifetime_s=24 * 3600.0,
            silent_s=60.0 if market == "spot" else 240.0,
            budgets={
                "rest": (minute / 60 * 0.6, minute / 3),
                "funding": (500 / 300 * 0.8, 50),
                "data": (1000 / 300 * 0.8, 100),
            },
            used_header=("X-MBX-USED-WEIGHT-1M", minute),
        )
        self._answers = BinanceAnswers(market)
        self._amounts = Amounts(market)

    def parser(self, source: str) -> BinanceParser:
        """What reads its frames; it and the venue share the names that the instrument list brings."""
        return BinanceParser(self._of, source, self._amounts)

    def groups(self, wanted: Sequence[StreamKey]) -> Sequence[ConnectionGroup]:
        """Depth and best prices apart from the rest where the market splits them."""
        found: dict[str, dict[str, StreamKey]] = {}
        for key in wanted:
            if key.kind not in self.coverage or self.coverage[key.kind].how != "stream":
                continue
            if not key.symbol.endswith(_ONLY_OF.get(key.kind, "")):
                continue
            side = "" if "" in self._market.ws else "public" if key.kind in _PUBLIC else "market"
            found.setdefault(side, {}).setdefault(self.stream(key), key)  # one stream has two kinds
        return [ConnectionGroup(f"{self._host(side)}/stream", streams) for side, streams in found.items()]

    def _host(self, side: str) -> str:
        if self._ws_url:
            return f"{self._ws_url}/{side}" if side else self._ws_url
        return self._market.ws[side]

    def stream(self, key: StreamKey) -> str:
        """Binance's name of a stream."""
        suffix = f"kline_{key.detail}" if key.detail else _SUFFIX[key.kind]
        return f"{self.native(key.symbol).lower()}@{suffix}"

    def native(self, symbol: str) -> str:
        """Binance's name of our symbol."""
        return self._amounts.names.native(symbol)

    def subscribe(self, streams: Sequence[str], request_id: int, *, undo: bool = False) -> bytes:
        """The SUBSCRIBE (`undo`: UNSUBSCRIBE) message for these streams."""
        method = "UNSUBSCRIBE" if undo else "SUBSCRIBE"
        return msgspec.json.encode({"method": method, "params": list(streams), "id": request_id})

    def instrument_requests(self) -> Sequence[RestRequest]:
        """exchangeInfo, and the funding intervals of futures."""
        listing = RestRequest(f"{self._market.base}/exchangeInfo", weight=20 if self._of == "spot" else 1)
        if self._of == "spot":
            return (listing,)
        return listing, RestRequest(f"{self._market.base}/fundingInfo", budget="funding")

    def snapshot_request(self, symbol: str, *, shallow: bool = False) -> RestRequest:
        """The deepest book that there is; a fifth of it costs a fifth of the weight."""
        depth, weight = self._market.shallow if shallow else self._market.depth
        parameters = {"symbol": self.native(symbol), "limit": str(depth)}
        return RestRequest(f"{self._market.base}/depth", parameters, weight)

    def trades_request(self, symbol: str, first: int, last: int) -> RestRequest | None:
        """Aggregate trades from an id on."""
        parameters = {
            "symbol": self.native(symbol),
            "fromId": str(first),
            "limit": str(min(_MOST_TRADES, last - first + 1)),
        }
        return RestRequest(f"{self._market.base}/aggTrades", parameters, 4 if self._of == "spot" else 20)

    def polls(self, wanted: Sequence[StreamKey]) -> Sequence[Poll]:
        """Open interest has no stream."""
        return [
            Poll(key, 10.0, RestRequest(f"{self._market.base}/openInterest", {"symbol": self.native(key.symbol)}))
            for key in wanted
            if key.kind in self.coverage and self.coverage[key.kind].how == "poll"
        ]

    def answer(
        self, path: str, parameters: Mapping[str, str], body: bytes, ts_recv: int, parser: FrameParser
    ) -> Answer:
        """As `Venue.answer` says. Raises ParseRefused."""
        assert isinstance(parser, BinanceParser)  # noqa: S101 (made by `parser`)
        return self._answers.read(path, parameters, body, ts_recv, parser)
