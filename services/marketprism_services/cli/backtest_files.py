"""The folder of a run: what it says, and its rows as Parquet and CSV, for programs that come after."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from marketprism_application.backtesting.errors import BacktestError
from marketprism_application.backtesting.orders import Fill
from marketprism_application.backtesting.result import RunResult
from marketprism_application.backtesting.result_tables import (
    active_of,
    as_texts,
    derived_tables,
    fills_of,
    result_tables,
    run_document,
)
from marketprism_services.cli.backtest_options import BacktestOptions

RUN_FILE = "run.json"
_FORMAT = 1


def json_text(value: object, *, indent: int | None = None) -> str:
    """JSON of plain values; decimals become numbers with the digits that they have."""
    marks: dict[str, str] = {}

    def marked(each: object) -> object:
        if isinstance(each, Decimal):
            number = format(each.normalize() + 0, "f")
            marks[f'"\x01{number}\x01"'.replace("\x01", "\\u0001")] = number
            return f"\x01{number}\x01"
        if isinstance(each, dict):
            return {str(name): marked(part) for name, part in each.items()}
        if isinstance(each, list | tuple):
            return [marked(part) for part in each]
        if isinstance(each, float) and each != each:  # noqa: PLR0124 (NaN, which JSON does not have)
            return None
        return each

    text = json.dumps(marked(value), ensure_ascii=False, indent=indent)
    for quoted, number in marks.items():
        text = text.replace(quoted, number)
    return text


def write_run(folder: Path, result: RunResult, options: BacktestOptions) -> list[Path]:
    """Write a run into a folder, which is made; returns the files. Raises BacktestError: it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        written = [_write_json(folder, result, options)]
        for name, table in {**result_tables(result), **derived_tables(result)}.items():
            pq.write_table(table, folder / f"{name}.parquet")
            pa_csv.write_csv(as_texts(table), folder / f"{name}.csv")
            written += [folder / f"{name}.parquet", folder / f"{name}.csv"]
    except OSError as error:
        raise BacktestError(f"out: expected a folder that can be written, {folder}: {error.strerror}") from error
    return written


def _write_json(folder: Path, result: RunResult, options: BacktestOptions) -> Path:
    document = {"format": _FORMAT, **run_document(result), "options": options.plain()}
    path = folder / RUN_FILE
    partial = path.with_suffix(".partial")
    partial.write_text(json_text(document, indent=1), encoding="utf-8")
    partial.replace(path)
    return path


def read_run(folder: Path) -> dict[str, object]:
    """What a folder says of its run. Raises BacktestError: it holds none, or one of another version."""
    path = folder / RUN_FILE if folder.is_dir() else folder
    try:
        found = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as error:
        raise BacktestError(f"run: expected a folder with {RUN_FILE}, was {str(folder)!r}") from error
    except ValueError as error:
        raise BacktestError(f"run: expected JSON in {path}: {error}") from error
    if not isinstance(found, dict) or found.get("format") != _FORMAT:
        raise BacktestError(f"run: expected format {_FORMAT} in {path}")
    return found


def read_fills(folder: Path) -> list[Fill]:
    """The fills of a run. Raises BacktestError: they are not there."""
    path = folder / "fills.parquet"
    if not path.is_file():
        raise BacktestError(f"fills: expected {path}, there is none")
    return fills_of(pq.read_table(path))


def active_orders(folder: Path) -> dict[int, int]:
    """When each order was sent, by its number."""
    path = folder / "orders.parquet"
    return active_of(pq.read_table(path)) if path.is_file() else {}
