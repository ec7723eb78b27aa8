"""Rows of a run that a pipeline has stored, from whoever answers questions: bars or ticks, and their gaps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeAlias, cast

import msgspec
import pyarrow as pa

from marketprism_application.backtesting.columns import InstrumentData, Selection, TickColumns
from marketprism_application.backtesting.errors import BacktestError, NoDataError
from marketprism_application.backtesting.instruments import Instrument
from marketprism_application.backtesting.settings import FillMode
from marketprism_application.backtesting.stored_pages import BarPages, Head, TickPages
from marketprism_application.backtesting.tables import Steps, holes_of
from marketprism_application.contracts.failures import AnswerError, Code
from marketprism_application.contracts.kinds import BAR, GAP, TICK, DataKind
from marketprism_application.contracts.questions import Question, Records, key_of, next_of
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.sessions.trading_days import day_of

Ask: TypeAlias = Callable[[Question], Awaitable[pa.Table]]
Terms: TypeAlias = Callable[[str, str, date], Instrument]
_PAGE = 5_000


@dataclass(frozen=True)
class RowsAsked:
    """Which rows a run is of; `as_of` asks for bars as they stood then, times are nanoseconds UTC."""

    interval: str
    fill: FillMode
    detail: str = ""
    venue: str = ""
    ts_from: int | None = None
    ts_to: int | None = None
    as_of: int | None = None

    @property
    def wants_ticks(self) -> bool:
        """Whether ticks are what fills, or what decides inside a bar."""
        return self.fill is not FillMode.BAR or self.detail == "tick"

    @property
    def bars_of(self) -> str:
        """The interval of the bars that are read, empty for none."""
        return self.interval or ("1m" if self.fill is FillMode.BAR else "")


async def stored_rows(ask: Ask, symbols: Sequence[str], asked: RowsAsked, terms: Terms) -> Selection:
    """The rows of instruments, each at the one venue that has it. `terms` is asked in a thread.

    Raises:
        NoDataError: one has none in the range. BacktestError: one is at several venues. What `ask` raises.
    """
    found = [await stored_instrument(ask, symbol, asked, terms) for symbol in symbols]
    return Selection(tuple(sorted(found, key=lambda data: data.instrument.key)))


async def stored_instrument(ask: Ask, symbol: str, asked: RowsAsked, terms: Terms) -> InstrumentData:
    """The rows of one instrument, as `stored_rows` has them, and with its errors."""
    venue, interval = asked.venue or None, asked.bars_of
    bars, ticks = BarPages(), TickPages()
    if interval:
        question = Records(BAR.name, symbol, venue, asked.ts_from, asked.ts_to, interval, _PAGE, as_of=asked.as_of)
        async for page in _pages(ask, question):
            await asyncio.to_thread(bars.add, page)
    if asked.wants_ticks:
        question = Records(TICK.name, symbol, venue, asked.ts_from, asked.ts_to, None, _PAGE)
        async for page in _pages(ask, question):
            await asyncio.to_thread(ticks.add, page)
    head = bars.head or ticks.head
    if head is None:
        raise NoDataError(f"{symbol}: expected stored rows from {asked.ts_from} to {asked.ts_to}, there are none")
    venues = bars.venues | ticks.venues
    if len(venues) > 1:
        raise BacktestError(f"venue: expected one of {', '.join(sorted(venues))}, which all have {symbol}, was none")
    gaps: list[Gap] = []
    question = Records(GAP.name, head.symbol, venue, asked.ts_from, asked.ts_to, None, _PAGE)
    async for page in _pages(ask, question):
        gaps += cast("list[Gap]", _records(GAP, page))
    return await asyncio.to_thread(_columns, head, bars, ticks, gaps, interval, terms)


def _columns(
    head: Head, bars: BarPages, ticks: TickPages, gaps: list[Gap], interval: str, terms: Terms
) -> InstrumentData:
    instrument = terms(head.venue, head.symbol, day_of(head.trading_day))
    columns: TickColumns | None = None
    steps: Steps | None = None
    if ticks.head is not None:
        columns, steps = ticks.columns(instrument, steps)
    of_bars = {}
    if bars.head is not None:
        of_bars[interval], steps = bars.columns(instrument, interval, steps)
    assert steps is not None  # noqa: S101 (there are rows)
    return InstrumentData(instrument, steps.unit, steps.step, of_bars, columns, holes=holes_of(gaps))


async def _pages(ask: Ask, question: Records) -> AsyncIterator[pa.Table]:
    """Every page of an answer; one that is too large for a message is asked for by halves."""
    while True:
        try:
            page = await ask(question)
        except Exception as error:
            if _code_of(error) != Code.RESPONSE_TOO_LARGE or question.limit == 1:
                raise
            question = msgspec.structs.replace(question, limit=question.limit // 2)
            continue
        after = next_of(page)
        yield page
        if after is None and page.num_rows >= question.limit:
            after = key_of(_KINDS[question.kind], page)  # of a read side that does not say whether there is more
        if after is None:
            return
        question = msgspec.structs.replace(question, after=after)


_KINDS = {each.name: each for each in (BAR, TICK, GAP)}


def _code_of(error: Exception) -> str:
    found = error.failure.code if isinstance(error, AnswerError) else getattr(error, "code", "")
    return str(found)


def _records(of: DataKind, page: pa.Table) -> list[object]:
    """The records of a page, as far as a run looks at them: what is no number or text stays as it came."""
    columns = [page.column(name).to_pylist() for name in of.types]
    return [of.model(*row) for row in zip(*columns, strict=True)]


__all__ = ["Ask", "RowsAsked", "Terms", "stored_instrument", "stored_rows"]
