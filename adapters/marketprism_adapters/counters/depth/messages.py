"""CThostFtdcDepthMarketDataField, given as texts in an order of columns, as a tick."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from operator import itemgetter
from typing import Any, NamedTuple

from marketprism_adapters.counters.depth.fields import BadField, Clocks, Numbers, RawNumbers
from marketprism_domain.errors import InvalidValue
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar, Schedule
from marketprism_domain.sessions.exchange_hours import has_action_day_of_session, venue_of
from marketprism_domain.sessions.sessions import Placement
from marketprism_domain.sessions.trading_days import day_of, midnight
from marketprism_domain.values import NANOS_PER_SECOND, BookLevel, Symbol, Venue

NANOS_PER_MS = 1_000_000
# From five in the afternoon on a front is set up for the next trading day; settlement prices come before four.
_NIGHT_FROM, _NIGHT_TO = 17 * 3600 * NANOS_PER_SECOND, 4 * 3600 * NANOS_PER_SECOND
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
        """Nanoseconds UTC, from `of_day` nanoseconds after the midnight that the dates and the night session name."""
        part = 1 if of_day >= _NIGHT_FROM else 2 if of_day < _NIGHT_TO else 0
        key = (venue, trading_day, action_day, part)
        base = self._bases.get(key)
        if base is None:
            base = self._bases[key] = self._base(venue, trading_day, action_day, part)
        return base + of_day

    def _base(self, venue: str, trading_day: str, action_day: str, part: int) -> int:
        if action_day and not (part and has_action_day_of_session(venue)):
            return midnight(_day("ActionDay", action_day))
        day = _day("TradingDay", trading_day)
        if not part:
            return midnight(day)
        evening = self._calendar.days.previous(day)
        return midnight(evening) + (_DAY_NS if part == 2 else 0)

    def trading_day(self, venue: str, symbol: str, ts: int, stated: str) -> str:
        """Trading day by the calendar, or as stated when the row lies outside every session."""
        return day_of_row(self._calendar.schedule(venue, symbol).place(ts), stated)


def day_of_row(placement: Placement, stated: str) -> str:
    """Trading day by the calendar, or as stated when the row lies outside every session."""
    return stated if placement.session is None and stated else placement.trading_day


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
    "TradingDay",
    "InstrumentID",
    "ExchangeID",
    "LastPrice",
    "PreSettlementPrice",
    "PreClosePrice",
    "PreOpenInterest",
    "OpenPrice",
    "HighestPrice",
    "LowestPrice",
    "Volume",
    "Turnover",
    "OpenInterest",
    "ClosePrice",
    "SettlementPrice",
    "UpperLimitPrice",
    "LowerLimitPrice",
    "UpdateTime",
    "UpdateMillisec",
    "AveragePrice",
    "ActionDay",
    *(f"{side}{what}{n}" for n in range(1, 6) for side in ("Bid", "Ask") for what in ("Price", "Volume")),
)


Maker = Callable[[Sequence[Any], int, int | None], Tick | Skipped]


def ctp_rows(at: dict[str, int], calendar: MarketCalendar, source: str) -> RowReader:
    """Rows of texts, in the order of a recording's columns."""
    pick, make = itemgetter(*(at[column] for column in CTP_COLUMNS)), ctp_maker(calendar, source, Numbers())

    def read(row: Sequence[str], number: int) -> Tick | Skipped:
        return make(pick(row), number, None)

    return read


def ctp_maker(calendar: MarketCalendar, source: str, numbers: Numbers | RawNumbers) -> Maker:
    """Ticks of CThostFtdcDepthMarketDataField: its values in the order of `CTP_COLUMNS`, as texts or as the API gives
    them (with `RawNumbers`), a number, and when it came (None: at its event time)."""
    clocks, times = Clocks(), Times(calendar)
    value, fresh = numbers.value, numbers.fresh
    known: dict[tuple[str, str], tuple[str, Schedule]] = {}
    new = tuple.__new__  # a Tick of values in their order, without the call in between

    def side(fields: Sequence[Any], first: int) -> tuple[BookLevel, ...]:
        found = []
        for position in range(first, first + _SIDE, 4):
            price = fields[position]
            # Levels beyond the first are empty on most fronts: stop at the first empty one.
            if price in _EMPTY:
                break
            at = value(price, CTP_COLUMNS[position])
            if at is None:
                break
            size = value(fields[position + 1], CTP_COLUMNS[position + 1])
            if at and size:
                found.append(BookLevel(at, size))
        return tuple(found)

    def make(fields: Sequence[Any], number: int, ts_recv: int | None) -> Tick | Skipped:
        (
            stated,
            symbol,
            exchange,
            last,
            pre_settlement,
            pre_close,
            pre_open_interest,
            opened,
            high,
            low,
            volume,
            turnover,
            open_interest,
            close,
            settlement,
            limit_up,
            limit_down,
            clock,
            millisec,
            average,
            action_day,
            *_,
        ) = fields
        found = known.get((exchange, symbol))
        if found is None:
            token = venue_token(exchange, Symbol(symbol))
            found = known[exchange, symbol] = token, calendar.schedule(token, symbol)
        venue, schedule = found
        of_day = clocks.nanos(clock)
        if of_day is None:
            return Skipped("unreadable_time")
        ms = str(millisec or "0")
        if not ms.isdigit() or len(ms) > 3:
            raise BadField("UpdateMillisec", "0 to 999", ms)
        ts = times.event_ns(venue, stated, action_day, of_day) + int(ms) * NANOS_PER_MS
        lots = fresh(volume, "Volume")
        # Before the first trade, open, high and low are leftovers of the day before or zero.
        day_open, day_high, day_low = (
            value(opened, "OpenPrice"),
            value(high, "HighestPrice"),
            value(low, "LowestPrice"),
        )
        trading_day = day_of_row(schedule.place(ts), stated)
        return new(
            Tick,
            (
                venue,
                symbol,
                source,
                0,
                0,
                ts,
                ts if ts_recv is None else ts_recv,
                0,
                number,
                trading_day,
                value(last, "LastPrice") or None,
                lots,
                fresh(turnover, "Turnover"),
                value(open_interest, "OpenInterest"),
                (day_open or None) if lots else None,
                (day_high or None) if lots else None,
                (day_low or None) if lots else None,
                value(close, "ClosePrice") or None,
                value(settlement, "SettlementPrice") or None,
                value(pre_close, "PreClosePrice") or None,
                value(pre_settlement, "PreSettlementPrice") or None,
                value(pre_open_interest, "PreOpenInterest"),
                value(limit_up, "UpperLimitPrice") or None,
                value(limit_down, "LowerLimitPrice") or None,
                fresh(average, "AveragePrice") or None,
                side(fields, _BID),
                side(fields, _ASK),
                *_UNJUDGED,
            ),
        )

    return make


# What a validator fills in.
_UNJUDGED = tuple(Tick._field_defaults[name] for name in Tick._fields[Tick._fields.index("asks") + 1 :])
_SIDE = 5 * 4  # five levels, each with price and volume of both sides
_BID, _ASK = CTP_COLUMNS.index("BidPrice1"), CTP_COLUMNS.index("AskPrice1")
_EMPTY = ("", "N/A", "0.00", "0")
