"""OKX: endpoints, limits, channels (OKX API v5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from marketprism_adapters.venues.okx.answers import OkxAnswers, instruments_request
from marketprism_adapters.venues.okx.parse import BOOK_DEPTH, VENUE, OkxParser
from marketprism_adapters.venues.okx.symbols import SPOT, native_of, type_of
from marketprism_application.venue import (
    Answer,
    ConnectionGroup,
    Coverage,
    FrameParser,
    Poll,
    RestRequest,
    StreamKey,
    VenueLimits,
)
from marketprism_domain.book_chain import ChainRule, LinkedIds

_ONE_A_SECOND = "at most one liquidation of a contract in each second is pushed, at its bankruptcy price"
_STREAM = Coverage("stream")
_CHANNELS = {
    "trade": "trades", "orderbook": "books", "ticker": "tickers", "quote": "bbo-tbt", "funding_rate": "funding-rate",
    "open_interest": "open-interest",
}  # fmt: skip
_DERIVATIVES_ONLY = frozenset({"funding_rate", "open_interest", "liquidation"})
_MARKET = "/api/v5/market"
_MOST_TRADES = 100


class Okx:
    """Fulfils `Venue`. `ws_url` and `rest_url` replace the hosts (a region, a simulator, a proxy); paths stay."""

    name = VENUE
    market = VENUE
    rule: ChainRule = LinkedIds()
    dense_trades = True  # a push joins `count` executions of one taker order: ids up to the one it names
    coverage: Mapping[str, Coverage] = {
        "trade": _STREAM, "orderbook": _STREAM, "kline": _STREAM, "ticker": _STREAM, "quote": _STREAM,
        "funding_rate": _STREAM, "open_interest": _STREAM, "liquidation": Coverage("stream", _ONE_A_SECOND),
    }  # fmt: skip
    # A quiet book sends a heartbeat about once a minute.
    cadence_s: Mapping[str, float] = {"orderbook": 90.0, "funding_rate": 120.0, "open_interest": 30.0}
    limits = VenueLimits(
        streams_per_connection=240, streams_per_message=100, messages_per_s=2.0, connects_per_s=3.0, ping_s=20.0,
        ping=b"ping", silent_s=30.0, budgets={"rest": (8.0, 16.0)},
    )  # fmt: skip

    def __init__(self, ws_url: str = "", rest_url: str = "") -> None:
        self._ws_url = ws_url or "wss://ws.okx.com:8443"
        self.rest_url = rest_url or "https://www.okx.com"
        self._answers = OkxAnswers()

    def parser(self, source: str) -> OkxParser:
        """What reads its frames."""
        return OkxParser(source)

    def groups(self, wanted: Sequence[StreamKey]) -> Sequence[ConnectionGroup]:
        """Candles on `business`, everything else on `public`."""
        public: dict[str, StreamKey] = {}
        business: dict[str, StreamKey] = {}
        for key in wanted:
            native = native_of(key.symbol)
            of = type_of(native)
            if key.kind not in self.coverage or (key.kind in _DERIVATIVES_ONLY and of == SPOT):
                continue
            if key.detail:
                business[f"candle{_bar(key.detail)}:{native}"] = key
            elif key.kind in _CHANNELS:
                public[f"{_CHANNELS[key.kind]}:{native}"] = key
            else:
                public[f"liquidation-orders:{of}"] = key._replace(symbol=of)
        made = []
        for path, streams in (("public", public), ("business", business)):
            if streams:
                made.append(ConnectionGroup(f"{self._ws_url}/ws/v5/{path}", streams))
        return made

    def subscribe(self, streams: Sequence[str], request_id: int, *, undo: bool = False) -> bytes:
        """One message for all of them."""
        args = []
        for stream in streams:
            channel, _, of = stream.partition(":")
            args.append({"channel": channel, "instType" if channel == "liquidation-orders" else "instId": of})
        return msgspec.json.encode({"id": str(request_id), "op": "unsubscribe" if undo else "subscribe", "args": args})

    def instrument_requests(self) -> Sequence[RestRequest]:
        """Spot, swaps, futures, and the options of each family."""
        plain = [instruments_request(name) for name in ("SPOT", "SWAP", "FUTURES")]
        return [*plain, RestRequest("/api/v5/public/underlying", {"instType": "OPTION"})]

    def snapshot_request(self, symbol: str, *, shallow: bool = False) -> RestRequest:  # noqa: ARG002 (one depth)
        """As many levels as the channel keeps."""
        return RestRequest(f"{_MARKET}/books", {"instId": native_of(symbol), "sz": str(BOOK_DEPTH)})

    def trades_request(self, symbol: str, first: int, last: int) -> RestRequest | None:
        """Trades before an id, the newest first; each execution by itself."""
        limit = str(min(_MOST_TRADES, last - first + 1))
        parameters = {"instId": native_of(symbol), "type": "1", "after": str(last + 1), "limit": limit}
        return RestRequest(f"{_MARKET}/history-trades", parameters)

    def polls(self, wanted: Sequence[StreamKey]) -> Sequence[Poll]:  # noqa: ARG002 (the port's form)
        """Every kind has a channel."""
        return []

    def answer(
        self, path: str, parameters: Mapping[str, str], body: bytes, ts_recv: int, parser: FrameParser
    ) -> Answer:
        """See `Venue.answer`."""
        assert isinstance(parser, OkxParser)  # noqa: S101 (made by `parser`)
        return self._answers.read(path, parameters, body, ts_recv, parser)


def _bar(interval: str) -> str:
    return interval[:-1] + interval[-1].upper() if interval[-1] in "hdw" else interval
