"""What checks know beside the rows: terms, limits, witnesses, the ledger of gaps, and the figures they judge by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from marketprism_application.integrity.bar_rows import BarRows
from marketprism_application.integrity.trade_rows import TradeRows


class TermPeriod(NamedTuple):
    """Terms of an instrument from an instant on, until those of the next period."""

    ts_from: int
    price_tick: Decimal | None = None
    quantity_step: Decimal | None = None
    multiplier: Decimal | None = None
    inverse: bool = False


class DayLimits(NamedTuple):
    """Lowest and highest price of a trading day."""

    low: Decimal
    high: Decimal


@dataclass(frozen=True)
class Figures:
    """What checks judge by.

    A price leaps if its logarithm moves by more than `jump_mads` median deviations of `jump_window` bars, and by more
    than `jump_ticks` steps; it comes back within `jump_bars`. It stands still over `stale_bars`.
    """

    jump_mads: float = 12.0
    jump_ticks: int = 3
    jump_window: int = 240
    jump_bars: int = 3
    stale_bars: int = 30


@dataclass(frozen=True)
class Inputs:
    """What is known; what is None was not given, and the checks that need it do not run.

    `gaps` are [ts_from, ts_to) in any order. In `known_holes`, [ts_from, ts_to), the venue itself has no bars: none
    that lies in one whole is expected. `product`: bars of other contracts of the product.
    """

    terms: Sequence[TermPeriod] = ()
    limits: Mapping[str, DayLimits] | None = None
    day_bars: BarRows | None = None
    klines: BarRows | None = None
    trades: TradeRows | None = None
    gaps: Sequence[tuple[int, int]] | None = None
    known_holes: Sequence[tuple[int, int]] = ()
    product: Sequence[BarRows] = ()
    may_be_negative: bool = False
    figures: Figures = field(default_factory=Figures)
