"""`SyncMarketClient.live`: the methods of `MarketClient.live` for callers without an event loop."""

from __future__ import annotations

from marketprism_client._live import Live, Names
from marketprism_client._loop_thread import LoopThread, SyncStream
from marketprism_client._records import SomeRecord
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.marketdata.funding_rate import FundingRate
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.marketdata.kline import Kline
from marketprism_domain.marketdata.liquidation import Liquidation
from marketprism_domain.marketdata.mark_price import MarkPrice
from marketprism_domain.marketdata.open_interest import OpenInterest
from marketprism_domain.marketdata.orderbook import BookTop, OrderBook
from marketprism_domain.marketdata.quality import QualityReport
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.marketdata.ticker import Ticker
from marketprism_domain.marketdata.trade import Trade


class SyncLive:
    """Records from now on, `for record in …`; arguments and errors are those of `Live`."""

    def __init__(self, loop: LoopThread, live: Live) -> None:
        self._loop = loop
        self._live = live

    def __call__(
        self, kind: str, symbol: Names, *, venue: str = "*", interval: str = "*", wait: bool = False
    ) -> SyncStream[SomeRecord]:
        """Records of a kind by its name: `tick`, `bar`, `gap`, `quality`, or of those that venues send by themselves.

        Raises:
            QueryFailed: no such kind.
        """
        return SyncStream(self._loop, self._live(kind, symbol, venue=venue, interval=interval, wait=wait))

    def ticks(self, symbol: Names, *, venue: str = "*", wait: bool = False) -> SyncStream[Tick]:
        """Ticks that were validated, rejected ones left out."""
        return SyncStream(self._loop, self._live.ticks(symbol, venue=venue, wait=wait))

    def bars(self, symbol: Names, interval: str = "*", *, venue: str = "*", wait: bool = False) -> SyncStream[Bar]:
        """Bars as they close, revisions included; `*` for every interval.

        Raises:
            QueryFailed: no such interval.
        """
        return SyncStream(self._loop, self._live.bars(symbol, interval, venue=venue, wait=wait))

    def together(
        self, symbol: Names, interval: str = "", *, ticks: bool = True, venue: str = "*", wait: bool = False
    ) -> SyncStream[Tick | Bar | Gap]:
        """Ticks, bars of an interval (none without) and gaps in one stream, in the order in which they come, none left
        out: what a strategy is driven by. So many that a million wait end it (OVERLOADED).

        Raises:
            QueryFailed: no such interval.
        """
        return SyncStream(self._loop, self._live.together(symbol, interval, ticks=ticks, venue=venue, wait=wait))

    def trades(self, symbol: Names, *, venue: str = "*", wait: bool = False) -> SyncStream[Trade]:
        """Trades as the venue wrote them."""
        return SyncStream(self._loop, self._live.trades(symbol, venue=venue, wait=wait))

    def books(self, symbol: str, *, venue: str = "*", wait: bool = False) -> SyncStream[OrderBook]:
        """An instrument's book: a snapshot replaces it, an update changes it, `invalid` takes it away.

        Begins with the book as it stands, which the gateway that keeps it is asked for. Where none keeps it (a replay),
        with the next step that comes; `live("orderbook", …)` asks nobody.

        Raises:
            QueryFailed: more than one symbol.
        """
        return SyncStream(self._loop, self._live.books(symbol, venue=venue, wait=wait))

    def book_tops(self, symbol: Names, *, venue: str = "*", wait: bool = False) -> SyncStream[BookTop]:
        """The best levels of valid books, a few times a second."""
        return SyncStream(self._loop, self._live.book_tops(symbol, venue=venue, wait=wait))

    def klines(self, symbol: Names, interval: str = "*", *, venue: str = "*", wait: bool = False) -> SyncStream[Kline]:
        """Bars as the venue makes them, of one interval or all.

        Raises:
            QueryFailed: no such interval.
        """
        return SyncStream(self._loop, self._live.klines(symbol, interval, venue=venue, wait=wait))

    def tickers(self, symbol: Names, *, venue: str = "*", wait: bool = False) -> SyncStream[Ticker]:
        """The venue's own statistics of the last day."""
        return SyncStream(self._loop, self._live.tickers(symbol, venue=venue, wait=wait))

    def funding_rates(self, symbol: Names, *, venue: str = "*", wait: bool = False) -> SyncStream[FundingRate]:
        """Funding rates of perpetuals."""
        return SyncStream(self._loop, self._live.funding_rates(symbol, venue=venue, wait=wait))

    def open_interest(self, symbol: Names, *, venue: str = "*", wait: bool = False) -> SyncStream[OpenInterest]:
        """Open interest of derivatives."""
        return SyncStream(self._loop, self._live.open_interest(symbol, venue=venue, wait=wait))

    def liquidations(self, symbol: Names, *, venue: str = "*", wait: bool = False) -> SyncStream[Liquidation]:
        """Forced orders that the venue tells of."""
        return SyncStream(self._loop, self._live.liquidations(symbol, venue=venue, wait=wait))

    def mark_prices(self, symbol: Names, *, venue: str = "*", wait: bool = False) -> SyncStream[MarkPrice]:
        """Mark prices of derivatives."""
        return SyncStream(self._loop, self._live.mark_prices(symbol, venue=venue, wait=wait))

    def gaps(self, symbol: Names, *, venue: str = "*", wait: bool = False) -> SyncStream[Gap]:
        """Holes in the data as they become known."""
        return SyncStream(self._loop, self._live.gaps(symbol, venue=venue, wait=wait))

    def quality(self, symbol: Names, *, venue: str = "*", wait: bool = False) -> SyncStream[QualityReport]:
        """Quality reports, a window a report."""
        return SyncStream(self._loop, self._live.quality(symbol, venue=venue, wait=wait))
