"""Files of `marketprism data export --format parquet`, with DuckDB, polars and pandas; none of MarketPrism is imported.

    marketprism data export rb2505 --out ./lake
    python parquet_files.py ./lake

The folders are in Hive layout: a question that names `kind` or `day` reads these files alone.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow.dataset as ds


def main(folder: str) -> None:
    """Print the same sums by three libraries."""
    files = str(Path(folder) / "**" / "*.parquet")

    query = "SELECT count(*), sum(volume), max(high) FROM read_parquet(?, hive_partitioning = true) WHERE kind = 'bar'"
    print("duckdb", *duckdb.execute(query, [files]).fetchall()[0])

    bars = pl.scan_parquet(files, hive_partitioning=True).filter(pl.col("kind") == "bar")
    print("polars", *bars.select(pl.len(), pl.col("volume").sum(), pl.col("high").max()).collect().row(0))

    table = ds.dataset(folder, partitioning="hive").to_table(filter=ds.field("kind") == "bar")
    frame = table.to_pandas(types_mapper=pd.ArrowDtype)
    print("pandas", len(frame), frame["volume"].sum(), frame["high"].max())


if __name__ == "__main__":
    main(sys.argv[1])
