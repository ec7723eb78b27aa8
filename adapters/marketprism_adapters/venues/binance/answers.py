"""Binance's REST answers: books, instruments, and what has no stream."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from marketprism_adapters.venues.binance.instruments import Listing, Pair, record_of
from marketprism_adapters.venues.binance.parse import VENUE, BinanceParser
from marketprism_adapters.venues.kit.instrument_lists import listed
from marketprism_adapters.venues.kit.numbers import (
    NANOS_PER_MS,
    UNREADABLE,
    check_levels,
    identity,
    nanos,
    number,
    optional,
    unreadable,
)
from marketprism_application.contracts.kinds import MARK_PRICE
from marketprism_application.contracts.venue_messages import (
    FundingRateMessage,
    KlineMessage,
    MarkPriceMessage,
    OpenInterestMessage,
    TickerMessage,
    TradeMessage,
)
from marketprism_application.venues.protocol import Answer, Item, ParseRefused
from marketprism_domain.books.sync import BookSnapshot

Parameters = Mapping[str, str]


class _Refusal(msgspec.Struct):
    code: int = 0
    msg: str = ""


class Depth(msgspec.Struct, rename={"last_id": "lastUpdateId"}):
    last_id: int
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]
    E: int | None = None
    T: int | None = None


class OpenInterest(msgspec.Struct, rename={"interest": "openInterest"}):
    symbol: str
    interest: str
    time: int | None = None


class InterestHistory(msgspec.Struct, rename={"interest": "sumOpenInterest", "value": "sumOpenInterestValue"}):
    interest: str
    value: str
    timestamp: int
    symbol: str = ""
    pair: str = ""


class Funding(msgspec.Struct, rename={"rate": "fundingRate", "time": "fundingTime", "mark": "markPrice"}):
    symbol: str
    rate: str
    time: int
    mark: str = ""


class Premium(
    msgspec.Struct,
    rename={
        "mark": "markPrice",
        "index": "indexPrice",
        "rate": "lastFundingRate",
        "due": "nextFundingTime",
        "settles": "estimatedSettlePrice",
    },
):
    symbol: str
    mark: str
    index: str
    rate: str
    due: int
    time: int
    settles: str = ""


class AggTrade(msgspec.Struct):
    a: int
    p: str
    q: str
    f: int
    l: int  # noqa: E741 (Binance's name)
    T: int
    m: bool


class Trade(msgspec.Struct, rename={"maker": "isBuyerMaker"}):
    id: int
    price: str
    qty: str
    time: int
    maker: bool


class DayTicker(msgspec.Struct, rename="camel"):
    symbol: str
    last_price: str
    last_qty: str
    open_price: str
    high_price: str
    low_price: str
    volume: str
    close_time: int
    quote_volume: str = ""
    bid_price: str = ""
    bid_qty: str = ""
    ask_price: str = ""
    ask_qty: str = ""


class BestPrices(msgspec.Struct, rename="camel"):
    symbol: str
    bid_price: str
    bid_qty: str
    ask_price: str
    ask_qty: str
    time: int = 0


class Kline(msgspec.Struct, array_like=True):
    opens: int
    open: str
    high: str
    low: str
    close: str
    volume: str
    closes: int
    quote_volume: str
    trades: int
    taker_buy_volume: str
    taker_buy_quote_volume: str


class FundingInfo(msgspec.Struct, rename="camel"):
    symbol: str
    funding_interval_hours: int


class BinanceAnswers:
    """Reads the answers of one market."""

    def __init__(self, market: str) -> None:
        self._market = market
        self._readers: dict[str, Callable[[bytes, Parameters, int, BinanceParser], Answer]] = {
            "depth": self._depth,
            "exchangeInfo": self._listing,
            "openInterest": self._interest,
            "openInterestHist": self._interest_history,
            "fundingRate": self._funding,
            "fundingInfo": self._info,
            "premiumIndex": self._premium,
            "klines": self._klines,
            "continuousKlines": self._other,
            "aggTrades": self._agg_trades,
            "trades": self._trades,
            "historicalTrades": self._trades,
            "ticker/24hr": self._tickers,
            "ticker/bookTicker": self._best,
        }

    def read(self, path: str, parameters: Parameters, body: bytes, ts_recv: int, parser: BinanceParser) -> Answer:
        """As `Venue.answer` says. Raises ParseRefused."""
        name = path.rstrip("/").rsplit("/", 1)[-1]
        if "/ticker/" in path:
            name = f"ticker/{name}"
        try:
            if body[:1] == b"{" and b'"code"' in body[:60]:
                refusal = msgspec.json.decode(body, type=_Refusal)
                if refusal.code:
                    raise ParseRefused("refused", f"{path}: {refusal.code} {refusal.msg}")
            return self._readers.get(name, self._other)(body, parameters, ts_recv, parser)
        except UNREADABLE as error:
            raise unreadable(error, path) from error

    @staticmethod
    def _other(body: bytes, given: Parameters, ts_recv: int, parser: BinanceParser) -> Answer:  # noqa: ARG004
        return Answer(ignored="an answer that is of no kind here")

    def _depth(self, body: bytes, given: Parameters, ts_recv: int, parser: BinanceParser) -> Answer:
        depth = msgspec.json.decode(body, type=Depth)
        check_levels(depth.bids, "bids")
        check_levels(depth.asks, "asks")
        ts = depth.T or depth.E
        limit = int(given.get("limit", "100"))
        ts = nanos(ts, "T") if ts else ts_recv
        snapshot = BookSnapshot(identity(depth.last_id, "lastUpdateId"), ts, ts_recv, depth.bids, depth.asks, limit)
        return Answer(snapshots=((parser.amounts.of(given["symbol"])[0], snapshot),))

    def _listing(self, body: bytes, given: Parameters, ts_recv: int, parser: BinanceParser) -> Answer:  # noqa: ARG002
        rows = msgspec.json.decode(body, type=Listing).symbols
        return listed(rows, Pair, lambda pair: record_of(pair, self._market, ts_recv), parser, "exchangeInfo")

    def _info(self, body: bytes, given: Parameters, ts_recv: int, parser: BinanceParser) -> Answer:  # noqa: ARG002
        rows = msgspec.json.decode(body, type=list[FundingInfo])
        parser.amounts.funding_hours = {each.symbol: each.funding_interval_hours for each in rows}
        return Answer()

    def _interest(self, body: bytes, given: Parameters, ts_recv: int, parser: BinanceParser) -> Answer:  # noqa: ARG002
        o = msgspec.json.decode(body, type=OpenInterest)
        ts = nanos(o.time, "time") if o.time else ts_recv
        return Answer(items=(self._open(parser, o.symbol, o.interest, None, ts, ts_recv),))

    def _interest_history(self, body: bytes, given: Parameters, ts_recv: int, parser: BinanceParser) -> Answer:
        rows = msgspec.json.decode(body, type=list[InterestHistory])
        return Answer(
            items=[
                self._open(
                    parser,
                    o.symbol or given.get("symbol", o.pair),
                    o.interest,
                    o.value,
                    nanos(o.timestamp, "timestamp"),
                    ts_recv,
                )
                for o in rows
            ]
        )

    @staticmethod
    def _open(parser: BinanceParser, native: str, text: str, value: str | None, ts: int, ts_recv: int) -> Item:
        symbol, size = parser.amounts.of(native)
        contracts = number(text, "openInterest")
        amount = contracts if size is None else parser.amounts.scaled(contracts, size)
        return OpenInterestMessage(
            1,
            VENUE,
            symbol,
            parser.source,
            0,
            ts // 1_000_000,
            ts,
            ts_recv,
            0,
            amount,
            None if size is None else contracts,
            None if size is not None else optional(value, "sumOpenInterestValue"),
        )

    def _funding(self, body: bytes, given: Parameters, ts_recv: int, parser: BinanceParser) -> Answer:  # noqa: ARG002
        return Answer(
            items=[
                FundingRateMessage(
                    1,
                    VENUE,
                    parser.amounts.of(f.symbol)[0],
                    parser.source,
                    0,
                    ts // NANOS_PER_MS,
                    ts,
                    ts_recv,
                    0,
                    number(f.rate, "fundingRate"),
                    ts,
                    parser.amounts.funding_s(f.symbol),
                    True,
                    None,
                    optional(f.mark, "markPrice"),
                )
                for f in msgspec.json.decode(body, type=list[Funding])
                for ts in (nanos(f.time, "fundingTime"),)
            ]
        )

    def _premium(self, body: bytes, given: Parameters, ts_recv: int, parser: BinanceParser) -> Answer:  # noqa: ARG002
        made: list[Item] = []
        for p in _many(body, Premium):
            symbol = parser.amounts.of(p.symbol)[0]
            mark, index = number(p.mark, "markPrice"), optional(p.index, "indexPrice")
            ts = nanos(p.time, "time")
            head = (1, VENUE, symbol, parser.source, 0, ts // NANOS_PER_MS, ts, ts_recv, 0)
            if not p.rate:
                made.append(TickerMessage(*head, mark_price=mark, index_price=index))
            else:
                rate, due = number(p.rate, "lastFundingRate"), nanos(p.due, "nextFundingTime") if p.due else None
                interval_s = parser.amounts.funding_s(p.symbol)
                made.append(FundingRateMessage(*head, rate, due, interval_s, mark_price=mark, index_price=index))
            if parser.is_asked(MARK_PRICE):
                made.append(MarkPriceMessage(*head, mark, index, optional(p.settles, "estimatedSettlePrice")))
        return Answer(items=made)

    @staticmethod
    def _klines(body: bytes, given: Parameters, ts_recv: int, parser: BinanceParser) -> Answer:
        symbol, size = parser.amounts.of(given["symbol"])
        made = []
        for row in msgspec.json.decode(body, type=list[Kline]):
            turnover = number(row.quote_volume, "quoteVolume")
            volume, turnover = parser.amounts.traded(number(row.volume, "volume"), turnover, size)
            closes = nanos(row.closes + 1, "closeTime")
            first, high, low, last = (number(each, "price") for each in (row.open, row.high, row.low, row.close))
            happened = min(closes, ts_recv) if ts_recv else closes  # a bar that runs has not closed yet
            made.append(KlineMessage(
                1, VENUE, symbol, parser.source, 0, (closes - 1) // NANOS_PER_MS, happened, ts_recv, 0,
                given["interval"], nanos(row.opens, "openTime"), closes, first, high, low, last, volume,
                closes <= ts_recv, turnover, identity(row.trades, "trades"),
                parser.amounts.quantity(row.taker_buy_volume, "takerBuyVolume", size),
            ))  # fmt: skip
        return Answer(items=made)

    @staticmethod
    def _agg_trades(body: bytes, given: Parameters, ts_recv: int, parser: BinanceParser) -> Answer:
        rows = msgspec.json.decode(body, type=list[AggTrade])
        return Answer(
            items=[_trade(parser, given["symbol"], (t.a, t.T, t.p, t.q, t.m), (t.f, t.l), ts_recv) for t in rows]
        )

    @staticmethod
    def _trades(body: bytes, given: Parameters, ts_recv: int, parser: BinanceParser) -> Answer:
        rows = msgspec.json.decode(body, type=list[Trade])
        return Answer(
            items=[
                _trade(parser, given["symbol"], (t.id, t.time, t.price, t.qty, t.maker), (t.id, t.id), ts_recv)
                for t in rows
            ]
        )

    @staticmethod
    def _tickers(body: bytes, given: Parameters, ts_recv: int, parser: BinanceParser) -> Answer:  # noqa: ARG004
        made: list[Item] = []
        for t in _many(body, DayTicker):
            symbol, size = parser.amounts.of(t.symbol)
            amount = parser.amounts.quantity
            volume, turnover = parser.amounts.traded(number(t.volume, "volume"), t.quote_volume, size)
            ts = nanos(t.close_time, "closeTime")
            made.append(TickerMessage(
                1, VENUE, symbol, parser.source, 0, ts // NANOS_PER_MS, ts, ts_recv, 0,
                number(t.last_price, "lastPrice"), amount(t.last_qty, "lastQty", size),
                optional(t.bid_price, "bidPrice"),
                amount(t.bid_qty, "bidQty", size), optional(t.ask_price, "askPrice"), amount(t.ask_qty, "askQty", size),
                number(t.open_price, "openPrice"), number(t.high_price, "highPrice"), number(t.low_price, "lowPrice"),
                volume, optional(turnover, "quoteVolume"),
            ))  # fmt: skip
        return Answer(items=made)

    @staticmethod
    def _best(body: bytes, given: Parameters, ts_recv: int, parser: BinanceParser) -> Answer:  # noqa: ARG004
        made: list[Item] = []
        for q in _many(body, BestPrices):
            symbol, size = parser.amounts.of(q.symbol)
            ts = nanos(q.time, "time") if q.time else ts_recv
            head = (1, VENUE, symbol, parser.source, 0, ts // 1_000_000, ts, ts_recv, 0)
            made.append(
                TickerMessage(
                    *head,
                    None,
                    None,
                    number(q.bid_price, "bidPrice"),
                    parser.amounts.quantity(q.bid_qty, "bidQty", size),
                    number(q.ask_price, "askPrice"),
                    parser.amounts.quantity(q.ask_qty, "askQty", size),
                )
            )
        return Answer(items=made)


def _many(body: bytes, made: Any) -> Sequence[Any]:
    found = msgspec.json.decode(body, type=list[made] | made)
    return found if isinstance(found, list) else [found]


def _trade(
    parser: BinanceParser, native: str, fields: tuple[int, int, str, str, bool], covers: tuple[int, int], ts_recv: int
) -> Item:
    symbol, size = parser.amounts.of(native)
    seq, time, price, text, maker = fields
    quantity = number(text, "qty")
    return TradeMessage(
        1,
        VENUE,
        symbol,
        parser.source,
        0,
        identity(seq, "id"),
        nanos(time, "time"),
        ts_recv,
        0,
        str(seq),
        number(price, "price"),
        quantity if size is None else parser.amounts.scaled(quantity, size),
        "sell" if maker else "buy",
        None if size is None else quantity,
        *covers,
    )
