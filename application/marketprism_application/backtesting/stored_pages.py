"""Pages of stored bars and ticks made into columns as they come, without a record for any row."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from marketprism_application.backtesting.columns import BarColumns, Ints, TickColumns
from marketprism_application.backtesting.instruments import Instrument
from marketprism_application.backtesting.tables import (
    BarNumbers,
    Steps,
    TickNumbers,
    bars_of_numbers,
    phase_code,
    ticks_of_numbers,
)
from marketprism_application.integrity.exact_numbers import (
    ArrowArray,
    ArrowColumn,
    ExactNumbers,
    concatenated,
    exact_numbers,
)
from marketprism_domain.trading.arithmetic import ZERO

_BAR_NUMBERS = ("open", "high", "low", "close", "volume")
_TICK_PRICES = ("last", "limit_up", "limit_down")
_TICK_SUMS = ("volume", "turnover", "traded", "traded_turnover")


class Head(NamedTuple):
    """Whose rows they are, by the first of them."""

    venue: str
    symbol: str
    trading_day: str


class _Pages:
    """Columns of pages, one part a page."""

    def __init__(self) -> None:
        self.head: Head | None = None
        self.venues: set[str] = set()
        self._numbers: dict[str, list[ExactNumbers]] = {}
        self._ints: dict[str, list[Ints]] = {}

    def _note(self, page: pa.Table) -> bool:
        """Whether there is a row."""
        if not page.num_rows:
            return False
        if self.head is None:
            first = page.slice(0, 1).select(["venue", "symbol", "trading_day"]).to_pylist()[0]
            self.head = Head(**{name: str(value) for name, value in first.items()})
        self.venues |= {str(each) for each in pc.unique(page.column("venue")).to_pylist()}
        return True

    def _add(self, name: str, numbers: ExactNumbers) -> None:
        self._numbers.setdefault(name, []).append(numbers)

    def _add_ints(self, page: pa.Table, *names: str) -> None:
        for name in names:
            values = page.column(name).to_numpy().astype(np.int64)
            self._ints.setdefault(name, []).append(values)

    def _add_days(self, page: pa.Table) -> None:
        self._ints.setdefault("day", []).append(_by_value(page.column("trading_day"), int))

    def _whole(self, name: str) -> ExactNumbers:
        return concatenated(self._numbers[name])

    def _whole_ints(self, name: str) -> Ints:
        return np.concatenate(self._ints[name])


class BarPages(_Pages):
    """Bars of one series."""

    def add(self, page: pa.Table) -> None:
        """Take a page, in order of time."""
        if not self._note(page):
            return
        self._add_ints(page, "ts_open", "ts_close", "gap")
        self._add_days(page)
        for name in _BAR_NUMBERS:
            self._add(name, exact_numbers(page.column(name)))

    def columns(self, instrument: Instrument, interval: str, steps: Steps | None) -> tuple[BarColumns, Steps]:
        """The bars of all pages on the instrument's grid."""
        ts_open, ts_close, day, gap = map(self._whole_ints, ("ts_open", "ts_close", "day", "gap"))
        of_rows = (ts_open, ts_close, day, *map(self._whole, _BAR_NUMBERS), gap.astype(np.bool_))
        numbers = BarNumbers._make(of_rows)
        return bars_of_numbers(instrument, interval, numbers, steps)


class TickPages(_Pages):
    """Ticks of one instrument."""

    def __init__(self) -> None:
        super().__init__()
        self._of_trades = False  # made of trades: volumes are of each row alone
        self._settled: dict[str, Decimal] = {}
        self._settled_before: dict[str, Decimal] = {}

    def add(self, page: pa.Table) -> None:
        """Take a page, in the order of its numbers."""
        if not self._note(page):
            return
        self._add_ints(page, "ts_event", "ts_recv", "seq")
        self._add_days(page)
        self._ints.setdefault("phase", []).append(_by_value(page.column("phase"), phase_code))
        for name in _TICK_PRICES:
            self._add(name, exact_numbers(page.column(name)))
        for name in _TICK_SUMS:
            column = page.column(name)
            self._of_trades = self._of_trades or (name == "traded" and column.null_count < len(column))
            self._add(name, exact_numbers(_one_piece(column).fill_null(ZERO)))
        self._note_settlements(page)
        for name, side in (("bid", "bids"), ("ask", "asks")):
            price, size = _best(page.column(side))
            self._add(name, price)
            self._add(f"{name}_size", size)

    def _note_settlements(self, page: pa.Table) -> None:
        """They change once a day: of each trading day and price one row is enough."""
        for name, known in (("settlement", self._settled), ("pre_settlement", self._settled_before)):
            column = page.column(name)
            if column.null_count == len(column):
                continue
            pairs = page.select(["trading_day", name]).filter(pc.is_valid(column))
            days = _one_piece(pairs.column("trading_day"))
            for day in pc.unique(days).to_pylist():
                of_day = pairs.filter(pc.equal(days, pa.scalar(day, days.type)))
                known[str(day)] = of_day.column(name)[-1].as_py()

    def settlements(self) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
        """Settlement prices by trading day (YYYYMMDD), and those of the trading day before each, as far as snapshots
        have them."""
        return self._settled, self._settled_before

    def columns(self, instrument: Instrument, steps: Steps | None) -> tuple[TickColumns, Steps]:
        """The ticks of all pages on the instrument's grid."""
        traded = (self._whole("traded"), self._whole("traded_turnover")) if self._of_trades else None
        names = ("last", "bid", "bid_size", "ask", "ask_size", "limit_up", "limit_down", "volume", "turnover")
        ts, ts_recv, seq, day, phase = map(self._whole_ints, ("ts_event", "ts_recv", "seq", "day", "phase"))
        numbers = TickNumbers._make((ts, ts_recv, seq, day, phase, *map(self._whole, names), traded))
        return ticks_of_numbers(instrument, numbers, steps)


def _one_piece(column: ArrowColumn) -> ArrowArray:
    """A column as one array, which older versions answer within a chunked one."""
    if not isinstance(column, pa.ChunkedArray):
        return column
    found: object = column.combine_chunks()
    if isinstance(found, pa.ChunkedArray):
        found = found.chunk(0)
    assert isinstance(found, pa.Array)  # noqa: S101 (there are rows)
    return found


def _by_value(column: ArrowColumn, number: Callable[[str], int]) -> Ints:
    """Texts of which there are few, each as a number."""
    array = _one_piece(column)
    encoded = array if isinstance(array, pa.DictionaryArray) else array.dictionary_encode()
    assert isinstance(encoded, pa.DictionaryArray)  # noqa: S101 (as it was encoded)
    values = np.array([number(str(each or "")) for each in encoded.dictionary.to_pylist()] or [0], dtype=np.int64)
    found: Ints = values[encoded.indices.fill_null(0).to_numpy(zero_copy_only=False).astype(np.intp)]
    return found


def _best(column: ArrowColumn) -> tuple[ExactNumbers, ExactNumbers]:
    """Price and quantity of the first level of each row, where it has one."""
    lists = _one_piece(column)
    assert isinstance(lists, pa.ListArray)  # noqa: S101 (as levels are stored)
    offsets = lists.offsets.to_numpy()
    there = np.diff(offsets) > 0
    if lists.null_count:
        there &= lists.is_valid().to_numpy(zero_copy_only=False)
    first = pa.array(offsets[:-1], mask=~there)
    levels = cast("pa.StructArray", lists.values)
    price, size = (exact_numbers(levels.field(number).take(first)) for number in (0, 1))
    return price, size


__all__ = ["BarPages", "Head", "TickPages"]
