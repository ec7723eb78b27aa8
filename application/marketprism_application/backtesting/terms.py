"""The terms of a run's instruments: as they are given, else by the tables of orders."""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from decimal import Decimal

from marketprism_application.backtesting.errors import LeverageError
from marketprism_application.backtesting.instruments import Instrument
from marketprism_application.backtesting.options import TermsGiven
from marketprism_application.errors import OrderError
from marketprism_application.ports.trading_tables import TradingTables
from marketprism_application.trading.markets import Evidence, Given, resolve
from marketprism_domain.instruments.sizes import size_of
from marketprism_domain.trading.chinese_futures import MarginRate
from marketprism_domain.trading.contracts import ContractTerms
from marketprism_domain.trading.fees import FeeRate, FeeRule
from marketprism_domain.trading.margin_tiers import MarginTiers


def instrument_of(tables: TradingTables, venue: str, symbol: str, on: date, given: TermsGiven) -> Instrument:
    """The terms of an instrument: as they are given, else by the tables, else none.

    Raises:
        LeverageError: more than its lowest tier allows.
    """
    size = size_of(venue, symbol)
    found, evidence = None, Evidence(on)
    with suppress(OrderError):  # no tables of this venue: what is given, and no margin
        found = resolve(venue, symbol, tables, None, Given(), evidence)
    own = ContractTerms() if found is None else found.terms
    multiplier = given.multiplier or (size.multiplier if size is not None else own.multiplier)
    terms = own._replace(multiplier=multiplier, settle=own.settle or "")
    tick = given.tick or (size.price_tick if size is not None else None)
    remarks: list[str] = []
    taker = maker = FeeRule(FeeRate(), FeeRate(), FeeRate())
    if given.fee_rate is not None or given.fee_per_lot is not None:
        rate = FeeRate(given.fee_rate or Decimal(0), given.fee_per_lot or Decimal(0))
        taker = maker = FeeRule(rate, rate, rate)
        if found is not None and found.fees is not None and found.fees.taker != taker:
            known = found.fees.taker
            as_of = max((each.as_of for each in evidence.sources if each.table.startswith("fees/")), default="no day")
            remarks.append(
                f"fees of {symbol} are {_shown(rate)} as given; the table of {as_of} has {_shown(known.open)} to open, "
                f"{_shown(known.close)} to close, {_shown(known.close_today)} to close on the same day"
            )
    elif found is not None and found.fees is not None:
        taker, maker = found.fees.taker, found.fees.maker
    margins = None if found is None else found.margins
    margin = margins if isinstance(margins, MarginRate | MarginTiers) else None
    if given.margin_rate is not None:
        margin = MarginRate(given.margin_rate) if given.margin_rate else None
    if isinstance(margin, MarginTiers) and given.leverage is not None:
        most = margin.tiers[0].max_leverage
        if most is not None and given.leverage > most:
            of = f"tier 1 of {symbol} at {venue}"
            raise LeverageError(f"leverage: expected at most {most}, by {of}, was {given.leverage}")
    rules = None if found is None else found.rules
    step = Decimal(1)
    if found is not None and found.order_rules.step is not None:
        step = found.order_rules.step
    elif rules is None or not rules.contracts:
        step = Decimal("0.00000001")
    return Instrument(
        venue,
        symbol,
        terms,
        tick,
        step,
        taker,
        maker,
        margin,
        given.leverage,
        apart=rules is not None and rules.apart,
        today_first=rules is not None and rules.today_first,
        funding_cutoff_s=Decimal(0) if rules is None else rules.funding_cutoff_s,
        remarks=tuple(remarks),
    )


def _shown(rate: FeeRate) -> str:
    """A fee as a share of the value and money a lot, parts that are 0 left out."""
    parts = [f"{rate.by_money.normalize():f}"] if rate.by_money else []
    parts += [f"{rate.by_volume.normalize():f} a lot"] if rate.by_volume else []
    return " + ".join(parts) or "0"


__all__ = ["instrument_of"]
