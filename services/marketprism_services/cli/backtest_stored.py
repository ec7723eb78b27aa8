"""Rows of a backtest that a running pipeline has stored: bars or ticks of an instrument, and its gaps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from pathlib import Path
from typing import cast

from marketprism_application.backtesting.columns import InstrumentData, Selection, TickColumns
from marketprism_application.backtesting.errors import NoDataError
from marketprism_application.backtesting.settings import FillMode
from marketprism_application.backtesting.tables import Steps, bars_of_records, holes_of, ticks_of_records
from marketprism_client import MarketClient
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.trading_days import day_of
from marketprism_services.cli.backtest_data import DataAsked, instrument_of
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
    found = [await _instrument(market, symbol, asked) for symbol in symbols]
    return Selection(tuple(sorted(found, key=lambda data: data.instrument.key)))


async def _instrument(market: MarketClient, symbol: str, asked: DataAsked) -> InstrumentData:
    venue = asked.venue or None
    interval = asked.interval or ("1m" if asked.fill is FillMode.BAR else "")
    bars: list[Bar] = []
    ticks: list[Tick] = []
    if interval:
        async for page in _pages(market, "bar", symbol, asked, interval):
            bars += cast("list[Bar]", page)
    if asked.wants_ticks:
        async for page in _pages(market, "tick", symbol, asked, None):
            ticks += cast("list[Tick]", page)
    if not bars and not ticks:
        raise NoDataError(f"{symbol}: expected stored rows from {asked.ts_from} to {asked.ts_to}, there are none")
    first = bars[0] if bars else ticks[0]
    gaps = [
        gap for gap in await market.gaps(first.symbol, asked.ts_from, asked.ts_to) if not venue or gap.venue == venue
    ]
    day = day_of(first.trading_day)
    instrument = await asyncio.to_thread(instrument_of, first.venue, first.symbol, day, asked.terms)
    columns: TickColumns | None = None
    steps: Steps | None = None
    if ticks:
        columns, steps = ticks_of_records(instrument, ticks)
    of_bars = {}
    if bars:
        made = bars_of_records(instrument, interval, bars, steps)
        of_bars, steps = {interval: made.columns}, made.steps
    assert steps is not None  # noqa: S101 (there are rows)
    return InstrumentData(instrument, steps.unit, steps.step, of_bars, columns, holes=holes_of(gaps))


async def _pages(
    market: MarketClient, kind: str, symbol: str, asked: DataAsked, interval: str | None
) -> AsyncIterator[list[object]]:
    pages = market.history.pages(
        kind,
        symbol,
        asked.ts_from,
        asked.ts_to,
        venue=asked.venue or None,
        **({"interval": interval} if interval else {}),
    )
    async for page in pages:
        yield list(page)
