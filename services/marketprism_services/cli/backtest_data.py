"""The rows of a backtest: recordings, files of bars or trades, or what a running pipeline has stored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import cast

import numpy as np

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_adapters.imports.registry import open_rows_file
from marketprism_adapters.sources.registry import replay_spec
from marketprism_adapters.trading_tables.files import FileTables
from marketprism_application.backtesting import terms
from marketprism_application.backtesting.book_tables import BookAndTape, book_and_tape, marks_of
from marketprism_application.backtesting.columns import FundingRow, Hole, InstrumentData, Selection
from marketprism_application.backtesting.continuous_view import named_rolls, with_view
from marketprism_application.backtesting.errors import BacktestError, NoDataError
from marketprism_application.backtesting.instruments import Instrument
from marketprism_application.backtesting.options import TermsGiven
from marketprism_application.backtesting.recorded_books import RecordedBooks
from marketprism_application.backtesting.settings import FillMode
from marketprism_application.backtesting.stored_rows import RowsAsked
from marketprism_application.backtesting.tables import (
    Steps,
    bars_of_records,
    bars_of_rows,
    holes_of,
    settlements_of,
    ticks_of_records,
    trades_of_rows,
)
from marketprism_application.contracts.nearest import did_you_mean
from marketprism_application.errors import SourceError
from marketprism_application.integrity.bar_rows import BarRows, joined
from marketprism_application.integrity.catalogue import BARS, FUNDING, TRADES
from marketprism_application.integrity.trade_rows import TradeRows
from marketprism_application.integrity.trade_rows import joined as joined_trades
from marketprism_application.ports.imports import FileHints, FileSeries, RowsFile
from marketprism_domain.instruments.names import product_of
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.sessions.trading_days import day_of, utc_day_text
from marketprism_domain.trading.halts import Halted
from marketprism_services.cli.backtest_recordings import ReadRecordings, read_recordings
from marketprism_services.cli.options import settings_of
from marketprism_services.wiring.sources import source_of

_READ = frozenset((BARS, TRADES, FUNDING))


@dataclass(frozen=True)
class DataAsked:
    """Which rows a run is of."""

    files: tuple[Path, ...]
    interval: str
    fill: FillMode
    detail: str = ""
    symbol: str = ""
    venue: str = ""
    ts_from: int | None = None
    ts_to: int | None = None
    terms: TermsGiven = field(default_factory=TermsGiven)
    config: Path | None = None
    rolls: str = ""
    adjust: str = "difference"
    halts: tuple[tuple[str, Halted], ...] = ()  # each of a symbol, of all where that is empty

    @property
    def wants_ticks(self) -> bool:
        """Whether ticks are what fills, or what decides inside a bar."""
        return self.rows.wants_ticks

    @property
    def rows(self) -> RowsAsked:
        """The same of a store."""
        return RowsAsked(
            self.interval, self.fill, self.detail, self.venue, self.ts_from, self.ts_to, adjust=self.adjust
        )


class FileRows:
    """Rows of files, as a run takes them; `remarks` are what was done to them, `read` is how recordings are read."""

    def __init__(self, asked: DataAsked, calendar: MarketCalendar, read: ReadRecordings = read_recordings) -> None:
        self._asked, self._calendar, self._read = asked, calendar, read
        self.remarks: list[str] = []

    def selection(self) -> Selection:
        """Every instrument of the files, in the order of venue and symbol.

        Raises:
            SourceError: a file cannot be read. NoDataError: there is no row that the run needs.
        """
        files, recordings = [], []
        for path in self._asked.files:
            if not path.exists():
                raise SourceError(f"file {path}: expected a file, was none")
            file = None if path.is_dir() else self._rows_file(path)
            if file is None:
                recordings.append(path)
            else:
                files.append(file)
        found = {data.instrument.key: data for data in self._of_recordings(recordings)} if recordings else {}
        for data in self._of_files(files):
            if data.instrument.key in found:
                raise BacktestError(f"data: expected {data.instrument.symbol} once, was in a recording and in a file")
            found[data.instrument.key] = data
        instruments = with_halts([found[key] for key in sorted(found)], self._asked.halts)
        if not self._asked.rolls:
            return Selection(instruments)
        product = product_of(instruments[0].instrument.symbol)
        return with_view(product, instruments, named_rolls(self._asked.rolls, instruments), self._asked.adjust)

    def _rows_file(self, path: Path) -> RowsFile | None:
        """A file of rows; None for a recording of ticks, which says of itself what is wrong with it."""
        hints = FileHints(self._asked.venue, self._asked.symbol, self._asked.interval)
        try:
            return open_rows_file(path, hints)
        except SourceError as error:
            try:
                settings = settings_of(self._asked.config, source={"spec": replay_spec([str(path)]), "checked": True})
                source_of(settings, self._calendar)
            except SourceError:
                raise error from None
            return None

    # Recordings

    def _of_recordings(self, paths: Sequence[Path]) -> Iterable[InstrumentData]:
        settings = settings_of(
            self._asked.config, source={"spec": replay_spec([str(path) for path in paths]), "checked": True}
        )
        found = self._read(settings, self._calendar, self._asked.interval or "1m")
        if found.rejected:
            self.remarks.append(f"{sum(found.rejected.values())} ticks were rejected: {dict(found.rejected)}")
        bars: dict[tuple[str, str], list[Bar]] = {}
        for bar in found.bars:
            if self._inside(bar.ts_open):
                bars.setdefault((bar.venue, bar.symbol), []).append(bar)
        for key in sorted(bars.keys() | found.ticks.keys()):
            mine = [tick for tick in found.ticks.get(key, ()) if self._inside(tick.ts_event)]
            if mine or bars.get(key):
                yield self._recorded(key, mine, bars.get(key, []), found.gaps.get(key, ()), found.beside)

    def _recorded(
        self, key: tuple[str, str], ticks: list[Tick], bars: list[Bar], gaps: Iterable[Gap], beside: RecordedBooks
    ) -> InstrumentData:
        day = ticks[0].trading_day if ticks else bars[0].trading_day
        instrument = self._instrument(*key, day)
        tape = self._tape(instrument, beside)
        columns, steps = None, None if tape is None else tape.steps
        if self._asked.wants_ticks:
            columns, steps = ticks_of_records(instrument, ticks, steps)
        of_bars = {}
        if bars and (self._asked.interval or self._asked.fill is FillMode.BAR):
            found = bars_of_records(instrument, bars[0].interval, bars, steps)
            of_bars, steps = {bars[0].interval: found.columns}, found.steps
        if steps is None:
            raise NoDataError(f"bars of {key[1]}: expected some, was none")
        # Of ticks that the run is of: a store and a stream give a run of bars none.
        settled, before = settlements_of(ticks if columns is not None else ())
        return InstrumentData(
            instrument,
            steps.unit,
            steps.step,
            of_bars,
            columns,
            None if tape is None else tape.trades,
            None if tape is None else tape.books,
            marks_of(instrument, beside.marks.get(key, []), self._calendar.schedule(*key), steps.unit),
            holes=holes_of(gaps),
            funding=tuple(row for row in beside.funding(key) if self._inside(row.ts)),
            settlements=settled,
            settled_before=before,
        )

    def _tape(self, instrument: Instrument, beside: RecordedBooks) -> BookAndTape | None:
        """The book and the trades of a recording where those are what fills; None where it has none of either."""
        books, trades = beside.books.get(instrument.key, []), beside.trades.get(instrument.key, [])
        if self._asked.fill is not FillMode.QUEUE or not books:
            return None
        end = self._asked.ts_to
        books = [book for book in books if end is None or book.ts_event < end]  # what is before begins the book
        trades = [trade for trade in trades if self._inside(trade.ts_event)]
        return book_and_tape(instrument, books, trades, self._calendar.schedule(*instrument.key))

    # Files of bars and of trades

    def _of_files(self, files: Sequence[RowsFile]) -> Iterable[InstrumentData]:
        parts: dict[tuple[str, str], dict[FileSeries, list[RowsFile]]] = {}
        for file in files:
            for series in file.facts.series:
                if not series.symbol:
                    raise SourceError(
                        "symbol: expected the instrument of the file's rows, which do not name it; give --symbol"
                    )
                if series.kind in _READ:
                    parts.setdefault((series.venue or "unnamed", series.symbol), {}).setdefault(series, []).append(file)
        for key, of_series in parts.items():
            yield self._of_series(key, of_series)

    def _of_series(self, key: tuple[str, str], parts: dict[FileSeries, list[RowsFile]]) -> InstrumentData:
        schedule = self._calendar.schedule(*key)
        bars: dict[str, list[BarRows]] = {}
        stamped: dict[str, str] = {}
        trades: list[TradeRows] = []
        funding: list[FundingRow] = []
        sides: list[np.ndarray[tuple[int], np.dtype[np.int64]]] = []
        for series, files in parts.items():
            for file in files:
                for batch in file.batches(series):
                    if series.kind == FUNDING:
                        times = cast("list[int]", batch.column("ts_event").to_pylist())
                        rates = cast("list[Decimal]", batch.column("rate").to_pylist())
                        paid = zip(times, rates, strict=True)
                        funding += [FundingRow(ts, rate) for ts, rate in paid if self._inside(ts)]
                    elif series.kind == BARS:
                        bars.setdefault(series.interval, []).append(BarRows.of(batch))
                        stamped[series.interval] = file.facts.stamped
                    else:
                        trades.append(TradeRows.of(batch))
                        names = batch.column("side").to_pylist()
                        sides.append(np.array([-1 if each == "sell" else 1 for each in names], dtype=np.int64))
        if not bars and not trades:
            raise NoDataError(f"bars of {key[1]}: expected some, was none")
        first = min([int(each[0].ts[0]) for each in bars.values()] + [int(each.ts[0]) for each in trades])
        instrument = self._instrument(*key, utc_day_text(first))
        steps: Steps | None = None
        columns = {}
        holes: list[Hole] = []
        for interval in sorted(bars, key=lambda each: -sum(len(part) for part in bars[each])):
            rows = joined(bars[interval])
            rows = rows.taken(np.array([self._inside(int(ts)) for ts in rows.ts], dtype=np.bool_))
            found = bars_of_rows(instrument, interval, rows, schedule, stamped[interval], steps)
            columns[interval], steps = found.columns, found.steps
            holes += found.holes if not holes else []
            self.remarks += found.remarks
        tape = None
        if trades:
            tape, steps = trades_of_rows(instrument, joined_trades(trades), np.concatenate(sides), schedule, steps)
        assert steps is not None  # noqa: S101 (there are rows)
        return InstrumentData(
            instrument, steps.unit, steps.step, columns, trades=tape, holes=tuple(holes), funding=tuple(sorted(funding))
        )

    def _inside(self, ts: int) -> bool:
        first, last = self._asked.ts_from, self._asked.ts_to
        return (first is None or ts >= first) and (last is None or ts < last)

    def _instrument(self, venue: str, symbol: str, day: str) -> Instrument:
        return instrument_of(venue, symbol, day_of(day), self._asked.terms)


def with_halts(found: Sequence[InstrumentData], halts: Sequence[tuple[str, Halted]]) -> tuple[InstrumentData, ...]:
    """The rows with the halts that are given for them, beside those that they have; a halt without a symbol is of all.

    Raises:
        BacktestError: a symbol that there is not.
    """
    symbols = [data.instrument.symbol for data in found]
    for symbol, _ in halts:
        if symbol and symbol not in symbols:
            near = did_you_mean(symbol, symbols)
            raise BacktestError(f"halts: expected one of {', '.join(symbols)}, was {symbol!r}{near}")
    mine = [tuple(halt for of, halt in halts if of in ("", symbol)) for symbol in symbols]
    return tuple(replace(data, halts=(*data.halts, *given)) for data, given in zip(found, mine, strict=True))


def instrument_of(venue: str, symbol: str, on: date, given: TermsGiven) -> Instrument:
    """The terms of an instrument: as they are given, else by the tables that come with the product, else none."""
    return terms.instrument_of(FileTables.read(), venue, symbol, on, given)


def calendar_of(config: Path | None) -> MarketCalendar:
    """The calendar of the settings."""
    return chinese_calendar_of_markets(settings_of(config).calendar)
