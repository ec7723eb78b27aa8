"""Parquet in the layout of Hive: `kind=bar/day=2024-01-01/<venue>.<symbol>.1m.parquet`.

The columns are those of an answer, exact decimals and nanoseconds; `kind` and `day` (in UTC) stand in the path alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq

from marketprism_adapters.exports.series import Exported, ExportSeries, Tables, by_days, folder_of, moment, placed

_DAY_NS = 86_400 * 10**9


def write(series: ExportSeries, rows: Mapping[str, Tables], out: Path) -> Exported:
    """Rows of any kind, a file a day.

    Raises:
        SourceError: no rows, or no place.
    """
    files, counts = [], dict.fromkeys(rows, 0)
    for kind, tables in rows.items():
        for day, rows_of_day in by_days(tables, kind):
            interval = series.interval if "ts_open" in rows_of_day.column_names else ""
            name = ".".join(filter(None, (series.venue, series.symbol.replace("/", "_"), interval)))
            folder = folder_of(out / f"kind={kind}" / f"day={moment(day * _DAY_NS):%Y-%m-%d}")
            counts[kind] += rows_of_day.num_rows
            files.append(placed(folder / f"{name}.parquet", partial(pq.write_table, rows_of_day, compression="zstd")))
    return Exported(tuple(files), counts)
