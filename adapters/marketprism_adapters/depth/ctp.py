"""CThostFtdcDepthMarketDataField, given as texts in an order of columns, as a tick."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from marketprism_adapters.depth.fields import BadField, Clocks, Numbers, RawNumbers, levels, positive
from marketprism_domain.calendar import MarketCalendar
from marketprism_domain.errors import InvalidValue
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.schedules import venue_of
from marketprism_domain.trading_days import day_of, midnight
from marketprism_domain.values import NANOS_PER_SECOND, Symbol, Venue

NANOS_PER_MS = 1_000_000
_NIGHT_FROM, _NIGHT_TO = 20 * 3600 * NANOS_PER_SECOND, 4 * 3600 * NANOS_PER_SECOND
_DAY_NS = 86_400 * NANOS_PER_SECOND


class Skipped(NamedTuple):
    """A row that is no tick, and the word it is counted under."""

    reason: str


RowReader = Callable[[Sequence[str], int], Tick | Skipped]


class Times:
    """Event time and trading day of a row, from what the venues put into the date columns.

    Dalian's ActionDay at night is the trading day, Zhengzhou's TradingDay is the natural day: the natural day of a
    night row is derived from the trading day where ActionDay cannot be trusted, and the trading day always comes
    from the calendar when the row lies in a session.
    """

    def __init__(self, calendar: MarketCalendar) -> None:
        self._calendar = calendar
        self._bases: dict[tuple[str, str, str, int], int] = {}

    def event_ns(self, venue: str, trading_day: str, action_day: str, of_day: int) -> int:
        """Nanoseconds UTC."""
        part = 1 if of_day >= _NIGHT_FROM else 2 if of_day < _NIGHT_TO else 0
        key = (venue, trading_day, action_day, part)
        base = self._bases.get(key)
        if base is None:
            base = self._bases[key] = self._base(venue, trading_day, action_day, part)
        return base + of_day

    def _base(self, venue: str, trading_day: str, action_day: str, part: int) -> int:
        if action_day and not (venue == "dce" and part):
            return midnight(_day("ActionDay", action_day))
        day = _day("TradingDay", trading_day)
        if not part:
            return midnight(day)
        evening = self._calendar.days.previous(day)
        return midnight(evening) + (_DAY_NS if part == 2 else 0)

    def trading_day(self, venue: str, symbol: str, ts: int, stated: str) -> str:
        """Trading day by the calendar, or as stated when the row lies outside every session."""
        placement = self._calendar.schedule(venue, symbol).place(ts)
        if placement.session is not None or not stated:
            return placement.trading_day
        return stated


def _day(column: str, text: str) -> date:
    try:
        return day_of(text)
    except InvalidValue:
        raise BadField(column, "a date as YYYYMMDD", text) from None


def venue_token(exchange: str, symbol: str) -> str:
    if exchange:
        return str(Venue(exchange.lower()))
    venue = venue_of(symbol)
    if venue is None:
        raise BadField("ExchangeID", "an exchange, because the product is not a known one", symbol)
    return venue


CTP_COLUMNS = (
    "TradingDay", "InstrumentID", "ExchangeID", "LastPrice", "PreSettlementPrice", "PreClosePrice", "PreOpenInterest",
    "OpenPrice", "HighestPrice", "LowestPrice", "Volume", "Turnover", "OpenInterest", "ClosePrice", "SettlementPrice",
    "UpperLimitPrice", "LowerLimitPrice", "UpdateTime", "UpdateMillisec", "AveragePrice", "ActionDay",
    *(f"{side}{what}{n}" for n in range(1, 6) for side in ("Bid", "Ask") for what in ("Price", "Volume")),
)  # fmt: skip


def ctp_rows(
    at: dict[str, int], calendar: MarketCalendar, source: str, numbers: Numbers | RawNumbers | None = None
) -> RowReader:
    """Rows of CThostFtdcDepthMarketDataField: of texts, or of what the API gives (with `RawNumbers`)."""
    numbers, clocks, times = numbers or Numbers(), Clocks(), Times(calendar)
    value, fresh = numbers.value, numbers.fresh
    venues: dict[tuple[str, str], tuple[str, str]] = {}
    sides = {
        side: [(at[f"{side}Price{n}"], at[f"{side}Volume{n}"], f"{side}Price{n}") for n in range(1, 6)]
        for side in ("Bid", "Ask")
    }

    def side(row: Sequence[str], name: str) -> list[tuple[Decimal | None, Decimal | None]]:
        found = []
        for price_at, quantity_at, column in sides[name]:
            price = row[price_at]
            # Levels beyond the first are empty on most fronts: stop at the first empty one.
            if price in ("", "N/A", "0.00", "0"):
                break
            found.append((value(price, column), value(row[quantity_at], column)))
        return found

    def read(row: Sequence[str], number: int) -> Tick | Skipped:
        exchange, symbol = row[at["ExchangeID"]], row[at["InstrumentID"]]
        known = venues.get((exchange, symbol))
        if known is None:
            known = venues[exchange, symbol] = (venue_token(exchange, Symbol(symbol)), symbol)
        venue = known[0]
        of_day = clocks.nanos(row[at["UpdateTime"]])
        if of_day is None:
            return Skipped("unreadable_time")
        ms = str(row[at["UpdateMillisec"]] or "0")
        if not ms.isdigit() or len(ms) > 3:
            raise BadField("UpdateMillisec", "0 to 999", ms)
        stated = row[at["TradingDay"]]
        ts = times.event_ns(venue, stated, row[at["ActionDay"]], of_day) + int(ms) * NANOS_PER_MS
        volume = fresh(row[at["Volume"]], "Volume")
        traded = bool(volume)
        day_price = _day_prices(row, at, value, traded=traded)
        return Tick(
            venue, symbol, source, 0, 0, ts, ts, 0, number, times.trading_day(venue, symbol, ts, stated),
            positive(value(row[at["LastPrice"]], "LastPrice")), volume, fresh(row[at["Turnover"]], "Turnover"),
            value(row[at["OpenInterest"]], "OpenInterest"), *day_price,
            positive(value(row[at["ClosePrice"]], "ClosePrice")),
            positive(value(row[at["SettlementPrice"]], "SettlementPrice")),
            positive(value(row[at["PreClosePrice"]], "PreClosePrice")),
            positive(value(row[at["PreSettlementPrice"]], "PreSettlementPrice")),
            value(row[at["PreOpenInterest"]], "PreOpenInterest"),
            positive(value(row[at["UpperLimitPrice"]], "UpperLimitPrice")),
            positive(value(row[at["LowerLimitPrice"]], "LowerLimitPrice")),
            positive(fresh(row[at["AveragePrice"]], "AveragePrice")),
            levels(side(row, "Bid")), levels(side(row, "Ask")),
        )  # fmt: skip

    return read


def _day_prices(
    row: Sequence[str], at: dict[str, int], value: Callable[[str, str], Decimal | None], *, traded: bool
) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
    """Open, high and low of the day; before the first trade they are leftovers of the day before or zero."""
    names = ("OpenPrice", "HighestPrice", "LowestPrice")
    opened, high, low = (value(row[at[name]], name) for name in names)
    return (positive(opened), positive(high), positive(low)) if traded else (None, None, None)
