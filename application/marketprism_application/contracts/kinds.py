"""Registry of data kinds: each is declared once, here.

Codec, table, subscription and golden tests are written over this registry. A new kind is one module in
`marketprism_domain.marketdata` and one row below; no other place names its facts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_type_hints

from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.marketdata.event_record import EventRecord
from marketprism_domain.marketdata.funding_rate import FundingRate
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.marketdata.instrument_record import InstrumentRecord
from marketprism_domain.marketdata.kline import Kline
from marketprism_domain.marketdata.liquidation import Liquidation
from marketprism_domain.marketdata.mark_price import MarkPrice
from marketprism_domain.marketdata.open_interest import OpenInterest
from marketprism_domain.marketdata.orderbook import BookTop, OrderBook
from marketprism_domain.marketdata.quality import QualityReport
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.marketdata.ticker import Ticker
from marketprism_domain.marketdata.trade import Trade

_KEY = ("symbol", "venue", "ts_event", "seq")
# Of every kind, and written as a dictionary of few values.
_COMMON = frozenset({"venue", "symbol", "source"})


@dataclass(frozen=True)
class DataKind:
    """One kind of data.

    Attributes:
        name: singular word, also the client's subscription name.
        model: named tuple; its first eight fields are venue, symbol, source, epoch, seq, ts_event, ts_recv,
            ts_pub.
        stream: JetStream stream that holds it.
        subject: template over the model's fields (tokens are escaped).
        table: where it is stored.
        order_by: key of the table, unique for a row together with its partition.
        time_field: what ranges, pages and exports are ordered by, nanoseconds UTC.
        few_values: text fields with few distinct values over many rows: dictionaries in the store.
        path: what it is called below `/api/v1/`; empty where nothing serves it by itself.
        streamed: whether `/api/v1/<path>/<symbol>/stream` serves it whole.
        numbered: whether `seq` tells by itself what is missing, so that no cadence has to.
        may_be_silent: whether a venue may rightly send none of it for days.
        partitioned_by: the time by whose day or month the table is cut into partitions.
        stays_hot: whether it is never archived: there is little of it, and every question joins it.
        revisions: the table of every row that ever stood for a key, so that a question can be asked as of an earlier
            time; empty where only the newest is stored.
        revised_by: what tells rows of one key apart in that table, beside the key.
        version: `v` of the message; a new version stands beside the old one.
    """

    name: str
    model: type[Any]
    stream: str
    subject: str
    table: str
    order_by: tuple[str, ...] = _KEY
    time_field: str = "ts_event"
    few_values: frozenset[str] = frozenset()
    path: str = ""
    streamed: bool = False
    numbered: bool = False
    may_be_silent: bool = False
    partitioned_by: str = "ts_event"
    stays_hot: bool = False
    revisions: str = ""
    revised_by: str = ""
    version: int = 1

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """Field names in wire order."""
        names: tuple[str, ...] = self.model._fields
        return names

    @cached_property
    def types(self) -> dict[str, Any]:
        """Field name to type."""
        return get_type_hints(self.model)

    @cached_property
    def dictionary(self) -> frozenset[str]:
        """Every field with few distinct values, those of all kinds included."""
        return _COMMON | self.few_values

    @cached_property
    def is_of_instruments(self) -> bool:
        """Whether each record is of an instrument: without, its symbol may be empty."""
        return "{symbol}" in self.subject

    @cached_property
    def has_interval(self) -> bool:
        """Whether there is one of it for each interval."""
        return "interval" in self.fields and "ts_open" in self.fields

    @cached_property
    def read_order(self) -> tuple[str, ...]:
        """The fields by which records are read: time, seq, then what else tells rows of one key from one another."""
        return (self.time_field, "seq", *(name for name in self.order_by if name not in (self.time_field, "seq")))

    @cached_property
    def page_key(self) -> tuple[str, ...]:
        """The fields that tell the records of one instrument from one another, in the order in which they are read."""
        return tuple(name for name in self.read_order if name != "symbol")

    def is_behind(self, record: object, key: Sequence[int | str]) -> bool:
        """Whether a record comes after all those whose page key begins like this."""
        return tuple(getattr(record, name) for name in self.page_key[: len(key)]) > tuple(key)


TICK = DataKind(
    "tick",
    Tick,
    "MARKET_TICKS",
    "market.tick.{symbol}",
    "market_ticks",
    few_values=frozenset({"phase", "trading_day", "verdict"}),
    path="ticks",
    streamed=True,
)
BAR = DataKind(
    "bar",
    Bar,
    "MARKET_BARS",
    "market.bar.{interval}.{symbol}",
    "market_bars",
    ("symbol", "venue", "interval", "ts_open"),
    time_field="ts_open",
    few_values=frozenset({"interval", "trading_day"}),
    path="bars",
    streamed=True,
    revisions="bar_revisions",
    revised_by="revision",
)
GAP = DataKind(
    "gap",
    Gap,
    "MARKET_EVENTS",
    "market.gap.{venue}.{symbol}",
    "gaps",
    ("symbol", "venue", "ts_from", "cause", "kind"),
    time_field="ts_from",
    few_values=frozenset({"cause", "kind", "trading_day"}),
    path="gaps",
    streamed=True,
)
QUALITY = DataKind(
    "quality",
    QualityReport,
    "MARKET_EVENTS",
    "market.quality.{symbol}",
    "quality_metrics",
    ("symbol", "venue", "ts_from"),
    time_field="ts_from",
    path="quality",
    streamed=True,
)
EVENT = DataKind(
    "event",
    EventRecord,
    "MARKET_EVENTS",
    "market.event.{name}",
    "domain_events",
    ("name", "ts_event", "event_id"),
    few_values=frozenset({"name"}),
)
INSTRUMENT = DataKind(
    "instrument",
    InstrumentRecord,
    "MARKET_EVENTS",
    "market.instrument.{venue}.{symbol}",
    "instruments",
    ("symbol", "venue", "ts_event"),
    few_values=frozenset(
        {
            "product",
            "class_",
            "underlying",
            "option_type",
            "list_day",
            "expire_day",
            "name",
            "native",
            "base",
            "quote",
            "settle",
            "status",
        }
    ),
    stays_hot=True,
)


def _of_venue(name: str, model: type[Any], table: str, suffix: str = "", **more: Any) -> DataKind:
    """A kind that a venue sends by itself: one subject for each instrument."""
    subject = f"market.{{venue}}.{{symbol}}.{suffix or name}"
    return DataKind(name, model, "MARKET_DATA", subject, table, path=table, **more)


TRADE = _of_venue(
    "trade",
    Trade,
    "trades",
    few_values=frozenset({"side", "liquidation"}),
    numbered=True,
    may_be_silent=True,
)
ORDERBOOK = _of_venue(
    "orderbook",
    OrderBook,
    "order_books",
    order_by=(*_KEY, "form"),
    few_values=frozenset({"form", "cause"}),
    numbered=True,
)
BOOK_TOP = _of_venue("book_top", BookTop, "book_tops", "orderbook.top")
KLINE = _of_venue(
    "kline",
    Kline,
    "klines",
    "kline.{interval}",
    order_by=("symbol", "venue", "interval", "ts_open"),
    time_field="ts_open",
    few_values=frozenset({"interval"}),
    partitioned_by="ts_open",
    revisions="kline_revisions",
    revised_by="ts_pub",
)
TICKER = _of_venue("ticker", Ticker, "tickers")
FUNDING_RATE = _of_venue("funding_rate", FundingRate, "funding_rates")
OPEN_INTEREST = _of_venue("open_interest", OpenInterest, "open_interest")
LIQUIDATION = _of_venue("liquidation", Liquidation, "liquidations", few_values=frozenset({"side", "price_of"}))
MARK_PRICE = _of_venue("mark_price", MarkPrice, "mark_prices")

VENUE_KINDS = (TRADE, ORDERBOOK, BOOK_TOP, KLINE, TICKER, FUNDING_RATE, OPEN_INTEREST, LIQUIDATION, MARK_PRICE)
KINDS: dict[str, DataKind] = {kind.name: kind for kind in (TICK, BAR, GAP, QUALITY, EVENT, INSTRUMENT, *VENUE_KINDS)}
# What is served over HTTP, by its path.
PATHS: dict[str, DataKind] = {kind.path: kind for kind in KINDS.values() if kind.path}
