"""What is stored beside a series as a witness of it: the tape of trades, and ticks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Context, Decimal, localcontext
from typing import Protocol

import numpy as np
import pyarrow as pa

from marketprism_application.contracts.kinds import BAR, KINDS, TRADE
from marketprism_application.contracts.questions import MAX_LIMIT, Question, Records
from marketprism_application.errors import QueryError, SourceError, StoreError, UnknownSymbolError
from marketprism_application.integrity.expected_grid import Grid
from marketprism_application.ports.witnesses import WitnessRows
from marketprism_application.queries.arrow_tables import DECIMAL, schema_of
from marketprism_application.queries.paging import all_pages
from marketprism_domain.instruments.exchange_codes import is_chinese
from marketprism_domain.integrity.dataset import Dataset
from marketprism_domain.integrity.expectation import ExpectationRules, expectation_of
from marketprism_domain.sessions.calendar import MarketCalendar

_HOUR_NS = 3_600 * 10**9
_BESIDE_NS = 600 * 10**9  # trades around a range, by which it is known that none of it is missing
_COLUMNS: dict[str, pa.DataType] = {
    "ts_open": pa.int64(),
    "ts_close": pa.int64(),
    **dict.fromkeys(("open", "high", "low", "close", "volume", "turnover"), DECIMAL),
}
_BARS = pa.schema(_COLUMNS)
_LAST_DIGIT, _ROOM = Decimal(1).scaleb(-DECIMAL.scale), Context(prec=60)
_OF_TAPE = ("ts_event", "seq", "price", "quantity", "first_id", "last_id", "off_book")


class Asking(Protocol):
    """Answers questions as the read side does."""

    async def __call__(self, question: Question) -> pa.Table: ...


class TicksWitness:
    """Fulfils `Witness` by bars that the read side makes of stored ticks."""

    name = "ticks"
    is_remote = False

    def __init__(self, ask: Asking) -> None:
        self._ask = ask

    def knows(self, dataset: Dataset) -> bool:
        """Whether the series is one of our own bars, which are made of ticks."""
        return "gap" in KINDS[dataset.kind].fields

    async def bars(self, dataset: Dataset) -> WitnessRows:
        """The bars that the ticks of the range make."""
        question = Records(
            BAR.name,
            dataset.symbol,
            dataset.venue,
            dataset.ts_from,
            dataset.ts_to,
            dataset.interval,
            MAX_LIMIT,
            made_of="ticks",
        )
        pages = [page async for page in _pages(self._ask, question)]
        rows = pa.concat_tables(pages) if pages else schema_of(BAR.name).empty_table()
        return WitnessRows(rows, (), max(1, len(pages)))

    def cost(self, dataset: Dataset) -> tuple[int, float]:  # noqa: ARG002 (the port's form)
        """One question, however long; nobody else's budget."""
        return 1, 0.0


class TradesWitness:
    """Fulfils `Witness` by the stored tape, rolled up to bars.

    A bar is there where the tape is known to be whole: between the first and the last trade, and beside no number that
    is missing. Trades of venues that do not number theirs one after the other are taken as they are.
    """

    name = "trade"
    is_remote = False

    def __init__(self, ask: Asking, calendar: MarketCalendar) -> None:
        self._ask, self._calendar = ask, calendar

    def knows(self, dataset: Dataset) -> bool:
        """Whether trades of the venue are stored one by one."""
        return KINDS[dataset.kind].has_interval and not is_chinese(dataset.venue)

    async def bars(self, dataset: Dataset) -> WitnessRows:
        """The bars that the tape makes in the range."""
        there = frozenset(TRADE.fields)
        fields = tuple(dict.fromkeys((*TRADE.page_key, *(name for name in _OF_TAPE if name in there))))
        question = Records(
            TRADE.name,
            dataset.symbol,
            dataset.venue,
            dataset.ts_from - _BESIDE_NS,
            dataset.ts_to + _BESIDE_NS,
            None,
            MAX_LIMIT,
            fields=fields,
        )
        pages = [page async for page in _pages(self._ask, question)]
        if not pages:
            return WitnessRows(_rolled_up([]))
        schedule = self._calendar.schedule(dataset.venue, dataset.symbol)
        rules = ExpectationRules(dense=True, now_ns=dataset.ts_to + _HOUR_NS)

        def work() -> pa.Table:
            grid = Grid.of(expectation_of(dataset, schedule, rules))
            return bars_of_tape(pa.concat_tables(pages), grid)

        return WitnessRows(await asyncio.to_thread(work), (), len(pages))

    def cost(self, dataset: Dataset) -> tuple[int, float]:
        """A page an hour, as trades have no grid; nobody else's budget."""
        return 1 + (dataset.ts_to - dataset.ts_from) // _HOUR_NS, 0.0


def bars_of_tape(tape: pa.Table, grid: Grid) -> pa.Table:
    """The bars of a grid that a tape holds whole: `ts_open`, `ts_close`, prices, `volume`, `turnover`."""
    if "off_book" in tape.column_names:
        off = tape.column("off_book").combine_chunks().fill_null(False).to_numpy(zero_copy_only=False)
        tape = tape.filter(pa.array(~off.astype(np.bool_)))
    ts = tape.column("ts_event").to_numpy()
    if not len(ts) or not len(grid):
        return _rolled_up([])
    whole = (grid.ts_open >= ts[0]) & (grid.ts_close <= ts[-1])
    number = tape.column("seq").to_numpy()
    holes = np.flatnonzero(np.diff(number) > 1)
    if len(holes) * 2 < len(number):  # else the venue's numbers have holes of their own
        for row in holes.tolist():
            whole &= ~((grid.ts_open <= ts[row + 1]) & (grid.ts_close > ts[row]))
    at = np.searchsorted(grid.ts_open, ts, side="right") - 1
    inside = (at >= 0) & (ts < grid.ts_close[np.maximum(at, 0)])
    places = np.where(inside & whole[np.maximum(at, 0)], at, -1)
    bars = []
    for place in np.unique(places[places >= 0]).tolist():
        rows = np.flatnonzero(places == place)
        trades = tape.slice(int(rows[0]), int(rows[-1] - rows[0]) + 1)
        bars.append(_bar(trades, int(grid.ts_open[place]), int(grid.ts_close[place])))
    return _rolled_up(bars)


def _bar(trades: pa.Table, ts_open: int, ts_close: int) -> dict[str, object]:
    prices, amounts = (_decimals(trades, name) for name in ("price", "quantity"))
    with localcontext(prec=60):
        money = sum((price * amount for price, amount in zip(prices, amounts, strict=True)), Decimal(0))
        volume = sum(amounts, Decimal(0))
    return {
        "ts_open": ts_open,
        "ts_close": ts_close,
        "open": prices[0],
        "high": max(prices),
        "low": min(prices),
        "close": prices[-1],
        "volume": volume,
        "turnover": money.quantize(_LAST_DIGIT, context=_ROOM),
    }


def _decimals(trades: pa.Table, name: str) -> list[Decimal]:
    return [Decimal(value) for value in trades.column(name).to_pylist() if value is not None]


def _rolled_up(bars: list[dict[str, object]]) -> pa.Table:
    return pa.Table.from_pylist(bars, schema=_BARS)


async def _pages(ask: Asking, question: Records) -> AsyncIterator[pa.Table]:
    """Every page of an answer; none where nothing is stored of it.

    Raises:
        SourceError: the store cannot answer.
    """
    try:
        async for page in all_pages(ask, question):
            yield page.replace_schema_metadata(None)
    except (UnknownSymbolError, QueryError):
        return
    except StoreError as error:
        raise SourceError(f"{question.kind}: {error}", retryable=error.retryable) from error


__all__ = ["Asking", "TicksWitness", "TradesWitness", "bars_of_tape"]
