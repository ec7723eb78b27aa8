"""Rows of a run that a pipeline has stored, from whoever answers questions: bars or ticks, and their gaps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import NamedTuple, TypeAlias, cast

import msgspec
import pyarrow as pa

from marketprism_application.backtesting.book_tables import BookAndTape, book_and_tape
from marketprism_application.backtesting.columns import FundingRow, InstrumentData, Selection, TickColumns
from marketprism_application.backtesting.continuous_view import PREFIX, is_view, with_view
from marketprism_application.backtesting.errors import BacktestError, NoDataError
from marketprism_application.backtesting.instruments import Instrument
from marketprism_application.backtesting.market import PERPETUAL
from marketprism_application.backtesting.paid_rates import PaidRates
from marketprism_application.backtesting.settings import FillMode
from marketprism_application.backtesting.stored_halts import stored_halts
from marketprism_application.backtesting.stored_pages import BarPages, Head, TickPages
from marketprism_application.backtesting.tables import Steps, holes_of
from marketprism_application.contracts.failures import AnswerError, Code
from marketprism_application.contracts.kinds import BAR, FUNDING_RATE, GAP, ORDERBOOK, TICK, TRADE, DataKind
from marketprism_application.contracts.questions import (
    Dominant,
    Instruments,
    InstrumentSearch,
    Question,
    Records,
    key_of,
    next_of,
)
from marketprism_domain.bars.contract_rolls import Roll as ProductRoll
from marketprism_domain.instruments.exchange_codes import is_chinese
from marketprism_domain.marketdata.funding_rate import FundingRate
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.marketdata.orderbook import OrderBook
from marketprism_domain.marketdata.trade import Trade
from marketprism_domain.sessions.calendar import AlwaysOpen
from marketprism_domain.sessions.trading_days import china_date, day_of, day_text
from marketprism_domain.trading.halts import Halted
from marketprism_domain.values import BookLevel

Ask: TypeAlias = Callable[[Question], Awaitable[pa.Table]]
Terms: TypeAlias = Callable[[str, str, date], Instrument]
_PAGE = 5_000
_NEAR_NS = 300_000_000_000  # venues write the rate that was paid some time behind its instant
_NIGHT_DAYS = 12  # the night before a trading day, over the longest holidays


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
    adjust: str = "difference"  # of views: what the prices of their contracts are moved by

    @property
    def wants_ticks(self) -> bool:
        """Whether ticks are what fills, or what decides inside a bar."""
        return self.fill is not FillMode.BAR or self.detail == "tick"

    @property
    def bars_of(self) -> str:
        """The interval of the bars that are read, empty for none."""
        return self.interval or ("1m" if self.fill is FillMode.BAR else "")


async def stored_rows(ask: Ask, symbols: Sequence[str], asked: RowsAsked, terms: Terms) -> Selection:
    """The rows of instruments, each at the one venue that has it, and of views of products (`continuous:rb`) those of
    the contracts that led. `terms` is asked in a thread.

    Raises:
        NoDataError: one has none in the range. BacktestError: one is at several venues. What `ask` raises.
    """
    found = [await stored_instrument(ask, symbol, asked, terms) for symbol in symbols if not is_view(symbol)]
    selection = Selection(tuple(sorted(found, key=lambda data: data.instrument.key)))
    for product in (symbol.removeprefix(PREFIX) for symbol in symbols if is_view(symbol)):
        contracts, rolls = await _contracts(ask, product, asked, terms)
        made = with_view(product, contracts, rolls, asked.adjust, selection.instruments)
        selection = Selection(made.instruments, (*selection.rolls, *made.rolls))
    return selection


async def _contracts(
    ask: Ask, product: str, asked: RowsAsked, terms: Terms
) -> tuple[list[InstrumentData], list[ProductRoll]]:
    """The contracts that led a product in the range, each until the end of the day in which it is left."""
    rows = (await ask(Dominant(product))).to_pylist()
    rolls = [ProductRoll(**{name: row[name] for name in ProductRoll._fields}) for row in rows]
    first, last = (
        None if ts is None else day_text(china_date(ts) + timedelta(days=more))
        for ts, more in ((asked.ts_from, 0), (asked.ts_to, _NIGHT_DAYS))
    )
    contracts: list[InstrumentData] = []
    led: list[ProductRoll] = []
    missing: NoDataError | None = None
    for number, roll in enumerate(rolls):
        after = rolls[number + 1].trading_day if number + 1 < len(rolls) else None
        if (last is not None and roll.trading_day > last) or (first and after is not None and after < first):
            continue
        try:
            contracts.append(await stored_instrument(ask, roll.symbol, asked, terms, (roll.trading_day, after)))
        except NoDataError as error:  # it led before or behind the range only, unless another one follows
            missing = error if contracts else None
            continue
        if missing is not None:
            raise missing
        led.append(roll)
    if not led:
        raise NoDataError(f"continuous:{product}: expected stored rows of contracts that led, there are none there")
    return contracts, led


async def stored_instrument(
    ask: Ask,
    symbol: str,
    asked: RowsAsked,
    terms: Terms,
    days: tuple[str | None, str | None] = (None, None),
) -> InstrumentData:
    """The rows of one instrument, as `stored_rows` has them, and with its errors; `days`: not before the first trading
    day, not at or after the second."""
    venue, interval = asked.venue or None, asked.bars_of
    from_day, to_day = days
    bars, ticks = BarPages(), TickPages()
    if interval:
        question = Records(
            BAR.name,
            symbol,
            venue,
            asked.ts_from,
            asked.ts_to,
            interval,
            _PAGE,
            from_day=from_day,
            to_day=to_day,
            as_of=asked.as_of,
        )
        async for page in _pages(ask, question):
            await asyncio.to_thread(bars.add, page)
    if asked.wants_ticks:
        question = Records(
            TICK.name, symbol, venue, asked.ts_from, asked.ts_to, None, _PAGE, from_day=from_day, to_day=to_day
        )
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
    beside = await _beside(ask, head, asked)
    last_day = await _last_day(ask, head.venue, head.symbol)
    halts = await stored_halts(ask, head.venue, head.symbol, asked.ts_from, asked.ts_to)
    return await asyncio.to_thread(_columns, _Found(head, bars, ticks, gaps, beside, last_day, halts), interval, terms)


class _Found(NamedTuple):
    """What is stored of an instrument."""

    head: Head
    bars: BarPages
    ticks: TickPages
    gaps: list[Gap]
    beside: _Beside
    last_day: str
    halts: tuple[Halted, ...]


class _Beside(NamedTuple):
    """What is stored of a crypto market beside its ticks: rates of funding, and what mode `queue` fills by."""

    funding: tuple[FundingRow, ...]
    books: list[OrderBook]
    trades: list[Trade]


async def _beside(ask: Ask, head: Head, asked: RowsAsked) -> _Beside:
    if is_chinese(head.venue):
        return _Beside((), [], [])
    rates = PaidRates()
    whole = Records("", head.symbol, head.venue, asked.ts_from, asked.ts_to, None, _PAGE)
    if head.symbol.endswith(PERPETUAL):
        until = None if asked.ts_to is None else asked.ts_to + _NEAR_NS
        question = msgspec.structs.replace(whole, kind=FUNDING_RATE.name, ts_to=until)
        async for page in _pages(ask, question):
            for each in cast("list[FundingRate]", _records(FUNDING_RATE, page)):
                rates.see(each)
    books: list[OrderBook] = []
    trades: list[Trade] = []
    if asked.fill is FillMode.QUEUE:
        async for page in _pages(ask, msgspec.structs.replace(whole, kind=ORDERBOOK.name)):
            books += cast("list[OrderBook]", await asyncio.to_thread(_records, ORDERBOOK, page))
        if books:
            async for page in _pages(ask, msgspec.structs.replace(whole, kind=TRADE.name)):
                trades += cast("list[Trade]", await asyncio.to_thread(_records, TRADE, page))
    inside = [row for row in rates.rows() if asked.ts_to is None or row.ts <= asked.ts_to]
    return _Beside(tuple(inside), books, trades)


async def _last_day(ask: Ask, venue: str, symbol: str) -> str:
    """The last trading day of an instrument by its stored terms, empty where they do not have it."""
    found = await ask(Instruments(InstrumentSearch(text=symbol, limit=_PAGE)))
    rows = [row for row in found.to_pylist() if row["venue"] == venue and row["symbol"] == symbol]
    return str(rows[0]["expire_day"] or "") if rows else ""


def _columns(found: _Found, interval: str, terms: Terms) -> InstrumentData:
    bars, ticks, beside = found.bars, found.ticks, found.beside
    head = found.head
    instrument = terms(head.venue, head.symbol, day_of(head.trading_day))
    instrument = replace(instrument, last_day=found.last_day or instrument.last_day)
    columns: TickColumns | None = None
    steps: Steps | None = None
    tape: BookAndTape | None = None
    if beside.books and beside.trades:
        tape = book_and_tape(instrument, beside.books, beside.trades, AlwaysOpen())
        steps = tape.steps
    if ticks.head is not None:
        columns, steps = ticks.columns(instrument, steps)
    of_bars = {}
    if bars.head is not None:
        of_bars[interval], steps = bars.columns(instrument, interval, steps)
    assert steps is not None  # noqa: S101 (there are rows)
    settled, before = ticks.settlements()
    return InstrumentData(
        instrument,
        steps.unit,
        steps.step,
        of_bars,
        columns,
        None if tape is None else tape.trades,
        None if tape is None else tape.books,
        holes=holes_of(found.gaps),
        funding=beside.funding,
        settlements=settled,
        settled_before=before,
        halts=found.halts,
    )


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


_KINDS = {each.name: each for each in (BAR, TICK, GAP, FUNDING_RATE, ORDERBOOK, TRADE)}


def _code_of(error: Exception) -> str:
    found = error.failure.code if isinstance(error, AnswerError) else getattr(error, "code", "")
    return str(found)


def _records(of: DataKind, page: pa.Table) -> list[object]:
    """The records of a page, as far as a run looks at them: what is no number, text or level stays as it came."""
    columns = [[_value(each) for each in page.column(name).to_pylist()] for name in of.types]
    return [of.model(*row) for row in zip(*columns, strict=True)]


def _value(value: object) -> object:
    if isinstance(value, list):
        return tuple(BookLevel(**each) if isinstance(each, dict) else each for each in value)
    return value


__all__ = ["Ask", "RowsAsked", "Terms", "stored_instrument", "stored_rows"]
