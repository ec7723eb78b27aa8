"""Where a statement takes the rows of a table from: the table, cold files, or both as one.

The only place that knows. A statement is written for the table; `over` puts the source of each table into it. Of rows
with one key the newest version counts, wherever it lies, as FINAL has it within the table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from marketprism_adapters.clickhouse.sql.literals import quoted
from marketprism_adapters.clickhouse.sql.parameters import Params, parameter
from marketprism_adapters.clickhouse.topology import DATABASE
from marketprism_application.archiving.layout import ARCHIVABLE
from marketprism_application.archiving.reach import Reach
from marketprism_application.contracts.kinds import DataKind
from marketprism_application.ports.archive import ColdAddress, Columns

_TABLE = re.compile(rf"\b{DATABASE}\.(\w+)(?: AS (\w+))?( FINAL)?\b")


class ColdPart(NamedTuple):
    """Files of one unit that a statement reads, and the columns that they have."""

    partition: str
    columns: Columns
    addresses: tuple[ColdAddress, ...]


class TableSource(NamedTuple):
    """What a statement reads of a table beside its hot rows. `overlaid`: partitions among those of `parts` that have
    hot rows now; of the others, hot rows that come later are left out."""

    columns: Columns
    parts: tuple[ColdPart, ...]
    overlaid: frozenset[str]


def version_of(kind: DataKind) -> str:
    """The expression whose largest value counts among rows of one key; as the migrations have it."""
    return "bitShiftLeft(toUInt64(revision), 48) + stream_seq" if "revision" in kind.fields else "stream_seq"


def crosses(kind: DataKind) -> bool:
    """Whether rows of one key can lie in several partitions."""
    return kind.partitioned_by not in kind.order_by


def tables_of(text: str) -> set[str]:
    """Tables that can be archived and that a statement reads."""
    return {match.group(1) for match in _TABLE.finditer(text)} & set(ARCHIVABLE)


def over(text: str, sources: Mapping[str, TableSource], reach: Reach) -> tuple[str, Params]:
    """The statement with the sources of its tables, and what it takes beside its own parameters."""
    params: Params = {}

    def put(match: re.Match[str]) -> str:
        table, alias, final = match.groups()
        if table not in sources:
            return match.group(0)
        where = conditions(ARCHIVABLE[table], reach, params)
        return f"{both(table, sources[table], where, final=bool(final))} AS {alias or table}"

    return _TABLE.sub(put, text), params


def conditions(kind: DataKind, reach: Reach, params: Params) -> str:
    """Bounds on the columns of the key, which may be put before rows of one key become one."""
    where = ["1"]
    if reach.symbols is not None:
        names = {f"cold_symbol_{n}": parameter(symbol) for n, symbol in enumerate(sorted(reach.symbols))}
        params |= names
        where.append(f"symbol IN ({', '.join(f'{{{name}:String}}' for name in names) or 'NULL'})")
    for name, operator, value in (("cold_from", ">=", reach.ts_from), ("cold_to", "<", reach.ts_to)):
        if value is not None:
            where.append(f"{kind.time_field} {operator} fromUnixTimestamp64Nano({{{name}:Int64}}, 'UTC')")
            params[name] = value
    return " AND ".join(where)


def both(table: str, source: TableSource, where: str, *, final: bool = True, only: str = "") -> str:
    """Rows of a table, hot and cold, as a subquery; `only` is the partition whose hot rows are read, empty for all."""
    kind = ARCHIVABLE[table]
    merged = final and bool(source.overlaid or crosses(kind)) and bool(source.parts)
    names = ", ".join(name for name, _ in source.columns)
    left_out = [part.partition for part in source.parts if part.partition not in source.overlaid]
    hot_where = where + (f" AND _partition_id = '{only}'" if only else "")
    if left_out:
        listed = ", ".join(f"'{each}'" for each in left_out)
        hot_where += f" AND _partition_id NOT IN ({listed})"
    tier = ", 1 AS from_hot" if merged else ""
    hot_final = " FINAL" if final else ""
    selects = [f"SELECT {names}{tier} FROM {DATABASE}.{table}{hot_final} WHERE {hot_where}"]
    selects += cold(source, where, ", 0 AS from_hot" if merged else "")
    union = " UNION ALL ".join(selects)
    if not merged:
        return f"({union})"
    key = ", ".join(kind.order_by)
    return f"(SELECT {names} FROM ({union}) ORDER BY {version_of(kind)} DESC, from_hot DESC LIMIT 1 BY {key})"


def cold(source: TableSource, where: str, more: str = "") -> list[str]:
    """SELECTs over the files, one each; a column that is newer than a file has its default."""
    found = []
    for part in source.parts:
        there = dict(part.columns)
        selected = ", ".join(
            name if name in there else f"defaultValueOfTypeName('{quoted(kind)}') AS {name}"
            for name, kind in source.columns
        )
        found += [
            f"SELECT {selected}{more} FROM {function(address, part.columns)} WHERE {where}"
            for address in part.addresses
        ]
    return found


def function(address: ColdAddress, columns: Columns) -> str:
    """The table function of one file. One that names several by a pattern passes over a file that is missing, without a
    word: so there is one of each."""
    structure = quoted(", ".join(f"{name} {kind}" for name, kind in columns))
    if not address.key_id:
        return f"file('{quoted(address.url)}', Parquet, '{structure}')"
    who = f"'{quoted(address.key_id)}', '{quoted(address.key_text)}'"
    return f"s3('{quoted(address.url)}', {who}, Parquet, '{structure}')"


def part_of(partition: str, columns: Columns, paths: Sequence[str], address: Callable[[str], ColdAddress]) -> ColdPart:
    """The files of a unit, where an engine finds them."""
    return ColdPart(partition, columns, tuple(address(path) for path in paths))


__all__ = [
    "ColdPart",
    "TableSource",
    "both",
    "cold",
    "conditions",
    "crosses",
    "function",
    "over",
    "part_of",
    "tables_of",
    "version_of",
]
