"""`SyncMarketClient.history`: the methods of `MarketClient.history` for callers without an event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TypeVar

from marketprism_client._answer import Answer
from marketprism_client._fields import Fields
from marketprism_client._history import History, Names, TradingDay
from marketprism_client._loop_thread import LoopThread
from marketprism_client._records import SomeRecord
from marketprism_client._times import Time
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

Page = TypeVar("Page")


class SyncHistory:
    """Stored records with their time in [start, end), oldest first; arguments and errors are those of `History`."""

    def __init__(self, loop: LoopThread, history: History) -> None:
        self._loop = loop
        self._history = history

    def __call__(
        self,
        kind: str,
        symbol: Names,
        start: Time = None,
        end: Time = None,
        *,
        venue: str | None = None,
        interval: str | None = None,
        trading_day: TradingDay = None,
        last: int | None = None,
        fields: Fields = None,
    ) -> Answer[SomeRecord]:
        """Records of any kind by its name; bars and klines need an interval."""
        return self._loop.run(
            self._history(
                kind,
                symbol,
                start,
                end,
                venue=venue,
                interval=interval,
                trading_day=trading_day,
                last=last,
                fields=fields,
            )
        )

    def bars(
        self,
        symbol: Names,
        interval: str,
        start: Time = None,
        end: Time = None,
        *,
        venue: str | None = None,
        trading_day: TradingDay = None,
        last: int | None = None,
        fields: Fields = None,
        as_of: Time = None,
    ) -> Answer[Bar]:
        """Closed bars by their `ts_open`, each in its last revision, or in that which stood `as_of` a time; `gap` says
        what is missing."""
        return self._loop.run(
            self._history.bars(
                symbol,
                interval,
                start,
                end,
                venue=venue,
                trading_day=trading_day,
                last=last,
                fields=fields,
                as_of=as_of,
            )
        )

    def ticks(
        self,
        symbol: Names,
        start: Time = None,
        end: Time = None,
        *,
        venue: str | None = None,
        trading_day: TradingDay = None,
        last: int | None = None,
        fields: Fields = None,
    ) -> Answer[Tick]:
        """Ticks that were validated, rejected ones left out."""
        return self._loop.run(
            self._history.ticks(symbol, start, end, venue=venue, trading_day=trading_day, last=last, fields=fields)
        )

    def trades(
        self,
        symbol: Names,
        start: Time = None,
        end: Time = None,
        *,
        venue: str | None = None,
        trading_day: TradingDay = None,
        last: int | None = None,
        fields: Fields = None,
    ) -> Answer[Trade]:
        """Trades as the venue wrote them."""
        return self._loop.run(
            self._history.trades(symbol, start, end, venue=venue, trading_day=trading_day, last=last, fields=fields)
        )

    def books(
        self,
        symbol: Names,
        start: Time = None,
        end: Time = None,
        *,
        venue: str | None = None,
        trading_day: TradingDay = None,
        last: int | None = None,
        fields: Fields = None,
    ) -> Answer[OrderBook]:
        """Steps of books: snapshots, and the updates between them."""
        return self._loop.run(
            self._history.books(symbol, start, end, venue=venue, trading_day=trading_day, last=last, fields=fields)
        )

    def book_tops(
        self,
        symbol: Names,
        start: Time = None,
        end: Time = None,
        *,
        venue: str | None = None,
        trading_day: TradingDay = None,
        last: int | None = None,
        fields: Fields = None,
    ) -> Answer[BookTop]:
        """The best levels of valid books, a few times a second."""
        return self._loop.run(
            self._history.book_tops(symbol, start, end, venue=venue, trading_day=trading_day, last=last, fields=fields)
        )

    def klines(
        self,
        symbol: Names,
        interval: str,
        start: Time = None,
        end: Time = None,
        *,
        venue: str | None = None,
        trading_day: TradingDay = None,
        last: int | None = None,
        fields: Fields = None,
        as_of: Time = None,
    ) -> Answer[Kline]:
        """Bars as the venue made them, by their `ts_open`; closed ones as they stood `as_of` a time."""
        return self._loop.run(
            self._history.klines(
                symbol,
                interval,
                start,
                end,
                venue=venue,
                trading_day=trading_day,
                last=last,
                fields=fields,
                as_of=as_of,
            )
        )

    def tickers(
        self,
        symbol: Names,
        start: Time = None,
        end: Time = None,
        *,
        venue: str | None = None,
        trading_day: TradingDay = None,
        last: int | None = None,
        fields: Fields = None,
    ) -> Answer[Ticker]:
        """The venue's own statistics of the last day."""
        return self._loop.run(
            self._history.tickers(symbol, start, end, venue=venue, trading_day=trading_day, last=last, fields=fields)
        )

    def funding_rates(
        self,
        symbol: Names,
        start: Time = None,
        end: Time = None,
        *,
        venue: str | None = None,
        trading_day: TradingDay = None,
        last: int | None = None,
        fields: Fields = None,
    ) -> Answer[FundingRate]:
        """Funding rates of perpetuals."""
        return self._loop.run(
            self._history.funding_rates(
                symbol, start, end, venue=venue, trading_day=trading_day, last=last, fields=fields
            )
        )

    def open_interest(
        self,
        symbol: Names,
        start: Time = None,
        end: Time = None,
        *,
        venue: str | None = None,
        trading_day: TradingDay = None,
        last: int | None = None,
        fields: Fields = None,
    ) -> Answer[OpenInterest]:
        """Open interest of derivatives."""
        return self._loop.run(
            self._history.open_interest(
                symbol, start, end, venue=venue, trading_day=trading_day, last=last, fields=fields
            )
        )

    def liquidations(
        self,
        symbol: Names,
        start: Time = None,
        end: Time = None,
        *,
        venue: str | None = None,
        trading_day: TradingDay = None,
        last: int | None = None,
        fields: Fields = None,
    ) -> Answer[Liquidation]:
        """Forced orders that the venue told of."""
        return self._loop.run(
            self._history.liquidations(
                symbol, start, end, venue=venue, trading_day=trading_day, last=last, fields=fields
            )
        )

    def mark_prices(
        self,
        symbol: Names,
        start: Time = None,
        end: Time = None,
        *,
        venue: str | None = None,
        trading_day: TradingDay = None,
        last: int | None = None,
        fields: Fields = None,
    ) -> Answer[MarkPrice]:
        """Mark prices of derivatives."""
        return self._loop.run(
            self._history.mark_prices(
                symbol, start, end, venue=venue, trading_day=trading_day, last=last, fields=fields
            )
        )

    def gaps(
        self,
        symbol: Names,
        start: Time = None,
        end: Time = None,
        *,
        venue: str | None = None,
        trading_day: TradingDay = None,
        last: int | None = None,
        fields: Fields = None,
    ) -> Answer[Gap]:
        """Holes in the data that begin in the range."""
        return self._loop.run(
            self._history.gaps(symbol, start, end, venue=venue, trading_day=trading_day, last=last, fields=fields)
        )

    def quality(
        self,
        symbol: Names,
        start: Time = None,
        end: Time = None,
        *,
        venue: str | None = None,
        trading_day: TradingDay = None,
        last: int | None = None,
        fields: Fields = None,
    ) -> Answer[QualityReport]:
        """Quality reports whose window begins in the range."""
        return self._loop.run(
            self._history.quality(symbol, start, end, venue=venue, trading_day=trading_day, last=last, fields=fields)
        )

    def pages(
        self,
        kind: str,
        symbol: str,
        start: Time = None,
        end: Time = None,
        *,
        venue: str | None = None,
        interval: str | None = None,
        fields: Fields = None,
    ) -> Iterator[Answer[SomeRecord]]:
        """Records of one instrument, a page of some thousands at a time: what is larger than memory. The next page is
        on its way while one is looked at."""
        return pages_of(
            self._loop,
            self._history.pages(kind, symbol, start, end, venue=venue, interval=interval, fields=fields),
        )


def pages_of(loop: LoopThread, pages: AsyncIterator[Page]) -> Iterator[Page]:
    """Pages one after the other, each asked for when it is wanted."""
    while (page := loop.run(_following(pages))) is not None:
        yield page


async def _following(pages: AsyncIterator[Page]) -> Page | None:
    return await anext(pages, None)
