"""CThostFtdcDepthMarketDataField, given as texts in an order of columns, as a tick."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Sequence
from datetime import date
from operator import itemgetter
from typing import Any, NamedTuple

from marketprism_adapters.counters.depth.fields import BadField, Clocks, Numbers, RawNumbers, amount
from marketprism_domain.errors import InvalidValue
from marketprism_domain.instruments.names import has_signed_price
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar, Schedule
from marketprism_domain.sessions.exchange_hours import EXCHANGES, has_action_day_of_session, venue_of
from marketprism_domain.sessions.sessions import Placement
from marketprism_domain.sessions.trading_days import china_date, day_of, midnight
from marketprism_domain.values import NANOS_PER_SECOND, BookLevel, Symbol

NANOS_PER_MS = 1_000_000
# From five in the afternoon on a front is set up for the next trading day; settlement prices come before four.
_NIGHT_FROM, _NIGHT_TO = 17 * 3600 * NANOS_PER_SECOND, 4 * 3600 * NANOS_PER_SECOND
_DAY_NS = 86_400 * NANOS_PER_SECOND
_LONGEST_AHEAD = 5 * _DAY_NS  # over a week-end; beyond, the receiving clock is wrong and not the date


class Skipped(NamedTuple):
    """A row that is no tick, and the word it is counted under."""

    reason: str
    text: str = ""  # what was wrong, where that is not said by the reason


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

    def event_ns(self, venue: str, trading_day: str, action_day: str, of_day: int, ts_recv: int | None = None) -> int:
        """Nanoseconds UTC, from `of_day` nanoseconds after the midnight that the dates and the night session name.

        Where it came at `ts_recv`, that tells the day if no date is there, or if the dates lead into the future: some
        fronts fill ActionDay of a Friday's night with the Monday.
        """
        if ts_recv is not None and not trading_day and not action_day:
            return _nearest(of_day, ts_recv)
        ts = self._event_ns(venue, trading_day, action_day, of_day)
        ahead = ts_recv is not None and _DAY_NS // 2 < ts - ts_recv < _LONGEST_AHEAD
        return _nearest(of_day, ts_recv) if ahead and ts_recv is not None else ts

    def _event_ns(self, venue: str, trading_day: str, action_day: str, of_day: int) -> int:
        part = 1 if of_day >= _NIGHT_FROM else 2 if of_day < _NIGHT_TO else 0
        key = (venue, trading_day, action_day, part)
        base = self._bases.get(key)
        if base is None:
            base = self._bases[key] = self._base(venue, trading_day, action_day, part)
        return base + of_day

    def _base(self, venue: str, trading_day: str, action_day: str, part: int) -> int:
        if action_day and not (part and has_action_day_of_session(venue) and trading_day):
            natural = _day("ActionDay", action_day)
            days = self._calendar.days
            if part != 1 or trading_day or days.night_before(days.next(natural)) == natural:
                return midnight(natural)
            day = natural  # no night begins on it: it is the trading day
        else:
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


def _nearest(of_day: int, ts_recv: int) -> int:
    """The instant of that time of day that is nearest to when it came."""
    ts = midnight(china_date(ts_recv)) + of_day
    return ts + round((ts_recv - ts) / _DAY_NS) * _DAY_NS


def _day(column: str, text: str) -> date:
    try:
        return day_of(text.removesuffix(".0"))  # a table with a hole in the column writes its days as doubles
    except InvalidValue:
        raise BadField(column, "a date as YYYYMMDD", text) from None


# A code begins with its product; those of funds and of options on them are digits. A table's word for a hole is none.
_CODE = re.compile(r"(?!(?:nan|none|null|inf)$)[A-Za-z][A-Za-z0-9 &().-]*|\d{6,8}(?:&\d{6,8})*", re.IGNORECASE)


def venue_token(exchange: str, symbol: str) -> str:
    """The venue of a row: what it says, else the one that lists the product.

    Raises:
        BadField: no code, an exchange that is none, or none where the product is not known.
    """
    if not _CODE.fullmatch(symbol):
        raise BadField("InstrumentID", "an instrument's code", symbol)
    if exchange:
        if exchange.lower() not in EXCHANGES:
            raise BadField("ExchangeID", f"one of {', '.join(name.upper() for name in EXCHANGES)}", exchange)
        return exchange.lower()
    venue = venue_of(symbol)
    if venue is None:
        raise BadField("ExchangeID", "an exchange, because the product is not a known one", symbol)
    return venue


CTP_NEEDED = ("InstrumentID", "LastPrice", "Volume", "UpdateTime")  # and one of the two days
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


Fields = tuple[Any, ...]  # values of a message in the order of `CTP_COLUMNS`, or some of them
Maker = Callable[[Fields, int, int | None], Tick | Skipped]


def ctp_rows(at: dict[str, int], calendar: MarketCalendar, source: str) -> RowReader:
    """Rows of texts, in the order of a recording's columns."""
    pick, make = itemgetter(*(at[column] for column in CTP_COLUMNS)), ctp_maker(calendar, source, Numbers())

    def read(row: Sequence[str], number: int) -> Tick | Skipped:
        return make(pick(row), number, None)

    return read


def ctp_maker(
    calendar: MarketCalendar, source: str, numbers: Numbers | RawNumbers, signed: Container[str] = ()
) -> Maker:
    """Ticks of CThostFtdcDepthMarketDataField: its values in the order of `CTP_COLUMNS`, as texts or as the API gives
    them (with `RawNumbers`), a number, and when it came (None: at its event time).

    Of an instrument whose prices may be zero or less (by its code, or by being one of `signed`) 0 is a price.
    """
    clocks, times = Clocks(), Times(calendar)
    value, fresh = numbers.value, numbers.fresh
    known: dict[tuple[str, str], tuple[str, Schedule, bool]] = {}
    book = _Book(numbers)
    new = tuple.__new__  # a Tick of values in their order, without the call in between

    def make(fields: Fields, number: int, ts_recv: int | None) -> Tick | Skipped:
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
            is_signed = has_signed_price(symbol) or symbol in signed
            found = known[exchange, symbol] = token, calendar.schedule(token, symbol), is_signed
        venue, schedule, zero = found
        price, empty = (value, _EMPTY_SIGNED) if zero else (numbers.price, _EMPTY)
        of_day = clocks.nanos(clock)
        if of_day is None:
            return Skipped("unreadable_time", f"column UpdateTime: expected a time of day as HH:MM:SS, was {clock!r}")
        ms = str(millisec or "0").removesuffix(".0")
        if not (ms.isascii() and ms.isdigit()) or len(ms) > 3:
            raise BadField("UpdateMillisec", "0 to 999", ms)
        ts = times.event_ns(venue, stated, action_day, of_day, ts_recv) + int(ms) * NANOS_PER_MS
        lots = amount(fresh(volume, "Volume"))
        # Before the first trade, open, high and low are leftovers of the day before or zero.
        day_open, day_high, day_low = (
            price(opened, "OpenPrice"),
            price(high, "HighestPrice"),
            price(low, "LowestPrice"),
        )
        trading_day = day_of_row(schedule.place(ts), stated)
        bids, asks = book.sides(fields, empty)
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
                price(last, "LastPrice"),
                lots,
                money if (money := fresh(turnover, "Turnover")) is None or money >= 0 else None,
                value(open_interest, "OpenInterest"),
                day_open if lots else None,
                day_high if lots else None,
                day_low if lots else None,
                price(close, "ClosePrice"),
                price(settlement, "SettlementPrice"),
                price(pre_close, "PreClosePrice"),
                price(pre_settlement, "PreSettlementPrice"),
                value(pre_open_interest, "PreOpenInterest"),
                price(limit_up, "UpperLimitPrice"),
                price(limit_down, "LowerLimitPrice"),
                fresh(average, "AveragePrice") or None,
                bids,
                asks,
                *_UNJUDGED,
            ),
        )

    return make


class _Book:
    """The five levels of a message."""

    def __init__(self, numbers: Numbers | RawNumbers) -> None:
        self._value = numbers.value
        self._checked: set[Fields] = set()

    def sides(self, fields: Fields, empty: tuple[str, ...]) -> tuple[tuple[BookLevel, ...], tuple[BookLevel, ...]]:
        """Bids and asks. Behind the first empty level of a side nothing counts, but it is a number or nothing.

        Raises:
            BadField: a price or an amount is neither.
        """
        bids, asks = self._side(fields, _BID, empty), self._side(fields, _ASK, empty)
        unread = fields[_BID + 4 * min(len(bids), len(asks)) :]
        if unread not in self._checked:
            self._check(unread)
        return bids, asks

    def _side(self, fields: Fields, first: int, empty: tuple[str, ...]) -> tuple[BookLevel, ...]:
        found = []
        value = self._value
        for position in range(first, first + _SIDE, 4):
            price = fields[position]
            # Levels beyond the first are empty on most fronts: stop at the first empty one.
            if price in empty:
                break
            at = value(price, CTP_COLUMNS[position])
            if at is None:
                break
            size = amount(value(fields[position + 1], CTP_COLUMNS[position + 1]))
            if size and (at or empty is _EMPTY_SIGNED):
                found.append(BookLevel(at, size))
        return tuple(found)

    def _check(self, unread: Fields) -> None:
        for number, column in zip(reversed(unread), reversed(CTP_COLUMNS), strict=False):
            self._value(number, column)
        if len(self._checked) >= _MAX_CHECKED:
            self._checked.clear()
        self._checked.add(unread)


# What a validator fills in.
_UNJUDGED = tuple(Tick._field_defaults[name] for name in Tick._fields[Tick._fields.index("asks") + 1 :])
_MAX_CHECKED = 1_000
_SIDE = 5 * 4  # five levels, each with price and volume of both sides
_BID, _ASK = CTP_COLUMNS.index("BidPrice1"), CTP_COLUMNS.index("AskPrice1")
_EMPTY, _EMPTY_SIGNED = ("", "N/A", "0.00", "0"), ("", "N/A")
