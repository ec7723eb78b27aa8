"""Deribit: endpoint, limits, channels (docs.deribit.com)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import structlog

from marketprism_adapters.venues.deribit.answers import DeribitAnswers
from marketprism_adapters.venues.deribit.parse import VENUE, DeribitParser
from marketprism_adapters.venues.deribit.symbols import native_of
from marketprism_adapters.venues.deribit.terms import GREETING_ID, RESOLUTIONS, Request, Requests
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

_STREAM, _DERIVED = Coverage("stream"), Coverage("derived")
_PUBLIC = "/api/v2/public"
_HEARTBEAT_S = 10
_MOST_TRADES = 1_000
_GREETING = msgspec.json.encode(
    {"jsonrpc": "2.0", "id": GREETING_ID, "method": "public/set_heartbeat", "params": {"interval": _HEARTBEAT_S}}
)


class Deribit:
    """Fulfils `Venue`. `raw` channels need a login, so the 100 ms ones are subscribed.

    `ws_url` and `rest_url` replace the hosts (the test exchange, a simulator); paths stay.
    """

    name = VENUE
    market = VENUE
    rule: ChainRule = LinkedIds()
    dense_trades = True
    # Open interest, funding and liquidations come out of tickers and trades.
    coverage: Mapping[str, Coverage] = {
        "trade": _STREAM,
        "orderbook": _STREAM,
        "kline": _STREAM,
        "ticker": _STREAM,
        "quote": _STREAM,
        "funding_rate": _DERIVED,
        "open_interest": _DERIVED,
        "liquidation": _DERIVED,
    }
    cadence_s: Mapping[str, float] = {}  # notifications come when something changes
    limits = VenueLimits(
        streams_per_connection=400,
        streams_per_message=100,
        messages_per_s=2.0,
        connects_per_s=1.0,
        silent_s=3.0 * _HEARTBEAT_S,
        budgets={"rest": (5.0, 20.0), "instruments": (0.8, 1.0)},
        greeting=(_GREETING,),
    )

    def __init__(self, ws_url: str = "", rest_url: str = "") -> None:
        self._ws_url = ws_url or "wss://www.deribit.com"
        self.rest_url = rest_url or "https://www.deribit.com"
        self._answers = DeribitAnswers()
        self._requests = Requests()
        self._left_out: set[str] = set()

    def parser(self, source: str) -> DeribitParser:
        """What reads its frames; it and the venue share what was asked."""
        return DeribitParser(source, self._requests)

    def groups(self, wanted: Sequence[StreamKey]) -> Sequence[ConnectionGroup]:
        """One endpoint; what is derived needs the channel that it is derived from.

        Klines of an interval that there is not are left out.
        """
        streams: dict[str, StreamKey] = {}
        for key in wanted:
            name = native_of(key.symbol)
            if key.detail:
                if key.detail in RESOLUTIONS:
                    streams[f"chart.trades.{name}.{RESOLUTIONS[key.detail]}"] = key
                else:
                    self._leave_out(key.detail)
            elif key.kind in _CHANNELS:
                streams.setdefault(_CHANNELS[key.kind].format(name), key)
        return [ConnectionGroup(f"{self._ws_url}/ws/api/v2", streams)] if streams else []

    def _leave_out(self, interval: str) -> None:
        if interval not in self._left_out:
            self._left_out.add(interval)
            log.warning("kline.interval_unsupported", venue=VENUE, interval=interval, expected=list(RESOLUTIONS))

    def subscribe(self, streams: Sequence[str], request_id: int, *, undo: bool = False) -> bytes:
        """The public/subscribe (`undo`: public/unsubscribe) message for these streams."""
        method = "public/unsubscribe" if undo else "public/subscribe"
        made = self._requests(Request(request_id, tuple(streams), undo))
        call = {"jsonrpc": "2.0", "id": made, "method": method, "params": {"channels": list(streams)}}
        return msgspec.json.encode(call)

    def instrument_requests(self) -> Sequence[RestRequest]:
        """All currencies at once."""
        wanted = {"currency": "any", "expired": "false"}
        return [RestRequest(f"{_PUBLIC}/get_instruments", wanted, budget="instruments")]

    def snapshot_request(self, symbol: str, *, shallow: bool = False) -> RestRequest:  # noqa: ARG002 (one price)
        """The request for all levels of a book."""
        return RestRequest(f"{_PUBLIC}/get_order_book", {"instrument_name": native_of(symbol), "depth": "10000"})

    def trades_request(self, symbol: str, first: int, last: int) -> RestRequest | None:
        """Trades by their sequence."""
        parameters = {
            "instrument_name": native_of(symbol),
            "start_seq": str(first),
            "end_seq": str(last),
            "count": str(min(_MOST_TRADES, last - first + 1)),
            "sorting": "asc",
        }
        return RestRequest(f"{_PUBLIC}/get_last_trades_by_instrument", parameters)

    def polls(self, wanted: Sequence[StreamKey]) -> Sequence[Poll]:  # noqa: ARG002 (the port's form)
        """Nothing has to be asked for."""
        return []

    def answer(
        self, path: str, parameters: Mapping[str, str], body: bytes, ts_recv: int, parser: FrameParser
    ) -> Answer:
        """As `Venue.answer` says. Raises ParseRefused."""
        assert isinstance(parser, DeribitParser)  # noqa: S101 (made by `parser`)
        return self._answers.read(path, parameters, body, ts_recv, parser)


_CHANNELS = {
    "trade": "trades.{}.100ms",
    "orderbook": "book.{}.100ms",
    "ticker": "ticker.{}.100ms",
    "quote": "quote.{}",
    "funding_rate": "ticker.{}.100ms",
    "open_interest": "ticker.{}.100ms",
    "liquidation": "trades.{}.100ms",
}
