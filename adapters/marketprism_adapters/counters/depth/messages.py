"""CThostFtdcDepthMarketDataField, given as texts in an order of columns, as a tick."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from marketprism_adapters.counters.depth.contracts import Contract, contract_of
from marketprism_adapters.counters.depth.event_times import Times, day_of_row
from marketprism_adapters.counters.depth.fields import BadField, Clocks, Numbers, RawNumbers, amount
from marketprism_domain.instruments.names import has_signed_price
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar, Schedule
from marketprism_domain.values import BookLevel

NANOS_PER_MS = 1_000_000


class Skipped(NamedTuple):
    """A row that is no tick, and the word it is counted under."""

    reason: str
    text: str = ""  # what was wrong, where that is not said by the reason


RowReader = Callable[[Sequence[str], int], Tick | Skipped]


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


def ctp_rows(at: dict[str, int], times: Times, source: str) -> RowReader:
    """Rows of texts, in the order of a recording's columns."""
    pick = itemgetter(*(at[column] for column in CTP_COLUMNS))
    make = ctp_maker(times.calendar, source, Numbers(), times=times)

    def read(row: Sequence[str], number: int) -> Tick | Skipped:
        return make(pick(row), number, None)

    return read


def ctp_maker(
    calendar: MarketCalendar,
    source: str,
    numbers: Numbers | RawNumbers,
    signed: Container[str] = (),
    times: Times | None = None,
) -> Maker:
    """Ticks of CThostFtdcDepthMarketDataField: its values in the order of `CTP_COLUMNS`, as texts or as the API gives
    them (with `RawNumbers`), a number, and when it came (None: at its event time).

    Of an instrument whose prices may be zero or less (by its code, or by being one of `signed`) 0 is a price; of all
    others a price below is refused.
    """
    clocks, times = Clocks(), times or Times(calendar)
    value, fresh = numbers.value, numbers.fresh
    known: dict[tuple[str, str], tuple[Contract, Schedule, bool]] = {}
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
            contract = contract_of(exchange, symbol)
            is_signed = has_signed_price(contract.code) or symbol in signed
            found = known[exchange, symbol] = contract, calendar.schedule(*contract), is_signed
        (venue, code), schedule, zero = found
        price, empty = (value, _EMPTY_SIGNED) if zero else (numbers.price, _EMPTY)
        price_of_day = fresh if zero else numbers.fresh_count
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
                code,
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
                numbers.count(open_interest, "OpenInterest"),
                day_open if lots else None,
                day_high if lots else None,
                day_low if lots else None,
                price(close, "ClosePrice"),
                price(settlement, "SettlementPrice"),
                price(pre_close, "PreClosePrice"),
                price(pre_settlement, "PreSettlementPrice"),
                numbers.count(pre_open_interest, "PreOpenInterest"),
                price(limit_up, "UpperLimitPrice"),
                price(limit_down, "LowerLimitPrice"),
                price_of_day(average, "AveragePrice") or None,
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
            if at < 0 and empty is _EMPTY:
                raise BadField(CTP_COLUMNS[position], "a price of 0 or more", str(price))
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
