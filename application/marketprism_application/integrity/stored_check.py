"""A check of a stored series: its rows come page by page from whoever answers questions, and are checked in parts.

One part is in memory at a time, with some rows of its neighbours. Whatever a check needs beside the rows is asked for
as well: terms, the gap ledger, limits, and other sources of the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from marketprism_application.contracts.kinds import BAR, GAP, KINDS, KLINE, TICK, TRADE
from marketprism_application.contracts.questions import (
    MAX_LIMIT,
    BarSeries,
    Instruments,
    InstrumentSearch,
    Question,
    Records,
)
from marketprism_application.errors import QueryError, UnknownSymbolError
from marketprism_application.integrity.bar_check import BESIDE_ROWS, Beside, Found, check_bars, report_of
from marketprism_application.integrity.bar_rows import BarRows, joined
from marketprism_application.integrity.event_check import check_trades
from marketprism_application.integrity.file_check import Bounds, CheckAsked, bounds_of
from marketprism_application.integrity.inputs import DayLimits, Inputs, TermPeriod
from marketprism_application.integrity.known_terms import listing_of, terms_of
from marketprism_application.integrity.session_changes import overruled
from marketprism_application.integrity.trade_rows import TradeRows
from marketprism_application.integrity.trade_rows import joined as joined_trades
from marketprism_application.ports.history import VENUE_MISSING
from marketprism_application.ports.imports import DECIMAL
from marketprism_application.queries.paging import all_pages
from marketprism_domain.instruments.names import has_signed_price, product_of
from marketprism_domain.integrity.dataset import Dataset
from marketprism_domain.integrity.expectation import UNBOUNDED, ExpectationRules, Listing, expectation_of
from marketprism_domain.integrity.report import IntegrityReport
from marketprism_domain.marketdata.gap import interval_missing_in
from marketprism_domain.sessions.calendar import MarketCalendar, Schedule
from marketprism_domain.sessions.trading_days import NANOS_PER_DAY

Ask = Callable[[Question], Awaitable[pa.Table]]
PART_ROWS = 200_000
WITNESSES = ("daily", "kline", "trade", "ticks", "product")
_MOST_BESIDE = 3  # contracts of the product that a series is held against
_DAYS_OF_LIMITS = 60  # a question a day
_NEEDED = ("ts_open", "open", "high", "low", "close", "volume")
_PAGE = 20_000
_CHECKED = (
    *("ts_open", "open", "high", "low", "close", "volume", "turnover", "open_interest", "trades", "gap", "closed"),
    *("ts_event", "seq", "price", "quantity", "first_id", "last_id", "off_book"),
    *("ts_from", "ts_to", "cause", "kind"),
)
GAPS_OF_BARS = frozenset({"", TICK.name, TRADE.name})  # kinds of data whose gaps are those of bars
# Of which kinds of data the venue's holes are holes of a series, by the series' own kind.
_HOLES_OF = {BAR.name: frozenset({"", BAR.name}), KLINE.name: frozenset({KLINE.name})}


@dataclass(frozen=True)
class StoredSeries:
    """A stored series: `kind` bar, kline or trade."""

    kind: str
    venue: str
    symbol: str
    interval: str = ""


class _Ledger(NamedTuple):
    """Of the gap ledger: times in which data of ours are missing, and in which the venue itself has no bars."""

    gaps: tuple[tuple[int, int], ...]
    known_holes: tuple[tuple[int, int], ...]


class StoredCheck:
    """One check of a stored series. `ask` answers a question as the read side does. `exact` is the dataset of an
    earlier report, whose range is checked again as it is.

    Raises (from `report`):
        QueryError: a bound that cannot be. UnknownSymbolError: no row of the series in the range. What `ask` raises.
    """

    def __init__(
        self,
        ask: Ask,
        series: StoredSeries,
        calendar: MarketCalendar,
        asked: CheckAsked,
        witnesses: Collection[str] = (),
        part_rows: int = PART_ROWS,
        *,
        exact: Dataset | None = None,
    ) -> None:
        self._ask, self._series, self._asked = ask, series, asked
        self._calendar = calendar
        self._schedule: Schedule = calendar.schedule(series.venue, series.symbol)
        self._witnesses = frozenset(witnesses)
        self._part_rows, self._exact = part_rows, exact
        self._others: list[tuple[int, str, int, int]] | None = None  # rows, symbol, first and last bar, once asked for
        self._is_ours = "gap" in KINDS[series.kind].fields  # our own bars say what they overlap

    async def report(self) -> IntegrityReport:
        """The report of the series."""
        series = self._series
        if not KINDS[series.kind].has_interval:
            return await self._trades()
        begin = self._asked.ts_from if self._exact is None else self._exact.ts_from
        calendar = await overruled(self._ask, self._calendar, series.venue, series.symbol, begin or 0)
        self._schedule = calendar.schedule(series.venue, series.symbol)
        bounds = await self._bounds()
        dataset = Dataset(series.kind, series.venue, series.symbol, series.interval, bounds.ts_from, bounds.ts_to)
        asked = self._asked
        dense = not self._is_ours if asked.dense is None else asked.dense
        inputs, listing = await self._inputs(dataset)
        rules = ExpectationRules(dense, asked.now_ns, asked.alignment or "session", listing, tuple(asked.halts))
        found = [part async for part in self._parts(dataset, rules, inputs)]
        whole = expectation_of(dataset, self._schedule, rules)
        report = report_of(whole, found, None)
        return replace(report, remarks=(*bounds.remarks, *report.remarks))

    async def _bounds(self) -> Bounds:
        series = self._series
        if self._exact is not None:
            return Bounds(self._exact.ts_from, self._exact.ts_to)
        ends = [await self._one(last=False), await self._one(last=True)]
        both = joined([each for each in ends if each is not None]) if all(ends) else None
        if both is None and (self._asked.ts_from is None or self._asked.ts_to is None):
            raise UnknownSymbolError(
                f"{series.symbol}: expected {series.interval} {series.kind}s in the range, there are none"
            )
        return bounds_of(both, self._schedule, series.interval, self._asked)

    async def _one(self, *, last: bool) -> BarRows | None:
        """The first row of the range, or the last one."""
        question = self._records(self._asked.ts_from, self._asked.ts_to)
        table = await self._ask(msgspec.structs.replace(question, limit=1, last=last))
        return _bars(table) if table.num_rows else None

    def _records(self, ts_from: int | None, ts_to: int | None) -> Records:
        series = self._series
        return self._of_kind(series.kind, ts_from, ts_to, series.interval)

    def _of_kind(self, kind: str, ts_from: int | None, ts_to: int | None, interval: str = "") -> Records:
        """Rows of a kind of the instrument, with the columns that are checked and those that tell pages apart."""
        series, known = self._series, KINDS[kind]
        fields = tuple(dict.fromkeys((*known.page_key, *(name for name in _CHECKED if name in known.fields))))
        return Records(kind, series.symbol, series.venue, ts_from, ts_to, interval or None, _PAGE, fields=fields)

    async def _parts(self, dataset: Dataset, rules: ExpectationRules, inputs: Inputs) -> AsyncIterator[Found]:
        """What is found of each part, which is checked when the one behind it is there."""
        before: BarRows | None = None
        waiting: tuple[BarRows, int, int] | None = None
        first = 0
        async for rows, ts_from, ts_to in self._cut(dataset):
            if waiting is not None:
                after = rows.taken(slice(0, BESIDE_ROWS))
                yield await self._checked(dataset, rules, inputs, waiting, Beside(before, after, first))
                first += len(waiting[0])
                before = _tail(before, waiting[0])
            waiting = rows, ts_from, ts_to
        if waiting is not None:
            yield await self._checked(dataset, rules, inputs, waiting, Beside(before, None, first))

    async def _checked(
        self,
        dataset: Dataset,
        rules: ExpectationRules,
        inputs: Inputs,
        part: tuple[BarRows, int, int],
        beside: Beside,
    ) -> Found:
        rows, ts_from, ts_to = part
        inputs = await self._with_witnesses(inputs, ts_from, ts_to)

        def work() -> Found:
            expectation = expectation_of(replace(dataset, ts_from=ts_from, ts_to=ts_to), self._schedule, rules)
            return check_bars(rows, expectation, inputs, beside=beside)

        return await asyncio.to_thread(work)

    async def _cut(self, dataset: Dataset) -> AsyncIterator[tuple[BarRows, int, int]]:
        """The rows in parts of whole trading days, each with its range; the ranges cover all that is asked for."""
        begin, kept, count = dataset.ts_from, list[BarRows](), 0
        async for page in all_pages(self._ask, self._records(dataset.ts_from, dataset.ts_to)):
            kept.append(_bars(page))
            count += page.num_rows
            if count < self._part_rows:
                continue
            rows = joined(kept)
            day = self._schedule.trading_day_of(int(rows.ts[-1]))
            end = self._schedule.sessions(day)[0].ts_open
            at = int(np.searchsorted(rows.ts, end))
            if at:
                yield rows.taken(slice(0, at)), begin, end
                begin, rows = end, rows.taken(slice(at, len(rows)))
            kept, count = [rows], len(rows)
        if kept:
            yield joined(kept), begin, dataset.ts_to
        elif begin < dataset.ts_to:
            yield BarRows.of(_NONE), begin, dataset.ts_to

    async def _all_bars(self, question: Records) -> BarRows | None:
        """Every bar of an answer, None where it has none."""
        pages = [_bars(page) async for page in all_pages(self._ask, question)]
        return joined(pages) if pages else None

    async def _inputs(self, dataset: Dataset) -> tuple[Inputs, Listing]:
        series, asked = self._series, self._asked
        terms, listing = await self._terms(dataset)
        ledger = await self._ledger(dataset)
        inputs = replace(
            asked.inputs,
            terms=tuple(asked.terms) or terms,
            may_be_negative=has_signed_price(series.symbol),
            gaps=ledger.gaps if self._is_ours else None,
            known_holes=ledger.known_holes,
            limits=await self._limits(dataset),
        )
        if "daily" in self._witnesses and series.interval not in ("1d", "1w"):
            question = msgspec.structs.replace(
                self._records(dataset.ts_from - NANOS_PER_DAY, dataset.ts_to), interval="1d"
            )
            inputs = replace(inputs, day_bars=await self._all_bars(question))
        if asked.listing != UNBOUNDED:
            return inputs, asked.listing
        return inputs, listing if listing.last_day else listing_of(series.venue, series.symbol)

    async def _terms(self, dataset: Dataset) -> tuple[tuple[TermPeriod, ...], Listing]:
        """The terms as they were known when the range begins, and as they are known now."""
        series = self._series
        periods: dict[int, TermPeriod] = {}
        listing = Listing()
        for at in (dataset.ts_from, 0):
            table = await self._ask(Instruments(InstrumentSearch(series.symbol, series.venue, limit=MAX_LIMIT, at=at)))
            for row in table.to_pylist():
                if row["symbol"] != series.symbol or row["venue"] != series.venue:
                    continue
                size = row["multiplier"] or Decimal(1)
                inverse = bool(row.get("inverse"))
                amounts = None if inverse else row.get("quantity_step")
                periods[row["ts_event"]] = TermPeriod(row["ts_event"], row["price_tick"], amounts, size, inverse)
                listing = Listing(row["list_day"] or "", row["expire_day"] or "")
        if periods:
            return tuple(periods[ts] for ts in sorted(periods)), listing
        return terms_of(series.venue, series.symbol, "stored"), listing

    async def _ledger(self, dataset: Dataset) -> _Ledger:
        question = self._of_kind(GAP.name, None, dataset.ts_to)
        question = msgspec.structs.replace(question, fields=(*question.fields, "source"))
        gaps: list[tuple[int, int]] = []
        holes: list[tuple[int, int]] = []
        async for page in all_pages(self._ask, question):
            for row in page.select(["ts_from", "ts_to", "cause", "kind", "source"]).to_pylist():
                if row["ts_to"] < dataset.ts_from:
                    continue
                if row["kind"] in GAPS_OF_BARS:
                    gaps.append((row["ts_from"], row["ts_to"]))
                of_series = interval_missing_in(row["source"]) in ("", self._series.interval)
                if row["cause"] == VENUE_MISSING and row["kind"] in _HOLES_OF[self._series.kind] and of_series:
                    holes.append((row["ts_from"], row["ts_to"]))
        return _Ledger(tuple(gaps), tuple(holes))

    async def _limits(self, dataset: Dataset) -> dict[str, DayLimits] | None:
        """Limits of the days, of the last tick of each; None where ticks have none, or of too many days to ask."""
        series = self._series
        question = Records(TICK.name, series.symbol, series.venue, dataset.ts_from, dataset.ts_to, limit=1, last=True)
        found: dict[str, DayLimits] = {}
        ts_to = dataset.ts_to
        for _ in range(_DAYS_OF_LIMITS):
            table = await self._ask(msgspec.structs.replace(question, ts_to=ts_to))
            if not table.num_rows:
                return found or None
            row = table.select(["trading_day", "limit_up", "limit_down"]).to_pylist()[0]
            if row["limit_up"] is None or row["limit_down"] is None:
                return found or None
            found[row["trading_day"]] = DayLimits(row["limit_down"], row["limit_up"])
            ts_to = self._schedule.sessions(row["trading_day"])[0].ts_auction
            if ts_to <= dataset.ts_from:
                break
        return found or None

    async def _with_witnesses(self, inputs: Inputs, ts_from: int, ts_to: int) -> Inputs:
        series = self._series
        if "kline" in self._witnesses and self._is_ours:
            inputs = replace(
                inputs, klines=await self._all_bars(self._of_kind(KLINE.name, ts_from, ts_to, series.interval))
            )
        if "ticks" in self._witnesses and self._is_ours and inputs.klines is None:
            question = msgspec.structs.replace(self._records(ts_from, ts_to), made_of="ticks")
            inputs = replace(inputs, klines=await self._all_bars(question))
        if "product" in self._witnesses and self._is_ours:
            own = self._of_kind(series.kind, ts_from, ts_to, series.interval)
            symbols = await self._beside(ts_from, ts_to)
            of_others = [await self._all_bars(msgspec.structs.replace(own, symbol=symbol)) for symbol in symbols]
            inputs = replace(inputs, product=[rows for rows in of_others if rows is not None])
        if "trade" in self._witnesses:
            question = self._of_kind(TRADE.name, ts_from, ts_to)
            tapes = [_tape(page) async for page in all_pages(self._ask, question)]
            inputs = replace(inputs, trades=joined_trades(tapes) if tapes else None)
        return inputs

    async def _beside(self, ts_from: int, ts_to: int) -> list[str]:
        """The other contracts of the product that have bars in a range, those with the most of them."""
        if self._others is None:
            series, product = self._series, product_of(self._series.symbol).lower()
            self._others = [
                (row["rows"], row["symbol"], row["ts_first"], row["ts_last"])
                for row in (await self._ask(BarSeries())).to_pylist()
                if (row["kind"], row["venue"], row["interval"]) == (series.kind, series.venue, series.interval)
                and row["symbol"] != series.symbol
                and product_of(row["symbol"]).lower() == product
            ]
        found = [each for each in self._others if each[2] < ts_to and each[3] >= ts_from]
        return [symbol for _, symbol, _, _ in sorted(found, reverse=True)[:_MOST_BESIDE]]

    async def _trades(self) -> IntegrityReport:
        series, asked = self._series, self._asked
        question = self._of_kind(TRADE.name, asked.ts_from, asked.ts_to)
        tapes = [_tape(page) async for page in all_pages(self._ask, question)]
        if not tapes:
            raise UnknownSymbolError(f"{series.symbol}: expected trades in the range, there are none")
        trades = joined_trades(tapes)
        ts_from = int(trades.ts.min()) if asked.ts_from is None else asked.ts_from
        ts_to = int(trades.ts.max()) + 1 if asked.ts_to is None else asked.ts_to
        if ts_to <= ts_from:
            raise QueryError(f"to: expected after from ({ts_from}), was {ts_to}")
        dataset = Dataset(TRADE.name, series.venue, series.symbol, "", ts_from, ts_to)
        terms, _ = await self._terms(dataset)
        inputs = replace(
            asked.inputs, terms=tuple(asked.terms) or terms, may_be_negative=has_signed_price(series.symbol)
        )
        return await asyncio.to_thread(check_trades, trades, dataset, inputs, None)


def _tail(before: BarRows | None, rows: BarRows) -> BarRows:
    whole = rows if before is None or len(rows) >= BESIDE_ROWS else joined([before, rows])
    return whole.taken(slice(max(0, len(whole) - BESIDE_ROWS), len(whole)))


def _bars(table: pa.Table) -> BarRows:
    """Rows of bars, or of closed klines."""
    if "closed" in table.column_names:
        table = table.filter(table.column("closed"))
    return BarRows.of(table)


def _tape(table: pa.Table) -> TradeRows:
    """Rows of trades, the venue's own numbers as theirs."""
    return TradeRows.of(table.rename_columns(["number" if name == "seq" else name for name in table.column_names]))


_NONE = pa.table({name: pa.array([], pa.int64() if name == "ts_open" else DECIMAL) for name in _NEEDED})
