"""`market.history`: what is stored, one method a kind, with the names that `market.live` has for what comes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import TypeAlias

import msgspec

from marketprism_application.contracts.failures import Code
from marketprism_application.contracts.kinds import (
    BAR,
    BOOK_TOP,
    FUNDING_RATE,
    GAP,
    KINDS,
    KLINE,
    LIQUIDATION,
    MARK_PRICE,
    OPEN_INTEREST,
    ORDERBOOK,
    QUALITY,
    TICK,
    TICKER,
    TRADE,
    DataKind,
)
from marketprism_application.contracts.plain_table import Table
from marketprism_application.contracts.questions import MAX_LIMIT, Records
from marketprism_client._answer import Answer
from marketprism_client._failures import QueryFailed
from marketprism_client._fields import Fields, asked_columns
from marketprism_client._names import Directory, names_of
from marketprism_client._paging import pages_ahead
from marketprism_client._records import SomeRecord, record_of
from marketprism_client._session import Session
from marketprism_client._tables import together
from marketprism_client._times import Day, Time, day_text
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

Names = str | Sequence[str]
# One day, or the first and the last of several, either of which may be open.
TradingDay: TypeAlias = "Day | tuple[Day | None, Day | None] | None"
_PAGE = 5_000


class History:
    """Stored records with their time in [start, end), oldest first.

    `symbol` is one, several (a list, or with commas) or a pattern like `ru*`; of several, rows are ordered by time.
    `trading_day` is one (`"2018-10-09"`, a date) or the first and the last of several, their nights included. `last`
    asks for the newest so many of each instrument. `fields` are the columns that are sent and shown, levels of a book
    by their number (`bid_price_1`); with few, there are no records to iterate over.

    Raises:
        UnknownSymbol, UnknownVenue: nothing of that name is stored. QueryFailed: the question is wrong, or the read
        side cannot answer it now. NoResponders, DeadlineExceeded, NotConnected (marketprism_sdk.errors).
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._directory = Directory(session)

    async def __call__(
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
        return await self._ranged(kind_named(kind), symbol, (start, end, trading_day, last), venue, fields, interval)

    async def bars(
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
        return await self._ranged(BAR, symbol, (start, end, trading_day, last), venue, fields, interval, as_of)

    async def ticks(
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
        return await self._ranged(TICK, symbol, (start, end, trading_day, last), venue, fields)

    async def trades(
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
        return await self._ranged(TRADE, symbol, (start, end, trading_day, last), venue, fields)

    async def books(
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
        return await self._ranged(ORDERBOOK, symbol, (start, end, trading_day, last), venue, fields)

    async def book_tops(
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
        return await self._ranged(BOOK_TOP, symbol, (start, end, trading_day, last), venue, fields)

    async def klines(
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
        return await self._ranged(KLINE, symbol, (start, end, trading_day, last), venue, fields, interval, as_of)

    async def tickers(
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
        return await self._ranged(TICKER, symbol, (start, end, trading_day, last), venue, fields)

    async def funding_rates(
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
        return await self._ranged(FUNDING_RATE, symbol, (start, end, trading_day, last), venue, fields)

    async def open_interest(
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
        return await self._ranged(OPEN_INTEREST, symbol, (start, end, trading_day, last), venue, fields)

    async def liquidations(
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
        return await self._ranged(LIQUIDATION, symbol, (start, end, trading_day, last), venue, fields)

    async def mark_prices(
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
        return await self._ranged(MARK_PRICE, symbol, (start, end, trading_day, last), venue, fields)

    async def gaps(
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
        return await self._ranged(GAP, symbol, (start, end, trading_day, last), venue, fields)

    async def quality(
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
        return await self._ranged(QUALITY, symbol, (start, end, trading_day, last), venue, fields)

    async def pages(
        self,
        kind: str,
        symbol: str,
        start: Time = None,
        end: Time = None,
        *,
        venue: str | None = None,
        interval: str | None = None,
        fields: Fields = None,
    ) -> AsyncIterator[Answer[SomeRecord]]:
        """Records of one instrument, a page of some thousands at a time: what is larger than memory. The next page is
        on its way while one is looked at."""
        found = kind_named(kind)
        question = Records(
            found.name,
            symbol,
            venue,
            *self._session.span(start, end),
            interval,
            min(_PAGE, MAX_LIMIT),
            fields=asked_columns(found, fields),
        )
        rows = 0
        async for page in self._pages(question):
            rows += page.num_rows
            yield self._answer(found, page, fields)
        if venue is not None and not rows:
            await self._directory.check_venue(venue)

    async def _ranged(
        self,
        kind: DataKind,
        symbol: Names,
        which: tuple[Time, Time, TradingDay, int | None],
        venue: str | None,
        fields: Fields,
        interval: str | None = None,
        as_of: Time = None,
    ) -> Answer[SomeRecord]:
        start, end, trading_day, last = which
        from_day, to_day = days_of(trading_day)
        question = Records(
            kind.name,
            "",
            venue,
            *self._session.span(start, end),
            interval,
            min(_PAGE, MAX_LIMIT),
            from_day=from_day,
            to_day=to_day,
            fields=asked_columns(kind, fields),
            as_of=self._session.time(as_of, "as_of"),
        )
        if last is not None:
            _check_last(last)
            question = msgspec.structs.replace(question, limit=last, last=True)
        names = await self._directory.matching(names_of(symbol), venue)
        tables: list[Table] = []
        for name in names:
            tables += [page async for page in self._pages(msgspec.structs.replace(question, symbol=name))]
        table = together(tables)
        if len(names) > 1:
            table = table.sort_by([(kind.time_field, "ascending"), ("symbol", "ascending")])
        if venue is not None and not table.num_rows:
            await self._directory.check_venue(venue)
        return self._answer(kind, table, fields)

    def _answer(self, kind: DataKind, table: Table, fields: Fields) -> Answer[SomeRecord]:
        return Answer(table, partial(record_of, kind), time_field=kind.time_field, tz=self._session.tz, fields=fields)

    def _pages(self, question: Records) -> AsyncIterator[Table]:
        return pages_ahead(self._session, self._directory, question)


def _check_last(last: object) -> None:
    if not isinstance(last, int) or isinstance(last, bool) or not 1 <= last <= MAX_LIMIT:
        raise QueryFailed(
            Code.INVALID_PARAMETER, f"last: expected a number of rows from 1 to {MAX_LIMIT}, was {last!r}"[:200]
        )


def days_of(trading_day: TradingDay) -> tuple[str | None, str | None]:
    """The first and the last of one trading day or of a range of them.

    Raises:
        QueryFailed: neither.
    """
    if trading_day is None:
        return None, None
    if not isinstance(trading_day, tuple | list):
        day = day_text(trading_day, "trading_day")
        return day, day
    if len(trading_day) != 2:
        raise QueryFailed(
            Code.INVALID_PARAMETER, f"trading_day: expected one or the first and the last, was {trading_day!r}"[:200]
        )
    first, last = (None if day is None else day_text(day, "trading_day") for day in trading_day)
    return first, last


def kind_named(name: str) -> DataKind:
    """The kind of that name.

    Raises:
        QueryFailed: there is none.
    """
    found = KINDS.get(name)
    if found is None:
        raise QueryFailed(Code.INVALID_PARAMETER, f"kind: expected one of {', '.join(KINDS)}, was {name!r}")
    return found
