"""Rows of a backtest that a running pipeline has stored: bars or ticks of an instrument, and its gaps."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from datetime import date
from pathlib import Path

from marketprism_application.backtesting.columns import Selection
from marketprism_application.backtesting.instruments import Instrument
from marketprism_application.backtesting.stored_rows import stored_rows
from marketprism_client import MarketClient
from marketprism_services.cli.backtest_data import DataAsked, instrument_of, with_halts
from marketprism_services.cli.backtest_options import BacktestOptions
from marketprism_services.cli.options import ask, nats_of


def stored_selection(
    options: BacktestOptions, data_dir: Path | None, nats_url: str | None
) -> tuple[Selection, tuple[str, ...]]:
    """The rows of stored instruments, each at the one venue that has it.

    Raises:
        NoDataError: there is none in the range. Stop: no pipeline runs, or the read side refuses the question.
    """
    asked = options.asked(())

    def reading(market: MarketClient) -> Awaitable[Selection]:
        return read_stored(market, options.data, asked)

    return ask(nats_of(data_dir, nats_url), reading), ()


async def read_stored(market: MarketClient, symbols: Sequence[str], asked: DataAsked) -> Selection:
    """The rows of instruments from whoever answers a client. Raises NoDataError: one has none in the range."""

    def terms(venue: str, symbol: str, on: date) -> Instrument:
        return instrument_of(venue, symbol, on, asked.terms)

    found = await stored_rows(market.ask, symbols, asked.rows, terms)
    return Selection(with_halts(found.instruments, asked.halts), found.rolls)
