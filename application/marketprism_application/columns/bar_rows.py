"""Bars as they come out, in order: rows of columns, and bars of the builder between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from marketprism_application.columns.decimals import ArrowArray, ByName, InexactColumn, Ints, arrow_decimals
from marketprism_application.columns.windows import Units, Windows
from marketprism_application.contracts.kinds import BAR
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.values import NANOS_PER_SECOND


class BarRows(NamedTuple):
    """Bars in the order in which they closed. `interval` is a number in the list of the settings, `trading_day` a
    day's digits."""

    interval: Ints
    trading_day: Ints
    revision: Ints
    windows: Windows


class BarTable:
    """Bars of one instrument in the order in which they came."""

    def __init__(self, venue: str, symbol: str, intervals: Sequence[str], schema: pa.Schema) -> None:
        self._venue, self._symbol = venue, symbol
        self._intervals = list(intervals)
        self._schema = schema
        self._pieces: list[list[Bar] | tuple[Units, list[BarRows]]] = []

    def add_bars(self, bars: list[Bar]) -> None:
        """Bars of the builder."""
        if not bars:
            return
        if self._pieces and not isinstance(self._pieces[-1], list):
            units, rows = self._pieces[-1]
            try:
                rows.append(self._rows(bars, units))
            except InexactColumn:
                pass
            else:
                return
        if self._pieces and isinstance(self._pieces[-1], list):
            self._pieces[-1] += bars
        else:
            self._pieces.append(list(bars))

    def add_rows(self, rows: BarRows, units: Units) -> None:
        """Bars that are columns already."""
        if self._pieces and not isinstance(self._pieces[-1], list) and self._pieces[-1][0][:4] == units[:4]:
            self._pieces[-1][1].append(rows)
        else:
            self._pieces.append((units, [rows]))

    def _rows(self, bars: list[Bar], units: Units) -> BarRows:
        """The builder's bars as columns. Raises InexactColumn: a number that has no place in the units."""
        names = self._intervals
        return BarRows(
            np.array([names.index(bar.interval) for bar in bars], np.int64),
            np.array([int(bar.trading_day) for bar in bars], np.int64),
            np.array([bar.revision for bar in bars], np.int64),
            units.windows_of_bars(bars),
        )

    def table(self) -> pa.Table:
        """All of them, as bars are stored; the next table begins anew."""
        pieces, self._pieces = self._pieces, []
        tables = [self._of_bars(piece) if isinstance(piece, list) else self._of_rows(*piece) for piece in pieces]
        return pa.concat_tables(tables) if tables else self._schema.empty_table()

    def _of_bars(self, bars: list[Bar]) -> pa.Table:
        columns = zip(*bars, strict=True)
        arrays = [
            pa.array(column, self._schema.field(name).type) for name, column in zip(BAR.fields, columns, strict=True)
        ]
        return pa.Table.from_arrays(arrays, schema=self._schema)

    def _of_rows(self, units: Units, pieces: list[BarRows]) -> pa.Table:
        interval, day, revision = (
            np.concatenate(columns) for columns in zip(*(piece[:3] for piece in pieces), strict=True)
        )
        rows = Windows(*(np.concatenate(columns) for columns in zip(*(piece.windows for piece in pieces), strict=True)))
        zeros = np.zeros(rows.size, np.int64)
        prices = {name: arrow_decimals(getattr(rows, name), units.price) for name in ("open", "high", "low", "close")}
        columns: ByName = {
            "venue": _chosen([self._venue], zeros),
            "symbol": _chosen([self._symbol], zeros),
            "source": _chosen(units.sources, rows.source),
            "epoch": rows.epoch,
            "seq": rows.ts_open // NANOS_PER_SECOND,
            "ts_event": rows.ts_close,
            "ts_recv": rows.ts_recv,
            "ts_pub": rows.ts_pub,
            "interval": _chosen(self._intervals, interval),
            "ts_open": rows.ts_open,
            "ts_close": rows.ts_close,
            "trading_day": _texts(day),
            **prices,
            "volume": arrow_decimals(rows.volume, units.volume),
            "turnover": arrow_decimals(rows.turnover, units.turnover),
            "open_interest": arrow_decimals(rows.interest, units.interest, rows.has_interest),
            "ticks": rows.ticks,
            "revision": revision,
            "gap": rows.gap,
        }
        arrays = [
            column if isinstance(column := columns[name], pa.Array) else pa.array(column, self._schema.field(name).type)
            for name in self._schema.names
        ]
        return pa.Table.from_arrays(arrays, schema=self._schema)


def _chosen(texts: Sequence[str], numbers: Ints) -> ArrowArray:
    """The texts that have these numbers."""
    return pa.array(list(texts), pa.string()).take(numbers)


def _texts(days: Ints) -> ArrowArray:
    unique, at = np.unique(days, return_inverse=True)
    return _chosen([f"{day:08d}" for day in unique.tolist()], at)


__all__ = ["BarRows", "BarTable"]
