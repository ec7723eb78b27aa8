"""What a caller's text and times become on their way to the engine: parameters, never part of a statement."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    import pyarrow as pa

Params = dict[str, Any]


class OfDays(Protocol):
    """A question that may name its first and its last trading day."""

    @property
    def from_day(self) -> str | None: ...

    @property
    def to_day(self) -> str | None: ...


class Statement(NamedTuple):
    """What the engine is asked, and what is made of the table that it gives."""

    text: str
    params: Params
    shape: Callable[[pa.Table], pa.Table]


def parameter(value: str) -> str:
    """Text as a query parameter carries it (tab-separated escapes)."""
    return value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r").replace("\0", "")


def bounds(column: str, ts_from: int | None, ts_to: int | None, params: Params) -> list[str]:
    """Conditions on a stored time; their values go into `params`. On the column itself, so that the engine can skip
    partitions: the function is applied to the bound."""
    found = []
    for name, operator, value in (("ts_from", ">=", ts_from), ("ts_to", "<", ts_to)):
        if value is not None:
            found.append(f"{column} {operator} fromUnixTimestamp64Nano({{{name}:Int64}}, 'UTC')")
            params[name] = value
    return found


def days(query: OfDays, params: Params) -> list[str]:
    """Conditions on the trading day; their values go into `params`."""
    found = []
    for name, operator, value in (("from_day", ">=", query.from_day), ("to_day", "<=", query.to_day)):
        if value is not None:
            found.append(f"t.trading_day {operator} {{{name}:String}}")
            params[name] = parameter(value)
    return found


def as_schema(schema: pa.Schema) -> Callable[[pa.Table], pa.Table]:
    """Makes the columns of a schema, in its order and types, of an engine's."""
    return lambda table: table.select(schema.names).cast(schema)
