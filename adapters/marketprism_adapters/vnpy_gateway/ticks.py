"""`TickData` as a tick, by what is known of its gateway."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal

from marketprism_adapters.vnpy_gateway.names import Names
from marketprism_adapters.vnpy_gateway.registry import GatewayRow
from marketprism_adapters.vnpy_gateway.tap import LEVELS, TICK_FIELDS
from marketprism_adapters.vnpy_gateway.times import Times
from marketprism_domain.errors import InvalidValue
from marketprism_domain.instruments.names import has_signed_price
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar, Schedule
from marketprism_domain.values import MAX_FRACTION_DIGITS, MAX_INTEGER_DIGITS, BookLevel, fits

_HUGE = 1e20
_NO_AMOUNT = frozenset((2**31 - 1, -(2**31)))  # INT_MAX and INT_MIN: an amount that is not there
_MAX_CACHED = 100_000
_FITTING = f"at most {MAX_INTEGER_DIGITS} integer and {MAX_FRACTION_DIGITS} fraction digits"
_BID, _ASK = TICK_FIELDS.index("bid_price_1"), TICK_FIELDS.index("ask_price_1")
_SIDE = 2 * len(LEVELS)
# What a validator fills in, and what a tick of a gateway never has.
_UNJUDGED = tuple(Tick._field_defaults[name] for name in Tick._fields[Tick._fields.index("phase") :])


class _Numbers:
    """Exact decimals of the numbers of a gateway: the shortest decimal that is the same double. What tends to repeat is
    made once."""

    def __init__(self, no_price: Sequence[float]) -> None:
        self._no_price = frozenset((0.0, *no_price))
        self._prices: dict[object, Decimal | None] = {}
        self._amounts: dict[object, Decimal | None] = {}

    def price(self, value: object, field: str) -> Decimal | None:
        """A price; None for 0 and what else stands for none. Raises InvalidValue: it is no number, or does not fit."""
        try:
            return self._prices[value]
        except (KeyError, TypeError):
            number = _number(value, field)
        none = number in self._no_price or not -_HUGE < number < _HUGE
        found = None if none else _decimal(number, field)
        if len(self._prices) > _MAX_CACHED:
            self._prices.clear()
        self._prices[value] = found
        return found

    def amount(self, value: object, field: str) -> Decimal | None:
        """A size; None for INT_MAX. Raises InvalidValue: it is no number, below 0, or does not fit."""
        try:
            return self._amounts[value]
        except (KeyError, TypeError):
            number = _number(value, field)
        if number in _NO_AMOUNT:
            found = None
        elif not 0 <= number < _HUGE:
            raise InvalidValue(field, "a finite number of 0 or more", repr(value)[:80])
        else:
            found = _decimal(number, field)
        if len(self._amounts) > _MAX_CACHED:
            self._amounts.clear()
        self._amounts[value] = found
        return found

    @staticmethod
    def money(value: object, field: str) -> Decimal | None:
        """What may be anything; None for less than 0, and for 1e20 and more. Raises InvalidValue: it is no number."""
        number = _number(value, field)
        return _decimal(number, field) if 0 <= number < _HUGE else None


def _number(value: object, field: str) -> float | int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        try:
            value = float(value)  # type: ignore[arg-type] # numpy's and Decimal
        except (TypeError, ValueError):
            raise InvalidValue(field, "a number", repr(value)[:80]) from None
    if isinstance(value, float) and math.isnan(value):
        raise InvalidValue(field, "a number", "nan")
    return value


def _decimal(number: float | int, field: str) -> Decimal:
    text = str(number) if isinstance(number, int) else repr(float(number)).removesuffix(".0")
    found = Decimal(text)
    if not found:
        return Decimal(0)
    if not fits(found):
        raise InvalidValue(field, _FITTING, text)
    return Decimal(format(found, "f")) if "e" in text else found


class TickReader:
    """Ticks of one gateway. Loads a time zone when it is made: not for an event loop.

    Raises:
        ValueError: the row's zone is none.
    """

    def __init__(self, row: GatewayRow, calendar: MarketCalendar, source: str, names: Names) -> None:
        self._row = row
        self._calendar = calendar
        self._source = source
        self._names = names
        self._times = Times(row)
        self._numbers = _Numbers(row.no_price)
        self._known: dict[tuple[object, object], tuple[str, str, Schedule, bool]] = {}

    def tick(self, values: Sequence[object], number: int, ts_recv: int) -> Tick:
        """The tick of values in the order of `TICK_FIELDS`, numbered; it came at `ts_recv`.

        Raises:
            InvalidValue: a field is not what it should be; names it.
        """
        (
            symbol,
            exchange,
            when,
            last,
            volume,
            last_volume,
            turnover,
            interest,
            opened,
            high,
            low,
            pre_close,
            up,
            down,
        ) = values[:_BID]
        found = self._known.get((symbol, exchange))
        if found is None:
            venue, code = self._names.named(symbol, exchange)
            found = venue, code, self._calendar.schedule(venue, code), has_signed_price(code)
            self._known[symbol, exchange] = found
        venue, code, schedule, signed = found
        numbers, row = self._numbers, self._row

        def price(value: object, field: str) -> Decimal | None:
            answer = numbers.price(value, field)
            if answer is not None and answer < 0 and not signed:
                raise InvalidValue(field, "a price of 0 or more", repr(value)[:80])
            return answer

        lots = numbers.amount(last_volume if row.volume == "last_volume" else volume, "volume")
        money = numbers.money(turnover, "turnover") if row.turnover or turnover else None
        if not money and lots:
            money = None  # 0 where a gateway has none
        held = numbers.money(interest, "open_interest") if row.open_interest or interest else None
        alone = row.volume == "per_trade"
        ts = self._times.event_ns(when, venue, schedule, ts_recv)
        return tuple.__new__(
            Tick,
            (
                venue,
                code,
                self._source,
                0,
                0,
                ts,
                ts_recv,
                0,
                number,
                schedule.place(ts).trading_day,
                price(last, "last_price"),
                None if alone else lots,
                None if alone else money,
                held,
                price(opened, "open_price"),
                price(high, "high_price"),
                price(low, "low_price"),
                None,
                None,
                price(pre_close, "pre_close"),
                None,
                None,
                price(up, "limit_up"),
                price(down, "limit_down"),
                None,
                self._side(values, _BID, signed=signed),
                self._side(values, _ASK, signed=signed),
                lots if alone else None,
                money if alone else None,
                *_UNJUDGED,
            ),
        )

    def _side(self, values: Sequence[object], first: int, *, signed: bool) -> tuple[BookLevel, ...]:
        """The levels of a side until the first without a price; behind it nothing counts, but it is a number."""
        found: list[BookLevel] = []
        ended = False
        price_of, size_of = self._numbers.price, self._numbers.amount
        for at in range(first, first + _SIDE, 2):
            price = price_of(values[at], TICK_FIELDS[at])
            size = size_of(values[at + 1], TICK_FIELDS[at + 1])
            ended = ended or price is None
            if ended or price is None:
                continue
            if price < 0 and not signed:
                raise InvalidValue(TICK_FIELDS[at], "a price of 0 or more", repr(values[at])[:80])
            if size:
                found.append(BookLevel(price, size))
        return tuple(found)


__all__ = ["TickReader"]
