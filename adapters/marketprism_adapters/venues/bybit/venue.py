"""Bybit's markets: endpoints, limits, topics (bybit-exchange.github.io/docs/v5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from marketprism_adapters.venues.bybit import frames
from marketprism_adapters.venues.bybit.parse import BOOK_DEPTH, VENUE, BybitParser
from marketprism_adapters.venues.bybit.past import PAST
from marketprism_adapters.venues.bybit.symbols import Names
from marketprism_adapters.venues.kit.instrument_lists import listed
from marketprism_adapters.venues.kit.numbers import UNREADABLE, check_levels, identity, nanos, unreadable
from marketprism_application.venues.protocol import (
    Answer,
    ConnectionGroup,
    Coverage,
    FrameParser,
    ParseRefused,
    Poll,
    RestRequest,
    StreamKey,
    VenueLimits,
)
from marketprism_domain.books.chain import ChainRule, LinkedIds
from marketprism_domain.books.sync import BookSnapshot
from marketprism_domain.marketdata.instrument_record import InstrumentRecord

_SPOT = {"trade": "publicTrade.{}", "orderbook": f"orderbook.{BOOK_DEPTH}.{{}}"}
_TOPICS = {"spot": _SPOT, "linear": {**_SPOT, "mark_price": "tickers.{}"}}
_PING = msgspec.json.encode({"op": "ping"})


class Bybit:
    """`spot` or `linear`. Fulfils `Venue`; `ws_url` and `rest_url` replace the hosts, paths stay."""

    name = VENUE
    rule: ChainRule = LinkedIds()
    dense_trades = False
    cadence_s: Mapping[str, float] = {}
    limits = VenueLimits(
        streams_per_connection=200,
        streams_per_message=10,
        messages_per_s=5.0,
        connects_per_s=1.0,
        connects_at_once=5.0,
        ping_s=20.0,
        ping=_PING,
        silent_s=40.0,
        budgets={"rest": (8.0, 40.0)},
    )

    def __init__(self, category: str, ws_url: str = "", rest_url: str = "") -> None:
        self._category = category
        self._topics = _TOPICS[category]
        self.coverage: Mapping[str, Coverage] = {name: Coverage("stream") for name in self._topics}
        self.market = VENUE if category == "spot" else f"{VENUE}-{category}"
        self._ws_url = ws_url or "wss://stream.bybit.com"
        self.rest_url = rest_url or "https://api.bybit.com"
        self._names = Names(category)

    def parser(self, source: str) -> BybitParser:
        """What reads its frames."""
        return BybitParser(source, self._names)

    def groups(self, wanted: Sequence[StreamKey]) -> Sequence[ConnectionGroup]:
        """One endpoint for each category."""
        streams = {
            self._topics[key.kind].format(self._names.native(key.symbol)): key
            for key in wanted
            if key.kind in self._topics
        }
        return [ConnectionGroup(f"{self._ws_url}/v5/public/{self._category}", streams)] if streams else []

    def native(self, symbol: str) -> str:
        """Bybit's name of our symbol."""
        return self._names.native(symbol)

    def subscribe(self, streams: Sequence[str], request_id: int, *, undo: bool = False) -> bytes:
        """The subscribe (`undo`: unsubscribe) message for these streams."""
        call = {"req_id": str(request_id), "op": "unsubscribe" if undo else "subscribe", "args": list(streams)}
        return msgspec.json.encode(call)

    def instrument_requests(self) -> Sequence[RestRequest]:
        """The one request for all instruments of the category."""
        return [RestRequest("/v5/market/instruments-info", {"category": self._category, "limit": "1000"})]

    def snapshot_request(self, symbol: str, *, shallow: bool = False) -> RestRequest:  # noqa: ARG002 (one price)
        """As deep as the stream, and by its numbers: streams of other depths have others."""
        given = {"category": self._category, "symbol": self._names.native(symbol), "limit": str(BOOK_DEPTH)}
        return RestRequest("/v5/market/orderbook", given)

    def trades_request(self, symbol: str, first: int, last: int) -> RestRequest | None:  # noqa: ARG002
        """Its trades have no numbers to ask for."""
        return None

    def polls(self, wanted: Sequence[StreamKey]) -> Sequence[Poll]:  # noqa: ARG002 (the port's form)
        """Nothing has to be asked for."""
        return []

    def answer(
        self, path: str, parameters: Mapping[str, str], body: bytes, ts_recv: int, parser: FrameParser
    ) -> Answer:
        """As `Venue.answer` says. Raises ParseRefused."""
        try:
            refusal = msgspec.json.decode(body, type=frames.Refusal)
            if refusal.retCode:
                raise ParseRefused("refused", f"{path}: {refusal.retCode} {refusal.retMsg}")
            if path.endswith("orderbook"):
                return self._book(body, parameters, ts_recv)
            name = path.rpartition("/v5/market/")[2]
            if name in PAST:
                assert isinstance(parser, BybitParser)  # noqa: S101 (made by `parser`)
                return Answer(items=PAST[name](body, parameters, ts_recv, parser))
            if not path.endswith("instruments-info"):
                return Answer(ignored="an answer that is of no kind here")
            found = msgspec.json.decode(body, type=frames.Reply[frames.Listing]).result
        except UNREADABLE as error:
            raise unreadable(error, path) from error
        cursor = found.nextPageCursor
        more = [RestRequest(path, {**parameters, "cursor": cursor})] if cursor else []
        return listed(found.rows, frames.Instrument, lambda each: self._record(each, ts_recv), parser, path, more)

    def _book(self, body: bytes, given: Mapping[str, str], ts_recv: int) -> Answer:
        reply = msgspec.json.decode(body, type=frames.Reply[msgspec.Raw])
        book = msgspec.json.decode(reply.result, type=frames.Book)
        stamp = msgspec.json.decode(reply.result, type=_Stamp)
        check_levels(book.b, "b")
        check_levels(book.a, "a")
        snapshot = BookSnapshot(
            identity(book.u, "u"), nanos(stamp.ts, "ts"), ts_recv, book.b, book.a, int(given.get("limit", "1"))
        )
        return Answer(snapshots=((self._names.symbol(book.s), snapshot),))

    def _record(self, each: frames.Instrument, ts: int) -> InstrumentRecord:
        linear = self._category == "linear"
        pair = f"{each.baseCoin}-{each.quoteCoin}"
        perpetual = "Perpetual" in each.contractType
        symbol = self._names.compose(each.baseCoin, each.quoteCoin, each.symbol, perpetual=perpetual)
        lot = each.lotSizeFilter
        return InstrumentRecord(
            VENUE,
            symbol,
            VENUE,
            0,
            0,
            ts,
            ts,
            0,
            pair,
            "swap" if linear and perpetual else "future" if linear else "spot",
            Decimal(1),
            Decimal(each.priceFilter.tickSize),
            min_limit_volume=Decimal(lot.minOrderQty),
            max_limit_volume=Decimal(lot.maxOrderQty) if lot.maxOrderQty else None,
            native=each.symbol,
            base=each.baseCoin,
            quote=each.quoteCoin,
            settle=each.settleCoin or each.quoteCoin,
            quantity_step=Decimal(lot.qtyStep or lot.basePrecision or 1),
            status="trading" if each.status == "Trading" else each.status.lower(),
        )


class _Stamp(msgspec.Struct):
    ts: int
