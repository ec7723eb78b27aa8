"""Parquet in the layout of Hive: `kind=bar/day=2024-01-01/<venue>.<symbol>.1m.parquet`.

The columns are those of an answer, exact decimals and nanoseconds; `kind` and `day` (in UTC) stand in the path alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from marketprism_adapters.exports.series import Exported, ExportSeries, Tables, folder_of, ints, moment, whole
from marketprism_sdk.durable_files import place_file

_DAY_NS = 86_400 * 10**9


def write(series: ExportSeries, rows: Mapping[str, Tables], out: Path) -> Exported:
    """Rows of any kind, a file a day.

    Raises:
        SourceError: no rows, or no place.
    """
    files, counts = [], {}
    for kind, tables in rows.items():
        table = whole(tables, kind)
        counts[kind] = table.num_rows
        days = ints(table, "ts_open" if "ts_open" in table.column_names else "ts_event") // _DAY_NS
        parts = (
            series.venue,
            series.symbol.replace("/", "_"),
            series.interval if "ts_open" in table.column_names else "",
        )
        name = ".".join(part for part in parts if part)
        if (np.diff(days) < 0).any():
            order = np.argsort(days, kind="stable")
            table, days = table.take(order), days[order]
        found, begins = np.unique(days, return_index=True)
        for day, begin, end in zip(found.tolist(), begins.tolist(), [*begins.tolist()[1:], len(days)], strict=True):
            folder = folder_of(out / f"kind={kind}" / f"day={moment(day * _DAY_NS):%Y-%m-%d}")
            path = folder / f"{name}.parquet"
            rows_of_day = table.slice(begin, end - begin)
            place_file(path, partial(pq.write_table, rows_of_day, compression="zstd"))
            files.append(path)
    return Exported(tuple(files), counts)
