"""Event files of hftbacktest: one array `data` of its own record, ordered for both clocks.

A row has flags: what it is (depth 1, trade 2, clear 3, snapshot 4), whose side, and by which clock it is valid, the
exchange's, the local one, or both. A row whose two times lie in another order than its neighbours' stands twice, once
for each clock. Local times are never before the exchange's: where the clocks differ so, all of them are moved alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from marketprism_adapters.exports.series import (
    Exported,
    ExportSeries,
    Ints,
    Tables,
    doubles,
    folder_of,
    ints,
    moment,
    placed,
    whole,
)
from marketprism_application.errors import SourceError

EVENT = np.dtype(
    [
        ("ev", "<u8"),
        ("exch_ts", "<i8"),
        ("local_ts", "<i8"),
        ("px", "<f8"),
        ("qty", "<f8"),
        ("order_id", "<u8"),
        ("ival", "<i8"),
        ("fval", "<f8"),
    ],
    align=True,
)
DEPTH, TRADE, CLEAR, SNAPSHOT = 1, 2, 3, 4
EXCH, LOCAL, BUY, SELL = 1 << 31, 1 << 30, 1 << 29, 1 << 28
Events = NDArray[np.void]


class _Part(NamedTuple):
    """Rows of one sort, with the order in which they stand among others of the same times."""

    events: Events
    rank: Ints


def write(series: ExportSeries, rows: Mapping[str, Tables], out: Path) -> Exported:
    """Books and trades of a range as one `.npz`.

    Raises:
        SourceError: no rows, or no place.
    """
    parts, counts = [], {}
    for kind, tables in rows.items():
        found = [table for table in tables if table.num_rows]
        if not found:
            continue
        table = whole(found, kind)
        parts.append(_trades(table) if "trade_id" in table.column_names else _depth(table))
        counts[kind] = table.num_rows
    if not parts:
        raise SourceError(f"{', '.join(rows)}: expected rows in the range, there are none")
    events = np.concatenate([part.events for part in parts])
    rank = np.concatenate([part.rank for part in parts])
    moved = _moved(events)
    events = in_both_orders(events, rank)
    path = folder_of(out) / f"{series.name.lower()}_{moment(int(events['exch_ts'][0])):%Y%m%d}.npz"
    placed(path, partial(_save, events))
    remarks = (f"local times are moved by {moved} ns, for some lay before the exchange's",) if moved else ()
    return Exported((path,), {**counts, "events": len(events)}, remarks)


def _save(events: Events, path: Path) -> None:
    with path.open("wb") as file:  # of a name alone it would make another one
        np.savez_compressed(file, data=events)


def _trades(table: pa.Table) -> _Part:
    events = np.zeros(table.num_rows, dtype=EVENT)
    buys = pc.equal(table.column("side"), pa.scalar("buy")).to_numpy()
    events["ev"] = TRADE | np.where(buys, BUY, SELL)
    events["exch_ts"], events["local_ts"] = ints(table, "ts_event"), ints(table, "ts_recv")
    events["px"], events["qty"] = doubles(table.column("price")), doubles(table.column("quantity"))
    return _Part(events, np.zeros(len(events), dtype=np.int64))


def _depth(table: pa.Table) -> _Part:
    """Steps of a book: a snapshot takes out what is there and puts its levels, so does one that says that the book is
    not known, with none; an update changes levels."""
    count = table.num_rows
    forms = np.array(table.column("form").to_pylist(), dtype=object)
    replaces = forms != "update"
    parts, ranks = [], []
    exch, local = ints(table, "ts_event"), ints(table, "ts_recv")
    for side in (BUY, SELL):
        cleared = np.flatnonzero(replaces)
        events = np.zeros(len(cleared), dtype=EVENT)
        events["ev"], events["px"] = CLEAR | side, np.nan
        events["exch_ts"], events["local_ts"] = exch[cleared], local[cleared]
        parts.append(events)
        ranks.append(cleared * 4 + 1)
    for side, name in ((BUY, "bids"), (SELL, "asks")):
        column = table.column(name).combine_chunks()
        lengths = pc.list_value_length(column).fill_null(0).to_numpy(zero_copy_only=False)
        levels = pc.list_flatten(column)
        row = np.repeat(np.arange(count), lengths)
        events = np.zeros(len(row), dtype=EVENT)
        events["ev"] = np.where(replaces[row], SNAPSHOT, DEPTH) | side
        events["exch_ts"], events["local_ts"] = exch[row], local[row]
        for field, of_level in (("px", "price"), ("qty", "quantity")):
            events[field] = pc.cast(pc.struct_field(levels, of_level), pa.float64()).to_numpy(zero_copy_only=False)
        parts.append(events)
        ranks.append(row * 4 + 2)
    rank = np.concatenate(ranks)
    order = np.argsort(rank, kind="stable")
    return _Part(np.concatenate(parts)[order], rank[order])


def _moved(events: Events) -> int:
    """Move local times so that none is before the exchange's; by how much, 0 where none was."""
    behind = int((events["local_ts"] - events["exch_ts"]).min())
    if behind >= 0:
        return 0
    events["local_ts"] -= behind
    return -behind


def in_both_orders(events: Events, rank: Ints) -> Events:
    """The events so that those of each clock are in its order; some stand twice. Of one time the order is `rank`'s."""
    order = np.lexsort((rank, events["exch_ts"]))
    events = events[order]
    latest = np.maximum.accumulate(events["local_ts"])
    together = events["local_ts"] >= latest
    events["ev"] |= np.uint64(EXCH)
    events["ev"][together] |= np.uint64(LOCAL)
    late = events[~together].copy()
    if not len(late):
        return events
    late["ev"] = (late["ev"] & ~np.uint64(EXCH)) | np.uint64(LOCAL)
    late = late[np.argsort(late["local_ts"], kind="stable")]
    both = np.flatnonzero(together)
    before = np.searchsorted(events["local_ts"][both], late["local_ts"], side="right")
    place = np.where(before < len(both), both[np.minimum(before, len(both) - 1)], len(events))
    return np.insert(events, place, late)
