"""The folder of a run: what it says, and its rows as Parquet and CSV, for programs that come after."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from marketprism_application.backtesting.errors import BacktestError
from marketprism_application.backtesting.orders import Evidence, Fill
from marketprism_application.backtesting.result import RunResult
from marketprism_application.integrity.exact_numbers import ArrowArray
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
        for name, table in _tables(result).items():
            pq.write_table(table, folder / f"{name}.parquet")
            pa_csv.write_csv(_texts(table), folder / f"{name}.csv")
            written += [folder / f"{name}.parquet", folder / f"{name}.csv"]
    except OSError as error:
        raise BacktestError(f"out: expected a folder that can be written, {folder}: {error.strerror}") from error
    return written


def _write_json(folder: Path, result: RunResult, options: BacktestOptions) -> Path:
    document = {
        "format": _FORMAT,
        **result.summary(),
        "settings": dict(result.settings),
        "instruments": [dict(each) for each in result.instruments],
        "conventions": {each.name: each.convention for each in result.statistics},
        "code": result.code,
        "digests": {name: dict(days) for name, days in result.digests.items()},
        "options": options.plain(),
        "log": [{"ts": ts, "text": text} for ts, text in result.logs],
    }
    path = folder / RUN_FILE
    partial = path.with_suffix(".partial")
    partial.write_text(json_text(document, indent=1), encoding="utf-8")
    partial.replace(path)
    return path


def _tables(result: RunResult) -> dict[str, pa.Table]:
    fills = [
        {
            **each._asdict(),
            "evidence": None,
            **{f"evidence_{name}": part for name, part in each.evidence._asdict().items()},
        }
        for each in result.fills
    ]
    for row in fills:
        del row["evidence"]
    before = [float(result.capital), *(float(day.equity) for day in result.days)]
    days = [
        {
            "date": f"{day.trading_day[:4]}-{day.trading_day[4:6]}-{day.trading_day[6:]}",
            **day._asdict(),
            "returns": float(day.equity) / start - 1 if start else 0.0,
        }
        for day, start in zip(result.days, before, strict=False)
    ]
    found = {
        "fills": _table(fills),
        "orders": _table([each._asdict() for each in result.orders]),
        "positions": _table([each._asdict() for each in result.trips]),
        "decisions": _table([each._asdict() for each in result.decisions]),
        "equity": _table(days),
    }
    if result.series:
        names = ("ts", "name", "value")
        found["series"] = _table([dict(zip(names, each, strict=True)) for each in result.series])
    return found


def _table(rows: Sequence[dict[str, object]]) -> pa.Table:
    if not rows:
        return pa.table({"ts": pa.array([], pa.int64())})
    columns: dict[str, list[object]] = {name: [row[name] for row in rows] for name in rows[0]}
    return pa.table({name: _array(column) for name, column in columns.items()})


def _array(column: list[object]) -> ArrowArray:
    if any(isinstance(each, Decimal) for each in column):
        return pa.array(column, pa.decimal128(38, 12))
    return pa.array(column)


def _texts(table: pa.Table) -> pa.Table:
    """A table as CSV has it: decimals without zeros behind them."""
    for number, field in enumerate(table.schema):
        if pa.types.is_decimal(field.type):
            plain = [
                None if each is None else format(each.normalize() + 0, "f") for each in table.column(number).to_pylist()
            ]
            table = table.set_column(number, field.name, pa.array(plain, pa.string()))
    return table


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
    found = []
    for row in pq.read_table(path).to_pylist():
        if "number" not in row:
            continue
        evidence = Evidence(*(row.pop(f"evidence_{name}") for name in Evidence._fields))
        plain = {name: each.normalize() + 0 if isinstance(each, Decimal) else each for name, each in row.items()}
        found.append(Fill._make([*(plain[name] for name in Fill._fields[:-1]), evidence]))
    return found


def active_orders(folder: Path) -> dict[int, int]:
    """When each order was sent, by its number."""
    path = folder / "orders.parquet"
    rows = pq.read_table(path).to_pylist() if path.is_file() else []
    return {row["number"]: row["ts"] for row in rows if "number" in row}
