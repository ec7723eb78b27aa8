"""What holds for an instrument on a day: from the request, the platform's list, or a table, in this order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import NamedTuple

from marketprism_application.contracts.nearest import did_you_mean
from marketprism_application.contracts.orders import GivenFees, GivenTerms, GivenTier, SourceShown
from marketprism_application.errors import OrderError
from marketprism_application.ports.trading_tables import (
    Dated,
    FeeLevel,
    GrowingRates,
    LiquidationRule,
    MarketRules,
    Source,
    TableTerms,
    TradingTables,
)
from marketprism_domain.errors import InvalidValue
from marketprism_domain.instruments.exchange_codes import is_chinese
from marketprism_domain.instruments.names import has_signed_price, is_option
from marketprism_domain.instruments.sizes import size_of
from marketprism_domain.instruments.written_names import venue_named
from marketprism_domain.marketdata.instrument_record import InstrumentRecord
from marketprism_domain.trading.arithmetic import ONE
from marketprism_domain.trading.chinese_futures import MarginRate
from marketprism_domain.trading.contracts import ContractTerms
from marketprism_domain.trading.fees import FeeRate, FeeRule
from marketprism_domain.trading.margin_tiers import MarginTiers, TierRow, TierUnit, tiers_of
from marketprism_domain.trading.option_sellers import OptionTerms
from marketprism_domain.trading.order_rules import OrderRules
from marketprism_domain.values import Symbol

STALE_DAYS = 90
_CHINESE_OPTION = re.compile(r"([CP])-?(\d+(?:\.\d+)?)$")
_COIN_OPTION = re.compile(r"-(\d+)(?:d(\d+))?-([CP])$")
_FUND_OPTION = re.compile(r"\d{6}([CP])\d{4}[A-Z](\d{5,6})$")


@dataclass
class Evidence:
    """What an answer rests on: rules and tables, whether one is old, and what nobody knows."""

    on: date
    sources: list[SourceShown] = field(default_factory=list)
    stale: bool = False
    not_known: list[str] = field(default_factory=list)

    def add(self, source: Source, rule: str = "", *, ages: bool = True) -> None:
        """A table that is used; rules do not age as numbers do."""
        shown = SourceShown(rule or source.text, source.table, source.as_of.isoformat())
        if shown not in self.sources:
            self.sources.append(shown)
        self.stale |= ages and is_stale(source, self.on)

    def given(self, what: str) -> None:
        """What the request gave itself."""
        self.sources.append(SourceShown(what, "request", ""))

    def prices(self, what: str, seen: str) -> None:
        """The newest prices of the platform, with when they were seen."""
        self.sources.append(SourceShown(what, "prices", seen))

    def miss(self, what: str) -> None:
        """What nobody knows, and what would say it."""
        if what not in self.not_known:
            self.not_known.append(what)


def day_of(ts: int) -> str:
    """The day of an instant (nanoseconds UTC) as answers have it, empty of 0."""
    return datetime.fromtimestamp(ts // 1_000_000_000, UTC).date().isoformat() if ts else ""


def is_stale(source: Source, on: date) -> bool:
    """Whether a table is more than 90 days away from the day that is asked for."""
    return abs((on - source.as_of).days) > STALE_DAYS


class Given(NamedTuple):
    """What a request says of an instrument itself."""

    terms: GivenTerms | None = None
    tiers: Sequence[GivenTier] = ()
    fees: GivenFees | None = None
    fee_level: str = ""
    margin_rate: Decimal | None = None
    strike: Decimal | None = None
    option_type: str = ""


class Market(NamedTuple):
    """An instrument with its rules. `margins` is None where nobody knows them, `option` for what is none."""

    venue: str
    symbol: str
    rules: MarketRules
    terms: ContractTerms
    order_rules: OrderRules
    margins: MarginTiers | GrowingRates | MarginRate | None
    fees: FeeLevel | None
    limit_ratio: Decimal | None
    option: OptionTerms | None

    @property
    def tiers(self) -> MarginTiers | None:
        """Its tiers, None where its margin is of another kind."""
        return self.margins if isinstance(self.margins, MarginTiers) else None


def venue_of(text: str, tables: TradingTables) -> str:
    """The venue that a text names. Raises OrderError: there are no tables of it; names the nearest."""
    venue = venue_named(text) or ""
    known = tables.venues()
    if venue not in known:
        expected = f"one of {', '.join(known)}{did_you_mean(text, known)}"
        raise OrderError("venue", expected, text or "none")
    return venue


def resolve(
    venue: str,
    symbol: str,
    tables: TradingTables,
    listed: InstrumentRecord | None,
    given: Given,
    evidence: Evidence,
) -> Market:
    """The market of an instrument, with what it rests on added to the evidence.

    Raises:
        OrderError: no such symbol can be at the venue, a combination, or what is given is wrong.
    """
    check_symbol(symbol)
    on = evidence.on
    market = tables.market(venue, symbol, on)
    if market is None:
        forms = sorted(
            {form for row in tables.rows(venue) if row.source.table.startswith("market/") for form in row.symbols}
        )
        raise OrderError("symbol", f"one of the forms {', '.join(forms)}", symbol)
    rules = market.value
    evidence.add(market.source, rules.rule, ages=False)
    terms, order_rules = _terms(venue, symbol, rules, tables.terms(venue, symbol, on), listed, given, evidence)
    limits = tables.limits(venue, symbol, on) if rules.limit_rounding is not None else None
    if limits is not None:
        evidence.add(limits.source)
    return Market(
        venue,
        symbol,
        rules,
        terms,
        order_rules,
        _margins(venue, symbol, rules, tables, given, evidence),
        _fees(venue, symbol, tables, given, evidence),
        None if limits is None else limits.value,
        _option(venue, symbol, rules, terms, listed, given),
    )


def check_symbol(symbol: str) -> None:
    """Raises OrderError: no symbol, or one of several contracts, whose margin is not that of its price."""
    try:
        Symbol(symbol)
    except InvalidValue as error:
        raise OrderError("symbol", error.expected, symbol) from error
    if has_signed_price(symbol):
        raise OrderError("symbol", "a single contract, no combination and no trade at settlement", symbol)


def _terms(
    venue: str,
    symbol: str,
    rules: MarketRules,
    table: Dated[TableTerms] | None,
    listed: InstrumentRecord | None,
    given: Given,
    evidence: Evidence,
) -> tuple[ContractTerms, OrderRules]:
    own, row = given.terms or GivenTerms(), None if table is None else table.value
    size = size_of(venue, symbol) if is_chinese(venue) else None
    multiplier = ONE
    if rules.contracts:
        found = own.multiplier or (listed and listed.multiplier) or (row and row.multiplier)
        found = found or (size and size.multiplier)
        if not found:
            raise OrderError(
                "terms.multiplier", "the units of one contract, which neither a list nor a table has", "none"
            )
        multiplier = found
    used = OrderRules(
        own.tick or (listed and listed.price_tick) or (row and row.tick) or (size and size.price_tick) or None,
        own.step or (listed and listed.quantity_step) or (row and row.step) or None,
        own.min_quantity or (listed and listed.min_limit_volume) or (row and row.min_quantity) or None,
        own.max_quantity or (listed and listed.max_limit_volume) or (row and row.max_quantity) or None,
        own.min_notional or (listed and listed.min_notional) or (row and row.min_notional) or None,
        own.percent_price or (row and row.percent_price) or None,
    )
    if given.terms is not None:
        evidence.given("terms")
    if listed is not None:
        evidence.sources.append(SourceShown("terms as the venue lists them", "instruments", day_of(listed.ts_event)))
    elif size is not None:
        evidence.sources.append(SourceShown("sizes and price steps of the exchange's contracts", "sizes", ""))
    elif table is not None:
        evidence.add(table.source)
    if used.tick is None:
        evidence.miss("tick: nothing lists it, prices are not rounded")
    if used.step is None:
        evidence.miss("step: nothing lists it, quantities are not rounded")
    settle = (listed.settle if listed is not None else "") or (row.settle if row is not None else "")
    return ContractTerms(multiplier, rules.inverse, settle or _settle_of(symbol, rules)), used


def _settle_of(symbol: str, rules: MarketRules) -> str:
    parts = symbol.split("-")
    return parts[0] if rules.inverse or len(parts) < 2 else parts[1]


def _margins(
    venue: str, symbol: str, rules: MarketRules, tables: TradingTables, given: Given, evidence: Evidence
) -> MarginTiers | GrowingRates | MarginRate | None:
    if rules.liquidation is LiquidationRule.NONE:
        return None
    if given.tiers:
        if rules.liquidation in (LiquidationRule.RISK_RATIO, LiquidationRule.GROWING_RATE):
            raise OrderError("tiers", f"none at {venue}, whose margin has no tiers", f"{len(given.tiers)} tiers")
        rows = (TierRow(each.cap, each.rate, each.max_leverage, each.deduction) for each in given.tiers)
        unit = TierUnit.CONTRACTS if rules.liquidation is LiquidationRule.WITH_FEE else TierUnit.VALUE
        try:
            found = tiers_of(rows, unit)
        except InvalidValue as error:
            raise OrderError(error.field, error.expected, error.was) from error
        evidence.given("tiers")
        return found
    if given.margin_rate is not None:
        if rules.liquidation is not LiquidationRule.RISK_RATIO:
            raise OrderError("margin_rate", f"none at {venue}, whose margin has tiers or grows", given.margin_rate)
        evidence.given("margin_rate")
        return MarginRate(given.margin_rate)
    table = tables.margins(venue, symbol, evidence.on)
    if table is None:
        what = "margin_rate" if rules.liquidation is LiquidationRule.RISK_RATIO else "tiers"
        evidence.miss(f"margin of {symbol}: no table has it; give {what}, or import the venue's own")
        return None
    evidence.add(table.source)
    return table.value


def _fees(venue: str, symbol: str, tables: TradingTables, given: Given, evidence: Evidence) -> FeeLevel | None:
    if given.fees is not None:
        evidence.given("fees")
        maker, taker = (FeeRate(rate, given.fees.by_volume) for rate in (given.fees.maker, given.fees.taker))
        return FeeLevel("given", FeeRule(maker, maker, maker), FeeRule(taker, taker, taker))
    table = tables.fees(venue, symbol, evidence.on, given.fee_level)
    if table is not None:
        evidence.add(table.source)
        return table.value
    if given.fee_level:
        known = sorted({str(r.values["level"]) for r in tables.rows(venue) if r.source.table.startswith("fees/")})
        raise OrderError("fee_level", f"one of {', '.join(known) or 'none'}", given.fee_level)
    evidence.miss(f"fees of {symbol}: no table has them; give fees, or import the venue's own")
    return None


def _option(
    venue: str,
    symbol: str,
    rules: MarketRules,
    terms: ContractTerms,
    listed: InstrumentRecord | None,
    given: Given,
) -> OptionTerms | None:
    chinese = is_chinese(venue)
    if rules.option_model is None or (chinese and not is_option(symbol)):
        return None
    side, strike = given.option_type or (listed.option_type if listed is not None else ""), given.strike
    if strike is None and listed is not None:
        strike = listed.strike
    found = _written_option(symbol)
    if found is not None:
        side, strike = side or found[0], strike if strike is not None else found[1]
    if side not in ("call", "put"):
        raise OrderError("option_type", "call or put", side or "none")
    if strike is None or strike <= 0:
        raise OrderError("strike", "the strike of the option, above 0", "none" if strike is None else strike)
    return OptionTerms(side == "call", strike, terms.multiplier)


def _written_option(symbol: str) -> tuple[str, Decimal] | None:
    """Side and strike as a code says them, None where it does not."""
    sides = {"C": "call", "P": "put"}
    if fund := _FUND_OPTION.search(symbol):
        return sides[fund[1]], Decimal(fund[2]) / 1000
    if coin := _COIN_OPTION.search(symbol):
        return sides[coin[3]], Decimal(f"{coin[1]}.{coin[2] or 0}")
    if chinese := _CHINESE_OPTION.search(symbol):
        return sides[chinese[1]], Decimal(chinese[2])
    return None
