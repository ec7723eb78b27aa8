"""What is exported: a series with its rows, and what was written of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from marketprism_application.errors import QueryError, SourceError
from marketprism_application.integrity.exact_numbers import ArrowColumn
from marketprism_sdk.durable_files import place_file
from marketprism_sdk.errors import reason_of

Ints = NDArray[np.int64]
Tables = Iterable[pa.Table]
_DAY_NS = 86_400 * 10**9
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class ExportSeries:
    """A series that is exported: `name` is what the instrument is called in the files. `zone` is that of times that
    files have without an offset."""

    venue: str
    symbol: str
    interval: str
    name: str
    zone: tzinfo = UTC


@dataclass(frozen=True)
class Exported:
    """What was written: files, rows by kind, and what whoever reads the files has to know."""

    files: tuple[Path, ...]
    rows: Mapping[str, int]
    remarks: tuple[str, ...] = ()


class ExportFormat(NamedTuple):
    """Files of a program, written of rows that come in the order of their times. `kinds` are those that it takes, of
    which each is read where it is there (`all_of_them`: the whole of them are one file), else the first is what is
    written without a choice."""

    name: str
    kinds: tuple[str, ...]
    write: Callable[[ExportSeries, Mapping[str, Tables], Path], Exported]
    note: str
    together: bool = False


def whole(tables: Tables, kind: str) -> pa.Table:
    """All rows of a kind as one table.

    Raises:
        SourceError: there are none.
    """
    found = [table.replace_schema_metadata(None) for table in tables if table.num_rows]
    if not found:
        raise SourceError(f"{kind}: expected rows in the range, there are none")
    return pa.concat_tables(found).combine_chunks()


def by_days(tables: Tables, kind: str) -> Iterator[tuple[int, pa.Table]]:
    """The rows of each day in UTC with its number since 1970, as they come: no more than a day and a page are held.

    Raises:
        SourceError: there are no rows, or they are not in the order of their times.
    """
    waiting: list[pa.Table] = []
    last = -1
    for table in tables:
        if not table.num_rows:
            continue
        page = table.replace_schema_metadata(None)
        days = ints(page, "ts_open" if "ts_open" in page.column_names else "ts_event") // _DAY_NS
        if (np.diff(days) < 0).any():
            order = np.argsort(days, kind="stable")
            page, days = page.take(order), days[order]
        if int(days[0]) < last:
            raise SourceError(f"{kind}: expected rows in the order of their times")
        begins = [0, *(np.flatnonzero(np.diff(days)) + 1).tolist()]
        for begin, end in pairwise([*begins, len(days)]):
            if waiting and int(days[begin]) > last:
                yield last, pa.concat_tables(waiting).combine_chunks()
                waiting = []
            last = int(days[begin])
            waiting.append(page.slice(begin, end - begin))
    if not waiting:
        raise SourceError(f"{kind}: expected rows in the range, there are none")
    yield last, pa.concat_tables(waiting).combine_chunks()


def placed(path: Path, fill: Callable[[Path], object]) -> Path:
    """A file, there whole or not at all; its path.

    Raises:
        SourceError: it cannot be written.
    """
    try:
        place_file(path, fill)
    except OSError as error:
        raise SourceError(f"file {path}: expected one that can be written: {reason_of(error)}") from error
    return path


def ints(table: pa.Table, name: str) -> Ints:
    """A column of whole numbers."""
    return np.asarray(table.column(name).to_numpy(), dtype=np.int64)


def doubles(column: ArrowColumn) -> NDArray[np.float64]:
    """Decimals as the doubles next to them, NaN where there is none."""
    values: NDArray[np.float64] = np.asarray(pc.cast(column, pa.float64()), dtype=np.float64)
    return values


def decimals_needed(table: pa.Table, names: Iterable[str], most: int) -> int:
    """How many digits behind the point the columns have.

    Raises:
        QueryError: more than the files can have; names the column.
    """
    needed = 0
    for name in names:
        column = table.column(name).combine_chunks()
        for places in range(needed, most + 1):
            try:
                column.cast(pa.decimal128(38, places))
            except pa.ArrowInvalid:
                continue
            needed = places
            break
        else:
            raise QueryError(f"{name}: expected at most {most} digits behind the point, which the files can have")
    return needed


def plain_texts(column: ArrowColumn) -> list[str]:
    """Decimals as people write them."""
    return ["" if value is None else _plain(value) for value in column.to_pylist()]


def _plain(value: object) -> str:
    text = format(Decimal(str(value)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def moment(ts: int, zone: tzinfo = UTC) -> datetime:
    """An instant in a zone, to the microsecond."""
    return (_EPOCH + timedelta(microseconds=ts // 1_000)).astimezone(zone)


def folder_of(path: Path) -> Path:
    """A folder that files can be written into, made where it is not there.

    Raises:
        SourceError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SourceError(f"folder {path}: expected one that can be written: {reason_of(error)}") from error
    return path
