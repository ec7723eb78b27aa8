"""Bars out of the Arrow stream of the HTTP API, with pandas, polars and DuckDB; none of MarketPrism is imported.

    python arrow_stream.py http://127.0.0.1:8080 rb2505

A key, where one is needed, stands in the file that MARKETPRISM_KEY_FILE names.
Prices and amounts are exact decimals in all three, times are nanoseconds since 1970.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from urllib.parse import quote
from urllib.request import Request, urlopen

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa


def bars_of(url: str, symbol: str, interval: str = "1m") -> pa.Table:
    """Every stored bar of an instrument, however many there are."""
    path = f"{url}/api/v1/bars/{quote(symbol)}/stream?interval={interval}&format=arrow"
    request = Request(path)  # noqa: S310 (the address is an argument)
    if key := os.environ.get("MARKETPRISM_KEY_FILE"):
        request.add_header("X-API-Key", Path(key).read_text(encoding="utf-8").strip())
    with urlopen(request, timeout=60) as answer, pa.ipc.open_stream(answer) as stream:  # noqa: S310  # nosec B310
        return stream.read_all()


def main(url: str, symbol: str) -> None:
    """Print the same sums by three libraries."""
    bars = bars_of(url, symbol)

    frame = bars.to_pandas(types_mapper=pd.ArrowDtype)
    print("pandas", len(frame), frame["volume"].sum(), frame["high"].max(), pd.to_datetime(frame["ts_open"].iloc[0]))

    table = pl.from_arrow(bars)
    assert isinstance(table, pl.DataFrame)  # noqa: S101 (of a table it is one)
    print("polars", *table.select(pl.len(), pl.col("volume").sum(), pl.col("high").max()).row(0))

    query = "SELECT count(*), sum(volume), max(high), make_timestamp_ns(min(ts_open)) FROM bars"
    print("duckdb", *duckdb.connect().execute(query).fetchall()[0])


if __name__ == "__main__":
    main(*sys.argv[1:3])
