"""Futures of the Chinese exchanges: margin, offsets, daily mark-to-market, risk ratio.

Sources: CTP `ReqQryInstrumentMarginRate` (ratio by money and margin by lot are added), `MarginPriceType`, exchange
rules on position and settlement (逐日盯市: yesterday's lots from the settlement before, today's from their opening
price), margin of the larger side (大额单边, SHFE, INE and CFFEX).
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from marketprism_domain.errors import InvalidValue
from marketprism_domain.trading.arithmetic import ZERO
from marketprism_domain.trading.contracts import ContractTerms
from marketprism_domain.trading.sides import Offset


class MarginRate(NamedTuple):
    """Share of the value, and money for each lot; both are added."""

    by_money: Decimal
    by_volume: Decimal = ZERO


def futures_margin(terms: ContractTerms, rate: MarginRate, lots: Decimal, price: Decimal) -> Decimal:
    """price x size x lots x ratio + lots x margin of a lot. `price` is the settlement before for lots of yesterday, the
    opening price for those of today, unless the counter is set otherwise."""
    return terms.value(lots, price) * rate.by_money + lots * rate.by_volume


def larger_side(margins_long: Iterable[Decimal], margins_short: Iterable[Decimal]) -> Decimal:
    """Margin of a product where the exchange takes that of the larger side only."""
    return max(sum(margins_long, ZERO), sum(margins_short, ZERO))


def daily_profit(terms: ContractTerms, sign: int, lots: Decimal, base: Decimal, price: Decimal) -> Decimal:
    """Profit of a day. `base` is the opening price of lots of today, the settlement before of lots of yesterday;
    `price` is that at which they were closed, or the day's settlement of those that are held."""
    return terms.pnl(sign, lots, base, price)


def risk_ratio(margin: Decimal, equity: Decimal) -> Decimal | None:
    """Margin as a share of the equity: at 1 or more lots are closed by force; None where there is no equity."""
    return margin / equity if equity > 0 else None


class ClosingParts(NamedTuple):
    """Lots to close, by the day on which they were opened."""

    today: Decimal
    yesterday: Decimal


def closing_parts(
    offset: Offset, lots: Decimal, today: Decimal, yesterday: Decimal, *, apart: bool, today_first: bool
) -> ClosingParts:
    """Which lots an order closes of those that are held.

    `apart`: the exchange tells them apart (SHFE, INE), where `close` is yesterday's. Elsewhere `close` takes today's
    first or yesterday's. `auto` closes what there is, in that order.

    Raises:
        InvalidValue: more than is held, or an order that opens.
    """
    if offset is Offset.OPEN:
        raise InvalidValue("offset", "one that closes", offset.value)
    if offset is Offset.CLOSE_TODAY:
        parts = ClosingParts(lots, ZERO)
    elif offset is Offset.CLOSE_YESTERDAY or (offset is Offset.CLOSE and apart):
        parts = ClosingParts(ZERO, lots)
    else:
        first = min(lots, today if today_first else yesterday)
        parts = ClosingParts(first, lots - first) if today_first else ClosingParts(lots - first, first)
    for name, asked, held in (("today", parts.today, today), ("yesterday", parts.yesterday, yesterday)):
        if asked > held:
            raise InvalidValue("quantity", f"at most {held} lots of {name}", str(asked))
    return parts


def forced_close_price(
    terms: ContractTerms, rate: MarginRate, sign: int, lots: Decimal, entry: Decimal, equity: Decimal
) -> Decimal | None:
    """The price at which equity, the position's profit included, is its margin counted at that price: risk ratio 100 %.
    None where no price above 0 is one. An estimate: brokers count the margin at the settlement before."""
    size = lots * terms.multiplier
    below = size * (rate.by_money - sign)
    price = (equity - sign * size * entry - lots * rate.by_volume) / below if below else ZERO
    return price if price > 0 else None
