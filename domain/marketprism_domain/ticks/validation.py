"""Validation of one tick against its stream: five dimensions, errors and warnings kept apart.

The eight invariants of a tick stream that concern a single tick are checked here; each has a reason word.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from marketprism_domain.instruments.names import has_signed_price, is_option
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.exchange_hours import has_derived_turnover
from marketprism_domain.sessions.sessions import Placement
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_domain.values import HUGE, NANOS_PER_SECOND, BookLevel, all_fit, fits

MISSING_LAST = "missing_last"
MISSING_VOLUME = "missing_volume"
DUPLICATE = "duplicate"
TIME_REVERSED = "time_reversed"
ABOVE_LIMIT = "price_above_limit"
BELOW_LIMIT = "price_below_limit"
OUTSIDE_BAND = "price_outside_band"
VOLUME_NEGATIVE = "volume_negative"
VOLUME_FELL = "volume_fell"
TURNOVER_FELL = "turnover_fell"
BOOK_CROSSED = "book_crossed"
BOOK_ORDER = "book_order"
BOOK_QUANTITY = "book_quantity_negative"
HUGE_VALUE = "huge_value"
UNFIT_VALUE = "unfit_value"  # no number, or more than 18 digits behind the point
OUT_OF_SESSION = "out_of_session"
STALE = "stale"

ERRORS = frozenset(
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

MOST_LATE_NS = 7 * 86_400 * NANOS_PER_SECOND  # what streams keep; an instant of another century is no late trade

_CONTENT = slice(Tick._fields.index("last"), Tick._fields.index("traded_turnover") + 1)


_NUMBERS = slice(Tick._fields.index("last"), Tick._fields.index("bids"))
_ZERO = Decimal(0)
_UNCOMPARABLE = (HUGE_VALUE, UNFIT_VALUE)


class ValidationResult(NamedTuple):
    """Verdict on one tick. Errors reject it; warnings let it pass with a lower score."""

    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    stale: bool
    score: int


class TickValidationService:
    """Checks ticks against one version of the rules."""

    def __init__(self, rules: ValidationRules) -> None:
        self.rules = rules
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
                self._numbers(tick, errors)
                return self._result(errors, warnings, stale=True)
        self._numbers(tick, errors)
        if errors and errors[-1] in _UNCOMPARABLE:
            return self._result(errors, warnings, stale=False)
        if previous is not None:
            self._order(tick, previous, errors, warnings)
        if not errors:
            self._price(tick, errors, warnings)
        if tick.bids or tick.asks:
            _book(tick.bids, tick.asks, placement.phase, errors, warnings)
        if placement.session is None:
            warnings.append(OUT_OF_SESSION)
        return self._result(errors, warnings, stale=False)

    def is_stale(self, tick: Tick, offset_ns: int = 0) -> bool:
        """Invariant 8: event time further from the receive clock than the venue's limit.

        The receive clock may be off: then it is read with what it is known to be off. An offset below half the limit
        is none, so whoever keeps time is judged by the limit alone.
        """
        limit = self._stale_by_venue.get(tick.venue, self._stale_ns) if self._stale_by_venue else self._stale_ns
        age = tick.ts_recv - tick.ts_event
        if -limit <= age <= limit:
            return False
        return not (abs(offset_ns) > limit // 2 and -limit <= age - offset_ns <= limit)

    def _result(self, errors: list[str], warnings: list[str], *, stale: bool) -> ValidationResult:
        if not errors and not warnings:
            return _FLAWLESS
        lost = len(errors) * self.rules.error_weight + len(warnings) * self.rules.warning_weight
        return ValidationResult(tuple(errors), tuple(warnings), stale, max(0, 100 - lost))

    @staticmethod
    def _numbers(tick: Tick, errors: list[str]) -> None:
        """Completeness, and numbers that are no numbers of a market."""
        unfit = _unfit(tick)
        amount = tick.volume if tick.traded is None else tick.traded
        if amount is None:
            errors.append(MISSING_VOLUME)
        elif not unfit and amount < 0:
            errors.append(VOLUME_NEGATIVE)
        if unfit:
            errors.append(unfit)

    def _order(self, tick: Tick, previous: Tick, errors: list[str], warnings: list[str]) -> None:
        """Time never goes back; cumulative values never fall inside a trading day.

        Trades are in the order of their ids, and each counts, however late it is: their times step back by
        milliseconds, and two of the same price, amount and time are two trades.
        """
        if tick.traded is not None:
            if not tick.traded and tick.ts_event < previous.ts_event - self._stale_ns:
                errors.append(TIME_REVERSED)
            return
        if tick.ts_event < previous.ts_event or tick.trading_day < previous.trading_day:
            errors.append(TIME_REVERSED)
            return
        if tick.ts_event == previous.ts_event and tick[_CONTENT] == previous[_CONTENT]:
            errors.append(DUPLICATE)
            return
        if tick.trading_day != previous.trading_day:
            return
        if tick.volume is not None and previous.volume is not None and tick.volume < previous.volume:
            errors.append(VOLUME_FELL)
        if tick.turnover is not None and previous.turnover is not None and tick.turnover < previous.turnover:
            may_fall = has_derived_turnover(tick.venue) or has_signed_price(tick.symbol)
            (warnings if may_fall else errors).append(TURNOVER_FELL)

    def _price(self, tick: Tick, errors: list[str], warnings: list[str]) -> None:
        """Invariant 3: inside the venue's own limits, as are the day's open, high and low; else inside the band.

        Limits decide wherever both are there, below zero too. One of 0 happens behind mismatched fronts and counts as
        not sent, but for an instrument whose prices may be 0; of such a one a share of the price is no band.
        """
        last = tick.last
        if last is None:
            warnings.append(MISSING_LAST)
            return
        up, down = tick.limit_up, tick.limit_down
        signed = has_signed_price(tick.symbol)
        if up is not None and down is not None and up > down and (signed or (up and down)):
            if last > up or (tick.high is not None and tick.high > up) or (tick.open is not None and tick.open > up):
                errors.append(ABOVE_LIMIT)
            elif last < down or (tick.low is not None and tick.low < down):
                errors.append(BELOW_LIMIT)
            return
        reference = None if signed else tick.pre_settlement or tick.pre_close
        if reference and abs(last - reference) > abs(reference) * self._bands[is_option(tick.symbol)]:
            errors.append(OUTSIDE_BAND)


def _unfit(tick: Tick) -> str:
    """The reason for which a number of a tick cannot be stored: none of a market, or too many digits; else empty."""
    fields: tuple[Decimal | None, ...] = tick[_NUMBERS]  # type: ignore[assignment]
    numbers = [number for number in fields if number]
    for levels in (tick.bids, tick.asks):
        for level in levels:
            numbers += level
    if tick.traded:
        numbers.append(tick.traded)
    if tick.traded_turnover:
        numbers.append(tick.traded_turnover)
    if all_fit(numbers):
        return ""
    unfit = next(number for number in numbers if not fits(number))
    return HUGE_VALUE if unfit.is_finite() and not -HUGE < unfit < HUGE else UNFIT_VALUE


def _is_late_trade(tick: Tick, offset_ns: int) -> bool:
    """A trade that was fetched after an outage has happened all the same: it belongs to its bar. A snapshot of long ago
    says nothing of now."""
    return bool(tick.traded) and min(0, offset_ns) < tick.ts_recv - tick.ts_event < MOST_LATE_NS + max(0, offset_ns)


def _book(
    bids: tuple[BookLevel, ...], asks: tuple[BookLevel, ...], phase: str, errors: list[str], warnings: list[str]
) -> None:
    """Invariant 5: bids fall, asks rise; bid below ask in continuous trading (an auction may lock or cross)."""
    disordered = negative = False
    lowest: Decimal | None = None
    for price, quantity in bids:
        disordered |= lowest is not None and price >= lowest
        negative |= quantity < _ZERO
        lowest = price
    highest: Decimal | None = None
    for price, quantity in asks:
        disordered |= highest is not None and price <= highest
        negative |= quantity < _ZERO
        highest = price
    if disordered:
        errors.append(BOOK_ORDER)
    if negative:
        errors.append(BOOK_QUANTITY)
    if bids and asks and bids[0].price >= asks[0].price:
        (errors if phase == "continuous" else warnings).append(BOOK_CROSSED)


_FLAWLESS = ValidationResult((), (), stale=False, score=100)
