"""What a strategy is written with, and a run of it in a program or a notebook. No service is needed for either."""

from __future__ import annotations

from pydantic import Field

from marketprism_application.backtesting.columns import NO_PRICE, FundingRow, Hole, Roll
from marketprism_application.backtesting.context import Context
from marketprism_application.backtesting.cursors import BarView, TickView, TradeView
from marketprism_application.backtesting.errors import BacktestError
from marketprism_application.backtesting.history import ClosedBar
from marketprism_application.backtesting.market import Order
from marketprism_application.backtesting.orders import Fill
from marketprism_application.backtesting.result import RunResult
from marketprism_application.backtesting.settings import FillMode, GapPolicy, RunSettings, Slippage
from marketprism_application.backtesting.strategy import Parameters, Strategy
from marketprism_application.backtesting.universe import DayOf
from marketprism_backtest._notebook import backtest

__all__ = [
    "NO_PRICE",
    "BacktestError",
    "BarView",
    "ClosedBar",
    "Context",
    "DayOf",
    "Field",
    "Fill",
    "FillMode",
    "FundingRow",
    "GapPolicy",
    "Hole",
    "Order",
    "Parameters",
    "Roll",
    "RunResult",
    "RunSettings",
    "Slippage",
    "Strategy",
    "TickView",
    "TradeView",
    "backtest",
]
