"""Bars of a series as tables: what is stored, what a witness has, and both by the times of their bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import numpy as np
import pyarrow as pa

from marketprism_application.contracts.kinds import KINDS
from marketprism_application.contracts.questions import MAX_LIMIT, Records
from marketprism_application.history.kinds import HISTORY_KINDS
from marketprism_application.integrity.exact_numbers import Ints
from marketprism_application.ports.reading import StoreReader
from marketprism_application.queries.arrow_tables import schema_of
from marketprism_application.queries.paging import all_pages
from marketprism_domain.integrity.dataset import Dataset

Row = dict[str, object]
Rows = dict[int, Row]
_SHARED = ("open", "high", "low", "close", "volume")
NONE: Ints = np.zeros(0, dtype=np.int64)


async def stored_bars(reader: StoreReader, dataset: Dataset) -> pa.Table:
    """What is stored of a dataset, bar by bar, in all columns of its kind; of klines only closed ones.

    Raises:
        StoreError: as the reader does.
    """
    kind = KINDS[dataset.kind]
    question = Records(
        kind.name,
        dataset.symbol,
        dataset.venue,
        dataset.ts_from,
        dataset.ts_to,
        dataset.interval,
        MAX_LIMIT,
    )
    pages = [page.replace_schema_metadata(None) async for page in all_pages(reader.answer, question)]
    table = pa.concat_tables(pages).combine_chunks() if pages else schema_of(kind.name).empty_table()
    return table.filter(table.column("closed")) if "closed" in table.column_names else table


def times_of(table: pa.Table) -> Ints:
    """When the bars of a table open, in their order."""
    found: Ints = table.column("ts_open").to_numpy().astype(np.int64) if table.num_rows else NONE
    return found


def by_time(table: pa.Table) -> Rows:
    """The rows of a table by when their bars open."""
    return {int(row["ts_open"]): row for row in table.to_pylist()}


def values_of(kind: str, witness_kind: str) -> tuple[str, ...]:
    """The values in which a stored bar and one of a witness may differ. A bar of ours and one of the venue have their
    prices and volume in common; how each rounds money is its own matter."""
    return HISTORY_KINDS[kind].compared if kind == witness_kind else _SHARED


def differing(stored: Mapping[str, object], other: Mapping[str, object], fields: Sequence[str]) -> list[str]:
    """The fields that both have and in which they differ."""
    return [
        name
        for name in fields
        if stored.get(name) is not None and other.get(name) is not None and stored[name] != other[name]
    ]


def text_of(value: object) -> str:
    """A value as people write it, empty for none."""
    if value is None:
        return ""
    if not isinstance(value, Decimal):
        return str(value)
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def is_of_ours(kind: str) -> bool:
    """Whether bars of a kind are made here, not by a venue."""
    return "gap" in KINDS[kind].fields


__all__ = [
    "NONE",
    "Row",
    "Rows",
    "by_time",
    "differing",
    "is_of_ours",
    "stored_bars",
    "text_of",
    "times_of",
    "values_of",
]
