"""Validation of one tick against its stream: five dimensions, errors and warnings kept apart.

The eight invariants of a tick stream that concern a single tick are checked here; each has a reason word.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from marketprism_domain.instruments.names import has_signed_price, is_option
from marketprism_domain.marketdata.tick import (
    ASKS,
    BIDS,
    HIGH,
    LAST,
    LIMIT_DOWN,
    LIMIT_UP,
    LOW,
    OPEN,
    PHASE,
    PRE_CLOSE,
    PRE_SETTLEMENT,
    SYMBOL,
    TRADED,
    TRADED_TURNOVER,
    TRADING_DAY,
    TS_EVENT,
    TS_RECV,
    TURNOVER,
    VENUE,
    VOLUME,
    Tick,
)
from marketprism_domain.sessions.exchange_hours import has_derived_turnover
from marketprism_domain.sessions.sessions import Placement
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_domain.ticks.state import ValidationResult, scored
from marketprism_domain.values import HUGE, NANOS_PER_SECOND, BookLevel, all_fit, fits

MISSING_LAST: Final = "missing_last"
MISSING_VOLUME: Final = "missing_volume"
DUPLICATE: Final = "duplicate"
TIME_REVERSED: Final = "time_reversed"
ABOVE_LIMIT: Final = "price_above_limit"
BELOW_LIMIT: Final = "price_below_limit"
OUTSIDE_BAND: Final = "price_outside_band"
VOLUME_NEGATIVE: Final = "volume_negative"
VOLUME_FELL: Final = "volume_fell"
TURNOVER_FELL: Final = "turnover_fell"
BOOK_CROSSED: Final = "book_crossed"
BOOK_ORDER: Final = "book_order"
BOOK_QUANTITY: Final = "book_quantity_negative"
HUGE_VALUE: Final = "huge_value"
UNFIT_VALUE: Final = "unfit_value"  # no number, or more than 18 digits behind the point
OUT_OF_SESSION: Final = "out_of_session"
STALE: Final = "stale"

ERRORS: Final = frozenset(
    {
        MISSING_VOLUME,
        DUPLICATE,
        TIME_REVERSED,
        ABOVE_LIMIT,
        BELOW_LIMIT,
        OUTSIDE_BAND,
        VOLUME_NEGATIVE,
        VOLUME_FELL,
        TURNOVER_FELL,
        BOOK_CROSSED,
        BOOK_ORDER,
        BOOK_QUANTITY,
        HUGE_VALUE,
        UNFIT_VALUE,
    }
)

MOST_LATE_NS: Final = 7 * 86_400 * NANOS_PER_SECOND  # what streams keep; an instant of another century is no late trade

_ZERO: Final = Decimal(0)
_UNCOMPARABLE: Final = (HUGE_VALUE, UNFIT_VALUE)


FLAWLESS: Final = ValidationResult((), (), stale=False, score=100)


class TickValidationService:
    """Checks ticks against one version of the rules."""

    def __init__(self, rules: ValidationRules) -> None:
        self.rules = rules
        self.version = rules.version
        self._stale_ns = int(rules.stale_s * NANOS_PER_SECOND)
        self._stale_by_venue = {v: int(s * NANOS_PER_SECOND) for v, s in rules.stale_s_by_venue.items()}
        self._bands = {
            False: Decimal(str(rules.futures_band_percent)) / 100,
            True: Decimal(str(rules.option_band_percent)) / 100,
        }

    def check(self, tick: Tick, previous: Tick | None, placement: Placement, offset_ns: int = 0) -> ValidationResult:
        """Verdict on `tick` after `previous`, the last tick that moved the stream (None for the first).

        `offset_ns` is how far the receive clock is known to be ahead of the venue's.

        Invariant 1, one valid tick per instrument and instant: a duplicate has the event time and the content of the
        previous tick. Venues whose clock is coarse (CZCE stamps whole seconds) send different snapshots with one
        stamp; they are accepted in order of arrival, told apart by `seq`, as long as nothing cumulative falls.
        """
        errors: list[str] = []
        warnings: list[str] = []
        if self.is_stale(tick, offset_ns):
            warnings.append(STALE)
            if not _is_late_trade(tick, offset_ns):
                _numbers(tick, errors)
                return self._result(errors, warnings, stale=True)
        _numbers(tick, errors)
        if errors and errors[-1] in _UNCOMPARABLE:
            return self._result(errors, warnings, stale=False)
        if previous is not None:
            self._order(tick, previous, errors, warnings)
        if not errors:
            self._price(tick, errors, warnings)
        bids, asks = tick[BIDS], tick[ASKS]
        if bids or asks:
            _book(bids, asks, placement, errors, warnings)
        if placement.session is None:
            warnings.append(OUT_OF_SESSION)
        return self._result(errors, warnings, stale=False)

    def is_stale(self, tick: Tick, offset_ns: int = 0) -> bool:
        """Invariant 8: event time further from the receive clock than the venue's limit.

        The receive clock may be off: then it is read with what it is known to be off. An offset below half the limit
        is none, so whoever keeps time is judged by the limit alone.
        """
        limit = self._stale_ns
        if self._stale_by_venue:
            limit = self._stale_by_venue.get(tick[VENUE], limit)
        age = tick[TS_RECV] - tick[TS_EVENT]
        if -limit <= age <= limit:
            return False
        return not (abs(offset_ns) > limit // 2 and -limit <= age - offset_ns <= limit)

    def _result(self, errors: list[str], warnings: list[str], *, stale: bool) -> ValidationResult:
        if not errors and not warnings:
            return FLAWLESS
        return scored(errors, warnings, self.rules, stale=stale)

    def _order(self, tick: Tick, previous: Tick, errors: list[str], warnings: list[str]) -> None:
        """Time never goes back; cumulative values never fall inside a trading day.

        Trades are in the order of their ids, and each counts, however late it is: their times step back by
        milliseconds, and two of the same price, amount and time are two trades.
        """
        ts_event, before, traded = tick[TS_EVENT], previous[TS_EVENT], tick[TRADED]
        if traded is not None:
            if ts_event < before - self._stale_ns and not traded:
                errors.append(TIME_REVERSED)
            return
        day, day_before = tick[TRADING_DAY], previous[TRADING_DAY]
        if ts_event < before or (day != day_before and day < day_before):
            errors.append(TIME_REVERSED)
            return
        if ts_event == before and tick[LAST:PHASE] == previous[LAST:PHASE]:
            errors.append(DUPLICATE)
            return
        if day != day_before:
            return
        volume, volume_before = tick[VOLUME], previous[VOLUME]
        if volume is not None and volume_before is not None and volume < volume_before:
            errors.append(VOLUME_FELL)
        turnover, turnover_before = tick[TURNOVER], previous[TURNOVER]
        if turnover is not None and turnover_before is not None and turnover < turnover_before:
            may_fall = has_derived_turnover(tick[VENUE]) or has_signed_price(tick[SYMBOL])
            (warnings if may_fall else errors).append(TURNOVER_FELL)

    def _price(self, tick: Tick, errors: list[str], warnings: list[str]) -> None:
        """Invariant 3: inside the venue's own limits, as are the day's open, high and low; else inside the band.

        Limits decide wherever both are there, below zero too. One of 0 happens behind mismatched fronts and counts as
        not sent, but for an instrument whose prices may be 0; of such a one a share of the price is no band.
        """
        last = tick[LAST]
        if last is None:
            warnings.append(MISSING_LAST)
            return
        up, down = tick[LIMIT_UP], tick[LIMIT_DOWN]
        if up is not None and down is not None and up > down and ((up and down) or has_signed_price(tick[SYMBOL])):
            high, opened, low = tick[HIGH], tick[OPEN], tick[LOW]
            if last > up or (high is not None and high > up) or (opened is not None and opened > up):
                errors.append(ABOVE_LIMIT)
            elif last < down or (low is not None and low < down):
                errors.append(BELOW_LIMIT)
            return
        symbol = tick[SYMBOL]
        reference = None if has_signed_price(symbol) else tick[PRE_SETTLEMENT] or tick[PRE_CLOSE]
        if reference and abs(last - reference) > abs(reference) * self._bands[is_option(symbol)]:
            errors.append(OUTSIDE_BAND)


def _numbers(tick: Tick, errors: list[str]) -> None:
    """Completeness, and numbers that are no numbers of a market."""
    unfit = _unfit(tick)
    traded = tick[TRADED]
    amount = tick[VOLUME] if traded is None else traded
    if amount is None:
        errors.append(MISSING_VOLUME)
    elif not unfit and amount < _ZERO:
        errors.append(VOLUME_NEGATIVE)
    if unfit:
        errors.append(unfit)


def _unfit(tick: Tick) -> str:
    """The reason for which a number of a tick cannot be stored: none of a market, or too many digits; else empty."""
    row: tuple[Decimal | None, ...] = tick  # type: ignore[assignment]  # of which compiled code knows no more
    numbers = [number for number in row[LAST:BIDS] if number]
    for level in tick[BIDS]:
        numbers += level
    for level in tick[ASKS]:
        numbers += level
    traded, money = tick[TRADED], tick[TRADED_TURNOVER]
    if traded:
        numbers.append(traded)
    if money:
        numbers.append(money)
    if all_fit(numbers):
        return ""
    unfit = next(number for number in numbers if not fits(number))
    return HUGE_VALUE if unfit.is_finite() and not -HUGE < unfit < HUGE else UNFIT_VALUE


def _is_late_trade(tick: Tick, offset_ns: int) -> bool:
    """A trade that was fetched after an outage has happened all the same: it belongs to its bar. A snapshot of long ago
    says nothing of now."""
    age = tick[TS_RECV] - tick[TS_EVENT]
    return bool(tick[TRADED]) and min(0, offset_ns) < age < MOST_LATE_NS + max(0, offset_ns)


def _book(
    bids: tuple[BookLevel, ...],
    asks: tuple[BookLevel, ...],
    placement: Placement,
    errors: list[str],
    warnings: list[str],
) -> None:
    """Invariant 5: bids fall, asks rise; bid below ask in continuous trading (an auction may lock or cross)."""
    disordered = negative = False
    lowest: Decimal | None = None
    for price, quantity in bids:
        if lowest is not None and price >= lowest:
            disordered = True
        if quantity < _ZERO:
            negative = True
        lowest = price
    highest: Decimal | None = None
    for price, quantity in asks:
        if highest is not None and price <= highest:
            disordered = True
        if quantity < _ZERO:
            negative = True
        highest = price
    if disordered:
        errors.append(BOOK_ORDER)
    if negative:
        errors.append(BOOK_QUANTITY)
    if bids and asks and bids[0][0] >= asks[0][0]:
        (errors if placement.phase == "continuous" else warnings).append(BOOK_CROSSED)
