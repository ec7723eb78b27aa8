"""`market.live`: records as they come, one method a kind; `market.history` has the same for what is stored."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import TypeVar

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
    VENUE_KINDS,
    DataKind,
)
from marketprism_application.contracts.subjects import escape
from marketprism_client._books import book_now, joined
from marketprism_client._failures import QueryFailed, query_failures
from marketprism_client._names import Directory, matches, names_of
from marketprism_client._records import SomeRecord
from marketprism_client._session import Session
from marketprism_client._stream import LiveStream, Subject, live_batches
from marketprism_domain.instruments.written_names import is_pattern, venue_named
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
from marketprism_domain.values import Interval

Record = TypeVar("Record")
Names = str | Sequence[str]
LIVE_KINDS = (TICK, BAR, GAP, QUALITY, *VENUE_KINDS)


class Live:
    """Records from now on. `symbol` is one, several (a list, or with commas) or a pattern like `ru*`.

    `venue` `*` is every venue. A name that nobody has is refused as soon as the read side says so (UnknownSymbol,
    UnknownVenue), unless `wait`, for instruments that are yet to come; where the read side cannot be asked, a warning
    is logged.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._directory = Directory(session)

    def __call__(
        self, kind: str, symbol: Names, *, venue: str = "*", interval: str = "*", wait: bool = False
    ) -> LiveStream[SomeRecord]:
        """Records of a kind by its name: `tick`, `bar`, `gap`, `quality`, or of those that venues send by themselves.

        Raises:
            QueryFailed: no such kind.
        """
        found = KINDS.get(kind)
        if found not in LIVE_KINDS:
            names = ", ".join(each.name for each in LIVE_KINDS)
            raise QueryFailed(Code.INVALID_PARAMETER, f"kind: expected one of {names}, was {kind!r}")
        return self._stream(KINDS[kind], symbol, venue, interval, wait)

    def ticks(self, symbol: Names, *, venue: str = "*", wait: bool = False) -> LiveStream[Tick]:
        """Ticks that were validated, rejected ones left out."""
        return self._stream(TICK, symbol, venue, "*", wait)

    def bars(self, symbol: Names, interval: str = "*", *, venue: str = "*", wait: bool = False) -> LiveStream[Bar]:
        """Bars as they close, revisions included; `*` for every interval.

        Raises:
            QueryFailed: no such interval.
        """
        return self._stream(BAR, symbol, venue, interval, wait)

    def trades(self, symbol: Names, *, venue: str = "*", wait: bool = False) -> LiveStream[Trade]:
        """Trades as the venue wrote them."""
        return self._stream(TRADE, symbol, venue, "*", wait)

    def books(self, symbol: str, *, venue: str = "*", wait: bool = False) -> LiveStream[OrderBook]:
        """An instrument's book: a snapshot replaces it, an update changes it, `invalid` takes it away.

        Begins with the book as it stands, which the gateway that keeps it is asked for. Where none keeps it (a replay),
        with the next step that comes; `live("orderbook", …)` asks nobody.

        Raises:
            QueryFailed: more than one symbol.
        """
        names = names_of(symbol)
        if len(names) > 1 or is_pattern(names[0]):
            raise QueryFailed(Code.INVALID_PARAMETER, f"symbol: expected one for books, was {symbol!r}")
        steps: LiveStream[OrderBook] = self._stream(ORDERBOOK, symbol, venue, "*", wait)
        if self._session.prefix:
            return steps
        followed = joined(_each(steps), lambda step: book_now(self._session.line, step.venue, step.symbol))
        return LiveStream(_single(followed))

    def book_tops(self, symbol: Names, *, venue: str = "*", wait: bool = False) -> LiveStream[BookTop]:
        """The best levels of valid books, a few times a second."""
        return self._stream(BOOK_TOP, symbol, venue, "*", wait)

    def klines(self, symbol: Names, interval: str = "*", *, venue: str = "*", wait: bool = False) -> LiveStream[Kline]:
        """Bars as the venue makes them, of one interval or all.

        Raises:
            QueryFailed: no such interval.
        """
        return self._stream(KLINE, symbol, venue, interval, wait)

    def tickers(self, symbol: Names, *, venue: str = "*", wait: bool = False) -> LiveStream[Ticker]:
        """The venue's own statistics of the last day."""
        return self._stream(TICKER, symbol, venue, "*", wait)

    def funding_rates(self, symbol: Names, *, venue: str = "*", wait: bool = False) -> LiveStream[FundingRate]:
        """Funding rates of perpetuals."""
        return self._stream(FUNDING_RATE, symbol, venue, "*", wait)

    def open_interest(self, symbol: Names, *, venue: str = "*", wait: bool = False) -> LiveStream[OpenInterest]:
        """Open interest of derivatives."""
        return self._stream(OPEN_INTEREST, symbol, venue, "*", wait)

    def liquidations(self, symbol: Names, *, venue: str = "*", wait: bool = False) -> LiveStream[Liquidation]:
        """Forced orders that the venue tells of."""
        return self._stream(LIQUIDATION, symbol, venue, "*", wait)

    def mark_prices(self, symbol: Names, *, venue: str = "*", wait: bool = False) -> LiveStream[MarkPrice]:
        """Mark prices of derivatives."""
        return self._stream(MARK_PRICE, symbol, venue, "*", wait)

    def gaps(self, symbol: Names, *, venue: str = "*", wait: bool = False) -> LiveStream[Gap]:
        """Holes in the data as they become known."""
        return self._stream(GAP, symbol, venue, "*", wait)

    def quality(self, symbol: Names, *, venue: str = "*", wait: bool = False) -> LiveStream[QualityReport]:
        """Quality reports, a window a report."""
        return self._stream(QUALITY, symbol, venue, "*", wait)

    def together(
        self, symbol: Names, interval: str = "", *, ticks: bool = True, venue: str = "*", wait: bool = False
    ) -> LiveStream[Tick | Bar | Gap]:
        """Ticks, bars of an interval (none without) and gaps in one stream, in the order in which they come, none left
        out: what a strategy is driven by. So many that a million wait end it (OVERLOADED).

        Raises:
            QueryFailed: no such interval.
        """
        kinds = (*((TICK,) if ticks else ()), *((BAR,) if interval else ()), GAP)
        return self._several(kinds, symbol, venue, interval or "*", wait, whole=True)

    def _stream(self, kind: DataKind, symbol: Names, venue: str, interval: str, wait: bool) -> LiveStream[SomeRecord]:
        return self._several((kind,), symbol, venue, interval, wait)

    def _several(
        self,
        kinds: Sequence[DataKind],
        symbol: Names,
        venue: str,
        interval: str,
        wait: bool,
        *,
        whole: bool = False,
    ) -> LiveStream[SomeRecord]:
        names = names_of(symbol)
        if venue != "*":
            venue = venue_named(venue)
        if interval != "*" and any(kind.has_interval for kind in kinds):
            with query_failures():
                interval = str(Interval.parse(interval))

        meant: dict[str, str | None] = {}  # symbols of names that are written otherwise, and their venues
        come: dict[tuple[str, str], SomeRecord] = {}

        def belongs(record: SomeRecord) -> bool:
            if venue not in ("*", record.venue):
                return False
            if not (matches(record, names) or meant.get(record.symbol, "") in (None, record.venue)):
                return False
            come[record.venue, record.symbol] = record
            return True

        async def check() -> list[Subject]:
            found = await self._directory.check(kinds[0], names, None if venue == "*" else venue, come.values())
            meant.update(found)
            # Behind a pattern everything comes already.
            return [] if any(map(is_pattern, names)) else _subjects(kinds, list(meant), venue, interval)

        subjects = _subjects(kinds, names, venue, interval)
        return LiveStream(live_batches(self._session, subjects, belongs, None if wait else check, whole=whole))


def _subjects(kinds: Sequence[DataKind], names: Sequence[str], venue: str, interval: str) -> list[Subject]:
    """NATS knows whole tokens only: behind a pattern all symbols come, and those that match are let through."""
    tokens = ["*"] if any(map(is_pattern, names)) else [escape(name) for name in names]
    venue, interval = (part if part == "*" else escape(part) for part in (venue, interval))
    return [
        (kind, kind.subject.format(symbol=token, venue=venue, interval=interval)) for kind in kinds for token in tokens
    ]


async def _each(stream: LiveStream[Record]) -> AsyncGenerator[Record, None]:
    async with aclosing(stream):
        async for record in stream:
            yield record


async def _single(records: AsyncIterator[Record]) -> AsyncGenerator[list[Record], None]:
    async for record in records:
        yield [record]
