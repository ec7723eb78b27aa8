"""Registry of data kinds: each is declared once, here.

Codec, table, subscription and golden tests are written over this registry. A new kind is one module in
`marketprism_domain.marketdata` and one row below.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_type_hints

from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.marketdata.event_record import EventRecord
from marketprism_domain.marketdata.funding_rate import FundingRate
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.marketdata.instrument_record import InstrumentRecord
from marketprism_domain.marketdata.kline import Kline
from marketprism_domain.marketdata.liquidation import Liquidation
from marketprism_domain.marketdata.open_interest import OpenInterest
from marketprism_domain.marketdata.orderbook import BookTop, OrderBook
from marketprism_domain.marketdata.quality import QualityReport
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.marketdata.ticker import Ticker
from marketprism_domain.marketdata.trade import Trade


@dataclass(frozen=True)
class DataKind:
    """One kind of data.

    Attributes:
        name: singular word, also the client's subscription name.
        model: named tuple; its first eight fields are venue, symbol, source, epoch, seq, ts_event, ts_recv,
            ts_pub.
        version: `v` of the message; a new version stands beside the old one.
        stream: JetStream stream that holds it.
        subject: template over the model's fields (tokens are escaped).
        table: where it is stored.
        order_by: key of the table, unique for a row together with its partition.
    """

    name: str
    model: type[Any]
    version: int
    stream: str
    subject: str
    table: str
    order_by: tuple[str, ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """Field names in wire order."""
        names: tuple[str, ...] = self.model._fields
        return names

    @property
    def types(self) -> dict[str, Any]:
        """Field name to type."""
        return get_type_hints(self.model)

    @property
    def time(self) -> str:
        """The field that ranges and pages go by."""
        return next((name for name in ("ts_open", "ts_from") if name in self.fields), "ts_event")

    @property
    def read_order(self) -> tuple[str, ...]:
        """The fields by which records are read: time, seq, then what else tells rows of one key from one another."""
        return (self.time, "seq", *(name for name in self.order_by if name not in (self.time, "seq")))


TICK = DataKind(
    "tick",
    Tick,
    1,
    "MARKET_TICKS",
    "market.tick.{symbol}",
    "market_ticks",
    ("symbol", "venue", "ts_event", "seq"),
)
BAR = DataKind(
    "bar", Bar, 1, "MARKET_BARS", "market.bar.{interval}.{symbol}", "market_bars",
    ("symbol", "venue", "interval", "ts_open"),
)  # fmt: skip
GAP = DataKind(
    "gap",
    Gap,
    1,
    "MARKET_EVENTS",
    "market.gap.{venue}.{symbol}",
    "gaps",
    ("symbol", "venue", "ts_from", "cause", "kind"),
)
QUALITY = DataKind(
    "quality",
    QualityReport,
    1,
    "MARKET_EVENTS",
    "market.quality.{symbol}",
    "quality_metrics",
    ("symbol", "venue", "ts_from"),
)
EVENT = DataKind(
    "event",
    EventRecord,
    1,
    "MARKET_EVENTS",
    "market.event.{name}",
    "domain_events",
    ("name", "ts_event", "event_id"),
)
INSTRUMENT = DataKind(
    "instrument", InstrumentRecord, 1, "MARKET_EVENTS", "market.instrument.{venue}.{symbol}", "instruments",
    ("symbol", "venue", "ts_event"),
)  # fmt: skip

_KEY = ("symbol", "venue", "ts_event", "seq")


def _of_venue(name: str, model: type[Any], table: str, suffix: str, order_by: tuple[str, ...] = _KEY) -> DataKind:
    """A kind that a venue sends by itself: one subject for each instrument."""
    return DataKind(name, model, 1, "MARKET_DATA", f"market.{{venue}}.{{symbol}}.{suffix}", table, order_by)


TRADE = _of_venue("trade", Trade, "trades", "trade")
ORDERBOOK = _of_venue("orderbook", OrderBook, "order_books", "orderbook", (*_KEY, "form"))
BOOK_TOP = _of_venue("book_top", BookTop, "book_tops", "orderbook.top")
KLINE = _of_venue("kline", Kline, "klines", "kline.{interval}", ("symbol", "venue", "interval", "ts_open"))
TICKER = _of_venue("ticker", Ticker, "tickers", "ticker")
FUNDING_RATE = _of_venue("funding_rate", FundingRate, "funding_rates", "funding_rate")
OPEN_INTEREST = _of_venue("open_interest", OpenInterest, "open_interest", "open_interest")
LIQUIDATION = _of_venue("liquidation", Liquidation, "liquidations", "liquidation")

VENUE_KINDS = (TRADE, ORDERBOOK, BOOK_TOP, KLINE, TICKER, FUNDING_RATE, OPEN_INTEREST, LIQUIDATION)
KINDS: dict[str, DataKind] = {kind.name: kind for kind in (TICK, BAR, GAP, QUALITY, EVENT, INSTRUMENT, *VENUE_KINDS)}
