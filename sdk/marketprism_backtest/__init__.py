"""What a strategy is written with, and a run of it in a program or a notebook. No service is needed for either."""

from __future__ import annotations

from pydantic import Field

from marketprism_application.backtesting.columns import NO_PRICE
from marketprism_application.backtesting.context import Context
from marketprism_application.backtesting.cursors import BarView, TickView, TradeView
from marketprism_application.backtesting.strategy import Parameters, Strategy

__all__ = ["NO_PRICE", "BarView", "Context", "Field", "Parameters", "Strategy", "TickView", "TradeView"]
