"""What was wrong with a rejected tick: which field, what it should have been, and the row as it came.

Only made for ticks that are rejected; what is accepted pays nothing for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

from marketprism_domain.instruments.names import is_option
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.ticks import validation as v
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_domain.values import BookLevel, fits

_ROW = Tick._fields[: Tick._fields.index("traded_turnover") + 1]
_OURS = ("epoch", "seq", "ts_pub")  # the validator's own numbers are not of the row
_NUMBERS = Tick._fields[Tick._fields.index("last") : Tick._fields.index("bids")]
RowValue = str | list[list[str]]


class Finding(NamedTuple):
    """One reason: the field that is wrong, the rule that it breaks, and what it was.

    `rule` is present, another, at_least, at_most, between, below, falling, rising or number; `than` is what the value
    is held against: a number, a time (nanoseconds UTC), two numbers with `…` between, or empty. `was` is empty where
    nothing came.
    """

    reason: str
    field: str
    rule: str
    than: str = ""
    was: str = ""


def row_of(tick: Tick) -> dict[str, RowValue]:
    """The row as its source delivered it: every field that has a value, numbers as their text, times in nanoseconds."""
    row: dict[str, RowValue] = {}
    for name in _ROW:
        value = getattr(tick, name)
        if name in _OURS or value is None or value in ("", ()):
            continue
        row[name] = [[str(price), str(amount)] for price, amount in value] if isinstance(value, tuple) else str(value)
    return row


def findings(tick: Tick, previous: Tick | None, reasons: Sequence[str], rules: ValidationRules) -> tuple[Finding, ...]:
    """Of each reason for which the tick was rejected behind `previous`, the tick that moved the stream last."""
    return tuple(_OF[reason](tick, previous or tick, rules) for reason in reasons if reason in _OF)


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _amount(tick: Tick) -> str:
    return "volume" if tick.traded is None else "traded"


def _missing_volume(tick: Tick, _: Tick, __: ValidationRules) -> Finding:
    return Finding(v.MISSING_VOLUME, _amount(tick), "present")


def _duplicate(tick: Tick, previous: Tick, _: ValidationRules) -> Finding:
    return Finding(v.DUPLICATE, "ts_event", "another", str(previous.ts_event), str(tick.ts_event))


def _time_reversed(tick: Tick, previous: Tick, _: ValidationRules) -> Finding:
    field = "ts_event" if tick.ts_event < previous.ts_event else "trading_day"
    return Finding(v.TIME_REVERSED, field, "at_least", str(getattr(previous, field)), str(getattr(tick, field)))


def _above_limit(tick: Tick, _: Tick, __: ValidationRules) -> Finding:
    up = tick.limit_up or Decimal(0)
    field = next((name for name in ("last", "high", "open") if (getattr(tick, name) or up) > up), "last")
    return Finding(v.ABOVE_LIMIT, field, "at_most", _text(tick.limit_up), _text(getattr(tick, field)))


def _below_limit(tick: Tick, _: Tick, __: ValidationRules) -> Finding:
    down = tick.limit_down or Decimal(0)
    low = tick.last if tick.last is not None else down
    field = "last" if low < down else "low"
    return Finding(v.BELOW_LIMIT, field, "at_least", _text(tick.limit_down), _text(getattr(tick, field)))


def _outside_band(tick: Tick, _: Tick, rules: ValidationRules) -> Finding:
    reference = tick.pre_settlement or tick.pre_close or Decimal(0)
    percent = rules.option_band_percent if is_option(tick.symbol) else rules.futures_band_percent
    room = abs(reference) * Decimal(str(percent)) / 100
    return Finding(
        v.OUTSIDE_BAND,
        "last",
        "between",
        f"{(reference - room).normalize():f}…{(reference + room).normalize():f}",
        _text(tick.last),
    )


def _negative(tick: Tick, _: Tick, __: ValidationRules) -> Finding:
    field = _amount(tick)
    return Finding(v.VOLUME_NEGATIVE, field, "at_least", "0", _text(getattr(tick, field)))


def _volume_fell(tick: Tick, previous: Tick, _: ValidationRules) -> Finding:
    return Finding(v.VOLUME_FELL, "volume", "at_least", _text(previous.volume), _text(tick.volume))


def _turnover_fell(tick: Tick, previous: Tick, _: ValidationRules) -> Finding:
    return Finding(v.TURNOVER_FELL, "turnover", "at_least", _text(previous.turnover), _text(tick.turnover))


def _crossed(tick: Tick, _: Tick, __: ValidationRules) -> Finding:
    return Finding(v.BOOK_CROSSED, "bids", "below", str(tick.asks[0].price), str(tick.bids[0].price))


def _order(tick: Tick, _: Tick, __: ValidationRules) -> Finding:
    bids = [price for price, _quantity in tick.bids]
    is_bids = any(after >= before for before, after in pairwise(bids))
    side: tuple[BookLevel, ...] = tick.bids if is_bids else tick.asks
    was = " ".join(str(price) for price, _quantity in side)
    return Finding(v.BOOK_ORDER, "bids" if is_bids else "asks", "falling" if is_bids else "rising", "", was)


def _quantity(tick: Tick, _: Tick, __: ValidationRules) -> Finding:
    for field, side in (("bids", tick.bids), ("asks", tick.asks)):
        for level in side:
            if level.quantity < 0:
                return Finding(v.BOOK_QUANTITY, field, "at_least", "0", str(level.quantity))
    return Finding(v.BOOK_QUANTITY, "bids", "at_least", "0")


def _number(reason: str) -> Callable[[Tick, Tick, ValidationRules], Finding]:
    def find(tick: Tick, _: Tick, __: ValidationRules) -> Finding:
        for field in (*_NUMBERS, "traded", "traded_turnover"):
            value = getattr(tick, field)
            if value and not fits(value):
                return Finding(reason, field, "number", "", str(value))
        for field, side in (("bids", tick.bids), ("asks", tick.asks)):
            for number in (each for level in side for each in level):
                if not fits(number):
                    return Finding(reason, field, "number", "", str(number))
        return Finding(reason, "", "number")

    return find


_OF: Mapping[str, Callable[[Tick, Tick, ValidationRules], Finding]] = {
    v.MISSING_VOLUME: _missing_volume,
    v.DUPLICATE: _duplicate,
    v.TIME_REVERSED: _time_reversed,
    v.ABOVE_LIMIT: _above_limit,
    v.BELOW_LIMIT: _below_limit,
    v.OUTSIDE_BAND: _outside_band,
    v.VOLUME_NEGATIVE: _negative,
    v.VOLUME_FELL: _volume_fell,
    v.TURNOVER_FELL: _turnover_fell,
    v.BOOK_CROSSED: _crossed,
    v.BOOK_ORDER: _order,
    v.BOOK_QUANTITY: _quantity,
    v.HUGE_VALUE: _number(v.HUGE_VALUE),
    v.UNFIT_VALUE: _number(v.UNFIT_VALUE),
}
