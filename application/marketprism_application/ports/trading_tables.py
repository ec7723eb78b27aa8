"""Reference tables of orders: rules, margin tiers, fees, terms and limits of venues, each with its source and date."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Generic, NamedTuple, Protocol, TypeVar

from marketprism_domain.trading.chinese_futures import MarginRate
from marketprism_domain.trading.fees import FeeRule
from marketprism_domain.trading.liquidation_by_distance import InverseRule
from marketprism_domain.trading.margin_tiers import GrowingRate, MarginTiers
from marketprism_domain.trading.margins import CostRule
from marketprism_domain.trading.option_sellers import CoinOptionRates, FundOptionRates, IndexOptionRates
from marketprism_domain.trading.price_limits import LimitRounding

T = TypeVar("T")


class LiquidationRule(StrEnum):
    """By which rule a market's positions are liquidated.

    `one_price`: at the tier of the price found. `with_fee`: the same with the closing fee. `distance`: by what lies
    between the margins, at the tier of the entry. `growing_rate`: with a rate that grows with the size. `risk_ratio`:
    forced at 100 % of the equity. `none`: no margin.
    """

    ONE_PRICE = "one_price"
    WITH_FEE = "with_fee"
    DISTANCE = "distance"
    GROWING_RATE = "growing_rate"
    RISK_RATIO = "risk_ratio"
    NONE = "none"


class OptionModel(StrEnum):
    """By which rule who has sold an option has margin."""

    FUND = "fund"
    INDEX = "index"
    COMMODITY = "commodity"
    COIN = "coin"


class Source(NamedTuple):
    """Where a value is from: the table, who published it, and the day as of which it is right."""

    table: str
    text: str
    as_of: date


class Dated(NamedTuple, Generic[T]):
    """A value of a table with its source."""

    value: T
    source: Source


class OptionRates(NamedTuple):
    """Rates of the sellers' margin; None for what a market does not use."""

    of_fund: FundOptionRates | None
    of_index: IndexOptionRates | None
    of_coin: CoinOptionRates | None


class MarketRules(NamedTuple):
    """What holds for a market of a venue. `contracts`: quantities are contracts, not coins, money or shares.

    `rule` names it as answers do. `apart`, `today_first` and `larger_side` are of Chinese futures.
    """

    rule: str
    liquidation: LiquidationRule
    inverse: bool
    contracts: bool
    cost: CostRule
    inverse_rule: InverseRule
    funding_cutoff_s: Decimal
    closing_fee: bool
    limit_rounding: LimitRounding | None
    apart: bool
    today_first: bool
    larger_side: bool
    option_model: OptionModel | None
    option_rates: OptionRates


class GrowingRates(NamedTuple):
    """Initial and maintenance rates that grow with the size in coins."""

    initial: GrowingRate
    maintenance: GrowingRate


class TableTerms(NamedTuple):
    """Terms of a contract where the platform has no list of the venue; None for what is not known."""

    multiplier: Decimal | None
    tick: Decimal | None
    step: Decimal | None
    min_quantity: Decimal | None
    max_quantity: Decimal | None
    min_notional: Decimal | None
    percent_price: Decimal | None
    settle: str


class FeeLevel(NamedTuple):
    """Fees of makers and of takers at a level of a venue."""

    level: str
    maker: FeeRule
    taker: FeeRule


class TableRow(NamedTuple):
    """A row as it is listed: of which table, for which symbols, with its values as text."""

    source: Source
    symbols: tuple[str, ...]
    values: dict[str, object]


class TradingTables(Protocol):
    """Values that hold for an instrument on a day: of several rows the newest as of that day, the most exact symbol
    first. Of a day before the first row it is the first. None where there is none."""

    def venues(self) -> tuple[str, ...]:
        """Names of the venues that have tables, in order."""
        ...

    def market(self, venue: str, symbol: str, on: date) -> Dated[MarketRules] | None:
        """The rules of the market that an instrument is traded at."""
        ...

    def terms(self, venue: str, symbol: str, on: date) -> Dated[TableTerms] | None:
        """Terms of a contract."""
        ...

    def margins(self, venue: str, symbol: str, on: date) -> Dated[MarginTiers | GrowingRates | MarginRate] | None:
        """Margin of an instrument: tiers, growing rates, or the one rate of a Chinese future."""
        ...

    def fees(self, venue: str, symbol: str, on: date, level: str = "") -> Dated[FeeLevel] | None:
        """Fees at a level, the lowest one without."""
        ...

    def limits(self, venue: str, symbol: str, on: date) -> Dated[Decimal] | None:
        """The share of the settlement before by which a future's price may move in a day."""
        ...

    def rows(self, venue: str) -> Sequence[TableRow]:
        """Every row of a venue, by table."""
        ...
