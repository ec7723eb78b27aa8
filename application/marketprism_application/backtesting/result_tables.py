"""The rows behind a result as tables, and back: what a folder, a document or a page of a run is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import pyarrow as pa

from marketprism_application.backtesting.breakdown import breakdown, rolling
from marketprism_application.backtesting.identity import digest_of
from marketprism_application.backtesting.orders import Evidence, Fill, RoundTrip
from marketprism_application.backtesting.result import RunResult
from marketprism_application.integrity.exact_numbers import ArrowArray

_PLACES = 12
_NUMBER = pa.decimal128(38, _PLACES)


def run_document(result: RunResult) -> dict[str, object]:
    """What a run says of itself, but for its rows: what is compared with another one."""
    return {
        **result.summary(),
        "settings": dict(result.settings),
        "instruments": [dict(each) for each in result.instruments],
        "conventions": {each.name: each.convention for each in result.statistics},
        "code": result.code,
        "ts_end": result.ts_end,
        "digests": {name: dict(days) for name, days in result.digests.items()},
        "log": [{"ts": ts, "text": text} for ts, text in result.logs],
    }


def ended_at(document: Mapping[str, object]) -> int | None:
    """When the run of a document ended, nanoseconds of event time; None where an older program has written it."""
    found = document.get("ts_end")
    return found if isinstance(found, int) else None


def brief_document(result: RunResult) -> dict[str, object]:
    """What a sweep keeps of a run: its numbers, its equity by trading day, and a digest of all that happened."""
    happened = [[list(each) for each in rows] for rows in (result.orders, result.fills, result.trips, result.days)]
    return {
        **result.summary(),
        "days": [[day.trading_day, day.equity] for day in result.days],
        "outcome": digest_of(happened),
    }


def result_tables(result: RunResult) -> dict[str, pa.Table]:
    """The rows behind a result: fills, orders, positions, decisions, equity, and series where there are any."""
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


def derived_tables(result: RunResult) -> dict[str, pa.Table]:
    """What follows from these rows: positions in groups, and 60 days back from each day, where there are any."""
    days = [(day.trading_day, float(day.equity)) for day in result.days]
    found = {"groups": groups_table(result.trips), "rolling": rolling_table(days, float(result.capital))}
    return {name: table for name, table in found.items() if table.num_rows}


def groups_table(trips: Sequence[RoundTrip]) -> pa.Table:
    """Positions by side, symbol, session, weekday and hour, a row a group."""
    return _table([each._asdict() for each in breakdown(trips)])


def rolling_table(days: Sequence[tuple[str, float]], capital: float) -> pa.Table:
    """60 days back from each day, of trading days and the equity at their ends."""
    return _table([each._asdict() for each in rolling([day for day, _ in days], [each for _, each in days], capital)])


def trips_of(table: pa.Table) -> list[RoundTrip]:
    """The positions of a table of `result_tables`."""
    found = []
    for row in table.to_pylist():
        if "ts_entry" not in row:
            continue
        found.append(RoundTrip(**{name: row[name] for name in RoundTrip._fields if row.get(name) is not None}))
    return found


def _table(rows: Sequence[dict[str, object]]) -> pa.Table:
    if not rows:
        return pa.table({"ts": pa.array([], pa.int64())})
    columns: dict[str, list[object]] = {name: [row[name] for row in rows] for name in rows[0]}
    return pa.table({name: _array(column) for name, column in columns.items()})


def _array(column: list[object]) -> ArrowArray:
    if any(isinstance(each, Decimal) for each in column):
        # Averages have no end: they are rounded to the twelve places that a table has.
        return pa.array([_rounded(each) if isinstance(each, Decimal) else each for each in column], _NUMBER)
    return pa.array(column)


def _rounded(number: Decimal) -> Decimal:
    exponent = number.as_tuple().exponent
    return number if isinstance(exponent, int) and exponent >= -_PLACES else round(number, _PLACES)


def as_texts(table: pa.Table) -> pa.Table:
    """A table as CSV has it: decimals without zeros behind them."""
    for number, field in enumerate(table.schema):
        if pa.types.is_decimal(field.type):
            plain = [
                None if each is None else format(each.normalize() + 0, "f") for each in table.column(number).to_pylist()
            ]
            table = table.set_column(number, field.name, pa.array(plain, pa.string()))
    return table


def fills_of(table: pa.Table) -> list[Fill]:
    """The fills of a table of `result_tables`."""
    found = []
    for row in table.to_pylist():
        if "number" not in row:
            continue
        evidence = Evidence(*(row.pop(f"evidence_{name}") for name in Evidence._fields))
        plain = {name: each.normalize() + 0 if isinstance(each, Decimal) else each for name, each in row.items()}
        found.append(Fill._make([*(plain[name] for name in Fill._fields[:-1]), evidence]))
    return found


def active_of(table: pa.Table) -> dict[int, int]:
    """When each order was sent, by its number."""
    return {row["number"]: row["ts"] for row in table.to_pylist() if "number" in row}


__all__ = [
    "active_of",
    "as_texts",
    "brief_document",
    "derived_tables",
    "ended_at",
    "fills_of",
    "groups_table",
    "result_tables",
    "rolling_table",
    "run_document",
    "trips_of",
]
