"""Bars of a witness as rows of the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cache

import pyarrow as pa

from marketprism_application.contracts.kinds import GAP, KINDS
from marketprism_application.contracts.questions import MAX_LIMIT, Records
from marketprism_application.integrity.stored_check import GAPS_OF_BARS
from marketprism_application.ports.reading import StoreReader
from marketprism_application.queries.arrow_tables import schema_of
from marketprism_application.queries.paging import all_pages
from marketprism_application.repairing.rows import Row, Rows
from marketprism_domain.bars.cascade import Gaps
from marketprism_domain.integrity.dataset import Dataset
from marketprism_domain.sessions.calendar import Schedule
from marketprism_domain.values import Interval

_VALUES = (
    *("open", "high", "low", "close", "volume", "turnover", "open_interest"),
    *("trades", "taker_buy_volume", "first_id", "last_id", "ticks"),
)


async def gaps_of(reader: StoreReader, dataset: Dataset) -> Gaps:
    """Entries of the gap ledger that bars of ours overlap in a range, each with its end."""
    question = Records(GAP.name, dataset.symbol, dataset.venue, None, dataset.ts_to, None, MAX_LIMIT)
    return tuple(
        [
            (row["ts_from"], row["ts_to"])
            async for page in all_pages(reader.answer, question)
            for row in page.to_pylist()
            if row["kind"] in GAPS_OF_BARS and row["ts_to"] >= dataset.ts_from
        ]
    )


class RowMaker:
    """Makes rows of one series; `source` is what they say they come from, `now_ns` when they are published."""

    def __init__(self, dataset: Dataset, schedule: Schedule, gaps: Gaps, source: str, now_ns: int) -> None:
        self._dataset, self._schedule, self._gaps = dataset, schedule, gaps
        self._source, self._now_ns = source, now_ns
        self._kind = KINDS[dataset.kind]
        self._length = Interval.parse(dataset.interval).nanos

    def table(self, rows: Rows, stored: Rows, closes: Mapping[int, int]) -> pa.Table:
        """Rows by their times, in the columns of the kind. What a witness does not have of a bar stays what is stored;
        `closes` are the ends of bars, where a row has none of its own."""
        made = [self._row(ts, rows[ts], stored.get(ts, {}), closes) for ts in sorted(rows)]
        return pa.Table.from_pylist(made, schema=schema_of(self._kind.name))

    def _row(self, ts: int, row: Mapping[str, object], before: Mapping[str, object], closes: Mapping[int, int]) -> Row:
        dataset, fields = self._dataset, self._kind.fields
        ts_close = closes.get(ts) or before.get("ts_close") or row.get("ts_close") or ts + self._length
        assert isinstance(ts_close, int)  # noqa: S101 (a column of whole numbers)
        made: Row = {name: _default(self._kind.name, name) for name in fields}
        made |= {
            "venue": dataset.venue,
            "symbol": dataset.symbol,
            "source": self._source,
            "ts_event": ts_close,
            "ts_recv": ts_close,
            "ts_pub": self._now_ns,
            "interval": dataset.interval,
            "ts_open": ts,
            "ts_close": ts_close,
        }
        for name in _VALUES:
            if name in fields:
                value = row.get(name)
                if value is None:
                    value = before.get(name)
                if value is not None:
                    made[name] = value
        if "closed" in fields:
            made["closed"] = True
        if "trading_day" in fields:
            day = before.get("trading_day") or row.get("trading_day") or self._schedule.trading_day_of(ts_close - 1)
            made["trading_day"] = day
        if "gap" in fields:
            made["gap"] = any(first < ts_close and ts <= end for first, end in self._gaps)
        return made


@cache
def _default(kind: str, name: str) -> object:
    """What a field is where nobody has it."""
    defaults: dict[str, object] = getattr(KINDS[kind].model, "_field_defaults", {})
    if name in defaults:
        return defaults[name]
    return Decimal(0) if name in ("turnover", "volume") else 0


def chosen(rows: Rows, times: Sequence[int]) -> Rows:
    """The rows of some times, of those that there are."""
    return {ts: rows[ts] for ts in times if ts in rows}


__all__ = ["RowMaker", "chosen", "gaps_of"]
