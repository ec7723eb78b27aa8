"""What a backtest knows of an instrument: terms, steps, fees, margin, and on which days its volumes count twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from marketprism_domain.instruments.names import base_of, product_of
from marketprism_domain.trading.arithmetic import ONE
from marketprism_domain.trading.chinese_futures import MarginRate
from marketprism_domain.trading.contracts import ContractTerms
from marketprism_domain.trading.fees import FeeRate, FeeRule
from marketprism_domain.trading.margin_tiers import MarginTiers
from marketprism_domain.trading.price_limits import PriceLimits

FREE = FeeRule(FeeRate(), FeeRate(), FeeRate())


@dataclass(frozen=True)
class Instrument:
    """Terms of one instrument for a run.

    `tick` is the least step of an order's price (None: any), `step` that of its quantity. `margin` None: no margin is
    asked for, unless `leverage` is given. `limits` are those of trading days whose rows do not bear them. `sides`
    gives days (`YYYYMMDD`) the number of sides that volumes count; without one the exchange's own dates decide.
    `last_day` is the last trading day (`YYYYMMDD`, empty: it is not known), `delivery` the price that it delivers at.
    `remarks`: what is to be said of these terms, which changes no result.
    """

    venue: str
    symbol: str
    terms: ContractTerms = field(default_factory=ContractTerms)
    tick: Decimal | None = None
    step: Decimal = ONE
    taker: FeeRule = FREE
    maker: FeeRule = FREE
    margin: MarginRate | MarginTiers | None = None
    leverage: Decimal | None = None
    apart: bool = False
    today_first: bool = False
    funding_cutoff_s: Decimal = Decimal(0)
    limits: Mapping[str, PriceLimits] = field(default_factory=dict)
    sides: Mapping[str, int] = field(default_factory=dict)
    last_day: str = ""
    delivery: Decimal | None = None
    remarks: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """Venue and symbol, which no two instruments share."""
        return self.venue, self.symbol

    @property
    def product(self) -> str:
        """Product code, lower case."""
        return base_of(product_of(self.symbol)).lower()

    def plain(self) -> dict[str, object]:
        """The terms as plain values, for the id of a run and for its record."""
        margin: object = None
        if isinstance(self.margin, MarginRate):
            margin = [str(each) for each in self.margin]
        elif self.margin is not None:
            margin = [self.margin.unit.value, *([str(part) for part in tier] for tier in self.margin.tiers)]
        return {
            "venue": self.venue,
            "symbol": self.symbol,
            "multiplier": str(self.terms.multiplier),
            "inverse": self.terms.inverse,
            "currency": self.terms.settle,
            "tick": None if self.tick is None else str(self.tick),
            "step": str(self.step),
            "taker": [[str(part) for part in rate] for rate in self.taker],
            "maker": [[str(part) for part in rate] for rate in self.maker],
            "margin": margin,
            "leverage": None if self.leverage is None else str(self.leverage),
            "apart": self.apart,
            "today_first": self.today_first,
            "funding_cutoff_s": str(self.funding_cutoff_s),
            "limits": {day: [str(part) for part in found] for day, found in sorted(self.limits.items())},
            "sides": dict(sorted(self.sides.items())),
            "last_day": self.last_day,
            "delivery": None if self.delivery is None else str(self.delivery),
        }
