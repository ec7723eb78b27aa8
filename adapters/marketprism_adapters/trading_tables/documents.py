"""The form of a table file, TOML or JSON, and the values that its rows are.

A file is of one venue (`venue`) and has lists of rows: `market terms tiers growing rates fees limits`. Each row names
its symbols (`*` in a symbol stands for anything), its source, and the day as of which it is right.
Numbers may be written as texts; they are read as decimals either way.
"""

from __future__ import annotations

import json
import tomllib
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import msgspec

from marketprism_application.errors import DefinitionError
from marketprism_application.ports.trading_tables import (
    FeeLevel,
    GrowingRates,
    LiquidationRule,
    MarketRules,
    OptionModel,
    OptionRates,
    TableTerms,
)
from marketprism_domain.errors import InvalidValue
from marketprism_domain.trading.arithmetic import ZERO
from marketprism_domain.trading.chinese_futures import MarginRate
from marketprism_domain.trading.fees import FeeRate, FeeRule, share_of_rates
from marketprism_domain.trading.liquidation_by_distance import InverseRule
from marketprism_domain.trading.margin_tiers import GrowingRate, MarginTiers, TierRow, TierUnit, tiers_of
from marketprism_domain.trading.margins import CostRule
from marketprism_domain.trading.option_sellers import CoinOptionRates, FundOptionRates, IndexOptionRates
from marketprism_domain.trading.price_limits import LimitRounding
from marketprism_domain.values import fits

_MOST_BYTES = 16 * 2**20
R = TypeVar("R", bound="Row")


class Row(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What every row has."""

    symbols: tuple[str, ...]
    as_of: date
    source: str


class MarketRow(Row, kw_only=True, forbid_unknown_fields=True):
    """Rules of a market; `rule` is its name in answers."""

    rule: str
    liquidation: LiquidationRule
    inverse: bool = False
    contracts: bool = False
    cost: CostRule = CostRule.MARGIN_ONLY
    inverse_rule: InverseRule = InverseRule.RATE_2026
    funding_cutoff_s: Decimal = ZERO
    closing_fee: bool = False
    limit_rounding: LimitRounding | None = None
    apart: bool = False
    today_first: bool = True
    larger_side: bool = False
    option_model: OptionModel | None = None
    fund_share: Decimal | None = None
    fund_floor: Decimal | None = None
    index_c: Decimal | None = None
    index_f: Decimal | None = None
    coin_initial: Decimal | None = None
    coin_floor: Decimal | None = None
    coin_maintenance: Decimal | None = None

    def value(self) -> MarketRules:
        """The rules as they are used."""
        fund = index = coin = None
        if self.fund_share is not None and self.fund_floor is not None:
            fund = FundOptionRates(self.fund_share, self.fund_floor)
        if self.index_c is not None and self.index_f is not None:
            index = IndexOptionRates(self.index_c, self.index_f)
        if self.coin_initial is not None and self.coin_floor is not None and self.coin_maintenance is not None:
            coin = CoinOptionRates(self.coin_initial, self.coin_floor, self.coin_maintenance)
        return MarketRules(
            self.rule,
            self.liquidation,
            self.inverse,
            self.contracts,
            self.cost,
            self.inverse_rule,
            self.funding_cutoff_s,
            self.closing_fee,
            self.limit_rounding,
            self.apart,
            self.today_first,
            self.larger_side,
            self.option_model,
            OptionRates(fund, index, coin),
        )


class TermsRow(Row, kw_only=True, forbid_unknown_fields=True):
    """Terms of contracts."""

    settle: str = ""
    multiplier: Decimal | None = None
    tick: Decimal | None = None
    step: Decimal | None = None
    min_quantity: Decimal | None = None
    max_quantity: Decimal | None = None
    min_notional: Decimal | None = None
    percent_price: Decimal | None = None

    def value(self) -> TableTerms:
        """The terms as they are used."""
        return TableTerms(
            self.multiplier,
            self.tick,
            self.step,
            self.min_quantity,
            self.max_quantity,
            self.min_notional,
            self.percent_price,
            self.settle,
        )


class Tier(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A tier; `cap` absent without end."""

    rate: Decimal
    cap: Decimal | None = None
    max_leverage: Decimal | None = None
    deduction: Decimal | None = None


class TiersRow(Row, kw_only=True, forbid_unknown_fields=True):
    """Tiers of instruments."""

    tiers: tuple[Tier, ...]
    unit: TierUnit = TierUnit.VALUE

    def value(self) -> MarginTiers:
        """The tiers as they are used. Raises InvalidValue: they are none."""
        return tiers_of((TierRow(t.cap, t.rate, t.max_leverage, t.deduction) for t in self.tiers), self.unit)


class GrowingRow(Row, kw_only=True, forbid_unknown_fields=True):
    """Rates that grow with the size in coins."""

    initial: Decimal
    maintenance: Decimal
    step: Decimal

    def value(self) -> GrowingRates:
        """The rates as they are used."""
        return GrowingRates(GrowingRate(self.initial, self.step), GrowingRate(self.maintenance, self.step))


class RateRow(Row, kw_only=True, forbid_unknown_fields=True):
    """Margin of Chinese futures: a share of the value and money for each lot."""

    by_money: Decimal
    by_volume: Decimal = ZERO

    def value(self) -> MarginRate:
        """The rate as it is used."""
        return MarginRate(self.by_money, self.by_volume)


class FeesRow(Row, kw_only=True, forbid_unknown_fields=True):
    """Fees: `maker` and `taker` shares of the value, or of Chinese futures by offset, by money and by lot."""

    level: str = ""
    maker: Decimal | None = None
    taker: Decimal | None = None
    open_by_money: Decimal = ZERO
    open_by_volume: Decimal = ZERO
    close_by_money: Decimal = ZERO
    close_by_volume: Decimal = ZERO
    close_today_by_money: Decimal = ZERO
    close_today_by_volume: Decimal = ZERO

    def value(self) -> FeeLevel:
        """The fees as they are used."""
        if self.maker is not None and self.taker is not None:
            return FeeLevel(self.level, *share_of_rates(self.maker, self.taker))
        rule = FeeRule(
            FeeRate(self.open_by_money, self.open_by_volume),
            FeeRate(self.close_by_money, self.close_by_volume),
            FeeRate(self.close_today_by_money, self.close_today_by_volume),
        )
        return FeeLevel(self.level, rule, rule)


class LimitsRow(Row, kw_only=True, forbid_unknown_fields=True):
    """The share by which a price may move in a day."""

    ratio: Decimal

    def value(self) -> Decimal:
        """The ratio as it is used."""
        return self.ratio


class Document(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A file of tables."""

    venue: str
    market: tuple[MarketRow, ...] = ()
    terms: tuple[TermsRow, ...] = ()
    tiers: tuple[TiersRow, ...] = ()
    growing: tuple[GrowingRow, ...] = ()
    rates: tuple[RateRow, ...] = ()
    fees: tuple[FeesRow, ...] = ()
    limits: tuple[LimitsRow, ...] = ()


LISTS = tuple(name for name in Document.__struct_fields__ if name != "venue")


def document_of(data: bytes, name: str) -> Document:
    """A table file, JSON where its name ends in `.json`, else TOML.

    Raises:
        DefinitionError: it is neither, or a row is none; names the file and the field.
    """
    if len(data) > _MOST_BYTES:
        raise DefinitionError(f"{name}: expected at most {_MOST_BYTES} bytes, was {len(data)}")
    try:
        text = data.decode("utf-8")
        found: object = (
            json.loads(text, parse_float=Decimal, parse_int=Decimal)
            if name.endswith(".json")
            else tomllib.loads(text, parse_float=Decimal)
        )
        document = msgspec.convert(_as_texts(found), Document)
        for each in LISTS:
            for number, row in enumerate(getattr(document, each), 1):
                check_numbers(row, f"{each}[{number}]")
                row.value()
    except (ValueError, RecursionError) as error:  # of JSON, TOML, msgspec and the domain
        raise DefinitionError(f"{name}: expected tables of a venue: {error}"[:500]) from error
    return document


def read_document(path: Path) -> Document:
    """The table file at a path. Raises DefinitionError as `document_of`, and where it cannot be read."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DefinitionError(f"{path}: expected a readable file: {error.strerror}") from error
    return document_of(data, str(path))


def encode_document(document: Document) -> bytes:
    """A table file as JSON, which `read_document` reads."""
    return msgspec.json.format(msgspec.json.encode(msgspec.to_builtins(document, str_keys=True)), indent=1)


def _as_texts(value: object) -> object:
    """Numbers as texts, so that msgspec reads each as the decimal that was written."""
    if isinstance(value, dict):
        return {str(name): _as_texts(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_as_texts(each) for each in value]
    if isinstance(value, Decimal) or (isinstance(value, int) and not isinstance(value, bool)):
        return str(value)
    return value


def check_numbers(record: object, where: str) -> None:
    """Look at every number of a record, also inside its parts, before one is compared: NaN has no order.

    Raises:
        InvalidValue: names the first that no table holds.
    """
    if isinstance(record, Decimal):
        if not fits(record):
            raise InvalidValue(where, "a finite number of at most 20 integer and 18 fraction digits", str(record)[:40])
    elif isinstance(record, msgspec.Struct):
        for name in record.__struct_fields__:
            check_numbers(getattr(record, name), f"{where}.{name}")
    elif isinstance(record, tuple):
        for number, each in enumerate(record, 1):
            check_numbers(each, f"{where}[{number}]")
