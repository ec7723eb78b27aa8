"""Ticker: statistics of 24 hours and the best prices, with what a venue adds for derivatives."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple


class Ticker(NamedTuple):
    """One push of an instrument's statistics; what the venue did not send is None.

    `open`, `high`, `low`, `volume` and `turnover` cover the last 24 hours. Volatilities are fractions (0.65 is 65 %),
    greeks as the venue defines them.
    """

    venue: str
    symbol: str
    source: str
    epoch: int
    seq: int
    ts_event: int
    ts_recv: int
    ts_pub: int
    last: Decimal | None = None
    last_quantity: Decimal | None = None
    bid: Decimal | None = None
    bid_quantity: Decimal | None = None
    ask: Decimal | None = None
    ask_quantity: Decimal | None = None
    open: Decimal | None = None
    high: Decimal | None = None
    low: Decimal | None = None
    volume: Decimal | None = None
    turnover: Decimal | None = None
    mark_price: Decimal | None = None
    index_price: Decimal | None = None
    settlement: Decimal | None = None
    underlying_price: Decimal | None = None
    open_interest: Decimal | None = None
    mark_volatility: Decimal | None = None
    bid_volatility: Decimal | None = None
    ask_volatility: Decimal | None = None
    delta: Decimal | None = None
    gamma: Decimal | None = None
    vega: Decimal | None = None
    theta: Decimal | None = None
    rho: Decimal | None = None
