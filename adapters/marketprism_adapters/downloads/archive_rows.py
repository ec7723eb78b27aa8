"""Rows of a file of an archive, in the columns of their kind."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa

from marketprism_adapters.imports.registry import open_rows_file
from marketprism_application.downloads.planning import Grid
from marketprism_application.integrity.exact_numbers import ArrowArray
from marketprism_application.ports.imports import FileHints
from marketprism_application.queries.arrow_tables import DECIMAL, schema_of
from marketprism_domain.integrity.dataset import Dataset

_NANOS_PER_MS = 1_000_000
_TIMES = ("volume", "taker_buy_volume", "quantity", "open_interest")
Columns = dict[str, ArrowArray]


def rows_of(path: Path, dataset: Dataset, market: str, source: str, size: Decimal | None) -> pa.Table:
    """The rows of a file as a venue's own answers have them; `size` is what a contract is worth where it counts those.

    Raises:
        SourceError: it is no file of that series, or damaged.
    """
    file = open_rows_file(path, FileHints(market, dataset.symbol, dataset.interval))
    series = file.facts.series[0]
    schema = schema_of(dataset.kind)
    batches = [_batch(batch, dataset, source, size) for batch in file.batches(series)]
    return pa.Table.from_batches(batches, schema) if batches else schema.empty_table()


def _batch(batch: pa.RecordBatch, dataset: Dataset, source: str, size: Decimal | None) -> pa.RecordBatch:
    count = batch.num_rows
    columns: Columns = {name: batch.column(name) for name in batch.schema.names}
    if size is not None:
        columns |= dict(_amounts(columns, size))
    zeros = pa.array(np.zeros(count, dtype=np.int64))
    columns |= dict.fromkeys(("epoch", "ts_recv", "ts_pub"), zeros)
    if dataset.interval:
        closes = columns["ts_open"].to_numpy() + Grid.of(dataset.interval).step
        columns["ts_close"] = columns["ts_event"] = pa.array(closes)
        columns["seq"] = pa.array((closes - 1) // _NANOS_PER_MS)
        columns["closed"] = pa.array(np.ones(count, dtype=np.bool_))
    elif "number" in columns:
        columns["seq"] = columns["number"]
        columns["off_book"] = pa.array(np.zeros(count, dtype=np.bool_))
        columns["liquidation"] = _same("", count)
    else:
        times = columns["ts_event"].to_numpy()
        columns["seq"] = pa.array(times // _NANOS_PER_MS)
        columns["settled"] = pa.array(np.ones(count, dtype=np.bool_))
        columns["ts_funding"] = columns["ts_event"]
    for name, text in (("venue", dataset.venue), ("symbol", dataset.symbol), ("source", source)):
        columns[name] = _same(text, count)
    columns["interval"] = _same(dataset.interval, count)
    schema = schema_of(dataset.kind)
    arrays = [columns[field.name] if field.name in columns else pa.nulls(count, field.type) for field in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _amounts(columns: Columns, size: Decimal) -> Iterator[tuple[str, ArrowArray]]:
    """Contracts as amounts of money; what the file wrote stays beside a trade."""
    for name in _TIMES:
        if name in columns:
            amounts = [None if each is None else each * size for each in columns[name].to_pylist()]
            yield name, pa.array(amounts, DECIMAL)
            if name == "volume":
                yield "turnover", pa.array(amounts, DECIMAL)
            if name in ("quantity", "open_interest"):
                yield "contracts", columns[name]


def _same(text: str, count: int) -> ArrowArray:
    return pa.repeat(pa.scalar(text, pa.string()), count)


__all__ = ["rows_of"]
