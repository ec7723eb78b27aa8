"""What a strategy is written with, and a run of it in a program or a notebook. No service is needed for either."""

from __future__ import annotations

from pydantic import Field

from marketprism_application.backtesting.columns import NO_PRICE, FundingRow, Hole, Ints, Roll
from marketprism_application.backtesting.context import Context
from marketprism_application.backtesting.cursors import BarView, TickView, TradeView
from marketprism_application.backtesting.errors import BacktestError
from marketprism_application.backtesting.history import ClosedBar
from marketprism_application.backtesting.kernel import crossing_means
from marketprism_application.backtesting.market import Order
from marketprism_application.backtesting.orders import Fill
from marketprism_application.backtesting.result import RunResult
from marketprism_application.backtesting.settings import FillMode, GapPolicy, RunSettings, Slippage
from marketprism_application.backtesting.signals import KEEP, SignalTable
from marketprism_application.backtesting.strategy import Parameters, Strategy
from marketprism_application.backtesting.universe import DayOf
from marketprism_backtest._notebook import backtest
from marketprism_backtest._paper import PaperRun, Watching, paper, run_paper

__all__ = [
    "KEEP",
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
    "Ints",
    "Order",
    "PaperRun",
    "Parameters",
    "Roll",
    "RunResult",
    "RunSettings",
    "SignalTable",
    "Slippage",
    "Strategy",
    "TickView",
    "TradeView",
    "Watching",
    "backtest",
    "crossing_means",
    "paper",
    "run_paper",
]
