"""Rows of a run as columns of whole numbers: prices in units, quantities in steps, times in nanoseconds UTC."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from marketprism_application.backtesting.book_columns import BookColumns
from marketprism_application.backtesting.instruments import Instrument
from marketprism_application.backtesting.marks import MarkColumns
from marketprism_application.backtesting.row_columns import RowColumns
from marketprism_domain.trading.halts import Halted

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
CHUNK: Final = 8_192
NO_PRICE: Final = -(1 << 62)  # of a side that has none
PHASES: Final = ("closed", "auction", "continuous", "section_end", "break", "halt")
CLOSED, AUCTION, CONTINUOUS, SECTION_END, BREAK, HALT = range(6)


@dataclass(frozen=True)
class BarColumns:
    """Bars of one interval. `volume` counts as many sides as the exchange did."""

    interval: str
    ts_open: Ints
    ts_close: Ints
    day: Ints  # trading day as YYYYMMDD
    open: Ints
    high: Ints
    low: Ints
    close: Ints
    volume: Ints
    gap: Flags

    def __len__(self) -> int:
        return len(self.ts_open)

    @property
    def time(self) -> Ints:
        """When each row is there: its end."""
        return self.ts_close

    def values(self) -> tuple[Ints | Flags, ...]:
        """All columns, in an order that does not change."""
        return self.ts_open, self.ts_close, self.day, self.open, self.high, self.low, self.close, self.volume, self.gap


@dataclass(frozen=True)
class TickColumns(RowColumns):
    """Snapshots or quotes. `volume` and `turnover` are of each row alone; sizes are 0 where a side has no price.

    `turnover` is in price units x quantity steps, so that turnover / volume is an average price.
    """

    ts: Ints
    ts_recv: Ints
    seq: Ints
    day: Ints
    last: Ints
    bid: Ints
    bid_size: Ints
    ask: Ints
    ask_size: Ints
    volume: Ints
    turnover: Ints
    limit_up: Ints
    limit_down: Ints
    phase: Ints


@dataclass(frozen=True)
class TradeColumns(RowColumns):
    """Trades of a tape; `taker` is 1 where the taker bought, -1 where it sold."""

    ts: Ints
    seq: Ints
    day: Ints
    price: Ints
    quantity: Ints
    taker: Ints


Columns: TypeAlias = BarColumns | TickColumns | TradeColumns | BookColumns | MarkColumns


class Hole(NamedTuple):
    """A gap of the ledger, or of bars that are not there: [ts_from, ts_to), noticed at `ts_noticed`."""

    ts_from: int
    ts_to: int
    ts_noticed: int
    cause: str


class FundingRow(NamedTuple):
    """A settlement of funding: its instant, the rate, and the mark price at it (None: the last price stands for it)."""

    ts: int
    rate: Decimal
    mark: Decimal | None = None


class Roll(NamedTuple):
    """At an instant positions of one contract are moved to another: two real orders."""

    ts: int
    venue: str
    leaves: str
    enters: str


class Lead(NamedTuple):
    """From an instant on a contract leads its product; a view's prices are its own times `factor` plus `shift`."""

    symbol: str
    ts: int
    factor: Decimal
    shift: Decimal


@dataclass(frozen=True)
class InstrumentData:
    """One instrument and its rows; prices of all columns are multiples of `unit`, quantities of `step`.

    `leads`: not an instrument but a view of the contracts that led a product, for signals. `silent`: a strategy is not
    given its rows. `settlements`: settlement prices by trading day (YYYYMMDD), `settled_before`
    those of the trading day before each. `halts`: when the venue did not let it trade.
    `release` of rows that are mapped from files takes what was read of them out of memory; it is read again on demand.
    """

    instrument: Instrument
    unit: Decimal
    step: Decimal
    bars: Mapping[str, BarColumns] = field(default_factory=dict)
    ticks: TickColumns | None = None
    trades: TradeColumns | None = None
    books: BookColumns | None = None
    marks: MarkColumns | None = None
    holes: tuple[Hole, ...] = ()
    funding: tuple[FundingRow, ...] = ()
    leads: tuple[Lead, ...] = ()
    silent: bool = False
    settlements: Mapping[str, Decimal] = field(default_factory=dict)
    settled_before: Mapping[str, Decimal] = field(default_factory=dict)
    halts: tuple[Halted, ...] = ()
    release: Callable[[], None] | None = field(default=None, compare=False)

    def let_go(self) -> None:
        """Take rows that are mapped out of memory; nothing happens to others."""
        if self.release is not None:
            self.release()

    @property
    def listed_as(self) -> tuple[str, str]:
        """Venue and symbol by which the calendar knows it."""
        return (self.instrument.venue, self.leads[0].symbol) if self.leads else self.instrument.key

    def series(self) -> list[tuple[str, Columns]]:
        """Every series with its name, bars by interval first."""
        found: list[tuple[str, Columns]] = [(f"bar.{name}", self.bars[name]) for name in sorted(self.bars)]
        if self.ticks is not None:
            found.append(("tick", self.ticks))
        if self.trades is not None:
            found.append(("trade", self.trades))
        if self.books is not None:
            found.append(("book", self.books))
        if self.marks is not None:
            found.append(("mark", self.marks))
        return [(name, each) for name, each in found if len(each)]


@dataclass(frozen=True)
class Selection:
    """The rows of a run: instruments in the order of venue and symbol, and rolls between them."""

    instruments: tuple[InstrumentData, ...]
    rolls: tuple[Roll, ...] = ()

    def bounds(self) -> tuple[int, int]:
        """First and last time of any row; (0, 0) without one."""
        first, last = [], []
        for data in self.instruments:
            for _, columns in data.series():
                first.append(int(columns.time[0]))
                last.append(int(columns.time[-1]))
            first += [int(columns.ts_open[0]) for columns in data.bars.values() if len(columns)]
            data.let_go()
        return (min(first), max(last)) if last else (0, 0)
