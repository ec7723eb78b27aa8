"""Bars of a datafeed of VeighNa as rows of a file: what `rows_of` makes records of."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Protocol

import pyarrow as pa

from marketprism_application.contracts.times import CHINA
from marketprism_application.errors import SourceError
from marketprism_application.integrity.exact_numbers import ArrowArray
from marketprism_application.ports.imports import BAR_ROWS, DECIMAL, FileFacts, FileFault, FileSeries
from marketprism_domain.integrity.dataset import Dataset

_NO_NUMBER = 1e20  # vnpy's and CTP's largest number stands for none
_PRICES = ("open", "high", "low", "close")
_AMOUNTS = ("volume", "turnover", "open_interest")


class DatafeedBar(Protocol):
    """`vnpy.trader.object.BarData`, as far as it is read; `datetime` is when the bar opens, China's clocks where it has
    no zone."""

    datetime: datetime
    volume: float
    turnover: float
    open_interest: float
    open_price: float
    high_price: float
    low_price: float
    close_price: float


class DatafeedRows:
    """Fulfils `RowsFile`: the bars of one series. A bar without a price and without volume is none."""

    def __init__(self, name: str, dataset: Dataset, bars: Sequence[DatafeedBar]) -> None:
        self._name = name
        self._bars = [bar for bar in bars if not _is_placeholder(bar)]
        series = FileSeries("bar", dataset.venue, dataset.symbol, dataset.interval)
        # A bar of a day bears a date, which is found out; a shorter one when it opens, as VeighNa asks of datafeeds.
        stamped = "" if dataset.interval[-1] in "dw" else "open"
        self._facts = FileFacts(f"datafeed {name}", (series,), (), None, stamped)

    @property
    def facts(self) -> FileFacts:
        """One series, its bars at the times at which they open."""
        return self._facts

    def batches(self, series: FileSeries) -> Iterator[pa.RecordBatch]:  # noqa: ARG002 (there is one)
        """The bars as they came. Raises SourceError: one has no time, or no number for a price; names it."""
        bars = self._bars
        count = len(bars)
        columns: dict[str, ArrowArray] = {
            "ts_open": pa.array([self._time(bar, at) for at, bar in enumerate(bars, 1)], pa.int64()),
            "row": pa.array(range(1, count + 1), pa.int64()),
            "digits": pa.array([0] * count, pa.int64()),
        }
        for name in _PRICES:
            values = [self._price(getattr(bar, f"{name}_price"), name, bar) for bar in bars]
            columns[name] = pa.array(values, DECIMAL)
        for name in _AMOUNTS:
            amounts = [_number(getattr(bar, name)) for bar in bars]
            if name != "volume" and not any(amounts):  # vnpy has 0 where a datafeed has none
                continue
            columns[name] = pa.array(amounts, DECIMAL)
        arrays = [columns[each.name] if each.name in columns else pa.nulls(count, each.type) for each in BAR_ROWS]
        yield pa.RecordBatch.from_arrays(arrays, schema=BAR_ROWS)

    def __len__(self) -> int:
        return len(self._bars)

    def faults(self) -> Sequence[FileFault]:
        """None: what is wrong with a bar, reading it says."""
        return ()

    def _time(self, bar: DatafeedBar, at: int) -> int:
        moment: object = bar.datetime
        if not isinstance(moment, datetime):
            raise SourceError(f"datafeed {self._name}: bar {at}: datetime: expected a time, was {moment!r}"[:300])
        zoned = moment if moment.tzinfo is not None else moment.replace(tzinfo=CHINA)
        return int(zoned.timestamp()) * 1_000_000_000

    def _price(self, value: float, name: str, bar: DatafeedBar) -> Decimal:
        found = _number(value)
        if found is None:
            raise SourceError(f"datafeed {self._name}: {bar.datetime}: {name}: expected a number, was {value!r}"[:300])
        return found


def _is_placeholder(bar: DatafeedBar) -> bool:
    """Whether it stands for a time without a trade: no price at all, or 0 in the place of none, and no volume."""
    return not any(_number(getattr(bar, f"{name}_price")) for name in _PRICES) and not _number(bar.volume)


def _number(value: float | None) -> Decimal | None:
    """A number of a float by its shortest text, which is the one that it was made of; None of what stands for none."""
    if value is None or not math.isfinite(value) or abs(value) >= _NO_NUMBER:
        return None
    return Decimal(repr(float(value)))


__all__ = ["DatafeedBar", "DatafeedRows"]
