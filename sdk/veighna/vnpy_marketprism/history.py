"""What is stored, asked for in VeighNa's words: what `Database`, `Datafeed` and the gateway answer with."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from vnpy.trader.constant import Exchange, Interval
from vnpy.trader.object import BarData, TickData

from marketprism_client import SyncMarketClient, UnknownSymbol, UnknownVenue
from vnpy_marketprism.bars import FIELDS_OF, FoundBars, bars_of
from vnpy_marketprism.names import BY_DAY, Instrument, UnknownName, instrument_of, interval_of
from vnpy_marketprism.ticks import TICK_FIELDS, TickPages
from vnpy_marketprism.times import date_of, zoned

Warn = Callable[[str], object]
_TICK_OF_CLOCK = timedelta(microseconds=1)


class History:
    """Stored bars and ticks. What nobody has is warned of and nothing; that nobody answers is raised.

    Raises:
        QueryFailed (marketprism_client): the read side cannot answer, or refuses. SdkError (marketprism_sdk.errors):
        nobody is there.
    """

    def __init__(self, client: SyncMarketClient, gateway: str, warn: Warn) -> None:
        self._client, self._gateway, self._warn = client, gateway, warn

    def bars(
        self, symbol: str, exchange: Exchange, interval: Interval | None, start: datetime, end: datetime
    ) -> list[BarData]:
        """Bars whose time is from `start` to `end`, both included.

        Chinese exchanges: those that are made of ticks or imported, of a day by their trading day. Crypto venues: the
        venue's own, or where none is stored those that are made of its ticks.
        """
        try:
            instrument, ours = instrument_of(symbol, exchange), interval_of(interval)
            found = self._of_kind("bar" if instrument.chinese else "kline", instrument, ours, start, end)
            if not found.table.num_rows and not instrument.chinese:
                found = self._of_kind("bar", instrument, ours, start, end)
        except (UnknownName, UnknownSymbol, UnknownVenue) as error:
            self._warn(f"bars of {symbol}.{exchange.value}: {error}")
            return []
        assert interval is not None  # noqa: S101 (we have a word for it)
        return bars_of(found, symbol, exchange, interval, gateway=self._gateway)

    def _of_kind(self, kind: str, instrument: Instrument, interval: str, start: datetime, end: datetime) -> FoundBars:
        by_day = instrument.chinese and interval in BY_DAY
        first, last = date_of(start), date_of(end)
        answer = self._client.history(
            kind,
            instrument.symbol,
            None if by_day else zoned(start),
            None if by_day else zoned(end) + _TICK_OF_CLOCK,
            venue=instrument.venue,
            interval=interval,
            trading_day=(min(first, last), last) if by_day else None,
            fields=FIELDS_OF[kind],
        )
        numbers, table = answer.to_arrow(), answer.table
        if "closed" in table.column_names:  # the last one of a venue's own may still run
            numbers, table = numbers.filter(table.column("closed")), table.filter(table.column("closed"))
        return FoundBars(numbers, table, by_day)

    def ticks(self, symbol: str, exchange: Exchange, start: datetime, end: datetime) -> list[TickData]:
        """Validated ticks whose time is from `start` to `end`, both included. A page is made into ticks while the next
        one is on its way."""
        pages = TickPages(symbol, exchange, self._gateway)
        found: list[TickData] = []
        try:
            instrument = instrument_of(symbol, exchange)
            span = (zoned(start), zoned(end) + _TICK_OF_CLOCK)
            asked = self._client.history.pages(
                "tick", instrument.symbol, *span, venue=instrument.venue, fields=TICK_FIELDS
            )
            for page in asked:
                found += pages.ticks(page.to_arrow(), page.table)
        except (UnknownName, UnknownSymbol, UnknownVenue) as error:
            self._warn(f"ticks of {symbol}.{exchange.value}: {error}")
            return []
        return found
