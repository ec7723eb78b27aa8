"""OKX: endpoints, limits, channels (OKX API v5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec
import structlog

from marketprism_adapters.venues.okx.answers import OkxAnswers, instruments_request
from marketprism_adapters.venues.okx.parse import BOOK_DEPTH, VENUE, OkxParser
from marketprism_adapters.venues.okx.symbols import FUTURES, SPOT, SWAP, has_funding, native_of, type_of
from marketprism_adapters.venues.okx.terms import BARS
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
from marketprism_domain.books.chain import ChainRule, LinkedIds

log = structlog.get_logger()

_ONE_A_SECOND = "at most one liquidation of a contract in each second is pushed, at its bankruptcy price"
_STREAM = Coverage("stream")
_CHANNELS = {
    "trade": "trades",
    "orderbook": "books",
    "ticker": "tickers",
    "quote": "bbo-tbt",
    "funding_rate": "funding-rate",
    "open_interest": "open-interest",
    "mark_price": "mark-price",
}
_ONLY_OF: Mapping[str, Callable[[str], bool]] = {
    "funding_rate": has_funding,
    "open_interest": lambda native: type_of(native) != SPOT,
    "mark_price": lambda native: type_of(native) != SPOT,
    "liquidation": lambda native: type_of(native) in (SWAP, FUTURES),
}
_MARKET = "/api/v5/market"
_MOST_TRADES = 100


class Okx:
    """Fulfils `Venue`. `ws_url` and `rest_url` replace the hosts (a region, a simulator, a proxy); paths stay."""

    name = VENUE
    market = VENUE
    rule: ChainRule = LinkedIds()
    dense_trades = True  # a push joins `count` executions of one taker order: ids up to the one it names
    coverage: Mapping[str, Coverage] = {
        "trade": _STREAM,
        "orderbook": _STREAM,
        "kline": _STREAM,
        "ticker": _STREAM,
        "quote": _STREAM,
        "funding_rate": _STREAM,
        "open_interest": _STREAM,
        "liquidation": Coverage("stream", _ONE_A_SECOND),
        "mark_price": _STREAM,
    }
    # A quiet book sends a heartbeat about once a minute, a funding rate comes every 30 to 90 s, a mark price that does
    # not change every 10 s; anything else comes when there is something to say.
    cadence_s: Mapping[str, float] = {"orderbook": 90.0, "funding_rate": 120.0, "mark_price": 30.0}
    limits = VenueLimits(
        streams_per_connection=240,
        streams_per_message=100,
        messages_per_s=2.0,
        connects_per_s=3.0,
        ping_s=20.0,
        ping=b"ping",
        silent_s=30.0,
        budgets={"rest": (8.0, 16.0), "funding": (4.0, 8.0), "statistics": (4.0, 8.0)},
    )

    def __init__(self, ws_url: str = "", rest_url: str = "") -> None:
        self._ws_url = ws_url or "wss://ws.okx.com:8443"
        self.rest_url = rest_url or "https://www.okx.com"
        self._answers = OkxAnswers()
        self._left_out: set[str] = set()

    def parser(self, source: str) -> OkxParser:
        """What reads its frames."""
        return OkxParser(source)

    def groups(self, wanted: Sequence[StreamKey]) -> Sequence[ConnectionGroup]:
        """Candles on `business`, everything else on `public`. Klines of an interval that there is not are left out."""
        public: dict[str, StreamKey] = {}
        business: dict[str, StreamKey] = {}
        for key in wanted:
            native = native_of(key.symbol)
            of = type_of(native)
            if key.kind not in self.coverage or not _ONLY_OF.get(key.kind, _of_any)(native):
                continue
            if key.detail:
                if key.detail in BARS:
                    business[f"candle{BARS[key.detail]}:{native}"] = key
                else:
                    self._leave_out(key.detail)
            elif key.kind in _CHANNELS:
                public[f"{_CHANNELS[key.kind]}:{native}"] = key
            else:
                public[f"liquidation-orders:{of}"] = key._replace(symbol=of)
        made = []
        for path, streams in (("public", public), ("business", business)):
            if streams:
                made.append(ConnectionGroup(f"{self._ws_url}/ws/v5/{path}", streams))
        return made

    def _leave_out(self, interval: str) -> None:
        if interval not in self._left_out:
            self._left_out.add(interval)
            log.warning("kline.interval_unsupported", venue=VENUE, interval=interval, expected=list(BARS))

    def subscribe(self, streams: Sequence[str], request_id: int, *, undo: bool = False) -> bytes:
        """One message for all of them."""
        args = []
        for stream in streams:
            channel, _, of = stream.partition(":")
            args.append({"channel": channel, "instType" if channel == "liquidation-orders" else "instId": of})
        return msgspec.json.encode({"id": str(request_id), "op": "unsubscribe" if undo else "subscribe", "args": args})

    def instrument_requests(self) -> Sequence[RestRequest]:
        """Spot, swaps, futures, and the options of each underlying."""
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
        """As `Venue.answer` says. Raises ParseRefused."""
        assert isinstance(parser, OkxParser)  # noqa: S101 (made by `parser`)
        return self._answers.read(path, parameters, body, ts_recv, parser)


def _of_any(_: str) -> bool:
    return True
