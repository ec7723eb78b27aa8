"""Margin of who has sold an option.

Sources: SZSE and SSE margin rules (期权保证金, 2019: 12 % and 7 %), CFFEX 结算细则 (adjustment c, floor f: by notice),
DCE, CZCE, SHFE, INE and GFEX 期权 rules (premium and futures margin less half of what it is out of the money, at least
half of it), Deribit "Options margin" (standard margin, per coin). A buyer pays the premium and has no margin.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from marketprism_domain.trading.arithmetic import ZERO


class OptionTerms(NamedTuple):
    """An option: whether it is a call, its strike, and units of the underlying in one lot."""

    call: bool
    strike: Decimal
    multiplier: Decimal

    def out_of_money(self, underlying: Decimal) -> Decimal:
        """How far the underlying is from the strike on the side where the option is worth nothing; 0 in the money."""
        return max(self.strike - underlying if self.call else underlying - self.strike, ZERO)


class FundOptionRates(NamedTuple):
    """Shares of the underlying (`share`), and of the least margin (`floor`)."""

    share: Decimal = Decimal("0.12")
    floor: Decimal = Decimal("0.07")


class IndexOptionRates(NamedTuple):
    """`c`: share of the index; `f`: what part of it is asked for at least. Both are set by notice."""

    c: Decimal
    f: Decimal


class CoinOptionRates(NamedTuple):
    """Shares of a coin: initial margin less what it is out of the money, its floor, and maintenance margin."""

    initial: Decimal = Decimal("0.15")
    floor: Decimal = Decimal("0.1")
    maintenance: Decimal = Decimal("0.075")


class OptionMargin(NamedTuple):
    """What opening needs, and what keeping needs, of one lot or of one coin."""

    initial: Decimal
    maintenance: Decimal


def fund_option_margin(
    option: OptionTerms, premium: Decimal, underlying: Decimal, rates: FundOptionRates | None = None
) -> Decimal:
    """Of one lot of an option on a fund. Opening: `premium` is the settlement before, `underlying` the close before;
    keeping: those of the day."""
    share, floor = rates or FundOptionRates()
    least = floor * (underlying if option.call else option.strike)
    margin = premium + max(share * underlying - option.out_of_money(underlying), least)
    return (margin if option.call else min(margin, option.strike)) * option.multiplier


def index_option_margin(option: OptionTerms, settlement: Decimal, index: Decimal, rates: IndexOptionRates) -> Decimal:
    """Of one lot of an option on an index."""
    asked = index * option.multiplier * rates.c - option.out_of_money(index) * option.multiplier
    least = rates.f * (index if option.call else option.strike) * option.multiplier * rates.c
    return settlement * option.multiplier + max(asked, least)


def commodity_option_margin(option: OptionTerms, premium: Decimal, future: Decimal, ratio: Decimal) -> Decimal:
    """Of one lot of an option on a future whose margin is `ratio` of its value."""
    margin = future * option.multiplier * ratio
    out = option.out_of_money(future) * option.multiplier
    return premium * option.multiplier + max(margin - out / 2, margin / 2)


def coin_option_margin(
    option: OptionTerms, mark: Decimal, underlying: Decimal, rates: CoinOptionRates | None = None
) -> OptionMargin:
    """Of an option on one coin, in coins; `mark` is its price in coins."""
    initial, floor, kept = rates or CoinOptionRates()
    asked = max(initial - option.out_of_money(underlying) / underlying, floor) + mark
    if option.call:
        return OptionMargin(asked, kept + mark)
    maintenance = max(kept, kept * mark) + mark
    return OptionMargin(max(asked, maintenance), maintenance)
